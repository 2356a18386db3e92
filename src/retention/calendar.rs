//! One point a day, a week, a month. Pure.

use std::collections::BTreeMap;

use chrono::{DateTime, Datelike};

use super::{Keep, Period};
use crate::units::Timestamp;

const DAY: i64 = 86_400_000;

/// The number of the period in which a moment is; later periods have greater numbers.
fn number(period: Period, at: Timestamp) -> i64 {
    let day = at.0.div_euclid(DAY);
    match period {
        Period::Daily => day,
        // The first of January 1970 was a Thursday.
        Period::Weekly => (day + 3).div_euclid(7),
        Period::Monthly => {
            let date = DateTime::from_timestamp_millis(at.0).unwrap_or_default();
            i64::from(date.year()) * 12 + i64::from(date.month0())
        }
    }
}

/// Of points, told by time and owner, the owners of those that are kept, and for which period: the last point of each of
/// the newest periods that have any.
pub(super) fn kept<T: Copy + Ord>(keep: &Keep, points: &[(Timestamp, T)]) -> BTreeMap<T, Period> {
    let mut owners = BTreeMap::new();
    for period in Period::ALL.into_iter().rev() {
        let mut last: BTreeMap<i64, (Timestamp, T)> = BTreeMap::new();
        for &point in points {
            let best = last.entry(number(period, point.0)).or_insert(point);
            *best = point.max(*best);
        }
        for &(_, owner) in last.values().rev().take(keep.count(period) as usize) {
            owners.insert(owner, period);
        }
    }
    owners
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        Timestamp(DateTime::parse_from_rfc3339(text).unwrap().timestamp_millis())
    }

    #[test]
    fn periods_begin_at_midnight_on_monday_and_on_the_first() {
        let changes = |period, before, after| number(period, at(before)) + 1 == number(period, at(after));
        assert!(changes(Period::Daily, "2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z"));
        // 23 November 2026 is a Monday.
        assert!(changes(Period::Weekly, "2026-11-22T23:59:59Z", "2026-11-23T00:00:00Z"));
        assert!(!changes(Period::Weekly, "2026-11-23T23:59:59Z", "2026-11-24T00:00:00Z"));
        assert!(changes(Period::Monthly, "2026-11-30T23:59:59Z", "2026-12-01T00:00:00Z"));
        assert!(changes(Period::Monthly, "2026-12-31T23:59:59Z", "2027-01-01T00:00:00Z"));
    }

    #[test]
    fn the_last_point_of_each_period_stays_and_periods_without_any_do_not_count() {
        let points = [
            (at("2026-09-30T08:00:00Z"), 1),
            (at("2026-10-31T08:00:00Z"), 2),
            (at("2026-11-20T08:00:00Z"), 3),
            (at("2026-11-22T08:00:00Z"), 4),
            (at("2026-11-22T09:00:00Z"), 5),
        ];
        let owners = |keep: Keep| kept(&keep, &points).into_keys().collect::<Vec<_>>();
        assert_eq!(owners(Keep { daily: 2, ..Keep::default() }), [3, 5]);
        assert_eq!(owners(Keep { daily: 1, monthly: 2, ..Keep::default() }), [2, 5]);
        assert_eq!(owners(Keep { weekly: 3, ..Keep::default() }), [1, 2, 5]);
        assert!(owners(Keep::default()).is_empty());
    }
}
