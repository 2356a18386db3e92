//! The application: a chain of digests, accounts whose sum never changes, and blobs that come and go.
//!
//! A row of `chain` a commit: `h` is SHA-256 of the `h` before it and the payload. A copy so proves by itself which
//! commit it stands for, and the database is asked whether it ever had that one.

use std::path::Path;
use std::time::Duration;

use rusqlite::{Connection, params};
use sha2::{Digest as _, Sha256};
use waloy::testing::dice::Dice;

use crate::rungs::processes::Place;

/// Rows of `chain` that are kept: some minutes.
pub(super) const KEPT: i64 = 100_000;
/// Accounts, and what they have together.
const ACCOUNTS: i64 = 100;
pub(super) const SUM: i64 = 100_000;

/// Makes the database.
pub(super) fn create(place: &Place) -> anyhow::Result<()> {
    let connection = Connection::open(place.database())?;
    connection.execute_batch(&format!(
        "PRAGMA journal_mode = WAL; BEGIN;
         CREATE TABLE chain(i INTEGER PRIMARY KEY, payload BLOB, h BLOB);
         CREATE TABLE bank(account INTEGER PRIMARY KEY, balance INTEGER);
         CREATE TABLE noise(id INTEGER PRIMARY KEY, x BLOB);
         CREATE INDEX noise_x ON noise(substr(x, 1, 8));
         INSERT INTO chain VALUES (1, x'', x'');
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < {ACCOUNTS})
         INSERT INTO bank SELECT i, {} FROM n;
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 5000)
         INSERT INTO noise(x) SELECT randomblob(2000) FROM n;
         COMMIT;",
        SUM / ACCOUNTS
    ))?;
    Ok(())
}

/// Some hundred small transactions a second, and now and then a large one.
pub(super) fn write(dir: &Path, seed: u64) -> anyhow::Result<()> {
    let (place, mut dice) = (Place::new(dir), Dice::new(seed));
    let mut connection = place.open(true)?;
    connection.execute_batch("PRAGMA synchronous = NORMAL; PRAGMA wal_autocheckpoint = 0")?;
    place.say_ready()?;
    while !place.is_over("writers") {
        transaction(&mut connection, &mut dice)?;
        std::thread::sleep(Duration::from_micros(dice.below(8000)));
    }
    Ok(())
}

fn transaction(connection: &mut Connection, dice: &mut Dice) -> anyhow::Result<()> {
    let transaction = connection.transaction_with_behavior(rusqlite::TransactionBehavior::Immediate)?;
    let last = "SELECT i, h FROM chain ORDER BY i DESC LIMIT 1";
    let (i, h): (i64, Vec<u8>) = transaction.query_row(last, [], |row| Ok((row.get(0)?, row.get(1)?)))?;
    let payload: Vec<u8> = (0..=dice.below(30)).flat_map(|_| dice.below(u64::MAX).to_le_bytes()).collect();
    let h = link(&h, &payload);
    transaction.execute("INSERT INTO chain VALUES (?1, ?2, ?3)", params![i + 1, payload, h])?;
    transaction.execute("DELETE FROM chain WHERE i <= ?1", [i + 1 - KEPT])?;
    let (from, to, by) = (dice.below(100) + 1, dice.below(100) + 1, dice.below(50));
    let transfer = "UPDATE bank SET balance = balance + ?2 WHERE account = ?1";
    transaction.execute(transfer, (from as i64, -(by as i64)))?;
    transaction.execute(transfer, (to as i64, by as i64))?;
    // As many as there are stay.
    let rows = if dice.one_in(2000) { 1500 } else { dice.below(2) as i64 };
    if rows > 0 {
        let limit = "DELETE FROM noise WHERE id IN (SELECT id FROM noise ORDER BY id LIMIT ?1)";
        transaction.execute(limit, [rows])?;
        let add = "WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < ?1)
                   INSERT INTO noise(x) SELECT randomblob(2000) FROM n";
        transaction.execute(add, [rows])?;
    }
    if dice.one_in(20) {
        transaction.rollback()?
    } else {
        transaction.commit()?
    }
    Ok(())
}

pub(super) fn link(h: &[u8], payload: &[u8]) -> Vec<u8> {
    Sha256::new_with_prefix(h).chain_update(payload).finalize().to_vec()
}

/// Checkpoints of every kind, and now and then `VACUUM`.
pub(super) fn operate(dir: &Path, seed: u64) -> anyhow::Result<()> {
    let (place, mut dice) = (Place::new(dir), Dice::new(seed));
    let connection = place.open(true)?;
    connection.execute_batch("PRAGMA wal_autocheckpoint = 0")?;
    place.say_ready()?;
    while !place.is_over("writers") {
        if dice.one_in(60) {
            connection.busy_timeout(Duration::from_secs(20))?;
            connection.execute_batch("VACUUM")?;
        } else {
            // That others are in the way is no error: it says so in its answer.
            connection.busy_timeout(Duration::from_millis(500))?;
            let mode = *dice.pick(&["PASSIVE", "FULL", "RESTART", "TRUNCATE"]);
            let _: i64 = connection.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |row| row.get(0))?;
        }
        std::thread::sleep(Duration::from_millis(dice.below(4000)));
    }
    Ok(())
}
