//! A store that goes away under a busy application, measured on whole processes.
//!
//! ```text
//! cargo bench --bench outage                        5 minutes away; 60 s with kill -9 of waloy in the middle; 60 s in
//!                                                   the middle of a first snapshot
//! cargo bench --bench outage -- --seconds 30        shorter
//! ```
//!
//! The application commits 500 times a second and leaves checkpoints to waloy (`wal_autocheckpoint = 0`): the hardest
//! case for the WAL. The store is an S3 server in this process that breaks off every connection while it is away.
//! Prints the largest WAL, memory and local disk of waloy, the slowest commit, and whether what was restored afterwards
//! is the database, page for page; fails if a limit was passed or the application got an error.
#![expect(clippy::print_stdout, clippy::unwrap_used, reason = "a measurement that cannot go on stops where it is")]

#[path = "../tests/it/s3_server.rs"]
#[expect(dead_code, reason = "the tests use more of it")]
mod s3_server;

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread::{JoinHandle, sleep};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use s3_server::{S3Server, Trouble};

/// Transactions a second.
const RATE: u32 = 500;
/// The limits of waloy's defaults: of the WAL, of memory, of the state directory and the files of parts.
const WAL: u64 = 64 << 20;
const MEMORY: u64 = 128 << 20;
const DISK: u64 = 256 << 20;

fn main() {
    let mut args = std::env::args().skip_while(|arg| arg != "--seconds").skip(1);
    let seconds: u64 = args.next().map_or(300, |text| text.parse().unwrap());
    println!("== the store is away for {seconds} s");
    let mut scene = Scene::new();
    scene.away_for(seconds);
    scene.end();
    let seconds = seconds.min(60);
    println!("== the store is away for {seconds} s, and waloy is killed in the middle and started again");
    let mut scene = Scene::new();
    scene.server.be(Trouble::Gone);
    scene.watch(seconds / 2);
    scene.waloy.kill().unwrap();
    scene.waloy.wait().unwrap();
    scene.waloy = scene.start();
    scene.watch(seconds / 2);
    scene.end();
    println!("== the store is away for {seconds} s in the middle of the first snapshot of 250 MB");
    let mut scene = Scene::begin(500_000);
    let parts = |scene: &Scene| scene.server.requests().iter().filter(|line| line.contains("partNumber=")).count();
    while parts(&scene) < 6 {
        sleep(Duration::from_millis(1));
    }
    scene.server.be(Trouble::Gone);
    scene.writer = Some(scene.write());
    let sent = parts(&scene);
    scene.watch(seconds);
    scene.server.be_well();
    scene.until_in_sync();
    let begun = scene.server.requests().iter().filter(|line| line.contains("?uploads")).count();
    println!("parts:         {sent} before, uploads begun in all: {begun}");
    assert_eq!(begun, 1, "what was uploaded before is not thrown away");
    scene.end();
}

struct Scene {
    dir: tempfile::TempDir,
    server: S3Server,
    waloy: Child,
    stop: Arc<AtomicBool>,
    commits: Arc<AtomicU64>,
    slowest_us: Arc<AtomicU64>,
    writer: Option<JoinHandle<rusqlite::Result<()>>>,
    seen: Seen,
}

/// The largest of each.
#[derive(Default)]
struct Seen {
    wal: u64,
    memory: u64,
    disk: u64,
}

impl Scene {
    /// A database of some 50 MB that is replicated, and written to.
    fn new() -> Scene {
        let mut scene = Scene::begin(100_000);
        scene.until_in_sync();
        scene.writer = Some(scene.write());
        scene.watch(3);
        let Seen { wal, memory, .. } = std::mem::take(&mut scene.seen);
        println!("before:        WAL {}, memory {}", mib(wal), mib(memory));
        scene
    }

    /// A database of so many rows, of some 500 bytes each, whose replication begins.
    fn begin(rows: u32) -> Scene {
        let dir = tempfile::tempdir().unwrap();
        std::fs::create_dir(dir.path().join("tmp")).unwrap();
        let app = Connection::open(dir.path().join("app.db")).unwrap();
        app.execute_batch(&format!(
            "PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {rows})
             INSERT INTO t(x) SELECT randomblob(400) || zeroblob(50) FROM n;
             PRAGMA wal_checkpoint(TRUNCATE);"
        ))
        .unwrap();
        let server = S3Server::start();
        let waloy = start(dir.path(), &server);
        let (stop, commits, slowest_us) = <(Arc<AtomicBool>, Arc<AtomicU64>, Arc<AtomicU64>)>::default();
        Scene { dir, server, waloy, stop, commits, slowest_us, writer: None, seen: Seen::default() }
    }

    fn start(&self) -> Child {
        start(self.dir.path(), &self.server)
    }

    fn away_for(&mut self, seconds: u64) {
        self.server.be(Trouble::Gone);
        self.watch(seconds);
    }

    /// The application: a connection of its own, with a busy timeout as SQLite advises.
    fn write(&self) -> JoinHandle<rusqlite::Result<()>> {
        let db = self.dir.path().join("app.db");
        let (stop, commits, slowest) = (self.stop.clone(), self.commits.clone(), self.slowest_us.clone());
        std::thread::spawn(move || {
            let app = Connection::open(db)?;
            app.busy_timeout(Duration::from_secs(5))?;
            app.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0")?;
            let began = Instant::now();
            for done in 1u32.. {
                if stop.load(Ordering::Relaxed) {
                    break;
                }
                let commit = Instant::now();
                app.execute_batch(
                    "BEGIN; INSERT INTO t(x) VALUES (randomblob(300));
                     UPDATE t SET x = randomblob(300) WHERE id = abs(random()) % 100000 + 1; COMMIT",
                )?;
                slowest.fetch_max(commit.elapsed().as_micros() as u64, Ordering::Relaxed);
                commits.fetch_add(1, Ordering::Relaxed);
                sleep((Duration::from_secs(1) / RATE * done).saturating_sub(began.elapsed()));
            }
            Ok(())
        })
    }

    fn watch(&mut self, seconds: u64) {
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(seconds) {
            self.look();
            sleep(Duration::from_millis(50));
        }
    }

    fn look(&mut self) {
        let dir = self.dir.path();
        self.seen.wal = self.seen.wal.max(std::fs::metadata(dir.join("app.db-wal")).map_or(0, |meta| meta.len()));
        self.seen.memory = self.seen.memory.max(resident(self.waloy.id()));
        let disk = bytes_in(&dir.join("app.db.waloy/state")) + bytes_in(&dir.join("tmp"));
        self.seen.disk = self.seen.disk.max(disk);
    }

    fn until_in_sync(&mut self) {
        let began = Instant::now();
        loop {
            let asked = waloy(self.dir.path(), &self.server, &["status", "app.db", "--check"]).status().unwrap();
            if asked.success() {
                return;
            }
            assert!(began.elapsed() < Duration::from_secs(300), "the replica does not come level");
            self.look();
            sleep(Duration::from_millis(20));
        }
    }

    /// The store is back: everything goes there, and comes back.
    fn end(mut self) {
        self.server.be_well();
        let began = Instant::now();
        self.until_in_sync();
        let level = began.elapsed();
        self.stop.store(true, Ordering::Relaxed);
        let written = self.writer.take().unwrap().join().unwrap();
        let (dir, server) = (self.dir.path(), &self.server);
        assert!(waloy(dir, server, &["sync", "app.db", "-q", "--timeout", "120s"]).status().unwrap().success());
        self.look();
        Command::new("kill").arg(self.waloy.id().to_string()).status().unwrap();
        assert!(self.waloy.wait().unwrap().success(), "waloy stops cleanly");
        let (dir, server) = (self.dir.path(), &self.server);
        assert!(waloy(dir, server, &["restore", "app.db", "-o", "restored.db", "-q"]).status().unwrap().success());
        let app = Connection::open(dir.join("app.db")).unwrap();
        app.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let same = std::fs::read(dir.join("app.db")).unwrap() == std::fs::read(dir.join("restored.db")).unwrap();
        let Seen { wal, memory, disk } = self.seen;
        println!("largest:       WAL {}, memory {}, local disk {}", mib(wal), mib(memory), mib(disk));
        let (commits, slowest) = (self.commits.load(Ordering::Relaxed), self.slowest_us.load(Ordering::Relaxed));
        println!(
            "application:   {commits} commits, the slowest {} ms, {}",
            slowest / 1000,
            match &written {
                Ok(()) => "no error".to_owned(),
                Err(error) => format!("ERROR {error}"),
            }
        );
        println!("level again:   after {:.1} s", level.as_secs_f64());
        println!("restored:      {}", if same { "identical" } else { "DIFFERENT" });
        let within = wal <= WAL && memory <= MEMORY && disk <= DISK;
        assert!(same && within && written.is_ok(), "a limit was passed, or the database is not what was restored");
    }
}

fn start(dir: &Path, server: &S3Server) -> Child {
    let log = std::fs::OpenOptions::new().create(true).append(true).open(dir.join("log")).unwrap();
    let mut command = waloy(dir, server, &["replicate", "app.db", "s3://bucket/app"]);
    command.stdout(Stdio::null()).stderr(log).spawn().unwrap()
}

fn waloy(dir: &Path, server: &S3Server, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waloy"));
    command.args(args).current_dir(dir).env("TMPDIR", dir.join("tmp")).env("AWS_REGION", "us-east-1");
    command.env("AWS_ENDPOINT_URL_S3", &server.endpoint);
    command.env("AWS_ACCESS_KEY_ID", &server.access_key).env("AWS_SECRET_ACCESS_KEY", &server.secret_key);
    command.stdin(Stdio::null()).stdout(Stdio::null());
    command
}

/// Memory that a process has now.
fn resident(process: u32) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{process}/status")).unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    line.and_then(|line| line.trim().trim_end_matches(" kB").parse::<u64>().ok()).unwrap_or(0) << 10
}

fn bytes_in(dir: &Path) -> u64 {
    let Ok(entries) = std::fs::read_dir(dir) else { return 0 };
    let paths: Vec<PathBuf> = entries.flatten().map(|entry| entry.path()).collect();
    paths.iter().filter_map(|path| path.metadata().ok()).map(|meta| meta.len()).sum()
}

fn mib(bytes: u64) -> String {
    format!("{:.1} MiB", bytes as f64 / f64::from(1 << 20))
}
