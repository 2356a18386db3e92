//! Moments as people write them: `5m ago`, `10:00`, `yesterday 18:30`, `2026-11-22T10:00:00Z`, `@1795341600`.
//!
//! ```text
//! time      latest | now | relative | epoch | [day] clock | day
//! relative  -DURATION | DURATION ago
//! epoch     @ or nothing, then 10 digits (seconds, with a fraction after @) or 13 (milliseconds)
//! day       YYYY-MM-DD | today | yesterday            midnight, if no clock follows
//! clock     HH:MM[:SS[.fraction]]                      of today, if no day precedes
//! offset    Z | ±HH:MM                                 after a date and a clock; the local zone otherwise
//! ```
//!
//! What could be read in two ways is refused, and so is the future. Nothing here asks for the time: now and the zone
//! are arguments.

use std::fmt;
use std::time::Duration;

use chrono::{
    DateTime, Days, FixedOffset, LocalResult, NaiveDate, NaiveDateTime, NaiveTime, SecondsFormat, TimeDelta, TimeZone,
};

mod slip;

use super::duration;
use crate::units::Timestamp;

/// What a text asks for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Time {
    /// The newest there is.
    Latest,
    /// The state at this moment.
    At(Timestamp),
}

/// Why a text is not a moment in the past.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// None of the forms.
    #[error("`{0}` is not a time")]
    Invalid(String),
    /// A duration without a direction.
    #[error("`{0}` may be before or after now")]
    NoDirection(String),
    /// The duration of a relative time.
    #[error("`{text}` is not a time: {why}")]
    Duration {
        /// The whole text.
        text: String,
        /// What is wrong with the duration in it.
        why: duration::Error,
    },
    /// A number that is neither seconds nor milliseconds.
    #[error("`{0}` is neither 10 digits of seconds nor 13 of milliseconds since 1970")]
    EpochLength(String),
    /// 2026-02-30, 25:00.
    #[error("there is no {0} in the calendar or on the clock")]
    NoSuchTime(String),
    /// The clock was put back: the local time came twice.
    #[error("{local} came twice in the local time zone, when the clock was put back")]
    Twice {
        /// The local time.
        local: String,
        /// The first of the two.
        first: String,
        /// The second of the two.
        second: String,
    },
    /// The clock was put forward: the local time never came.
    #[error("{local} never came in the local time zone, the clock was put forward")]
    Skipped {
        /// The local time.
        local: String,
        /// The first moment after the gap.
        next: String,
    },
    /// After now.
    #[error("{asked} is in the future: it is {now} now")]
    Future {
        /// The moment asked for, in the local zone.
        asked: String,
        /// Now, in the local zone.
        now: String,
    },
    /// Further from now than a calendar reaches.
    #[error("`{0}` is too far from now")]
    OutOfRange(String),
}

impl Error {
    /// What might have been meant.
    pub fn hint(&self) -> String {
        match self {
            Error::NoDirection(text) => format!("write `{text} ago`"),
            Error::Duration { why, .. } => why.hint(),
            Error::Twice { first, second, .. } => format!("write {first} or {second}"),
            Error::Skipped { next, .. } => format!("the next moment is {next}"),
            Error::Future { .. } => "is the clock right?".into(),
            Error::Invalid(text) if slip::meant(text).is_some() => slip::meant(text).unwrap_or_default(),
            _ => "write `5m ago`, `10:00`, `yesterday 18:30`, `2026-11-22 10:00`, `2026-11-22T10:00:00Z` or `latest`"
                .into(),
        }
    }
}

/// Reads a moment that is not in the future.
///
/// # Errors
///
/// What is not in the grammar, what has two meanings or none in `zone`, and what is after `now`.
pub fn parse<Z: TimeZone>(text: &str, now: Timestamp, zone: &Z) -> Result<Time, Error> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("latest") {
        return Ok(Time::Latest);
    }
    let at = moment(text, now, zone)?;
    match at > now {
        true => Err(Error::Future { asked: show(at, zone), now: show(now, zone) }),
        false => Ok(Time::At(at)),
    }
}

/// The moment in a zone, with its offset, as precise as it is: `2026-11-22 10:55:00 +01:00`.
pub fn show<Z: TimeZone>(at: Timestamp, zone: &Z) -> String {
    let Some(utc) = DateTime::from_timestamp_millis(at.0) else { return at.rfc3339() };
    let local = utc.with_timezone(zone).fixed_offset();
    let format = if at.0.rem_euclid(1000) == 0 { "%Y-%m-%d %H:%M:%S %:z" } else { "%Y-%m-%d %H:%M:%S%.3f %:z" };
    local.format(format).to_string()
}

fn moment<Z: TimeZone>(text: &str, now: Timestamp, zone: &Z) -> Result<Timestamp, Error> {
    if text.eq_ignore_ascii_case("now") {
        return Ok(now);
    }
    if let Some(past) = text.strip_prefix('-').or_else(|| strip_ago(text)) {
        return relative(text, past, now);
    }
    if let Some(number) = text.strip_prefix('@') {
        return epoch(text, number);
    }
    if !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit()) {
        return epoch(text, text);
    }
    if duration::parse(text).is_ok() {
        return Err(Error::NoDirection(text.to_owned()));
    }
    if let Err(why @ duration::Error::Ambiguous(_)) = duration::parse(text) {
        return Err(Error::Duration { text: text.to_owned(), why });
    }
    Local { text, now, zone }.read()
}

/// What stands before `ago`, if the text ends in that word.
fn strip_ago(text: &str) -> Option<&str> {
    text.strip_suffix("ago").filter(|rest| rest.ends_with(char::is_whitespace))
}

fn relative(text: &str, past: &str, now: Timestamp) -> Result<Timestamp, Error> {
    let past = duration::parse(past).map_err(|why| Error::Duration { text: text.to_owned(), why })?;
    before(now, past).ok_or_else(|| Error::OutOfRange(text.to_owned()))
}

/// No database is older than 1970, and what is written as a distance to it is a slip.
fn before(now: Timestamp, past: Duration) -> Option<Timestamp> {
    let at = now.0.checked_sub(i64::try_from(past.as_millis()).ok()?)?;
    (at >= 0).then_some(Timestamp(at))
}

fn epoch(text: &str, number: &str) -> Result<Timestamp, Error> {
    let wrong = || Error::EpochLength(text.to_owned());
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
    if !digits(whole) || !digits(fraction) || number.ends_with('.') {
        return Err(Error::Invalid(text.to_owned()));
    }
    let value: i64 = whole.parse().map_err(|_| wrong())?;
    match (whole.len(), fraction) {
        (10, fraction) => Ok(Timestamp(value * 1000 + millis(fraction))),
        (13, "") => Ok(Timestamp(value)),
        _ => Err(wrong()),
    }
}

/// The milliseconds of a fraction of a second, cut off after the third digit.
fn millis(fraction: &str) -> i64 {
    (0..3).fold(0, |sum, place| {
        let digit = fraction.as_bytes().get(place).map_or(0, |digit| i64::from(digit - b'0'));
        sum * 10 + digit
    })
}

/// A text that has a day or a clock in it.
struct Local<'a, Z> {
    text: &'a str,
    now: Timestamp,
    zone: &'a Z,
}

impl<Z: TimeZone> Local<'_, Z> {
    fn read(&self) -> Result<Timestamp, Error> {
        let words: Vec<&str> = self.text.split_whitespace().collect();
        let (day, rest) = match words.as_slice() {
            [] => return Err(self.invalid()),
            [only] => match only.split_once(['T', 't']).filter(|(day, _)| is_date(day)) {
                Some((day, clock)) => (Some(day), vec![clock]),
                None if only.contains(':') => (None, vec![*only]),
                None => (Some(*only), vec![]),
            },
            // As waloy itself writes it: `2026-11-22T10:00:00 +01:00`.
            [first, offset] if offset.starts_with(['+', '-']) => match first.split_once(['T', 't']) {
                Some((day, clock)) => (Some(day), vec![clock, *offset]),
                None => return Err(self.invalid()),
            },
            [day, rest @ ..] => (Some(*day), rest.to_vec()),
        };
        let day_is_a_date = day.is_some_and(is_date);
        let day = day.map_or_else(|| self.today(), |day| self.day(day))?;
        let (clock, offset) = match rest.as_slice() {
            [] => (NaiveTime::MIN, None),
            [clock] => self.clock_and_offset(clock)?,
            [clock, offset] => (self.clock(clock)?, Some(self.offset(offset)?)),
            _ => return Err(self.invalid()),
        };
        let local = day.and_time(clock);
        match offset {
            Some(offset) if day_is_a_date => {
                self.stamp(offset.from_local_datetime(&local).single().map(|at| at.timestamp_millis()))
            }
            Some(_) => Err(self.invalid()),
            None => self.resolve(local),
        }
    }

    fn invalid(&self) -> Error {
        Error::Invalid(self.text.to_owned())
    }

    fn stamp(&self, millis: Option<i64>) -> Result<Timestamp, Error> {
        millis.map(Timestamp).ok_or_else(|| Error::OutOfRange(self.text.to_owned()))
    }

    fn today(&self) -> Result<NaiveDate, Error> {
        let now = self.stamp(Some(self.now.0))?;
        DateTime::from_timestamp_millis(now.0)
            .map(|utc| utc.with_timezone(self.zone).date_naive())
            .ok_or_else(|| Error::OutOfRange(self.text.to_owned()))
    }

    fn day(&self, word: &str) -> Result<NaiveDate, Error> {
        if word.eq_ignore_ascii_case("today") {
            return self.today();
        }
        if word.eq_ignore_ascii_case("yesterday") {
            let today = self.today()?;
            return today.checked_sub_days(Days::new(1)).ok_or_else(|| Error::OutOfRange(self.text.to_owned()));
        }
        if !is_date(word) {
            return Err(self.invalid());
        }
        NaiveDate::parse_from_str(word, "%Y-%m-%d").map_err(|_| Error::NoSuchTime(word.to_owned()))
    }

    fn clock_and_offset(&self, word: &str) -> Result<(NaiveTime, Option<FixedOffset>), Error> {
        match word.find(['Z', 'z', '+', '-']) {
            Some(at) => Ok((self.clock(&word[..at])?, Some(self.offset(&word[at..])?))),
            None => Ok((self.clock(word)?, None)),
        }
    }

    fn clock(&self, word: &str) -> Result<NaiveTime, Error> {
        let (whole, fraction) = match word.split_once('.') {
            Some((whole, fraction)) => (whole, Some(fraction)),
            None => (word, None),
        };
        let parts: Vec<u32> = whole.split(':').map(two_digits).collect::<Option<_>>().ok_or_else(|| self.invalid())?;
        let fraction_is_right = fraction.is_none_or(|fraction| {
            parts.len() == 3 && !fraction.is_empty() && fraction.bytes().all(|byte| byte.is_ascii_digit())
        });
        let (hour, minute, second) = match (parts.as_slice(), fraction_is_right) {
            (&[hour, minute], true) => (hour, minute, 0),
            (&[hour, minute, second], true) => (hour, minute, second),
            _ => return Err(self.invalid()),
        };
        NaiveTime::from_hms_milli_opt(hour, minute, second, millis(fraction.unwrap_or("")) as u32)
            .ok_or_else(|| Error::NoSuchTime(word.to_owned()))
    }

    fn offset(&self, word: &str) -> Result<FixedOffset, Error> {
        if word.eq_ignore_ascii_case("z") {
            return FixedOffset::east_opt(0).ok_or_else(|| self.invalid());
        }
        let sign = match word.as_bytes().first() {
            Some(b'+') => 1,
            Some(b'-') => -1,
            _ => return Err(self.invalid()),
        };
        let (hours, minutes) = word[1..].split_once(':').ok_or_else(|| self.invalid())?;
        match (two_digits(hours), two_digits(minutes)) {
            (Some(hours @ 0..=23), Some(minutes @ 0..=59)) => {
                FixedOffset::east_opt(sign * (hours * 3600 + minutes * 60) as i32).ok_or_else(|| self.invalid())
            }
            _ => Err(self.invalid()),
        }
    }

    fn resolve(&self, local: NaiveDateTime) -> Result<Timestamp, Error> {
        let rfc3339 = |at: DateTime<Z>| at.fixed_offset().to_rfc3339_opts(SecondsFormat::AutoSi, true);
        match self.zone.from_local_datetime(&local) {
            LocalResult::Single(at) => self.stamp(Some(at.timestamp_millis())),
            LocalResult::Ambiguous(first, second) => {
                Err(Error::Twice { local: Written(local).to_string(), first: rfc3339(first), second: rfc3339(second) })
            }
            LocalResult::None => match self.after_gap(local) {
                Some(next) => Err(Error::Skipped { local: Written(local).to_string(), next: rfc3339(next) }),
                None => Err(Error::OutOfRange(self.text.to_owned())),
            },
        }
    }

    /// The first minute after a gap in local time. Gaps are whole minutes; the longest was a day (Samoa, 2011).
    fn after_gap(&self, local: NaiveDateTime) -> Option<DateTime<Z>> {
        let minute = local.date().and_time(NaiveTime::MIN) + TimeDelta::minutes(minute_of_day(local));
        (1..=25 * 60).find_map(|minutes| {
            let later = minute.checked_add_signed(TimeDelta::minutes(minutes))?;
            self.zone.from_local_datetime(&later).earliest()
        })
    }
}

fn minute_of_day(local: NaiveDateTime) -> i64 {
    local.time().signed_duration_since(NaiveTime::MIN).num_minutes()
}

/// A local time without a zone.
struct Written(NaiveDateTime);

impl fmt::Display for Written {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0.format("%Y-%m-%d %H:%M:%S%.f"))
    }
}

/// `YYYY-MM-DD`, whether or not there is such a day.
fn is_date(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() == 10
        && bytes.iter().enumerate().all(|(at, byte)| match at {
            4 | 7 => *byte == b'-',
            _ => byte.is_ascii_digit(),
        })
}

fn two_digits(part: &str) -> Option<u32> {
    let right = part.len() == 2 && part.bytes().all(|byte| byte.is_ascii_digit());
    right.then(|| part.parse().ok()).flatten()
}

#[cfg(test)]
mod tests;
