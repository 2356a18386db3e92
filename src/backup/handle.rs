//! A backup that goes on by itself.
//!
//! A task owns the replicator and waits for one of three ends: a shutdown was asked for, every handle is gone, or
//! replication has ended by itself. How it ended stays to be read by every handle.

use tokio::runtime::Handle;
use tokio::sync::watch;

use super::stats::complete;
use super::{BackupPosition, BackupStats};
use crate::engine::{ENDED, Replicator, Report, Requests};
use crate::error::{Error, Kind, Result};

/// A backup at work in the background. Clones are cheap, and stand for the same backup: one for every handler.
///
/// It uploads by itself whenever something was committed, at most once a
/// [`sync_interval`](super::BackupConfig::sync_interval); an outage of the store is waited out.
///
/// The backup goes on until [`BackupHandle::shutdown`], which also does a last sync, or until the last clone is dropped:
/// then it ends without one, and releases the database soon after. What was not uploaded is still in the WAL: the next
/// manager goes on there, or begins a new generation if the WAL is gone.
#[derive(Clone, Debug)]
pub struct BackupHandle {
    // First, so that it is dropped first: it keeps the replicator at work.
    requests: Requests,
    stop: watch::Sender<bool>,
    end: watch::Receiver<Option<Result<Report>>>,
}

impl BackupHandle {
    pub(super) fn spawn(replicator: Replicator, runtime: &Handle) -> BackupHandle {
        let requests = replicator.requests().clone();
        let (stop, stopped) = watch::channel(false);
        let (ended, end) = watch::channel(None);
        runtime.spawn(async move {
            let outcome = run(replicator, stopped).await;
            ended.send_replace(Some(outcome));
        });
        BackupHandle { requests, stop, end }
    }

    /// Brings everything committed before the call to the backup. When this returns, it is durable there, up to the
    /// position returned; also if it was already.
    ///
    /// Callers share uploads: however many wait, one upload answers all who asked before it began.
    ///
    /// # Errors
    ///
    /// Those of the store, after it was tried for some time, and of the database. Whatever fails is tried again in the
    /// background: this call's transactions are captured, and not lost.
    pub async fn sync(&self) -> Result<BackupPosition> {
        self.reasoned(self.requests.sync().await).await?;
        self.requests
            .look(BackupPosition::of)
            .ok_or_else(|| Error::new(Kind::Internal, "engine.internal", "a backup that is up to date has no position"))
    }

    /// Begins a new generation now: when this returns, a snapshot of everything committed before the call is durable.
    /// Rarely needed: one that is due is begun without being asked for.
    ///
    /// # Errors
    ///
    /// As [`BackupHandle::sync`]; the present generation goes on.
    pub async fn snapshot(&self) -> Result<()> {
        self.reasoned(self.requests.snapshot().await).await
    }

    /// As [`BackupManager::checkpoint`](super::BackupManager::checkpoint).
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn checkpoint(&self) -> Result<bool> {
        self.reasoned(self.requests.checkpoint().await).await.map(complete)
    }

    /// How the backup is doing. Asks nobody, and costs next to nothing.
    pub fn status(&self) -> BackupStats {
        self.requests.look(BackupStats::of)
    }

    /// A last sync, then the end, for every clone: everything committed before the call is durable in the backup when
    /// this returns, and the database is released. A second call, from wherever, waits for the same end and gets the
    /// same answer; other calls fail with the code `engine.ended`, or with the reason if there was one.
    ///
    /// Best called after the application has closed its own connections. The other way round, the last of them to close
    /// deletes the WAL, and the next start reads the whole database once, to compare it.
    ///
    /// # Errors
    ///
    /// As [`BackupHandle::sync`]; the database is released all the same. Of a backup that had ended by itself: why.
    pub async fn shutdown(&self) -> Result<Report> {
        self.stop.send_replace(true);
        self.ended().await
    }

    /// What is asked of a backup that has ended fails with the reason of that, if there is one.
    async fn reasoned<T>(&self, outcome: Result<T>) -> Result<T> {
        match outcome {
            Err(error) if error.code() == ENDED => Err(self.ended().await.err().unwrap_or(error)),
            outcome => outcome,
        }
    }

    /// Waits until the backup has ended: after a shutdown, or by itself, with the reason. By itself it ends only if
    /// another writer has taken the backup over, or for a bug of waloy.
    ///
    /// # Errors
    ///
    /// Why it has ended by itself; those of a shutdown.
    pub async fn ended(&self) -> Result<Report> {
        let mut end = self.end.clone();
        match end.wait_for(Option::is_some).await.as_deref() {
            Ok(Some(outcome)) => outcome.clone(),
            // The runtime that it ran in is gone.
            _ => Err(Error::new(Kind::Failure, ENDED, "the backup has ended together with its runtime")),
        }
    }
}

async fn run(mut replicator: Replicator, mut stopped: watch::Receiver<bool>) -> Result<Report> {
    // Has it ended already, that is found below.
    let _ = replicator.automate().await;
    let asked = tokio::select! {
        asked = stopped.wait_for(|stop| *stop) => asked.is_ok(),
        error = replicator.ended() => return Err(error),
    };
    if asked {
        return replicator.shutdown().await;
    }
    let report = replicator.requests().look(|status| status.report);
    replicator.release().await;
    Ok(report)
}
