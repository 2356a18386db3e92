//! Stretches of time of which no state can be restored, and why. Pure.

use std::time::Duration;

use serde::Serialize;

use super::survey::text;
use super::{Interval, Survivor};
use crate::format::{Flags, Summary};
use crate::units::Timestamp;

/// A time of which no state can be restored, though there may have been some: what was committed in it is part of the
/// first state behind it.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
pub struct Gap {
    /// The last state before it.
    #[serde(serialize_with = "text")]
    pub from: Timestamp,
    /// Its end.
    #[serde(serialize_with = "text")]
    pub to: Timestamp,
    /// Why there is one.
    pub why: Absence,
}

/// A gap, and the states that can be restored on both sides of it.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Around {
    /// The gap.
    pub gap: Gap,
    /// The last state before it.
    pub before: Survivor,
    /// The first state behind it.
    pub after: Survivor,
}

/// Why of a time no state can be restored.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Absence {
    /// No replicator watched the database.
    NotRunning,
    /// One did, and the store was out of its reach.
    Outage,
    /// The states of that time were there, and retention let go of them.
    Deleted,
}

impl Absence {
    /// Why, of an object that came about like this.
    pub(super) fn of(flags: Flags) -> Absence {
        if flags.outage { Absence::Outage } else { Absence::NotRunning }
    }
}

impl Gap {
    /// The gap that a segment or a snapshot says it closes.
    pub(super) fn closed_by(summary: &Summary) -> Option<Gap> {
        let (from, to) = summary.unobserved?;
        Gap::new(from, to, Absence::of(summary.flags))
    }

    /// The gap between the end of one generation and the snapshot of the next: none if capture went on between the two.
    pub(super) fn between(end: Timestamp, snapshot: Timestamp, joins: bool) -> Option<Gap> {
        if joins { None } else { Gap::new(end, snapshot, Absence::NotRunning) }
    }

    /// How long it is.
    pub fn length(self) -> Duration {
        Interval { from: self.from, to: self.to }.length()
    }

    /// `None` if it has no length.
    pub(super) fn new(from: Timestamp, to: Timestamp, why: Absence) -> Option<Gap> {
        (from < to).then_some(Gap { from, to, why })
    }
}
