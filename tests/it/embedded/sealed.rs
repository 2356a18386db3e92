//! `encryption_key`: what is encrypted, and who gets it back.

use rusqlite::Connection;
use waloy::engine::default_state_dir;
use waloy::{BackupConfig, BackupManager, EncryptionKey, Kind};

use super::{application, config, insert, names};
use crate::sealed as keys;

fn key(passphrase: &str) -> Option<EncryptionKey> {
    Some(EncryptionKey::from_key(keys::key(passphrase)))
}

#[tokio::test(flavor = "multi_thread")]
async fn with_its_key_a_backup_is_made_and_restored_and_never_without() {
    let dir = tempfile::tempdir().unwrap();
    let app = application(&dir.path().join("app.db"));
    let ours = BackupConfig { encryption_key: key("correct horse"), ..config(dir.path()) };
    let mut backup = BackupManager::new(ours.clone()).await.unwrap();
    insert(&app, "a secret");
    assert!(backup.sync_wal().await.unwrap());
    insert(&app, "another");
    assert!(backup.sync_wal().await.unwrap());
    backup.compact().await.unwrap();
    backup.shutdown().await.unwrap();

    let to = |name: &str| dir.path().join(name);
    BackupManager::restore_with_config(&ours, to("restored.db")).await.unwrap();
    assert_eq!(names(&to("restored.db")), ["a secret", "another"]);
    for (other, code) in [(key("wrong horse"), "key.wrong"), (None, "key.missing")] {
        let config = BackupConfig { encryption_key: other, ..ours.clone() };
        let error = BackupManager::restore_with_config(&config, to("other.db")).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::BadKey, code));
        let error = BackupManager::new(config).await.unwrap_err();
        assert_eq!((error.kind(), error.code()), (Kind::BadKey, code));
    }
    assert!(!to("other.db").exists());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_is_missing_makes_no_backup_in_the_clear_also_elsewhere() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("app.db");
    let app = application(&db);
    let ours = BackupConfig { encryption_key: key("correct horse"), ..config(dir.path()) };
    let mut backup = BackupManager::new(ours.clone()).await.unwrap();
    insert(&app, "a secret");
    backup.shutdown().await.unwrap();
    // The bucket is gone, or another one; only the local state remembers.
    std::fs::remove_dir_all(dir.path().join("replica")).unwrap();
    let without = BackupConfig { encryption_key: None, ..ours.clone() };
    let error = BackupManager::new(without.clone()).await.unwrap_err();
    assert_eq!((error.kind(), error.code()), (Kind::BadKey, "key.missing"));
    assert!(!dir.path().join("replica").exists());
    for damage in [&b"{"[..], b"", b"null"] {
        std::fs::write(default_state_dir(&db).join("sealed.json"), damage).unwrap();
        assert_eq!(BackupManager::new(without.clone()).await.unwrap_err().code(), "key.missing");
    }
    let restored = BackupManager::restore_with_config(&without, dir.path().join("r.db")).await;
    assert_eq!(restored.unwrap_err().code(), "key.missing");
    // Nor in a directory where there was one: its disk may not be mounted.
    let gone = BackupManager::new(ours.clone()).await.unwrap_err();
    assert_eq!((gone.kind(), gone.code(), gone.hints().len()), (Kind::Damaged, "replica.gone", 2));
    assert!(!dir.path().join("replica").exists());
    std::fs::remove_dir_all(default_state_dir(&db)).unwrap();
    BackupManager::new(ours.clone()).await.unwrap().shutdown().await.unwrap();
    std::fs::remove_file(&db).unwrap();
    let back = BackupConfig { auto_restore: true, ..ours };
    BackupManager::new(back).await.unwrap().shutdown().await.unwrap();
    assert_eq!(names(&db), ["a secret"]);
    drop(Connection::open(&db).unwrap());
}

#[tokio::test(flavor = "multi_thread")]
async fn encryption_is_turned_on_with_a_new_prefix() {
    let dir = tempfile::tempdir().unwrap();
    let app = application(&dir.path().join("app.db"));
    let open = config(dir.path());
    let mut backup = BackupManager::new(open.clone()).await.unwrap();
    insert(&app, "in the clear");
    backup.shutdown().await.unwrap();
    let sealed = BackupConfig { encryption_key: key("correct horse"), ..open.clone() };
    let error = BackupManager::new(sealed).await.unwrap_err();
    assert_eq!((error.kind(), error.code(), error.hints().len()), (Kind::Usage, "replica.not_encrypted", 2));
    assert!(error.hints()[0].contains("/replica-sealed"), "{:?}", error.hints());
    BackupManager::new(open).await.unwrap().shutdown().await.unwrap();
}
