//! A backup that does what it is asked.

use super::restore::restore_if_missing;
use super::stats::complete;
use super::{BackupConfig, BackupHandle, BackupStats};
use crate::compact;
use crate::engine::{Hooks, Replicator, Report};
use crate::error::Result;
use crate::ids::GenerationId;
use crate::replica::Replica;
use crate::retention;

/// Backs one database up, while the application writes to it.
///
/// Capture goes on by itself, on a thread of its own: the WAL is followed and kept short from [`BackupManager::new`] to
/// [`BackupManager::shutdown`]. Uploads happen when they are asked for; [`BackupManager::spawn`] makes them happen by
/// themselves. A call that is dropped half way is finished all the same; nothing is lost or sent twice by it.
///
/// Dropped without a shutdown, it ends without a last sync, and the database is released soon after. What was not
/// uploaded is still in the WAL: the next manager goes on there, or compares every page if the WAL is gone.
#[derive(Debug)]
pub struct BackupManager {
    replicator: Replicator,
    runtime: tokio::runtime::Handle,
}

impl BackupManager {
    /// Opens the database, goes on with its backup, or begins one. When this returns, the backup holds a state of the
    /// database, and everything committed since then is being captured.
    ///
    /// If its future is dropped, what is under way comes to its end first, a request to the store as well: a call that is
    /// made again within this process waits a second for that, and may find the database locked then.
    ///
    /// # Errors
    ///
    /// [`Kind::Usage`](crate::Kind::Usage) for a configuration that makes no sense or asks for what is not built in,
    /// [`Kind::BadKey`](crate::Kind::BadKey) for an `encryption_key` that is missing or wrong,
    /// [`Kind::Database`](crate::Kind::Database) if the database cannot be backed up,
    /// [`Kind::Locked`](crate::Kind::Locked) if somebody else does; those of the store. The database is released then.
    ///
    /// # Panics
    ///
    /// Outside of a Tokio runtime.
    pub async fn new(config: BackupConfig) -> Result<BackupManager> {
        let options = config.options()?;
        if config.auto_restore {
            restore_if_missing(&config).await?;
        }
        let store = config.open_store().await?;
        let replicator = Replicator::start(options, Replica::plain(store), Hooks::default()).await?;
        if let Err(error) = replicator.sync().await {
            // Or the next attempt, at once, would meet the lock of this one.
            replicator.release().await;
            return Err(error);
        }
        Ok(BackupManager { replicator, runtime: tokio::runtime::Handle::current() })
    }

    /// From now on it uploads by itself, at most once a [`sync_interval`](BackupConfig::sync_interval) and only if
    /// something was committed, and begins new generations when they are due. The handle asks for more.
    ///
    /// The task runs in the runtime in which the manager was made.
    pub fn spawn(self) -> BackupHandle {
        BackupHandle::spawn(self.replicator, &self.runtime)
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

    /// Begins a new generation now: when this returns, a snapshot of everything committed before the call is durable.
    /// Rarely needed: every state is restorable without one.
    ///
    /// # Errors
    ///
    /// As [`BackupManager::sync_wal`]; the present generation goes on.
    pub async fn snapshot(&mut self) -> Result<()> {
        self.replicator.snapshot().await
    }

    /// Lets go of what [`retention_duration`](BackupConfig::retention_duration) does not keep; of nothing, if that is
    /// `None`. When this returns, what the report counts is gone. What stays is verified before anything is deleted;
    /// stopped at any point, it can be restored, and the next call does the rest.
    ///
    /// A store that refuses to delete, or says that it did and did not, is no error: the report tells.
    ///
    /// # Errors
    ///
    /// [`Kind::Damaged`](crate::Kind::Damaged) with nothing deleted if what stays cannot be restored; those of the store.
    pub async fn enforce_retention(&self) -> Result<retention::Report> {
        Ok(self.replicator.enforce_retention().await?.unwrap_or_default())
    }

    /// Copies the WAL into the database file now, whatever its size; nothing is uploaded by that, and nothing lost to
    /// the backup. True: all of it, and the next writer starts the WAL over. False: a reader or writer of the
    /// application was in the way; what could be copied was.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn checkpoint(&mut self) -> Result<bool> {
        self.replicator.checkpoint().await.map(complete)
    }

    /// Merges small segments in the store, so that a restore reads fewer objects: what was left over by merging from the
    /// database, which goes on by itself. When this returns, every merged segment is durable and was read back. Nothing is
    /// deleted, and every point can be restored as before. `merged` of the report is empty where there was nothing to do.
    ///
    /// Reads each segment that is merged once or twice. Call it after a long stop, or not at all.
    ///
    /// # Errors
    ///
    /// Those of the store, and damage; what was merged before is there.
    pub async fn compact(&self) -> Result<compact::Report> {
        let options = compact::Options::default();
        let replica = self.replicator.replica();
        let plan = compact::plan(replica, &options).await?;
        Ok(compact::compact(replica, &plan, &options).await?)
    }

    /// The present generation.
    pub fn generation(&self) -> Option<GenerationId> {
        self.replicator.requests().look(|status| status.generation)
    }

    /// How the backup is doing. Asks nobody, and costs next to nothing.
    pub fn stats(&self) -> BackupStats {
        self.replicator.requests().look(BackupStats::of)
    }

    /// A last sync, then the end: everything committed before the call is durable in the backup when this returns, and
    /// the database is released. Further calls fail with the code `engine.ended`.
    ///
    /// # Errors
    ///
    /// As [`BackupManager::sync_wal`]; the database is released all the same.
    pub async fn shutdown(&mut self) -> Result<Report> {
        self.replicator.shutdown().await
    }
}
