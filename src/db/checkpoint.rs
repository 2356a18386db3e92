//! Reclaiming the log: PASSIVE first, under the write lock second, TRUNCATE only when nobody is in the way.

use std::time::{Duration, Instant};

use rusqlite::Connection;

use super::error::Error;
use super::live::Live;
use super::open;
use super::tail::Sink;
use crate::units::FrameNo;

/// How long one attempt waits for the application's write lock.
const WRITE_LOCK_WAIT: Duration = Duration::from_millis(100);

/// How often it asks meanwhile. A writer that never pauses lets go of the lock for some microseconds between two
/// commits; SQLite's own handler asks eight times in 100 ms, and seldom meets one of these moments.
const WRITE_LOCK_POLL: Duration = Duration::from_micros(100);

/// How long, under the write lock, the checkpoint of somebody else is waited for. An application that checkpoints after
/// each commit, as SQLite does by itself beyond 1,000 pages, is at it most of the time and done in a moment; one that
/// waits for the lock that we hold is let in after this.
const OTHER_CHECKPOINT_WAIT: Duration = Duration::from_millis(5);

/// Bytes that may be left to copy when the write lock is asked for: copying them keeps the application's writers out for
/// some milliseconds.
const FEW: u64 = 8 << 20;

/// How a checkpoint ended.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Reclaimed {
    /// All of the log is in the database file: the next writer starts it over.
    All,
    /// An application's reader still needs frames, or its writer did not let us in: later more.
    Some,
    /// Another checkpointer is at work.
    Busy,
}

pub(super) fn reclaim(live: &mut Live, sink: &mut dyn Sink) -> Result<Reclaimed, Error> {
    live.require_identity()?;
    if !live.shares_the_index() {
        return Ok(Reclaimed::Some);
    }
    let checkpointer = connect(live)?;
    let mut before = u64::MAX;
    loop {
        live.move_pin(sink)?;
        let captured = live.position().frame;
        let passive = run(&checkpointer, "PASSIVE")?;
        live.move_pin(sink)?;
        if complete(live)? {
            return Ok(Reclaimed::All);
        }
        // The other one copies as far as the pin had been moved, and no further.
        if passive.busy && left(live)? > FEW {
            return Ok(Reclaimed::Busy);
        }
        // Held back below what our pin had seen: a reader of the application, which no lock of ours would hurry.
        if !passive.busy && passive.backfilled < captured {
            return Ok(Reclaimed::Some);
        }
        // What was copied up to now is on its way to the disk, and not there: only a checkpoint that completes syncs the
        // file. It shall not wait for that with the write lock in its hands, nor for what was written to the log.
        live.sync_both()?;
        let left = left(live)?;
        if left <= FEW {
            return under_write_lock(live, &checkpointer, sink);
        }
        // More was written meanwhile than the application could wait for. It is copied in the same way, as long as that
        // gains upon the writers.
        if left >= before {
            return Ok(Reclaimed::Some);
        }
        before = left;
    }
}

/// Writers kept adding frames: keep them out for the moment that the rest takes.
fn under_write_lock(live: &mut Live, checkpointer: &Connection, sink: &mut dyn Sink) -> Result<Reclaimed, Error> {
    // Behind a reference, since later versions of rusqlite ask for a mutable one here and earlier ones do not.
    let lock = &mut connect(live)?;
    lock.busy_handler(Some(ask_often)).map_err(Error::sqlite("wait for the write lock", live.path()))?;
    if lock.execute_batch("BEGIN IMMEDIATE").is_err() {
        return Ok(Reclaimed::Some);
    }
    let outcome = complete_under_lock(live, checkpointer, sink);
    // Nothing was written under the lock: log and wal-index are byte for byte what they were.
    if let Err(error) = lock.execute_batch("ROLLBACK") {
        tracing::warn!(%error, "cannot give the write lock back; closing the connection that holds it");
    }
    outcome
}

fn complete_under_lock(live: &mut Live, checkpointer: &Connection, sink: &mut dyn Sink) -> Result<Reclaimed, Error> {
    // The lock may have come late, behind a large transaction.
    if left(live)? > FEW {
        return Ok(Reclaimed::Some);
    }
    live.move_pin(sink)?;
    if run_soon(checkpointer)?.busy {
        // Another checkpointer waits for the lock that we hold: let go of it.
        return Ok(Reclaimed::Busy);
    }
    live.move_pin(sink)?;
    Ok(if complete(live)? { Reclaimed::All } else { Reclaimed::Some })
}

/// PASSIVE, as soon as the checkpoint that somebody else is at has ended.
fn run_soon(checkpointer: &Connection) -> Result<Checkpoint, Error> {
    let began = Instant::now();
    loop {
        let passive = run(checkpointer, "PASSIVE")?;
        if !passive.busy || began.elapsed() >= OTHER_CHECKPOINT_WAIT {
            return Ok(passive);
        }
        std::thread::sleep(WRITE_LOCK_POLL);
    }
}

fn ask_often(asked: i32) -> bool {
    std::thread::sleep(WRITE_LOCK_POLL);
    WRITE_LOCK_POLL * asked.unsigned_abs() < WRITE_LOCK_WAIT
}

pub(super) fn truncate(live: &mut Live, sink: &mut dyn Sink) -> Result<bool, Error> {
    live.move_pin(sink)?;
    if !complete(live)? {
        return Ok(false);
    }
    let checkpointer = connect(live)?;
    let done = match run(&checkpointer, "TRUNCATE") {
        Ok(truncated) => !truncated.busy,
        Err(error) if error.is_transient() => false,
        Err(error) => return Err(error),
    };
    live.move_pin(sink)?;
    Ok(done)
}

struct Checkpoint {
    busy: bool,
    backfilled: FrameNo,
}

fn run(connection: &Connection, mode: &'static str) -> Result<Checkpoint, Error> {
    let sql = format!("PRAGMA wal_checkpoint({mode})");
    let result = connection.query_row(&sql, [], |row| {
        let (busy, backfilled) = (row.get::<_, i64>(0)?, row.get::<_, i64>(2)?);
        Ok(Checkpoint { busy: busy != 0, backfilled: FrameNo(u32::try_from(backfilled).unwrap_or(0)) })
    });
    match result {
        Ok(checkpoint) => Ok(checkpoint),
        Err(error) if error.sqlite_error_code() == Some(rusqlite::ErrorCode::DatabaseBusy) => {
            Ok(Checkpoint { busy: true, backfilled: FrameNo(0) })
        }
        Err(source) => Err(Error::Sqlite { what: "run a checkpoint", source }),
    }
}

/// Bytes of page images that no checkpoint has copied yet.
fn left(live: &Live) -> Result<u64, Error> {
    let index = live.index()?;
    let frames = index.max_frame.0.saturating_sub(index.backfilled.0);
    Ok(u64::from(frames) * u64::from(live.page_size().get()))
}

fn complete(live: &Live) -> Result<bool, Error> {
    let index = live.index()?;
    Ok(index.backfilled == index.max_frame)
}

/// A connection that never waits, and that checkpoints as durably as SQLite can.
fn connect(live: &Live) -> Result<Connection, Error> {
    let connection = open::connect(live.path())?;
    open::require_wal(&connection, live.path(), open::Options { set_wal: false, ..live.options() })?;
    connection.busy_timeout(Duration::ZERO).map_err(Error::sqlite("open the database", live.path()))?;
    Ok(connection)
}
