//! The locks of the process that waloy is embedded in.
//!
//! POSIX locks belong to the process: one ordinary `open` and `close` of the database, anywhere in it, would drop those
//! of every connection. Each test looks at `/proc/locks` from a process of its own.

use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use rusqlite::Connection;
use waloy::db::{self, Ignore, Live, Room, beside};
use waloy::engine::{Hooks, Options, Replicator};
use waloy::replica::Replica;
use waloy::storage::DirStore;
use waloy::units::PageNo;

use crate::workload::Place;

/// One lock of this process: read or write, first and last byte.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
struct Lock {
    write: bool,
    first: u64,
    last: u64,
}

/// The locks that this process has on a file. The list of all processes is not read at one moment, and may lack some
/// while others change theirs: so it counts when it says the same three times.
fn locks(path: &Path) -> Vec<Lock> {
    loop {
        let found = list(path);
        if (0..2).all(|_| list(path) == found) {
            return found;
        }
    }
}

fn list(path: &Path) -> Vec<Lock> {
    let (pid, inode) = (std::process::id().to_string(), std::fs::metadata(path).unwrap().ino().to_string());
    let mut locks: Vec<Lock> = std::fs::read_to_string("/proc/locks")
        .unwrap()
        .lines()
        .filter_map(|line| {
            // 1: POSIX  ADVISORY  READ 4711 08:01:1234567 1073741826 1073742335
            let [_, "POSIX", _, kind, owner, file, first, last] = line.split_whitespace().collect::<Vec<_>>()[..]
            else {
                return None;
            };
            let ours = owner == pid && file.rsplit(':').next() == Some(&inode);
            let last = last.parse().unwrap_or(u64::MAX);
            ours.then(|| Lock { write: kind == "WRITE", first: first.parse().unwrap(), last })
        })
        .collect();
    locks.sort();
    locks
}

/// The database and its `-shm`: all that the connections hold is still held, at least as strongly.
#[derive(PartialEq, Eq, Debug)]
struct Held([Vec<Lock>; 2]);

impl Held {
    fn now(database: &Path) -> Held {
        Held([locks(database), locks(&beside(database, "-shm"))])
    }

    /// Whether every byte locked before is still locked. Adjacent locks of one process are one lock.
    fn covers(&self, before: &Held) -> bool {
        self.0.iter().zip(&before.0).all(|(now, before)| {
            before.iter().all(|old| {
                (old.first..=old.last.min(old.first + 1024)).all(|byte| {
                    now.iter().any(|new| (new.first..=new.last).contains(&byte) && (new.write || !old.write))
                })
            })
        })
    }
}

fn open(path: &Path) -> Live {
    Live::open(path, db::Options::default(), None, &mut Ignore).unwrap()
}

fn read_everything(live: &mut Live) {
    let all: Vec<PageNo> = (1..=live.pages()).filter_map(PageNo::new).collect();
    live.read_pages(&all, &mut Room::default()).unwrap();
}

#[test]
fn the_locks_of_other_connections_in_the_process_stay() {
    let dir = tempfile::tempdir().unwrap();
    let place = Place::new(dir.path());
    place.create(4096);
    let child = place.spawn("pool", 0).wait_with_output().unwrap();
    assert!(child.status.success(), "{}", String::from_utf8_lossy(&child.stdout));
}

/// The process of the test above.
pub(crate) fn a_pool_of_connections(place: &Place) {
    let path = place.database();
    let pool: Vec<Connection> = (0..4).map(|_| Connection::open(&path).unwrap()).collect();
    let count = "SELECT count(*) FROM t";
    pool[0].execute("INSERT INTO t(k, x) VALUES (1, randomblob(50000))", []).unwrap();
    pool[1].execute_batch("BEGIN").unwrap();
    pool[1].query_row(count, [], |_| Ok(())).unwrap();
    pool[2].execute_batch("BEGIN IMMEDIATE; INSERT INTO t(k, x) VALUES (2, randomblob(9000))").unwrap();
    let before = Held::now(&path);
    let [database, shm] = &before.0;
    assert!(!database.is_empty() && shm.iter().any(|lock| lock.write), "the pool holds locks: {before:?}");

    // A snapshot.
    let mut live = open(&path);
    read_everything(&mut live);
    assert!(Held::now(&path).covers(&before), "with the database open: {:?}", Held::now(&path));
    // A restart.
    let place = live.place();
    drop(live);
    assert_eq!(Held::now(&path), before, "after the first drop");
    let mut live = Live::open(&path, db::Options::default(), Some(&place), &mut Ignore).unwrap();
    read_everything(&mut live);
    assert!(Held::now(&path).covers(&before), "after the restart: {:?}", Held::now(&path));
    // Checkpoints, whose connections come and go. The pool's reader keeps them from completing.
    live.reclaim(&mut Ignore).unwrap();
    assert!(!live.truncate(&mut Ignore).unwrap());
    assert!(Held::now(&path).covers(&before), "after a checkpoint: {:?}", Held::now(&path));
    drop(live);
    assert_eq!(Held::now(&path), before, "after the drop");

    // The same with all of the library: snapshot, segment, an end without notice, a restart, an end with a last sync.
    let runtime = tokio::runtime::Runtime::new().unwrap();
    let store = Replica::plain(Arc::new(DirStore::new(path.with_extension("replica"))));
    for round in 0..3 {
        runtime.block_on(async {
            let mut options = Options::new(&path);
            options.automatic = false;
            let mut replicator = Replicator::start(options, store.clone(), Hooks::default()).await.unwrap();
            replicator.sync().await.unwrap();
            replicator.checkpoint().await.unwrap();
            assert!(Held::now(&path).covers(&before), "replicated: {:?}", Held::now(&path));
            if round != 1 {
                replicator.shutdown().await.unwrap();
            }
        });
        for attempt in 0.. {
            if Held::now(&path) == before {
                break;
            }
            assert!(attempt < 100 && Held::now(&path).covers(&before), "round {round}: {:?}", Held::now(&path));
            std::thread::sleep(Duration::from_millis(20));
        }
        // The state directory is free again once the thread has ended.
        std::thread::sleep(Duration::from_millis(100));
    }

    // The pool never noticed: its transaction commits, its reader sees what it saw.
    pool[2].execute_batch("COMMIT").unwrap();
    assert_eq!(pool[1].query_row(count, [], |row| row.get::<_, i64>(0)).unwrap(), 1);
    assert_eq!(pool[3].query_row(count, [], |row| row.get::<_, i64>(0)).unwrap(), 2);
    // This is how the test would notice: one ordinary open and close, and the locks of the pool are gone.
    let before = Held::now(&path);
    drop(std::fs::File::open(beside(&path, "-shm")).unwrap());
    assert!(!Held::now(&path).covers(&before), "{before:?}");
}
