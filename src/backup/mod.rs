//! The library's face: a database, where its backup goes, and a manager of the two.
//!
//! ```text
//! BackupConfig ──new──▶ BackupManager     uploads when it is asked to
//!                            │ spawn
//!                            ▼
//!                       BackupHandle      uploads by itself; cloned into every handler of an application
//!
//! S3Config or BackupConfig ──restore──▶ a file
//! ```
//!
//! A thin layer over [`crate::engine`] and [`crate::restore`], which offer more. A configuration that makes no sense is
//! refused with a hint before anything is touched: nothing is ignored.

mod check;
mod compression;
mod config;
mod encryption;
mod handle;
mod manager;
mod restore;
mod s3;
mod stats;

pub use compression::CompressionAlgorithm;
pub use config::{BackupConfig, Destination};
pub use encryption::EncryptionKey;
pub use handle::BackupHandle;
pub use manager::BackupManager;
pub use s3::S3Config;
pub use stats::{BackupPosition, BackupStats, Behind};
