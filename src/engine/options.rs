//! What a replicator is told.

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::Event;
use crate::clock::{self, Clock};
use crate::compact::Levels;
use crate::compress::Compression;
use crate::db;
use crate::progress::{Progress, Silent};
#[cfg(feature = "encryption")]
use crate::replica::Key;
use crate::retention::Policy;

/// How one database is replicated.
#[derive(Clone, PartialEq, Debug)]
#[non_exhaustive]
pub struct Options {
    /// The database file.
    pub db_path: PathBuf,
    /// Where local state is kept; by default `{db}.waloy/state`.
    pub state_dir: Option<PathBuf>,
    /// The shortest time between two uploads. Default 1 s.
    pub sync_interval: Duration,
    /// Upload by itself whenever something was committed; otherwise only [`super::Replicator::sync`] does.
    pub automatic: bool,
    /// Bytes of the WAL above which it is checkpointed, so that SQLite starts it over. Default 4 MiB.
    pub checkpoint_threshold: u64,
    /// Whether waloy checkpoints at all, or leaves it to the application.
    pub checkpoints: Checkpoints,
    /// Begin a new generation this long after the last one, if anything changed. Default: never.
    pub snapshot_interval: Option<Duration>,
    /// Bytes of page images held for one segment at most; of a larger one only the page numbers are, and its pages are
    /// read when it is uploaded. Default 16 MiB.
    pub memory_budget: usize,
    /// How page files are compressed.
    pub compression: Compression,
    /// When segments are merged into longer ones, from the database; `None`: never. By default after 30 s, 5 min and 1 h, see
    /// [`Levels`].
    pub merge: Option<Levels>,
    /// Convert a database in another journal mode to WAL mode. The change is permanent.
    pub set_wal: bool,
    /// Wait for a database that does not exist yet, instead of failing.
    pub wait_for_db: bool,
    /// Open a database that belongs to another user.
    pub allow_other_user: bool,
    /// Go on where the replica looks like that of another database, with a new generation.
    pub adopt: bool,
    /// Without local state, a replica is gone on with only after nothing has come to it for this long, and for three
    /// sync intervals: somebody else may be writing to it. Default 5 s.
    pub quiet: Duration,
    /// While segments are uploaded, it is looked this often at most whether another writer has begun a generation: one
    /// small GET. Every tenth time, instead, also whether one has gone on in the same, and whether the first and the last
    /// object of it are there: two LISTs and two HEADs. Where nothing was uploaded for this long (or for the grace of the
    /// retention, if that is shorter), one LIST tells whether another writer has gone on. Default 60 s.
    pub rival_check: Duration,
    /// What is done when another writer has taken the replica over.
    pub on_conflict: OnConflict,
    /// What is let go of by itself, in automatic mode: after each new generation, and once an hour. `None`: nothing.
    pub retention: Option<Policy>,
    /// When somebody has listed, and there was nothing: where the ids of the replica are not there either, it is not listed
    /// again within 10 s before a new one begins. `None`: it is.
    pub nothing_there: Option<Instant>,
    /// The location of a replica that this database may be taken away from: it stays as it is, and a new one begins.
    /// From every other one a database is not moved.
    pub may_leave: Option<String>,
    /// What the replica is sealed with; `None`: it is not. It is so from its first object or not at all: a new prefix is
    /// begun sealed, and one of the other kind is refused.
    #[cfg(feature = "encryption")]
    pub key: Option<Key>,
    /// Somebody said that this database is not encrypted from now on. Otherwise one whose replica was sealed is not
    /// replicated without a key, wherever to.
    pub in_the_clear: bool,
}

/// Who copies the WAL into the database file.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Checkpoints {
    /// Waloy does, when the WAL has grown beyond its threshold.
    #[default]
    Auto,
    /// Only the application does.
    Off,
}

/// What is done when another writer has put an object where the next one belongs, or has begun a generation. Neither
/// overwrites or deletes anything of the other's.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum OnConflict {
    /// End, and say so.
    #[default]
    Stop,
    /// Begin a new generation with a snapshot, which takes the replica back. Once an hour at most: of two writers that
    /// both do so, each would make a snapshot of the whole database again and again.
    NewGeneration,
}

impl Options {
    pub(super) fn db_options(&self) -> db::Options {
        db::Options { set_wal: self.set_wal, allow_other_user: self.allow_other_user }
    }

    /// The defaults for this database.
    pub fn new(db_path: impl Into<PathBuf>) -> Options {
        Options {
            db_path: db_path.into(),
            state_dir: None,
            sync_interval: Duration::from_secs(1),
            automatic: true,
            checkpoint_threshold: 4 << 20,
            checkpoints: Checkpoints::Auto,
            snapshot_interval: None,
            memory_budget: 16 << 20,
            compression: Compression::default(),
            merge: Some(Levels::default()),
            set_wal: false,
            wait_for_db: false,
            allow_other_user: false,
            adopt: false,
            quiet: Duration::from_secs(5),
            rival_check: Duration::from_secs(60),
            on_conflict: OnConflict::Stop,
            retention: None,
            nothing_there: None,
            may_leave: None,
            #[cfg(feature = "encryption")]
            key: None,
            in_the_clear: false,
        }
    }
}

/// What a replicator uses and tells: time, progress, events.
#[derive(Clone)]
pub struct Hooks {
    /// The time of day.
    pub clock: Arc<dyn Clock>,
    /// Is told how far a snapshot is.
    pub progress: Arc<dyn Progress>,
    /// Is told what happens; called from several threads, and should return at once.
    pub events: Arc<dyn Fn(Event) + Send + Sync>,
}

impl Default for Hooks {
    fn default() -> Hooks {
        Hooks { clock: clock::system(), progress: Arc::new(Silent), events: Arc::new(|_| ()) }
    }
}

impl fmt::Debug for Hooks {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hooks").field("clock", &self.clock).field("progress", &self.progress).finish_non_exhaustive()
    }
}
