//! The reader of logs against SQLite itself.
//!
//! A seed makes logs with real connections, changes each in hundreds of ways, and lets SQLite recover every one: what
//! it says is in the log, and what it then reads, is what our scanner says and reads. Then the other half: while a
//! wal-index lives, what capture takes is what readers see, whatever lies behind the end that the index tells.

mod dead;
mod life;
mod live;
mod mutate;
mod scan;
mod sqlite;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::Context as _;

use self::dead::Compare;
use self::scan::Scan;
use super::chance::Chance;
use crate::ladder::{Rung, Tally};

pub(super) const RUNG: Rung = Rung {
    name: "wal",
    what: "random and changed logs are read as SQLite recovers them, and live ones as its readers see them",
    quick: 12,
    deep: 4_200,
    patience: Duration::from_secs(120),
    run,
};

/// Bytes of changed logs from one log, more or less: fewer changes of a long one.
const WORK: usize = 12 << 20;

fn run(seed: u64) -> anyhow::Result<Tally> {
    let (mut chance, mut tally) = (Chance::new(seed), Tally::default());
    let dir = tempfile::tempdir_in(scratch())?;
    sqlite::seed_randomness(seed);
    let moments = life::moments(&mut chance, &dir.path().join("a.db"), seed % 25 == 7)?;
    tally.add("logs", moments.len() as u64);
    for (number, moment) in moments.iter().enumerate() {
        let mut sqlite = sqlite::Sqlite::new(&dir.path().join(format!("{number}.db")), &moment.database)?;
        let others: Vec<&[u8]> = moments.iter().map(|moment| &moment.log[..]).collect();
        let whole = Scan::of(&moment.log);
        let mutants = if moment.log.is_empty() { 10 } else { (WORK / moment.log.len()).clamp(20, 150) };
        for mutant in 0..mutants {
            let mut log = moment.log.clone();
            let mut names = Vec::new();
            // The first one is as it was.
            while mutant > 0 && (names.is_empty() || chance.one_in(4)) {
                names.push(mutate::mutate(&mut chance, &mut log, &others));
            }
            let compare = match mutant % 24 {
                0 => Compare::Live,
                12 => Compare::Pages,
                _ => Compare::Index,
            };
            dead::check(&mut sqlite, &moment.database, (&log, whole.frame), compare, &mut tally)
                .with_context(|| format!("log {number}, mutant {mutant}: {}", names.join(", ")))?;
            tally.add("mutants", u64::from(mutant > 0));
        }
    }
    live::check(&mut chance, &dir.path().join("live.db"), &mut tally).context("live")?;
    Ok(tally)
}

/// In memory where there is such a place.
fn scratch() -> PathBuf {
    let memory = PathBuf::from("/dev/shm");
    if memory.is_dir() { memory } else { std::env::temp_dir() }
}
