//! Objects of another database, and of the same one at another place: under one passphrase.

use tokio::sync::OnceCell;
use waloy::restore::Anchor;
use waloy::verify::{self, Level};

use super::super::*;
use super::*;
use crate::engine::application;

/// Two replicas of one database, and one of another: all under the passphrase of the replica that is attacked.
async fn others() -> &'static [Vault; 3] {
    static OTHERS: OnceCell<[Vault; 3]> = OnceCell::const_new();
    OTHERS
        .get_or_init(|| async {
            let key = vault().await.key.clone();
            let dir = tempfile::tempdir().unwrap();
            let app = application(&dir.path().join("a.db"), 512);
            let first = Vault::of(&app, &dir.path().join("first"), &key, 3, 7).await;
            let second = Vault::of(&app, &dir.path().join("second"), &key, 3, 7).await;
            [first, second, Vault::make(&super::super::key(PASSPHRASE), 2, 9).await]
        })
        .await
}

/// What is under a name, whatever the generation.
fn role(name: &str) -> &str {
    if name.starts_with("keys/dk") { "dk" } else { name.split_once('/').map_or(name, |(_, rest)| rest) }
}

async fn crossed(what: &str, ours: &Vault, theirs: &Vault, at_least: usize) {
    let mut bucket = Bucket::new(ours).await;
    // Each of theirs under every name of ours that means the same, and some others.
    for (at, name) in ours.objects.keys().enumerate() {
        for (n, (other, bytes)) in theirs.objects.iter().enumerate() {
            if role(name) == role(other) || (at + n) % 12 == 0 {
                bucket.forge(&format!("their {other} as {name}"), vec![(name.clone(), Some(bytes.clone()))]).await;
            }
        }
    }
    // Each of theirs beside ours, under its own name.
    for (name, bytes) in &theirs.objects {
        bucket.forge(&format!("their {name} too"), vec![(name.clone(), Some(bytes.clone()))]).await;
    }
    // Each of ours gone, and all of theirs.
    for name in ours.objects.keys().step_by(3) {
        let theirs = theirs.objects.iter().filter(|(name, _)| name.contains('/') && !name.starts_with("keys/"));
        let theirs = theirs.map(|(name, bytes)| (name.clone(), Some(bytes.clone())));
        bucket
            .attack(&format!("their generations without {name}"), theirs.chain([(name.clone(), None)]).collect())
            .await;
    }
    // The parts of both in every mixture that is not wholly theirs.
    let part = |name: &str| match name {
        "replica" => 0,
        "latest" => 1,
        name if name.starts_with("keys/slot") => 2,
        name if name.starts_with("keys/dk") => 3,
        _ => 4,
    };
    for mixture in 1..31u32 {
        // Ids, keys and data: with all of these theirs, it is theirs.
        if mixture & 0b11101 == 0b11101 {
            continue;
        }
        let is_theirs = |name: &str| mixture >> part(name) & 1 == 1;
        let from_them = theirs.objects.iter().filter(|(name, _)| is_theirs(name));
        let from_us = ours.objects.iter().filter(|(name, _)| !is_theirs(name));
        let mixed: Objects = from_us.chain(from_them).map(|(name, bytes)| (name.clone(), bytes.clone())).collect();
        bucket.serve(&format!("mixture {mixture:05b}"), &mixed).await;
        let all: Objects = ours.objects.clone().into_iter().chain(mixed).collect();
        bucket.serve(&format!("ours, and over it mixture {mixture:05b}"), &all).await;
    }
    told(what, &bucket, at_least);
    assert!(bucket.count.errors > 80 && bucket.count.true_states > 80, "{}", bucket.count);
}

#[tokio::test(flavor = "multi_thread")]
async fn between_two_databases_under_one_passphrase() {
    let (ours, others) = (vault().await, others().await);
    crossed("another database", ours, &others[2], 300).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn between_two_prefixes_with_the_same_database() {
    let others = others().await;
    crossed("another prefix", &others[0], &others[1], 250).await;
}

/// A whole other replica of the same passphrase is whole, and another's: only a noted anchor tells.
#[tokio::test(flavor = "multi_thread")]
async fn all_of_another_replica_is_told_by_an_anchor() {
    let (ours, others) = (vault().await, others().await);
    let bucket = Bucket::new(ours).await;
    let unlocked = async |bucket: &Bucket<'_>| Replica::unlock(store(&bucket.memory), &ours.key).await.unwrap();
    let anchor = Anchor::of(&unlocked(&bucket).await).await.unwrap();
    for theirs in others {
        let other = Bucket::new(theirs).await;
        let replica = unlocked(&other).await;
        let (report, pages) = restored(&replica, Target::Latest).await.unwrap();
        let place = (report.plan.generation, report.plan.point);
        assert!(pages == theirs.truth[&place].pages && !ours.truth.contains_key(&place));
        let options = verify::Options { anchor: Some(anchor), ..verify::Options::default() };
        let report = verify::verify(&replica, Level::Default, &options).await.unwrap();
        assert!(report.findings.iter().any(|finding| finding.code == "anchor.another_replica") && !report.ok());
        let dir = tempfile::tempdir().unwrap();
        let options = restore::Options { anchor: Some(anchor), ..restore::Options::default() };
        let output = Output::new(dir.path().join("restored.db"));
        let refused = restore::restore(&replica, Target::Latest, &output, &options).await.unwrap_err();
        assert_eq!(refused.code(), "anchor.another_replica");
        assert_eq!(std::fs::read_dir(dir.path()).unwrap().count(), 0);
    }
}
