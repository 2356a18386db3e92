//! The table of times of a merged segment: which points in its range other objects end with, and when those were.

use super::fields::Fields;
use super::header::{index, time};
use super::record::{self, SECTIONS_LEN, kind};
use super::{Error, Header, Kind, Summary};
use crate::units::{SegmentIndex, Timestamp};

const PART: &str = "table of times";

/// The length of an entry.
const ENTRY_LEN: usize = 16;

/// The points that a merged segment leads over, with their times.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Times {
    /// How often segments were merged to get it: 1 for one that stands for small ones.
    pub level: u8,
    /// The ends of the objects that it stands for, with the times of their last transactions; its own end is the last.
    /// Ascending in both.
    pub points: Vec<(SegmentIndex, Timestamp)>,
}

impl Times {
    /// The whole record.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut bytes = record::frame(kind::TIMES, 8 + ENTRY_LEN * self.points.len()).to_vec();
        bytes.extend_from_slice(&[self.level, 0, 0, 0, 0, 0, 0, 0]);
        for (index, at) in &self.points {
            bytes.extend_from_slice(&index.get().to_le_bytes());
            bytes.extend_from_slice(&at.0.to_le_bytes());
        }
        bytes
    }

    /// Reads the body of the record.
    pub(super) fn parse(body: &[u8]) -> Result<Times, Error> {
        let mut fields = Fields::new(PART, body);
        let level = fields.u8()?;
        fields.zero::<7>()?;
        let mut points = Vec::with_capacity(fields.rest().len() / ENTRY_LEN);
        while !fields.rest().is_empty() {
            points.push((index(fields.u64()?)?, Timestamp(fields.i64()?)));
        }
        Ok(Times { level, points })
    }

    /// Refuses what cannot stand together with header and trailer; the writer is held to it as the reader is.
    pub(super) fn check(&self, header: &Header, summary: &Summary) -> Result<(), Error> {
        let contradiction = |rule| Err(Error::Contradiction(rule));
        if header.kind != Kind::Merged {
            return contradiction("a table of times in what is not merged");
        }
        if self.level == 0 {
            return contradiction("a table of times without a level");
        }
        if self.points.len() > SECTIONS_LEN / 2 / ENTRY_LEN {
            return Err(Error::Range { what: "number of times", value: self.points.len() as i128 });
        }
        self.points.iter().try_for_each(|&(_, at)| time(at))?;
        if self.points.first().is_none_or(|&(first, at)| first < header.first || at < header.first_time)
            || self.points.last() != Some(&(summary.last, summary.last_time))
        {
            return contradiction("a table of times of another range");
        }
        if self.points.windows(2).any(|pair| pair[0].0 >= pair[1].0 || pair[0].1 > pair[1].1) {
            return contradiction("times that are not in order");
        }
        Ok(())
    }
}
