//! Who owns the live database: it captures at each tick, keeps the WAL short, and answers the replicator.
//!
//! Everything here blocks, on a thread of the [`crew`]. A connection never leaves its thread; questions come as closures,
//! answers go back through a channel. Nothing that is asked is lost if the asker goes away.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use tokio::time::Instant;

use self::reclaim::Reclaim;
pub(super) use self::thread::{Ended, Watched};
use super::collect::Collects;
use super::options::{Hooks, Options};
use super::pending::{Boundary, Pages, Pending, Span, Tracker};
use crate::db::{self, Ignore, Live};
use crate::planted;
use crate::units::Timestamp;
use crate::wal::FRAME_HEADER_LEN;

mod crew;
mod reclaim;
mod thread;

/// How often the pin is moved at least, if anything happened.
const TICK: Duration = Duration::from_millis(250);

/// The same once nothing has happened for a while, and somebody hears of writes to the files.
const IDLE_TICK: Duration = Duration::from_secs(2);
const IDLE_AFTER: Duration = Duration::from_secs(3);

/// How soon the next tick comes, and for how long, once the WAL has grown by more than its threshold in one.
const HURRIED_TICK: Duration = Duration::from_millis(20);
const HURRY: Duration = Duration::from_secs(1);

/// How long capture may fail before it is told: the next look often succeeds.
const PATIENCE: Duration = Duration::from_secs(1);

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
    reclaim: Reclaim,
    /// What was captured could not be made durable at the end of a collection.
    pub(super) sync_failed: bool,
    counted: db::Totals,
    /// Bytes of the WAL that had been captured at the last tick.
    ticked: u64,
    /// When the WAL grew by more than its threshold in one tick.
    hurried: Option<Instant>,
    /// When something about the WAL had last changed, or somebody heard of a write.
    changed: Instant,
    /// Somebody hears of writes to the files, and has it look then: see [`thread::Listening`].
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
            reclaim: Reclaim::new(options, frame_len),
            live,
            pending,
            collects: Collects::default(),
            captured_at: hooks.clock.now(),
            hooks,
            sync_failed: false,
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

    /// Looks at the WAL a moment after somebody heard of a write to the files; of those moments, the last one.
    fn look_after_write(&mut self, is_last: bool) {
        // When it counts, nothing tells: a commit may have to wait for its sync.
        self.changed = Instant::now();
        if is_last {
            // It may be none of SQLite's.
            self.live.ask_identity();
        }
        self.look();
    }

    /// Looks at the WAL, as it is to be done every so often.
    fn tick(&mut self) {
        self.look();
        let grown = (self.counted.bytes - self.ticked) / self.frame_len();
        self.ticked = self.counted.bytes;
        if grown > u64::from(self.reclaim.threshold) {
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

    fn pulse(&self) -> Pulse {
        let failing = self.failing.is_some_and(|since| since.elapsed() >= PATIENCE);
        Pulse { pending: !self.pending.is_empty(), lost: self.lost, overwritten: self.overwritten, failing }
    }
}
