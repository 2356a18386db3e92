//! What came of a plan.

use std::time::Duration;

use serde::Serialize;

/// An object that the store did not delete.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Refused {
    /// Its key.
    pub key: String,
    /// Why, in one line.
    pub why: String,
}

/// What was deleted, and what was not.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Report {
    /// Generations that are gone.
    pub generations: u64,
    /// Objects that are gone: listed again, they are no longer there.
    pub objects: u64,
    /// Their bytes.
    pub freed_bytes: u64,
    /// What the store refused to delete, the first hundred; an append-only key or an object lock does that.
    pub refused: Vec<Refused>,
    /// How many those are in all.
    pub refused_objects: u64,
    /// What the store said was deleted, and is still listed: the first hundred keys.
    pub still_there: Vec<String>,
    /// How many those are in all.
    pub still_there_objects: u64,
    /// How long it took.
    pub duration: Duration,
}

/// So many keys are told.
const TOLD: usize = 100;

impl Report {
    /// Everything that was to go is gone.
    pub fn is_complete(&self) -> bool {
        self.refused_objects == 0 && self.still_there_objects == 0
    }

    pub(super) fn refuse(&mut self, key: String, why: String) {
        self.refused_objects += 1;
        if self.refused.len() < TOLD {
            self.refused.push(Refused { key, why });
        }
    }

    pub(super) fn is_still_there(&mut self, key: String) {
        self.still_there_objects += 1;
        if self.still_there.len() < TOLD {
            self.still_there.push(key);
        }
    }
}
