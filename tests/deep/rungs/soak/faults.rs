//! The store has its bad moments.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use waloy::testing::dice::Dice;

use crate::s3_server::{S3Server, Trouble};

/// Makes trouble until it is dropped.
pub(super) struct Faults {
    over: Arc<AtomicBool>,
    count: Arc<AtomicU64>,
    thread: Option<std::thread::JoinHandle<()>>,
}

impl Faults {
    /// About one fault in `every`, each of some seconds at most.
    pub(super) fn begin(server: Arc<S3Server>, seed: u64, every: Duration, longest: Duration) -> Faults {
        let (over, count) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicU64::new(0)));
        let (ended, counted) = (over.clone(), count.clone());
        let thread = std::thread::spawn(move || {
            let mut dice = Dice::new(seed);
            let wait = |at_most: Duration, dice: &mut Dice| {
                let mut left = at_most.mul_f64(dice.below(1000) as f64 / 1000.0);
                while !left.is_zero() && !ended.load(Ordering::Relaxed) {
                    let step = left.min(Duration::from_millis(50));
                    std::thread::sleep(step);
                    left -= step;
                }
                !ended.load(Ordering::Relaxed)
            };
            while wait(every * 2, &mut dice) {
                server.be(match dice.below(5) {
                    0 => Trouble::Says(503, "SlowDown"),
                    1 => Trouble::Says(500, "InternalError"),
                    2 => Trouble::Slow(Duration::from_millis(700)),
                    3 => Trouble::Hangs("0".to_owned()),
                    _ => Trouble::Gone,
                });
                counted.fetch_add(1, Ordering::Relaxed);
                wait(longest, &mut dice);
                server.be_well();
            }
            server.be_well();
        });
        Faults { over, count, thread: Some(thread) }
    }

    /// No more of them: how many there were.
    pub(super) fn end(mut self) -> u64 {
        self.stop();
        self.count.load(Ordering::Relaxed)
    }

    fn stop(&mut self) {
        self.over.store(true, Ordering::Relaxed);
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

impl Drop for Faults {
    fn drop(&mut self) {
        self.stop();
    }
}
