//! What a restore did.

use std::path::PathBuf;
use std::time::Duration;

use super::{Plan, Target};
use crate::units::DbChecksum;

/// A restore that succeeded: the chain joined, every page had its hash, and the database its checksum.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// What was asked for.
    pub requested: Target,
    /// What was restored, from what.
    pub plan: Plan,
    /// The file.
    pub output: PathBuf,
    /// The database that was there before, under its new name.
    pub kept: Option<PathBuf>,
    /// Bytes fetched from the store, listings and small hints aside.
    pub downloaded_bytes: u64,
    /// The checksum of the database: the replicator's.
    pub checksum: DbChecksum,
    /// How long it took.
    pub duration: Duration,
}
