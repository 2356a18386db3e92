//! Logs as applications leave them.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use waloy::db::beside;

use super::super::chance::Chance;

/// The two files at one moment: all that is left after a loss of power with every write on the disk.
pub(super) struct Moment {
    pub(super) database: Vec<u8>,
    pub(super) log: Vec<u8>,
}

/// The length from which a log is started over, so that thousands can be made of it.
const LONG: usize = 80_000;

/// Small ones for the most part.
const PAGE_SIZES: [u32; 16] = [512, 512, 512, 512, 512, 1024, 1024, 1024, 1024, 2048, 2048, 4096, 4096, 4096, 8192, 0];

/// Lets some connections write, and keeps some moments, also in the middle of a transaction. With `large`, a log whose
/// wal-index takes more than one page.
pub(super) fn moments(chance: &mut Chance, path: &Path, large: bool) -> anyhow::Result<Vec<Moment>> {
    let page_size = match chance.pick(&PAGE_SIZES) {
        _ if large => 512,
        0 => chance.pick(&[16_384, 32_768, 65_536]),
        size => size,
    };
    let mut life = Life::new(chance, path, page_size)?;
    if large {
        let frames = 4_000 + life.chance.below(200);
        life.application().execute("INSERT INTO t(x) VALUES (zeroblob(?))", [(frames * 500) as i64])?;
        life.commit()?;
        return Ok(vec![life.moment()?]);
    }
    let mut moments = Vec::new();
    for step in 0..24 {
        life.step()?;
        if step % 8 == 7 {
            moments.push(life.moment()?);
        }
    }
    life.begin_and_spill()?;
    moments.push(life.moment()?);
    Ok(moments)
}

struct Life<'c> {
    chance: &'c mut Chance,
    path: &'c Path,
    page_size: u32,
    applications: Vec<Connection>,
}

impl<'c> Life<'c> {
    fn new(chance: &'c mut Chance, path: &'c Path, page_size: u32) -> anyhow::Result<Life<'c>> {
        // Without power-safe overwrites, and FULL, commit frames are repeated up to the end of a sector.
        let padded = page_size <= 1024 && chance.one_in(4);
        let (query, synchronous) = if padded { ("?psow=0", "FULL") } else { ("", "NORMAL") };
        let uri = format!("file:{}{query}", path.display());
        let mut applications = Vec::new();
        for number in 0..1 + chance.below(3) {
            let application = Connection::open_with_flags(&uri, OpenFlags::default())?;
            if number == 0 {
                application.execute_batch(&format!(
                    "PRAGMA page_size = {page_size}; PRAGMA auto_vacuum = {}; PRAGMA journal_mode = WAL;
                     CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB); CREATE TABLE u(k TEXT, v);
                     CREATE INDEX u_k ON u(k)",
                    chance.pick(&["NONE", "INCREMENTAL"]),
                ))?;
            }
            application.execute_batch(&format!(
                "PRAGMA wal_autocheckpoint = {}; PRAGMA cache_size = {}; PRAGMA cache_spill = 1;
                 PRAGMA synchronous = {synchronous}",
                chance.pick(&[0, 0, 20, 1000]),
                chance.pick(&[1, 5, 100]),
            ))?;
            applications.push(application);
        }
        Ok(Life { chance, path, page_size, applications })
    }

    fn application(&mut self) -> &Connection {
        let number = self.chance.below(self.applications.len());
        &self.applications[number]
    }

    fn moment(&self) -> std::io::Result<Moment> {
        // To read the file drops SQLite's locks on it in this process, which is the only one that has it open.
        Ok(Moment { database: std::fs::read(self.path)?, log: std::fs::read(beside(self.path, "-wal"))? })
    }

    /// Bytes to write: some rows' worth, or a little.
    fn payload(&mut self) -> Vec<u8> {
        let most = if self.chance.one_in(4) { 8_000.max(2 * self.page_size as usize) } else { 200 };
        let len = self.chance.below(most);
        self.chance.bytes(len)
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        let payload = self.payload();
        self.application().execute("INSERT INTO t(x) VALUES (?)", [payload])?;
        Ok(())
    }

    fn step(&mut self) -> anyhow::Result<()> {
        match self.chance.below(10) {
            0 | 1 => {
                self.begin_and_spill()?;
                let end = self.chance.pick(&["COMMIT", "ROLLBACK"]);
                for application in self.applications.iter().filter(|application| !application.is_autocommit()) {
                    application.execute_batch(end)?;
                }
            }
            2 => {
                let few = "DELETE FROM t WHERE id % 3 = 0; UPDATE u SET v = v || 'x' WHERE rowid % 2";
                self.application().execute_batch(few)?;
            }
            3 => {
                let sql = self.chance.pick(&[
                    "VACUUM",
                    "PRAGMA incremental_vacuum(3)",
                    "CREATE TABLE IF NOT EXISTS w(a)",
                    "DROP TABLE IF EXISTS w",
                ]);
                self.application().execute_batch(sql)?;
            }
            4 => self.checkpoint()?,
            5 => {
                let (k, payload) = (self.chance.word().to_string(), self.payload());
                self.application().execute("INSERT INTO u VALUES (?, ?)", (k, payload))?;
            }
            _ => self.commit()?,
        }
        let long = LONG.max(8 * self.page_size as usize) as u64;
        if std::fs::metadata(beside(self.path, "-wal"))?.len() > long {
            self.checkpoint()?;
        }
        Ok(())
    }

    fn checkpoint(&mut self) -> anyhow::Result<()> {
        let mode = self.chance.pick(&["PASSIVE", "FULL", "RESTART", "RESTART", "TRUNCATE"]);
        self.application().query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))?;
        Ok(())
    }

    /// Begins a transaction larger than a small cache, whose pages are in the log before it ends, and does not end it.
    fn begin_and_spill(&mut self) -> anyhow::Result<()> {
        let pages = 4 + self.chance.below(12);
        let payload = self.chance.bytes(pages * self.page_size.min(8192) as usize);
        let application = self.application();
        application.execute_batch("BEGIN IMMEDIATE; UPDATE t SET x = x || 'y' WHERE id % 2")?;
        application.execute("INSERT INTO t(x) VALUES (?)", [payload])?;
        Ok(())
    }
}
