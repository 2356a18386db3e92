//! What a check found.

use std::time::Duration;

use serde::{Serialize, Serializer};

use super::Level;
use crate::error::Kind;
use crate::ids::GenerationId;
use crate::replica::Name;
use crate::restore::Interval;
use crate::units::{DbChecksum, SegmentIndex, Timestamp};

/// How bad it is.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Severity {
    /// Nothing is lost, but it should not be so.
    Warning,
    /// Whole, but too old.
    Stale,
    /// Something cannot be restored, or is not what was written.
    Damaged,
}

/// One thing that is wrong.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Finding {
    /// Stable, for programs: `object.missing`.
    pub code: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// The generation, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<GenerationId>,
    /// The (first) index of the segment, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none", serialize_with = "index")]
    pub index: Option<SegmentIndex>,
    /// The key of the object, if it is about one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub object: Option<String>,
    /// The states that cannot be restored for it: after the first moment, up to the last.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub lost: Option<Interval>,
    /// One line for people, with the object's key.
    pub message: String,
}

impl Finding {
    /// About one object of a generation.
    pub(super) fn of(name: Name, code: &'static str, severity: Severity, message: impl Into<String>) -> Finding {
        let index = match name {
            Name::Segment(_, index) | Name::Merged(_, index, _) => Some(index),
            Name::Snapshot(_) | Name::Manifest(_) => None,
        };
        let (generation, object) = (Some(name.generation()), Some(name.key()));
        Finding { code, severity, generation, index, object, lost: None, message: message.into() }
    }

    /// About the object under this key, which belongs to no generation.
    pub(super) fn at(key: &str, code: &'static str, severity: Severity, message: impl Into<String>) -> Finding {
        let object = Some(key.to_owned());
        Finding { code, severity, generation: None, index: None, object, lost: None, message: message.into() }
    }

    /// About none in particular.
    pub(super) fn general(code: &'static str, severity: Severity, message: impl Into<String>) -> Finding {
        Finding { code, severity, generation: None, index: None, object: None, lost: None, message: message.into() }
    }
}

/// What a check found, and what it looked at.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// The location of the replica.
    pub source: String,
    /// How much was checked.
    pub level: Level,
    /// Everything that is wrong; empty if nothing is.
    pub findings: Vec<Finding>,
    /// Generations with a snapshot.
    pub generations: usize,
    /// Objects looked at, if only by the listing.
    pub objects_checked: u64,
    /// Bytes of objects read.
    pub bytes_read: u64,
    /// The time of the newest transaction.
    pub newest_at: Option<Timestamp>,
    /// The first and the last moment that can be restored, with what was found left out.
    pub restorable: Option<(Timestamp, Timestamp)>,
    /// The checksum that was reached by reading the newest state, and is the replicator's.
    pub checksum: Option<DbChecksum>,
    /// How long it took.
    pub duration: Duration,
}

impl Report {
    /// Nothing worse than a warning.
    pub fn ok(&self) -> bool {
        self.kind().is_none()
    }

    /// What a caller is to do about the findings; damage outweighs age.
    pub fn kind(&self) -> Option<Kind> {
        match self.findings.iter().map(|finding| finding.severity).max()? {
            Severity::Damaged => Some(Kind::Damaged),
            Severity::Stale => Some(Kind::Stale),
            Severity::Warning => None,
        }
    }
}

fn index<S: Serializer>(index: &Option<SegmentIndex>, serializer: S) -> Result<S::Ok, S::Error> {
    match index {
        Some(index) => serializer.serialize_u64(index.get()),
        None => serializer.serialize_none(),
    }
}
