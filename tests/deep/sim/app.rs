//! The application, and every state that its database was ever in.

use std::collections::HashMap;
use std::hash::Hasher as _;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rusqlite::{Connection, ErrorCode};
use siphasher::sip128::{Hasher128 as _, SipHasher13};
use waloy::testing::dice::Dice;
use waloy::testing::workload::{self, Step};

use crate::door::{self, Who, acting};

/// A digest of every page of a database.
pub(crate) type Pages = u128;

pub(crate) fn digest(pages: &[u8]) -> Pages {
    let mut hasher = SipHasher13::new();
    hasher.write(pages);
    hasher.finish128().as_u128()
}

/// The states of one database in their order. A state that comes back has its newest place.
#[derive(Clone, Default)]
pub(crate) struct History {
    /// Where each was last, and first.
    places: HashMap<Pages, (usize, usize)>,
    /// How many there were, and what each was.
    states: Vec<Pages>,
}

impl History {
    fn add(&mut self, pages: Pages) -> usize {
        self.states.push(pages);
        let place = self.states.len() - 1;
        self.places.entry(pages).or_insert((place, place)).0 = place;
        place
    }

    /// Where a state is in the order.
    pub(crate) fn place(&self, pages: Pages) -> Option<usize> {
        self.places.get(&pages).map(|places| places.0)
    }

    /// Where the state of this place was first. A restore that gives it need not be of the time when it came back
    /// (`sim 91456`).
    pub(crate) fn first(&self, place: usize) -> usize {
        self.places[&self.states[place]].1
    }
}

/// How the application uses SQLite.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Manners {
    pub(crate) page_size: u32,
    pub(crate) auto_vacuum: bool,
    pub(crate) synchronous: &'static str,
    /// Pages in the WAL after which SQLite checkpoints by itself; 0: never.
    pub(crate) autocheckpoint: u32,
    /// Pages that a connection keeps: few ones, and a transaction spills.
    pub(crate) cache: u32,
}

impl Manners {
    pub(crate) fn any(dice: &mut Dice) -> Manners {
        Manners {
            page_size: *dice.pick(&[512, 512, 1024, 4096]),
            auto_vacuum: dice.one_in(2),
            synchronous: if dice.one_in(2) { "NORMAL" } else { "FULL" },
            autocheckpoint: *dice.pick(&[0, 0, 20, 100, 1000]),
            cache: *dice.pick(&[10, 10, 2000]),
        }
    }
}

/// The application on one machine.
pub(crate) struct App {
    pub(crate) path: PathBuf,
    pub(crate) manners: Manners,
    dice: Dice,
    connections: Vec<Connection>,
    /// A reader that holds a state.
    reader: Option<Connection>,
    pub(crate) history: History,
    /// Where the database is in its history.
    pub(crate) now: usize,
    pub(crate) commits: u64,
    /// The row of the chain that the present state ends with.
    chain: u64,
}

impl App {
    /// A new database with its tables.
    pub(crate) fn create(path: &Path, manners: Manners, dice: Dice) -> anyhow::Result<App> {
        let connection = Connection::open(path)?;
        let auto_vacuum = if manners.auto_vacuum { "INCREMENTAL" } else { "NONE" };
        connection.execute_batch(&format!(
            "PRAGMA page_size = {}; PRAGMA auto_vacuum = {auto_vacuum}; PRAGMA journal_mode = WAL",
            manners.page_size
        ))?;
        workload::create(&connection)?;
        drop(connection);
        App::open(path, manners, dice, History::default())
    }

    /// A database that is there, with the history that it may come from.
    pub(crate) fn open(path: &Path, manners: Manners, dice: Dice, history: History) -> anyhow::Result<App> {
        let mut app = App {
            path: path.to_owned(),
            manners,
            dice,
            connections: Vec::new(),
            reader: None,
            history,
            now: 0,
            commits: 0,
            chain: 0,
        };
        app.connect()?;
        app.record()?;
        Ok(app)
    }

    fn connection(&self) -> rusqlite::Result<Connection> {
        let connection = Connection::open(&self.path)?;
        connection.busy_timeout(Duration::ZERO)?;
        let Manners { synchronous, autocheckpoint, cache, .. } = self.manners;
        connection.execute_batch(&format!(
            "PRAGMA synchronous = {synchronous}; PRAGMA wal_autocheckpoint = {autocheckpoint};
             PRAGMA cache_size = {cache}; PRAGMA cache_spill = 1"
        ))?;
        Ok(connection)
    }

    fn connect(&mut self) -> anyhow::Result<()> {
        while self.connections.len() < 2 {
            self.connections.push(self.connection()?);
        }
        Ok(())
    }

    /// Closes everything: the last one copies the WAL into the database, and deletes it.
    pub(crate) fn close(&mut self) {
        acting(Who::Application, || {
            self.reader = None;
            self.connections.clear();
        });
    }

    /// Opens the database again. Which state it is in then is looked up; one that never was is an error.
    pub(crate) fn reopen(&mut self) -> anyhow::Result<()> {
        self.connect()?;
        self.look()
    }

    /// Reads every page as the log and the file have it. Of a page that a transaction used and set free again, SQLite's
    /// cache may keep what was never written (`sim 8691`).
    pub(crate) fn pages(&mut self) -> anyhow::Result<Vec<u8>> {
        acting(Who::Nobody, || {
            self.connections[0].release_memory()?;
            Ok(self.connections[0].serialize("main")?.to_vec())
        })
    }

    /// The database is in a new state.
    fn record(&mut self) -> anyhow::Result<()> {
        let pages = digest(&self.pages()?);
        self.now = self.history.add(pages);
        self.tell("the application has made");
        Ok(())
    }

    fn tell(&self, what: &str) {
        if door::tells() {
            eprintln!("    {what} state {} with commit {}", self.now, self.chain);
        }
    }

    /// Which state the database is in, after a crash or a failure: one that was, or the one that was just being made. A
    /// commit that was cut short is one if its last frame is in the WAL.
    pub(crate) fn look(&mut self) -> anyhow::Result<()> {
        let pages = digest(&self.pages()?);
        let last_row = "SELECT max(i) FROM chain";
        match self.history.place(pages) {
            Some(place) => {
                self.now = place;
                self.chain =
                    acting(Who::Nobody, || self.connections[0].query_row(last_row, [], |row| row.get::<_, i64>(0)))?
                        as u64;
            }
            None => {
                let state = acting(Who::Nobody, || workload::certify(&self.connections[0]))?;
                let next = self.chain..=self.chain + 1;
                if door::tells() {
                    eprintln!("    the application finds commit {} in a state that it has not made", state.commit);
                }
                ensure!(next.contains(&state.commit), "the application finds commit {}, not {next:?}", state.commit);
                self.chain = state.commit;
                self.now = self.history.add(pages);
            }
        }
        self.tell("the application finds");
        Ok(())
    }

    /// Does something with the database, as people do. An error is one only where none may happen.
    pub(crate) fn act(&mut self) -> anyhow::Result<&'static str> {
        // A reconnect that failed is made up for.
        acting(Who::Nobody, || self.connect())?;
        let done = acting(Who::Application, || self.any_act());
        match done {
            Ok(what) => Ok(what),
            Err(error) if is_busy(&error) || door::plan(|plan| plan.afflicts(Who::Application)) => {
                self.recover().context("after a failure of the application's own")?;
                Ok(if is_busy(&error) { "busy" } else { "failed" })
            }
            Err(error) => Err(error),
        }
    }

    fn any_act(&mut self) -> anyhow::Result<&'static str> {
        match self.dice.below(40) {
            0..24 => {
                for _ in 0..1 + self.dice.below(4) {
                    self.commit()?;
                }
                Ok("commits")
            }
            24..27 => {
                let step = *self.dice.pick(&Step::ALL);
                workload::roll_back(&self.connections[1], &mut self.dice, step)?;
                Ok("rollbacks")
            }
            27..33 => {
                let mode = *self.dice.pick(&["PASSIVE", "FULL", "RESTART", "TRUNCATE"]);
                self.checkpoint(mode)?;
                Ok("foreign checkpoints")
            }
            33 => {
                self.vacuum()?;
                Ok("vacuums")
            }
            34..37 => {
                self.reader = match self.reader.take() {
                    Some(_) => None,
                    None => {
                        let reader = self.connection()?;
                        reader.execute_batch("BEGIN; SELECT count(*) FROM chain")?;
                        Some(reader)
                    }
                };
                Ok("readers")
            }
            _ => {
                self.close();
                // A commit that failed, and whose frames are all in the WAL, is one when the WAL is recovered (`sim 64823`).
                self.reopen()?;
                Ok("reconnects")
            }
        }
    }

    /// Commits once.
    pub(crate) fn commit(&mut self) -> anyhow::Result<()> {
        let steps = [Step::Small, Step::Small, Step::Small, Step::Small, Step::Wide, Step::Shrink, Step::Large];
        let step = if self.dice.one_in(12) { *self.dice.pick(&Step::ALL) } else { *self.dice.pick(&steps) };
        let with = self.dice.below(2) as usize;
        self.commit_step(with, step)
    }

    /// Commits once, in this way.
    pub(crate) fn commit_step(&mut self, with: usize, step: Step) -> anyhow::Result<()> {
        let commit = acting(Who::Application, || workload::commit(&self.connections[with], &mut self.dice, step))?;
        self.commits += 1;
        self.chain = commit.commit;
        self.record()
    }

    pub(crate) fn vacuum(&mut self) -> anyhow::Result<()> {
        acting(Who::Application, || self.connections[0].execute_batch("VACUUM"))?;
        self.record()
    }

    pub(crate) fn checkpoint(&self, mode: &str) -> rusqlite::Result<()> {
        let sql = format!("PRAGMA wal_checkpoint({mode})");
        acting(Who::Application, || self.connections[1].query_row(&sql, [], |_| Ok(())))
    }

    /// A call failed: whether the commit was one, only the database tells.
    pub(crate) fn recover(&mut self) -> anyhow::Result<()> {
        acting(Who::Nobody, || {
            self.reader = None;
            self.connections.clear();
            self.connect()
        })?;
        self.look()
    }

    /// How many states there were.
    pub(crate) fn history_len(&self) -> usize {
        self.history.states.len()
    }

    /// Puts an earlier state in the place of the database, as an operator does: another file under its name.
    pub(crate) fn replace(&mut self, pages: &[u8]) -> anyhow::Result<()> {
        acting(Who::Nobody, || {
            self.reader = None;
            self.connections.clear();
            for suffix in ["-wal", "-shm"] {
                let mut name = self.path.clone().into_os_string();
                name.push(suffix);
                let _ = std::fs::remove_file(name);
            }
            let beside = self.path.with_extension("new");
            let file = std::fs::File::create(&beside)?;
            std::io::Write::write_all(&mut &file, pages)?;
            file.sync_all()?;
            std::fs::rename(&beside, &self.path)?;
            std::fs::File::open(self.path.parent().unwrap_or(&self.path))?.sync_all()
        })?;
        self.connect()?;
        // As new as anything committed now, although it was there before.
        let pages = digest(&self.pages()?);
        self.history.add(pages);
        self.look()
    }

    /// Proves the database itself: nothing has harmed it.
    pub(crate) fn certify(&mut self) -> anyhow::Result<()> {
        workload::certify(&self.connections[0]).context("the application's own database")?;
        let pages = digest(&self.pages()?);
        ensure!(self.history.place(pages) == self.history.place(self.history.states[self.now]), "it was changed");
        Ok(())
    }
}

fn is_busy(error: &anyhow::Error) -> bool {
    let code = error.downcast_ref::<rusqlite::Error>().and_then(rusqlite::Error::sqlite_error_code);
    matches!(code, Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked))
}
