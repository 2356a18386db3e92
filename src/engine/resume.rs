//! Opening a session: what was under way is settled, what the store has and we forgot is adopted, and capture goes on
//! where the replica ends, if the WAL still holds that place.

use tokio::time::Instant;

use super::adopt::{self, Newest};
use super::catch_up::{self, CaughtUp};
use super::context::Context;
use super::error::Error;
use super::hint;
use super::kin;
use super::merging::Merging;
use super::observer::Watched;
use super::pending::Boundary;
use super::rival::{Lookout, Quiet, require_newest};
use super::segment::{Unwatched, mark};
use super::session::Session;
use super::settle::{Begun, is_there, note_ours, settle, younger};
use crate::db;
use crate::format::{Manifest, ManifestSnapshot, Outline, Reason, Summary};
use crate::ids::{Digest, GenerationId};
use crate::replica::{self, Name, ObjectReader};
use crate::state::{Acknowledged, Intent, PageHashes, Restored, WalPlace};
use crate::units::{DbChecksum, PageSize};

impl Session {
    /// Opens the database and goes on with what the replica holds; where another writer has taken it over, with a new
    /// generation if that is wished. Every page is compared with it where the WAL does not go on from there, or with
    /// `compare` in any case.
    pub(super) async fn open(context: &Context, compare: bool) -> Result<Session, Error> {
        match Session::go_on(context, compare).await {
            Err(error @ Error::Overtaken { .. }) if context.may_take_back()? => {
                tracing::warn!(%error, "beginning a new generation, as configured");
                // What is noted stays until the new generation is acknowledged: until then it tells why one is needed.
                let observer = start_observer(context, None).await?;
                Ok(Session::new(context, Opened::with(observer, Some(Reason::Overtaken)), None, None, None).await)
            }
            done => done,
        }
    }

    async fn go_on(context: &Context, compare: bool) -> Result<Session, Error> {
        let mut known = Acknowledged::load(&context.state)?.filter(|known| known.replica == context.ids.replica);
        if let Some(known) = &mut known {
            // It may have been moved, and is where it is found now.
            known.destination = context.replica.location();
        }
        let compare = compare || known.as_ref().is_some_and(|known| known.wal.position().is_none());
        let noted = known.as_ref().map(Acknowledged::place);
        let intended = Intent::load(&context.state)?.map(|(intent, _)| (intent.generation, intent.index));
        let mut begun = settle(context, known.as_ref()).await?;
        let newest = begun.as_ref().map(|begun| begun.generation).or(known.as_ref().map(|known| known.generation));
        if let Some(newest) = newest {
            begun = younger(context, newest).await?.or(begun);
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
            None if context.is_first() => {}
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
        if compare && let Some(known) = &mut known {
            // Of what was under way, too. It stays so until something that was compared is acknowledged.
            known.wal = WalPlace::default();
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
        if let Some(known) = known.as_mut().filter(|_| origin == Origin::Found) {
            known.is_found = true;
        }
        if let Some(known) = known.as_mut().filter(|_| origin == Origin::Noted || opened.wanted.is_none()) {
            if let Some(boundary) = opened.level {
                known.wal = WalPlace::from(mark(boundary));
            }
            let ahead = known.at().0.saturating_sub(context.now().0);
            if ahead > AHEAD_MS {
                let until = known.at();
                tracing::warn!(%until, "the clock is behind the newest state: until then all that is added has its time");
            }
            known.save_durably(&context.state)?;
            if opened.level.is_some() || opened.at_its_place {
                Restored::done(&context.state);
            }
            if opened.wanted.is_none() {
                // Of those who begin in the same moment, each lists after its hint.
                if hint::mend(context, known.generation).await {
                    require_newest(context, known.generation).await?;
                }
            }
        }
        Intent::clear(&context.state)?;
        if let (None, Some(known)) = (opened.wanted, &known)
            && context.replica.is_outdated(known.generation).await?
        {
            // Whoever has the old data key, after a leak, is not to read what is written from now on.
            tracing::info!(generation = %known.generation, "there is a new data key: a new generation begins");
            opened.wanted = Some(Reason::Requested);
        }
        let is_ours = known.as_ref().is_none_or(|known| !known.is_found);
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
            ended: false,
            outage: false,
            caught_up: false,
            is_ours: true,
            lookout: Lookout::begin(context, known_before),
            outbox: None,
            merging: Merging::resumed(context.options.merge.clone()),
            manifest: manifest.or(made),
            unlisted,
            latest_is_due: false,
            broken: false,
        }
    }
}

/// How far two clocks may be apart, in milliseconds.
const AHEAD_MS: i64 = 300_000;

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
        segment_pages: 0,
        wal: WalPlace::from(summary.wal),
        is_found: false,
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
    observer: Watched,
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
    fn with(observer: Watched, wanted: Option<Reason>) -> Opened {
        Opened { observer, wanted, unwatched: None, level: None, at_its_place: false }
    }
}

async fn start_observer(context: &Context, at: Option<db::Place>) -> Result<Watched, db::Error> {
    Watched::start(context.options.clone(), context.hooks.clone(), context.status.clone(), at).await
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
        Some(position) => match start_observer(context, Some(db::Place { position, pages: known.pages })).await {
            Ok(observer) => Some(observer),
            Err(error) if error.is_loss() && !matches!(error, db::Error::Replaced(_)) => {
                tracing::info!(%error, "the WAL went on while nobody watched: comparing every page with the replica");
                None
            }
            Err(error) => return Err(error.into()),
        },
        None => None,
    };
    let same_size = |observer: &Watched| PageSize::new(known.page_size) == Some(observer.page_size);
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
