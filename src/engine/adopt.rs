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
use std::time::{Duration, Instant};

use futures_util::stream::{self, StreamExt};

use super::context::Context;
use super::error::Error;
use super::parcel::{self, Body};
use super::pending::{Boundary, Span};
use super::resume::{absorb, first};
use super::segment::{self, Joint};
use crate::ids::GenerationId;
use crate::replica::chain::{Link, breaks};
use crate::replica::{self, ObjectReader, Objects};
use crate::restore;
use crate::state::{Acknowledged, PageHashes};
use crate::units::{PageSize, SegmentIndex};
use crate::wal::Position;

/// Objects that are opened at a time.
const AT_A_TIME: usize = 8;

/// What a generation holds, and the hashes of its pages.
pub(super) type Held = (Acknowledged, PageHashes);

/// What the newest generation with a snapshot holds.
#[derive(Debug)]
pub(super) enum Newest {
    /// There is no generation at all.
    None,
    /// It was read, at this moment.
    Read(Box<Held>, Instant),
    /// There is one, and it cannot be gone on with: something of it is missing or damaged.
    Broken,
}

/// Reads what the newest generation holds.
pub(super) async fn newest(context: &Context) -> Result<Newest, Error> {
    let mut any = false;
    for generation in replica::generations(&*context.store).await?.into_iter().rev() {
        any = true;
        let listed = Instant::now();
        let objects = Objects::list(&*context.store, generation, None).await?;
        if objects.snapshot.is_none() {
            continue;
        }
        return match read(context, &objects).await {
            Ok(Some(held)) => Ok(Newest::Read(Box::new(held), listed)),
            Ok(None) => Ok(Newest::Broken),
            Err(Error::Replica(error)) if error.is_damage() => {
                tracing::warn!(%error, "the replica is damaged, and is not compared with the database");
                Ok(Newest::Broken)
            }
            Err(error) => Err(error),
        };
    }
    Ok(if any { Newest::Broken } else { Newest::None })
}

/// Reads what a generation holds at its end: one or two requests for each object, and no page. `None` if its objects do
/// not join.
pub(super) async fn read(context: &Context, objects: &Objects) -> Result<Option<Held>, Error> {
    let generation = objects.generation;
    let names = match restore::cover(objects, objects.last().into()) {
        Ok(names) => names,
        Err(why) => {
            tracing::warn!(%generation, ?why, "an object of the generation is missing");
            return Ok(None);
        }
    };
    let mut table = PageHashes::begin(&context.state)?;
    let mut end: Option<(Acknowledged, Link)> = None;
    let opening = names.into_iter().map(|(name, size)| ObjectReader::open(&context.store, name, size));
    let mut readers = stream::iter(opening).buffered(AT_A_TIME);
    while let Some(reader) = readers.next().await {
        let reader = reader?;
        let (name, size) = (reader.name(), reader.size());
        let outline = reader.outline();
        let link = Link::of(outline);
        let known = match end {
            None => first(context, generation, outline.header.page_size, &outline.summary, outline.digest, size),
            Some((known, before)) => {
                if let Some(why) = breaks(&before, &link).first() {
                    tracing::warn!(object = %name, %why, "the generation is broken");
                    return Ok(None);
                }
                known.followed_by(&outline.summary, link.end, size)
            }
        };
        absorb(&mut table, &reader).await?;
        end = Some((known, link));
    }
    let Some((known, _)) = end else { return Ok(None) };
    if table.checksum().to_string() != known.checksum {
        tracing::warn!(%generation, "the page hashes of the generation do not add up to its checksum");
        return Ok(None);
    }
    let table = table.install(&context.state, generation, known.objects())?;
    Ok(Some((known, table)))
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
        let sealed = segment::seal(&BTreeMap::new(), span, boundary, &joint, &table, &context.hasher)?;
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

/// Watches whether anybody else writes to the replica.
#[derive(Debug)]
pub(super) struct Quiet {
    generation: GenerationId,
    last: Option<SegmentIndex>,
    /// When it was listed.
    since: Instant,
}

impl Quiet {
    /// Begins with what was listed at this moment.
    pub(super) fn since(known: &Acknowledged, since: Instant) -> Quiet {
        Quiet { generation: known.generation, last: known.index.and_then(SegmentIndex::new), since }
    }

    /// Waits until long enough after the first listing, lists again, and says whether nothing has come.
    pub(super) async fn holds(self, context: &Context) -> Result<bool, Error> {
        let enough = context.options.quiet.max(context.options.sync_interval * 3);
        let rest = enough.saturating_sub(self.since.elapsed());
        if rest > Duration::from_millis(500) {
            let seconds = rest.as_secs_f64().ceil();
            tracing::info!(seconds, "waiting to see whether anybody else writes to {}", context.store.location());
        }
        tokio::time::sleep(rest).await;
        let newest = replica::generations(&*context.store).await?.pop();
        let objects = Objects::list(&*context.store, self.generation, self.last).await?;
        Ok(newest <= Some(self.generation) && objects.last() <= self.last)
    }
}
