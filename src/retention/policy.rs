//! What is to be kept.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

/// How long every upload stays, and how long what is no longer needed does for the sake of those who may be reading it.
pub const DEFAULT_GRACE: Duration = Duration::from_secs(24 * 60 * 60);

/// What is to be kept.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Policy {
    /// The state at every moment of the last so long can be restored. `None`: everything is kept for ever.
    pub retention: Option<Duration>,
    /// Points beyond that.
    pub keep: Keep,
    /// So many generations that can be restored stay in any case; 0 counts as 1.
    pub min_keep: usize,
    /// How long every upload is kept as a point of its own, and how long after its replacement an object stays for those
    /// who are reading it. Nothing younger is deleted. Default 24 h.
    pub grace: Duration,
    /// Also delete what is left of generations that cannot be restored, if it is older than the grace.
    pub orphans: bool,
}

impl Policy {
    /// Keeps so long, with the defaults for the rest.
    pub fn new(retention: Option<Duration>) -> Policy {
        Policy { retention, keep: Keep::default(), min_keep: 1, grace: DEFAULT_GRACE, orphans: false }
    }
}

/// One point a period for so many periods, the newest that have any; days, weeks (from Monday) and months in UTC.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Keep {
    /// Days.
    pub daily: u32,
    /// Weeks.
    pub weekly: u32,
    /// Months.
    pub monthly: u32,
}

/// A period of the calendar.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, serde::Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Period {
    /// From midnight to midnight.
    Daily,
    /// From Monday to Sunday.
    Weekly,
    /// From the first on.
    Monthly,
}

impl Period {
    /// Every period.
    pub const ALL: [Period; 3] = [Period::Daily, Period::Weekly, Period::Monthly];
}

impl fmt::Display for Period {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Period::Daily => "daily",
            Period::Weekly => "weekly",
            Period::Monthly => "monthly",
        })
    }
}

impl Keep {
    /// For how many of these periods a point is kept.
    pub fn count(&self, period: Period) -> u32 {
        match period {
            Period::Daily => self.daily,
            Period::Weekly => self.weekly,
            Period::Monthly => self.monthly,
        }
    }
}

/// The text is not as `daily=90,weekly=8,monthly=24`.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{0}` is not like daily=90 or weekly=8 or monthly=24")]
pub struct InvalidKeep(String);

impl FromStr for Keep {
    type Err = InvalidKeep;

    /// Reads `daily=90,weekly=8,monthly=24`, any part once at most; what is not named is 0.
    fn from_str(text: &str) -> Result<Keep, InvalidKeep> {
        let (mut keep, mut seen) = (Keep::default(), Vec::new());
        for part in text.split(',') {
            let invalid = || InvalidKeep(part.trim().to_owned());
            let (name, number) = part.split_once('=').ok_or_else(invalid)?;
            let place = match name.trim() {
                "daily" => &mut keep.daily,
                "weekly" => &mut keep.weekly,
                "monthly" => &mut keep.monthly,
                _ => return Err(invalid()),
            };
            if seen.contains(&name.trim()) {
                return Err(invalid());
            }
            seen.push(name.trim());
            *place = number.trim().parse().map_err(|_| invalid())?;
        }
        Ok(keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn points_to_keep_are_named_with_their_numbers() {
        assert_eq!("daily=90, monthly=24".parse(), Ok(Keep { daily: 90, weekly: 0, monthly: 24 }));
        assert_eq!("weekly=8".parse(), Ok(Keep { daily: 0, weekly: 8, monthly: 0 }));
        for bad in ["", "daily", "daily=", "daily=-1", "daily=1.5", "hourly=3", "daily=1,daily=2", "daily=1,"] {
            assert!(bad.parse::<Keep>().is_err(), "{bad}");
        }
    }
}
