//! Header and trailer of a page file, decoded.

use serde::Serialize;

use crate::cli::render::json::{text, text_or_null};
use crate::format::Outline;
use crate::ids::{Digest, GenerationId, WriterId};
use crate::replica::Name;
use crate::restore::Interval;
use crate::seal::Suite;
use crate::units::{DbChecksum, SegmentIndex, Timestamp};

/// Header and trailer of a page file, in the words of its specification.
#[derive(Debug, Serialize)]
pub(super) struct Raw {
    #[serde(serialize_with = "text")]
    key: Name,
    kind: &'static str,
    compression: String,
    page_size: u32,
    generation: GenerationId,
    first_index: u64,
    last_index: u64,
    #[serde(serialize_with = "text")]
    first_at: Timestamp,
    #[serde(serialize_with = "text")]
    last_at: Timestamp,
    pages_after: u32,
    #[serde(serialize_with = "text")]
    checksum_before: DbChecksum,
    #[serde(serialize_with = "text")]
    checksum_after: DbChecksum,
    transactions: u64,
    transactions_since_snapshot: u64,
    wal_bytes: u64,
    catch_up: bool,
    rewind: bool,
    outage: bool,
    unobserved: Option<Interval>,
    #[serde(skip_serializing_if = "Option::is_none")]
    level: Option<u8>,
    #[serde(skip_serializing_if = "Option::is_none")]
    points: Option<Vec<PointTime>>,
    images: u64,
    index_records: usize,
    stored_bytes: u64,
    page_file_bytes: u64,
    digest: Digest,
    predecessor: Digest,
    #[serde(serialize_with = "text_or_null")]
    joins: Option<Digest>,
    #[serde(serialize_with = "text_or_null")]
    previous: Option<GenerationId>,
    writer: WriterId,
}

/// What is in front of a sealed object, to those who have no key.
#[derive(Debug, Serialize)]
pub(super) struct Outer {
    #[serde(serialize_with = "text")]
    key: Name,
    encrypted: bool,
    suite: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    key_epoch: Option<u32>,
    stored_bytes: u64,
}

impl Outer {
    /// What its envelope says.
    pub(super) fn of(key: Name, stored_bytes: u64, suite: Suite) -> Outer {
        let (suite, key_epoch) = match suite {
            Suite::Open => ("open", None),
            Suite::Sealed(epoch) => ("Cobblestone-256", Some(epoch.0)),
        };
        Outer { key, encrypted: key_epoch.is_some(), suite, key_epoch, stored_bytes }
    }
}

/// A point that a merged segment leads over.
#[derive(Debug, Serialize)]
struct PointTime {
    index: u64,
    #[serde(serialize_with = "text")]
    at: Timestamp,
}

impl PointTime {
    fn of(&(index, at): &(SegmentIndex, Timestamp)) -> PointTime {
        PointTime { index: index.get(), at }
    }
}

impl Raw {
    /// What an outline says.
    pub(super) fn of(name: Name, size: u64, outline: &Outline) -> Raw {
        let Outline { header, summary, times, index, images, digest, len } = outline;
        Raw {
            key: name,
            kind: match name {
                Name::Snapshot(_) => "snapshot",
                Name::Merged(..) => "merged",
                _ => "segment",
            },
            compression: header.codec.to_string(),
            page_size: header.page_size.get(),
            generation: header.generation,
            first_index: header.first.get(),
            last_index: summary.last.get(),
            first_at: header.first_time,
            last_at: summary.last_time,
            pages_after: summary.pages_after,
            checksum_before: header.checksum_before,
            checksum_after: summary.checksum_after,
            transactions: summary.transactions,
            transactions_since_snapshot: summary.transactions_since_snapshot,
            wal_bytes: summary.wal_bytes,
            catch_up: summary.flags.catch_up,
            rewind: summary.flags.rewind,
            outage: summary.flags.outage,
            unobserved: summary.unobserved.map(|(from, to)| Interval { from, to }),
            level: times.as_ref().map(|times| times.level),
            points: times.as_ref().map(|times| times.points.iter().map(PointTime::of).collect()),
            images: *images,
            index_records: index.len(),
            stored_bytes: size,
            page_file_bytes: *len,
            digest: *digest,
            predecessor: header.predecessor,
            joins: summary.joins,
            previous: header.previous,
            writer: header.writer,
        }
    }
}
