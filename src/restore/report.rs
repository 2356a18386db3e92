//! What a restore did.

use std::path::PathBuf;
use std::time::Duration;

use super::{Check, Plan, Target};
use crate::units::DbChecksum;

/// A restore that succeeded: the chain joined, every page had its hash, and what else was to be checked was right.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Report {
    /// What was asked for.
    pub requested: Target,
    /// What was restored, from what.
    pub plan: Plan,
    /// The file; `-` if it has no name.
    pub output: PathBuf,
    /// The database that was there before, under its new name.
    pub kept: Option<PathBuf>,
    /// The database that was there before was deleted.
    pub discarded: bool,
    /// Files that SQLite would have played back into the new database, under their new names: `-wal`, `-shm`,
    /// `-journal`.
    pub moved: Vec<PathBuf>,
    /// What was checked.
    pub check: Check,
    /// Bytes fetched from the store, listings and small hints aside.
    pub downloaded_bytes: u64,
    /// The checksum of the database: the replicator's, unless that was not to be checked.
    pub checksum: DbChecksum,
    /// How long it took.
    pub duration: Duration,
}
