//! What was found out about the store.

use serde::{Deserialize, Serialize};

use super::{Error, StateDir};
use crate::units::Timestamp;

const NAME: &str = "store.json";

/// For how long it is believed: stores are updated, and moved.
const BELIEVED_MS: i64 = 7 * 24 * 60 * 60 * 1000;

/// A store that keeps an object that is there when it is told to, so that this need not be tried at each start.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Conditional {
    /// The format of this file: 1.
    pub format: u32,
    /// Where the replica is.
    pub destination: String,
    /// When it was tried, in milliseconds since 1970.
    pub tried_ms: i64,
}

impl Conditional {
    /// Whether this destination was tried not long ago, and does.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn is_known(dir: &StateDir, destination: &str, now: Timestamp) -> Result<bool, Error> {
        let Some(bytes) = dir.read(NAME)? else { return Ok(false) };
        let known = serde_json::from_slice::<Conditional>(&bytes).ok();
        Ok(known.is_some_and(|known| {
            let age = now.0.saturating_sub(known.tried_ms);
            known.format == 1 && known.destination == destination && (0..BELIEVED_MS).contains(&age)
        }))
    }

    /// Takes note of it.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn note(dir: &StateDir, destination: String, now: Timestamp) -> Result<(), Error> {
        let mut text = serde_json::to_vec_pretty(&Conditional { format: 1, destination, tried_ms: now.0 })
            .expect("plain fields become JSON");
        text.push(b'\n');
        dir.replace(NAME, &[&text], false)
    }
}
