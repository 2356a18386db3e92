//! The library's face: a database, where its backup goes, and a manager of the two.
//!
//! A thin layer over [`crate::engine`] and [`crate::restore`], which offer more.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use crate::compress::{Codec, Compression};
use crate::engine::{Hooks, Options, Replicator, Report};
use crate::error::{Error, Kind, Result};
use crate::ids::GenerationId;
use crate::restore::{self, Output, Target};
use crate::storage::{Location, S3Options, Store};
use crate::units::Timestamp;

/// A prefix of a bucket of an S3-compatible store, and how to reach it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct S3Config {
    /// The server's URL; empty for AWS itself.
    pub endpoint: String,
    /// The region; empty for what the environment says.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// The access key; empty, together with the secret key, for the whole credential chain of AWS.
    pub access_key: String,
    /// The secret key. Never printed.
    pub secret_key: String,
    /// The prefix of all keys; may be empty.
    pub prefix: String,
}

impl std::fmt::Debug for S3Config {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let S3Config { endpoint, region, bucket, prefix, .. } = self;
        f.debug_struct("S3Config")
            .field("endpoint", endpoint)
            .field("region", region)
            .field("bucket", bucket)
            .field("prefix", prefix)
            .finish_non_exhaustive()
    }
}

impl S3Config {
    async fn open(&self) -> Result<Arc<dyn Store>> {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        if self.access_key.is_empty() != self.secret_key.is_empty() {
            return Err(Error::new(Kind::Usage, "config.keys", "access key and secret key go together"));
        }
        let options = S3Options {
            endpoint: given(&self.endpoint),
            region: given(&self.region),
            access_key: given(&self.access_key),
            secret_key: given(&self.secret_key),
            ..S3Options::default()
        };
        let prefix = self.prefix.trim_matches('/').to_owned();
        Location::S3 { bucket: self.bucket.clone(), prefix }.open(&options).await
    }
}

/// How page files are compressed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum CompressionAlgorithm {
    /// Not at all.
    None,
    /// LZ4: fastest. Needs the feature `compression-lz4`.
    Lz4,
    /// Zstandard: smallest. Needs the feature `compression-zstd`.
    Zstd,
}

/// Zstandard if it is built in, else LZ4 if that is, else none.
impl Default for CompressionAlgorithm {
    fn default() -> CompressionAlgorithm {
        match Compression::default().codec() {
            Codec::Zstd => CompressionAlgorithm::Zstd,
            Codec::Lz4 => CompressionAlgorithm::Lz4,
            Codec::None => CompressionAlgorithm::None,
        }
    }
}

impl CompressionAlgorithm {
    fn compression(self) -> Compression {
        match self {
            CompressionAlgorithm::None => Compression::None,
            CompressionAlgorithm::Lz4 => Compression::Lz4,
            CompressionAlgorithm::Zstd => Compression::Zstd(Compression::ZSTD_LEVEL),
        }
    }
}

/// Where a backup goes instead of S3.
#[derive(Clone, Debug)]
pub enum Destination {
    /// A directory on this machine, made when needed.
    Directory(PathBuf),
    /// A store of the application's own.
    Store(Arc<dyn Store>),
}

/// How one database is backed up.
#[derive(Clone, Debug)]
pub struct BackupConfig {
    /// The database file. It must exist and be in WAL mode.
    pub db_path: PathBuf,
    /// Where the backup goes. Its bucket is empty if and only if `destination` is set.
    pub s3: S3Config,
    /// Where it goes instead.
    pub destination: Option<Destination>,
    /// Where local state is kept; by default in `{db_path}.waloy/state`.
    pub state_dir: Option<PathBuf>,
    /// The shortest time between two uploads by themselves. Default 1 s.
    ///
    /// A manager uploads when [`BackupManager::sync_wal`] is called; this is how often that is meant to be.
    pub sync_interval: Duration,
    /// Bytes of the WAL above which waloy checkpoints it. Default 4 MiB.
    pub checkpoint_threshold_bytes: u64,
    /// How page files are compressed.
    pub compression: CompressionAlgorithm,
    /// A new generation this long after the last one, if anything changed. Default: only when the segments outweigh
    /// the snapshot.
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
            compression: CompressionAlgorithm::default(),
            snapshot_interval: None,
        }
    }
}

impl BackupConfig {
    async fn open_store(&self) -> Result<Arc<dyn Store>> {
        let two = || Error::new(Kind::Usage, "config.destination", "both a bucket and another destination are given");
        let none = || {
            Error::new(Kind::Usage, "config.destination", "no destination is given")
                .hint("set `s3`, or `destination` for a directory or a store of your own")
        };
        match &self.destination {
            Some(_) if !self.s3.bucket.is_empty() => Err(two()),
            Some(Destination::Store(store)) => Ok(store.clone()),
            Some(Destination::Directory(path)) => {
                Location::directory(path).map_err(Error::from)?.open(&S3Options::default()).await
            }
            None if self.s3.bucket.is_empty() => Err(none()),
            None => self.s3.open().await,
        }
    }
}

/// Backs one database up, while the application writes to it.
///
/// Capture goes on by itself, on a thread of its own: the WAL is followed and kept short from [`BackupManager::new`] to
/// [`BackupManager::shutdown`]. Uploads happen when they are asked for. A call that is dropped half way is finished all
/// the same; nothing is lost or sent twice by it.
#[derive(Debug)]
pub struct BackupManager {
    replicator: Replicator,
}

impl BackupManager {
    /// Opens the database, goes on with its backup, or begins one. When this returns, the backup holds a state of the
    /// database, and everything committed since then is being captured.
    ///
    /// # Errors
    ///
    /// [`Kind::Database`] if the database cannot be replicated, [`Kind::Locked`] if somebody else replicates it,
    /// [`Kind::Usage`] for a configuration that makes no sense; those of the store.
    pub async fn new(config: BackupConfig) -> Result<BackupManager> {
        let store = config.open_store().await?;
        let mut options = Options::new(&config.db_path);
        options.automatic = false;
        options.state_dir.clone_from(&config.state_dir);
        options.sync_interval = config.sync_interval;
        options.checkpoint_threshold = config.checkpoint_threshold_bytes;
        options.snapshot_interval = config.snapshot_interval;
        options.compression = config.compression.compression();
        let replicator = Replicator::start(options, store, Hooks::default()).await?;
        if let Err(error) = replicator.sync().await {
            // Or the next attempt, at once, would meet the lock of this one.
            replicator.release().await;
            return Err(error);
        }
        Ok(BackupManager { replicator })
    }

    /// Uploads what was committed since the last call: when this returns, everything committed before the call is
    /// durable in the backup. Says whether there was anything to upload.
    ///
    /// # Errors
    ///
    /// Those of the store and the database. The next call tries again; meanwhile capture goes on.
    pub async fn sync_wal(&mut self) -> Result<bool> {
        Ok(self.replicator.sync().await?.is_some())
    }

    /// Begins a new generation if one is due: its segments outweigh its snapshot, or the snapshot interval is over.
    /// When this returns true, its snapshot is durable.
    ///
    /// # Errors
    ///
    /// As [`BackupManager::sync_wal`]; the present generation goes on.
    pub async fn maybe_snapshot(&mut self) -> Result<bool> {
        self.replicator.rollover_if_due().await
    }

    /// The present generation.
    pub fn generation(&self) -> Option<GenerationId> {
        self.replicator.status().generation
    }

    /// A last sync, then the end: everything committed before the call is durable in the backup when this returns, and
    /// the database is released. Further calls fail.
    ///
    /// # Errors
    ///
    /// As [`BackupManager::sync_wal`]; the database is released all the same.
    pub async fn shutdown(&mut self) -> Result<Report> {
        self.replicator.shutdown().await
    }

    /// Restores the latest state to a file that must not exist. When this returns, the file is complete, proven against
    /// the checksum of the live database, and durable.
    ///
    /// # Errors
    ///
    /// [`Kind::NoBackup`], [`Kind::Damaged`], [`Kind::TargetExists`] and those of the store; there is no file then.
    pub async fn restore(s3: &S3Config, path: impl AsRef<Path>) -> Result<restore::Report> {
        restore_to(s3, path.as_ref(), Target::Latest).await
    }

    /// Restores the state after the last transaction at or before a moment, in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// As [`BackupManager::restore`], and [`Kind::NotCovered`] for a moment before the backup begins.
    pub async fn restore_to_time(s3: &S3Config, path: impl AsRef<Path>, timestamp_ms: i64) -> Result<restore::Report> {
        restore_to(s3, path.as_ref(), Target::Time(Timestamp(timestamp_ms))).await
    }
}

async fn restore_to(s3: &S3Config, path: &Path, target: Target) -> Result<restore::Report> {
    let store = s3.open().await?;
    Ok(restore::restore(&store, target, &Output::new(path), &restore::Options::default()).await?)
}
