//! waloy: continuous backup of a running SQLite database to S3-compatible storage or a directory.
//!
//! [`BackupManager`] is what an application needs. Everything below it is public too: the command-line tool is a thin
//! face over the same functions.
//!
//! # From a commit to the store
//!
//! ```text
//!  SQLite file + -wal
//!      │  db         live database: pin, tail, checkpoint, consistent reads     blocking, on a thread of its own
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
//!   envelope         seal: 16 bytes in front                                    pure
//!      │
//!      ▼
//!   object at a key  replica: which key, in which generation; the chain
//!      │
//!      ▼
//!   store            storage: S3, directory, memory
//! ```
//!
//! A restore ([`mod@restore`]) is the same list read upwards, and [`mod@verify`] is a restore that keeps nothing. What
//! waloy keeps beside the database is in [`state`]. Pure in the middle, input and output at both ends; a module uses only
//! what is below it, which a test holds it to.
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
//! | `encryption` | declared, and not built yet: a sealed replica is refused |
//! | `cli` | the command-line tool |
//! | `full` (default) | all of these |
//! | `testing` | a conformance suite for stores, and a store with faults made to order |

pub mod backup;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod compress;
pub mod config;
pub mod db;
pub mod engine;
pub mod error;
pub mod format;
pub mod ids;
pub mod progress;
pub mod replica;
pub mod restore;
pub mod seal;
pub mod state;
pub mod storage;
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
