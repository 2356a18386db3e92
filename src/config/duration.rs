//! Durations as people write them: `250ms`, `1s`, `1h30m`, `off`.

use std::time::Duration;

/// Why a text is not a duration.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Nothing there.
    #[error("a duration is missing")]
    Empty,
    /// A number alone.
    #[error("`{0}` has no unit")]
    NoUnit(String),
    /// Neither number nor unit.
    #[error("`{0}` is not a duration")]
    Invalid(String),
    /// `1.5h`
    #[error("`{0}` has a fraction")]
    Fraction(String),
    /// A unit that nobody agrees upon, or that has no fixed length.
    #[error("`{0}` is not a unit here: months and years have no fixed length")]
    Ambiguous(String),
    /// A unit unheard of.
    #[error("`{0}` is not a unit of time")]
    Unit(String),
    /// What would happen all the time, or keep nothing.
    #[error("0 makes no sense here")]
    Zero,
    /// More than 2⁶⁴ milliseconds.
    #[error("`{0}` is too long")]
    TooLong(String),
}

impl Error {
    /// What might have been meant.
    pub fn hint(&self) -> String {
        match self {
            Error::NoUnit(number) => format!("write {number}s, {number}m or {number}h"),
            Error::Zero => "write `off` for never".into(),
            Error::Fraction(_) => "write whole numbers, as in 1h30m or 1500ms".into(),
            Error::Ambiguous(_) => "write m for minutes, or a number of days, as in 30d".into(),
            _ => "the units are ms, s, m, h, d and w, as in 250ms or 1h30m".into(),
        }
    }
}

/// Reads a duration: whole numbers with the units `ms s m h d w`, added up.
///
/// # Errors
///
/// Anything else; months and years by name.
pub fn parse(text: &str) -> Result<Duration, Error> {
    let text = text.trim();
    let mut rest = text;
    let mut millis: u64 = 0;
    if text.is_empty() {
        return Err(Error::Empty);
    }
    while !rest.is_empty() {
        let digits = rest.len() - rest.trim_start_matches(|c: char| c.is_ascii_digit()).len();
        if digits == 0 {
            return Err(Error::Invalid(text.to_owned()));
        }
        let (number, tail) = rest.split_at(digits);
        if tail.starts_with(['.', ',']) {
            return Err(Error::Fraction(text.to_owned()));
        }
        let letters = tail.trim_start();
        let letters_len = letters.len() - letters.trim_start_matches(char::is_alphabetic).len();
        let (unit, tail) = letters.split_at(letters_len);
        let Some(unit_millis) = unit_millis(unit)? else {
            let missing =
                if tail.is_empty() { Error::NoUnit(number.to_owned()) } else { Error::Invalid(text.to_owned()) };
            return Err(missing);
        };
        millis = number
            .parse::<u64>()
            .ok()
            .and_then(|number| number.checked_mul(unit_millis))
            .and_then(|part| millis.checked_add(part))
            .ok_or_else(|| Error::TooLong(text.to_owned()))?;
        rest = tail.trim_start();
    }
    Ok(Duration::from_millis(millis))
}

/// Reads a duration, or `off` for none.
///
/// # Errors
///
/// Those of [`parse`].
pub fn parse_or_off(text: &str) -> Result<Option<Duration>, Error> {
    if text.trim() == "off" { Ok(None) } else { parse(text).map(Some) }
}

/// [`parse_or_off`], for what makes no sense at 0.
///
/// # Errors
///
/// [`Error::Zero`], those of [`parse`].
pub fn parse_positive_or_off(text: &str) -> Result<Option<Duration>, Error> {
    match parse_or_off(text)? {
        Some(Duration::ZERO) => Err(Error::Zero),
        parsed => Ok(parsed),
    }
}

/// The duration with its largest two units: `3h12m`, `250ms`.
pub fn format(duration: Duration) -> String {
    const UNITS: [(u64, &str); 5] = [(86_400, "d"), (3_600, "h"), (60, "m"), (1, "s"), (0, "")];
    let (seconds, millis) = (duration.as_secs(), duration.subsec_millis());
    if seconds == 0 {
        return if millis == 0 { "0s".into() } else { format!("{millis}ms") };
    }
    let mut pairs = UNITS.windows(2);
    let Some([(large, large_name), (small, small_name)]) = pairs.find(|pair| seconds >= pair[0].0) else {
        return format!("{seconds}s");
    };
    let (first, rest) = (seconds / large, seconds % large);
    match rest.checked_div(*small) {
        Some(second) if second > 0 => format!("{first}{large_name}{second}{small_name}"),
        _ => format!("{first}{large_name}"),
    }
}

/// Whether this word is a unit of time, also one that is refused.
#[cfg(feature = "cli")]
pub(crate) fn is_unit(word: &str) -> bool {
    !matches!(unit_millis(word), Ok(None) | Err(Error::Unit(_)))
}

/// The length of a unit; `None` if there is no word.
fn unit_millis(word: &str) -> Result<Option<u64>, Error> {
    Ok(Some(match word {
        "" => return Ok(None),
        "ms" | "millisecond" | "milliseconds" => 1,
        "s" | "sec" | "secs" | "second" | "seconds" => 1_000,
        "m" | "min" | "mins" | "minute" | "minutes" => 60_000,
        "h" | "hr" | "hrs" | "hour" | "hours" => 3_600_000,
        "d" | "day" | "days" => 86_400_000,
        "w" | "week" | "weeks" => 604_800_000,
        "M" | "mo" | "mon" | "month" | "months" | "y" | "yr" | "year" | "years" => {
            return Err(Error::Ambiguous(word.to_owned()));
        }
        _ => return Err(Error::Unit(word.to_owned())),
    }))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_whole_numbers_with_units_added_up() {
        for (text, millis) in [
            ("250ms", 250),
            ("1s", 1_000),
            ("90s", 90_000),
            ("1h30m", 5_400_000),
            ("1h 30m", 5_400_000),
            ("5 minutes", 300_000),
            ("1 hour 30 minutes", 5_400_000),
            ("2d", 172_800_000),
            ("1w", 604_800_000),
            ("0s", 0),
            (" 1s ", 1_000),
        ] {
            assert_eq!(parse(text), Ok(Duration::from_millis(millis)), "{text}");
        }
        assert_eq!(parse_or_off("off"), Ok(None));
        assert_eq!(parse_positive_or_off("off"), Ok(None));
        assert_eq!(parse_positive_or_off("0s"), Err(Error::Zero));
        assert_eq!(parse_positive_or_off("1ms"), Ok(Some(Duration::from_millis(1))));
        assert_eq!(parse_or_off("1s"), Ok(Some(Duration::from_secs(1))));
    }

    #[test]
    fn what_is_no_duration_is_refused_by_name() {
        let own = str::to_owned;
        for (text, error) in [
            ("", Error::Empty),
            ("5", Error::NoUnit(own("5"))),
            ("5m3", Error::NoUnit(own("3"))),
            ("m", Error::Invalid(own("m"))),
            ("-5m", Error::Invalid(own("-5m"))),
            ("1.5h", Error::Fraction(own("1.5h"))),
            ("3M", Error::Ambiguous(own("M"))),
            ("3mo", Error::Ambiguous(own("mo"))),
            ("1y", Error::Ambiguous(own("y"))),
            ("2 fortnights", Error::Unit(own("fortnights"))),
            ("5_m", Error::Invalid(own("5_m"))),
            ("99999999999999999999s", Error::TooLong(own("99999999999999999999s"))),
            ("18446744073709551615w", Error::TooLong(own("18446744073709551615w"))),
            ("5µs", Error::Unit(own("µs"))),
        ] {
            assert_eq!(parse(text), Err(error), "{text}");
        }
        assert!(parse("off").is_err());
    }

    #[test]
    fn a_duration_is_shown_with_its_two_largest_units() {
        for (millis, text) in [
            (0, "0s"),
            (250, "250ms"),
            (1_000, "1s"),
            (1_900, "1s"),
            (61_000, "1m1s"),
            (11_520_000, "3h12m"),
            (86_400_000, "1d"),
            (90_000_000, "1d1h"),
        ] {
            assert_eq!(format(Duration::from_millis(millis)), text);
        }
    }
}
