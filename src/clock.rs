//! Time and chance as arguments: nothing below the command line asks for either by itself.

use std::fmt;
use std::sync::Arc;

use crate::units::Timestamp;

/// Tells the time of day.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now, by this clock. It may go back.
    fn now(&self) -> Timestamp;
}

/// The clock of the machine.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock;

impl Clock for SystemClock {
    fn now(&self) -> Timestamp {
        Timestamp(chrono::Utc::now().timestamp_millis())
    }
}

/// The clock of the machine, shared.
pub fn system() -> Arc<dyn Clock> {
    Arc::new(SystemClock)
}

/// Random bytes from the operating system, for what must not be guessed: keys, nonces, salts.
///
/// # Panics
///
/// If the system has none to give: nothing that waloy writes could be told apart then.
pub fn entropy<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}

/// Random bytes for what only has to differ: ids, the names of temporary files, the length of a pause.
///
/// # Panics
///
/// As [`entropy`].
pub fn random<const N: usize>() -> [u8; N] {
    #[cfg(feature = "testing")]
    if let Some(bytes) = seeded::next() {
        return bytes;
    }
    entropy()
}

/// Simulations: the same seed gives the same ids.
#[cfg(feature = "testing")]
pub(crate) mod seeded {
    use std::sync::{Mutex, PoisonError};

    static STATE: Mutex<Option<u64>> = Mutex::new(None);

    /// From now on [`super::random`] gives what follows from this, in the whole process.
    pub(crate) fn begin(seed: u64) {
        *STATE.lock().unwrap_or_else(PoisonError::into_inner) = Some(seed);
    }

    pub(super) fn next<const N: usize>() -> Option<[u8; N]> {
        let mut state = STATE.lock().unwrap_or_else(PoisonError::into_inner);
        let state = state.as_mut()?;
        Some(std::array::from_fn(|_| split_mix(state) as u8))
    }

    /// SplitMix64, <https://prng.di.unimi.it/splitmix64.c>.
    fn split_mix(state: &mut u64) -> u64 {
        *state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = *state;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }
}
