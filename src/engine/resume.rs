//! Opening a session: what was under way is settled, what the store has and we forgot is adopted, and capture goes on
//! where the replica ends, if the WAL still holds that place.

use std::time::Instant;

use bytes::Bytes;

use super::adopt::{self, Newest, Quiet};
use super::catch_up::{self, CaughtUp};
use super::context::Context;
use super::error::Error;
use super::kin;
use super::merging::Merging;
use super::observer::ObserverThread;
use super::parcel::{Body, overtaken_by, put, require_ours};
use super::pending::Boundary;
use super::segment::{Unwatched, mark};
use super::session::Session;
use crate::db;
use crate::format::{Latest, Manifest, ManifestSnapshot, Outline, Reason, Summary};
use crate::ids::{Digest, GenerationId};
use crate::replica::{self, Name, ObjectReader, Objects};
use crate::restore;
use crate::state::{Acknowledged, Intent, PageHashes, Restored, WalPlace};
use crate::units::{DbChecksum, PageHash, PageNo, PageSize, SegmentIndex};
use crate::wal::Position;

impl Session {
    /// Opens the database and goes on with what the replica holds; where another writer has taken it over, with a new
    /// generation if that is wished.
    pub(super) async fn open(context: &Context) -> Result<Session, Error> {
        match Session::go_on(context).await {
            Err(error @ Error::Overtaken { .. }) if context.may_take_back()? => {
                tracing::warn!(%error, "beginning a new generation, as configured");
                // What is noted stays until the new generation is acknowledged: until then it tells why one is needed.
                let observer = start_observer(context, None).await?;
                Ok(Session::new(context, Opened::with(observer, Some(Reason::Overtaken)), None, None, None).await)
            }
            done => done,
        }
    }

    async fn go_on(context: &Context) -> Result<Session, Error> {
        let mut known = Acknowledged::load(&context.state)?.filter(|known| known.replica == context.ids.replica);
        let noted = known.as_ref().map(Acknowledged::place);
        let intended = Intent::load(&context.state)?.map(|(intent, _)| (intent.generation, intent.index));
        let mut begun = settle(context, known.as_ref()).await?;
        if let (None, Some(known)) = (&begun, &known) {
            begun = younger(context, known.generation).await?;
        }
        let mut made = None;
        if let Some(Begun { generation, size, reason }) = begun {
            let reader = ObjectReader::open(&context.replica, Name::Snapshot(generation), size).await?;
            let Outline { header, summary, digest, .. } = reader.outline();
            let snapshot = first(context, generation, header.page_size, summary, *digest, size);
            made = reason.map(|reason| {
                manifest(context, &snapshot, reason, header.previous, header.page_size, summary.checksum_after)
            });
            known = Some(snapshot);
        }
        let (mut table, mut quiet, mut origin) = (None, None, Origin::Noted);
        match &mut known {
            Some(known) => {
                let listed = Instant::now();
                if is_there(context, known).await? {
                    table = note_ours(context, known).await?;
                }
                // Nothing here tells of them: another copy of this state directory may be at work.
                let reached = Some(known.place());
                quiet = (reached > noted && reached > intended).then(|| Quiet::since(known, listed));
            }
            None => match adopt::newest(context).await? {
                Newest::None => {}
                Newest::Read(held, listed) => {
                    (quiet, origin) = (Some(listed), Origin::Found);
                    (known, table) = (Some(held.0), Some(held.1));
                }
                Newest::Broken(held, listed) => {
                    (quiet, origin) = (Some(listed), Origin::Broken);
                    (known, table) = held.map(|held| *held).unzip();
                }
            },
        }
        let mut opened = observe(context, known.as_ref(), table.as_ref(), origin).await?;
        let settled = opened.wanted == Some(Reason::Replaced) || (origin == Origin::Noted && opened.at_its_place);
        if let Some(quiet) = quiet.filter(|_| !settled)
            && !quiet.holds(context).await?
        {
            if !context.options.adopt {
                return Err(Error::Busy { location: context.replica.location() });
            }
            opened.wanted = Some(Reason::Replaced);
        }
        if origin == Origin::Broken {
            (known, table) = (None, None);
        }
        if let Some(known) = known.as_mut().filter(|_| origin == Origin::Noted || opened.wanted.is_none()) {
            if let Some(boundary) = opened.level {
                known.wal = WalPlace::from(mark(boundary));
            }
            known.save(&context.state)?;
            if opened.level.is_some() || opened.at_its_place {
                Restored::done(&context.state);
            }
            if opened.wanted.is_none() {
                mend_latest(context, known.generation).await;
            }
        }
        Intent::clear(&context.state)?;
        let is_ours = origin != Origin::Found;
        Ok(Session { is_ours, ..Session::new(context, opened, known, table, made).await })
    }

    /// `made`: the manifest of a generation whose beginning ended before it was written.
    async fn new(
        context: &Context,
        opened: Opened,
        known: Option<Acknowledged>,
        table: Option<PageHashes>,
        made: Option<Manifest>,
    ) -> Session {
        let manifest = match &known {
            Some(known) => replica::read_manifest(&context.replica, known.generation).await.unwrap_or_else(|error| {
                tracing::warn!(%error, "cannot read the manifest");
                None
            }),
            None => None,
        };
        let next_index = known.as_ref().and_then(Acknowledged::next_index).unwrap_or_default();
        let manifest = manifest.map(|mut manifest| {
            // Segments that it does not have were acknowledged by a process that ended without a word.
            manifest.segments.retain(|segment| segment.index < next_index);
            manifest.merged.retain(|merged| merged.last < next_index);
            manifest.next_index = next_index.get();
            manifest.counter += 1;
            manifest
        });
        let unlisted = u64::from(manifest.is_none() && made.is_some());
        context.show(known.as_ref());
        let known_before = known.is_some();
        Session {
            observer: opened.observer,
            replica: known,
            table,
            wanted: opened.wanted,
            unwatched: opened.unwatched,
            outage: false,
            caught_up: false,
            is_ours: true,
            // Where there was nothing, somebody else may have begun in the same moment.
            looked: known_before.then(Instant::now),
            outbox: None,
            merging: Merging::resumed(context.options.merge.clone()),
            manifest: manifest.or(made),
            unlisted,
            latest_is_due: false,
            broken: false,
        }
    }
}

/// A generation that was begun, and not noted.
struct Begun {
    generation: GenerationId,
    /// The size of its snapshot.
    size: u64,
    /// Why, if that is known.
    reason: Option<Reason>,
}

/// The hint at the current generation may name one before, or one whose objects are gone.
async fn mend_latest(context: &Context, generation: GenerationId) {
    let names_it = match replica::read_latest(&context.replica).await {
        Ok(latest) => latest.is_some_and(|latest| latest.generation == generation),
        Err(error) => {
            tracing::warn!(%error, "cannot read the hint at the current generation");
            return;
        }
    };
    if !names_it {
        let counter = u64::try_from(context.now().0).unwrap_or(0);
        if let Err(error) = replica::write_latest(&context.replica, &Latest { generation, counter }).await {
            tracing::warn!(%error, "cannot write the hint at the current generation");
        }
    }
}

/// Settles the intent of an earlier process: afterwards its object is in the store, or was never visible and is not.
/// Says which generation was begun by it and how large its snapshot is, if that is what it was.
async fn settle(context: &Context, known: Option<&Acknowledged>) -> Result<Option<Begun>, Error> {
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
async fn younger(context: &Context, known: GenerationId) -> Result<Option<Begun>, Error> {
    let listed = replica::generations(&*context.replica).await?;
    for generation in listed.into_iter().rev().take_while(|&generation| generation > known) {
        let name = Name::Snapshot(generation);
        let Some(size) = size_of(context, name).await? else { continue };
        let reader = ObjectReader::open(&context.replica, name, size).await?;
        if reader.outline().header.writer != context.writer {
            return Err(overtaken_by(context, generation));
        }
        return Ok(Some(Begun { generation, size, reason: None }));
    }
    Ok(None)
}

/// Whether the first and the last object of what we know are in the store. Without them nothing can be restored from
/// what would be added.
async fn is_there(context: &Context, known: &Acknowledged) -> Result<bool, Error> {
    let last = known.index.and_then(SegmentIndex::new).map(|index| Name::Segment(known.generation, index));
    for name in [Some(Name::Snapshot(known.generation)), last].into_iter().flatten() {
        if size_of(context, name).await?.is_none() {
            // A segment may have been merged with others, and taken away since.
            let objects = Objects::list(&*context.replica, known.generation, None).await?;
            let end = restore::Point::from(known.index.and_then(SegmentIndex::new));
            if matches!(name, Name::Segment(..)) && restore::cover(&objects, end).is_ok() {
                continue;
            }
            tracing::warn!(object = %name, "the store has lost an object");
            return Ok(false);
        }
    }
    Ok(true)
}

/// Takes note of objects that are ours and that nobody noted: the process ended between the store's answer and the
/// state directory. Then loads the table of page hashes that belongs to the newest of them, or makes it again from the
/// replica; `None` if neither can be done, which costs a new generation.
async fn note_ours(context: &Context, known: &mut Acknowledged) -> Result<Option<PageHashes>, Error> {
    let index = known.index.and_then(SegmentIndex::new);
    // A snapshot's key is before every segment's, so that "after nothing" lists the snapshot again: passed over below.
    let objects = Objects::list(&*context.replica, known.generation, index).await?;
    let mut table = PageHashes::load(&context.state, known.generation, known.objects())?;
    for (index, size) in objects.segments {
        let name = Name::Segment(known.generation, index);
        let overtaken = || Error::Overtaken { object: format!("{}/{name}", context.replica.location()) };
        if Some(index) != known.next_index() {
            return Err(overtaken());
        }
        let reader = ObjectReader::open(&context.replica, name, size).await?;
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
        destination: context.replica.location(),
        replica: context.ids.replica,
        database: context.ids.database,
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

/// Where what the replica holds is known from.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Origin {
    /// It is noted beside the database.
    Noted,
    /// It was read from the replica, which may be of another database.
    Found,
    /// There is a replica, and it cannot be gone on with.
    Broken,
}

/// The live database as it was found.
struct Opened {
    observer: ObserverThread,
    /// Why a new generation has to begin.
    wanted: Option<Reason>,
    /// A time in which nobody watched it; what changed is pending.
    unwatched: Option<Unwatched>,
    /// The replica holds it at this commit, which is another place in the WAL than was noted.
    level: Option<Boundary>,
    /// The WAL holds the place where the replica ends.
    at_its_place: bool,
}

impl Opened {
    fn with(observer: ObserverThread, wanted: Option<Reason>) -> Opened {
        Opened { observer, wanted, unwatched: None, level: None, at_its_place: false }
    }
}

async fn start_observer(context: &Context, at: Option<Position>) -> Result<ObserverThread, db::Error> {
    ObserverThread::start(context.options.clone(), context.hooks.clone(), context.status.clone(), at).await
}

/// Opens the live database where the replica ends; otherwise at its present end, and finds out what differs.
async fn observe(
    context: &Context,
    known: Option<&Acknowledged>,
    table: Option<&PageHashes>,
    origin: Origin,
) -> Result<Opened, Error> {
    if origin == Origin::Broken {
        return observe_beside_a_broken_one(context, known.zip(table)).await;
    }
    let (Some(known), Some(table)) = (known, table) else {
        let wanted = known.is_some().then_some(Reason::StateLost);
        return Ok(Opened::with(start_observer(context, None).await?, wanted));
    };
    let resumed = match known.wal.position() {
        Some(position) => match start_observer(context, Some(position)).await {
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
    if let Some(observer) = resumed {
        let wanted = (!same_size(&observer)).then_some(Reason::PageSize);
        // What the WAL has was committed while nobody watched, at times that nobody knows.
        let (from, to) = (known.at(), context.now().max(known.at()));
        let missed = observer.pulse().borrow().pending && wanted.is_none();
        let unwatched = missed.then_some(Unwatched { from, to, compared: false, rewind: false });
        return Ok(Opened { at_its_place: true, unwatched, ..Opened::with(observer, wanted) });
    }
    let observer = start_observer(context, None).await?;
    let location = || context.replica.location();
    if !same_size(&observer) {
        return match (origin, context.options.adopt) {
            (Origin::Noted | Origin::Broken, _) => Ok(Opened::with(observer, Some(Reason::PageSize))),
            (Origin::Found, true) => Ok(Opened::with(observer, Some(Reason::Replaced))),
            (Origin::Found, false) => Err(Error::AnotherDatabase { location: location() }),
        };
    }
    let compared = catch_up::compare(context, &observer, known, table).await?;
    // What waloy has put there itself needs no further proof.
    let restored = Restored::load(&context.state)
        .filter(|restored| restored.replica == context.ids.replica && restored.at_ms >= known.at_ms);
    let is_it = restored.is_some()
        || match origin {
            Origin::Found | Origin::Broken => compared.most_is_the_same(),
            Origin::Noted => {
                compared.more_than_a_trace_is_the_same() || kin::descends(context, &observer, known).await?
            }
        };
    match (is_it, context.options.adopt) {
        (true, _) => {
            let caught_up = catch_up::settle(&observer, known, compared, restored.as_ref()).await?;
            let opened = Opened::with(observer, None);
            Ok(match caught_up {
                CaughtUp::Level(boundary) => Opened { level: Some(boundary), ..opened },
                CaughtUp::Behind(unwatched) => Opened { unwatched: Some(unwatched), ..opened },
            })
        }
        (false, true) => Ok(Opened::with(observer, Some(Reason::Replaced))),
        (false, false) if origin == Origin::Found => Err(Error::AnotherDatabase { location: location() }),
        (false, false) => Err(Error::Replaced { location: location() }),
    }
}

/// Opens the live database beside a replica that cannot be gone on with: a new generation begins, if what can be read of
/// the old one is of this database.
async fn observe_beside_a_broken_one(
    context: &Context,
    held: Option<(&Acknowledged, &PageHashes)>,
) -> Result<Opened, Error> {
    let observer = start_observer(context, None).await?;
    let is_it = match held {
        Some((known, _)) if PageSize::new(known.page_size) != Some(observer.page_size) => Some(false),
        Some((known, table)) => Some(catch_up::compare(context, &observer, known, table).await?.most_is_the_same()),
        None => None,
    };
    let location = || context.replica.location();
    match (is_it, context.options.adopt) {
        (Some(true), _) => Ok(Opened::with(observer, Some(Reason::StateLost))),
        (_, true) => Ok(Opened::with(observer, Some(Reason::Replaced))),
        (Some(false), false) => Err(Error::AnotherDatabase { location: location() }),
        (None, false) => Err(Error::CannotTell { location: location() }),
    }
}

/// The manifest of a generation that has only its snapshot.
pub(super) fn manifest(
    context: &Context,
    snapshot: &Acknowledged,
    reason: Reason,
    previous: Option<GenerationId>,
    page_size: PageSize,
    checksum: DbChecksum,
) -> Manifest {
    Manifest {
        generation: snapshot.generation,
        counter: 0,
        reason,
        previous,
        writer: context.writer,
        page_size,
        snapshot: ManifestSnapshot {
            at: snapshot.at(),
            bytes: snapshot.snapshot_bytes,
            digest: snapshot.digest,
            pages: snapshot.pages,
            checksum,
        },
        next_index: 0,
        merged: Vec::new(),
        segments: Vec::new(),
    }
}
