//! Verification: whatever is wrong is reported, and nothing else.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::Connection;
use waloy::clock::Clock;
use waloy::compress::Compression;
use waloy::error::Kind;
use waloy::replica::{Name, Replica};
use waloy::restore::Error;
use waloy::storage::MemoryStore;
use waloy::units::Timestamp;
use waloy::verify::{Check, Level, Options, Report, Severity, Subset, verify};

use super::handmade::{Handmade, Rng, index, one_bit_changed, pages_of, store_of};
use super::watched::Watched;

const ALL: Level = Level::ReadData(Subset::All);
const LEVELS: [Level; 4] = [Level::Quick, Level::Default, ALL, Level::ReadData(Subset::Part { part: 1, of: 2 })];

async fn check(store: &Replica, level: Level) -> Report {
    verify(store, level, &Options::default()).await.unwrap()
}

/// The replica is damaged, and the object with this key is named.
async fn expect_damage(objects: Vec<(String, Bytes)>, level: Level, key: &str, what: &str) {
    let report = check(&store_of(objects).await, level).await;
    assert_eq!(report.kind(), Some(Kind::Damaged), "{what}: {:?}", report.findings);
    assert!(report.findings.iter().any(|f| f.object.as_deref() == Some(key)), "{what}: {:?}", report.findings);
    assert!(report.findings.iter().all(|f| !f.message.contains('\n') && !f.code.is_empty()));
}

#[tokio::test]
async fn a_whole_replica_is_found_whole_at_every_level() {
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd(3)] {
        let mut made = Handmade::random(512, compression, 51, 3, 8).await;
        made.merge(0, 3).await;
        made.merge(2, 5).await;
        for level in LEVELS {
            let report = check(&made.replica, level).await;
            assert_eq!(report.findings, [], "{level:?}");
            assert!(report.ok());
            assert_eq!((report.generations, report.objects_checked), (3, 2 + 3 * 10 + 2));
            assert_eq!(report.newest_at, Some(made.last().at));
            assert_eq!(report.restorable, Some((made.states[0].at, made.last().at)));
            let expected = Some(made.last().checksum).filter(|_| level != Level::Quick);
            assert_eq!(report.checksum, expected, "{level:?}");
        }
    }
}

/// Its age was none, for ever.
#[tokio::test]
async fn a_state_of_a_time_to_come_is_not_taken_for_a_fresh_one() {
    let made = Handmade::random(512, Compression::Lz4, 57, 1, 3).await;
    let at = |ms: i64| Arc::new(At(made.last().at.0 - ms));
    for (ahead, max_age, kind, findings) in [
        (299_000, Some(Duration::from_secs(60)), None, 0),
        (301_000, Some(Duration::from_secs(60)), Some(Kind::Stale), 1),
        (301_000, None, None, 1),
    ] {
        let options = Options { clock: at(ahead), max_age, ..Options::default() };
        let report = verify(&made.replica, Level::Quick, &options).await.unwrap();
        assert_eq!((report.kind(), report.findings.len()), (kind, findings), "{:?}", report.findings);
        assert!(report.findings.iter().all(|finding| finding.code == "generation.times_ahead"));
    }
}

#[tokio::test]
async fn reading_everything_reports_one_changed_byte_anywhere() {
    let mut made = Handmade::random(512, Compression::Zstd(3), 52, 2, 4).await;
    made.merge(1, 2).await;
    let objects = made.objects().await;
    let mut rng = Rng(0xfeed);
    for _ in 0..2500 {
        let (changed, key, what) = one_bit_changed(&objects, &mut rng);
        expect_damage(changed, ALL, &key, &what).await;
    }
}

#[tokio::test]
async fn reading_everything_reports_every_cut() {
    let made = Handmade::random(512, Compression::None, 53, 2, 3).await;
    let objects = made.objects().await;
    let mut rng = Rng(0xf00d);
    for round in 0..600 {
        let mut cut = objects.clone();
        let (key, bytes) = &mut cut[round % objects.len()];
        let len = rng.below(bytes.len() as u64) as usize;
        *bytes = bytes.slice(..len);
        let (key, what) = (key.clone(), format!("{key} cut at {len}"));
        expect_damage(cut, ALL, &key, &what).await;
    }
    for place in 0..objects.len() {
        let mut longer = objects.clone();
        longer[place].1 = [&objects[place].1[..], b"\n"].concat().into();
        expect_damage(longer, ALL, &objects[place].0, "longer").await;
    }
}

#[tokio::test]
async fn reading_everything_reports_every_object_that_is_missing_or_swapped() {
    let made = Handmade::random(512, Compression::None, 54, 2, 4).await;
    let objects = made.objects().await;
    for a in 0..objects.len() {
        let mut fewer = objects.clone();
        let (key, _) = fewer.remove(a);
        let report = check(&store_of(fewer).await, ALL).await;
        let finding = report.findings.iter().find(|f| f.object.as_deref() == Some(&key));
        let finding = finding.unwrap_or_else(|| panic!("{key}: {:?}", report.findings));
        // A restore does without the hints.
        let hint = key == "latest" || key.ends_with("manifest.json");
        assert_eq!(finding.severity, if hint { Severity::Warning } else { Severity::Damaged });
        assert_eq!(report.ok(), hint, "{key}");
        for b in 0..a {
            let mut swapped = objects.clone();
            (swapped[a].1, swapped[b].1) = (objects[b].1.clone(), objects[a].1.clone());
            expect_damage(swapped, ALL, &key, &format!("{key} and {}", objects[b].0)).await;
        }
    }
}

#[tokio::test]
async fn a_branch_of_another_history_is_reported() {
    let made = Handmade::random(512, Compression::None, 55, 1, 6).await;
    let other = Handmade::random(512, Compression::None, 56, 1, 6).await;
    let (ours, theirs) = (made.objects().await, other.objects().await);
    for place in 0..ours.len() {
        let mut mixed = ours.clone();
        mixed[place] = theirs[place].clone();
        let key = &ours[place].0;
        let report = check(&store_of(mixed).await, ALL).await;
        let identical = ours[place].1 == theirs[place].1;
        assert_eq!(report.ok(), identical, "{key}: {:?}", report.findings);
    }
}

#[tokio::test]
async fn a_generation_that_does_not_begin_where_the_one_before_it_was_is_reported() {
    // Without manifest and last segment the older generation is whole by itself.
    let made = Handmade::random(512, Compression::None, 57, 2, 3).await;
    let (old, new) = (made.states[0].generation, made.last().generation);
    made.replica.delete(&Name::Segment(old, index(2)).key()).await.unwrap();
    made.replica.delete(&Name::Manifest(old).key()).await.unwrap();
    for level in [Level::Default, ALL, Level::ReadData(Subset::Part { part: 1, of: 2 })] {
        let report = check(&made.replica, level).await;
        let finding = report.findings.iter().find(|f| f.severity == Severity::Damaged).unwrap();
        let broken = ("chain.broken", Some(Name::Snapshot(new).key()));
        assert_eq!((finding.code, finding.object.clone()), broken, "{level:?}");
    }
}

#[tokio::test]
async fn an_end_that_only_a_merged_segment_has_is_the_end_all_the_same() {
    let mut made = Handmade::random(512, Compression::None, 57, 1, 6).await;
    let old = made.last().generation;
    made.merge(2, 5).await;
    made.begin_again(Vec::new()).await;
    for place in 2..6 {
        made.replica.delete(&Name::Segment(old, index(place)).key()).await.unwrap();
    }
    for level in LEVELS {
        assert_eq!(check(&made.replica, level).await.findings, [], "{level:?}");
    }
}

#[tokio::test]
async fn a_generation_that_begins_as_another_database_than_the_one_before_it_ended_is_reported() {
    let mut made = Handmade::random(512, Compression::None, 57, 1, 3).await;
    assert!(check(&made.replica, ALL).await.findings.is_empty());
    let new = made.begin(vec![7; 512 * 9]).await;
    let report = check(&made.replica, ALL).await;
    let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
    assert_eq!((finding.code, finding.object.clone()), ("chain.broken", Some(Name::Snapshot(new).key())));
    assert!(finding.message.contains("is not the database"), "{}", finding.message);
}

#[tokio::test]
async fn whole_objects_that_are_not_the_replicated_database_are_reported() {
    let mut made = Handmade::random(512, Compression::None, 62, 1, 2).await;
    made.segment(vec![5; 512 * 3], |summary| summary.checksum_after.0 ^= 1).await;
    for level in [Level::Default, ALL] {
        let report = check(&made.replica, level).await;
        assert_eq!(report.findings.len(), 1, "{:?}", report.findings);
        assert_eq!((report.findings[0].code, report.checksum), ("chain.checksum", None));
    }
}

#[tokio::test]
async fn all_problems_are_reported_not_only_the_first() {
    let made = Handmade::random(512, Compression::None, 58, 2, 8).await;
    let (old, new) = (made.states[0].generation, made.last().generation);
    made.replica.delete(&Name::Segment(old, index(3)).key()).await.unwrap();
    made.replica.delete(&Name::Segment(new, index(2)).key()).await.unwrap();
    made.replica.put(&Name::Segment(new, index(5)).key(), "garbage".into()).await.unwrap();
    let mut snapshot = made.replica.get(&Name::Snapshot(old).key(), u64::MAX).await.unwrap().to_vec();
    snapshot[400] ^= 1;
    made.replica.put(&Name::Snapshot(old).key(), snapshot.into()).await.unwrap();
    made.replica.put("latest", "garbage".into()).await.unwrap();
    let report = check(&made.replica, ALL).await;
    let mut found: Vec<(&str, String)> = report.findings.iter().map(|f| (f.code, f.object.clone().unwrap())).collect();
    found.sort();
    let mut expected = vec![
        ("object.missing", Name::Segment(old, index(3)).key()),
        ("object.missing", Name::Segment(new, index(2)).key()),
        ("object.truncated", Name::Segment(new, index(5)).key()),
        ("object.damaged", Name::Snapshot(old).key()),
        ("object.damaged", "latest".to_owned()),
    ];
    expected.sort();
    assert_eq!(found, expected, "{:#?}", report.findings);
    // The listing tells of what is missing at the lowest level, too.
    let quick = check(&made.replica, Level::Quick).await;
    assert_eq!(quick.findings.iter().filter(|f| f.code == "object.missing").count(), 2);
}

#[tokio::test]
async fn what_is_there_is_read_whatever_is_missing() {
    // Found by a user: without the snapshot of the only generation, nothing else of it was looked at.
    let made = Handmade::random(512, Compression::None, 64, 1, 3).await;
    let id = made.last().generation;
    let bytes = |name: Name| {
        let store = made.replica.clone();
        async move { store.get(&name.key(), u64::MAX).await.unwrap().to_vec() }
    };
    let (cut, mut flipped) = (bytes(Name::Segment(id, index(0))).await, bytes(Name::Segment(id, index(1))).await);
    made.replica.put(&Name::Segment(id, index(0)).key(), cut[..cut.len() / 2].to_vec().into()).await.unwrap();
    let middle = flipped.len() / 2;
    flipped[middle] ^= 1;
    made.replica.put(&Name::Segment(id, index(1)).key(), flipped.into()).await.unwrap();
    for gone in [Name::Snapshot(id).key(), "replica".to_owned()] {
        let store = made.copy().await;
        store.delete(&gone).await.unwrap();
        let report = check(&store, ALL).await;
        let mut found: Vec<String> = report.findings.iter().map(|f| f.object.clone().unwrap()).collect();
        found.sort();
        let mut expected = vec![gone, Name::Segment(id, index(0)).key(), Name::Segment(id, index(1)).key()];
        expected.sort();
        assert_eq!(found, expected, "{:#?}", report.findings);
        assert_eq!((report.restorable, report.checksum), (None, None));
        // And in the part that it belongs to.
        let mut reported = 0;
        for part in 1..=3 {
            let report = check(&store, Level::ReadData(Subset::Part { part, of: 3 })).await;
            let key = Name::Segment(id, index(1)).key();
            reported += usize::from(report.findings.iter().any(|f| f.object.as_deref() == Some(&key)));
        }
        assert!(reported >= 1);
    }
}

#[tokio::test]
async fn a_problem_says_what_it_means_for_a_restore() {
    let made = Handmade::random(512, Compression::None, 65, 1, 2).await;
    let manifest = Name::Manifest(made.last().generation).key();
    for (key, gone, severity, expected) in [
        ("replica", true, Severity::Damaged, "replica is missing; nothing can be restored without it"),
        ("latest", true, Severity::Warning, "latest is missing; it is only a hint: a restore does without it"),
        ("latest", false, Severity::Damaged, "; it is only a hint: a restore does without it"),
        (manifest.as_str(), false, Severity::Damaged, "; it is only a hint: a restore does without it"),
    ] {
        let store = made.copy().await;
        if gone {
            store.delete(key).await.unwrap();
        } else {
            store.put(key, "garbage".into()).await.unwrap();
        }
        let report = check(&store, ALL).await;
        let finding = report.findings.iter().find(|f| f.object.as_deref() == Some(key)).unwrap();
        assert!(finding.severity == severity && finding.message.contains(expected), "{finding:?}");
        assert_eq!(report.restorable.is_some(), key != "replica");
    }
}

#[tokio::test]
async fn every_problem_tells_what_cannot_be_restored_for_it() {
    let mut made = Handmade::random(512, Compression::None, 63, 2, 8).await;
    let (old, new) = (made.states[0].generation, made.last().generation);
    // Of the newer generation, a merged segment stands for what is between its ends.
    made.merge(2, 5).await;
    let at = |generation: usize, place: usize| made.states[generation * 9 + place].at;
    let lost = |report: &Report, name: Name| {
        let found = report.findings.iter().find(|it| it.object.as_deref() == Some(&name.key())).unwrap();
        found.lost.map(|lost| (lost.from, lost.to))
    };
    for (gone, expected, restorable) in [
        (Name::Segment(old, index(3)), Some((at(0, 3), at(0, 8))), (at(0, 0), at(1, 8))),
        // What the merged segment stands for is lost between its ends alone.
        (Name::Segment(new, index(3)), Some((at(1, 3), at(1, 6))), (at(0, 0), at(1, 8))),
        (Name::Segment(new, index(7)), Some((at(1, 7), at(1, 8))), (at(0, 0), at(1, 7))),
        (Name::Segment(new, index(1)), Some((at(1, 1), at(1, 8))), (at(0, 0), at(1, 1))),
        (Name::Snapshot(old), Some((old.at(), at(0, 8))), (at(1, 0), at(1, 8))),
    ] {
        let store = made.copy().await;
        let mut bytes = store.get(&gone.key(), u64::MAX).await.unwrap().to_vec();
        let middle = bytes.len() / 2;
        bytes[middle] ^= 1;
        store.put(&gone.key(), bytes.into()).await.unwrap();
        let report = check(&store, ALL).await;
        let told = lost(&report, gone);
        assert_eq!((told, report.restorable), (expected, Some(restorable)), "{gone}");
        assert_eq!(report.findings.len(), 1, "{gone}: {:?}", report.findings);
    }
}

#[tokio::test]
async fn the_levels_read_what_they_say() {
    let made = Handmade::random(512, Compression::None, 59, 2, 8).await;
    let counting = Arc::new(Watched::new(&made.replica));
    let store = Replica::plain(counting.clone());
    check(&store, Level::Quick).await;
    assert!(counting.requests() <= 8, "{} requests", counting.requests());
    // Damage in what the newest state does not need is for the levels that read it.
    let key = Name::Segment(made.states[0].generation, index(4)).key();
    let mut damaged = made.replica.get(&key, u64::MAX).await.unwrap().to_vec();
    let middle = damaged.len() / 2;
    damaged[middle] ^= 1;
    made.replica.put(&key, damaged.into()).await.unwrap();
    assert!(check(&store, Level::Default).await.ok());
    assert!(!check(&store, ALL).await.ok());
    let mut reported = 0;
    for part in 1..=5 {
        let report = check(&store, Level::ReadData(Subset::Part { part, of: 5 })).await;
        reported += usize::from(!report.ok());
    }
    assert_eq!(reported, 1, "in exactly one part of five");
    assert_eq!(counting.writes(), 0);
}

#[tokio::test]
async fn a_restored_database_is_looked_at_by_sqlite() {
    let dir = tempfile::tempdir().unwrap();
    let app = Connection::open(dir.path().join("app.db")).unwrap();
    app.execute_batch(
        "PRAGMA journal_mode = WAL; CREATE TABLE t(x UNIQUE);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 500) INSERT INTO t SELECT 'row ' || i FROM n",
    )
    .unwrap();
    let good = pages_of(&app);
    let scratch = tempfile::tempdir().unwrap();
    let options = Options { scratch: scratch.path().to_owned(), ..Options::default() };
    let mut made = Handmade::new(4096, Compression::Zstd(3)).await;
    made.begin(good.clone()).await;
    for level in [Level::Restore(Check::Quick), Level::Restore(Check::Full)] {
        let report = verify(&made.replica, level, &options).await.unwrap();
        assert_eq!(report.findings, []);
        assert_eq!(report.checksum, Some(made.last().checksum));
    }
    // A database that was replicated faithfully and was broken before.
    let mut broken = good;
    broken[4096 * 3 + 200..4096 * 4].fill(0xff);
    made.commit(broken).await;
    let report = verify(&made.replica, Level::Restore(Check::Full), &options).await.unwrap();
    assert!(report.findings.iter().any(|f| f.code == "database.corrupt"), "{:?}", report.findings);
    assert_eq!(report.kind(), Some(Kind::Damaged));
    // And a replica that cannot be restored.
    let key = Name::Snapshot(made.last().generation).key();
    made.replica.put(&key, "garbage".into()).await.unwrap();
    let report = verify(&made.replica, Level::Restore(Check::Full), &options).await.unwrap();
    assert!(report.findings.iter().any(|f| f.object.as_deref() == Some(&key)), "{:?}", report.findings);
    assert_eq!(std::fs::read_dir(scratch.path()).unwrap().count(), 0, "nothing is left behind");
}

#[tokio::test]
async fn a_restore_that_did_without_a_damaged_object_is_no_sign_that_all_is_well() {
    let dir = tempfile::tempdir().unwrap();
    let app = Connection::open(dir.path().join("app.db")).unwrap();
    app.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(x)").unwrap();
    let mut made = Handmade::new(4096, Compression::None).await;
    made.begin(pages_of(&app)).await;
    for _ in 0..2 {
        app.execute_batch("INSERT INTO t VALUES (1)").unwrap();
        made.commit(pages_of(&app)).await;
    }
    made.merge(0, 1).await;
    let key = Name::Merged(made.last().generation, index(0), index(1)).key();
    let mut bytes = made.replica.get(&key, u64::MAX).await.unwrap().to_vec();
    let at = bytes.len() - 40;
    bytes[at] ^= 1;
    made.replica.put(&key, bytes.into()).await.unwrap();
    let report = check(&made.replica, Level::Restore(Check::Quick)).await;
    let [finding] = &report.findings[..] else { panic!("{:?}", report.findings) };
    assert_eq!((finding.code, finding.object.as_deref()), ("object.damaged", Some(&*key)));
    assert_eq!((report.kind(), report.checksum), (Some(Kind::Damaged), Some(made.last().checksum)));
}

#[derive(Debug)]
struct At(i64);

impl Clock for At {
    fn now(&self) -> Timestamp {
        Timestamp(self.0)
    }
}

#[tokio::test]
async fn an_old_newest_state_is_stale_and_damage_outweighs_it() {
    let made = Handmade::random(512, Compression::None, 60, 1, 2).await;
    let aged = |seconds: i64| Options {
        clock: Arc::new(At(made.last().at.0 + seconds * 1000)),
        max_age: Some(Duration::from_secs(900)),
        ..Options::default()
    };
    assert!(verify(&made.replica, Level::Quick, &aged(900)).await.unwrap().ok());
    let report = verify(&made.replica, Level::Quick, &aged(902)).await.unwrap();
    assert_eq!((report.kind(), report.findings[0].code), (Some(Kind::Stale), "stale"));
    made.replica.delete(&Name::Segment(made.last().generation, index(0)).key()).await.unwrap();
    assert_eq!(verify(&made.replica, Level::Quick, &aged(902)).await.unwrap().kind(), Some(Kind::Damaged));
}

#[tokio::test]
async fn what_keeps_a_check_from_being_made_is_no_finding() {
    let empty = Replica::plain(Arc::new(MemoryStore::new()));
    assert!(matches!(verify(&empty, Level::Default, &Options::default()).await, Err(Error::NoBackup { .. })));
    let made = Handmade::random(512, Compression::None, 61, 1, 2).await;
    let store = Replica::plain(Arc::new(Watched::new(&made.replica).down()));
    assert!(matches!(verify(&store, Level::Default, &Options::default()).await, Err(Error::Store(_))));
}
