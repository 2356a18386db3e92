//! What must hold, whatever happened.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rusqlite::Connection;
use waloy::compact;
use waloy::error::Kind;
use waloy::replica::{Key, Replica};
use waloy::restore::{self, Output, Restore, Target};
use waloy::storage::{DirStore, Store};
use waloy::testing::workload;
use waloy::verify::{self, Level, Subset};

use super::app::{Pages, digest};
use super::store::Bucket;
use crate::door::{Who, acting};

/// What a restore gave.
pub(crate) enum Restored {
    /// A state, by the digest of its pages.
    State(Pages),
    /// There is no backup yet.
    Nothing,
}

/// Whoever looks at the bucket from outside, with good weather.
pub(crate) struct Inspector {
    pub(crate) bucket: Bucket,
    /// The replica is in this directory, and not in the bucket.
    pub(crate) directory: Option<PathBuf>,
    pub(crate) key: Option<Key>,
    pub(crate) scratch: PathBuf,
}

impl Inspector {
    async fn replica(&self) -> anyhow::Result<Replica> {
        let store: Arc<dyn Store> = match &self.directory {
            Some(directory) => Arc::new(DirStore::new(directory)),
            None => Arc::new(self.bucket.seen_by(Who::Nobody)),
        };
        match &self.key {
            Some(key) => Ok(Replica::unlock(store, key).await?),
            None => Ok(Replica::plain(store)),
        }
    }

    fn run<T>(&self, work: impl AsyncFnOnce() -> anyhow::Result<T>) -> anyhow::Result<T> {
        let runtime =
            tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
        acting(Who::Nobody, || runtime.block_on(work()))
    }

    /// Restores, page for page.
    pub(crate) fn restore(&self, target: Target, certify: bool) -> anyhow::Result<Restored> {
        let path = self.scratch.join("restored.db");
        let done = self.run(async || {
            let replica = match self.replica().await {
                Ok(replica) => replica,
                // Sealed or not: before the first object there is nothing to unlock.
                Err(_) if self.bucket.listing().iter().all(|(key, _)| !key.ends_with("snapshot")) => {
                    return Ok(Restored::Nothing);
                }
                Err(error) => return Err(error),
            };
            let options = restore::Options::default();
            let restored = if certify {
                let restored = restore::restore(&replica, target, &Output::new(&path), &options).await;
                restored.map(|_| std::fs::read(&path))
            } else {
                // Into a file without a name: nobody has to be asked whether somebody has it open.
                match Restore::prepare_unnamed(&replica, target, &self.scratch).await {
                    Ok(restore) => restore.run_unnamed(&options).await.map(|(_, file)| whole(&file)),
                    Err(error) => Err(error),
                }
            };
            match restored {
                Ok(pages) => Ok(Restored::State(digest(&pages?))),
                Err(error) => {
                    let error = waloy::Error::from(error);
                    if error.kind() == Kind::NoBackup { Ok(Restored::Nothing) } else { Err(told(error)) }
                }
            }
        });
        if certify && matches!(done, Ok(Restored::State(_))) {
            certified(&path)?;
        }
        let _ = std::fs::remove_file(&path);
        done
    }

    /// Merges what is there. Says how many merged segments it made.
    pub(crate) fn compact(&self) -> anyhow::Result<u64> {
        let level = |seconds| compact::Level { window: Duration::from_secs(seconds), parts: 4 };
        let options = compact::Options { levels: compact::Levels::new([level(3), level(30)]), ..Default::default() };
        self.run(async || {
            let replica = self.replica().await?;
            let plan = compact::plan(&replica, &options).await.map_err(|error| told(error.into()))?;
            let report = compact::compact(&replica, &plan, &options).await.map_err(|error| told(error.into()))?;
            Ok(report.merged.len() as u64)
        })
    }

    /// Reads every byte of everything, and finds nothing wrong.
    pub(crate) fn verify(&self) -> anyhow::Result<()> {
        let report = self.run(async || {
            let replica = self.replica().await?;
            let report = verify::verify(&replica, Level::ReadData(Subset::All), &verify::Options::default()).await;
            report.map_err(|error| told(error.into()))
        })?;
        let wrong: Vec<_> =
            report.findings.iter().filter(|finding| finding.severity >= verify::Severity::Damaged).collect();
        ensure!(wrong.is_empty(), "verify finds: {wrong:?}");
        Ok(())
    }
}

fn whole(file: &File) -> std::io::Result<Vec<u8>> {
    let mut bytes = vec![0; file.metadata()?.len() as usize];
    file.read_exact_at(&mut bytes, 0)?;
    Ok(bytes)
}

fn certified(path: &Path) -> anyhow::Result<()> {
    let restored = Connection::open(path)?;
    workload::certify(&restored).context("the restored database")?;
    Ok(())
}

/// An error with its causes.
pub(crate) fn told(error: waloy::Error) -> anyhow::Error {
    let causes = error.causes().join(": ");
    anyhow::anyhow!("{} ({}){}{causes}", error, error.code(), if causes.is_empty() { "" } else { ": " })
}

/// A restored state against a history: it is one of it, and at least as new as what was acknowledged.
pub(crate) fn judge(
    restored: Restored,
    place: impl Fn(Pages) -> Option<usize>,
    acked: Option<usize>,
    newest: usize,
) -> anyhow::Result<Option<usize>> {
    match (restored, acked) {
        (Restored::Nothing, None) => Ok(None),
        (Restored::Nothing, Some(acked)) => bail!("I2: nothing to restore, although state {acked} was acknowledged"),
        (Restored::State(pages), acked) => {
            let Some(found) = place(pages) else { bail!("I1: the restored database is no state that ever was") };
            ensure!(acked.is_none_or(|acked| found >= acked), "I2: restored state {found}, acknowledged was {acked:?}");
            ensure!(found <= newest, "I3: restored state {found}, and the database has only {newest}");
            Ok(Some(found))
        }
    }
}
