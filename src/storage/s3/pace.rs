//! A cap on bytes a second.

use std::num::NonZeroU64;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use tokio::time::{Instant, sleep_until};

/// Time that nobody used counts for so long: waking up takes a while, too.
const SLACK: Duration = Duration::from_millis(50);

/// How long a piece takes at most, so that each of several requests gets on.
const PIECES_A_SECOND: u64 = 8;

/// How fast bytes may go in one direction. Clones share it: who asks first is first.
#[derive(Clone, Debug, Default)]
pub(super) struct Pace(Option<Arc<Limited>>);

#[derive(Debug)]
struct Limited {
    /// Bytes.
    a_second: NonZeroU64,
    /// When all that was let pass is through.
    free: Mutex<Instant>,
}

impl Pace {
    /// So many bytes a second; `None`: as fast as it goes.
    pub(super) fn new(a_second: Option<NonZeroU64>) -> Pace {
        Pace(a_second.map(|a_second| Arc::new(Limited { a_second, free: Mutex::new(Instant::now()) })))
    }

    /// The length of a piece of what is sent, up to this one.
    pub(super) fn piece(&self, most: usize) -> usize {
        let Some(limited) = &self.0 else { return most };
        usize::try_from(limited.a_second.get() / PIECES_A_SECOND).unwrap_or(most).clamp(1, most)
    }

    /// Lets so many bytes pass, and says when, if that is not now.
    pub(super) fn take(&self, len: usize) -> Option<Instant> {
        let limited = self.0.as_ref()?;
        let now = Instant::now();
        let mut free = limited.free.lock().unwrap_or_else(PoisonError::into_inner);
        let at = now.checked_sub(SLACK).map_or(*free, |earliest| (*free).max(earliest));
        *free = at + Duration::from_secs_f64(len as f64 / limited.a_second.get() as f64);
        (at > now).then_some(at)
    }

    /// Waits until so many bytes may pass.
    pub(super) async fn pass(&self, len: usize) {
        if let Some(at) = self.take(len) {
            sleep_until(at).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn all_together_are_no_faster_than_the_cap() {
        let pace = Pace::new(NonZeroU64::new(1_000_000));
        let began = Instant::now();
        let each = async || {
            for _ in 0..100 {
                pace.pass(10_000).await;
            }
        };
        tokio::join!(each(), each(), each());
        let seconds = began.elapsed().as_secs_f64();
        assert!((2.9..3.1).contains(&seconds), "{seconds}");
        // What was not used while nobody sent is not made up for.
        tokio::time::sleep(Duration::from_secs(60)).await;
        let began = Instant::now();
        each().await;
        assert!(began.elapsed() > Duration::from_millis(900));
    }

    #[test]
    fn pieces_are_small_where_little_may_pass() {
        let piece = |a_second| Pace::new(NonZeroU64::new(a_second)).piece(65_536);
        assert_eq!([piece(0), piece(1), piece(8_000), piece(u64::MAX)], [65_536, 1, 1_000, 65_536]);
    }
}
