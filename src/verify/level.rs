//! How much is checked.

use crate::replica::Name;

/// How much is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Level {
    /// Listings and the newest object: next to nothing is read.
    Quick,
    /// Also everything that restoring the newest state reads.
    #[default]
    Default,
    /// Also these objects of all generations, every byte.
    ReadData(Subset),
    /// Also a restore of the newest state into a temporary directory, checked by SQLite.
    Restore(Check),
    /// Both of these.
    ReadDataAndRestore(Subset, Check),
}

/// Which objects are read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Subset {
    /// All.
    All,
    /// One part of so many, by a hash of the key: all parts together are all objects, whatever is added meanwhile.
    Part {
        /// Which, from 1.
        part: u32,
        /// Of how many.
        of: u32,
    },
}

impl Level {
    /// Which objects of all generations are read.
    pub fn subset(self) -> Option<Subset> {
        match self {
            Level::ReadData(subset) | Level::ReadDataAndRestore(subset, _) => Some(subset),
            Level::Quick | Level::Default | Level::Restore(_) => None,
        }
    }

    /// What SQLite checks of the newest state.
    pub fn check(self) -> Option<Check> {
        match self {
            Level::Restore(check) | Level::ReadDataAndRestore(_, check) => Some(check),
            Level::Quick | Level::Default | Level::ReadData(_) => None,
        }
    }
}

impl Subset {
    /// The object belongs to it.
    pub(super) fn has(self, name: Name) -> bool {
        match self {
            Subset::All => true,
            Subset::Part { part, of } => crc32c::crc32c(name.key().as_bytes()) % of.max(1) == part.saturating_sub(1),
        }
    }
}

/// What SQLite checks of a restored database.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Check {
    /// `PRAGMA quick_check`: everything but indexes against their tables.
    #[default]
    Quick,
    /// `PRAGMA integrity_check`.
    Full,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::GenerationId;
    use crate::units::{SegmentIndex, Timestamp};

    #[test]
    fn every_object_is_in_exactly_one_part() {
        let id = GenerationId::new(Timestamp(1), [1; 10]);
        for index in 0..100 {
            let name = Name::Segment(id, SegmentIndex::new(index).unwrap());
            let parts = (1..=7).filter(|&part| Subset::Part { part, of: 7 }.has(name)).count();
            assert_eq!(parts, 1);
        }
    }
}
