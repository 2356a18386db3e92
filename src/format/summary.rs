//! The trailer of a page file.

use super::fields::Fields;
use super::header::{index, time};
use super::record::{self, FRAME_LEN, kind};
use super::{Error, Header, Kind};
use crate::ids::Digest;
use crate::units::{DbChecksum, SegmentIndex, Timestamp};

/// The length of a trailer in bytes, its type and length included.
pub const TRAILER_LEN: usize = 224;

/// The part of a trailer that its digest covers: all but the digest.
pub(super) const COVERED_LEN: usize = TRAILER_LEN - 32;

const MAGIC: [u8; 4] = *b"WLPT";
const PART: &str = "trailer";

/// How a page file came about.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Flags {
    /// Found by comparing pages, not by following the WAL.
    pub catch_up: bool,
    /// The database had been restored to an earlier time.
    pub rewind: bool,
    /// What came together while the store was out of reach.
    pub outage: bool,
}

/// Bits from here on may be ignored by a reader that does not know them.
const IGNORABLE: u32 = 16;

impl Flags {
    fn encode(self) -> u32 {
        u32::from(self.catch_up) | u32::from(self.rewind) << 1 | u32::from(self.outage) << 2
    }

    fn parse(bits: u32) -> Result<Flags, Error> {
        let flags = Flags { catch_up: bits & 1 != 0, rewind: bits & 2 != 0, outage: bits & 4 != 0 };
        match (bits & !flags.encode()).trailing_zeros() {
            bit if bit < IGNORABLE => Err(Error::Flag(bit)),
            _ => Ok(flags),
        }
    }
}

/// A place in the WAL: its header, a frame, and the running checksum there.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct WalMark {
    /// The 32 bytes of the WAL's header; zeros if the WAL had nothing.
    pub header: [u8; 32],
    /// The frame.
    pub frame: u32,
    /// The running checksum after it.
    pub checksum: [u32; 2],
}

/// What is known when writing ends.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Summary {
    /// How it came about.
    pub flags: Flags,
    /// Pages of the database after it, at least one.
    pub pages_after: u32,
    /// Its last index: of a segment, its own; of a snapshot, zero.
    pub last: SegmentIndex,
    /// The time of its last transaction; of a snapshot, that of its state. Not before [`Header::first_time`].
    pub last_time: Timestamp,
    /// A time of which the replica has no states before this one: nobody watched, or, with [`Flags::outage`], the store
    /// was out of reach.
    pub unobserved: Option<(Timestamp, Timestamp)>,
    /// Transactions in it; zero for a snapshot.
    pub transactions: u64,
    /// Transactions since the snapshot, these included; zero for a snapshot.
    pub transactions_since_snapshot: u64,
    /// Bytes of the WAL that [`Summary::transactions`] took; zero for a snapshot.
    pub wal_bytes: u64,
    /// The checksum of the database after it.
    pub checksum_after: DbChecksum,
    /// Where in the WAL this state was reached.
    pub wal: WalMark,
    /// The digest of the object that ends at the same commit: of a merged segment, the segment at its last index; of a
    /// snapshot, the last object of the generation before, if capture went on from there.
    pub joins: Option<Digest>,
}

/// What the trailer says of the page file itself.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Layout {
    /// The first byte of the directory's record.
    pub(super) directory: u64,
    /// The length of the page file.
    pub(super) len: u64,
    /// Page images in it.
    pub(super) images: u64,
}

impl Summary {
    /// The bytes up to the digest.
    pub(super) fn encode(&self, layout: Layout) -> [u8; COVERED_LEN] {
        let mut bytes = [0; COVERED_LEN];
        bytes[0..8].copy_from_slice(&record::frame(kind::TRAILER, TRAILER_LEN - FRAME_LEN));
        bytes[8..12].copy_from_slice(&MAGIC);
        bytes[12..16].copy_from_slice(&self.flags.encode().to_le_bytes());
        bytes[16..24].copy_from_slice(&layout.directory.to_le_bytes());
        bytes[24..32].copy_from_slice(&layout.len.to_le_bytes());
        bytes[32..36].copy_from_slice(&self.pages_after.to_le_bytes());
        bytes[40..48].copy_from_slice(&layout.images.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.last.get().to_le_bytes());
        bytes[56..64].copy_from_slice(&self.last_time.0.to_le_bytes());
        let (from, to) = self.unobserved.unwrap_or_default();
        bytes[64..72].copy_from_slice(&from.0.to_le_bytes());
        bytes[72..80].copy_from_slice(&to.0.to_le_bytes());
        bytes[80..88].copy_from_slice(&self.transactions.to_le_bytes());
        bytes[88..96].copy_from_slice(&self.transactions_since_snapshot.to_le_bytes());
        bytes[96..104].copy_from_slice(&self.wal_bytes.to_le_bytes());
        bytes[104..112].copy_from_slice(&self.checksum_after.0.to_le_bytes());
        bytes[112..144].copy_from_slice(&self.wal.header);
        bytes[144..148].copy_from_slice(&self.wal.frame.to_le_bytes());
        bytes[148..152].copy_from_slice(&self.wal.checksum[0].to_le_bytes());
        bytes[152..156].copy_from_slice(&self.wal.checksum[1].to_le_bytes());
        bytes[160..192].copy_from_slice(&self.joins.unwrap_or(Digest::NONE).0);
        bytes
    }

    /// Reads a trailer, but for its last 32 bytes, the digest. What it says together with the header is checked by
    /// [`Summary::check`].
    pub(super) fn parse(bytes: &[u8; TRAILER_LEN]) -> Result<(Summary, Layout), Error> {
        record::body(PART, kind::TRAILER, bytes)?;
        let mut fields = Fields::new(PART, &bytes[..COVERED_LEN]);
        fields.array::<FRAME_LEN>()?;
        let found = fields.array()?;
        if found != MAGIC {
            return Err(Error::Magic { part: PART, found });
        }
        let flags = Flags::parse(fields.u32()?)?;
        let directory = fields.u64()?;
        let len = fields.u64()?;
        let pages_after = fields.u32()?;
        fields.zero::<4>()?;
        let images = fields.u64()?;
        let last = index(fields.u64()?)?;
        let last_time = Timestamp(fields.i64()?);
        let unobserved = (Timestamp(fields.i64()?), Timestamp(fields.i64()?));
        let transactions = fields.u64()?;
        let transactions_since_snapshot = fields.u64()?;
        let wal_bytes = fields.u64()?;
        let checksum_after = DbChecksum(fields.u64()?);
        let wal = WalMark { header: fields.array()?, frame: fields.u32()?, checksum: [fields.u32()?, fields.u32()?] };
        fields.zero::<4>()?;
        let joins = Some(Digest(fields.array()?)).filter(|digest| *digest != Digest::NONE);
        fields.end()?;
        let summary = Summary {
            flags,
            pages_after,
            last,
            last_time,
            unobserved: Some(unobserved).filter(|interval| *interval != Default::default()),
            transactions,
            transactions_since_snapshot,
            wal_bytes,
            checksum_after,
            wal,
            joins,
        };
        Ok((summary, Layout { directory, len, images }))
    }

    /// Refuses what cannot stand together with the header; the writer is held to it as the reader is.
    pub(super) fn check(&self, header: &Header, images: u64) -> Result<(), Error> {
        let contradiction = |rule| Err(Error::Contradiction(rule));
        time(self.last_time)?;
        if self.last_time < header.first_time {
            return contradiction("a last time before the first");
        }
        if let Some((from, to)) = self.unobserved {
            time(from).and(time(to))?;
            if (from, to) == Default::default() || from > to {
                return contradiction("an unobserved interval that ends before it begins");
            }
        }
        if self.pages_after == 0 {
            return contradiction("a database without pages");
        }
        if self.transactions > self.transactions_since_snapshot {
            return contradiction("more transactions than since the snapshot");
        }
        if self.wal.header == [0; 32] && self.wal != WalMark::default() {
            return contradiction("a frame of a WAL that has nothing");
        }
        let may_join = match header.kind {
            Kind::Merged => self.joins.is_some(),
            Kind::Segment => self.joins.is_none(),
            Kind::Snapshot => self.joins.is_none() || header.previous.is_some(),
        };
        if !may_join || self.joins == Some(Digest::NONE) {
            return contradiction("a digest of the object that ends at the same commit, where there is none");
        }
        match header.kind {
            Kind::Snapshot if self.last != SegmentIndex::ZERO => contradiction("a snapshot with an index"),
            Kind::Snapshot if self.transactions_since_snapshot != 0 || self.wal_bytes != 0 => {
                contradiction("a snapshot with transactions")
            }
            Kind::Snapshot if images < self.stored_pages(header) => contradiction("a snapshot without all pages"),
            Kind::Segment if self.last != header.first => contradiction("a segment with two indices"),
            Kind::Merged if self.last < header.first => contradiction("a last index before the first"),
            _ => Ok(()),
        }
    }

    /// Pages of the database after it that are stored: all but the lock page.
    fn stored_pages(&self, header: &Header) -> u64 {
        let lock = header.page_size.lock_page().get() <= self.pages_after;
        u64::from(self.pages_after) - u64::from(lock)
    }
}
