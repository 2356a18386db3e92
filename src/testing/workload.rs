//! An application whose database certifies itself: whatever comes out of a backup says which commit it stands for, and
//! that it is that commit and no mixture.
//!
//! ```text
//!  chain(i, payload, h)   one row a commit; h = SHA-256(h of the row before ‖ payload)
//!  bank(id, cents)        money is moved, and neither made nor lost
//!  noise(id, k, x)        rows that come and go, with an index: large ones, many, none
//! ```
//!
//! [`create`] makes the tables, [`commit`] commits once, [`certify`] looks at a database, the original or a restored
//! one. Page for page it is compared elsewhere: this tells what SQLite would.
//!
//! ```
//! # fn main() -> Result<(), Box<dyn std::error::Error>> {
//! use waloy::testing::{dice::Dice, workload};
//!
//! let app = rusqlite::Connection::open_in_memory()?;
//! let mut dice = Dice::new(1);
//! workload::create(&app)?;
//! let state = workload::commit(&app, &mut dice, workload::Step::Small)?;
//! assert_eq!(workload::certify(&app)?, state);
//! # Ok(())
//! # }
//! ```

use rusqlite::{Connection, OptionalExtension as _};
use sha2::{Digest as _, Sha256};

use super::dice::Dice;

/// Accounts, and what each begins with.
const ACCOUNTS: i64 = 8;
const CENTS: i64 = 1000;

/// The commit that a database stands for.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub struct State {
    /// How many commits there were since [`create`].
    pub commit: u64,
    /// The hash of the chain up to it.
    pub head: [u8; 32],
}

/// What a commit does beside adding to the chain.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Step {
    /// A few rows change.
    Small,
    /// Rows of several pages each.
    Wide,
    /// Hundreds of rows: more than a small cache holds, so that pages are spilled into the WAL before the commit.
    Large,
    /// Rows go, and pages with them where the database gives them back (`auto_vacuum`).
    Shrink,
    /// A large change is taken back to a savepoint, and a small one made instead.
    Savepoint,
    /// A table is made or dropped.
    Schema,
}

impl Step {
    /// All there are.
    pub const ALL: [Step; 6] = [Step::Small, Step::Wide, Step::Large, Step::Shrink, Step::Savepoint, Step::Schema];
}

/// Why a database is no state that the application ever committed.
#[derive(Debug, thiserror::Error)]
pub enum Broken {
    /// SQLite cannot read it.
    #[error("SQLite cannot read it")]
    Sqlite(#[from] rusqlite::Error),
    /// SQLite finds it corrupt.
    #[error("integrity_check: {0}")]
    Corrupt(String),
    /// A row of the chain does not follow from the one before.
    #[error("row {0} of the chain does not follow from the one before")]
    Chain(u64),
    /// Money was made or lost.
    #[error("the accounts hold {found} cents, not {expected}")]
    Money {
        /// What there is.
        found: i64,
        /// What there should be.
        expected: i64,
    },
}

/// Makes the tables. The database is at commit 0 then.
///
/// # Errors
///
/// Those of SQLite.
pub fn create(app: &Connection) -> rusqlite::Result<State> {
    app.execute_batch(
        "BEGIN IMMEDIATE;
         CREATE TABLE chain(i INTEGER PRIMARY KEY, payload BLOB NOT NULL, h BLOB NOT NULL);
         CREATE TABLE bank(id INTEGER PRIMARY KEY, cents INTEGER NOT NULL);
         CREATE TABLE noise(id INTEGER PRIMARY KEY, k INTEGER NOT NULL, x BLOB NOT NULL);
         CREATE INDEX noise_k ON noise(k);",
    )?;
    let mut insert = app.prepare("INSERT INTO bank(cents) VALUES (?1)")?;
    (0..ACCOUNTS).try_for_each(|_| insert.execute([CENTS]).map(drop))?;
    let head: [u8; 32] = Sha256::digest([]).into();
    app.execute("INSERT INTO chain VALUES (0, x'', ?1)", [&head[..]])?;
    app.execute_batch("COMMIT")?;
    Ok(State { commit: 0, head })
}

/// Commits once. When this returns, the commit is as durable as `PRAGMA synchronous` promises.
///
/// # Errors
///
/// Those of SQLite; nothing was committed then, unless it is the end of `COMMIT` itself that failed.
pub fn commit(app: &Connection, dice: &mut Dice, step: Step) -> rusqlite::Result<State> {
    transaction(app, dice, step, "COMMIT")
}

/// Does all that [`commit`] does, and rolls it back. The state is the one before.
///
/// # Errors
///
/// Those of SQLite.
pub fn roll_back(app: &Connection, dice: &mut Dice, step: Step) -> rusqlite::Result<()> {
    transaction(app, dice, step, "ROLLBACK").map(drop)
}

fn transaction(app: &Connection, dice: &mut Dice, step: Step, end: &str) -> rusqlite::Result<State> {
    app.execute_batch("BEGIN IMMEDIATE")?;
    let done = change(app, dice, step).and_then(|state| app.execute_batch(end).map(|()| state));
    if done.is_err() && !app.is_autocommit() {
        // What fails once may fail again: the error that was first is the one to be told.
        let _ = app.execute_batch("ROLLBACK");
    }
    done
}

fn change(app: &Connection, dice: &mut Dice, step: Step) -> rusqlite::Result<State> {
    let newest = "SELECT i, h FROM chain ORDER BY i DESC LIMIT 1";
    let (i, h): (i64, Vec<u8>) = app.prepare(newest)?.query_row([], |row| Ok((row.get(0)?, row.get(1)?)))?;
    noise(app, dice, step)?;
    let (from, to, cents) = (1 + dice.below(8) as i64, 1 + dice.below(8) as i64, dice.below(50) as i64);
    let mut transfer = app.prepare("UPDATE bank SET cents = cents + ?2 WHERE id = ?1")?;
    transfer.execute((from, -cents))?;
    transfer.execute((to, cents))?;
    let len = 4 + dice.below(40) as usize;
    let payload = dice.bytes(len);
    let head: [u8; 32] = Sha256::new_with_prefix(h).chain_update(&payload).finalize().into();
    app.prepare("INSERT INTO chain VALUES (?1, ?2, ?3)")?.execute((i + 1, payload, &head[..]))?;
    Ok(State { commit: i as u64 + 1, head })
}

fn noise(app: &Connection, dice: &mut Dice, step: Step) -> rusqlite::Result<()> {
    match step {
        Step::Small => {
            let touch = "UPDATE noise SET x = ?2, k = ?1 WHERE id = (SELECT id FROM noise WHERE k >= ?1 LIMIT 1)";
            let (len, k) = (dice.below(60) as usize, dice.below(1000) as i64);
            app.prepare(touch)?.execute((k, dice.bytes(len)))?;
            add(app, dice, 1, 60)
        }
        Step::Wide => add(app, dice, 1, 6000),
        Step::Large => add(app, dice, 300, 40),
        Step::Shrink => {
            app.execute("DELETE FROM noise WHERE id > (SELECT max(id) FROM noise) - ?1", [dice.below(400) as i64])?;
            // Without auto_vacuum it does nothing.
            let give_back = format!("PRAGMA incremental_vacuum({})", 1 + dice.below(20));
            app.query_row(&give_back, [], |_| Ok(())).optional().map(drop)
        }
        Step::Savepoint => {
            app.execute_batch("SAVEPOINT s")?;
            add(app, dice, 300, 40)?;
            app.execute_batch("ROLLBACK TO s; RELEASE s")?;
            add(app, dice, 1, 60)
        }
        Step::Schema => {
            let name = format!("extra_{}", dice.below(3));
            let there = "SELECT 1 FROM sqlite_schema WHERE name = ?1";
            match app.query_row(there, [&name], |_| Ok(())).optional()? {
                Some(()) => app.execute_batch(&format!("DROP TABLE {name}")),
                None => app.execute_batch(&format!("CREATE TABLE {name}(x); INSERT INTO {name} VALUES (1)")),
            }
        }
    }
}

fn add(app: &Connection, dice: &mut Dice, rows: u64, len: u64) -> rusqlite::Result<()> {
    let mut insert = app.prepare("INSERT INTO noise(k, x) VALUES (?1, ?2)")?;
    for _ in 0..rows {
        let (k, len) = (dice.below(1000) as i64, dice.below(len) as usize);
        insert.execute((k, dice.bytes(len)))?;
    }
    Ok(())
}

/// The commit that the connection sees, all of it proven: the chain, the money, and SQLite's own `integrity_check`.
///
/// # Errors
///
/// What is wrong.
pub fn certify(app: &Connection) -> Result<State, Broken> {
    let verdict: String = app.query_row("PRAGMA integrity_check(1)", [], |row| row.get(0))?;
    if verdict != "ok" {
        return Err(Broken::Corrupt(verdict));
    }
    let mut state: Option<State> = None;
    let mut rows = app.prepare("SELECT i, payload, h FROM chain ORDER BY i")?;
    let mut rows = rows.query([])?;
    while let Some(row) = rows.next()? {
        let (i, payload, h): (i64, Vec<u8>, Vec<u8>) = (row.get(0)?, row.get(1)?, row.get(2)?);
        let hash = state.map_or_else(Sha256::new, |before| Sha256::new_with_prefix(before.head));
        let head: [u8; 32] = hash.chain_update(&payload).finalize().into();
        let commit = state.map_or(0, |before| before.commit + 1);
        if i64::try_from(commit) != Ok(i) || head[..] != h[..] {
            return Err(Broken::Chain(i as u64));
        }
        state = Some(State { commit, head });
    }
    let found = app.query_row("SELECT coalesce(sum(cents), 0) FROM bank", [], |row| row.get(0))?;
    let expected = ACCOUNTS * CENTS;
    if found != expected {
        return Err(Broken::Money { found, expected });
    }
    state.ok_or(Broken::Chain(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn application() -> (Connection, Dice) {
        let app = Connection::open_in_memory().unwrap();
        app.execute_batch("PRAGMA auto_vacuum = INCREMENTAL").unwrap();
        create(&app).unwrap();
        (app, Dice::new(1))
    }

    #[test]
    fn every_step_is_one_commit_and_what_is_rolled_back_is_none() {
        let (app, mut dice) = application();
        let mut expected = 0;
        for step in Step::ALL.iter().cycle().take(30) {
            roll_back(&app, &mut dice, *step).unwrap();
            let state = commit(&app, &mut dice, *step).unwrap();
            expected += 1;
            assert_eq!((state.commit, certify(&app).unwrap()), (expected, state));
        }
    }

    #[test]
    fn what_is_a_mixture_is_found_out() {
        let (app, mut dice) = application();
        for _ in 0..5 {
            commit(&app, &mut dice, Step::Small).unwrap();
        }
        let breaks = |sql: &str| {
            app.execute_batch("SAVEPOINT s").unwrap();
            app.execute_batch(sql).unwrap();
            let broken = certify(&app).unwrap_err();
            app.execute_batch("ROLLBACK TO s; RELEASE s").unwrap();
            broken
        };
        assert!(matches!(breaks("DELETE FROM chain WHERE i = 3"), Broken::Chain(4)));
        assert!(matches!(breaks("UPDATE chain SET payload = x'00' WHERE i = 2"), Broken::Chain(2)));
        assert!(matches!(breaks("UPDATE bank SET cents = cents + 1 WHERE id = 1"), Broken::Money { .. }));
        assert!(matches!(breaks("DELETE FROM chain"), Broken::Chain(0)));
        assert_eq!(certify(&app).unwrap().commit, 5);
    }
}
