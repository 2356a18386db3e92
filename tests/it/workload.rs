//! The application's side: processes that write to a database, and an oracle that knows what each commit leaves behind.
//!
//! A writer, just before it commits, adds a row to `chain` and takes a digest of every page as the commit will leave
//! it; both go to the oracle's file first. `chain` names the commit that a copy of the database stands for, and each
//! line of the oracle names the commit before it: walked back from the last one, the lines tell which commits were.
//! The line of a transaction that was rolled back, or whose writer was killed, is not on that way.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::fs::File;
use std::io::{BufRead, BufReader, Read, Write as _};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, OpenFlags};
use sha2::{Digest, Sha256};

/// What a child process does, and where.
const ROLE: &str = "WALOY_TEST_ROLE";
const DIR: &str = "WALOY_TEST_DIR";
const SEED: &str = "WALOY_TEST_SEED";

/// How long a process of the application waits for a lock.
const BUSY: Duration = Duration::from_secs(5);

/// The commit that a copy of the database stands for: the last row of `chain`.
pub(crate) type Commit = (i64, String);

/// A small generator: the same seed gives the same numbers, though not the same interleaving.
pub(crate) struct Rng(u64);

impl Rng {
    pub(crate) fn new(seed: u64) -> Rng {
        Rng(seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 >> 11) % limit
    }
}

/// The directory of one test: the database, and beside it what the processes agree by.
pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(dir: &Path) -> Place {
        Place(dir.to_owned())
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.0.join("app.db")
    }

    fn oracle(&self) -> PathBuf {
        self.0.join("oracle")
    }

    /// Grows just before each commit.
    fn oracle_len(&self) -> u64 {
        std::fs::metadata(self.oracle()).unwrap().len()
    }

    /// Makes the database, with its first commit.
    pub(crate) fn create(&self, page_size: u32) {
        let connection = Connection::open(self.database()).unwrap();
        connection
            .execute_batch(&format!(
                "PRAGMA page_size = {page_size}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL;
                 CREATE TABLE chain(i INTEGER PRIMARY KEY, payload BLOB, h TEXT);
                 CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, x BLOB);
                 CREATE INDEX t_k ON t(k);
                 INSERT INTO chain VALUES (1, x'00', 'first');"
            ))
            .unwrap();
        Log::open(self).line(&(1, "first".to_owned()), "-", &digest_of(&connection), "commit");
    }

    /// Starts this test binary again as a process of the application.
    pub(crate) fn spawn(&self, role: &str, seed: u64) -> Child {
        Command::new(std::env::current_exe().unwrap())
            .args(["workload::a_process_of_the_application", "--exact", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(DIR, &self.0)
            .env(SEED, seed.to_string())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap()
    }

    /// Starts two writers, and the operator: checkpoints of every kind, `VACUUM`, large transactions.
    pub(crate) fn spawn_all(&self, writers: [&str; 2], seed: u64) -> [Child; 3] {
        [self.spawn(writers[0], seed), self.spawn(writers[1], seed + 1), self.spawn("operator", seed + 2)]
    }

    /// Asks the processes to end, and sees that none of them got an error.
    pub(crate) fn stop(&self, children: impl IntoIterator<Item = Child>) {
        File::create(self.0.join("stop")).unwrap();
        for child in children {
            let ended = child.wait_with_output().unwrap();
            assert!(ended.status.success(), "the application got an error: {}", String::from_utf8_lossy(&ended.stdout));
        }
    }

    /// One writer after the other, each killed inside its first commits; `killed` counts them.
    pub(crate) fn kill_writers(&self, kills: u32, killed: &AtomicU32) {
        let mut rng = Rng::new(8);
        for round in 0..kills {
            let mut child = self.spawn("victim", 1000 + u64::from(round));
            wait_until_ready(&mut child);
            std::thread::sleep(Duration::from_micros(rng.below(8000)));
            // Two in three die close to a commit that they have just announced to the oracle.
            if round % 3 != 0 {
                let (len, began) = (self.oracle_len(), Instant::now());
                while self.oracle_len() == len && began.elapsed() < Duration::from_secs(5) {
                    std::hint::spin_loop();
                }
                std::thread::sleep(Duration::from_micros(rng.below(1500)));
            }
            child.kill().unwrap();
            child.wait().unwrap();
            killed.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// What is committed now.
    pub(crate) fn last_commit(&self) -> Commit {
        let connection = Connection::open(self.database()).unwrap();
        connection.busy_timeout(BUSY).unwrap();
        last_commit(&connection)
    }

    pub(crate) fn stopped(&self) -> bool {
        self.0.join("stop").exists()
    }
}

/// Waits until a child says that it is at work.
pub(crate) fn wait_until_ready(child: &mut Child) {
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut lines = output.by_ref().lines();
    assert!(lines.any(|line| line.unwrap().ends_with("ready")), "the child ended before it was ready");
    // Closed, it would make the child fail.
    child.stdout = Some(output.into_inner());
}

/// Says it, in a child.
pub(crate) fn say_ready() {
    std::io::stdout().write_all(b"ready\n").unwrap();
}

/// Not a test of its own: what [`Place::spawn`] starts. It returns at once where nobody asks for it.
#[test]
fn a_process_of_the_application() {
    let Ok(role) = std::env::var(ROLE) else { return };
    // A test that fails, or is ended itself, must not leave its processes behind.
    rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL)).unwrap();
    let place = Place(std::env::var_os(DIR).unwrap().into());
    let seed = std::env::var(SEED).unwrap().parse().unwrap();
    let setting = |pragma: &str, psow: bool| Writer::open(&place, seed, pragma, psow);
    match role.as_str() {
        "writer" => setting("PRAGMA wal_autocheckpoint = 100; PRAGMA synchronous = NORMAL", true).write(&place),
        "writer without checkpoints" => setting("PRAGMA wal_autocheckpoint = 0", true).write(&place),
        "writer without psow" => {
            setting("PRAGMA wal_autocheckpoint = 100; PRAGMA synchronous = FULL", false).write(&place);
        }
        "writer without a pause" => {
            setting("PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = NORMAL", true).hurry(&place);
        }
        "observer" => crate::stress::observe(&place.0),
        "operator" => setting("PRAGMA wal_autocheckpoint = 0", true).operate(&place),
        "victim" => setting("PRAGMA wal_autocheckpoint = 100; PRAGMA synchronous = FULL", true).suffer(),
        "ten writers" => crate::embedded::ten_writers(&place),
        "copier" => crate::embedded::copy_to_clone(&place),
        "pool" => crate::locks::a_pool_of_connections(&place),
        other => panic!("no role {other}"),
    }
}

/// A connection of the application.
struct Writer {
    connection: Connection,
    log: Log,
    /// Whoever waits for `turn` holds this, so that `VACUUM` gets its turn; and whoever waits for the write lock.
    gate: File,
    /// Shared by transactions; exclusive for `VACUUM`, whose digest can only be taken after its commit.
    turn: File,
    rng: Rng,
}

impl Writer {
    fn open(place: &Place, seed: u64, pragmas: &str, psow: bool) -> Writer {
        let uri = format!("file:{}?psow={}", place.database().display(), u32::from(psow));
        let connection =
            Connection::open_with_flags(uri, OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI);
        let connection = connection.unwrap();
        connection.busy_timeout(BUSY).unwrap();
        // A cache of ten pages spills what a larger transaction changes into the log before the commit.
        connection.execute_batch(&format!("PRAGMA cache_size = 10; PRAGMA cache_spill = 1; {pragmas}")).unwrap();
        let file = |name: &str| File::create(place.0.join(name)).unwrap();
        Writer { connection, log: Log::open(place), gate: file("gate"), turn: file("turn"), rng: Rng::new(seed) }
    }

    fn write(mut self, place: &Place) {
        while !place.stopped() {
            match self.rng.below(16) {
                0 => self.transaction("rollback", Writer::churn),
                1 => self.transaction("rollback", Writer::flood),
                2 => self.transaction("commit", Writer::drain),
                3 => self.transaction("commit", Writer::change_mind),
                _ => self.transaction("commit", Writer::churn),
            }
            std::thread::sleep(Duration::from_micros(self.rng.below(2000)));
        }
    }

    fn operate(mut self, place: &Place) {
        while !place.stopped() {
            match self.rng.below(40) {
                0 => self.vacuum(),
                1..4 => self.transaction("commit", Writer::flood),
                4..6 => self.transaction("rollback", Writer::flood),
                6..8 => self.transaction("commit", Writer::drain),
                _ => self.checkpoint(),
            }
            std::thread::sleep(Duration::from_micros(self.rng.below(5000)));
        }
    }

    /// Holds the write lock nearly all the time.
    fn hurry(mut self, place: &Place) {
        while !place.stopped() {
            self.transaction("commit", Writer::churn);
        }
    }

    /// Commits until it is killed.
    fn suffer(mut self) {
        say_ready();
        loop {
            match self.rng.below(8) {
                0 => self.transaction("rollback", Writer::flood),
                1 => self.transaction("commit", Writer::drain),
                _ => self.transaction("commit", Writer::churn),
            }
        }
    }

    fn transaction(&mut self, end: &str, change: fn(&Connection, &mut Rng)) {
        // With the gate held until it has the lock: SQLite is not fair to who waits, and on a slow disk one of several writers
        // would wait for all of its timeout. Who fails now was kept waiting by somebody else.
        self.gate.lock().unwrap();
        self.turn.lock_shared().unwrap();
        self.connection.execute_batch("BEGIN IMMEDIATE").unwrap();
        self.gate.unlock().unwrap();
        let before = last_commit(&self.connection);
        change(&self.connection, &mut self.rng);
        let payload: Vec<u8> = (0..8).flat_map(|_| self.rng.below(u64::MAX).to_le_bytes()).collect();
        let mut hash = Sha256::new_with_prefix(&before.1);
        hash.update(std::process::id().to_le_bytes());
        hash.update(&payload);
        let commit = (before.0 + 1, hex(&hash.finalize()));
        let add = "INSERT INTO chain(i, payload, h) VALUES (?1, ?2, ?3)";
        self.connection.execute(add, (commit.0, payload, &commit.1)).unwrap();
        self.connection.execute("DELETE FROM chain WHERE i < ?1 - 50", [commit.0]).unwrap();
        self.log.line(&commit, &before.1, &digest_of(&self.connection), end);
        self.connection.execute_batch(if end == "commit" { "COMMIT" } else { "ROLLBACK" }).unwrap();
        self.turn.unlock().unwrap();
    }

    fn vacuum(&mut self) {
        self.gate.lock().unwrap();
        self.turn.lock().unwrap();
        self.connection.execute_batch("VACUUM").unwrap();
        self.connection.execute_batch("BEGIN").unwrap();
        let commit = last_commit(&self.connection);
        self.log.line(&commit, "", &digest_of(&self.connection), "vacuum");
        self.connection.execute_batch("COMMIT").unwrap();
        self.turn.unlock().unwrap();
        self.gate.unlock().unwrap();
    }

    /// That others are in the way is no error of a checkpoint: it says so in its answer.
    fn checkpoint(&mut self) {
        let mode = ["TRUNCATE", "RESTART", "FULL", "PASSIVE"][self.rng.below(4) as usize];
        self.connection.busy_timeout(Duration::from_millis(300)).unwrap();
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let _: i64 = self.connection.query_row(&sql, [], |row| row.get(0)).unwrap();
        self.connection.busy_timeout(BUSY).unwrap();
    }

    fn churn(connection: &Connection, rng: &mut Rng) {
        let add = "INSERT INTO t(k, x) VALUES (?1, randomblob(?2))";
        for _ in 0..=rng.below(3) {
            connection.execute(add, (rng.below(1000) as i64, rng.below(3000) as i64)).unwrap();
        }
        let touch = "UPDATE t SET x = randomblob(length(x)) WHERE k = (SELECT k FROM t ORDER BY random() LIMIT 1)";
        connection.execute(touch, []).unwrap();
        connection.execute("DELETE FROM t WHERE k < 1000 AND id < (SELECT max(id) - 100 FROM t)", []).unwrap();
    }

    /// 3,000 rows, more than the cache holds.
    fn flood(connection: &Connection, rng: &mut Rng) {
        let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 3000)
                    INSERT INTO t(k, x) SELECT 1000 + i, randomblob(?1) FROM n";
        connection.execute("DELETE FROM t WHERE k >= 1000", []).unwrap();
        connection.execute(rows, [10 + rng.below(60) as i64]).unwrap();
    }

    /// Gives pages back at the end of the file.
    fn drain(connection: &Connection, rng: &mut Rng) {
        connection.execute("DELETE FROM t WHERE k >= 1000", []).unwrap();
        let pages = 1 + rng.below(200);
        connection.query_row(&format!("PRAGMA incremental_vacuum({pages})"), [], |_| Ok(())).unwrap_or(());
    }

    /// Part of a transaction is rolled back.
    fn change_mind(connection: &Connection, rng: &mut Rng) {
        connection.execute_batch("SAVEPOINT s").unwrap();
        Writer::flood(connection, rng);
        connection.execute_batch("ROLLBACK TO s; RELEASE s").unwrap();
        Writer::churn(connection, rng);
    }
}

/// The file of the oracle, written by every process, a line at once.
struct Log(File);

impl Log {
    fn open(place: &Place) -> Log {
        Log(File::options().create(true).append(true).open(place.oracle()).unwrap())
    }

    fn line(&mut self, commit: &Commit, before: &str, digest: &str, end: &str) {
        // A writer that is killed in here may leave a part of its line, where the file's page ends: the next one begins
        // a line of its own.
        self.0.write_all(format!("\n{} {} {before} {digest} {end}\n", commit.0, commit.1).as_bytes()).unwrap();
    }
}

/// What a copy of the database is, to be compared with the oracle when every process has ended.
#[derive(Debug)]
pub(crate) struct Copy {
    what: String,
    commit: Commit,
    digest: String,
}

impl Copy {
    /// Looks at a file that nobody writes to.
    pub(crate) fn of(path: &Path, what: String) -> Copy {
        let uri = format!("file:{}?immutable=1", path.display());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(uri, flags).unwrap();
        let check: String = connection.query_row("PRAGMA integrity_check(3)", [], |row| row.get(0)).unwrap();
        assert_eq!(check, "ok", "{what}");
        Copy { commit: last_commit(&connection), digest: digest(&std::fs::read(path).unwrap()), what }
    }

    pub(crate) fn commit(&self) -> &Commit {
        &self.commit
    }
}

/// Knows every commit that was, and each page of the database after it.
pub(crate) struct Oracle {
    digests: HashMap<Commit, BTreeSet<String>>,
    /// Transactions announced whose writers died before they were commits.
    unfinished: usize,
    /// The last commit of the database itself.
    last: Commit,
}

impl Oracle {
    /// Reads the lines, once nobody writes any more, and walks back from the last commit in the database.
    ///
    /// To be called while the database is still held open: the next one to open it would play back whatever its log
    /// has, and so make a commit of what a writer left that was killed just before.
    pub(crate) fn consult(place: &Place) -> Oracle {
        let mut before = HashMap::new();
        let mut digests: HashMap<Commit, BTreeSet<String>> = HashMap::new();
        for line in std::fs::read_to_string(place.oracle()).unwrap().lines() {
            // What is not whole was announced by a writer that died before it could commit.
            let words: Vec<_> = line.split(' ').collect();
            let [i, h, previous, digest, end @ ("commit" | "rollback" | "vacuum")] = words[..] else { continue };
            let commit = (i.parse().unwrap(), h.to_owned());
            if end == "commit" {
                before.insert(commit.clone(), previous.to_owned());
            }
            if end != "rollback" {
                digests.entry(commit).or_default().insert(digest.to_owned());
            }
        }
        let last = place.last_commit();
        let mut real = HashMap::new();
        let mut at = last.clone();
        while let Some(previous) = before.get(&at) {
            let next = (at.0 - 1, previous.clone());
            real.insert(at.clone(), digests.remove(&at).unwrap());
            at = next;
        }
        assert_eq!(at.0, 0, "the oracle's lines lead back to the first commit");
        Oracle { digests: real, unfinished: digests.len(), last }
    }

    pub(crate) fn unfinished(&self) -> usize {
        self.unfinished
    }

    pub(crate) fn commits(&self) -> usize {
        self.digests.len()
    }

    /// The copy is, page for page, the database after a commit that was.
    pub(crate) fn check(&self, copy: &Copy) {
        let digests = self.digests.get(&copy.commit);
        let digests = digests.unwrap_or_else(|| panic!("{}: {:?} never was a commit", copy.what, copy.commit));
        assert!(digests.contains(&copy.digest), "{}: a page differs after {:?}", copy.what, copy.commit);
    }

    /// The copy has everything.
    pub(crate) fn check_last(&self, copy: &Copy) {
        self.check(copy);
        assert_eq!(copy.commit, self.last, "{}: the last commits are missing", copy.what);
    }
}

/// The newest commit that a connection sees.
fn last_commit(connection: &Connection) -> Commit {
    let sql = "SELECT i, h FROM chain ORDER BY i DESC LIMIT 1";
    connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap()
}

/// The digest of the database as this connection sees it, with what its transaction has changed so far.
fn digest_of(connection: &Connection) -> String {
    digest(&connection.serialize("main").unwrap())
}

/// The digest of a database, without what the pager writes into page 1 at the commit itself: change counter,
/// version-valid-for, and the version of SQLite.
fn digest(database: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [&database[..24], &database[28..92], &database[100..]] {
        hash.update(part);
    }
    hex(&hash.finalize())
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(12).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}
