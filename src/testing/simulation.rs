//! Runs that can be repeated: a process that calls these once, at its start, and does nothing else, gives the same run for
//! the same seed.
//!
//! With a paused clock of the runtime (`tokio::time::pause`) time passes when nothing is left to do, and hours take as
//! long as what happens in them. What waloy does is the same as without a simulation, in one order of the many possible.

use crate::{clock, task};

/// Everything that waloy does happens on the thread of the runtime from now on, one thing after the other, in the whole
/// process. The runtime must be one of a single thread.
///
/// The only exception is [`mod@crate::compact`], which merges on a thread of its own.
pub fn one_thread() {
    task::one_thread::want();
}

/// Ids, names and pauses follow from this seed from now on, in the whole process. Keys and nonces do not: they stay
/// random.
pub fn seed(seed: u64) {
    clock::seeded::begin(seed);
}
