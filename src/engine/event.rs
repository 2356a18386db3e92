//! What a replicator tells of itself.

use std::path::PathBuf;
use std::time::Duration;

use crate::db::Reclaimed;
use crate::format::Reason;
use crate::ids::GenerationId;
use crate::retention;
use crate::units::{SegmentIndex, Timestamp};

/// Something happened.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub enum Event {
    /// Replication begins.
    Started {
        /// The database, links resolved.
        db: PathBuf,
        /// Where the replica is.
        destination: String,
        /// The size of the database in bytes.
        db_bytes: u64,
        /// The replica is encrypted.
        encrypted: bool,
        /// The generation that is gone on with; `None` if a new one has to be begun.
        generation: Option<GenerationId>,
    },
    /// A generation was begun: its snapshot is durable.
    Generation {
        /// Its id.
        generation: GenerationId,
        /// Why.
        reason: Reason,
        /// The size of the database in bytes.
        db_bytes: u64,
        /// The size of the snapshot in the store.
        stored_bytes: u64,
        /// How long it took.
        duration: Duration,
    },
    /// The WAL had gone on without waloy, and every page was compared with the replica's.
    Compared {
        /// The pages of the database.
        pages: u32,
        /// How many of them the replica has otherwise, or not at all.
        differing: u32,
        /// How long it took.
        duration: Duration,
    },
    /// A segment is durable.
    Synced(Synced),
    /// The WAL was checkpointed, or an attempt at it ended otherwise.
    Checkpoint {
        /// Frames that the WAL had.
        frames: u32,
        /// How it ended.
        outcome: Reclaimed,
        /// How long it took.
        duration: Duration,
    },
    /// Something failed that is tried again.
    Retry {
        /// What failed, and why, in one line.
        error: String,
        /// How often it has failed in a row.
        attempt: u32,
        /// When it is tried again.
        delay: Duration,
    },
    /// The replica has been behind for more than three intervals.
    Degraded {
        /// Since when.
        since: Timestamp,
        /// Why, in one line.
        error: String,
    },
    /// The replica is level again.
    Recovered {
        /// For how long it was behind.
        after: Duration,
    },
    /// Retention let go of something, or could not.
    Pruned(retention::Report),
    /// Replication ended.
    Stopped(Report),
}

/// A segment that is durable.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Synced {
    /// The generation.
    pub generation: GenerationId,
    /// The index of the segment.
    pub index: SegmentIndex,
    /// Transactions in it.
    pub commits: u64,
    /// Bytes of the WAL that they took.
    pub wal_bytes: u64,
    /// The size of the segment in the store.
    pub stored_bytes: u64,
    /// The time of its last transaction.
    pub at: Timestamp,
    /// How long sealing and uploading took.
    pub duration: Duration,
    /// From the capture of its first transaction until it was durable.
    pub lag: Duration,
}

/// What a replicator did in its life.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Transactions made durable in the replica.
    pub commits: u64,
    /// Objects written.
    pub objects: u64,
    /// Bytes written to the store.
    pub stored_bytes: u64,
    /// Transactions captured and not durable: 0 after a clean stop.
    pub pending: u64,
}
