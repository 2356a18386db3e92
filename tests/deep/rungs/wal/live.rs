//! A log in use: capture takes what readers see, and nothing that lies behind the end in the wal-index.

use std::fs::File;
use std::os::unix::fs::FileExt as _;
use std::path::Path;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rusqlite::Connection;
use waloy::db::{self, Ignore, Live, Options, beside};
use waloy::units::FrameNo;
use waloy::wal::{Chain, FRAME_HEADER_LEN, HEADER_LEN, Header};

use super::super::chance::Chance;
use super::sqlite;
use crate::ladder::Tally;

#[path = "../../../it/pages.rs"]
#[expect(clippy::unwrap_used, reason = "it is shared with ordinary tests")]
mod pages;
use pages::Model;

const ROUNDS: usize = 12;

pub(super) fn check(chance: &mut Chance, path: &Path, tally: &mut Tally) -> anyhow::Result<()> {
    let application = Connection::open(path)?;
    application.execute_batch(&format!(
        "PRAGMA page_size = {}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0; PRAGMA synchronous = NORMAL;
         PRAGMA cache_size = 2; PRAGMA cache_spill = 1; CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB)",
        chance.pick(&[512, 1024, 4096, 65_536])
    ))?;
    // A checkpoint that waits for the pin waits in vain: all is done in one thread.
    application.busy_timeout(Duration::ZERO)?;
    let reader = Connection::open(path)?;
    let mut live = Live::open(path, Options::default(), None, &mut Ignore)?;
    let mut model = Model::of(&mut live);
    let log = File::options().read(true).write(true).open(beside(path, "-wal"))?;
    let mut round = Round { chance, application, reader, log, tally };
    for number in 0..ROUNDS {
        live = round.run(live, &mut model, path).with_context(|| format!("round {number}"))?;
    }
    Ok(())
}

struct Round<'r> {
    chance: &'r mut Chance,
    application: Connection,
    reader: Connection,
    log: File,
    tally: &'r mut Tally,
}

impl Round<'_> {
    fn run(&mut self, mut live: Live, model: &mut Model, path: &Path) -> anyhow::Result<Live> {
        match self.chance.below(7) {
            0 => {
                live.reclaim(model)?;
            }
            1 => {
                let mode = self.chance.pick(&["PASSIVE", "FULL", "RESTART", "TRUNCATE"]);
                self.application.query_row(&format!("PRAGMA wal_checkpoint({mode})"), [], |_| Ok(()))?;
            }
            2 => self.spill(&mut live, model)?,
            3 => self.ghost(&mut live, model, path)?,
            4 => self.damage(&mut live, model)?,
            5 => live = self.restart(live, model, path)?,
            _ => {}
        }
        self.commit()?;
        live.advance(model)?;
        self.same(&mut live, model)?;
        Ok(live)
    }

    fn commit(&mut self) -> anyhow::Result<()> {
        for _ in 0..self.chance.below(4) {
            if self.chance.one_in(2) {
                self.grow()?;
            } else {
                self.insert(9_000)?;
            }
            self.tally.add("live commits", 1);
        }
        Ok(())
    }

    /// Appends pages that are free when the transaction ends.
    fn grow(&mut self) -> anyhow::Result<()> {
        self.application.execute_batch("PRAGMA cache_size = 1000; BEGIN")?;
        let len = 30_000 * (1 + self.chance.below(8));
        let row = self.chance.bytes(len);
        self.application.execute("INSERT INTO t(x) VALUES (?)", [row])?;
        self.application
            .execute_batch("DELETE FROM t WHERE id = last_insert_rowid(); COMMIT; PRAGMA cache_size = 2")?;
        Ok(())
    }

    /// Capture ends, and goes on later where it was.
    fn restart(&mut self, mut live: Live, model: &mut Model, path: &Path) -> anyhow::Result<Live> {
        if self.chance.one_in(2) {
            // A log that was started over and has nothing yet.
            live.reclaim(model)?;
            self.spill(&mut live, model)?;
        }
        live.advance(model)?;
        let place = live.place();
        drop(live);
        self.commit()?;
        match Live::open(path, Options::default(), Some(&place), model) {
            Ok(live) => {
                self.tally.add("live restarts", 1);
                Ok(live)
            }
            Err(db::Error::PositionLost(_)) => {
                self.tally.add("places lost", 1);
                let mut live = Live::open(path, Options::default(), None, &mut Ignore)?;
                *model = Model::of(&mut live);
                Ok(live)
            }
            Err(error) => Err(error.into()),
        }
    }

    fn insert(&mut self, most: usize) -> anyhow::Result<()> {
        let len = self.chance.below(most);
        self.application.execute("INSERT INTO t(x) VALUES (?)", [self.chance.bytes(len)])?;
        Ok(())
    }

    /// Frames of a transaction that has not ended, and then is taken back.
    fn spill(&mut self, live: &mut Live, model: &mut Model) -> anyhow::Result<()> {
        live.advance(model)?;
        let before = live.totals();
        self.application.execute_batch("BEGIN")?;
        self.application.execute("INSERT INTO t(x) VALUES (?)", [self.chance.bytes(300_000)])?;
        live.advance(model)?;
        ensure!(live.totals() == before, "frames of a transaction that had not ended were captured");
        self.same(live, model)?;
        self.application.execute_batch("ROLLBACK")?;
        self.tally.add("live rollbacks", 1);
        Ok(())
    }

    /// Whole transactions behind the end, valid in every byte, which no wal-index ever had: their writer was killed
    /// after it had synced them. Others are written over them in the end.
    fn ghost(&mut self, live: &mut Live, model: &mut Model, path: &Path) -> anyhow::Result<()> {
        live.advance(model)?;
        let end = live.place();
        let Ok(header) = Header::parse(&end.position.header) else { return Ok(()) };
        let (len, mut sum) = (header.page_size().len(), end.position.checksum);
        let at = Chain::start(header).frame_offset(FrameNo(end.position.frame.0 + 1));
        let mut frames = Vec::new();
        let count = 1 + self.chance.below(3);
        for number in 0..count {
            let page = 1 + self.chance.below(live.pages() as usize + 2) as u32;
            let pages = if number + 1 == count { live.pages().max(page) } else { 0 };
            let mut frame = [&page.to_be_bytes()[..], &pages.to_be_bytes(), &header.salts()].concat();
            let image = self.chance.bytes(len);
            sum = sum.update(header.order(), &frame[..8]).update(header.order(), &image);
            frame.extend([sum.0.to_be_bytes(), sum.1.to_be_bytes()].concat());
            frame.extend(image);
            ensure!(frame.len() == FRAME_HEADER_LEN + len, "a frame");
            frames.extend(frame);
        }
        self.log.write_all_at(&frames, at)?;
        // The pin is moved, and the log read on, whether or not anything seems to have changed.
        let before = live.totals();
        live.reclaim(model)?;
        ensure!(live.totals() == before, "captured a commit that was never published");
        let again = Live::open(path, Options::default(), Some(&end), &mut Ignore)?;
        ensure!(again.totals().commits == 0, "a commit that was never published was captured at the start");
        ensure!(again.place() == end, "attached to what was never published");
        self.tally.add("commits never published", 1);
        self.same(live, model)
    }

    /// A byte of a commit changes before it is captured: that is noticed, and nothing is lost once it is put right.
    fn damage(&mut self, live: &mut Live, model: &mut Model) -> anyhow::Result<()> {
        live.advance(model)?;
        let (before, pages) = (live.position(), live.pages());
        self.insert(20_000)?;
        let mut header = [0; HEADER_LEN];
        self.log.read_exact_at(&mut header, 0)?;
        let chain = Chain::start(Header::parse(&header)?);
        // A log that was started over begins at its first frame.
        let first = if before.header == header { before.frame.0 + 1 } else { 1 };
        let first = chain.frame_offset(FrameNo(first));
        let mut page = [0; 4];
        self.log.read_exact_at(&mut page, first)?;
        // Page 1 is read by SQLite too, which would keep what it read.
        let len = if page == [0, 0, 0, 1] { FRAME_HEADER_LEN } else { chain.frame_len() };
        let at = first + self.chance.below(len) as u64;
        let mut byte = [0];
        self.log.read_exact_at(&mut byte, at)?;
        self.log.write_all_at(&[byte[0] ^ (1 << self.chance.below(8))], at)?;
        let outcome = live.advance(model);
        ensure!(outcome.as_ref().is_err_and(db::Error::is_loss), "a changed frame was captured: {outcome:?}");
        ensure!((live.position(), live.pages()) == (before, pages), "a capture that failed moved on");
        self.log.write_all_at(&byte, at)?;
        let captured = live.advance(model)?.unwrap_or_default();
        ensure!(captured.commits == 1, "captured {captured:?} after the damage");
        self.tally.add("live damage", 1);
        Ok(())
    }

    /// What was captured is what a reader sees.
    fn same(&self, live: &mut Live, model: &Model) -> anyhow::Result<()> {
        model.assert_is(live);
        let size = live.page_size().len();
        let theirs = sqlite::pages(&self.reader)?;
        ensure!(theirs.len() == model.count as usize * size, "{} bytes, {} pages", theirs.len(), model.count);
        let differs = (1u32..).zip(theirs.chunks_exact(size)).find(|(page, image)| model.pages[page] != *image);
        ensure!(differs.is_none(), "page {:?} is not what a reader sees", differs.map(|(page, _)| page));
        Ok(())
    }
}
