//! What can be wrong with the bytes of a page file, a manifest, `replica` or `latest`.

use crate::compress;
use crate::units::PageNo;

/// What is wrong with the bytes.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// It begins (the header) or goes on (the trailer) as no page file does.
    #[error("not the {part} of a page file: {found:02x?}")]
    Magic {
        /// Header or trailer.
        part: &'static str,
        /// What stands where the magic bytes belong.
        found: [u8; 4],
    },
    /// The checksum of the header is another one.
    #[error("header damaged: checksum {found:08x}, {computed:08x} computed")]
    HeaderChecksum {
        /// The checksum in the header.
        found: u32,
        /// The checksum of its bytes.
        computed: u32,
    },
    /// A later waloy wrote it.
    #[error("version of the page file not known: {0}")]
    Version(u16),
    /// No kind of page file has this number.
    #[error("kind of the page file not known: {0}")]
    Kind(u8),
    /// The compression is not known, not built in, or the compressed bytes are damaged.
    #[error(transparent)]
    Compress(#[from] compress::Error),
    /// There is no such page size.
    #[error("not a page size: {0}")]
    PageSize(u32),
    /// A section that has to be understood is not.
    #[error("section of the page file not known: type {0}")]
    Section(u8),
    /// A flag that has to be understood is not.
    #[error("flag of the page file not known: bit {0}")]
    Flag(u32),
    /// Fewer bytes than there must be.
    #[error("{part} cut short: {needed} bytes needed, {len} there")]
    Short {
        /// What is cut short.
        part: &'static str,
        /// Bytes there are.
        len: u64,
        /// Bytes there must be.
        needed: u64,
    },
    /// More bytes than there must be.
    #[error("{part} followed by bytes that belong to nothing: {len}")]
    Trailing {
        /// What they follow.
        part: &'static str,
        /// How many.
        len: u64,
    },
    /// A field called zero is something else.
    #[error("zero field of the {part} is not zero: at byte {offset}")]
    NotZero {
        /// Where the field is.
        part: &'static str,
        /// Its offset there.
        offset: usize,
    },
    /// A record of another type than belongs there.
    #[error("record is not a {part}: type {found}")]
    RecordType {
        /// What belongs there.
        part: &'static str,
        /// The type found.
        found: u8,
    },
    /// A number out of its range.
    #[error("{what} out of range: {value}")]
    Range {
        /// What the number says.
        what: &'static str,
        /// The number.
        value: i128,
    },
    /// Fields that cannot stand together.
    #[error("fields contradict each other: {0}")]
    Contradiction(&'static str),
    /// Places do not follow each other without a gap.
    #[error("{part} is not where the one before it ends ({expected}): {found}")]
    Gap {
        /// What is out of place.
        part: &'static str,
        /// Where it belongs.
        expected: u64,
        /// Where it is.
        found: u64,
    },
    /// Bytes do not have the digest that stands for them.
    #[error("{part} damaged: its digest does not match, at byte {offset}")]
    Digest {
        /// What is damaged.
        part: &'static str,
        /// Its first byte in the page file.
        offset: u64,
    },
    /// Runs of pages that overlap, touch or do not ascend.
    #[error("run of pages does not begin behind the one before: page {0}")]
    Run(PageNo),
    /// The page that SQLite never stores.
    #[error("lock page among the pages: {0}")]
    LockPage(PageNo),
    /// A chunk has other pages than the index says.
    #[error("chunk has other pages than the index says: at byte {0}")]
    Pages(u64),
    /// A page image does not have its hash: damage, or the key of another replica.
    #[error("page does not match its hash: {0}")]
    PageHash(PageNo),
    /// The index has another number of page images than the trailer says.
    #[error("number of page images not {expected}, as the trailer says: {found}")]
    Images {
        /// By the trailer.
        expected: u64,
        /// By the index.
        found: u64,
    },
    /// A JSON object does not end with the hash of its bytes.
    #[error("{0} does not end with a sha256")]
    JsonTail(&'static str),
    /// A JSON object ends with the hash of other bytes.
    #[error("{0} damaged: its sha256 does not match")]
    JsonDigest(&'static str),
    /// A later waloy wrote it.
    #[error("format of {object} not known: {format}")]
    JsonFormat {
        /// Which object.
        object: &'static str,
        /// Its format number.
        format: u64,
    },
    /// A JSON object that is whole but does not read as what it is.
    #[error("cannot read {object}: {problem}")]
    Json {
        /// Which object.
        object: &'static str,
        /// What is wrong.
        problem: String,
    },
}

impl Error {
    /// Whether the bytes may well be whole, and a newer waloy, or one with more features, reads them.
    pub fn is_unsupported(&self) -> bool {
        use compress::Error::{NotBuiltIn, Unknown};
        matches!(
            self,
            Error::Version(_)
                | Error::Kind(_)
                | Error::Section(_)
                | Error::Flag(_)
                | Error::JsonFormat { .. }
                | Error::Compress(Unknown(_) | NotBuiltIn(_))
        )
    }

    /// A line that a person can act upon.
    pub fn hint(&self) -> Option<String> {
        match self {
            Error::Compress(error) => error.hint(),
            _ if self.is_unsupported() => Some("it was made by a newer waloy: use one at least as new".to_owned()),
            _ => None,
        }
    }
}
