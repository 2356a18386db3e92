//! Sealing page images that are in memory into a segment.

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::time::Instant;

use super::error::Error;
use super::merging::Part;
use super::page_set::PageSet;
use super::parcel::{Body, Change, Parcel, ParcelKind};
use super::pending::{Boundary, Span};
use crate::compress::Compression;
use crate::format::{Flags, Header, Kind, PageFileWriter, PageHasher, Summary, Unobserved, WalMark};
use crate::ids::{Digest, WriterId};
use crate::planted;
use crate::replica::{Name, Sealing};
use crate::state::{Acknowledged, PageHashes};
use crate::units::{DbChecksum, PageHash, PageNo, PageSize, SegmentIndex, Timestamp};

/// The object that a segment joins, and where it goes.
#[derive(Clone, Debug)]
pub(super) struct Joint {
    pub(super) before: Acknowledged,
    pub(super) index: SegmentIndex,
    pub(super) page_size: PageSize,
    pub(super) checksum_before: DbChecksum,
    pub(super) writer: WriterId,
    pub(super) compression: Compression,
    /// It has what came together while the store was out of reach.
    pub(super) outage: bool,
    /// A time in which nobody watched the database, if the segment spans one.
    pub(super) unwatched: Option<Unwatched>,
}

/// A time in which nobody watched the database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Unwatched {
    pub(super) from: Timestamp,
    pub(super) to: Timestamp,
    /// What changed was found by comparing pages; otherwise the WAL had it.
    pub(super) compared: bool,
    /// In it the database was restored to an earlier point than the replica's last.
    pub(super) rewind: bool,
}

impl Joint {
    pub(super) fn name(&self) -> Name {
        Name::Segment(self.before.generation, self.index)
    }

    pub(super) fn header(&self, first: Timestamp) -> Header {
        Header {
            kind: Kind::Segment,
            codec: self.compression.codec(),
            page_size: self.page_size,
            generation: self.before.generation,
            first: self.index,
            first_time: first.max(self.before.at()),
            checksum_before: self.checksum_before,
            predecessor: self.before.digest,
            writer: self.writer,
            previous: None,
        }
    }

    pub(super) fn summary(&self, span: Span, boundary: Boundary, checksum_after: DbChecksum) -> Summary {
        // Times never go back within a generation, whatever the clock does.
        let mut last_time = span.last.max(span.first).max(self.before.at());
        if planted::is("time goes back with the clock") {
            last_time = span.last;
        }
        // While the store was out of reach no state went there by itself.
        let sent_late = self.outage.then(|| (self.before.at(), last_time));
        // It ends with this state at the latest: the clock is read once more after what was found was captured.
        let unwatched = self.unwatched.map(|it| (it.from.min(last_time), it.to.min(last_time)));
        Summary {
            flags: Flags {
                catch_up: self.unwatched.is_some_and(|unwatched| unwatched.compared),
                rewind: self.unwatched.is_some_and(|unwatched| unwatched.rewind),
                outage: self.outage,
            },
            pages_after: boundary.pages,
            last: self.index,
            last_time,
            unobserved: unwatched.or(sent_late),
            transactions: span.transactions,
            transactions_since_snapshot: self.before.transactions + span.transactions,
            wal_bytes: span.wal_bytes,
            checksum_after,
            wal: mark(boundary),
            joins: None,
        }
    }
}

/// What a manifest says of the time of which such a segment has no states.
pub(super) fn unobserved(summary: &Summary) -> Option<Unobserved> {
    summary.unobserved.map(|(from, to)| Unobserved { from, to, outage: summary.flags.outage })
}

/// A segment in memory.
#[derive(Debug)]
pub(super) struct SealedSegment {
    /// The object as it is stored.
    pub(super) bytes: Bytes,
    pub(super) digest: Digest,
    pub(super) summary: Summary,
    pub(super) changes: Vec<(PageNo, PageHash)>,
}

impl SealedSegment {
    /// Ready to be put.
    pub(super) fn into_parcel(self, joint: &Joint, span: Span, began: Instant) -> Parcel {
        let SealedSegment { bytes, digest, summary, changes } = self;
        Parcel {
            name: joint.name(),
            digest,
            next: joint.before.followed_by(&summary, digest, changes.len() as u64, bytes.len() as u64),
            body: Body::Bytes(bytes),
            part: Some(Part::of(joint, &summary, span, PageSet::of(changes.iter().map(|change| change.0)))),
            change: Change::Pages(changes),
            kind: ParcelKind::Segment { span, unobserved: unobserved(&summary) },
            began,
        }
    }
}

/// Images that are compressed together, in bytes: on all cores.
const TOGETHER: usize = 1 << 20;

/// Makes a segment of these images. Pages that are as the replica has them already are left out.
pub(super) fn seal(
    images: &BTreeMap<PageNo, Box<[u8]>>,
    span: Span,
    boundary: Boundary,
    joint: &Joint,
    table: &PageHashes,
    hasher: &PageHasher,
    sealing: Sealing,
) -> Result<SealedSegment, Error> {
    let lock_page = joint.page_size.lock_page();
    let mut file = PageFileWriter::new(&joint.header(span.first), joint.compression)?;
    let mut changes = Vec::with_capacity(images.len());
    let (mut added, mut together) = (0, Vec::new());
    for (&page, image) in images.iter().filter(|&(&page, _)| page != lock_page) {
        let hash = hasher.hash(page, image);
        if table.get(page)? == hash {
            continue;
        }
        changes.push((page, hash));
        together.extend_from_slice(image);
        if together.len() >= TOGETHER {
            file.add(&changes[added..], &together)?;
            together.clear();
            added = changes.len();
        }
    }
    file.add(&changes[added..], &together)?;
    let checksum = table.preview(&changes, boundary.pages)?;
    let summary = joint.summary(span, boundary, checksum);
    let finished = file.finish(&summary)?;
    let bytes = Bytes::from(sealing.finish(finished.bytes));
    Ok(SealedSegment { bytes, digest: finished.digest, summary, changes })
}

/// A commit's place in the WAL as page files have it.
pub(super) fn mark(boundary: Boundary) -> WalMark {
    let position = boundary.position;
    WalMark { header: position.header, frame: position.frame.0, checksum: [position.checksum.0, position.checksum.1] }
}
