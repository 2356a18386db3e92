//! The grammar as tables, in a zone with a fold and a gap.

use chrono::{NaiveDate, NaiveDateTime, Offset, Utc};

use super::*;

/// Paris in 2026: +01:00, and +02:00 from 29 March 01:00 UTC to 25 October 01:00 UTC.
#[derive(Clone, Copy, Debug)]
struct Paris;

const SPRING_UTC: &str = "2026-03-29 01:00:00";
const AUTUMN_UTC: &str = "2026-10-25 01:00:00";

fn naive(text: &str) -> NaiveDateTime {
    NaiveDateTime::parse_from_str(text, "%Y-%m-%d %H:%M:%S").unwrap()
}

fn hours(east: i32) -> FixedOffset {
    FixedOffset::east_opt(east * 3600).unwrap()
}

impl TimeZone for Paris {
    type Offset = FixedOffset;

    fn from_offset(_: &FixedOffset) -> Paris {
        Paris
    }

    fn offset_from_local_date(&self, local: &NaiveDate) -> LocalResult<FixedOffset> {
        self.offset_from_local_datetime(&local.and_time(NaiveTime::MIN))
    }

    fn offset_from_local_datetime(&self, local: &NaiveDateTime) -> LocalResult<FixedOffset> {
        let fits = |east: i32| {
            let utc = *local - TimeDelta::hours(i64::from(east));
            (self.offset_from_utc_datetime(&utc) == hours(east)).then(|| hours(east))
        };
        match (fits(2), fits(1)) {
            (Some(summer), Some(winter)) => LocalResult::Ambiguous(summer, winter),
            (Some(only), None) | (None, Some(only)) => LocalResult::Single(only),
            (None, None) => LocalResult::None,
        }
    }

    fn offset_from_utc_date(&self, utc: &NaiveDate) -> FixedOffset {
        self.offset_from_utc_datetime(&utc.and_time(NaiveTime::MIN))
    }

    fn offset_from_utc_datetime(&self, utc: &NaiveDateTime) -> FixedOffset {
        let summer = *utc >= naive(SPRING_UTC) && *utc < naive(AUTUMN_UTC);
        hours(if summer { 2 } else { 1 })
    }
}

/// 2026-11-22 11:00:00 in Paris, a Sunday.
const NOW: Timestamp = Timestamp(1_795_341_600_000);

fn at(text: &str) -> Result<String, Error> {
    parse(text, NOW, &Paris).map(|time| match time {
        Time::Latest => "latest".into(),
        Time::At(at) => at.rfc3339(),
    })
}

#[test]
fn every_form_of_the_grammar_is_read() {
    for (text, expected) in [
        ("latest", "latest"),
        ("LATEST", "latest"),
        ("now", "2026-11-22T10:00:00.000Z"),
        // RFC 3339
        ("2026-11-22T10:00:00Z", "2026-11-22T10:00:00.000Z"),
        ("2026-11-22t10:00:00z", "2026-11-22T10:00:00.000Z"),
        ("2026-11-22 10:00:00.250+01:00", "2026-11-22T09:00:00.250Z"),
        ("2026-11-22T10:00:00.2509999+01:00", "2026-11-22T09:00:00.250Z"),
        ("2026-11-22T02:00:00-05:30", "2026-11-22T07:30:00.000Z"),
        ("2026-11-22T10:00Z", "2026-11-22T10:00:00.000Z"),
        // as waloy itself shows it
        ("2026-11-22 10:54:58.213 +01:00", "2026-11-22T09:54:58.213Z"),
        ("2026-11-22T10:54:58 +01:00", "2026-11-22T09:54:58.000Z"),
        // local
        ("2026-11-22", "2026-11-21T23:00:00.000Z"),
        ("2026-07-01", "2026-06-30T22:00:00.000Z"),
        ("2026-11-22 10:00", "2026-11-22T09:00:00.000Z"),
        ("2026-11-22T10:00:05.123", "2026-11-22T09:00:05.123Z"),
        ("  2026-11-22   10:00  ", "2026-11-22T09:00:00.000Z"),
        ("10:00", "2026-11-22T09:00:00.000Z"),
        ("10:00:30", "2026-11-22T09:00:30.000Z"),
        ("today 10:00", "2026-11-22T09:00:00.000Z"),
        ("Today", "2026-11-21T23:00:00.000Z"),
        ("yesterday 18:30", "2026-11-21T17:30:00.000Z"),
        ("yesterday", "2026-11-20T23:00:00.000Z"),
        // relative
        ("5m ago", "2026-11-22T09:55:00.000Z"),
        ("5 minutes ago", "2026-11-22T09:55:00.000Z"),
        ("1h30m ago", "2026-11-22T08:30:00.000Z"),
        ("1 hour 30 minutes ago", "2026-11-22T08:30:00.000Z"),
        ("-5m", "2026-11-22T09:55:00.000Z"),
        ("-1h30m", "2026-11-22T08:30:00.000Z"),
        ("250ms ago", "2026-11-22T09:59:59.750Z"),
        ("2d ago", "2026-11-20T10:00:00.000Z"),
        ("1w ago", "2026-11-15T10:00:00.000Z"),
        ("0s ago", "2026-11-22T10:00:00.000Z"),
        // epoch
        ("@1795341600", "2026-11-22T10:00:00.000Z"),
        ("@1795341599.250", "2026-11-22T09:59:59.250Z"),
        ("@1795341599.2509", "2026-11-22T09:59:59.250Z"),
        ("@1795341600000", "2026-11-22T10:00:00.000Z"),
        ("1795341600", "2026-11-22T10:00:00.000Z"),
        ("1795341599123", "2026-11-22T09:59:59.123Z"),
    ] {
        assert_eq!(at(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn what_has_two_meanings_or_none_is_refused_with_a_hint() {
    for (text, message, hint) in [
        ("5m", "`5m` may be before or after now", "write `5m ago`"),
        ("5 minutes", "`5 minutes` may be before or after now", "write `5 minutes ago`"),
        (
            "3M ago",
            "`3M ago` is not a time: `M` is not a unit here: months and years have no fixed length",
            "write m for minutes, or a number of days, as in 30d",
        ),
        (
            "3mo",
            "`3mo` is not a time: `mo` is not a unit here: months and years have no fixed length",
            "write m for minutes, or a number of days, as in 30d",
        ),
        (
            "-1y",
            "`-1y` is not a time: `y` is not a unit here: months and years have no fixed length",
            "write m for minutes, or a number of days, as in 30d",
        ),
        ("5 ago", "`5 ago` is not a time: `5` has no unit", "write 5s, 5m or 5h"),
        ("1.5h ago", "`1.5h ago` is not a time: `1.5h` has a fraction", "write whole numbers, as in 1h30m or 1500ms"),
    ] {
        let error = at(text).unwrap_err();
        assert_eq!((error.to_string().as_str(), error.hint().as_str()), (message, hint), "{text}");
    }
}

#[test]
fn what_is_not_in_the_grammar_is_refused() {
    let own = str::to_owned;
    for text in [
        "",
        " ",
        "yes",
        "noon",
        "tomorrow",
        "10",
        "1:00",
        "10:0",
        "10:00:",
        "10:00.5",
        "10:00:00.",
        "10:00:00.x",
        "2026-11",
        "2026-1-2",
        "22.11.2026",
        "11/22/2026",
        "2026-11-22 10",
        "2026-11-22 10:00 CET",
        "2026-11-22T",
        "2026-11-22T10:00:00+1",
        "2026-11-22T10:00:00+0100",
        "2026-11-22T10:00:00+24:00",
        "2026-11-22T10:00:00 Z Z",
        "today 10:00Z",
        "10:00+01:00",
        "yesterday +01:00",
        "today today",
        "2026-11-22Z",
        "@",
        "@x",
        "@1795341600.",
        "@-1795341600",
        "ago",
        "latest 10:00",
        "٥m ago",
        "10:00 5m ago",
    ] {
        assert!(at(text).is_err(), "{text}");
    }
    for (text, error) in [
        ("2026-02-30", Error::NoSuchTime(own("2026-02-30"))),
        ("2026-13-01 10:00", Error::NoSuchTime(own("2026-13-01"))),
        ("24:00", Error::NoSuchTime(own("24:00"))),
        ("2026-11-22T23:59:60Z", Error::NoSuchTime(own("23:59:60"))),
        ("@179534160", Error::EpochLength(own("@179534160"))),
        ("17953416000", Error::EpochLength(own("17953416000"))),
        ("@1795341600000.5", Error::EpochLength(own("@1795341600000.5"))),
        ("999999w ago", Error::OutOfRange(own("999999w ago"))),
    ] {
        assert_eq!(at(text), Err(error), "{text}");
    }
}

#[test]
fn a_local_time_that_came_twice_is_refused_with_both_offsets() {
    let error = at("2026-10-25 02:30").unwrap_err();
    assert_eq!(error.to_string(), "2026-10-25 02:30:00 came twice in the local time zone, when the clock was put back");
    assert_eq!(error.hint(), "write 2026-10-25T02:30:00+02:00 or 2026-10-25T02:30:00+01:00");
    assert_eq!(at("2026-10-25T02:30:00+02:00").as_deref(), Ok("2026-10-25T00:30:00.000Z"));
    assert_eq!(at("2026-10-25T02:30:00+01:00").as_deref(), Ok("2026-10-25T01:30:00.000Z"));
    for (text, expected) in
        [("2026-10-25 01:59:59.999", "2026-10-24T23:59:59.999Z"), ("2026-10-25 03:00", "2026-10-25T02:00:00.000Z")]
    {
        assert_eq!(at(text).as_deref(), Ok(expected), "{text}");
    }
}

#[test]
fn a_local_time_that_never_came_is_refused_with_the_next_that_did() {
    for text in ["2026-03-29 02:30", "2026-03-29 02:00", "2026-03-29 02:59:59.999"] {
        let error = at(text).unwrap_err();
        assert!(matches!(error, Error::Skipped { .. }), "{text}: {error}");
        assert_eq!(error.hint(), "the next moment is 2026-03-29T03:00:00+02:00", "{text}");
    }
    assert_eq!(at("2026-03-29 03:00").as_deref(), Ok("2026-03-29T01:00:00.000Z"));
    assert_eq!(at("2026-03-29 01:59").as_deref(), Ok("2026-03-29T00:59:00.000Z"));
}

#[test]
fn the_future_is_refused() {
    for text in ["11:00:01", "today 23:00", "2026-11-23", "2027-01-01T00:00:00Z", "@1795341601", "1795341600001"] {
        assert!(matches!(at(text), Err(Error::Future { .. })), "{text}");
    }
    let error = at("12:00").unwrap_err();
    assert_eq!(error.to_string(), "2026-11-22 12:00:00 +01:00 is in the future: it is 2026-11-22 11:00:00 +01:00 now");
    assert_eq!(error.hint(), "is the clock right?");
}

#[test]
fn relative_times_pass_over_a_change_of_the_clock() {
    // 25 October 2026, 04:00 in winter time: two hours before, it was 02:00 for the second time.
    let now = Timestamp(naive("2026-10-25 03:00:00").and_utc().timestamp_millis());
    assert_eq!(parse("2h ago", now, &Paris), Ok(Time::At(Timestamp(now.0 - 7_200_000))));
    assert_eq!(show(Timestamp(now.0 - 7_200_000), &Paris), "2026-10-25 02:00:00 +01:00");
    assert_eq!(show(Timestamp(now.0 - 3 * 3_600_000), &Paris), "2026-10-25 02:00:00 +02:00");
}

#[test]
fn what_is_shown_is_read_back() {
    for millis in [1_795_341_600_000, 1_795_341_599_999, 1_782_900_000_001, 0] {
        let at = Timestamp(millis);
        assert_eq!(parse(&show(at, &Paris), NOW, &Paris), Ok(Time::At(at)));
        assert_eq!(parse(&at.rfc3339(), NOW, &Utc.fix()), Ok(Time::At(at)));
    }
}

#[test]
fn no_text_panics() {
    const ALPHABET: [&str; 26] = [
        "0",
        "1",
        "5",
        "9",
        "2026",
        "-",
        ":",
        ".",
        " ",
        "T",
        "Z",
        "+",
        "@",
        "m",
        "h",
        "mo",
        "ago",
        "today",
        "yesterday",
        "now",
        "é",
        "99999999999",
        "10:00",
        "2026-11-22",
        "\u{0}",
        "￿",
    ];
    let mut seed = 0x2545_f491_4f6c_dd1d_u64;
    for _ in 0..200_000 {
        let mut text = String::new();
        for _ in 0..seed % 7 {
            // xorshift64
            seed ^= seed << 13;
            seed ^= seed >> 7;
            seed ^= seed << 17;
            text.push_str(ALPHABET[(seed % ALPHABET.len() as u64) as usize]);
        }
        seed ^= seed << 13;
        seed ^= seed >> 7;
        seed ^= seed << 17;
        if let Err(error) = parse(&text, NOW, &Paris) {
            assert!(!error.to_string().is_empty() && !error.hint().is_empty());
        }
    }
}
