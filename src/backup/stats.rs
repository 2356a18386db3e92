//! How far a backup is.

use std::fmt;

use crate::db::Reclaimed;
use crate::engine::Status;
use crate::ids::GenerationId;
use crate::restore::Point;

/// A point of a backup: everything up to here is durable and can be restored.
///
/// Displayed as the command line takes it: `GENERATION:INDEX`, or `GENERATION:snapshot`.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct BackupPosition {
    /// The generation.
    pub generation: GenerationId,
    /// The index of its newest segment; `None` if there is only the snapshot.
    pub index: Option<u64>,
    /// The time of the newest transaction, in milliseconds since 1970.
    /// [`restore_to_time`](super::BackupManager::restore_to_time) takes it, and gives this state back, or the newest
    /// of the same millisecond.
    pub timestamp_ms: i64,
}

impl BackupPosition {
    pub(super) fn of(status: &Status) -> Option<BackupPosition> {
        let (generation, at) = (status.generation?, status.at?);
        Some(BackupPosition { generation, index: status.index.map(|index| index.get()), timestamp_ms: at.0 })
    }
}

impl fmt::Display for BackupPosition {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.index {
            Some(index) => write!(f, "{}:{index}", self.generation),
            None => write!(f, "{}:{}", self.generation, Point::Snapshot),
        }
    }
}

/// How a backup is doing. Counts begin with this process's [`BackupManager::new`](super::BackupManager::new).
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct BackupStats {
    /// The newest point that is durable; `None` only before the first snapshot.
    pub position: Option<BackupPosition>,
    /// Transactions made durable by segments.
    pub commits: u64,
    /// Segments written.
    pub segments: u64,
    /// Snapshots written.
    pub snapshots: u64,
    /// Bytes of segments and snapshots written to the store.
    pub bytes: u64,
    /// Everything that was captured is durable. A transaction is captured up to a quarter of a second after its commit.
    pub level: bool,
    /// Since when and why the backup cannot be brought up to date, once that has failed for three sync intervals.
    pub behind: Option<Behind>,
}

/// A backup that cannot be brought up to date.
#[derive(Clone, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct Behind {
    /// When that failed first, in milliseconds since 1970.
    pub since_ms: i64,
    /// Why, in one line.
    pub error: String,
}

impl BackupStats {
    pub(super) fn of(status: &Status) -> BackupStats {
        BackupStats {
            position: BackupPosition::of(status),
            commits: status.report.commits,
            segments: status.segments,
            snapshots: status.snapshots,
            bytes: status.report.stored_bytes,
            level: status.is_level(),
            behind: status
                .degraded
                .as_ref()
                .map(|degraded| Behind { since_ms: degraded.since.0, error: degraded.error.clone() }),
        }
    }
}

/// Whether a checkpoint copied everything.
pub(super) fn complete(reclaimed: Reclaimed) -> bool {
    reclaimed == Reclaimed::All
}
