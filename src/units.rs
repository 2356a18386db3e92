//! Units as types: a page number is not a count, an index is not an offset.
//!
//! Constructors validate; arithmetic that could overflow is checked. Everything here is plain data.

use std::fmt;
use std::num::NonZeroU32;

/// The byte offset of the page that SQLite locks and never stores (`PENDING_BYTE` in `os.h`): 1 GiB.
const PENDING_BYTE: u64 = 0x4000_0000;

/// The number of a database page, from 1.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PageNo(NonZeroU32);

impl PageNo {
    /// Page 1, which begins with the database header.
    pub const FIRST: PageNo = PageNo(NonZeroU32::MIN);

    /// The page with this number; `None` for 0, which no page has.
    pub const fn new(number: u32) -> Option<PageNo> {
        match NonZeroU32::new(number) {
            Some(number) => Some(PageNo(number)),
            None => None,
        }
    }

    /// The number, from 1.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The page's first byte in the database file.
    pub fn offset(self, size: PageSize) -> u64 {
        u64::from(self.get() - 1) * u64::from(size.get())
    }
}

impl fmt::Display for PageNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The size of a database page in bytes: a power of two from 512 to 65,536.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct PageSize(u32);

impl PageSize {
    /// The page size of this many bytes; `None` unless it is a power of two from 512 to 65,536.
    pub const fn new(bytes: u32) -> Option<PageSize> {
        if bytes.is_power_of_two() && bytes >= 512 && bytes <= 65_536 { Some(PageSize(bytes)) } else { None }
    }

    /// The size as the 16-bit fields of SQLite have it, where 1 stands for 65,536.
    pub const fn from_u16(field: u16) -> Option<PageSize> {
        if field == 1 { Some(PageSize(65_536)) } else { PageSize::new(field as u32) }
    }

    /// In bytes.
    pub const fn get(self) -> u32 {
        self.0
    }

    /// In bytes, as a length in memory.
    #[expect(clippy::len_without_is_empty, reason = "no page is empty")]
    pub const fn len(self) -> usize {
        self.0 as usize
    }

    /// The page at 1 GiB, which SQLite uses for its locks only: never stored, never counted.
    pub fn lock_page(self) -> PageNo {
        PageNo(NonZeroU32::MIN.saturating_add((PENDING_BYTE / u64::from(self.0)) as u32))
    }
}

impl fmt::Display for PageSize {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The number of a WAL frame, from 1; 0 stands for "before the first frame".
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct FrameNo(pub u32);

impl fmt::Display for FrameNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// The place of a segment in its generation, from 0; at most 12 decimal digits.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct SegmentIndex(u64);

impl SegmentIndex {
    /// The first segment after a snapshot.
    pub const ZERO: SegmentIndex = SegmentIndex(0);
    /// The greatest index that a key has room for.
    pub const MAX: SegmentIndex = SegmentIndex(999_999_999_999);

    /// The segment at this place; `None` above [`SegmentIndex::MAX`].
    pub const fn new(index: u64) -> Option<SegmentIndex> {
        if index <= Self::MAX.0 { Some(SegmentIndex(index)) } else { None }
    }

    /// The index, from 0.
    pub const fn get(self) -> u64 {
        self.0
    }

    /// The place after this one; `None` after the last.
    pub const fn next(self) -> Option<SegmentIndex> {
        SegmentIndex::new(self.0 + 1)
    }
}

impl fmt::Display for SegmentIndex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A moment: milliseconds since 1970-01-01 00:00:00 UTC.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug, Default)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// The moment in RFC 3339, UTC, with milliseconds: `2026-11-22T09:00:00.123Z`.
    ///
    /// Outside the years that RFC 3339 knows it is the number of milliseconds, as `@-1`.
    pub fn rfc3339(self) -> String {
        match chrono::DateTime::from_timestamp_millis(self.0) {
            Some(at) => at.to_rfc3339_opts(chrono::SecondsFormat::Millis, true),
            None => format!("@{}", self.0),
        }
    }
}

impl fmt::Display for Timestamp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.rfc3339())
    }
}

/// The keyed 64-bit hash of one page: SipHash-1-3 over its number and image.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct PageHash(pub u64);

/// The checksum of a database: XOR of the [`PageHash`] of every page but the lock page.
///
/// It stands against accidents, not against intent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct DbChecksum(pub u64);

impl DbChecksum {
    /// Adds a page that was not counted, or takes out one that was: the two are one operation.
    pub const fn toggle(&mut self, page: PageHash) {
        self.0 ^= page.0;
    }
}

impl fmt::Display for DbChecksum {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:016x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn page_sizes_are_powers_of_two_from_512_to_65536() {
        for ok in [512, 1024, 4096, 65_536] {
            assert_eq!(PageSize::new(ok).map(PageSize::get), Some(ok));
        }
        for bad in [0, 1, 256, 513, 4095, 131_072] {
            assert_eq!(PageSize::new(bad), None);
        }
        assert_eq!(PageSize::from_u16(1).map(PageSize::get), Some(65_536));
    }

    #[test]
    fn the_lock_page_begins_at_one_gibibyte() {
        for bytes in [512, 4096, 65_536] {
            let size = PageSize::new(bytes).unwrap();
            assert_eq!(size.lock_page().offset(size), 1 << 30);
        }
    }

    #[test]
    fn a_moment_is_written_in_utc_with_milliseconds() {
        assert_eq!(Timestamp(1_795_341_600_123).rfc3339(), "2026-11-22T10:00:00.123Z");
    }
}
