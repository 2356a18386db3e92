//! What makes no sense is refused, by the name of its field.

use std::sync::Arc;
use std::time::Duration;

use super::{BackupConfig, Destination, EncryptionKey, S3Config};
use crate::engine::{Options, default_state_dir};
use crate::error::{Error, Kind, Result};
use crate::replica::Replica;
use crate::retention::Policy;
use crate::state::SealedNote;
use crate::storage::{Location, S3Options, Store};

const SHORTEST_INTERVAL: Duration = Duration::from_millis(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(24 * 60 * 60);

impl BackupConfig {
    /// What the replicator is told; it uploads only when asked.
    pub(super) fn options(&self) -> Result<Options> {
        if self.db_path.as_os_str().is_empty() {
            return Err(wrong("config.db_path", "no database is given").hint("set `db_path` to the database file"));
        }
        if !(SHORTEST_INTERVAL..=LONGEST_INTERVAL).contains(&self.sync_interval) {
            let message = format!("`sync_interval` is {:?}: it is from 1 ms to 24 hours", self.sync_interval);
            return Err(wrong("config.sync_interval", message).hint("the default is Duration::from_secs(1)"));
        }
        if self.checkpoint_threshold_bytes == 0 {
            let message = "`checkpoint_threshold_bytes` is 0: no WAL is that short";
            return Err(wrong("config.checkpoint_threshold_bytes", message)
                .hint("the default is 4 << 20; u64::MAX leaves checkpoints to the application"));
        }
        if self.snapshot_interval.is_some_and(|interval| interval.is_zero()) {
            let message = "`snapshot_interval` is 0: every upload would be a snapshot";
            return Err(wrong("config.snapshot_interval", message)
                .hint("None leaves new generations to waloy, which begins one when restoring would take long"));
        }
        if self.retention_duration.is_some_and(|retention| retention.is_zero()) {
            return Err(wrong(
                "config.retention_duration",
                "`retention_duration` is 0: nothing could be restored but now",
            )
            .hint("None keeps every point in time for ever; Duration::from_secs(30 * 86_400) is a month"));
        }
        let compression = self.compression.compression();
        compression.check().map_err(|error| {
            let refused = wrong("config.compression", format!("`compression`: {error}"));
            match self.compression {
                super::CompressionAlgorithm::Lz4 => refused.hint("add the feature `compression-lz4` of waloy"),
                _ => refused.hint("add the feature `compression-zstd` of waloy"),
            }
        })?;
        let mut options = Options::new(&self.db_path);
        options.automatic = false;
        options.state_dir.clone_from(&self.state_dir);
        options.sync_interval = self.sync_interval;
        options.checkpoint_threshold = self.checkpoint_threshold_bytes;
        options.snapshot_interval = self.snapshot_interval;
        options.compression = compression;
        options.retention = self.retention_duration.map(|retention| Policy::new(Some(retention)));
        #[cfg(feature = "encryption")]
        {
            options.key = self.encryption_key.as_ref().map(EncryptionKey::key).transpose()?;
        }
        #[cfg(not(feature = "encryption"))]
        self.encryption_key.as_ref().map_or(Ok(()), EncryptionKey::refuse)?;
        Ok(options)
    }

    /// The replica that the backup is, to read: opened with the key, if there is one.
    pub(super) async fn open_replica(&self) -> Result<Replica> {
        let store = self.open_store().await?;
        #[cfg(feature = "encryption")]
        if let Some(key) = &self.encryption_key {
            return Ok(Replica::unlock(store, &key.key()?).await?);
        }
        // Somebody may have put another one in its place, in the clear.
        let state_dir = self.state_dir.clone().unwrap_or_else(|| default_state_dir(&self.db_path));
        let location = store.location();
        if self.encryption_key.is_none() && SealedNote::speaks_of(&state_dir, &location) {
            let message = format!("the backup of this database in {location} is encrypted, and no key is configured");
            return Err(Error::new(Kind::BadKey, "key.missing", message)
                .hint("set `encryption_key` to the one that it was begun with"));
        }
        #[cfg(not(feature = "encryption"))]
        self.encryption_key.as_ref().map_or(Ok(()), EncryptionKey::refuse)?;
        Ok(Replica::plain(store))
    }

    /// Where the backup is. No request is sent yet.
    pub(super) async fn open_store(&self) -> Result<Arc<dyn Store>> {
        let (s3, code) = (&self.s3, "config.destination");
        match &self.destination {
            Some(_) if *s3 != S3Config::default() => {
                Err(wrong(code, "both `s3` and `destination` are given").hint("set one of the two"))
            }
            None if *s3 == S3Config::default() => Err(wrong(code, "no destination is given")
                .hint("set `s3`, or `destination` for a directory or a store of your own")),
            Some(Destination::Store(store)) => Ok(store.clone()),
            Some(Destination::Directory(path)) => {
                let location = Location::directory(path).map_err(|error| wrong(code, error.to_string()))?;
                location.open(&S3Options::default()).await
            }
            None => s3.open().await,
        }
    }
}

fn wrong(code: &'static str, message: impl Into<String>) -> Error {
    Error::new(Kind::Usage, code, message)
}

#[cfg(test)]
mod tests {
    use super::super::CompressionAlgorithm;
    use super::*;
    use crate::compress::Compression;

    fn sound() -> BackupConfig {
        BackupConfig { db_path: "app.db".into(), ..BackupConfig::default() }
    }

    #[test]
    fn every_field_reaches_the_replicator() {
        let config = BackupConfig {
            state_dir: Some("state".into()),
            sync_interval: Duration::from_millis(250),
            checkpoint_threshold_bytes: 1,
            compression: CompressionAlgorithm::None,
            snapshot_interval: Some(Duration::from_secs(60)),
            retention_duration: Some(Duration::from_secs(3600)),
            ..sound()
        };
        let mut expected = Options::new("app.db");
        expected.automatic = false;
        expected.state_dir = Some("state".into());
        expected.sync_interval = Duration::from_millis(250);
        expected.checkpoint_threshold = 1;
        expected.compression = Compression::None;
        expected.snapshot_interval = Some(Duration::from_secs(60));
        expected.retention = Some(Policy::new(Some(Duration::from_secs(3600))));
        assert_eq!(config.options().unwrap(), expected);
        let defaults = sound().options().unwrap();
        assert_eq!(Options { automatic: true, ..defaults }, Options::new("app.db"));
    }

    #[test]
    fn a_key_that_cannot_be_one_is_refused_and_none_is_printed() {
        let config = BackupConfig { encryption_key: Some("short".into()), ..sound() };
        let error = config.options().unwrap_err();
        assert_eq!((error.kind(), error.code(), error.hints().len()), (Kind::Usage, "config.encryption_key", 1));
        let expected = match cfg!(feature = "encryption") {
            true => "`encryption_key`: passphrase of 5 bytes: at least 8 are needed",
            false => "`encryption_key` is set, and encryption is not built in",
        };
        assert_eq!(error.to_string(), expected);
        let config = BackupConfig { encryption_key: Some("a secret".into()), ..sound() };
        assert_eq!(config.options().is_ok(), cfg!(feature = "encryption"));
        assert!(!format!("{config:?}").contains("a secret"), "{config:?}");
        assert!(!format!("{:?}", config.options()).contains("a secret"));
    }

    #[test]
    fn values_that_make_no_sense_are_refused_with_a_hint() {
        let interval = |sync_interval| BackupConfig { sync_interval, ..sound() };
        for (code, config) in [
            ("config.db_path", BackupConfig::default()),
            ("config.sync_interval", interval(Duration::ZERO)),
            ("config.sync_interval", interval(Duration::from_micros(999))),
            ("config.sync_interval", interval(Duration::MAX)),
            ("config.checkpoint_threshold_bytes", BackupConfig { checkpoint_threshold_bytes: 0, ..sound() }),
            ("config.retention_duration", BackupConfig { retention_duration: Some(Duration::ZERO), ..sound() }),
            ("config.snapshot_interval", BackupConfig { snapshot_interval: Some(Duration::ZERO), ..sound() }),
        ] {
            let error = config.options().unwrap_err();
            assert_eq!((error.code(), error.kind(), error.hints().len()), (code, Kind::Usage, 1));
        }
        let most = BackupConfig {
            sync_interval: LONGEST_INTERVAL,
            checkpoint_threshold_bytes: u64::MAX,
            snapshot_interval: Some(Duration::MAX),
            ..sound()
        };
        most.options().unwrap();
    }

    #[test]
    fn a_compression_that_is_not_built_in_is_refused_by_its_name() {
        for (algorithm, feature) in
            [(CompressionAlgorithm::Lz4, "compression-lz4"), (CompressionAlgorithm::Zstd, "compression-zstd")]
        {
            let built_in = algorithm.compression().codec().is_built_in();
            match (BackupConfig { compression: algorithm, ..sound() }).options() {
                Ok(_) => assert!(built_in, "{feature}"),
                Err(error) => {
                    assert!(!built_in, "{error}");
                    assert_eq!((error.code(), error.kind()), ("config.compression", Kind::Usage));
                    assert!(error.hints()[0].contains(feature), "{:?}", error.hints());
                }
            }
        }
        assert!(sound().options().is_ok(), "the default is always built in");
    }

    #[tokio::test]
    async fn there_is_one_destination() {
        let here = Some(Destination::Directory("replica".into()));
        let s3 = S3Config { bucket: "acme".into(), ..S3Config::default() };
        let keys = S3Config { access_key: "only".into(), ..s3.clone() };
        let nowhere = Some(Destination::Directory("".into()));
        for (code, config) in [
            ("config.destination", sound()),
            ("config.destination", BackupConfig { s3: s3.clone(), destination: here.clone(), ..sound() }),
            ("config.destination", BackupConfig { destination: nowhere, ..sound() }),
            (
                "config.destination",
                BackupConfig { s3: S3Config { region: "r".into(), ..S3Config::default() }, ..sound() },
            ),
            ("config.keys", BackupConfig { s3: keys, ..sound() }),
        ] {
            let error = config.open_store().await.unwrap_err();
            assert_eq!((error.code(), error.kind()), (code, Kind::Usage));
        }
        let store = BackupConfig { destination: here, ..sound() }.open_store().await.unwrap();
        assert!(store.location().ends_with("/replica"), "{}", store.location());
        assert_eq!(BackupConfig { s3, ..sound() }.open_store().await.unwrap().location(), "s3://acme");
    }
}
