//! Opening a session: what was under way is settled, what the store has and we forgot is adopted, and capture goes on
//! where the replica ends, if the WAL still holds that place.

use bytes::Bytes;

use super::catch_up::{self, Compared};
use super::context::Context;
use super::error::Error;
use super::observer::ObserverThread;
use super::parcel::require_ours;
use super::pending::Boundary;
use super::segment::mark;
use super::session::Session;
use crate::db;
use crate::format::{Outline, Reason, Summary};
use crate::ids::{Digest, GenerationId};
use crate::replica::{self, Name, ObjectReader, Objects};
use crate::state::{Acknowledged, Intent, PageHashes, WalPlace};
use crate::storage::Put;
use crate::units::{PageHash, PageNo, PageSize, SegmentIndex, Timestamp};

impl Session {
    /// Opens the database and goes on with what the replica holds.
    pub(super) async fn open(context: &Context) -> Result<Session, Error> {
        let mut known = Acknowledged::load(&context.state)?.filter(|known| known.replica == context.replica);
        let mut begun = settle(context, known.as_ref()).await?;
        if let (None, Some(known)) = (begun, &known) {
            begun = younger(context, known.generation).await?;
        }
        if let Some((generation, size)) = begun {
            let reader = ObjectReader::open(&context.store, Name::Snapshot(generation), size).await?;
            let Outline { header, summary, digest, .. } = reader.outline();
            known = Some(first(context, generation, header.page_size, summary, *digest, size));
        }
        let mut table = None;
        if let Some(known) = &mut known {
            if is_there(context, known).await? {
                table = adopt(context, known).await?;
            }
            known.save(&context.state)?;
        }
        Intent::clear(&context.state)?;
        let Opened { observer, wanted, unobserved, level } = observe(context, known.as_ref(), table.as_ref()).await?;
        if let (Some(known), Some(boundary)) = (&mut known, level) {
            known.wal = WalPlace::from(mark(boundary));
            known.save(&context.state)?;
        }
        let manifest = match &known {
            Some(known) => replica::read_manifest(&*context.store, known.generation).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot read the manifest");
                None
            }),
            None => None,
        };
        let next_index = known.as_ref().and_then(Acknowledged::next_index).unwrap_or_default();
        let manifest = manifest.map(|mut manifest| {
            // Segments that it does not have were acknowledged by a process that ended without a word.
            if manifest.next_index != next_index.get() {
                manifest.segments.clear();
                manifest.next_index = next_index.get();
            }
            manifest.counter += 1;
            manifest
        });
        context.show(known.as_ref());
        Ok(Session {
            observer,
            replica: known,
            table,
            wanted,
            unobserved,
            outbox: None,
            manifest,
            unlisted: 0,
            broken: false,
        })
    }
}

/// Settles the intent of an earlier process: afterwards its object is in the store, or was never visible and is not.
/// Says which generation was begun by it and how large its snapshot is, if that is what it was.
async fn settle(context: &Context, known: Option<&Acknowledged>) -> Result<Option<(GenerationId, u64)>, Error> {
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
        (Some(digest), false) => {
            if context.store.put_if_absent(&name.key(), Bytes::from(payload)).await? == Put::Exists {
                require_ours(context, name, digest).await?;
            }
            Ok(None)
        }
        (digest, _) => {
            let mut found = size_of(context, name).await?;
            if let (None, Some(upload)) = (found, intent.upload.filter(|upload| !upload.is_empty())) {
                match context.store.abort_upload(&name.key(), &upload).await {
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
            Ok(intent.index.is_none().then_some((intent.generation, size)))
        }
    }
}

/// The size of an object; `None` if there is none.
async fn size_of(context: &Context, name: Name) -> Result<Option<u64>, Error> {
    match context.store.head(&name.key()).await {
        Ok(meta) => Ok(Some(meta.size)),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// The newest generation, if it is younger than what we know: ours, if a power loss took our note of it. With another
/// writer's, no restore looks at ours any more.
async fn younger(context: &Context, known: GenerationId) -> Result<Option<(GenerationId, u64)>, Error> {
    let listed = replica::generations(&*context.store).await?;
    for generation in listed.into_iter().rev().take_while(|&generation| generation > known) {
        let name = Name::Snapshot(generation);
        let Some(size) = size_of(context, name).await? else { continue };
        let reader = ObjectReader::open(&context.store, name, size).await?;
        if reader.outline().header.writer != context.writer {
            return Err(Error::Overtaken {
                object: format!("{} with generation {generation}", context.store.location()),
            });
        }
        return Ok(Some((generation, size)));
    }
    Ok(None)
}

/// Whether the first and the last object of what we know are in the store. Without them nothing can be restored from
/// what would be added.
async fn is_there(context: &Context, known: &Acknowledged) -> Result<bool, Error> {
    let last = known.index.and_then(SegmentIndex::new).map(|index| Name::Segment(known.generation, index));
    for name in [Some(Name::Snapshot(known.generation)), last].into_iter().flatten() {
        if size_of(context, name).await?.is_none() {
            tracing::warn!(object = %name, "the store has lost an object");
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes note of objects that are ours and that nobody noted: the process ended between the store's answer and the
/// state directory. Then loads the table of page hashes that belongs to the newest of them, or makes it again from the
/// replica; `None` if neither can be done, which costs a new generation.
async fn adopt(context: &Context, known: &mut Acknowledged) -> Result<Option<PageHashes>, Error> {
    let index = known.index.and_then(SegmentIndex::new);
    // A snapshot's key is before every segment's, so that "after nothing" lists the snapshot again: passed over below.
    let objects = Objects::list(&*context.store, known.generation, index).await?;
    let mut table = PageHashes::load(&context.state, known.generation, known.objects())?;
    for (index, size) in objects.segments {
        let name = Name::Segment(known.generation, index);
        let overtaken = || Error::Overtaken { object: format!("{}/{name}", context.store.location()) };
        if Some(index) != known.next_index() {
            return Err(overtaken());
        }
        let reader = ObjectReader::open(&context.store, name, size).await?;
        let header = &reader.outline().header;
        if header.writer != context.writer || header.predecessor != known.digest {
            return Err(overtaken());
        }
        tracing::info!(object = %name, "the replica has it, and we had not noted it");
        *known = known.followed_by(&reader.outline().summary, reader.outline().digest, size);
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
    let fits = |table: &PageHashes| table.checksum().to_string() == known.checksum;
    if table.as_ref().is_some_and(fits) {
        return Ok(table);
    }
    tracing::warn!("the table of page hashes is lost; making it again from the replica");
    match rebuild(context, known).await {
        Ok(table) if fits(&table) => Ok(Some(table)),
        Ok(_) => Ok(None),
        Err(error) if error.is_transient() => Err(error),
        Err(error) => {
            tracing::warn!(%error, "cannot make the table of page hashes again");
            Ok(None)
        }
    }
}

/// The table of all objects of a generation, from their indexes alone.
async fn rebuild(context: &Context, known: &Acknowledged) -> Result<PageHashes, Error> {
    let objects = Objects::list(&*context.store, known.generation, None).await?;
    let size = objects.snapshot.unwrap_or_default();
    let reader = ObjectReader::open(&context.store, Name::Snapshot(known.generation), size).await?;
    let mut table = PageHashes::begin(&context.state)?;
    absorb(&mut table, &reader).await?;
    for (index, size) in objects.segments {
        let reader = ObjectReader::open(&context.store, Name::Segment(known.generation, index), size).await?;
        absorb(&mut table, &reader).await?;
    }
    Ok(table.install(&context.state, known.generation, known.objects())?)
}

/// Brings a table that is not in force forward by one object.
async fn absorb(table: &mut PageHashes, reader: &ObjectReader) -> Result<(), Error> {
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

/// What the replica holds after a snapshot.
pub(super) fn first(
    context: &Context,
    generation: GenerationId,
    page_size: PageSize,
    summary: &Summary,
    digest: Digest,
    stored_bytes: u64,
) -> Acknowledged {
    Acknowledged {
        format: 1,
        destination: context.store.location(),
        replica: context.replica,
        database: context.database,
        writer: context.writer,
        generation,
        index: None,
        digest,
        at_ms: summary.last_time.0,
        transactions: 0,
        pages: summary.pages_after,
        page_size: page_size.get(),
        checksum: summary.checksum_after.to_string(),
        snapshot_at_ms: summary.last_time.0,
        snapshot_bytes: stored_bytes,
        segment_bytes: 0,
        wal: WalPlace::from(summary.wal),
    }
}

/// Whether a replica whose writer is not known is of this database: more than half of the pages of the shorter of the
/// two are the same. Otherwise a database that got the destination of another would take its place.
async fn resembles(context: &Context, observer: &ObserverThread, newest: GenerationId) -> Result<bool, Error> {
    const CHUNK: u32 = 256;
    let objects = Objects::list(&*context.store, newest, None).await?;
    let Some(size) = objects.snapshot else { return Ok(true) };
    let reader = ObjectReader::open(&context.store, Name::Snapshot(newest), size).await?;
    if reader.outline().header.page_size != observer.page_size {
        return Ok(false);
    }
    let mut table = PageHashes::begin(&context.state)?;
    absorb(&mut table, &reader).await?;
    for (index, size) in objects.segments {
        absorb(&mut table, &ObjectReader::open(&context.store, Name::Segment(newest, index), size).await?).await?;
    }
    let (mut same, mut read, len) = (0, 0, observer.page_size.len());
    let pages = observer.pages.min(table.pages());
    while read < pages {
        let chunk: Vec<PageNo> = (read + 1..=pages.min(read + CHUNK)).filter_map(PageNo::new).collect();
        read += CHUNK;
        let mut known = vec![PageHash::default(); chunk.len()];
        table.get_run(chunk[0], &mut known)?;
        let (asked, mut images) = (chunk.clone(), Vec::new());
        let images =
            observer.call(move |observer| observer.live.read_pages(&asked, &mut images).map(|()| images)).await??;
        let found = chunk.iter().zip(images.chunks_exact(len)).map(|(&page, image)| context.hasher.hash(page, image));
        same += found.zip(known).filter(|(found, known)| found == known).count();
    }
    Ok(same * 2 > pages as usize)
}

/// The live database as it was found.
struct Opened {
    observer: ObserverThread,
    /// Why a new generation has to begin.
    wanted: Option<Reason>,
    /// A time in which nobody watched it; what changed is pending.
    unobserved: Option<(Timestamp, Timestamp)>,
    /// The replica holds it at this commit, which is another place in the WAL than was noted.
    level: Option<Boundary>,
}

impl Opened {
    fn with(observer: ObserverThread, wanted: Option<Reason>) -> Opened {
        Opened { observer, wanted, unobserved: None, level: None }
    }
}

/// Opens the live database where the replica ends; otherwise at its present end, and finds out what differs.
async fn observe(context: &Context, known: Option<&Acknowledged>, table: Option<&PageHashes>) -> Result<Opened, Error> {
    let start = |position| {
        ObserverThread::start(context.options.clone(), context.hooks.clone(), context.status.clone(), position)
    };
    let Some(known) = known else {
        let observer = start(None).await?;
        let Some(newest) = replica::generations(&*context.store).await?.pop() else {
            return Ok(Opened::with(observer, None));
        };
        return match resembles(context, &observer, newest).await {
            Ok(true) => Ok(Opened::with(observer, Some(Reason::StateLost))),
            Ok(false) if context.options.adopt => Ok(Opened::with(observer, Some(Reason::Replaced))),
            Ok(false) => Err(Error::AnotherDatabase { location: context.store.location() }),
            Err(Error::Replica(error)) if error.is_damage() => {
                tracing::warn!(%error, "the replica is damaged, and is not compared with the database");
                Ok(Opened::with(observer, Some(Reason::StateLost)))
            }
            Err(error) => Err(error),
        };
    };
    let Some(table) = table else { return Ok(Opened::with(start(None).await?, Some(Reason::StateLost))) };
    let resumed = match known.wal.position() {
        Some(position) => match start(Some(position)).await {
            Ok(observer) => Some(observer),
            Err(error) if error.is_loss() && !matches!(error, db::Error::Replaced(_)) => {
                tracing::info!(%error, "the WAL went on while nobody watched: comparing every page with the replica");
                None
            }
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    let same_size = |observer: &ObserverThread| PageSize::new(known.page_size) == Some(observer.page_size);
    match resumed {
        Some(observer) if same_size(&observer) => Ok(Opened::with(observer, None)),
        Some(observer) => Ok(Opened::with(observer, Some(Reason::PageSize))),
        None => {
            let observer = start(None).await?;
            if !same_size(&observer) {
                return Ok(Opened::with(observer, Some(Reason::PageSize)));
            }
            let compared = catch_up::compare(context, &observer, known, table).await?;
            let opened = Opened::with(observer, None);
            Ok(match compared {
                Compared::Level(boundary) => Opened { level: Some(boundary), ..opened },
                Compared::Behind(from, to) => Opened { unobserved: Some((from, to)), ..opened },
                Compared::Changed => Opened { wanted: Some(Reason::PositionLost), ..opened },
            })
        }
    }
}
