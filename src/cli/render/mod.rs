//! What values look like: errors, JSON, tables.

pub mod error;
pub mod json;
pub mod table;

use std::time::Duration;

use super::ui::Ui;
use crate::clock::{Clock, SystemClock};
use crate::config::time::{self, Time};
use crate::error::{Error, Kind, Result};
use crate::units::DbChecksum;

/// A time that somebody wrote.
///
/// # Errors
///
/// It is none, or in the future.
pub fn parse_time(input: &str, ui: &Ui) -> Result<Time> {
    let now = SystemClock.now();
    let parsed = match ui.mode.utc {
        true => time::parse(input, now, &chrono::Utc),
        false => time::parse(input, now, &chrono::Local),
    };
    parsed.map_err(|error| Error::new(Kind::Usage, "usage.time", error.to_string()).hint(error.hint()))
}

/// Seconds with three decimals, for JSON.
pub fn seconds(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 1000.0).round() / 1000.0
}

/// How long something took, for people: `0.09 s`.
pub fn took(duration: Duration) -> String {
    match duration.as_secs_f64() {
        seconds if seconds < 10.0 => format!("{seconds:.2} s"),
        seconds if seconds < 120.0 => format!("{seconds:.1} s"),
        _ => crate::config::duration::format(duration),
    }
}

/// The ends of a checksum: enough for eyes.
pub fn short_checksum(checksum: DbChecksum) -> String {
    let text = checksum.to_string();
    format!("{}…{}", &text[..4], &text[12..])
}

/// A number of things: `1 object`, `2 objects`.
pub fn count(number: u64, thing: &str) -> String {
    format!("{} {thing}{}", table::count(number), if number == 1 { "" } else { "s" })
}
