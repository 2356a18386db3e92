//! The ranges that were open when an earlier session ended, made again from the indexes of their objects: no page is read.

use futures_util::{StreamExt, stream};

use super::context::Context;
use super::error::Error;
use super::merging::{Merging, Part};
use super::page_set::PageSet;
use super::pending::Span;
use super::session::Session;
use crate::compact::{Unit, joined};
use crate::format::Kind;
use crate::replica::{Name, ObjectReader, Objects};
use crate::units::SegmentIndex;

/// With more objects than this, what is open is left to `compact`.
const OBJECTS: usize = 128;
/// Objects that are opened at the same time.
const CONCURRENCY: usize = 8;

/// Opens them, if that takes few requests: one or two listings, and one read for each object since the last range of the
/// highest level. Without it, ranges begin where this session began.
pub(super) async fn reopen(session: &mut Session, context: &Context) -> Result<(), Error> {
    let (Some(known), Some(manifest)) = (&session.replica, &session.manifest) else { return Ok(()) };
    let (Some(levels), Some(end)) = (context.options.merge.clone(), known.index.and_then(SegmentIndex::new)) else {
        return Ok(());
    };
    let highest = levels.get().len();
    let closed = manifest.merged.iter().rev().find(|merged| usize::from(merged.level) >= highest);
    let begins = closed.map_or(Some(SegmentIndex::ZERO), |closed| closed.last.next()).unwrap_or(SegmentIndex::MAX);
    // There would be more than can be read: most of it is in no merged segment.
    if manifest.merged.iter().all(|merged| merged.last < begins) && end.get() - begins.get().min(end.get()) > 1000 {
        return Ok(());
    }
    let objects = Objects::list_range(&*context.replica, known.generation, begins, end).await?;
    let names = joined(&objects, begins);
    let reaches = match names.last() {
        Some(&(Name::Segment(_, last) | Name::Merged(_, _, last), _)) => last == end,
        _ => false,
    };
    if !reaches || names.len() > OBJECTS {
        return Ok(());
    }
    let mut merging = Merging::new(Some(levels));
    let (replica, count) = (context.replica.clone(), names.len());
    let opening = names.into_iter().map(move |(name, size)| {
        let replica = replica.clone();
        async move { ObjectReader::open(&replica, name, size).await }
    });
    let mut readers = stream::iter(opening).buffered(CONCURRENCY);
    while let Some(reader) = readers.next().await {
        let reader = reader?;
        let outline = reader.outline();
        let unit = Unit {
            first: outline.header.first,
            last: outline.summary.last,
            level: match (&outline.times, outline.header.kind) {
                (Some(times), _) => times.level,
                (None, Kind::Segment) => 0,
                (None, _) => u8::MAX,
            },
            at: outline.summary.last_time,
        };
        merging.add_unit(unit, &part(&reader).await?);
    }
    tracing::debug!(objects = count, "what is merged next goes on from before");
    session.merging.take_over(merging);
    Ok(())
}

/// What an object adds to the ranges that it is in.
async fn part(reader: &ObjectReader) -> Result<Part, Error> {
    let outline = reader.outline();
    let mut pages = PageSet::default();
    for place in &outline.index {
        for entry in reader.index(place).await? {
            entry.pages().for_each(|(page, _)| pages.insert(page));
        }
    }
    let (header, summary) = (&outline.header, &outline.summary);
    Ok(Part {
        first_time: header.first_time,
        checksum_before: header.checksum_before,
        predecessor: header.predecessor,
        flags: summary.flags,
        unobserved: summary.unobserved,
        span: Span {
            transactions: summary.transactions,
            wal_bytes: summary.wal_bytes,
            first: header.first_time,
            last: summary.last_time,
        },
        pages,
    })
}
