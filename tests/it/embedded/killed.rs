//! What a sync acknowledged is restorable after a kill that comes at any moment.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::sync::Arc;
use std::sync::mpsc::channel;
use std::time::Duration;

use waloy::BackupManager;

use super::{application, config, insert, names};
use crate::workload::{Place, Rng, say_ready};

const LANES: u64 = 2;
const DATABASES: u64 = 5;
const KILLS: u64 = 20;

/// The process that is killed: ten threads that say what was acknowledged to them.
pub(crate) fn ten_writers(place: &Place) {
    let db = place.database();
    let dir = db.parent().unwrap().to_owned();
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap();
    let backup = runtime.block_on(async { BackupManager::new(config(&dir)).await.unwrap().spawn() });
    say_ready();
    std::thread::scope(|scope| {
        for writer in 0..10 {
            let (backup, runtime, db) = (backup.clone(), runtime.handle().clone(), &db);
            scope.spawn(move || {
                let app = application(db);
                for commit in 0.. {
                    let name = format!("{}-{writer}-{commit}", std::process::id());
                    insert(&app, &name);
                    runtime.block_on(backup.sync()).unwrap();
                    // One write: a kill leaves all of the line or nothing.
                    std::io::stdout().write_all(format!("acknowledged {name}\n").as_bytes()).unwrap();
                }
            });
        }
    });
}

/// Kills a process with ten writers at a random moment, and returns what had been acknowledged in it.
fn kill_one(place: &Place, rng: &mut Rng) -> Vec<String> {
    let mut child = place.spawn("ten writers", 0);
    let output = BufReader::new(child.stdout.take().unwrap());
    let (ready, is_ready) = channel();
    let reader = std::thread::spawn(move || {
        let mut acknowledged = Vec::new();
        for line in output.lines() {
            let line = line.unwrap();
            match line.strip_prefix("acknowledged ") {
                Some(name) => acknowledged.push(name.to_owned()),
                None if line.ends_with("ready") => ready.send(()).unwrap(),
                None => {}
            }
        }
        acknowledged
    });
    is_ready.recv().expect("the process is ready before it ends");
    std::thread::sleep(Duration::from_micros(rng.below(120_000)));
    child.kill().unwrap();
    child.wait().unwrap();
    reader.join().unwrap()
}

/// Returns how many times something had been acknowledged since the kill before.
fn lane(seed: u64) -> u64 {
    let runtime = Arc::new(tokio::runtime::Runtime::new().unwrap());
    let (mut rng, mut meaningful) = (Rng::new(seed), 0);
    for database in 0..DATABASES {
        let dir = tempfile::tempdir().unwrap();
        let place = Place::new(dir.path());
        // Held open all the time, or not at all: then the last kill also leaves the WAL to be recovered.
        let app = application(&place.database());
        let _held = (database % 2 == 0).then_some(app);
        let mut acknowledged = Vec::new();
        for kill in 0..KILLS {
            let new = kill_one(&place, &mut rng);
            meaningful += u64::from(!new.is_empty());
            acknowledged.extend(new);
            let copy = dir.path().join("copy.db");
            runtime
                .block_on(BackupManager::restore_with_config(&config(dir.path()), &copy))
                .unwrap_or_else(|error| panic!("seed {seed}, database {database}, kill {kill}: {error:?}"));
            check(&copy, &acknowledged, &format!("seed {seed}, database {database}, kill {kill}"));
            std::fs::remove_file(&copy).unwrap();
        }
    }
    meaningful
}

fn check(copy: &Path, acknowledged: &[String], when: &str) {
    let restored: std::collections::HashSet<String> = names(copy).into_iter().collect();
    let lost: Vec<&String> = acknowledged.iter().filter(|name| !restored.contains(*name)).collect();
    assert!(lost.is_empty(), "{when}: acknowledged and not restored: {lost:?}");
}

#[test]
fn what_was_acknowledged_to_ten_writers_is_restorable_after_200_kills() {
    let lanes: Vec<_> = (1..=LANES).map(|seed| std::thread::spawn(move || lane(seed))).collect();
    let meaningful: u64 = lanes.into_iter().map(|lane| lane.join().unwrap()).sum();
    assert_eq!(LANES * DATABASES * KILLS, 200);
    assert!(meaningful > 100, "only {meaningful} of 200 processes lived to see an acknowledgement");
}
