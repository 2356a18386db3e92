//! The application: processes that write until they are told to stop, or killed.

use std::fs::File;
use std::path::Path;
use std::time::Duration;

use rusqlite::Connection;
use sha2::{Digest as _, Sha256};
use waloy::testing::dice::Dice;

use super::oracle::{announce, digest_of, hex};
use crate::rungs::processes::{Place, last_commit};

/// Makes the database, with its first commit. Some of it is never written again, as in most: of a database without a
/// page left of what its replica has, waloy asks whether it is the same one.
pub(super) fn create(place: &Place, page_size: u32) -> anyhow::Result<()> {
    let connection = Connection::open(place.database())?;
    connection.execute_batch(&format!(
        "PRAGMA page_size = {page_size}; PRAGMA auto_vacuum = INCREMENTAL; PRAGMA journal_mode = WAL; BEGIN;
         CREATE TABLE chain(i INTEGER PRIMARY KEY, payload BLOB, h TEXT);
         CREATE TABLE t(id INTEGER PRIMARY KEY, k INTEGER, x BLOB);
         CREATE INDEX t_k ON t(k);
         CREATE TABLE old(x BLOB);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
         INSERT INTO old SELECT randomblob({page_size} / 2) FROM n;
         INSERT INTO chain VALUES (1, x'00', 'first'); COMMIT;"
    ))?;
    announce(place, &(1, "first".to_owned()), "-", &digest_of(&connection)?, "commit")
}

/// Writes, with a pause now and then.
pub(super) fn write(dir: &Path, seed: u64) -> anyhow::Result<()> {
    Writer::open(dir, seed)?.go_on(Duration::from_millis(3))
}

/// Writes without a pause.
pub(super) fn hurry(dir: &Path, seed: u64) -> anyhow::Result<()> {
    Writer::open(dir, seed)?.go_on(Duration::ZERO)
}

/// Checkpoints of every kind, `VACUUM`, large transactions.
pub(super) fn operate(dir: &Path, seed: u64) -> anyhow::Result<()> {
    Writer::open(dir, seed)?.operate(true)
}

/// The same without `VACUUM`: what it leaves is known after it alone, and a process that may be killed says it before.
pub(super) fn checkpoint(dir: &Path, seed: u64) -> anyhow::Result<()> {
    Writer::open(dir, seed)?.operate(false)
}

/// A connection of the application.
struct Writer {
    place: Place,
    connection: Connection,
    /// Whoever waits for `turn` holds this, so that `VACUUM` gets its turn.
    gate: File,
    /// Shared by transactions; exclusive for `VACUUM`, whose digest can only be taken after its commit.
    turn: File,
    dice: Dice,
}

impl Writer {
    fn open(dir: &Path, seed: u64) -> anyhow::Result<Writer> {
        let (place, mut dice) = (Place::new(dir), Dice::new(seed));
        let connection = place.open(!dice.one_in(3))?;
        let pages = *dice.pick(&[0, 100, 1000]);
        // A cache of ten pages spills what a larger transaction changes into the log before the commit.
        connection.execute_batch(&format!(
            "PRAGMA cache_size = 10; PRAGMA cache_spill = 1; PRAGMA wal_autocheckpoint = {pages};
             PRAGMA synchronous = FULL"
        ))?;
        let (gate, turn) = (File::create(place.path("gate"))?, File::create(place.path("turn"))?);
        place.say_ready()?;
        Ok(Writer { place, connection, gate, turn, dice })
    }

    fn go_on(mut self, pause: Duration) -> anyhow::Result<()> {
        while !self.place.is_over("writers") {
            match self.dice.below(16) {
                0 => self.transaction("rollback", Writer::flood)?,
                1 => self.transaction("rollback", Writer::churn)?,
                2 | 3 => self.transaction("commit", Writer::drain)?,
                4 => self.transaction("commit", Writer::change_mind)?,
                _ => self.transaction("commit", Writer::churn)?,
            }
            if !pause.is_zero() {
                std::thread::sleep(pause.mul_f64(self.dice.below(100) as f64 / 50.0));
            }
        }
        Ok(())
    }

    fn operate(mut self, vacuum: bool) -> anyhow::Result<()> {
        while !self.place.is_over("writers") {
            match self.dice.below(40) {
                0 if vacuum => self.vacuum()?,
                1..4 => self.transaction("commit", Writer::flood)?,
                4..6 => self.transaction("rollback", Writer::flood)?,
                6..8 => self.transaction("commit", Writer::drain)?,
                _ => self.checkpoint()?,
            }
            std::thread::sleep(Duration::from_micros(self.dice.below(10_000)));
        }
        Ok(())
    }

    fn transaction(
        &mut self,
        end: &str,
        change: fn(&Connection, &mut Dice) -> rusqlite::Result<()>,
    ) -> anyhow::Result<()> {
        self.gate.lock()?;
        self.turn.lock_shared()?;
        self.gate.unlock()?;
        self.connection.execute_batch("BEGIN IMMEDIATE")?;
        let before = last_commit(&self.connection)?;
        change(&self.connection, &mut self.dice)?;
        let payload: Vec<u8> = (0..8).flat_map(|_| self.dice.below(u64::MAX).to_le_bytes()).collect();
        let mut hash = Sha256::new_with_prefix(&before.1);
        // Two that were killed at the same place of the same chain did not write the same.
        hash.update(std::process::id().to_le_bytes());
        hash.update(&payload);
        let commit = (before.0 + 1, hex(&hash.finalize()));
        let add = "INSERT INTO chain(i, payload, h) VALUES (?1, ?2, ?3)";
        self.connection.execute(add, (commit.0, payload, &commit.1))?;
        self.connection.execute("DELETE FROM chain WHERE i < ?1 - 50", [commit.0])?;
        announce(&self.place, &commit, &before.1, &digest_of(&self.connection)?, end)?;
        self.connection.execute_batch(if end == "commit" { "COMMIT" } else { "ROLLBACK" })?;
        self.turn.unlock()?;
        Ok(())
    }

    fn vacuum(&mut self) -> anyhow::Result<()> {
        self.gate.lock()?;
        self.turn.lock()?;
        self.connection.execute_batch("VACUUM")?;
        self.connection.execute_batch("BEGIN")?;
        let commit = last_commit(&self.connection)?;
        announce(&self.place, &commit, "-", &digest_of(&self.connection)?, "vacuum")?;
        self.connection.execute_batch("COMMIT")?;
        self.turn.unlock()?;
        self.gate.unlock()?;
        Ok(())
    }

    /// That others are in the way is no error of a checkpoint: it says so in its answer.
    fn checkpoint(&mut self) -> anyhow::Result<()> {
        let mode = *self.dice.pick(&["TRUNCATE", "RESTART", "FULL", "PASSIVE"]);
        self.connection.busy_timeout(Duration::from_millis(300))?;
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        let _: i64 = self.connection.query_row(&sql, [], |row| row.get(0))?;
        self.connection.busy_timeout(Duration::from_secs(5))?;
        Ok(())
    }

    fn churn(connection: &Connection, dice: &mut Dice) -> rusqlite::Result<()> {
        let add = "INSERT INTO t(k, x) VALUES (?1, randomblob(?2))";
        for _ in 0..=dice.below(3) {
            connection.execute(add, (dice.below(1000) as i64, dice.below(3000) as i64))?;
        }
        let touch = "UPDATE t SET x = randomblob(length(x)) WHERE k = (SELECT k FROM t ORDER BY random() LIMIT 1)";
        connection.execute(touch, [])?;
        connection.execute("DELETE FROM t WHERE k < 1000 AND id < (SELECT max(id) - 100 FROM t)", [])?;
        Ok(())
    }

    /// 2,000 rows, more than the cache holds.
    fn flood(connection: &Connection, dice: &mut Dice) -> rusqlite::Result<()> {
        let rows = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
                    INSERT INTO t(k, x) SELECT 1000 + i, randomblob(?1) FROM n";
        connection.execute("DELETE FROM t WHERE k >= 1000", [])?;
        connection.execute(rows, [10 + dice.below(60) as i64])?;
        Ok(())
    }

    /// Gives pages back at the end of the file.
    fn drain(connection: &Connection, dice: &mut Dice) -> rusqlite::Result<()> {
        connection.execute("DELETE FROM t WHERE k >= 1000", [])?;
        let mut pages = connection.prepare(&format!("PRAGMA incremental_vacuum({})", 1 + dice.below(200)))?;
        let mut rows = pages.query([])?;
        while rows.next()?.is_some() {}
        Ok(())
    }

    /// Part of a transaction is rolled back.
    fn change_mind(connection: &Connection, dice: &mut Dice) -> rusqlite::Result<()> {
        connection.execute_batch("SAVEPOINT s")?;
        Writer::flood(connection, dice)?;
        connection.execute_batch("ROLLBACK TO s; RELEASE s")?;
        Writer::churn(connection, dice)
    }
}
