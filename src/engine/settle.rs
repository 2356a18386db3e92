//! What an earlier process left: what it had under way is settled, and what the store has and nobody noted is noted.

use bytes::Bytes;

use super::adopt;
use super::context::Context;
use super::error::Error;
use super::parcel::{Body, put, require_ours};
use super::rival::{overtaken_by, require_last, require_newest};
use crate::format::{Manifest, Reason};
use crate::ids::GenerationId;
use crate::planted;
use crate::replica::{self, Name, ObjectReader, Objects};
use crate::restore;
use crate::state::{Acknowledged, Intent, PageHashes};
use crate::units::{PageHash, PageNo, SegmentIndex};

/// A generation that was begun, and not noted.
pub(super) struct Begun {
    pub(super) generation: GenerationId,
    /// The size of its snapshot.
    pub(super) size: u64,
    /// Why, if that is known.
    pub(super) reason: Option<Reason>,
}

/// Settles the intent of an earlier process: afterwards its object is in the store, or was never visible and is not.
/// Says which generation was begun by it and how large its snapshot is, if that is what it was.
pub(super) async fn settle(context: &Context, known: Option<&Acknowledged>) -> Result<Option<Begun>, Error> {
    let Some((intent, payload)) = Intent::load(&context.state)? else { return Ok(None) };
    let name = match intent.index {
        None => Name::Snapshot(intent.generation),
        Some(index) => {
            Name::Segment(intent.generation, SegmentIndex::new(index).ok_or(Error::Full(intent.generation))?)
        }
    };
    let done = known.is_some_and(|known| known.generation == intent.generation && known.index >= intent.index);
    if done {
        return Ok(None);
    }
    tracing::info!(object = %name, "settling an object that an earlier process had under way");
    match (intent.digest, payload.is_empty()) {
        // Whose those are is told by what comes next; this one would only hang in the air.
        (Some(_), false) if others_follow(context, name).await? => Ok(None),
        // Whose place is nowhere: the store was set back, or has lost all. Its pages come with the next ones.
        (Some(_), false) if !joins(context, name, known).await? => Ok(None),
        (Some(digest), false) => {
            put(context, name, digest, &mut Body::Bytes(Bytes::from(payload))).await?;
            Ok(None)
        }
        (digest, _) => {
            let mut found = size_of(context, name).await?;
            if let (None, Some(upload)) = (found, intent.upload.filter(|upload| !upload.is_empty())) {
                match context.replica.abort_upload(&name.key(), &upload).await {
                    Ok(()) => {}
                    Err(error) if error.is_transient() => return Err(error.into()),
                    Err(error) => tracing::warn!(%error, "cannot give up the upload of an earlier process"),
                }
                // It may have been finished late, just before.
                found = size_of(context, name).await?;
            }
            let Some(size) = found else { return Ok(None) };
            let digest = digest.ok_or_else(|| Error::Overtaken { object: name.key() })?;
            require_ours(context, name, digest).await?;
            let (generation, reason) = (intent.generation, intent.reason);
            Ok(intent.index.is_none().then_some(Begun { generation, size, reason }))
        }
    }
}

/// Whether what a segment joins is there, as far as that is known: the note of a generation is durable before its first
/// segment is under way.
async fn joins(context: &Context, name: Name, known: Option<&Acknowledged>) -> Result<bool, Error> {
    match (name, known) {
        (Name::Segment(generation, index), Some(known)) if known.generation == generation => {
            let before = index.get().checked_sub(1).and_then(SegmentIndex::new);
            let objects = Objects::list(&*context.replica, generation, None).await?;
            let leads_there =
                matches!(restore::cover(&objects, before.into()), Ok(_) | Err(restore::Uncovered::Merged(_)));
            Ok(leads_there && is_there(context, known).await?)
        }
        (Name::Segment(..), _) => Ok(false),
        (Name::Snapshot(_) | Name::Manifest(_) | Name::Merged(..), _) => Ok(true),
    }
}

/// Whether segments come after this one, or a whole generation: it was under way long ago, and its name may be free only
/// because what another writer has put there was merged and let go of.
async fn others_follow(context: &Context, name: Name) -> Result<bool, Error> {
    let Name::Segment(generation, index) = name else { return Ok(false) };
    let followed = match require_last(context, generation, index).await {
        Ok(()) => require_newest(context, generation).await,
        followed => followed,
    };
    match followed {
        Ok(()) => Ok(false),
        Err(Error::Overtaken { .. }) => Ok(true),
        Err(error) => Err(error),
    }
}

/// The size of an object; `None` if there is none.
async fn size_of(context: &Context, name: Name) -> Result<Option<u64>, Error> {
    match context.replica.head(&name.key()).await {
        Ok(meta) => Ok(Some(meta.size)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The newest generation, if it is younger than what we know: ours, if a power loss took our note of it. With another
/// writer's, no restore looks at ours any more.
pub(super) async fn younger(context: &Context, known: GenerationId) -> Result<Option<Begun>, Error> {
    let listed = replica::generations(&*context.replica).await?;
    for generation in listed.into_iter().rev().take_while(|&generation| generation > known) {
        let name = Name::Snapshot(generation);
        let Some(size) = size_of(context, name).await? else { continue };
        let reader = ObjectReader::open(&context.replica, name, size).await?;
        if reader.outline().header.writer != context.writer {
            return Err(overtaken_by(context, generation));
        }
        context.replica.make_durable(&name.key()).await?;
        return Ok(Some(Begun { generation, size, reason: None }));
    }
    Ok(None)
}

/// Whether the first and the last object of what we know are in the store. Without them nothing can be restored from
/// what would be added.
pub(super) async fn is_there(context: &Context, known: &Acknowledged) -> Result<bool, Error> {
    let last = known.index.and_then(SegmentIndex::new).map(|index| Name::Segment(known.generation, index));
    for name in [Some(Name::Snapshot(known.generation)), last].into_iter().flatten() {
        if size_of(context, name).await?.is_none() {
            // A segment may have been merged with others, those after it as well, and taken away since.
            let objects = Objects::list(&*context.replica, known.generation, None).await?;
            let end = restore::Point::from(known.index.and_then(SegmentIndex::new));
            let is_merged = matches!(restore::cover(&objects, end), Ok(_) | Err(restore::Uncovered::Merged(_)));
            if matches!(name, Name::Segment(..)) && is_merged {
                continue;
            }
            tracing::warn!(object = %name, "the store has lost what it had acknowledged: deleted, or rolled back; a new generation begins");
            return Ok(false);
        }
    }
    if !context.replica.opens(known.generation).await? {
        tracing::warn!(generation = %known.generation, "what is there cannot be opened; a new generation begins");
        return Ok(false);
    }
    Ok(true)
}

/// The same, where it would be an error: what is added to a generation without them can never be restored.
pub(super) async fn require_there(context: &Context, known: &Acknowledged) -> Result<(), Error> {
    match is_there(context, known).await? {
        true => Ok(()),
        false => Err(Error::Lost { location: context.replica.location() }),
    }
}

/// Takes note of objects that are ours and that nobody noted: the process ended between the store's answer and the
/// state directory. Then loads the table of page hashes that belongs to the newest of them, or makes it again from the
/// replica; `None` if neither can be done, which costs a new generation.
pub(super) async fn note_ours(context: &Context, known: &mut Acknowledged) -> Result<Option<PageHashes>, Error> {
    if are_merged_behind(context, known).await?
        && let Some(table) = note_merged(context, known).await?
    {
        return Ok(Some(table));
    }
    let index = known.index.and_then(SegmentIndex::new);
    // A snapshot's key is before every segment's, so that "after nothing" lists the snapshot again: passed over below.
    let objects = Objects::list(&*context.replica, known.generation, index).await?;
    let mut table = PageHashes::load(&context.state, known.generation, known.objects())?;
    for (index, size) in objects.segments {
        let name = Name::Segment(known.generation, index);
        let overtaken = || Error::Overtaken { object: format!("{}/{name}", context.replica.location()) };
        if Some(index) != known.next_index() {
            return note_merged(context, known).await?.map(Some).ok_or_else(overtaken);
        }
        let reader = ObjectReader::open(&context.replica, name, size).await?;
        let header = &reader.outline().header;
        if header.writer != context.writer || header.predecessor != known.digest {
            return Err(overtaken());
        }
        context.replica.make_durable(&name.key()).await?;
        tracing::info!(object = %name, "the replica has it, and we had not noted it");
        let outline = reader.outline();
        *known = known.followed_by(&outline.summary, outline.digest, outline.images, size);
        table = match PageHashes::load(&context.state, known.generation, known.objects())? {
            Some(table) => Some(table),
            None => match table {
                Some(table) => {
                    let mut next = table.fork(&context.state)?;
                    absorb(&mut next, &reader).await?;
                    Some(next.install(&context.state, known.generation, known.objects())?)
                }
                None => None,
            },
        };
    }
    let fits = |table: &PageHashes| {
        table.checksum().to_string() == known.checksum || planted::is("the page hashes of another object are taken")
    };
    if table.as_ref().is_some_and(fits) {
        return Ok(table);
    }
    tracing::warn!("the table of page hashes is lost; making it again from the replica");
    let objects = Objects::list(&*context.replica, known.generation, None).await?;
    match adopt::read(context, &objects).await {
        Ok((Some((held, table)), true)) if held.index == known.index && fits(&table) => Ok(Some(table)),
        Ok(_) => Ok(None),
        Err(error) if error.is_transient() => Err(error),
        Err(error) => {
            tracing::warn!(%error, "cannot make the table of page hashes again");
            Ok(None)
        }
    }
}

/// Whether merged segments reach behind what is noted: the manifest says so, or what is noted last has gone by itself.
async fn are_merged_behind(context: &Context, known: &Acknowledged) -> Result<bool, Error> {
    let end = |manifest: &Manifest| manifest.merged.iter().map(|merged| merged.last.get()).max();
    match replica::read_manifest(&context.replica, known.generation).await {
        Ok(Some(manifest)) if end(&manifest) > known.index => return Ok(true),
        Err(replica::Error::Store(error)) if error.is_transient() => return Err(error.into()),
        // It is a hint.
        Ok(_) | Err(_) => {}
    }
    match known.index.and_then(SegmentIndex::new) {
        Some(index) => Ok(size_of(context, Name::Segment(known.generation, index)).await?.is_none()),
        None => Ok(false),
    }
}

/// The same where merged segments stand for some of those objects, which may be gone: a loss of power took the note of all
/// of them, and what was noted durably is from before. The replica is read to its end then, and that is taken, if it is
/// ours. `None`: nothing that is not there one by one is behind what is noted.
async fn note_merged(context: &Context, known: &mut Acknowledged) -> Result<Option<PageHashes>, Error> {
    let objects = Objects::list(&*context.replica, known.generation, None).await?;
    let Some(end) = objects.last().filter(|end| Some(end.get()) > known.index) else { return Ok(None) };
    let behind = |index: &SegmentIndex| Some(index.get()) > known.index;
    let small = objects.segments.iter().map(|&(index, _)| index).filter(behind).count() as u64;
    if small == end.get() - known.index.map_or(0, |index| index + 1) + 1 {
        // All of them are there, to be noted one by one.
        return Ok(None);
    }
    let overtaken = || Error::Overtaken { object: format!("{}/{}", context.replica.location(), known.generation) };
    let names = restore::cover(&objects, Some(end).into()).map_err(|_| overtaken())?;
    let (name, size) = objects
        .segments
        .last()
        .filter(|&&(index, _)| index == end)
        .map(|&(index, size)| (Name::Segment(known.generation, index), size))
        .or(names.last().copied())
        .ok_or_else(overtaken)?;
    let newest = ObjectReader::open(&context.replica, name, size).await?;
    if newest.outline().header.writer != context.writer {
        return Err(overtaken());
    }
    match adopt::read(context, &objects).await? {
        (Some((held, table)), true) => {
            for (name, _) in names {
                context.replica.make_durable(&name.key()).await?;
            }
            tracing::info!(object = %name, "the replica has more than was noted, of ours and merged since");
            *known = held;
            Ok(Some(table))
        }
        _ => Ok(None),
    }
}

/// Brings a table that is not in force forward by one object.
pub(super) async fn absorb(table: &mut PageHashes, reader: &ObjectReader) -> Result<(), Error> {
    let outline = reader.outline();
    for place in &outline.index {
        for entry in reader.index(place).await? {
            let pages: Vec<(PageNo, PageHash)> = entry.pages().collect();
            for run in pages.chunk_by(|a, b| a.0.get() + 1 == b.0.get()) {
                let hashes: Vec<PageHash> = run.iter().map(|page| page.1).collect();
                table.set_run(run[0].0, &hashes)?;
            }
        }
    }
    Ok(table.resize(outline.summary.pages_after)?)
}
