//! When the WAL is copied into the database file, and what speaks against it.

use std::time::Duration;

use tokio::time::Instant;

use super::Observer;
use crate::db::{self, Reclaimed};
use crate::engine::Event;
use crate::engine::options::{Checkpoints, Options};
use crate::engine::pending::Tracker;

/// How soon a checkpoint that readers or writers prevented is tried again, unless the WAL has grown by its threshold.
const AGAIN: Duration = Duration::from_secs(1);

/// How long a checkpoint waits at most for a segment that is collected.
const PUT_OFF: Duration = Duration::from_secs(10);

/// After a checkpoint of all of it, a WAL of more than so many times its threshold is cut.
const LONG: u64 = 16;

/// When a checkpoint is due.
#[derive(Debug)]
pub(super) struct Reclaim {
    checkpoints: Checkpoints,
    /// Frames in the WAL above which it is checkpointed.
    pub(super) threshold: u32,
    /// When a checkpoint was prevented, and the frames that the WAL had then.
    prevented: Option<(Instant, u32)>,
    /// Since when a checkpoint waits for a segment that is collected, and the frames that the WAL had then.
    put_off: Option<(Instant, u32)>,
}

impl Reclaim {
    /// For a WAL with frames of this length.
    pub(super) fn new(options: &Options, frame_len: u64) -> Reclaim {
        let threshold = u32::try_from(options.checkpoint_threshold / frame_len).unwrap_or(u32::MAX).max(1);
        Reclaim { checkpoints: options.checkpoints, threshold, prevented: None, put_off: None }
    }

    /// A checkpoint of so many frames may be tried.
    fn is_due(&self, frames: u32) -> bool {
        let again = |(at, had): (Instant, u32)| at.elapsed() >= AGAIN || frames.abs_diff(had) >= self.threshold;
        self.checkpoints == Checkpoints::Auto && frames >= self.threshold && self.prevented.is_none_or(again)
    }

    /// What a very large transaction has changed is read and on its way before the WAL is copied into the database file,
    /// which takes as long again; unless the WAL grows on meanwhile.
    fn puts_off(&mut self, frames: u32) -> bool {
        let (since, had) = *self.put_off.get_or_insert((Instant::now(), frames));
        since.elapsed() < PUT_OFF && frames < had.saturating_add(self.threshold)
    }
}

impl Observer {
    /// Checkpoints now, whatever the threshold.
    pub(in crate::engine) fn checkpoint(&mut self) -> Result<Reclaimed, db::Error> {
        let (began, frames) = (Instant::now(), self.live.frames().0);
        let outcome = self.live.reclaim(&mut self.pending);
        self.count();
        let outcome = outcome.inspect_err(|error| self.lose(error))?;
        (self.hooks.events)(Event::Checkpoint { frames, outcome, duration: began.elapsed() });
        Ok(outcome)
    }

    /// Checkpoints if the WAL is long enough, and nothing speaks against it.
    pub(super) fn reclaim_if_due(&mut self) {
        let frames = self.live.frames().0;
        let is_collected = self.is_collected();
        if !is_collected {
            self.reclaim.put_off = None;
        }
        let is_due = !self.collects.frozen() && self.reclaim.is_due(frames) && self.live.is_reclaimable();
        if !is_due || is_collected && self.reclaim.puts_off(frames) {
            return;
        }
        self.reclaim.prevented = match self.checkpoint() {
            Ok(Reclaimed::All) => None,
            Ok(_) => Some((Instant::now(), self.live.frames().0)),
            Err(error) => {
                tracing::debug!(%error, "cannot checkpoint now");
                Some((Instant::now(), self.live.frames().0))
            }
        };
        // An exceptional transaction has left a long file behind: give the space back if nobody is in the way.
        let long = LONG * u64::from(self.reclaim.threshold) * self.frame_len();
        if self.reclaim.prevented.is_none() && self.live.wal_len().is_ok_and(|len| len > long) {
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
}
