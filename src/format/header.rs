//! The header of a page file.

use super::Error;
use super::fields::Fields;
use crate::compress::Codec;
use crate::ids::{Digest, GenerationId, ObjectKind, WriterId};
use crate::units::{DbChecksum, PageSize, SegmentIndex, Timestamp};

/// The length of a header in bytes.
pub const HEADER_LEN: usize = 160;

const MAGIC: [u8; 4] = *b"WLPF";
const VERSION: u16 = 1;
const PART: &str = "header";

/// What a page file is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[repr(u8)]
pub enum Kind {
    /// Every page at the start of a generation.
    Snapshot = 1,
    /// The pages changed by some transactions.
    Segment = 2,
    /// Several segments in one.
    Merged = 3,
}

/// The kind of the object that a page file is kept in.
impl From<Kind> for ObjectKind {
    fn from(kind: Kind) -> ObjectKind {
        match kind {
            Kind::Snapshot => ObjectKind::Snapshot,
            Kind::Segment => ObjectKind::Segment,
            Kind::Merged => ObjectKind::Merged,
        }
    }
}

/// What is known when writing begins.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Header {
    /// What it is.
    pub kind: Kind,
    /// How its chunks are compressed.
    pub codec: Codec,
    /// The page size.
    pub page_size: PageSize,
    /// The generation it belongs to.
    pub generation: GenerationId,
    /// Its (first) index; zero for a snapshot.
    pub first: SegmentIndex,
    /// The time of its first transaction; of a snapshot, when it was begun.
    pub first_time: Timestamp,
    /// The checksum of the database before it; zero for a snapshot.
    pub checksum_before: DbChecksum,
    /// The digest of the object before it; zeros for a snapshot, which says at its end what it joins.
    pub predecessor: Digest,
    /// Who wrote it.
    pub writer: WriterId,
    /// For a snapshot, the generation before.
    pub previous: Option<GenerationId>,
}

impl Header {
    /// The bytes.
    pub fn encode(&self) -> [u8; HEADER_LEN] {
        let mut bytes = [0; HEADER_LEN];
        bytes[0..4].copy_from_slice(&MAGIC);
        bytes[4..6].copy_from_slice(&VERSION.to_le_bytes());
        bytes[6] = self.kind as u8;
        bytes[7] = self.codec as u8;
        bytes[8..12].copy_from_slice(&self.page_size.get().to_le_bytes());
        bytes[16..32].copy_from_slice(&self.generation.to_bytes());
        bytes[32..40].copy_from_slice(&self.first.get().to_le_bytes());
        bytes[40..48].copy_from_slice(&self.first_time.0.to_le_bytes());
        bytes[48..56].copy_from_slice(&self.checksum_before.0.to_le_bytes());
        bytes[56..88].copy_from_slice(&self.predecessor.0);
        bytes[88..104].copy_from_slice(&self.writer.0);
        bytes[104..120].copy_from_slice(&self.previous.map_or([0; 16], GenerationId::to_bytes));
        let checksum = crc32c::crc32c(&bytes[..156]);
        bytes[156..160].copy_from_slice(&checksum.to_le_bytes());
        bytes
    }

    /// Reads and checks the first [`HEADER_LEN`] bytes of a page file.
    pub fn parse(bytes: &[u8]) -> Result<Header, Error> {
        let Some(bytes) = bytes.first_chunk::<HEADER_LEN>() else {
            return Err(Error::Short { part: PART, len: bytes.len() as u64, needed: HEADER_LEN as u64 });
        };
        let mut fields = Fields::new(PART, bytes);
        let found = fields.array()?;
        if found != MAGIC {
            return Err(Error::Magic { part: PART, found });
        }
        // In every version the header is this long and has its checksum here: so a later version is told from damage.
        let mut end = Fields::new(PART, &bytes[156..]);
        let (found, computed) = (end.u32()?, crc32c::crc32c(&bytes[..156]));
        if found != computed {
            return Err(Error::HeaderChecksum { found, computed });
        }
        let version = fields.u16()?;
        if version != VERSION {
            return Err(Error::Version(version));
        }
        let header = Header::parse_fields(&mut fields)?;
        header.check()?;
        Ok(header)
    }

    fn parse_fields(fields: &mut Fields<'_>) -> Result<Header, Error> {
        let kind = match fields.u8()? {
            1 => Kind::Snapshot,
            2 => Kind::Segment,
            3 => Kind::Merged,
            other => return Err(Error::Kind(other)),
        };
        let codec = Codec::from_u8(fields.u8()?)?;
        let page_size = fields.u32()?;
        let page_size = PageSize::new(page_size).ok_or(Error::PageSize(page_size))?;
        fields.zero::<4>()?;
        let generation = GenerationId::from_bytes(fields.array()?);
        let first = index(fields.u64()?)?;
        let first_time = Timestamp(fields.i64()?);
        let checksum_before = DbChecksum(fields.u64()?);
        let predecessor = Digest(fields.array()?);
        let writer = WriterId(fields.array()?);
        let previous = Some(fields.array()?).filter(|id| *id != [0; 16]).map(GenerationId::from_bytes);
        fields.zero::<36>()?;
        Ok(Header {
            kind,
            codec,
            page_size,
            generation,
            first,
            first_time,
            checksum_before,
            predecessor,
            writer,
            previous,
        })
    }

    /// Refuses fields that cannot stand together; the writer is held to it as the reader is.
    pub(super) fn check(&self) -> Result<(), Error> {
        let contradiction = |rule| Err(Error::Contradiction(rule));
        time(self.first_time)?;
        if self.generation.to_bytes() == [0; 16] || self.previous.is_some_and(|id| id.to_bytes() == [0; 16]) {
            return contradiction("a generation whose id is zero");
        }
        if self.kind == Kind::Snapshot {
            if self.first != SegmentIndex::ZERO {
                return contradiction("a snapshot with an index");
            }
            if self.checksum_before != DbChecksum::default() {
                return contradiction("a snapshot with a checksum of the database before it");
            }
            if self.previous == Some(self.generation) {
                return contradiction("a generation that came after itself");
            }
            if self.predecessor != Digest::NONE {
                return contradiction("a snapshot with a predecessor");
            }
        } else {
            if self.previous.is_some() {
                return contradiction("a segment with a generation before it");
            }
            if self.predecessor == Digest::NONE {
                return contradiction("a segment without a predecessor");
            }
        }
        Ok(())
    }
}

/// An index that a key has room for.
pub(super) fn index(value: u64) -> Result<SegmentIndex, Error> {
    SegmentIndex::new(value).ok_or(Error::Range { what: "index of a segment", value: value.into() })
}

/// Times are in the years 0 to 9999, which RFC 3339 can write.
pub(super) fn time(at: Timestamp) -> Result<(), Error> {
    let years = -62_167_219_200_000..=253_402_300_799_999;
    if years.contains(&at.0) { Ok(()) } else { Err(Error::Range { what: "time", value: at.0.into() }) }
}
