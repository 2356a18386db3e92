//! Sizes as people write and read them: `4MiB`, `4.2 MiB`.

use std::num::NonZeroU64;

const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];

/// Why a text is not a size.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Not a whole number with a unit.
    #[error("`{0}` is not a size")]
    Invalid(String),
    /// A unit that some read as 1,000 and some as 1,024.
    #[error("`{0}` may mean 1000 or 1024")]
    Ambiguous(String),
    /// At which nothing would ever be done.
    #[error("0 makes no sense here")]
    Zero,
    /// More than 2⁶⁴ bytes.
    #[error("`{0}` is too large")]
    TooLarge(String),
}

impl Error {
    /// What might have been meant.
    pub fn hint(&self) -> String {
        match self {
            Error::Ambiguous(text) => format!("write {text}iB (1024) or {text}B (1000)"),
            Error::Zero => "write `off` for no limit".into(),
            _ => "write a whole number with B, KiB, MiB, GiB or TiB, as in 4MiB".into(),
        }
    }
}

/// Reads a size in bytes: a whole number with `B`, `KiB` to `TiB` (powers of 1,024) or `KB` to `TB` (of 1,000).
///
/// # Errors
///
/// Anything else; a bare `K`, `M`, `G` or `T` by name.
pub fn parse(text: &str) -> Result<u64, Error> {
    let text = text.trim();
    let unit = text.trim_start_matches(|c: char| c.is_ascii_digit());
    let number = &text[..text.len() - unit.len()];
    let scale: u64 = match unit.trim_start().to_ascii_lowercase().as_str() {
        "b" => 1,
        "kib" => 1 << 10,
        "mib" => 1 << 20,
        "gib" => 1 << 30,
        "tib" => 1 << 40,
        "kb" => 1_000,
        "mb" => 1_000_000,
        "gb" => 1_000_000_000,
        "tb" => 1_000_000_000_000,
        "k" | "m" | "g" | "t" => return Err(Error::Ambiguous(text.to_owned())),
        _ => return Err(Error::Invalid(text.to_owned())),
    };
    if number.is_empty() {
        return Err(Error::Invalid(text.to_owned()));
    }
    number
        .parse::<u64>()
        .ok()
        .and_then(|number| number.checked_mul(scale))
        .ok_or_else(|| Error::TooLarge(text.to_owned()))
}

/// Reads a number of bytes a second: a size with `/s` behind it, or without; `None` for `off`.
///
/// # Errors
///
/// As [`parse`], and of nothing at all.
pub fn parse_rate_or_off(text: &str) -> Result<Option<NonZeroU64>, Error> {
    let text = text.trim();
    if text.eq_ignore_ascii_case("off") {
        return Ok(None);
    }
    let bytes = parse(text.strip_suffix("/s").unwrap_or(text))?;
    NonZeroU64::new(bytes).map(Some).ok_or(Error::Zero)
}

/// The size in the largest unit below it, with two significant digits below ten: `4.2 MiB`, `212 MiB`.
pub fn format(bytes: u64) -> String {
    let mut value = bytes as f64;
    let mut unit = 0;
    // 1,023.95 would be shown as 1024.0: the next unit is due as soon as rounding reaches it.
    while value >= 1023.5 && unit + 1 < UNITS.len() {
        value /= 1024.0;
        unit += 1;
    }
    match unit {
        0 => format!("{bytes} B"),
        _ if value < 9.95 => format!("{value:.1} {}", UNITS[unit]),
        _ => format!("{value:.0} {}", UNITS[unit]),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_whole_numbers_with_a_unit() {
        for (text, bytes) in [
            ("0B", 0),
            ("512B", 512),
            ("4MiB", 4 << 20),
            ("4 MiB", 4 << 20),
            ("4mib", 4 << 20),
            ("2GiB", 2 << 30),
            ("1TiB", 1 << 40),
            ("10MB", 10_000_000),
            ("64KiB", 65_536),
        ] {
            assert_eq!(parse(text), Ok(bytes), "{text}");
        }
        for text in ["", "MiB", "4", "4.5MiB", "-4MiB", "4XiB", "4MiB5", "½MiB"] {
            assert_eq!(parse(text), Err(Error::Invalid(text.to_owned())), "{text}");
        }
        assert_eq!(parse("4M"), Err(Error::Ambiguous("4M".into())));
        assert_eq!(parse("4M").unwrap_err().hint(), "write 4MiB (1024) or 4MB (1000)");
        for text in ["99999999999999999999B", "99999999999TiB"] {
            assert_eq!(parse(text), Err(Error::TooLarge(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn rates_are_sizes_a_second() {
        for (text, bytes) in
            [("10MiB/s", Some(10 << 20)), ("500 kB/s", Some(500_000)), ("1GiB", Some(1 << 30)), ("off", None)]
        {
            assert_eq!(parse_rate_or_off(text).map(|rate| rate.map(NonZeroU64::get)), Ok(bytes), "{text}");
        }
        assert_eq!(parse_rate_or_off("0B/s"), Err(Error::Zero));
        assert_eq!(parse_rate_or_off("10M/s"), Err(Error::Ambiguous("10M".into())));
        assert_eq!(parse_rate_or_off("fast"), Err(Error::Invalid("fast".into())));
    }

    #[test]
    fn sizes_are_shown_in_the_largest_unit_below_them() {
        for (bytes, text) in [
            (0, "0 B"),
            (1_023, "1023 B"),
            (1_024, "1.0 KiB"),
            (8_240, "8.0 KiB"),
            (4_407_296, "4.2 MiB"),
            (1_048_575, "1.0 MiB"),
            (10 << 20, "10 MiB"),
            (212 << 20, "212 MiB"),
            (3 << 30, "3.0 GiB"),
            (u64::MAX, "16777216 TiB"),
        ] {
            assert_eq!(format(bytes), text, "{bytes}");
        }
    }
}
