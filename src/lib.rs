//! waloy: continuous backup of a running SQLite database to S3-compatible storage or a directory.
//!
//! [`BackupManager`] is what an application needs. Everything below it is public too: the command-line tool is a thin
//! face over the same functions.
//!
//! # In an application
//!
//! ```no_run
//! use waloy::{BackupConfig, BackupManager, S3Config};
//!
//! # async fn backup() -> waloy::Result<()> {
//! let s3 = S3Config { bucket: "my-bucket".into(), prefix: "backups/app".into(), ..Default::default() };
//! let backup = BackupManager::new(BackupConfig { db_path: "app.db".into(), s3, ..Default::default() }).await?.spawn();
//! // In a handler, with a clone of it, after a commit that must not be lost:
//! println!("safe in the backup at {}", backup.sync().await?);
//! // At the end:
//! backup.shutdown().await?;
//! # Ok(())
//! # }
//! ```
//!
//! It uploads by itself, once a second at most and only what was committed; [`BackupHandle`] tells more.
//! [`BackupManager::restore`] gives the database back. Against a directory, from end to end:
//!
//! ```
//! use waloy::{BackupConfig, BackupManager, Destination};
//!
//! # #[tokio::main(flavor = "current_thread")]
//! # async fn main() -> Result<(), Box<dyn std::error::Error>> {
//! # let dir = tempfile::tempdir()?;
//! # let path = |name: &str| dir.path().join(name);
//! let app = rusqlite::Connection::open(path("app.db"))?;
//! app.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE items (name TEXT)")?;
//!
//! let config = BackupConfig {
//!     db_path: path("app.db"),
//!     destination: Some(Destination::Directory(path("backup"))),
//!     ..Default::default()
//! };
//! let backup = BackupManager::new(config.clone()).await?.spawn();
//! app.execute("INSERT INTO items VALUES ('hello')", [])?;
//! let position = backup.sync().await?;
//! # std::thread::sleep(std::time::Duration::from_millis(5));
//! app.execute("DELETE FROM items", [])?;
//! backup.shutdown().await?;
//!
//! let then = position.timestamp_ms;
//! BackupManager::restore_to_time_with_config(&config, path("restored.db"), then).await?;
//! let restored = rusqlite::Connection::open(path("restored.db"))?;
//! let name: String = restored.query_row("SELECT name FROM items", [], |row| row.get(0))?;
//! assert_eq!(name, "hello");
//! # Ok(())
//! # }
//! ```
//!
//! # From a commit to the store
//!
//! ```text
//!  SQLite file + -wal
//!      │  db         live database: pin, tail, checkpoint, consistent reads     blocking, on threads of their own
//!      ▼
//!   commits          wal: bytes → committed transactions                        pure
//!      │
//!      ▼
//!   page images      engine: decides what to seal, and when
//!      │
//!      ▼
//!   page file        format: page images ⇄ bytes, with compress                 pure
//!      │
//!      ▼
//!   envelope         seal: 16 bytes in front, and encryption                    pure
//!      │
//!      ▼
//!   object at a key  replica: which key, in which generation; the chain
//!      │
//!      ▼
//!   store            storage: S3, directory, memory
//! ```
//!
//! A restore ([`mod@restore`]) is the same list read upwards, and [`mod@verify`] is a restore that keeps nothing. What
//! waloy keeps beside the database is in [`state`]. Many small segments become few in [`mod@compact`]; what may go, and in
//! which order, is in [`retention`]; slots and data keys of a sealed replica are changed in `keys`. Pure in the middle,
//! input and output at both ends; a module uses only what is below it, which a test holds it to.
//!
//! # Where to begin reading
//!
//! - [`db::Live`] tells why no commit can slip through while the application checkpoints as it likes.
//! - [`mod@format`] specifies the page file.
//! - [`engine`] tells in which order things become durable.
//!
//! # Features
//!
//! | feature | what |
//! |---|---|
//! | `compression-lz4`, `compression-zstd`, `compression` | compression of page files: LZ4, Zstandard, both |
//! | `encryption` | sealed replicas: [`EncryptionKey`], [`seal`]; without it, a sealed one is refused |
//! | `cli` | the command-line tool |
//! | `full` (default) | all of these |
//! | `testing` | a conformance suite for stores, a store with faults made to order, a workload that certifies itself |

pub mod backup;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod compact;
pub mod compress;
pub mod config;
pub mod db;
pub mod engine;
pub mod error;
pub mod format;
pub mod ids;
#[cfg(feature = "encryption")]
pub mod keys;
mod planted;
pub mod progress;
pub mod replica;
pub mod restore;
pub mod retention;
pub mod seal;
pub mod state;
pub mod storage;
mod task;
#[cfg(feature = "testing")]
pub mod testing;
pub mod units;
pub mod verify;
pub mod wal;

pub use backup::{
    BackupConfig, BackupHandle, BackupManager, BackupPosition, BackupStats, CompressionAlgorithm, Destination,
    EncryptionKey, S3Config,
};
pub use error::{Error, Kind, Result};

/// The README's programs compile.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
