//! What clocks show in a simulation.

use std::cell::Cell;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};

use tokio::time::Instant;
use waloy::clock::Clock;
use waloy::units::Timestamp;

/// Some day in 2027.
const BEGIN: i64 = 1_800_000_000_000;

thread_local! {
    /// The runtime that runs: its clock when it was made, and the world's then.
    static RUNNING: Cell<Option<(Instant, i64)>> = const { Cell::new(None) };
}

/// The true time, in milliseconds: that of whichever runtime runs.
#[derive(Clone, Debug, Default)]
pub(crate) struct Time(Arc<AtomicI64>);

impl Time {
    /// The milliseconds since the world began.
    pub(crate) fn elapsed(&self) -> i64 {
        if let Some((start, before)) = RUNNING.get()
            && tokio::runtime::Handle::try_current().is_ok()
        {
            let now = before + start.elapsed().as_millis() as i64;
            self.0.fetch_max(now, Ordering::Relaxed);
        }
        self.0.load(Ordering::Relaxed)
    }

    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(BEGIN + self.elapsed())
    }

    /// Time goes by this runtime's clock from now on: it showed `before` at `start`.
    pub(crate) fn follow(&self, running: Option<(Instant, i64)>) {
        RUNNING.set(running);
    }
}

/// The clock of one machine: true, or not.
#[derive(Clone, Debug)]
pub(crate) struct WallClock {
    time: Time,
    /// How far it is off, in milliseconds.
    off: Arc<AtomicI64>,
}

impl WallClock {
    pub(crate) fn new(time: Time) -> WallClock {
        WallClock { time, off: Arc::default() }
    }

    pub(crate) fn turn(&self, off: i64) {
        self.off.store(off, Ordering::Relaxed);
    }
}

impl Clock for WallClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.time.now().0 + self.off.load(Ordering::Relaxed))
    }
}
