//! A day of one segment a second, by a clock that is set by hand: what it costs, and what a restore then reads.
//!
//! The suite runs an hour and some minutes of it. The whole day, and three of them with retention, take some minutes:
//! `cargo test --release --all-features --test it -- --ignored --nocapture day`

#![expect(clippy::print_stdout, reason = "the numbers are what it is for")]

use std::collections::HashMap;
use std::path::Path;

use waloy::replica::{Inventory, Replica};
use waloy::retention::Policy;

use super::*;
use crate::handmade::Rng;

/// So many bytes at first that no new generation begins on the first day; a small row for every page that changes later.
fn filled(db: &Path, filler_mib: u32) -> Connection {
    let app = application(db, 4096);
    app.execute_batch(&format!(
        "CREATE TABLE filler(x BLOB); \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {filler_mib}) \
         INSERT INTO filler SELECT randomblob(1048576) FROM n; \
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 20000) \
         INSERT INTO t(id, x) SELECT i, zeroblob(100) FROM n;"
    ))
    .unwrap();
    app
}

fn commit(app: &Connection, rng: &mut Rng) {
    let row = rng.below(20_000) as i64 + 1;
    app.execute("UPDATE t SET x = randomblob(16) || zeroblob(84) WHERE id = ?1", [row]).unwrap();
}

fn of(counts: &HashMap<String, usize>, what: &str) -> usize {
    counts.get(what).copied().unwrap_or(0)
}

/// Counts of what the log has, by operation and kind of key: `put merged`, `get segment`, `list`.
fn counts(log: &[String]) -> HashMap<String, usize> {
    let mut counts = HashMap::new();
    for entry in log {
        let (operation, key) = entry.split_once(' ').unwrap();
        let kind = match Name::parse(key) {
            Some(Name::Merged(..)) => " merged",
            Some(Name::Segment(..)) => " segment",
            Some(Name::Manifest(_)) => " manifest",
            Some(Name::Snapshot(_)) => " snapshot",
            None => "",
        };
        *counts.entry(format!("{operation}{kind}")).or_default() += 1;
    }
    counts
}

async fn day(seconds: u64, filler_mib: u32) {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = filled(&db, filler_mib);
    let logged = Logged::new();
    let store = Replica::plain(Arc::new(logged.clone()));
    let clock = Hand::new();
    let mut replicator = Replicator::start(manual(&db), store.clone(), hooks(&clock)).await.unwrap();
    replicator.sync().await.unwrap();
    logged.clear();
    let mut states = Vec::new();
    let mut rng = Rng(11);
    for second in 0..seconds {
        clock.advance(1000);
        commit(&app, &mut rng);
        // What a merge has closed on its way is not there to be synced any more.
        replicator.sync().await.unwrap();
        // A merged segment is put beside replication, which here goes a thousand times too fast.
        tokio::time::sleep(Duration::from_millis(1)).await;
        if second + 3600 >= seconds && second % 700 == 0 {
            states.push((replicator.status().at.unwrap(), crc32c::crc32c(&model::pages_of(&app))));
        }
    }
    let written = counts(&logged.log());
    let all = objects(&store).await;
    let segments: u64 = all.segments.iter().map(|&(_, size)| size).sum();
    let merged: u64 = all.merged.iter().map(|&(.., size)| size).sum();
    let ratio = |bytes: u64| bytes as f64 / segments as f64;
    let outermost = |first: SegmentIndex, last: SegmentIndex| {
        !all.merged.iter().any(|&(a, b, _)| a <= first && last <= b && (a, b) != (first, last))
    };
    let left: u64 = all.merged.iter().filter(|&&(a, b, _)| outermost(a, b)).map(|&(.., size)| size).sum();
    println!("{seconds} s, a segment each second:");
    println!(
        "  merging: {} PUT, {} GET to read back, {} LIST, {} DELETE; manifest: {} PUT",
        of(&written, "put merged"),
        of(&written, "get merged"),
        of(&written, "list"),
        of(&written, "delete"),
        of(&written, "put manifest"),
    );
    println!(
        "  bytes: segments {segments}, with merged ones {:.2} times that; merged ones alone {:.2}, the outermost of them {:.2}",
        ratio(segments + merged),
        ratio(merged),
        ratio(left),
    );
    assert_eq!(of(&written, "put segment") as u64, seconds);
    assert_eq!(
        of(&written, "get segment") + of(&written, "get snapshot"),
        0,
        "merging reads nothing but what it wrote"
    );
    let day = |count: usize| count as f64 * 86_400.0 / seconds as f64;
    assert!(day(of(&written, "put merged")) <= 3200.0, "PUT");
    assert!(day(of(&written, "get merged")) <= 3300.0, "GET");
    assert!(day(of(&written, "put manifest")) <= 400.0);
    assert!(ratio(segments + merged) <= 4.2);

    logged.clear();
    let (report, pages) = restored(&store, Target::Latest).await;
    assert!(pages == model::pages_of(&app));
    let read = counts(&logged.log());
    println!("  restore of the latest: {} objects, {} LIST", report.plan.objects.len(), of(&read, "list"));
    assert!(report.plan.objects.len() <= 100, "{}", report.plan.objects.len());
    assert!(of(&read, "list") <= 5, "{}", of(&read, "list"));
    let (mut most, mut lists) = (0, 0);
    for (at, pages) in &states {
        for later in [0, 999] {
            logged.clear();
            let (report, bytes) = restored(&store, Target::Time(Timestamp(at.0 + later))).await;
            assert!(crc32c::crc32c(&bytes) == *pages && report.plan.at == *at && report.plan.merged.is_none(), "{at}");
            most = most.max(report.plan.objects.len());
            lists = lists.max(of(&counts(&logged.log()), "list"));
        }
    }
    println!("  restore of times in the last hour: at most {most} objects, {lists} LIST");
    assert!(most <= 200, "{most}");

    // A day later, what is superseded is gone.
    for &(at, _) in &all.segments {
        if all.merged.iter().any(|&(first, last, _)| first <= at && at <= last) {
            store.delete(&Name::Segment(all.generation, at).key()).await.unwrap();
        }
    }
    logged.clear();
    let (report, pages) = restored(&store, Target::Latest).await;
    assert!(pages == model::pages_of(&app));
    let read = counts(&logged.log());
    println!(
        "  the same without superseded segments: {} objects, {} LIST",
        report.plan.objects.len(),
        of(&read, "list")
    );
    assert!(report.plan.objects.len() <= 100 && of(&read, "list") <= 5);
    replicator.shutdown().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn an_hour_and_ten_minutes_of_one_segment_a_second_cost_little_and_restore_from_few_objects() {
    day(4200, 8).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "some minutes: the whole of what the hour above is a part of"]
async fn a_whole_day_of_one_segment_a_second_costs_little_and_restores_from_few_objects() {
    day(86_400, 192).await;
}

/// What the store holds: bytes of snapshots, and of segments, merged or not.
async fn stored(store: &Replica) -> (u64, u64) {
    let all = Inventory::list(&**store).await.unwrap().generations;
    let snapshots = all.iter().filter_map(|generation| generation.snapshot).sum();
    let segments = all.iter().flat_map(|generation| &generation.segments).map(|&(_, size)| size);
    let merged = all.iter().flat_map(|generation| &generation.merged).map(|&(.., size)| size);
    (snapshots, segments.chain(merged).sum())
}

/// Days of one segment a second, with retention as it is by default, every hour and after each new generation.
async fn days(days: u64, hours_a_day: u64) {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = filled(&db, (192 * hours_a_day / 24) as u32);
    let clock = Hand::new();
    let logged = Logged::by(&clock);
    let store = Replica::plain(Arc::new(logged.clone()));
    let mut options = manual(&db);
    let grace = Duration::from_secs(hours_a_day * 3600);
    options.retention = Some(Policy { grace, ..Policy::new(Some(Duration::from_secs(30 * 86_400))) });
    let mut replicator = Replicator::start(options, store.clone(), hooks(&clock)).await.unwrap();
    replicator.sync().await.unwrap();
    let mut rng = Rng(11);
    for day in 1..=days {
        logged.clear();
        let (mut merging, mut retention) = (HashMap::new(), HashMap::<String, usize>::new());
        let before = logged.segment_bytes();
        for second in 0..hours_a_day * 3600 {
            clock.advance(1000);
            commit(&app, &mut rng);
            replicator.sync().await.unwrap();
            tokio::time::sleep(Duration::from_millis(1)).await;
            if second % 3600 == 3599 {
                counts(&logged.log()).into_iter().for_each(|(what, n)| *merging.entry(what).or_default() += n);
                logged.clear();
                let report = replicator.enforce_retention().await.unwrap().unwrap();
                assert!(report.is_complete(), "{report:?}");
                counts(&logged.log()).into_iter().for_each(|(what, n)| *retention.entry(what).or_default() += n);
                logged.clear();
            }
        }
        let changes = logged.segment_bytes();
        let today = changes - before;
        let (snapshots, rest) = stored(&store).await;
        println!(
            "day {day} of {hours_a_day} h: {} segments, {today} bytes; merging: {} PUT, {} GET; \
             retention: {} LIST, {} GET, {} requests to delete",
            of(&merging, "put segment"),
            of(&merging, "put merged"),
            of(&merging, "get merged"),
            of(&retention, "list"),
            retention.iter().filter(|(what, _)| what.starts_with("get")).map(|(_, n)| n).sum::<usize>(),
            retention.iter().filter(|(what, _)| what.starts_with("delete_many")).map(|(_, n)| n).sum::<usize>(),
        );
        println!(
            "  at its end: snapshots {snapshots}, the rest {rest}: {:.2} times the changes so far, {:.2} those of the day",
            rest as f64 / changes as f64,
            rest as f64 / today as f64,
        );
        let a_day = |count: usize| count as f64 * 24.0 / hours_a_day as f64;
        assert!(a_day(of(&merging, "put merged")) <= 3200.0 && a_day(of(&merging, "get merged")) <= 3300.0);
        let deletes = retention.iter().filter(|(what, _)| what.starts_with("delete_many")).map(|(_, n)| n).sum();
        assert!(a_day(deletes) <= 120.0, "{deletes}");
        let limit = if day < 3 { 4.2 } else { 2.0 };
        assert!(rest as f64 <= limit * changes as f64, "day {day}");
    }
    let (report, pages) = restored(&store, Target::Latest).await;
    assert!(pages == model::pages_of(&app));
    println!("restore of the latest after {days} days in one generation: {} objects", report.plan.objects.len());
    // Of each day of a generation an object an hour, of the last one the hundred that it may take by itself.
    assert!(report.plan.objects.len() as u64 <= 100 + 24 * (days - 1), "{}", report.plan.objects.len());
    replicator.shutdown().await.unwrap();
    prove(&store).await;
}

#[tokio::test(flavor = "multi_thread")]
#[ignore = "half an hour: days with retention"]
async fn three_days_with_retention_store_less_than_twice_the_changes_and_the_snapshots() {
    days(3, 24).await;
}
