//! How much of everything is read: `all`, `5%`, `1/20`, `daily/week`.

use std::str::FromStr;

use crate::units::Timestamp;
use crate::verify::Subset;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;

/// How much of everything is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Part {
    All,
    /// At least so many percent, another part each day.
    Percent(u32),
    Of(u32, u32),
    /// A seventh a day.
    Daily,
    /// A twenty-fourth an hour.
    Hourly,
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Part, String> {
        let refused = || format!("`{text}` is not a part: write all, 5%, 1/20, daily/week or hourly/day");
        match text {
            "all" => return Ok(Part::All),
            "daily/week" => return Ok(Part::Daily),
            "hourly/day" => return Ok(Part::Hourly),
            _ => {}
        }
        if let Some(percent) = text.strip_suffix('%') {
            return match percent.parse() {
                Ok(percent @ 1..=100) => Ok(Part::Percent(percent)),
                _ => Err(refused()),
            };
        }
        match text.split_once('/').map(|(part, of)| (part.parse(), of.parse())) {
            Some((Ok(part), Ok(of))) if 0 < part && part <= of => Ok(Part::Of(part, of)),
            _ => Err(refused()),
        }
    }
}

impl Part {
    /// Which objects that is at this moment.
    pub(super) fn subset(self, now: Timestamp) -> Subset {
        let turn = |length: i64, of: u32| {
            let part = now.0.div_euclid(length).rem_euclid(i64::from(of)) as u32 + 1;
            Subset::Part { part, of }
        };
        match self {
            Part::All => Subset::All,
            Part::Of(part, of) => Subset::Part { part, of },
            Part::Percent(percent) => turn(DAY, 100 / percent),
            Part::Daily => turn(DAY, 7),
            Part::Hourly => turn(HOUR, 24),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_people_write_them() {
        for (text, part) in [
            ("all", Some(Part::All)),
            ("5%", Some(Part::Percent(5))),
            ("100%", Some(Part::Percent(100))),
            ("1/20", Some(Part::Of(1, 20))),
            ("20/20", Some(Part::Of(20, 20))),
            ("daily/week", Some(Part::Daily)),
            ("hourly/day", Some(Part::Hourly)),
            ("daily", None),
            ("0%", None),
            ("101%", None),
            ("0/5", None),
            ("6/5", None),
            ("5", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), part, "{text}");
        }
    }

    #[test]
    fn parts_that_go_round_come_to_everything() {
        let percents = (1..=100).map(|percent| (Part::Percent(percent), DAY, 100 / percent));
        for (part, length, of) in percents.chain([(Part::Daily, DAY, 7), (Part::Hourly, HOUR, 24)]) {
            let turns = (1000..1000 + i64::from(of)).map(|turn| part.subset(Timestamp(turn * length + 5)));
            let parts: std::collections::BTreeSet<u32> = turns
                .map(|subset| match subset {
                    Subset::Part { part, of: parts } if parts == of => part,
                    other => panic!("{other:?}"),
                })
                .collect();
            assert_eq!(parts, (1..=of).collect(), "{part:?}");
        }
    }
}
