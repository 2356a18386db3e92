//! What replication costs on S3: requests that were counted, and the arithmetic to a month at standard prices.
//!
//! ```text
//! cargo bench --bench cost                          a day of each, simulated; some minutes
//! cargo bench --bench cost -- --hours 2             shorter, for the constant writes
//! ```
//!
//! Prints the requests counted and what was stored after that time; then what the requests of a month cost, how much is
//! stored after one, if all of it is kept, and what keeping that costs a month.
//!
//! The requests are real ones, to an S3 server in this process; only the clock is turned by hand. The database has some
//! 25 MB; each transaction adds a row and changes another one.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement that cannot go on stops where it is")]

#[path = "../tests/it/s3_server.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod s3_server;

use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

use rusqlite::Connection;
use s3_server::S3Server;
use waloy::clock::Clock;
use waloy::engine::{Hooks, Options, Replicator};
use waloy::replica::Replica;
use waloy::storage::S3Store;
use waloy::units::Timestamp;

/// US dollars in us-east-1, storage class Standard. Deletes are free.
const A_THOUSAND_WRITES: f64 = 0.005;
const A_THOUSAND_READS: f64 = 0.0004;
const A_GIGABYTE_MONTH: f64 = 0.023;
const MONTH_HOURS: f64 = 730.0;

#[derive(Debug)]
struct Dial(AtomicI64);

impl Clock for Dial {
    fn now(&self) -> Timestamp {
        Timestamp(self.0.load(Ordering::Relaxed))
    }
}

/// Requests by what they are charged as.
#[derive(Clone, Copy, Default)]
struct Counted {
    puts: u64,
    lists: u64,
    gets: u64,
    deletes: u64,
}

impl Counted {
    fn of(requests: &[String]) -> Counted {
        let mut counted = Counted::default();
        for request in requests {
            let (method, rest) = request.split_once(' ').unwrap();
            match method {
                "GET" if rest.contains("list-type=2") => counted.lists += 1,
                "GET" | "HEAD" => counted.gets += 1,
                "DELETE" => counted.deletes += 1,
                "POST" if rest.contains("?delete") => counted.deletes += 1,
                _ => counted.puts += 1,
            }
        }
        counted
    }
}

#[tokio::main]
async fn main() {
    let mut args = std::env::args().skip_while(|arg| arg != "--hours").skip(1);
    let hours: f64 = args.next().map_or(24.0, |text| text.parse().unwrap());
    println!(
        "{:22} {:>6} {:>7} {:>6} {:>6} {:>6} {:>11}  {:>9} {:>11} {:>8}",
        "counted", "hours", "PUT", "LIST", "GET", "DELETE", "stored", "$ a month", "in a month", "$"
    );
    idle().await;
    busy("one write a minute", Duration::from_secs(60), hours.max(24.0)).await;
    busy("constant writes at 1 s", Duration::from_secs(1), hours).await;
}

/// In real time: nothing happens, however long it is.
async fn idle() {
    let scene = Scene::new().await;
    let mut options = Options::new(scene.dir.path().join("app.db"));
    options.automatic = true;
    let mut replicator = Replicator::start(options, scene.replica.clone(), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    let before = scene.now();
    let seconds = 30.0;
    tokio::time::sleep(Duration::from_secs_f64(seconds)).await;
    scene.tell("idle", seconds / 3600.0, before);
    replicator.shutdown().await.unwrap();
}

async fn busy(name: &str, interval: Duration, hours: f64) {
    let scene = Scene::new().await;
    let clock = Arc::new(Dial(AtomicI64::new(1_800_000_000_000)));
    let hooks = Hooks { clock: clock.clone(), ..Hooks::default() };
    let mut options = Options::new(scene.dir.path().join("app.db"));
    options.automatic = false;
    let mut replicator = Replicator::start(options, scene.replica.clone(), hooks).await.unwrap();
    replicator.sync().await.unwrap();
    let before = scene.now();
    let rounds = (hours * 3600.0 / interval.as_secs_f64()) as u64;
    for _ in 0..rounds {
        scene.commit();
        clock.0.fetch_add(interval.as_millis() as i64, Ordering::Relaxed);
        replicator.sync().await.unwrap();
        replicator.rollover_if_due().await.unwrap();
    }
    scene.tell(name, hours, before);
    replicator.shutdown().await.unwrap();
}

struct Scene {
    dir: tempfile::TempDir,
    app: Connection,
    server: S3Server,
    replica: Replica,
}

impl Scene {
    async fn new() -> Scene {
        let dir = tempfile::tempdir().unwrap();
        let app = Connection::open(dir.path().join("app.db")).unwrap();
        app.busy_timeout(Duration::from_secs(5)).unwrap();
        app.execute_batch(
            "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL;
             CREATE TABLE t(id INTEGER PRIMARY KEY, name TEXT, x BLOB);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 100000)
             INSERT INTO t(name, x) SELECT 'customer number ' || i, randomblob(100) || zeroblob(100) FROM n;",
        )
        .unwrap();
        let server = S3Server::start();
        let store = S3Store::open(&server.bucket, "app", &server.options()).await.unwrap();
        Scene { dir, app, server, replica: Replica::plain(Arc::new(store)) }
    }

    fn commit(&self) {
        self.app
            .execute_batch(
                "BEGIN; INSERT INTO t(name, x) VALUES ('another customer', randomblob(200));
                 UPDATE t SET x = randomblob(200) WHERE id = abs(random()) % 100000 + 1; COMMIT",
            )
            .unwrap();
    }

    /// Of so many hours, and of a month that goes on like it.
    fn tell(&self, name: &str, hours: f64, before: Before) {
        let Counted { puts, lists, gets, deletes } = Counted::of(&self.server.requests()[before.requests..]);
        let (stored, months) = (bytes_below(&self.server.directory()), hours / MONTH_HOURS);
        let requests = ((puts + lists) as f64 * A_THOUSAND_WRITES + gets as f64 * A_THOUSAND_READS) / 1000.0 / months;
        let kept = (before.stored as f64 + stored.saturating_sub(before.stored) as f64 / months) / 1e9;
        let stored = stored as f64 / 1e6;
        println!(
            "{name:22} {hours:6.2} {puts:7} {lists:6} {gets:6} {deletes:6} {stored:8.1} MB  {requests:9.2} {kept:8.2} GB {:8.2}",
            kept * A_GIGABYTE_MONTH
        );
    }

    fn now(&self) -> Before {
        Before { requests: self.server.requests().len(), stored: bytes_below(&self.server.directory()) }
    }
}

/// Where counting begins: with the first snapshot in its place.
struct Before {
    requests: usize,
    stored: u64,
}

fn bytes_below(dir: &Path) -> u64 {
    let entries = std::fs::read_dir(dir).unwrap().flatten();
    entries
        .map(|entry| match entry.metadata().unwrap() {
            meta if meta.is_dir() => bytes_below(&entry.path()),
            meta => meta.len(),
        })
        .sum()
}
