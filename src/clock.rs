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

/// Random bytes from the operating system.
///
/// # Panics
///
/// If the system has none to give: nothing that waloy writes could be told apart then.
pub fn random<const N: usize>() -> [u8; N] {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).expect("the operating system gives random bytes");
    bytes
}
