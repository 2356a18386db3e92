//! Writers in other processes, checkpoints of every kind, and death: what is captured is always the database after a
//! commit, page for page.

use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use rusqlite::{Connection, ErrorCode};
use rustix::process::{Pid, Signal, kill_process};
use waloy::db::{self, Captured, Error, Ignore, Live, Reclaimed};
use waloy::units::PageNo;

use crate::pages::Model;
use crate::workload::{Copy, Oracle, Place, Rng, say_ready, wait_until_ready};

/// The log is reclaimed when it is longer.
const THRESHOLD: u64 = 1 << 20;

/// A database under observation, the model of it, and copies made of the model.
struct Observer {
    place: Place,
    dir: PathBuf,
    live: Live,
    model: Model,
    rng: Rng,
    copies: Vec<Copy>,
    restarts: u32,
    /// Attempts to reclaim the log, and how many of them got all of it.
    attempts: u32,
    reclaimed: u32,
    longest: u64,
}

impl Observer {
    fn new(dir: &Path, seed: u64) -> Observer {
        let place = Place::new(dir);
        let live = Live::open(&place.database(), db::Options::default(), None, &mut Ignore).unwrap();
        let mut observer = Observer {
            place,
            dir: dir.to_owned(),
            live,
            model: Model::default(),
            rng: Rng::new(seed),
            copies: Vec::new(),
            restarts: 0,
            attempts: 0,
            reclaimed: 0,
            longest: 0,
        };
        observer.collect();
        observer
    }

    /// Reads every page, a few between two moves of the pin, while the writers go on.
    fn collect(&mut self) {
        self.model = Model { count: self.live.pages(), ..Model::default() };
        let mut next = 1;
        while next <= self.live.pages() {
            let chunk: Vec<PageNo> =
                (next..next + 16).take_while(|&page| page <= self.live.pages()).filter_map(PageNo::new).collect();
            self.model.read(&mut self.live, &chunk);
            next += 16;
            self.advance();
        }
    }

    fn advance(&mut self) -> Captured {
        // Nothing may be reported as lost or damaged; to be held up by a lock is no loss.
        let captured = match self.live.advance(&mut self.model) {
            Ok(captured) => captured.unwrap_or_default(),
            Err(error) => {
                assert!(error.is_transient(), "{error}");
                Captured::default()
            }
        };
        self.restarts += u32::from(captured.restarted);
        captured
    }

    /// One round: move the pin, reclaim the log if it is long.
    fn tick(&mut self) -> Captured {
        let captured = self.advance();
        self.longest = self.longest.max(self.live.wal_len().unwrap());
        let frame = self.live.page_size().len() as u64 + 24;
        if u64::from(self.live.frames().0) * frame > THRESHOLD {
            match self.live.reclaim(&mut self.model) {
                Ok(reclaimed) => {
                    self.attempts += 1;
                    self.reclaimed += u32::from(reclaimed == Reclaimed::All);
                }
                Err(error) => assert!(error.is_transient(), "{error}"),
            }
        }
        captured
    }

    /// Writes the model to a file, and looks at it. What had been committed before must be in it.
    fn copy(&mut self) {
        let known = self.place.last_commit();
        while let Err(error) = self.live.advance(&mut self.model) {
            assert!(error.is_transient(), "{error}");
        }
        let path = self.dir.join("copy.db");
        let mut file = Vec::new();
        for page in 1..=self.model.count {
            match self.model.pages.get(&page) {
                Some(image) => file.extend_from_slice(image),
                None => panic!("page {page} of {} is missing", self.model.count),
            }
        }
        std::fs::write(&path, file).unwrap();
        let copy = Copy::of(&path, format!("copy {}", self.copies.len()));
        assert!(copy.commit().0 >= known.0, "{known:?} was committed, and the copy ends with {:?}", copy.commit());
        self.copies.push(copy);
    }

    /// Lets go of everything and goes on at the position kept, if the log still has it.
    fn restart(mut self) -> Observer {
        let place = self.live.place();
        let path = self.place.database();
        drop(self.live);
        std::thread::sleep(Duration::from_millis(self.rng.below(20)));
        match Live::open(&path, db::Options::default(), Some(&place), &mut self.model) {
            Ok(live) => Observer { live, ..self },
            Err(Error::PositionLost(_)) => {
                let live = Live::open(&path, db::Options::default(), None, &mut Ignore).unwrap();
                let mut observer = Observer { live, ..self };
                observer.collect();
                observer
            }
            Err(error) => panic!("{error}"),
        }
    }

    /// Compares every copy with the oracle, when all writers have ended.
    fn prove(mut self) -> (usize, Oracle) {
        self.copy();
        let oracle = Oracle::consult(&self.place);
        self.copies.iter().for_each(|copy| oracle.check(copy));
        oracle.check_last(self.copies.last().unwrap());
        (self.copies.len(), oracle)
    }
}

/// Two writers and the operator for some seconds; every copy made meanwhile must be the database after a commit.
fn two_writers_and_an_operator(writers: [&str; 2], page_size: u32, seed: u64) {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(dir.path());
    place.create(page_size);
    let children = place.spawn_all(writers, seed);
    let mut observer = Observer::new(dir.path(), seed);
    let began = Instant::now();
    let (mut copied, mut restarted) = (Instant::now(), Instant::now());
    // A busy machine has more time.
    while began.elapsed() < Duration::from_secs(if observer.restarts > 10 { 8 } else { 60 }) {
        observer.tick();
        if copied.elapsed() > Duration::from_millis(100) {
            observer.copy();
            observer.model.assert_is(&mut observer.live);
            copied = Instant::now();
        }
        if restarted.elapsed() > Duration::from_millis(1500) {
            observer = observer.restart();
            restarted = Instant::now();
        }
        let pause = observer.rng.below(15);
        std::thread::sleep(Duration::from_millis(pause));
    }
    place.stop(children);
    let (longest, restarts) = (observer.longest, observer.restarts);
    let (copies, oracle) = observer.prove();
    let commits = oracle.commits();
    assert!(longest < 32 << 20, "the log grew to {longest} bytes");
    assert!(copies >= 24 && restarts > 10 && commits > 50, "{copies} copies, {restarts} restarts, {commits} commits");
}

#[test]
fn writers_with_automatic_checkpoints_lose_no_page() {
    two_writers_and_an_operator(["writer", "writer"], 4096, 100);
}

#[test]
fn writers_without_checkpoints_lose_no_page() {
    two_writers_and_an_operator(["writer without checkpoints"; 2], 1024, 200);
}

#[test]
fn writers_that_pad_their_commits_lose_no_page() {
    two_writers_and_an_operator(["writer without psow"; 2], 512, 300);
}

#[test]
fn writers_killed_inside_their_commits_lose_no_page() {
    const KILLS: u32 = 600;
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(dir.path());
    place.create(4096);
    let killed = AtomicU32::new(0);
    let observer = Observer::new(dir.path(), 7);
    std::thread::scope(|scope| {
        let killer = scope.spawn(|| place.kill_writers(KILLS, &killed));
        let mut observer = observer;
        let mut copied = 0;
        while !killer.is_finished() {
            observer.tick();
            if killed.load(Ordering::Relaxed) / 10 > copied {
                copied += 1;
                observer.copy();
                observer.model.assert_is(&mut observer.live);
            }
            let pause = observer.rng.below(3000);
            std::thread::sleep(Duration::from_micros(pause));
        }
        let longest = observer.longest;
        let (copies, oracle) = observer.prove();
        let (commits, torn) = (oracle.commits(), oracle.unfinished());
        assert!(copies >= 30 && commits > 300 && torn > 5, "{copies} copies, {commits} commits, {torn} cut off");
        assert!(longest < 32 << 20, "the log grew to {longest} bytes");
    });
}

/// Stopped anywhere, also between one pin and the next, for as long as a commit, a checkpoint and a second commit take.
/// If there were a moment without a pin, the first of the two commits would sometimes be lost.
#[test]
fn there_is_no_moment_without_a_pin() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(dir.path());
    place.create(512);
    let mut child = place.spawn("observer", 900);
    wait_until_ready(&mut child);
    let app = Connection::open(place.database()).unwrap();
    app.execute_batch("PRAGMA synchronous = OFF; PRAGMA wal_autocheckpoint = 0; PRAGMA busy_timeout = 0").unwrap();
    // Stopped in the few instructions in which SQLite itself holds the slot of a read mark exclusively, any process keeps
    // the others out; they give up after ten seconds (`walTryBeginRead` in wal.c). And whoever reads the header of the
    // wal-index while it is being written, and finds its copies unequal, looks again under the write lock
    // (`walIndexReadHdr`). Such a round tells nothing.
    let try_commit = || match app.execute("INSERT OR REPLACE INTO t VALUES (abs(random()) % 50, 0, randomblob(40))", [])
    {
        Ok(_) => true,
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::FileLockingProtocolFailed | ErrorCode::DatabaseBusy) => false,
            _ => panic!("the application got an error: {error}"),
        },
    };
    // For more than an instant nobody who runs keeps the write lock.
    let commit = || assert!((0..100).any(|_| try_commit() || sleep_a_moment()), "the write lock is held");
    let (pid, mut rng, mut truncated) = (Pid::from_child(&child), Rng::new(901), 0);
    for _ in 0..5000 {
        // Commits no faster than they are captured, so that the pin is always on the move.
        let until = Instant::now() + Duration::from_micros(rng.below(2000));
        while Instant::now() < until {
            commit();
            let next = Instant::now() + Duration::from_micros(100);
            while Instant::now() < next {}
        }
        // Hit at any moment of what the observer does about a commit: a little later it is done with it.
        commit();
        let hit = Instant::now() + Duration::from_micros(rng.below(60));
        while Instant::now() < hit {}
        kill_process(pid, Signal::STOP).unwrap();
        let state = || std::fs::read_to_string(format!("/proc/{}/stat", child.id())).unwrap();
        while !state().contains(") T ") {
            assert!(!state().contains(") Z "), "the observer has failed");
        }
        if try_commit() {
            truncated += app.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0)).unwrap();
            try_commit();
        }
        kill_process(pid, Signal::CONT).unwrap();
        let wal = std::fs::metadata(db::beside(&place.database(), "-wal")).unwrap().len();
        assert!(wal < 1 << 28, "the observer fell behind: {wal} bytes");
    }
    place.stop([child]);
    assert!(truncated > 0, "a checkpoint was kept from completing by the pin");
}

fn sleep_a_moment() -> bool {
    std::thread::sleep(Duration::from_millis(1));
    false
}

/// The process of the test above.
pub(crate) fn observe(dir: &Path) {
    let mut observer = Observer::new(dir, 900);
    say_ready();
    while !observer.place.stopped() {
        observer.advance();
        if observer.rng.below(100) == 0 {
            observer.model.assert_is(&mut observer.live);
        }
    }
    while observer.advance().commits > 0 {}
    observer.model.assert_is(&mut observer.live);
    assert!(observer.live.totals().commits > 2000, "it kept up with the application");
}

/// SQLite's own busy handler asks for the write lock eight times in 100 ms, and did not get it.
#[test]
fn a_writer_that_never_pauses_does_not_make_the_log_grow() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(dir.path());
    place.create(4096);
    let child = place.spawn("writer without a pause", 400);
    let mut observer = Observer::new(dir.path(), 400);
    let began = Instant::now();
    while began.elapsed() < Duration::from_secs(6) {
        observer.tick();
        std::thread::sleep(Duration::from_millis(20));
    }
    place.stop([child]);
    let (attempts, reclaimed) = (observer.attempts, observer.reclaimed);
    let (_, oracle) = observer.prove();
    assert!(oracle.commits() > 300, "{} commits", oracle.commits());
    assert!(attempts >= 5 && reclaimed * 4 > attempts * 3, "{reclaimed} of {attempts} attempts got the whole log");
}
