//! A live database under observation: two pins hand over hand, the tail of the log, and checkpoints.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tokio::time::Instant;

use super::checkpoint::{self, Reclaimed};
use super::error::Error;
use super::handle;
use super::open::{self, FileId, Options, Written};
use super::pin::{Backfill, Pin};
use super::room::Room;
use super::tail::{Captured, Place, Sink, Tail};
use crate::planted;
use crate::units::{FrameNo, PageNo, PageSize};
use crate::wal::{FRAME_HEADER_LEN, Index, Position};

/// How often the files are asked whether they are still the ones that were opened, if they are looked at as often.
const IDENTITY_INTERVAL: Duration = Duration::from_secs(1);

/// A database that an application may be writing to.
///
/// From [`Live::open`] on, one of two connections always holds a read transaction. [`Live::advance`] moves it: it
/// begins the second transaction, captures up to the present end of the log, and only then ends the first. So the log
/// can be started over at most once between two captures, and not before all of it was captured:
///
/// - If the new pin has a mark ≥ 1, the log cannot be started over while it is held.
/// - If it has mark 0, everything before it was backfilled and, by the capture, taken. What is written later cannot be
///   backfilled under mark 0, so the log cannot be started over a second time.
///
/// Blocking throughout: it belongs on a thread of its own, and stays there.
#[derive(Debug)]
pub struct Live {
    path: PathBuf,
    options: Options,
    /// The first of the two holds a read transaction.
    pins: [Pin; 2],
    tail: Tail,
    /// The wal-index as it was when the pin was moved last; `None` if the pin may be behind it.
    seen: Option<Index>,
    identity: Identity,
    /// The log was started over since the database file was last synced.
    unsynced_file: bool,
    totals: Totals,
}

/// What was captured since the database was opened; grows only.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Totals {
    /// Transactions, by the count that SQLite itself keeps.
    pub commits: u64,
    /// Bytes of the log that they took.
    pub bytes: u64,
}

impl Totals {
    fn add(&mut self, captured: Captured, page_size: PageSize) {
        self.commits += u64::from(captured.commits);
        self.bytes += u64::from(captured.frames) * (FRAME_HEADER_LEN as u64 + u64::from(page_size.get()));
    }
}

#[derive(Debug)]
struct Identity {
    /// The path as it was given: a link in it may be pointed elsewhere.
    given: PathBuf,
    database: Option<FileId>,
    wal: Option<FileId>,
    /// Of the wal-index: one that was made anew by others, ours would never hear of again.
    shm: Option<FileId>,
    /// The wal-index has no name any more. Whoever has it open, as we have, still meets the others there; a connection of
    /// another process would make a second one, and neither would know of the other's locks.
    unlinked: bool,
    /// The database file as it was when so much of the log had been copied into it.
    written: Option<(Backfill, Option<Written>)>,
    /// Checkpoints were seen to tell the wal-index that they begin: those of SQLite before 3.11 do not.
    told: bool,
    asked: Instant,
    /// It is to be asked now.
    is_due: bool,
}

/// Whether a database can be followed at all, before anything is made for it: opens it, and lets go of it again.
///
/// # Errors
///
/// As [`Live::open`].
pub fn preflight(path: &Path, options: Options) -> Result<(), Error> {
    let path = open::resolve(path)?;
    open::check(&path, options)?;
    Pin::open(&path, options).map(drop)
}

impl Live {
    /// Opens a database in WAL mode and begins to hold it.
    ///
    /// With `resume`, goes on at a place in the log kept earlier, and passes what was committed since then to `sink`;
    /// otherwise begins at the present end.
    ///
    /// # Errors
    ///
    /// [`Error::PositionLost`] if the log no longer holds the place; others say why the database cannot be replicated.
    pub fn open(path: &Path, options: Options, resume: Option<&Place>, sink: &mut dyn Sink) -> Result<Live, Error> {
        let given = path;
        let path = open::resolve(given)?;
        open::check(&path, options)?;
        let pins = [Pin::open(&path, options)?, Pin::open(&path, options)?];
        pins[0].hold(&path)?;
        let (tail, captured) = Tail::attach(&pins[0], resume, sink)?;
        let identity = Identity {
            given: given.to_owned(),
            database: FileId::of(&path),
            wal: FileId::of(&open::beside(&path, "-wal")),
            shm: FileId::of(&open::beside(&path, "-shm")),
            unlinked: false,
            written: None,
            told: false,
            asked: Instant::now(),
            is_due: false,
        };
        let mut totals = Totals::default();
        totals.add(captured, tail.page_size());
        for pin in &pins {
            pin.is_impatient(&path)?;
        }
        let mut live = Live { path, options, pins, tail, seen: None, identity, unsynced_file: true, totals };
        live.require_identity()?;
        // From here on the file that the path led to is the one that is open: later looks need no more than the path.
        for pin in &live.pins {
            if handle::has_moved(&pin.connection).map_err(Error::file("look at the database file"))? {
                return Err(Error::Replaced(live.path));
            }
        }
        Ok(live)
    }

    /// What was captured since [`Live::open`], by whichever call.
    pub fn totals(&self) -> Totals {
        self.totals
    }

    /// Whether the log has frames that no checkpoint has copied into the database file, and we may run one.
    pub fn is_reclaimable(&self) -> bool {
        self.shares_the_index() && self.index().is_ok_and(|index| index.backfilled < index.max_frame)
    }

    /// Whether a connection that is opened now meets the same wal-index: without that nobody may checkpoint.
    pub(super) fn shares_the_index(&self) -> bool {
        !self.identity.unlinked
    }

    /// The path with links resolved.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The page size of the database.
    pub fn page_size(&self) -> PageSize {
        self.tail.page_size()
    }

    /// The pages of the database after the last commit captured.
    pub fn pages(&self) -> u32 {
        self.tail.pages()
    }

    /// Where capture can be gone on with, by [`Live::open`].
    pub fn place(&self) -> Place {
        self.tail.place()
    }

    /// Where capture stands in the log.
    pub fn position(&self) -> Position {
        self.tail.position()
    }

    /// The frames in the log that is in use; the file may be longer, since it does not shrink at a restart.
    pub fn frames(&self) -> FrameNo {
        self.seen.map_or(self.tail.position().frame, |index| index.max_frame)
    }

    /// Moves the pin if anything was committed or checkpointed since the last time. If nothing was, this compares a
    /// hundred bytes of memory and returns `None`.
    ///
    /// # Errors
    ///
    /// [`Error::is_transient`]: try again, nothing is lost, the old pin stays. [`Error::is_loss`]: begin anew.
    pub fn advance(&mut self, sink: &mut dyn Sink) -> Result<Option<Captured>, Error> {
        let ask = self.identity.is_due || self.identity.asked.elapsed() >= IDENTITY_INTERVAL;
        let unchanged = match (self.seen, self.pins[0].index()) {
            (Some(seen), Ok(now)) => seen == now,
            // Torn for good: a writer died. The next transaction makes SQLite recover.
            _ => false,
        };
        if ask || !unchanged {
            self.require_identity()?;
            (self.identity.asked, self.identity.is_due) = (Instant::now(), false);
        }
        if unchanged { Ok(None) } else { self.move_pin(sink).map(Some) }
    }

    /// The next [`Live::advance`] asks whether the files are still the ones that were opened, also if that was asked a moment
    /// ago: what somebody relies upon must not be said of a file that is no longer the database.
    pub fn ask_identity(&mut self) {
        self.identity.is_due = true;
    }

    /// Moves the pin, whether or not anything seems to have changed.
    pub(super) fn move_pin(&mut self, sink: &mut dyn Sink) -> Result<Captured, Error> {
        let before = self.pins[0].index().ok();
        self.pins[1].hold(&self.path)?;
        match self.tail.capture(&self.pins[1], sink) {
            Ok((captured, index)) => {
                self.pins[0].release();
                self.pins.swap(0, 1);
                // Committed between the new pin and the capture: the pin is behind, so move it once more next time.
                self.seen = Some(index).filter(|_| before == Some(index));
                self.unsynced_file |= captured.restarted;
                self.totals.add(captured, self.tail.page_size());
                Ok(captured)
            }
            Err(error) => {
                self.pins[1].release();
                self.seen = None;
                Err(error)
            }
        }
    }

    /// Reads pages as they were at the last commit captured: `images` becomes their images, one after the other.
    ///
    /// A page beyond the end of the file is zeros.
    ///
    /// # Errors
    ///
    /// Those of the file layer; after a failed capture, [`Error::Mismatch`] until one succeeds.
    pub fn read_pages(&mut self, pages: &[PageNo], images: &mut Room) -> Result<(), Error> {
        self.tail.read_pages(&self.pins[0], pages, images)
    }

    /// Makes everything captured durable on this machine, so that a replica is never ahead of the disk.
    ///
    /// # Errors
    ///
    /// If the disk refuses: then nothing of it may be uploaded.
    pub fn sync(&mut self) -> Result<(), Error> {
        if planted::is("the WAL is not synced") {
            return Ok(());
        }
        self.sync_wal()?;
        if self.unsynced_file {
            self.sync_file()?;
            self.unsynced_file = false;
        }
        Ok(())
    }

    /// Has the disk take what was written to the log, and what was copied into the database file.
    pub(super) fn sync_both(&self) -> Result<(), Error> {
        self.sync_wal()?;
        self.sync_file()
    }

    fn sync_wal(&self) -> Result<(), Error> {
        handle::wal(&self.pins[0].connection).and_then(|wal| wal.sync()).map_err(Error::file("sync the WAL"))
    }

    fn sync_file(&self) -> Result<(), Error> {
        handle::database(&self.pins[0].connection)
            .and_then(|file| file.sync())
            .map_err(Error::file("sync the database file"))
    }

    /// Copies the log into the database file so that the next writer starts it over, unless the application's readers
    /// hold it back. Passes what is committed meanwhile to `sink`.
    ///
    /// A writer of the application waits at most some milliseconds, and only if writers kept a first, passive attempt
    /// from completing.
    ///
    /// # Errors
    ///
    /// As [`Live::advance`]. A checkpoint that others prevent is not an error.
    pub fn reclaim(&mut self, sink: &mut dyn Sink) -> Result<Reclaimed, Error> {
        checkpoint::reclaim(self, sink)
    }

    /// Gives the disk space of an exceptionally long log back: truncates the file if nobody is in the way right now.
    ///
    /// # Errors
    ///
    /// As [`Live::advance`]. Not being able to truncate is not an error: `false` says so.
    pub fn truncate(&mut self, sink: &mut dyn Sink) -> Result<bool, Error> {
        checkpoint::truncate(self, sink)
    }

    /// The length of the WAL file in bytes.
    ///
    /// # Errors
    ///
    /// Those of the file layer.
    pub fn wal_len(&self) -> Result<u64, Error> {
        handle::wal(&self.pins[0].connection).and_then(|wal| wal.len()).map_err(Error::file("measure the WAL"))
    }

    /// The wal-index as it is now.
    pub(super) fn index(&self) -> Result<Index, Error> {
        self.pins[0].index()
    }

    pub(super) fn options(&self) -> Options {
        self.options
    }

    /// Whether the files are still the ones that were opened. A `-shm` that was removed beside the others is no reason
    /// to let go of it, since the application may still have it open: opened anew, SQLite would make a second one for us,
    /// in which its commits are never seen, and a checkpoint of ours would copy frames that it has overwritten.
    pub(super) fn require_identity(&mut self) -> Result<(), Error> {
        let before = self.pins[0].backfill();
        let (database, written) = open::look(&self.path).unzip();
        let elsewhere = self.identity.given != self.path
            && FileId::of(&self.identity.given).is_some_and(|now| Some(now) != self.identity.database);
        let shm = FileId::of(&open::beside(&self.path, "-shm"));
        let same = database == self.identity.database
            && FileId::of(&open::beside(&self.path, "-wal")) == self.identity.wal
            && (shm.is_none() || shm == self.identity.shm);
        if elsewhere || !same {
            return Err(Error::Replaced(self.path.clone()));
        }
        // A SQLite that keeps it elsewhere, or in its own memory, never had it beside the database.
        let unlinked = shm.is_none() && self.identity.shm.is_some();
        if unlinked && !self.identity.unlinked {
            tracing::error!(
                "{}-shm was removed while the database is in use: capture goes on, and checkpoints are left to the \
                 application; whoever opens the database now may corrupt it: stop the application, then waloy, and \
                 start both again",
                self.path.display()
            );
        }
        self.identity.unlinked = unlinked;
        self.require_only_checkpoints(before?, written)
    }

    /// In WAL mode nothing but a checkpoint writes to the database file, and it says so in the wal-index before and after.
    /// What else has changed it, such as `cp` from a backup, was captured by nobody. `before`: read before the file was
    /// looked at.
    fn require_only_checkpoints(&mut self, before: Option<Backfill>, written: Option<Written>) -> Result<(), Error> {
        let Some(quiet) = before.filter(|_| before == self.pins[0].backfill().ok().flatten()) else { return Ok(()) };
        self.identity.told |= quiet.frames > FrameNo(0);
        let last = self.identity.written.replace((quiet, written)).filter(|_| self.identity.told);
        match last {
            Some((then, was)) if then == quiet && was != written => Err(Error::Overwritten(self.path.clone())),
            _ => Ok(()),
        }
    }
}
