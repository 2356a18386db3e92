//! How a replicator is doing, for whoever looks from outside.

use std::collections::VecDeque;
use std::time::Duration;

use super::event::Report;
use crate::ids::GenerationId;
use crate::units::{SegmentIndex, Timestamp};

/// Of more failures than this the oldest are forgotten.
const REMEMBERED: usize = 1000;

/// How a replicator is doing. Reading it asks nobody and costs nothing.
#[derive(Clone, PartialEq, Debug)]
pub struct Status {
    /// When it was started.
    pub started: Timestamp,
    /// Where the replica is.
    pub destination: String,
    /// The generation, if there is one yet.
    pub generation: Option<GenerationId>,
    /// The newest segment; `None` if there is only the snapshot.
    pub index: Option<SegmentIndex>,
    /// The time of the newest transaction that is durable.
    pub at: Option<Timestamp>,
    /// When an object became durable last, since the start.
    pub synced: Option<Timestamp>,
    /// When the oldest transaction was captured that no object has yet.
    pub unsealed: Option<Timestamp>,
    /// When the oldest transaction was captured whose object is on its way.
    pub unsent: Option<Timestamp>,
    /// Bytes of the WAL that are in use. The file may be longer: SQLite starts it over and does not cut it.
    pub wal_bytes: u64,
    /// Since its start.
    pub report: Report,
    /// Segments that became durable since the start.
    pub segments: u64,
    /// Snapshots that became durable since the start.
    pub snapshots: u64,
    /// Why the replica is behind, if it has been for more than three intervals.
    pub degraded: Option<Degraded>,
    /// When something failed that was tried again, the newest last.
    pub failures: VecDeque<Timestamp>,
}

/// A replica that is behind.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Degraded {
    /// Since when.
    pub since: Timestamp,
    /// Why, in one line.
    pub error: String,
}

impl Status {
    pub(super) fn new(started: Timestamp, destination: String) -> Status {
        Status {
            started,
            destination,
            generation: None,
            index: None,
            at: None,
            synced: None,
            unsealed: None,
            unsent: None,
            wal_bytes: 0,
            report: Report::default(),
            segments: 0,
            snapshots: 0,
            degraded: None,
            failures: VecDeque::new(),
        }
    }

    /// For how long the replica has lacked a transaction: zero if it has them all.
    ///
    /// A transaction counts from its capture, which is up to a quarter of a second after its commit.
    pub fn lag(&self, now: Timestamp) -> Duration {
        let oldest = [self.unsealed, self.unsent].into_iter().flatten().min();
        let lag = oldest.map_or(0, |oldest| now.0.saturating_sub(oldest.0));
        Duration::from_millis(u64::try_from(lag).unwrap_or(0))
    }

    /// Whether the replica has everything that was captured.
    pub fn is_level(&self) -> bool {
        self.unsealed.is_none() && self.unsent.is_none() && self.generation.is_some()
    }

    /// How often something failed in the last so many seconds.
    pub fn failures_within(&self, window: Duration, now: Timestamp) -> usize {
        let window = i64::try_from(window.as_millis()).unwrap_or(i64::MAX);
        self.failures.iter().rev().take_while(|at| now.0.saturating_sub(at.0) <= window).count()
    }

    pub(super) fn failed(&mut self, at: Timestamp) {
        if self.failures.len() == REMEMBERED {
            self.failures.pop_front();
        }
        self.failures.push_back(at);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_oldest_transaction_that_is_not_durable_makes_the_lag() {
        let mut status = Status::new(Timestamp(0), "here".into());
        assert_eq!(status.lag(Timestamp(9000)), Duration::ZERO);
        assert!(!status.is_level(), "there is no snapshot yet");
        status.generation = Some(GenerationId::new(Timestamp(1), [1; 10]));
        assert!(status.is_level());
        status.unsealed = Some(Timestamp(8000));
        status.unsent = Some(Timestamp(7000));
        assert_eq!(status.lag(Timestamp(9000)), Duration::from_secs(2));
        assert!(!status.is_level());
        // The clock was set back.
        assert_eq!(status.lag(Timestamp(1000)), Duration::ZERO);
    }

    #[test]
    fn failures_are_counted_in_a_window_and_their_number_is_bounded() {
        let mut status = Status::new(Timestamp(0), "here".into());
        (0..3000).for_each(|at| status.failed(Timestamp(at)));
        assert_eq!(status.failures.len(), REMEMBERED);
        assert_eq!(status.failures_within(Duration::from_millis(9), Timestamp(2999)), 10);
    }
}
