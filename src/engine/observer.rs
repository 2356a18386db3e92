//! Who owns the live database: it captures at each tick, keeps the WAL short, and answers the replicator.
//!
//! Everything here blocks, on a thread of the [`crew`]. A connection never leaves its thread; questions come as closures,
//! answers go back through a channel. Nothing that is asked is lost if the asker goes away.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

pub(super) use self::thread::{Ended, Watched};
use super::Event;
use super::collect::Collects;
use super::options::{Checkpoints, Hooks, Options};
use super::pending::{Boundary, Pages, Pending, Span, Tracker};
use crate::db::{self, Ignore, Live, Reclaimed};
use crate::planted;
use crate::units::Timestamp;
use crate::wal::FRAME_HEADER_LEN;

mod crew;
mod thread;

/// How often the pin is moved at least, if anything happened.
const TICK: Duration = Duration::from_millis(250);

/// The same once nothing has happened for a while, and a write to the files wakes somebody who has it looked.
const IDLE_TICK: Duration = Duration::from_secs(2);
const IDLE_AFTER: Duration = Duration::from_secs(30);

/// How soon the next tick comes, and for how long, once the WAL has grown by more than its threshold in one.
const HURRIED_TICK: Duration = Duration::from_millis(20);
const HURRY: Duration = Duration::from_secs(1);

/// How long capture may fail before it is told: the next look often succeeds.
const PATIENCE: Duration = Duration::from_secs(1);

/// How soon a checkpoint that readers or writers prevented is tried again, unless the WAL has grown by its threshold.
const RECLAIM_AGAIN: Duration = Duration::from_secs(1);

/// How long a checkpoint waits at most for a segment that is collected.
const PUT_OFF: Duration = Duration::from_secs(10);

/// What the thread tells without being asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub(super) struct Pulse {
    /// Something was captured that is not sealed.
    pub(super) pending: bool,
    /// Capture has lost its thread: the database has to be opened anew.
    pub(super) lost: bool,
    /// Something else than SQLite wrote to the database: that the WAL is the one that was followed tells nothing.
    pub(super) overwritten: bool,
    /// Nothing could be captured for a while: whoever asks is told why.
    pub(super) failing: bool,
}

/// What was captured between two segments.
#[derive(Debug)]
pub(super) enum Batch {
    /// The images of all changed pages at one commit.
    Images {
        /// The pages.
        pages: Pages,
        /// The transactions.
        span: Span,
        /// The commit.
        boundary: Boundary,
    },
    /// Too many: they are collected, see [`Tracker::Segment`], and the commit is the one at which that ends; only then is
    /// what was captured durable on this machine.
    Collecting {
        /// When the first transaction was captured.
        first: Timestamp,
        /// The log that has them.
        wal: PathBuf,
    },
}

/// The live database and what was captured of it.
#[derive(Debug)]
pub(super) struct Observer {
    pub(super) live: Live,
    pub(super) pending: Pending,
    pub(super) collects: Collects,
    hooks: Hooks,
    checkpoints: Checkpoints,
    /// Frames in the WAL above which it is checkpointed.
    threshold: u32,
    /// When a checkpoint was prevented, and the frames that the WAL had then.
    prevented: Option<(Instant, u32)>,
    /// What was captured could not be made durable at the end of a collection.
    pub(super) sync_failed: bool,
    /// Since when a checkpoint waits for a segment that is collected, and the frames that the WAL had then.
    put_off: Option<(Instant, u32)>,
    counted: db::Totals,
    /// Bytes of the WAL that had been captured at the last tick.
    ticked: u64,
    /// When the WAL grew by more than its threshold in one tick.
    hurried: Option<Instant>,
    /// When something about the WAL had last changed.
    changed: Instant,
    /// Somebody is told when the files are written to, and has it look then: see [`thread::Listening`].
    is_told: Arc<AtomicBool>,
    captured_at: Timestamp,
    lost: bool,
    overwritten: bool,
    /// Since when each look has failed.
    failing: Option<Instant>,
}

impl Observer {
    fn open(options: &Options, hooks: Hooks, resume: Option<&db::Place>) -> Result<Observer, db::Error> {
        let db_options = options.db_options();
        let mut pending = Pending::new(options.memory_budget);
        let live = match resume {
            Some(place) => Live::open(&options.db_path, db_options, Some(place), &mut pending)?,
            None => Live::open(&options.db_path, db_options, None, &mut Ignore)?,
        };
        let frame_len = FRAME_HEADER_LEN as u64 + u64::from(live.page_size().get());
        let mut observer = Observer {
            threshold: u32::try_from(options.checkpoint_threshold / frame_len).unwrap_or(u32::MAX).max(1),
            checkpoints: options.checkpoints,
            live,
            pending,
            collects: Collects::default(),
            captured_at: hooks.clock.now(),
            hooks,
            prevented: None,
            sync_failed: false,
            put_off: None,
            counted: db::Totals::default(),
            ticked: 0,
            hurried: None,
            changed: Instant::now(),
            is_told: Arc::default(),
            lost: false,
            overwritten: false,
            failing: None,
        };
        observer.count();
        Ok(observer)
    }

    /// Captures up to the present end of the WAL, unless a collection holds everything still.
    pub(super) fn capture(&mut self) -> Result<(), db::Error> {
        if self.collects.frozen() && !planted::is("capture goes on in the last round of a collection") {
            return Ok(());
        }
        let captured = self.live.advance(&mut self.pending);
        if !matches!(captured, Ok(None)) {
            self.changed = Instant::now();
        }
        self.count();
        captured.map(drop).inspect_err(|error| self.lose(error))
    }

    /// After some errors everything has to be opened anew.
    fn lose(&mut self, error: &db::Error) {
        self.lost |= error.is_loss();
        self.overwritten |= matches!(error, db::Error::Overwritten(_));
    }

    /// Notes what was captured. The time is read after the end of the WAL was.
    fn count(&mut self) {
        let now = self.live.totals();
        if now != self.counted {
            self.captured_at = self.hooks.clock.now();
            let (commits, bytes) = (now.commits - self.counted.commits, now.bytes - self.counted.bytes);
            self.pending.captured(commits, bytes, self.captured_at);
            self.counted = now;
        }
    }

    /// The commit captured last.
    pub(super) fn boundary(&self) -> Boundary {
        Boundary { pages: self.live.pages(), position: self.live.position(), at: self.captured_at }
    }

    /// The last commit, if all that was captured up to it was taken.
    pub(super) fn level(&mut self) -> Result<Option<Boundary>, db::Error> {
        self.live.ask_identity();
        self.capture()?;
        Ok(self.pending.is_empty().then(|| self.boundary()))
    }

    /// Takes everything captured up to now. Images are durable on this machine when this returns.
    pub(super) fn take(&mut self) -> Result<Option<Batch>, db::Error> {
        if !planted::is("a sync does not ask whether the file is still the same") {
            self.live.ask_identity();
        }
        self.capture()?;
        if self.pending.is_empty() {
            return Ok(None);
        }
        // What is collected is durable when the collection ends. Where that failed, nothing is read and sent in vain again.
        if !self.pending.is_numbers() || self.sync_failed {
            let synced = self.live.sync();
            if synced.is_err() && planted::is("what is captured is dropped when the WAL cannot be synced") {
                self.pending.take();
            }
            synced?;
            self.sync_failed = false;
        }
        let boundary = self.boundary();
        match self.pending.take() {
            (Pages::Numbers(set), span) => {
                self.collects.begin(Tracker::Segment, set, span);
                self.pending.track(Tracker::Segment);
                let wal = db::beside(self.live.path(), "-wal");
                Ok(Some(Batch::Collecting { first: span.first, wal }))
            }
            (pages, span) => Ok(Some(Batch::Images { pages, span, boundary })),
        }
    }

    /// Checkpoints now, whatever the threshold.
    pub(super) fn checkpoint(&mut self) -> Result<Reclaimed, db::Error> {
        let (began, frames) = (Instant::now(), self.live.frames().0);
        let outcome = self.live.reclaim(&mut self.pending);
        self.count();
        let outcome = outcome.inspect_err(|error| self.lose(error))?;
        (self.hooks.events)(Event::Checkpoint { frames, outcome, duration: began.elapsed() });
        Ok(outcome)
    }

    /// Looks at the WAL, as it is to be done every so often.
    fn tick(&mut self) {
        self.look();
        let grown = (self.counted.bytes - self.ticked) / self.frame_len();
        self.ticked = self.counted.bytes;
        if grown > u64::from(self.threshold) {
            self.hurried = Some(Instant::now());
        }
    }

    /// How long after one tick the next one is due.
    fn pause(&self) -> Duration {
        if self.hurried.is_some_and(|since| since.elapsed() < HURRY) {
            HURRIED_TICK
        } else if self.is_told.load(Ordering::Relaxed)
            && self.pending.is_empty()
            && self.changed.elapsed() >= IDLE_AFTER
        {
            IDLE_TICK
        } else {
            TICK
        }
    }

    fn frame_len(&self) -> u64 {
        FRAME_HEADER_LEN as u64 + u64::from(self.live.page_size().get())
    }

    /// Bytes of the WAL that are in use.
    fn wal_bytes(&self) -> u64 {
        u64::from(self.live.frames().0) * self.frame_len()
    }

    fn look(&mut self) {
        if self.lost {
            return;
        }
        match self.capture() {
            Ok(()) => {
                self.failing = None;
                self.reclaim_if_due();
            }
            Err(error) => {
                if self.failing.is_none() && !error.is_transient() {
                    tracing::warn!(%error, "cannot capture");
                } else {
                    tracing::debug!(%error, "cannot capture now");
                }
                self.failing.get_or_insert_with(Instant::now);
            }
        }
    }

    fn reclaim_if_due(&mut self) {
        let frames = self.live.frames().0;
        if !self.is_collected() {
            self.put_off = None;
        }
        let again = |(at, had): (Instant, u32)| at.elapsed() >= RECLAIM_AGAIN || frames.abs_diff(had) >= self.threshold;
        let due = self.checkpoints == Checkpoints::Auto
            && !self.collects.frozen()
            && frames >= self.threshold
            && self.prevented.is_none_or(again)
            && self.live.is_reclaimable();
        if !due || self.puts_off(frames) {
            return;
        }
        self.prevented = match self.checkpoint() {
            Ok(Reclaimed::All) => None,
            Ok(_) => Some((Instant::now(), self.live.frames().0)),
            Err(error) => {
                tracing::debug!(%error, "cannot checkpoint now");
                Some((Instant::now(), self.live.frames().0))
            }
        };
        // An exceptional transaction has left a long file behind: give the space back if nobody is in the way.
        let long = 16 * u64::from(self.threshold) * self.frame_len();
        if self.prevented.is_none() && self.live.wal_len().is_ok_and(|len| len > long) {
            let truncated = self.live.truncate(&mut self.pending);
            self.count();
            if let Err(error) = truncated {
                self.lose(&error);
                tracing::debug!(%error, "cannot truncate the WAL now");
            }
        }
    }

    /// What was captured is too much for memory, and is collected now or soon.
    fn is_collected(&self) -> bool {
        self.pending.is_numbers() || self.collects.is_under_way(Tracker::Segment)
    }

    /// What a very large transaction has changed is read and on its way before the WAL is copied into the database file,
    /// which takes as long again; unless the WAL grows on meanwhile.
    fn puts_off(&mut self, frames: u32) -> bool {
        if !self.is_collected() {
            return false;
        }
        let (since, had) = *self.put_off.get_or_insert((Instant::now(), frames));
        since.elapsed() < PUT_OFF && frames < had.saturating_add(self.threshold)
    }

    fn pulse(&self) -> Pulse {
        let failing = self.failing.is_some_and(|since| since.elapsed() >= PATIENCE);
        Pulse { pending: !self.pending.is_empty(), lost: self.lost, overwritten: self.overwritten, failing }
    }
}
