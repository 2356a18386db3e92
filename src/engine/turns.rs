//! Turns that the databases of one process take at what holds memory or asks the store much, however many they are.
//!
//! They spread what comes at once, as when a thousand databases start. A turn is over after some time, whatever is still
//! going on then: nobody waits for long for those whose store does not answer.

use std::time::Duration;

use tokio::sync::Semaphore;
use tokio::time::{sleep, timeout};
use tokio_util::task::AbortOnDropHandle;

/// A turn is over after this.
const AT_MOST: Duration = Duration::from_secs(5);

/// Databases that are started at the same time.
static STARTING: Semaphore = Semaphore::const_new(16);

/// Objects that are made of many pages at the same time: each has a compressor and a chunk of pages.
static COLLECTING: Semaphore = Semaphore::const_new(8);

/// Does what belongs to the start of a database when it is its turn, or when it has waited long enough.
pub(super) async fn starting<T>(work: impl Future<Output = T>) -> T {
    in_turn(&STARTING, work).await
}

async fn in_turn<T>(turns: &Semaphore, work: impl Future<Output = T>) -> T {
    let turn = timeout(AT_MOST, turns.acquire()).await;
    let mut work = std::pin::pin!(work);
    tokio::select! {
        biased;
        done = &mut work => return done,
        () = sleep(AT_MOST) => drop(turn),
    }
    work.await
}

/// The turn of who collects pages.
#[derive(Debug)]
pub(super) struct Turn {
    /// Has the permit, and lets go of it in time.
    holder: Option<AbortOnDropHandle<()>>,
}

impl Turn {
    /// Waits for it.
    pub(super) async fn to_collect() -> Turn {
        Turn::of(&COLLECTING).await
    }

    async fn of(turns: &'static Semaphore) -> Turn {
        let permit = turns.acquire().await;
        let holder = tokio::spawn(async move {
            sleep(AT_MOST).await;
            drop(permit);
        });
        Turn { holder: Some(AbortOnDropHandle::new(holder)) }
    }

    /// Waits for it, but not for long: then it goes without.
    pub(super) async fn to_collect_soon(patience: Duration) -> Turn {
        timeout(patience, Turn::to_collect()).await.unwrap_or(Turn { holder: None })
    }

    /// Gives it up, as what it was for does not get on.
    pub(super) fn end(&mut self) {
        self.holder = None;
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn turns_end_by_themselves_when_they_are_given_up_and_when_they_are_dropped() {
        static TURNS: Semaphore = Semaphore::const_new(3);
        let begun = Instant::now();
        let (first, mut second, _third) = (Turn::of(&TURNS).await, Turn::of(&TURNS).await, Turn::of(&TURNS).await);
        assert!(timeout(Duration::from_secs(1), Turn::of(&TURNS)).await.is_err());
        drop(first);
        second.end();
        let (_fourth, _fifth) = (Turn::of(&TURNS).await, Turn::of(&TURNS).await);
        assert_eq!(begun.elapsed().as_secs(), 1);
        // Those who still have theirs do nothing for it to end.
        let _sixth = Turn::of(&TURNS).await;
        assert_eq!(begun.elapsed().as_secs(), AT_MOST.as_secs());
    }

    #[tokio::test(start_paused = true)]
    async fn who_starts_waits_for_no_longer_than_a_turn() {
        let (turns, begun) = (Semaphore::new(2), Instant::now());
        let all = (0..100).map(|_| in_turn(&turns, async { sleep(Duration::from_secs(3600)).await }));
        futures_util::future::join_all(all).await;
        assert_eq!(begun.elapsed().as_secs(), 3600 + AT_MOST.as_secs());
    }
}
