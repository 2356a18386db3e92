//! How one database is backed up.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use super::{CompressionAlgorithm, EncryptionKey, S3Config};
use crate::storage::Store;

/// How one database is backed up.
///
/// Only `db_path` and a destination have to be set:
///
/// ```
/// use waloy::{BackupConfig, Destination};
///
/// let config = BackupConfig {
///     db_path: "app.db".into(),
///     destination: Some(Destination::Directory("/mnt/backups/app".into())),
///     ..Default::default()
/// };
/// ```
#[derive(Clone, Debug)]
pub struct BackupConfig {
    /// The database file. It must exist and be in WAL mode.
    pub db_path: PathBuf,
    /// Where the backup goes, unless `destination` is set; one of the two is.
    pub s3: S3Config,
    /// Where it goes instead: a directory, or a store of the application's own.
    pub destination: Option<Destination>,
    /// Where local state is kept; by default in `{db_path}.waloy/state`.
    pub state_dir: Option<PathBuf>,
    /// The shortest time between two uploads that nobody asks for: of a [`BackupHandle`](super::BackupHandle), then, after
    /// [`BackupManager::spawn`](super::BackupManager::spawn). From 1 ms to a day; default 1 s.
    ///
    /// What is asked for is done at once: a manager driven by calls uploads at each
    /// [`sync_wal`](super::BackupManager::sync_wal), however often that is called. For both, a backup that cannot be
    /// brought up to date for three intervals counts as behind ([`BackupStats::behind`](super::BackupStats::behind)).
    pub sync_interval: Duration,
    /// Bytes of the WAL above which waloy checkpoints it by itself, at least 1. Default 4 MiB.
    ///
    /// Below the size of a page, it is checkpointed after each commit that is noticed; `u64::MAX` leaves checkpoints to
    /// the application and to [`BackupManager::checkpoint`](super::BackupManager::checkpoint).
    pub checkpoint_threshold_bytes: u64,
    /// How long every moment stays restorable, not zero; the last generation does in any case. Default `None`: for ever.
    ///
    /// Every upload is kept for a day as a point of its own, and everything a day longer than it is needed, for the sake
    /// of those who are reading it. [`crate::retention`] tells the rest. A [`BackupHandle`](super::BackupHandle) lets go
    /// of the older ones by itself, after each new generation and once an hour; a manager driven by calls, when
    /// [`enforce_retention`](super::BackupManager::enforce_retention) is called.
    pub retention_duration: Option<Duration>,
    /// How page files are compressed. A restore reads all that are built in, whatever is set here.
    pub compression: CompressionAlgorithm,
    /// What the backup is encrypted with, before anything leaves this machine; default `None`: it is not. What that
    /// protects from, and what not, is told at [`EncryptionKey`]; needs the feature `encryption`.
    ///
    /// A backup is encrypted from its first object or not at all. With a key, one that is not is refused; without one, one
    /// that is, also when only the local state remembers that: a key that is missing from a configuration never makes a
    /// backup in the clear. A wrong one is [`Kind::BadKey`](crate::Kind::BadKey).
    pub encryption_key: Option<EncryptionKey>,
    /// Restore a database that is not there before it is backed up: the latest state, proven, and in its place before
    /// [`BackupManager::new`](super::BackupManager::new) returns. So `new` comes before the application opens the
    /// database. If the store says that there is no backup, `new` fails with the code `db.missing`: the application
    /// makes its database, and calls it again. Whatever else keeps it from being restored is an error too, so that no
    /// application starts with an empty database because its store was away. Default `false`.
    pub auto_restore: bool,
    /// A new generation this long after the last one, if anything changed; not zero. By default only when the segments
    /// outweigh the snapshot.
    ///
    /// A [`BackupHandle`](super::BackupHandle) sees to it by itself; a manager driven by calls, when
    /// [`maybe_snapshot`](super::BackupManager::maybe_snapshot) is called.
    pub snapshot_interval: Option<Duration>,
}

impl Default for BackupConfig {
    fn default() -> BackupConfig {
        BackupConfig {
            db_path: PathBuf::new(),
            s3: S3Config::default(),
            destination: None,
            state_dir: None,
            sync_interval: Duration::from_secs(1),
            checkpoint_threshold_bytes: 4 << 20,
            retention_duration: None,
            compression: CompressionAlgorithm::default(),
            encryption_key: None,
            auto_restore: false,
            snapshot_interval: None,
        }
    }
}

/// Where a backup goes instead of S3.
#[derive(Clone, Debug)]
pub enum Destination {
    /// A directory on this machine, made when needed.
    Directory(PathBuf),
    /// A store of the application's own: see [`Store`] for what it promises.
    Store(Arc<dyn Store>),
}
