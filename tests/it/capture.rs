//! Capture against a live SQLite: what the sink was given, put together, is the database.

use std::io::Write as _;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use waloy::db::{self, Ignore, Live, Place, Reclaimed, Room};
use waloy::units::{FrameNo, PageNo};
use waloy::wal::{ByteOrder, Checksum, FRAME_HEADER_LEN, HEADER_LEN, Position};

use crate::pages::Model;

fn create(path: &Path, page_size: u32) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection.busy_timeout(Duration::from_secs(10)).unwrap();
    connection
        .execute_batch(&format!(
            "PRAGMA page_size = {page_size}; PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB);"
        ))
        .unwrap();
    connection
}

fn open(path: &Path) -> Live {
    Live::open(path, db::Options::default(), None, &mut Ignore).unwrap()
}

#[test]
fn what_was_captured_is_the_database_for_every_page_size() {
    for page_size in [512, 1024, 4096, 65_536] {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.db");
        let app = create(&path, page_size);
        let mut live = open(&path);
        assert_eq!(live.page_size().get(), page_size);
        let mut model = Model::of(&mut live);
        for round in 0..30 {
            app.execute("INSERT INTO t(x) VALUES (randomblob(3000))", []).unwrap();
            if round % 7 == 3 {
                app.execute("DELETE FROM t WHERE id % 2 = 0", []).unwrap();
                app.execute_batch("VACUUM").unwrap();
            }
            let captured = live.advance(&mut model).unwrap().expect("something was committed");
            assert!(captured.commits >= 1);
            model.assert_is(&mut live);
            if round % 5 == 0 {
                assert_eq!(live.reclaim(&mut model).unwrap(), Reclaimed::All);
            }
            assert_eq!(live.advance(&mut model).unwrap(), None, "nothing happened");
        }
    }
}

#[test]
fn the_log_is_started_over_while_it_is_pinned_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let app = create(&path, 4096);
    let mut live = open(&path);
    let mut model = Model::of(&mut live);
    let mut restarts = 0;
    for _ in 0..200 {
        app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
        assert_eq!(live.reclaim(&mut model).unwrap(), Reclaimed::All);
        app.execute("INSERT INTO t(x) VALUES (randomblob(100))", []).unwrap();
        restarts += u32::from(live.advance(&mut model).unwrap().unwrap().restarted);
    }
    assert_eq!(restarts, 200);
    assert!(live.wal_len().unwrap() < 100_000, "the log stayed short");
    model.assert_is(&mut live);
}

/// Writes so much that it spills into the log, and takes it back: a log started over now has a header and no commit.
fn begin_a_log_without_a_commit(app: &Connection) {
    app.execute_batch("PRAGMA cache_size = 10; PRAGMA cache_spill = 1; BEGIN").unwrap();
    app.execute("INSERT INTO t(x) VALUES (zeroblob(300000))", []).unwrap();
    app.execute_batch("ROLLBACK").unwrap();
}

/// Each connection counts the restarts that it made by itself, so the second writer's header has another sequence number
/// than the first one's; whoever compared the salts alone would go on with the first one's checksums.
#[test]
fn a_log_whose_first_writer_rolled_back_gets_another_header_with_the_same_salts() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let (first, second) = (create(&path, 4096), Connection::open(&path).unwrap());
    let mut live = open(&path);
    let mut model = Model::of(&mut live);
    // The first one restarts the log twice, the second one once: one that never did would make new salts.
    for app in [&first, &second, &first] {
        app.execute("INSERT INTO t(x) VALUES (1)", []).unwrap();
        assert_eq!(live.reclaim(&mut model).unwrap(), Reclaimed::All);
        app.execute("INSERT INTO t(x) VALUES (1)", []).unwrap();
    }
    assert_eq!(live.reclaim(&mut model).unwrap(), Reclaimed::All);
    begin_a_log_without_a_commit(&first);
    live.advance(&mut model).unwrap();
    let before = live.position();
    assert_eq!(before.frame.0, 0);
    second.execute("INSERT INTO t(x) VALUES (2)", []).unwrap();
    assert_eq!(live.advance(&mut model).unwrap().unwrap().commits, 1);
    let after = live.position();
    assert_eq!(before.header[16..24], after.header[16..24], "the salts");
    assert_ne!(before.header, after.header, "the sequence number");
    model.assert_is(&mut live);
}

#[test]
fn a_place_in_a_log_that_nothing_was_committed_to_is_gone_on_from() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let app = create(&path, 4096);
    let mut live = open(&path);
    let mut model = Model::of(&mut live);
    app.execute("INSERT INTO t(x) VALUES (1)", []).unwrap();
    assert_eq!(live.reclaim(&mut model).unwrap(), Reclaimed::All);
    begin_a_log_without_a_commit(&app);
    live.advance(&mut model).unwrap();
    let place = live.place();
    let again = |live: Live, model: &mut Model| {
        drop(live);
        Live::open(&path, db::Options::default(), Some(&place), model)
    };
    live = again(live, &mut model).unwrap();
    app.execute("INSERT INTO t(x) VALUES (2)", []).unwrap();
    live = again(live, &mut model).unwrap();
    assert_eq!(live.totals().commits, 1);
    model.assert_is(&mut live);
    // Started over once more, it does not hold the place any longer, whether it has a header or not.
    assert_eq!(live.reclaim(&mut model).unwrap(), Reclaimed::All);
    begin_a_log_without_a_commit(&app);
    assert!(again(live, &mut model).unwrap_err().is_loss());
    app.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    assert!(again(open(&path), &mut model).unwrap_err().is_loss());
}

#[test]
fn a_log_of_an_exceptional_transaction_is_given_back() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let app = create(&path, 4096);
    let mut live = open(&path);
    let mut model = Model::of(&mut live);
    app.execute("INSERT INTO t(x) VALUES (zeroblob(30000000))", []).unwrap();
    assert_eq!(live.reclaim(&mut model).unwrap(), Reclaimed::All);
    assert!(live.wal_len().unwrap() > 30_000_000);
    assert!(live.truncate(&mut model).unwrap());
    assert_eq!(live.wal_len().unwrap(), 0);
    app.execute("INSERT INTO t(x) VALUES (1)", []).unwrap();
    live.advance(&mut model).unwrap();
    model.assert_is(&mut live);
}

#[test]
fn writers_and_foreign_checkpoints_of_every_mode_lose_no_page() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    drop(create(&path, 4096));
    let stop = Arc::new(AtomicBool::new(false));
    let mut threads = Vec::new();
    for writer in 0..2 {
        let (path, stop) = (path.clone(), stop.clone());
        threads.push(std::thread::spawn(move || {
            let app = Connection::open(&path).unwrap();
            app.busy_timeout(Duration::from_secs(10)).unwrap();
            if writer == 0 {
                app.execute_batch("PRAGMA wal_autocheckpoint = 20").unwrap();
            }
            while !stop.load(Ordering::Relaxed) {
                app.execute("INSERT INTO t(x) VALUES (randomblob(5000))", []).unwrap();
                app.execute("DELETE FROM t WHERE id < (SELECT max(id) - 100 FROM t)", []).unwrap();
                app.execute_batch("BEGIN; UPDATE t SET x = randomblob(50); ROLLBACK").unwrap();
                std::thread::sleep(Duration::from_millis(1));
            }
        }));
    }
    let (checkpointer_path, checkpointer_stop) = (path.clone(), stop.clone());
    threads.push(std::thread::spawn(move || {
        let app = Connection::open(&checkpointer_path).unwrap();
        app.busy_timeout(Duration::from_millis(300)).unwrap();
        for mode in ["TRUNCATE", "RESTART", "FULL", "PASSIVE"].iter().cycle() {
            if checkpointer_stop.load(Ordering::Relaxed) {
                break;
            }
            let _: i64 = app.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(0)).unwrap();
            std::thread::sleep(Duration::from_millis(3));
        }
    }));
    let mut live = open(&path);
    let mut model = Model::of(&mut live);
    let (began, mut restarts, mut commits) = (Instant::now(), 0, 0);
    let mut reclaimed = 0;
    while began.elapsed() < Duration::from_secs(4) {
        match live.advance(&mut model) {
            Ok(captured) => {
                let captured = captured.unwrap_or_default();
                restarts += u32::from(captured.restarted);
                commits += captured.commits;
                model.assert_is(&mut live);
            }
            Err(error) => assert!(error.is_transient(), "{error}"),
        }
        if live.frames().0 > 200 {
            reclaimed += u32::from(live.reclaim(&mut model).unwrap() == Reclaimed::All);
        }
    }
    stop.store(true, Ordering::Relaxed);
    threads.into_iter().for_each(|thread| thread.join().unwrap());
    while live.advance(&mut model).unwrap().is_some() {}
    model.assert_is(&mut live);
    assert!(restarts > 10 && commits > 100, "{restarts} restarts, {commits} commits, {reclaimed} reclaimed");
}

/// Changes bytes of the WAL behind the back of SQLite, which holds no lock on that file.
fn scribble(path: &Path, offset: u64, bytes: &[u8]) -> Vec<u8> {
    let wal = std::fs::File::options().read(true).write(true).open(db::beside(path, "-wal")).unwrap();
    let mut before = vec![0; bytes.len()];
    wal.read_exact_at(&mut before, offset).unwrap();
    wal.write_all_at(bytes, offset).unwrap();
    before
}

/// The count of pages of a half-read transaction stayed, so that the second try took the wrong pages for new ones.
#[test]
fn a_capture_that_failed_half_way_leaves_everything_as_it_was() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let app = create(&path, 4096);
    let mut live = open(&path);
    let mut model = Model::of(&mut live);
    let (pages, position) = (live.pages(), live.position());
    app.execute("INSERT INTO t(x) VALUES (randomblob(90000))", []).unwrap();
    let half = live.wal_len().unwrap();
    app.execute("INSERT INTO t(x) VALUES (randomblob(90000))", []).unwrap();
    let good = scribble(&path, half + 100, &[0x5a; 16]);
    assert!(live.advance(&mut model).unwrap_err().is_loss());
    assert_eq!((live.pages(), live.position()), (pages, position));
    scribble(&path, half + 100, &good);
    assert_eq!(live.advance(&mut model).unwrap().unwrap().commits, 2);
    model.assert_is(&mut live);
}

/// A frame that is no longer there was read as a page of zeros.
#[test]
fn a_log_cut_behind_sqlite_gives_no_pages_of_zeros() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let app = create(&path, 4096);
    app.execute("INSERT INTO t(x) VALUES (randomblob(90000))", []).unwrap();
    let mut live = open(&path);
    std::fs::File::options().write(true).open(db::beside(&path, "-wal")).unwrap().set_len(5000).unwrap();
    let all: Vec<PageNo> = (1..=live.pages()).filter_map(PageNo::new).collect();
    let error = live.read_pages(&all, &mut Room::default()).unwrap_err();
    assert!(error.is_loss(), "{error}");
}

/// Nothing compared the page size in the header of the log with that of the pages given to the sink.
#[test]
fn a_log_of_another_page_size_is_refused() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let app = create(&path, 4096);
    let mut live = open(&path);
    app.execute("INSERT INTO t(x) VALUES (1)", []).unwrap();
    let mut header = scribble(&path, 0, &[0; HEADER_LEN]);
    header[8..12].copy_from_slice(&8192u32.to_be_bytes());
    let sum = Checksum::default().update(ByteOrder::Little, &header[..24]);
    header[24..28].copy_from_slice(&sum.0.to_be_bytes());
    header[28..32].copy_from_slice(&sum.1.to_be_bytes());
    scribble(&path, 0, &header);
    assert!(matches!(live.advance(&mut Ignore), Err(db::Error::PageSize)));
}

/// Sets the size of the database that the first commit in the log states, and makes everything after it right again:
/// nobody has the log open. Gives the header of the log and the checksum of its end.
fn state_pages(path: &Path, pages: u32) -> ([u8; HEADER_LEN], Checksum) {
    let mut log = std::fs::read(db::beside(path, "-wal")).unwrap();
    let (header, frames) = log.split_at_mut(HEADER_LEN);
    let mut sum = Checksum::default().update(ByteOrder::Little, &header[..24]);
    let mut stated = false;
    for frame in frames.chunks_exact_mut(FRAME_HEADER_LEN + 4096) {
        if frame[4..8] != [0; 4] && !stated {
            frame[4..8].copy_from_slice(&pages.to_be_bytes());
            stated = true;
        }
        sum = sum.update(ByteOrder::Little, &frame[..8]).update(ByteOrder::Little, &frame[FRAME_HEADER_LEN..]);
        frame[16..20].copy_from_slice(&sum.0.to_be_bytes());
        frame[20..24].copy_from_slice(&sum.1.to_be_bytes());
    }
    let header = (&*header).try_into().unwrap();
    std::fs::write(db::beside(path, "-wal"), &log).unwrap();
    (header, sum)
}

/// A database of two pages and so many commits in its log, which nobody has open.
fn left_with_commits(path: &Path, commits: u32) {
    let app = create(path, 4096);
    app.set_db_config(rusqlite::config::DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true).unwrap();
    app.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
    for _ in 0..commits {
        app.execute("INSERT INTO t(x) VALUES (1)", []).unwrap();
    }
}

/// Attaching looked up each page of the database for the first commit in the log: a commit mark of four billion pages
/// kept it at that for minutes.
#[test]
fn attaching_does_not_go_through_all_pages_of_a_large_database() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    left_with_commits(&path, 2);
    let (_, sum) = state_pages(&path, u32::MAX);
    let live = open(&path);
    assert_eq!(live.pages(), 2);
    assert_eq!(live.position().checksum, sum);
}

/// SQLite writes each page that it appends; of whoever does not, the pages are taken all the same, also from the first
/// commit of a log, before which nothing but the place tells how many there were.
#[test]
fn pages_that_a_commit_appends_without_a_frame_are_captured_from_wherever_capture_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    left_with_commits(&path, 1);
    let (header, _) = state_pages(&path, 5);
    let sum = Checksum::default().update(ByteOrder::Little, &header[..24]);
    let place = Place { position: Position { header, frame: FrameNo(0), checksum: sum }, pages: 2 };
    let mut model = Model::default();
    let mut live = Live::open(&path, db::Options::default(), Some(&place), &mut model).unwrap();
    assert_eq!((live.totals().commits, live.pages()), (1, 5));
    assert!((3..=5).all(|page| model.pages.get(&page) == Some(&vec![0; 4096])), "{:?}", model.pages.keys());
    // The first page was not written, and was not asked for.
    model.read(&mut live, &[PageNo::new(1).unwrap()]);
    model.assert_is(&mut live);
}

/// Changes the first bytes of the wal-index behind the back of SQLite; gives what they were. By another process: in this
/// one, closing the file would end SQLite's locks on it.
fn forge_index(path: &Path, change: impl FnOnce(&mut [u8; 136])) -> [u8; 136] {
    let shm = db::beside(path, "-shm");
    let read = Command::new("head").args(["-c", "136"]).arg(&shm).output().unwrap();
    let before: [u8; 136] = read.stdout.try_into().unwrap();
    let mut after = before;
    change(&mut after);
    let mut write = Command::new("dd");
    write.args(["conv=notrunc", "status=none"]).arg(format!("of={}", shm.display()));
    let mut write = write.stdin(Stdio::piped()).spawn().unwrap();
    write.stdin.take().unwrap().write_all(&after).unwrap();
    assert!(write.wait().unwrap().success());
    before
}

/// Sets a word of both copies of the header, which then fit their checksums.
fn set_word(index: &mut [u8; 136], at: usize, word: u32) {
    index[at..at + 4].copy_from_slice(&word.to_ne_bytes());
    let sum = Checksum::default().update(ByteOrder::NATIVE, &index[..40]);
    index[40..44].copy_from_slice(&sum.0.to_ne_bytes());
    index[44..48].copy_from_slice(&sum.1.to_ne_bytes());
    index.copy_within(..48, 48);
}

fn word(index: &[u8; 136], at: usize) -> u32 {
    u32::from_ne_bytes(index[at..at + 4].try_into().unwrap())
}

#[test]
fn what_the_wal_index_says_and_the_log_does_not_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let app = create(&path, 4096);
    app.execute_batch("PRAGMA wal_autocheckpoint = 0").unwrap();
    let mut live = open(&path);
    let mut model = Model::of(&mut live);
    app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
    live.advance(&mut model).unwrap();
    app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
    let (changes, last, pages, sum, salt) = (8, 16, 20, 24, 32);
    // How many commits there were is the only thing that says so if one passed by.
    for (at, by, what) in [
        (changes, 1, "1 commits passed by"),
        (changes, 2, "2 commits passed by"),
        (last, 1, "ends before frame"),
        (last, u32::MAX, "is not a commit"),
        (last, 0u32.wrapping_sub(6), "before frame"),
        (pages, 1, "pages in the log"),
        (sum, 1, "another checksum"),
        (salt, 1, "two logs"),
    ] {
        let good = forge_index(&path, |index| set_word(index, at, word(index, at).wrapping_add(by)));
        let error = live.advance(&mut Ignore).unwrap_err();
        forge_index(&path, |index| *index = good);
        assert!(error.is_loss() && error.to_string().contains(what), "{at} by {by}: {error}");
    }
    assert_eq!(live.advance(&mut model).unwrap().unwrap().commits, 1);
    model.assert_is(&mut live);
}

/// A writer that dies between the two copies of the header leaves them unequal: the next one sets the wal-index up anew
/// from the log, and SQLite's count of commits begins at 0.
#[test]
fn capture_goes_on_after_the_wal_index_was_recovered() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("a.db");
    let app = create(&path, 4096);
    let mut live = open(&path);
    let mut model = Model::of(&mut live);
    for _ in 0..3 {
        app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
        live.advance(&mut model).unwrap();
    }
    forge_index(&path, |index| index[8] ^= 1);
    for _ in 0..2 {
        app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", []).unwrap();
    }
    let mut now = 0;
    forge_index(&path, |index| now = word(index, 8));
    assert_eq!(now, 2, "it was recovered");
    assert_eq!(live.advance(&mut model).unwrap().unwrap().commits, 2);
    app.execute("INSERT INTO t(x) VALUES (1)", []).unwrap();
    assert_eq!(live.advance(&mut model).unwrap().unwrap().commits, 1);
    model.assert_is(&mut live);
}

/// Somebody took the wal-index away as "stale" while waloy alone had it: of what was committed by way of the new one nothing
/// was ever heard.
#[test]
fn a_wal_index_that_was_made_anew_is_noticed() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = Connection::open(&db).unwrap();
    app.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t(x); INSERT INTO t VALUES (1)").unwrap();
    let mut live = Live::open(&db, db::Options::default(), None, &mut Ignore).unwrap();
    drop(app);
    let shm = db::beside(&db, "-shm");
    let content = std::fs::read(&shm).unwrap();
    std::fs::remove_file(&shm).unwrap();
    std::fs::write(&shm, content).unwrap();
    live.ask_identity();
    let error = live.advance(&mut Ignore).unwrap_err();
    assert!(matches!(error, db::Error::Replaced(_)) && error.is_loss(), "{error}");
}
