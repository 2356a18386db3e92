//! Moments as people write them.

use chrono::FixedOffset;
use waloy::config::time::{Error, Time, parse, show};
use waloy::units::Timestamp;

use super::input::Input;

/// Where RFC 3339 ends: the years 0 to 9999.
const YEARS: std::ops::Range<i64> = -62_167_219_200_000..253_402_300_800_000;

/// Two bytes for the zone, two for now, the rest is the text.
pub(super) fn run(input: &[u8]) {
    let mut input = Input(input);
    let minutes = i32::from(input.u16() % (2 * 14 * 60)) - 14 * 60;
    let zone = FixedOffset::east_opt(minutes * 60).expect("less than a day");
    let now = Timestamp(1_795_341_600_123 + i64::from(input.u16()) * 86_400_000);
    let Ok(text) = std::str::from_utf8(input.0) else { return };
    match parse(text, now, &zone) {
        Ok(Time::Latest) => assert_eq!(text.trim().to_ascii_lowercase(), "latest"),
        Ok(Time::At(at)) => {
            assert!(at <= now, "a moment in the future");
            if YEARS.contains(&at.0) {
                assert_eq!(parse(&at.rfc3339(), now, &zone), Ok(Time::At(at)), "what is printed is read");
                assert_eq!(parse(&show(at, &zone), now, &zone), Ok(Time::At(at)), "what is shown is read");
            }
        }
        Err(error) => {
            assert!(!error.to_string().is_empty() && !error.hint().is_empty());
            assert!(!matches!(error, Error::Twice { .. } | Error::Skipped { .. }), "this zone has no summer");
        }
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    [
        "latest",
        "now",
        "5m ago",
        "-1h30m",
        "@1795341600",
        "@1795341600.5",
        "1795341600123",
        "10:00",
        "yesterday 18:30:15.250",
        "today",
        "2026-11-22",
        "2026-11-22 10:00",
        "2026-11-22T10:00:00Z",
        "2026-11-22T10:00:00.123+01:00",
        "1970-01-01T00:00:00Z",
        "2026-02-30",
        "1 hour 30 minutes ago",
    ]
    .iter()
    .map(|text| [&[60, 0, 1, 0], text.as_bytes()].concat())
    .collect()
}
