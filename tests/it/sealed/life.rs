//! From the first start of a sealed replica on.

use waloy::engine::{Hooks, Replicator};
use waloy::error::{Error as PublicError, Kind};
use waloy::replica;
use waloy::seal::{self, KeyName};
use waloy::storage::list_all;

use super::*;
use crate::engine::application;
use crate::model;

fn insert(app: &rusqlite::Connection, rows: u32) {
    for _ in 0..rows {
        app.execute("INSERT INTO t(x) VALUES (randomblob(3000))", []).unwrap();
    }
}

fn public(error: impl Into<PublicError>) -> (Kind, &'static str) {
    let error = error.into();
    (error.kind(), error.code())
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_synced_is_restored_with_the_key_and_with_no_other() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 4096);
    insert(&app, 20);
    let (memory, ours) = (MemoryStore::new(), key("correct horse"));
    let mut replicator = Replicator::start(manual(&db, &ours), bare(&memory), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    for _ in 0..5 {
        insert(&app, 3);
        replicator.sync().await.unwrap();
    }
    replicator.shutdown().await.unwrap();

    for meta in list_all(&memory, "", None).await.unwrap() {
        let bytes = memory.get(&meta.key, 1 << 30).await.unwrap();
        match KeyName::parse(&meta.key) {
            Some(_) => assert!(bytes.starts_with(b"WALOY"), "{}", meta.key),
            None => assert_eq!(bytes[..5], *b"WLO1\x02", "{}", meta.key),
        }
    }
    let replica = Replica::unlock(store(&memory), &key("correct horse")).await.unwrap();
    let (_, bytes) = restore(&replica, Target::Latest).await.unwrap();
    assert!(bytes == model::pages_of(&app));
    assert!(model::restore(&replica).await == bytes);

    let wrong = Replica::unlock(store(&memory), &key("wrong horse")).await.unwrap_err();
    assert_eq!(wrong.to_string(), "wrong passphrase for memory:");
    assert_eq!(public(wrong), (Kind::BadKey, "key.wrong"));
    assert_eq!(public(restore(&bare(&memory), Target::Latest).await.unwrap_err()), (Kind::BadKey, "key.missing"));

    // Without its key it does not go on, and with another neither.
    let mut options = manual(&db, &ours);
    options.key = None;
    let without = Replicator::start(options, bare(&memory), Hooks::default()).await.unwrap_err();
    assert_eq!(public(without), (Kind::BadKey, "key.missing"));
    let other = Replicator::start(manual(&db, &key("wrong horse")), bare(&memory), Hooks::default()).await.unwrap_err();
    assert_eq!(public(other), (Kind::BadKey, "key.wrong"));

    let mut again = Replicator::start(manual(&db, &ours), bare(&memory), Hooks::default()).await.unwrap();
    insert(&app, 3);
    again.sync().await.unwrap();
    again.shutdown().await.unwrap();
    assert!(model::restore(&replica).await == model::pages_of(&app));
    assert_eq!(replica::generations(&memory).await.unwrap().len(), 1, "it went on");
    let _ = seal::argon2_runs();
}
