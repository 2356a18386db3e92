//! What can go wrong with a restore.

use std::io;
use std::path::PathBuf;

use super::{Absence, Anchor, Around, Owner, Point};
use crate::error::{Error as PublicError, Kind};
use crate::ids::{GenerationId, ReplicaId};
use crate::replica::{self, Name, chain::Break};
use crate::storage::{self, Store};
use crate::units::{DbChecksum, PageNo, Timestamp};

/// A restore failed; the target is as it was.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An object of the replica is damaged or cannot be read.
    #[error(transparent)]
    Replica(#[from] replica::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] storage::Error),
    /// The listing answered, and there is nothing to restore.
    #[error("no backup at {location}")]
    NoBackup {
        /// Where.
        location: String,
    },
    /// More was durable there once.
    #[error("the backup at {location} lacks the end, up to {until}, that was durable there")]
    EndsEarly {
        /// Where.
        location: String,
        /// The last moment that was.
        until: Timestamp,
    },
    /// Everything that is there is younger.
    #[error("no backup at {location} before {earliest}; you asked for {asked}")]
    BeforeAll {
        /// Where.
        location: String,
        /// The moment asked for.
        asked: Timestamp,
        /// The first that is covered.
        earliest: Timestamp,
    },
    /// The moment lies in a gap, and [`Target::StrictTime`](super::Target::StrictTime) asked for it.
    #[error("{location} has no state of {asked}: {} from {} to {}", because(around.gap.why), around.gap.from, around.gap.to)]
    InGap {
        /// Where.
        location: String,
        /// The moment asked for.
        asked: Timestamp,
        /// The gap, and the states before and behind it.
        around: Box<Around>,
    },
    /// There is no such generation.
    #[error("no generation {id} at {location}")]
    NoSuchGeneration {
        /// As it was asked for.
        id: String,
        /// Where.
        location: String,
    },
    /// Several generations begin so.
    #[error("several generations begin with {prefix}")]
    AmbiguousGeneration {
        /// As it was asked for.
        prefix: String,
    },
    /// The generation ends before the point asked for.
    #[error("generation {generation} ends with {}; you asked for {}", called(*last), called(*asked))]
    Beyond {
        /// The generation.
        generation: GenerationId,
        /// The point asked for.
        asked: Point,
        /// Its last.
        last: Point,
    },
    /// The point was merged with others.
    #[error("{} of generation {generation} was merged with later ones; the point before it is {}", called(*asked), called(*before))]
    Merged {
        /// The generation.
        generation: GenerationId,
        /// The point asked for.
        asked: Point,
        /// The newest before it that can be restored.
        before: Point,
    },
    /// An object does not follow the one before it.
    #[error("{object} does not follow the object before it: {why}")]
    Broken {
        /// The later object, with the store's location.
        object: String,
        /// The object before it.
        before: Box<Name>,
        /// Why.
        why: Break,
    },
    /// The replica ends before the anchor: what is newest is held back, or all of it was rolled back.
    #[error(
        "the replica ends with {} of generation {generation}, and the anchor was noted at {} of generation {}: what came \
         since is held back, or was rolled back",
        called(*point), called(anchor.point), anchor.generation
    )]
    NotReached {
        /// Where.
        location: String,
        /// What was noted.
        anchor: Box<Anchor>,
        /// The newest generation that is there.
        generation: GenerationId,
        /// Its end.
        point: Point,
    },
    /// What the anchor names is another object than then.
    #[error("{object} is not the object that the anchor was noted of")]
    NotTheAnchor {
        /// The object, with the store's location.
        object: String,
    },
    /// The anchor was noted of another replica.
    #[error("the replica is {found}, and the anchor was noted of another one")]
    AnchorOfAnother {
        /// Where.
        location: String,
        /// The replica that is there.
        found: ReplicaId,
    },
    /// No object has this page.
    #[error("generation {generation} has no page {page}, and lacks {missing} in all")]
    Incomplete {
        /// The generation.
        generation: GenerationId,
        /// The first page that is missing.
        page: PageNo,
        /// How many are.
        missing: u32,
    },
    /// All objects are whole, but together they are not the database that was replicated.
    #[error("database checksum {found} is not {expected}, which the replicator had for {generation}:{point}")]
    Checksum {
        /// The generation.
        generation: GenerationId,
        /// The point.
        point: Point,
        /// The replicator's.
        expected: DbChecksum,
        /// What came out.
        found: DbChecksum,
    },
    /// The database is the one that was replicated, and SQLite finds faults with it.
    #[error("{generation}:{point} is a corrupt database: {}", problems.first().map_or("", String::as_str))]
    Corrupt {
        /// The generation.
        generation: GenerationId,
        /// The point.
        point: Point,
        /// What SQLite says, at least one line.
        problems: Vec<String>,
    },
    /// There is a file where the database should go.
    #[error("{} exists; refusing to overwrite it", .0.display())]
    TargetExists(PathBuf),
    /// Somebody has the database open that should be replaced, or goes on with one whose name is gone.
    #[error("{} is in use{}", path.display(), by_whom(*by))]
    TargetInUse {
        /// The target.
        path: PathBuf,
        /// The process, if it is known.
        by: Option<u32>,
    },
    /// The target is a directory, or has none.
    #[error("{} cannot be a database: {why}", path.display())]
    NoTarget {
        /// The target.
        path: PathBuf,
        /// Why not.
        why: &'static str,
    },
    /// Not enough room.
    #[error("{} has {free} bytes free, and the database needs {needed}", path.display())]
    NoSpace {
        /// The directory.
        path: PathBuf,
        /// What it has.
        free: u64,
        /// What is needed.
        needed: u64,
    },
    /// The file cannot be given to the owner that was asked for.
    #[error("cannot give {} to {owner}", path.display())]
    Owner {
        /// The target.
        path: PathBuf,
        /// The owner.
        owner: Owner,
        /// Why.
        source: io::Error,
    },
    /// The old database cannot be prepared for being kept.
    #[error("cannot put {} aside", path.display())]
    PutAside {
        /// The old database.
        path: PathBuf,
        /// Why.
        source: rusqlite::Error,
    },
    /// The local file system failed.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why.
        source: io::Error,
    },
}

impl Error {
    pub(super) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { what, path, source }
    }

    /// An object that was listed is not there any more.
    pub fn is_missing(&self) -> bool {
        match self {
            Error::Replica(error) => error.is_missing(),
            Error::Store(error) => error.is_not_found(),
            _ => false,
        }
    }

    /// The object that is at fault, or with which the state that is at fault ends; `None` if no object of a generation
    /// is.
    pub fn about(&self) -> Option<Name> {
        let at = |generation, point: Point| match point.index() {
            Some(index) => Name::Segment(generation, index),
            None => Name::Snapshot(generation),
        };
        match self {
            Error::Replica(error) => error.about(),
            Error::Store(error) => Name::at_end_of(&error.object),
            Error::Broken { object, .. } => Name::at_end_of(object),
            Error::Checksum { generation, point, .. } | Error::Corrupt { generation, point, .. } => {
                Some(at(*generation, *point))
            }
            // Which object should have had the page is not known.
            Error::Incomplete { generation, .. } => Some(Name::Snapshot(*generation)),
            _ => None,
        }
    }

    /// What the replica holds is wrong, as opposed to a store or a disk that fails.
    pub fn is_damage(&self) -> bool {
        match self {
            Error::Replica(error) => error.is_damage(),
            Error::Store(error) => error.is_not_found(),
            Error::Broken { .. }
            | Error::Incomplete { .. }
            | Error::Checksum { .. }
            | Error::Corrupt { .. }
            | Error::NotReached { .. }
            | Error::NotTheAnchor { .. }
            | Error::AnchorOfAnother { .. } => true,
            _ => false,
        }
    }

    /// The stable code, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Replica(error) => error.code(),
            Error::Store(error) if error.is_not_found() => "object.missing",
            Error::Store(_) => "storage.failed",
            Error::NoBackup { .. } => "restore.no_backup",
            Error::EndsEarly { .. } => "restore.ends_early",
            Error::BeforeAll { .. } | Error::Beyond { .. } => "restore.not_covered",
            Error::InGap { .. } => "restore.in_gap",
            Error::NoSuchGeneration { .. } => "restore.no_such_generation",
            Error::AmbiguousGeneration { .. } => "restore.ambiguous_generation",
            Error::Merged { .. } => "restore.merged",
            Error::Broken { .. } => "chain.broken",
            Error::NotReached { .. } => "anchor.not_reached",
            Error::NotTheAnchor { .. } => "anchor.mismatch",
            Error::AnchorOfAnother { .. } => "anchor.another_replica",
            Error::Incomplete { .. } => "chain.incomplete",
            Error::Checksum { .. } => "chain.checksum",
            Error::Corrupt { .. } => "database.corrupt",
            Error::Owner { .. } => "restore.owner",
            Error::TargetExists(_) => "restore.target_exists",
            Error::TargetInUse { .. } => "restore.target_in_use",
            Error::NoTarget { .. } => "restore.no_target",
            Error::NoSpace { .. } => "restore.no_space",
            Error::PutAside { .. } => "restore.put_aside",
            Error::Io { .. } => "restore.io",
        }
    }

    /// The message with its causes, in one line, without the location of the store.
    pub(crate) fn one_line(&self, store: &dyn Store) -> String {
        let mut message = self.to_string();
        let mut next = std::error::Error::source(self);
        while let Some(cause) = next {
            let text = cause.to_string();
            if !message.ends_with(&text) {
                message = format!("{message}: {text}");
            }
            next = cause.source();
        }
        replica::without_location(store, &message)
    }

    fn kind(&self) -> Kind {
        match self {
            // Both know better themselves.
            Error::Replica(_) | Error::Store(_) => Kind::Failure,
            Error::NoBackup { .. } => Kind::NoBackup,
            Error::BeforeAll { .. }
            | Error::InGap { .. }
            | Error::NoSuchGeneration { .. }
            | Error::Beyond { .. }
            | Error::Merged { .. } => Kind::NotCovered,
            Error::AmbiguousGeneration { .. } | Error::NoTarget { .. } => Kind::Usage,
            Error::Broken { .. }
            | Error::EndsEarly { .. }
            | Error::Incomplete { .. }
            | Error::Checksum { .. }
            | Error::Corrupt { .. }
            | Error::NotReached { .. }
            | Error::NotTheAnchor { .. }
            | Error::AnchorOfAnother { .. } => Kind::Damaged,
            Error::TargetExists(_) | Error::TargetInUse { .. } => Kind::TargetExists,
            Error::NoSpace { .. } | Error::PutAside { .. } | Error::Owner { .. } | Error::Io { .. } => Kind::Database,
        }
    }

    /// Lines that a person can act upon.
    fn hints(&self) -> Vec<String> {
        match self {
            Error::TargetExists(path) => {
                let mut beside = path.clone();
                let extension = path.extension().map_or("restored".into(), |ext| format!("restored.{}", ext.display()));
                beside.set_extension(extension);
                vec![
                    format!("restore beside it: add `-o {}`", beside.display()),
                    format!("or replace it (the old file is kept as {}.pre-restore-…): add `--force`", path.display()),
                ]
            }
            Error::EndsEarly { .. } => vec![
                "is it the right store, and its disk mounted? `waloy verify` tells what is missing".into(),
                "if it is lost, restore what is there by hand, with `waloy restore`".into(),
            ],
            Error::TargetInUse { .. } => vec!["stop the programs that have it open, the replicator too".into()],
            Error::BeforeAll { .. } | Error::NoSuchGeneration { .. } | Error::AmbiguousGeneration { .. } => {
                vec!["`waloy generations` lists what is covered".into()]
            }
            Error::InGap { around, .. } => {
                let Around { before, after, .. } = &**around;
                vec![
                    format!("the last state before: `--generation {}:{}`", before.generation, before.point),
                    format!("the first state after: `--generation {}:{}`", after.generation, after.point),
                ]
            }
            Error::NotReached { .. } | Error::NotTheAnchor { .. } => vec![
                "look at the versions of the bucket, and at who may write to it; without the anchor, what is there is \
                 restored"
                    .into(),
            ],
            Error::AnchorOfAnother { .. } => {
                vec!["a new replica has a new anchor: `waloy inspect --anchor`, once it is known why it is new".into()]
            }
            Error::NoSpace { .. } => vec!["restore to another disk: add `-o FILE`".into()],
            Error::Owner { .. } => vec!["only root gives files away: leave `--owner` out, or restore as root".into()],
            Error::Corrupt { .. } => {
                vec![
                    "the replica has it as it was when it was replicated; `--check checksum` restores it all the same"
                        .into(),
                ]
            }
            Error::Checksum { .. } => vec!["`--check none` restores it all the same".into()],
            Error::Io { source, .. } => io_hint(source.kind()).into_iter().map(str::to_owned).collect(),
            _ => Vec::new(),
        }
    }
}

/// A point as people call it.
fn called(point: Point) -> String {
    match point {
        Point::Snapshot => "the snapshot".into(),
        Point::Index(index) => format!("segment {index}"),
    }
}

/// Why there is nothing of that time.
fn because(why: Absence) -> &'static str {
    match why {
        Absence::NotRunning => "no replicator ran",
        Absence::Outage => "the store was out of reach",
        Absence::Deleted => "retention let go of what was there",
    }
}

fn by_whom(process: Option<u32>) -> String {
    process.map(|process| format!(" by process {process}")).unwrap_or_default()
}

/// What may help where the file system refuses.
fn io_hint(kind: io::ErrorKind) -> Option<&'static str> {
    match kind {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded | io::ErrorKind::FileTooLarge => {
            Some("nothing was changed; make room, or restore to another disk: add `-o FILE`")
        }
        io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem => {
            Some("nothing was changed; restore where you may write: add `-o FILE`")
        }
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory => Some("make the directory first"),
        _ => None,
    }
}

/// For whoever meets damage: what else there is.
const EARLIER: &str = "what is before it may be whole: `waloy generations` lists what there is, and `waloy restore` takes \
                       `--generation GENERATION:INDEX`";

impl From<Error> for PublicError {
    fn from(error: Error) -> PublicError {
        let (kind, code, message, hints) = (error.kind(), error.code(), error.to_string(), error.hints());
        let public = match error {
            Error::Replica(error) => {
                let damage = error.is_damage();
                let public = PublicError::from(error);
                return if damage { public.hint(EARLIER) } else { public };
            }
            Error::Store(error) => return error.into(),
            Error::Io { source, .. } => PublicError::new(kind, code, message).because(source),
            Error::PutAside { source, .. } => PublicError::new(kind, code, message).because(source),
            Error::Owner { source, .. } => PublicError::new(kind, code, message).because(source),
            _ => PublicError::new(kind, code, message),
        };
        hints.into_iter().fold(public, PublicError::hint)
    }
}
