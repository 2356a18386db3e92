//! Getting a database back.

use std::path::Path;

use super::{BackupConfig, BackupManager, S3Config};
use crate::db;
use crate::engine::default_state_dir;
use crate::error::{Error, Result};
use crate::replica::Replica;
use crate::restore::{self, Output, Report, Target};
use crate::units::Timestamp;

/// Restoring needs no manager, and does not disturb one that is at work on the same backup.
///
/// ```no_run
/// # async fn restore(s3_config: waloy::S3Config, timestamp_ms: i64) -> waloy::Result<()> {
/// use waloy::{BackupManager, S3Config};
///
/// // Restore the latest backup to a new file
/// BackupManager::restore(&s3_config, "restored.db").await?;
///
/// // Or restore to a specific point in time
/// BackupManager::restore_to_time(&s3_config, "restored.db", timestamp_ms).await?;
/// # Ok(())
/// # }
/// ```
impl BackupManager {
    /// Restores the latest state to a file that must not exist. When this returns, the file is complete, proven against
    /// the checksum of the live database, and durable.
    ///
    /// # Errors
    ///
    /// [`Kind::NoBackup`](crate::Kind::NoBackup), [`Kind::Damaged`](crate::Kind::Damaged),
    /// [`Kind::BadKey`](crate::Kind::BadKey) for an encrypted backup, which takes
    /// [`restore_with_config`](BackupManager::restore_with_config), [`Kind::TargetExists`](crate::Kind::TargetExists) and those of the store; there is no file then, or the one that
    /// was there.
    pub async fn restore(s3: &S3Config, path: impl AsRef<Path>) -> Result<Report> {
        run(Replica::plain(s3.open().await?), path.as_ref(), Target::Latest).await.map_err(with_config)
    }

    /// Restores the state after the last transaction at or before a moment, in milliseconds since 1970.
    ///
    /// # Errors
    ///
    /// As [`BackupManager::restore`], and [`Kind::NotCovered`](crate::Kind::NotCovered) for a moment before the backup
    /// begins.
    pub async fn restore_to_time(s3: &S3Config, path: impl AsRef<Path>, timestamp_ms: i64) -> Result<Report> {
        run(Replica::plain(s3.open().await?), path.as_ref(), Target::Time(Timestamp(timestamp_ms)))
            .await
            .map_err(with_config)
    }

    /// As [`BackupManager::restore`], from wherever a configuration has the backup. Besides the destination and the key
    /// no field of it matters, `db_path` neither: the file to restore is `path`.
    ///
    /// # Errors
    ///
    /// As [`BackupManager::restore`], [`Kind::Usage`](crate::Kind::Usage) for a destination or a key that makes no sense, and
    /// [`Kind::BadKey`](crate::Kind::BadKey) for an `encryption_key` that does not open the backup.
    pub async fn restore_with_config(config: &BackupConfig, path: impl AsRef<Path>) -> Result<Report> {
        run(config.open_replica().await?, path.as_ref(), Target::Latest).await
    }

    /// As [`BackupManager::restore_to_time`], from wherever a configuration has the backup.
    ///
    /// # Errors
    ///
    /// As [`BackupManager::restore_to_time`] and [`BackupManager::restore_with_config`].
    pub async fn restore_to_time_with_config(
        config: &BackupConfig,
        path: impl AsRef<Path>,
        timestamp_ms: i64,
    ) -> Result<Report> {
        run(config.open_replica().await?, path.as_ref(), Target::Time(Timestamp(timestamp_ms))).await
    }
}

/// Restores a database that is not there, for [`BackupConfig::auto_restore`].
pub(super) async fn restore_if_missing(config: &BackupConfig) -> Result<()> {
    let path = &config.db_path;
    match path.symlink_metadata() {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        // What is wrong with it is told when it is opened.
        _ => return Ok(()),
    }
    let state_dir = config.state_dir.clone().unwrap_or_else(|| default_state_dir(path));
    let options = restore::Options { state_dir: Some(state_dir), ..restore::Options::default() };
    match restore::restore_missing(&config.open_replica().await?, &Output::new(path), &options).await {
        Ok(report) => {
            let (db, generation, at) = (path.display(), report.plan.generation, report.plan.at);
            tracing::info!(%db, %generation, %at, "restored, as it was not there");
            Ok(())
        }
        Err(restore::Error::NoBackup { .. }) => Err(Error::from(db::Error::Missing(path.clone()))
            .hint("there is no backup to restore it from either: make the database, then begin its backup")),
        Err(error) => Err(error.into()),
    }
}

/// Where a key goes.
fn with_config(error: Error) -> Error {
    match error.code() {
        "key.missing" => error.hint("`BackupManager::restore_with_config` takes it, as `encryption_key`"),
        _ => error,
    }
}

async fn run(replica: Replica, path: &Path, target: Target) -> Result<Report> {
    Ok(restore::restore(&replica, target, &Output::new(path), &restore::Options::default()).await?)
}
