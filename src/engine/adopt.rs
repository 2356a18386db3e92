//! Going on in a replica that nothing here remembers: the state directory was lost, the database came to another host,
//! or was restored there.
//!
//! What the replica holds is read from the indexes of its objects, without any page. The database is then compared with
//! it, page by page, and goes on in the same generation. Two things must be so before that: it is the database that was
//! replicated, which its pages tell; and nobody else replicates it to the same place, which two listings tell.
//!
//! Where a new generation is begun beside another writer's, that one's is closed first: an empty segment of ours takes
//! the place of its next one. A writer that was asleep meanwhile is told so by its next put, and acknowledges nothing
//! more that no restore would look at.

use std::collections::BTreeMap;

use futures_util::stream::{self, StreamExt};
use tokio::time::Instant;

use super::context::Context;
use super::error::Error;
use super::parcel::{self, Body};
use super::pending::{Boundary, Span};
use super::resume::first;
use super::rival::Quiet;
use super::segment::{self, Joint};
use super::settle::absorb;
use crate::replica::chain::{Link, breaks};
use crate::replica::{self, ObjectReader, Objects};
use crate::restore;
use crate::state::{Acknowledged, Claimed, PageHashes};
use crate::units::{PageSize, SegmentIndex};
use crate::wal::Position;

/// Objects that are opened at a time.
const AT_A_TIME: usize = 8;

/// What a generation holds, and the hashes of its pages.
pub(super) type Held = (Acknowledged, PageHashes);

/// What the newest generation with a snapshot holds, and when it was listed.
#[derive(Debug)]
pub(super) enum Newest {
    /// There is no generation; or, where we have claimed the replica, none of which anything could ever be restored.
    None,
    /// It was read to its end.
    Read(Box<Held>, Quiet),
    /// There is one, and it cannot be gone on with: something of it is missing or damaged. What comes before that, if
    /// anything does.
    Broken(Option<Box<Held>>, Quiet),
}

/// Reads what the newest generation holds.
pub(super) async fn newest(context: &Context) -> Result<Newest, Error> {
    let mut newest = None;
    let is_ours = Claimed::is(&context.state, context.ids.replica)?;
    for generation in replica::generations(&*context.replica).await?.into_iter().rev() {
        let since = Instant::now();
        let objects = Objects::list(&*context.replica, generation, None).await?;
        let quiet = Quiet::begin(generation, objects.last(), since);
        if objects.snapshot.is_none() {
            newest = newest.or(Some(quiet)).filter(|_| !is_ours);
            continue;
        }
        let (held, whole) = read(context, &objects).await?;
        return Ok(match held.map(Box::new) {
            Some(held) if whole => Newest::Read(held, quiet),
            held => Newest::Broken(held, quiet),
        });
    }
    Ok(newest.map_or(Newest::None, |quiet| Newest::Broken(None, quiet)))
}

/// Reads what a generation holds at its end, and says so: one or two requests for each object, and no page. Where
/// objects are missing or damaged, or do not join, what comes before that is read.
pub(super) async fn read(context: &Context, objects: &Objects) -> Result<(Option<Held>, bool), Error> {
    let generation = objects.generation;
    let (names, mut whole) = match restore::cover(objects, objects.last().into()) {
        Ok(names) => (names, true),
        Err(why) => {
            tracing::warn!(%generation, ?why, "an object of the generation is missing");
            let before = match why {
                restore::Uncovered::Gap(at) => at.get().checked_sub(1).and_then(SegmentIndex::new).into(),
                restore::Uncovered::Merged(before) | restore::Uncovered::Beyond(before) => before,
                restore::Uncovered::NoSnapshot => return Ok((None, false)),
            };
            (restore::cover(objects, before).unwrap_or_default(), false)
        }
    };
    let mut table = PageHashes::begin(&context.state)?;
    let mut end: Option<(Acknowledged, Link)> = None;
    let opening = names.into_iter().map(|(name, size)| ObjectReader::open(&context.replica, name, size));
    let mut readers = stream::iter(opening).buffered(AT_A_TIME);
    while let Some(reader) = readers.next().await {
        let reader = match reader {
            Ok(reader) => reader,
            Err(error) if error.is_damage() => {
                tracing::warn!(%error, "the generation cannot be read to its end");
                whole = false;
                break;
            }
            Err(error) => return Err(error.into()),
        };
        let (name, size) = (reader.name(), reader.size());
        let outline = reader.outline();
        let link = Link::of(outline);
        let known = match &end {
            None => first(context, generation, outline.header.page_size, &outline.summary, outline.digest, size),
            Some((known, before)) => {
                if let Some(why) = breaks(before, &link).first() {
                    tracing::warn!(object = %name, %why, "the generation is broken");
                    whole = false;
                    break;
                }
                known.followed_by(&outline.summary, link.end, outline.images, size)
            }
        };
        match absorb(&mut table, &reader).await {
            Ok(()) => end = Some((known, link)),
            Err(Error::Replica(error)) if error.is_damage() => {
                // Some of its hashes may be in the table: good enough to see whether it is this database.
                tracing::warn!(%error, "the generation cannot be read to its end");
                whole = false;
                break;
            }
            Err(error) => return Err(error),
        }
    }
    let Some((known, _)) = end else { return Ok((None, false)) };
    if whole && table.checksum().to_string() != known.checksum {
        tracing::warn!(%generation, "the page hashes of the generation do not add up to its checksum");
        whole = false;
    }
    let table = table.install(&context.state, generation, known.objects())?;
    Ok((Some((known, table)), whole))
}

/// How often a generation that grows meanwhile is tried to be closed.
const CLOSINGS: u32 = 5;

/// Closes the newest generation, whoever writes to it: its next segment is ours, and empty.
pub(super) async fn close_the_newest(context: &Context) -> Result<(), Error> {
    for _ in 0..CLOSINGS {
        let Newest::Read(held, _) = newest(context).await? else { return Ok(()) };
        let (known, table) = *held;
        let (Some(index), Some(page_size)) = (known.next_index(), PageSize::new(known.page_size)) else {
            return Ok(());
        };
        let now = context.now().max(known.at());
        let span = Span { transactions: 0, wal_bytes: 0, first: now, last: now };
        let boundary = Boundary { pages: known.pages, position: Position::default(), at: now };
        let joint = Joint {
            index,
            page_size,
            checksum_before: table.checksum(),
            writer: context.writer,
            compression: context.options.compression,
            outage: false,
            unwatched: None,
            before: known,
        };
        let sealing = context.replica.sealing(joint.name()).await?;
        let sealed = segment::seal(&BTreeMap::new(), span, boundary, &joint, &table, &context.hasher, sealing)?;
        match parcel::put(context, joint.name(), sealed.digest, &mut Body::Bytes(sealed.bytes)).await {
            Ok(()) => {
                tracing::info!(object = %joint.name(), "the generation is closed: no other writer can go on in it");
                return Ok(());
            }
            // It has grown by another segment.
            Err(Error::Overtaken { .. }) => {}
            Err(error) => return Err(error),
        }
    }
    tracing::warn!("another writer is so busy that its generation could not be closed; it will notice late");
    Ok(())
}
