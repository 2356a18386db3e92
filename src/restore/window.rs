//! A part of a survey: what somebody wants to see of it. Pure.

use std::time::Duration;

use super::{Generation, Interval, Survey};
use crate::units::Timestamp;

/// Which generations are wanted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Wanted {
    /// Only those that reach to this moment or beyond.
    pub since: Option<Timestamp>,
    /// Only those that begin at this moment or before.
    pub until: Option<Timestamp>,
    /// At most so many, the newest.
    pub limit: Option<usize>,
    /// Also those of which nothing can be restored.
    pub unrestorable: bool,
}

impl Wanted {
    fn has(&self, generation: &Generation) -> bool {
        // Of one that cannot be restored, only its beginning is known.
        let begun = Interval { from: generation.id.at(), to: generation.id.at() };
        let covers = generation.covers.unwrap_or(begun);
        (self.unrestorable || generation.covers.is_some())
            && self.since.is_none_or(|since| covers.to >= since)
            && self.until.is_none_or(|until| covers.from <= until)
    }
}

impl Survey {
    /// The same, with the wanted generations alone: gaps, range and size are theirs.
    #[must_use]
    pub fn narrowed(mut self, wanted: &Wanted) -> Survey {
        self.generations.retain(|generation| wanted.has(generation));
        let surplus = wanted.limit.map_or(0, |limit| self.generations.len().saturating_sub(limit));
        self.generations.drain(..surplus);
        self.stored_bytes = self.generations.iter().map(|generation| generation.stored_bytes).sum();
        let mut covers = self.generations.iter().filter_map(|generation| generation.covers);
        let first = covers.next();
        self.restorable = first.map(|first| Interval { from: first.from, to: covers.next_back().unwrap_or(first).to });
        let within = self.restorable;
        self.gaps.retain(|gap| within.is_some_and(|range| range.from <= gap.from && gap.to <= range.to));
        self
    }

    /// How long the time is from the first moment that can be restored to the last.
    pub fn coverage(&self) -> Duration {
        self.restorable.map_or(Duration::ZERO, |range| range.length())
    }
}

impl Interval {
    /// How long it is.
    pub fn length(self) -> Duration {
        Duration::from_millis(self.to.0.saturating_sub(self.from.0).max(0).unsigned_abs())
    }
}
