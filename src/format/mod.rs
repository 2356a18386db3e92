//! The page file, version 1: page images ⇄ bytes. Pure: chunks are compressed on several threads where there are many,
//! and come out as one would have made them.
//!
//! One container for snapshots, segments and merged segments. It stands behind the 16 bytes of [`crate::seal`]'s
//! envelope; all offsets here count from its own first byte. Little-endian. Fields called zero are written as zeros
//! and refused otherwise. The same text for readers without the source: `man/waloy-format.5`.
//!
//! ```text
//! header   160 bytes                                what is known when writing begins
//! record … chunks of page images, and after some of them an index record over them
//! record … sections: the directory, and what later versions add
//! trailer  224 bytes, a record too                  what is known when writing ends, and the digest
//!
//! record   type u8 · zero 3 · length of the body u32 · body
//! ```
//!
//! **Header**
//!
//! | offset | length | field |
//! |--:|--:|---|
//! | 0 | 4 | `WLPF` |
//! | 4 | 2 | version: 1 |
//! | 6 | 1 | kind: 1 snapshot, 2 segment, 3 merged segment |
//! | 7 | 1 | compression of every chunk: 0 none, 1 LZ4 block, 2 Zstandard frame |
//! | 8 | 4 | page size in bytes: a power of two from 512 to 65,536 |
//! | 12 | 4 | zero |
//! | 16 | 16 | generation, not zeros |
//! | 32 | 8 | first index, at most 999,999,999,999 (snapshot: 0) |
//! | 40 | 8 | time of the first transaction; of a snapshot, when it was begun |
//! | 48 | 8 | database checksum before (snapshot: 0) |
//! | 56 | 32 | digest of the predecessor, see the chain (snapshot: 0) |
//! | 88 | 16 | writer |
//! | 104 | 16 | for a snapshot, the generation before, another than its own; zeros if there is none, and in segments |
//! | 120 | 36 | zero |
//! | 156 | 4 | CRC-32C of bytes 0..156 |
//!
//! In every version the header has its magic, its version and this checksum here, checked in the order magic, checksum,
//! version: so a later version is told from damage. Times are milliseconds since 1970 UTC, signed, in the years
//! 0 to 9999.
//!
//! **Chunk** (type 1): number of runs u32 · runs, each first page u32 and count u32 · the images of those pages, one
//! after the other, compressed as the header says. Runs are as few as there can be: each has at least one page, and
//! begins at least two pages behind the end of the one before. The lock page (at byte 1 GiB of the database) is in none. A chunk
//! has at least one page, raw at most 256 KiB of images, and a record of at most 264 KiB; its raw length is told by its
//! runs and the page size alone. An LZ4 block has no length or frame of its own; a Zstandard frame (RFC 8878) states the
//! length of its content, needs no dictionary, and nothing follows it.
//!
//! One page may be in several chunks: the last in the file counts. Pages beyond the end of the database may be there, of
//! rounds in which it was longer: a reader ignores them. All others count: a snapshot has every page of the database; a
//! segment has every page that differs from what it was before, and every page that the database before did not have. The
//! lock page aside.
//!
//! **Index** (type 2): entries for the chunks since the last index record, at least one, in order: offset of the chunk's
//! record u64 · length of that record, its 8 bytes of type and length included, u32 · number of runs u32 · SHA-256 of
//! that record 32 · runs as in the chunk · one keyed hash u64 for each page. A record is at most 1 MiB long: it is closed
//! before an entry that would not fit, and before the sections.
//!
//! Chunks and index records follow each other without a gap from the header to the directory: the first chunk begins at
//! 160, each other one where the chunk or index record before it ends, each index record where its last chunk ends.
//!
//! **Directory** (type 3, exactly one, the first section): for each index record: offset u64 · length of the whole
//! record u32 · number of chunks u32 · SHA-256 of the whole record 32. Without pages it is empty.
//!
//! **Other sections**: types 4 to 127 must be understood and are refused by name otherwise; 128 to 254 may be skipped.
//! Types ascend, so each occurs once at most; type 0 does not exist. All sections together are at most 16 MiB long.
//!
//! **Times** (type 128, only in merged segments): level u8, at least 1 · zero 7 · for each object that it was merged from:
//! last index u64 · time of the last transaction i64. Both ascend, and the last entry is the end of the merged segment
//! itself. So the points that its range has had, or still has while smaller objects lead to them, keep their times.
//! Level 1 stands for segments, a higher one for merged segments of the level below, and what of lower ones was left over.
//!
//! **Trailer** (type 255)
//!
//! | offset | length | field |
//! |--:|--:|---|
//! | 0 | 8 | type 255 · zero 3 · length 216 |
//! | 8 | 4 | `WLPT` |
//! | 12 | 4 | flags: bit 0 catch-up, 1 rewind, 2 outage; bits 3 to 15 are refused by name, 16 to 31 ignored |
//! | 16 | 8 | offset of the directory's record |
//! | 24 | 8 | length of the page file, trailer included |
//! | 32 | 4 | pages of the database after, at least 1, the lock page counted |
//! | 36 | 4 | zero |
//! | 40 | 8 | page images in this file, every occurrence |
//! | 48 | 8 | last index (snapshot: 0; segment: the first; merged: not below the first) |
//! | 56 | 8 | time of the last transaction, of a snapshot that of its state; not before the first, nor the predecessor's |
//! | 64 | 16 | from and to of a time of which this is the first state: nobody watched, or (bit 2) the store was out of reach; from ≤ to; both 0 if there is none |
//! | 80 | 8 | transactions in this file (snapshot: 0) |
//! | 88 | 8 | transactions since the snapshot, these included (snapshot: 0) |
//! | 96 | 8 | bytes of the WAL that the transactions in this file took (snapshot: 0) |
//! | 104 | 8 | database checksum after |
//! | 112 | 32 | WAL position after: the header of the WAL (zeros: the WAL had nothing, and frame and checksum are 0) |
//! | 144 | 4 | the frame |
//! | 148 | 8 | the running checksum, two u32 |
//! | 156 | 4 | zero |
//! | 160 | 32 | digest of the object that ends at the same commit: of a merged segment, the segment at `last`; of a snapshot, the last object of the generation before, zeros if capture did not go on from there; segment: 0 |
//! | 192 | 32 | the digest |
//!
//! **Digest**: SHA-256 over the header, the sections (whole records, in order), and the trailer up to the digest. The
//! directory holds the digests of the index records, those hold the digests of the chunks, and the records follow each
//! other without a gap: so the digest stands for every byte, and any part can be proven without reading the others.
//!
//! **Page hash**: SipHash-1-3, keyed with the first 16 bytes of the replica's hash key, over the page number as u64 and
//! the image. **Database checksum**: XOR of the hashes of all pages but the lock page.
//!
//! **Chain**: kind, generation and indices are those of the key that the object was asked for. The predecessor of the
//! object at `first` is the segment at `first` − 1, or the snapshot if `first` is 0; where only a merged segment is left
//! that ends there, its field at 160 is that digest. A snapshot is written while the generation before goes on, so what
//! it joins is known only when it ends, and stands in its trailer. A segment has its predecessor's generation and page
//! size; the checksum before is the predecessor's after; transactions since the snapshot are the predecessor's and those
//! in this file. A merged segment has, of every page in the segments that it stands for, the newest image; its fields
//! before are those of `first`, its fields after those of `last`.
//!
//! So the image of a page after an object is that in the newest object that has it, looking back no further than an
//! object after which the database was shorter. Where there is none, the replica is damaged.

mod chunk;
mod error;
mod fields;
mod hash;
mod header;
mod ids;
mod index;
mod json;
mod manifest;
mod manifest_fields;
mod outline;
mod record;
mod summary;
mod times;
mod whole;
mod writer;

pub use error::Error;
pub use hash::PageHasher;
pub use header::{HEADER_LEN, Header, Kind};
pub use ids::{Latest, ReplicaIds};
pub use index::{ChunkEntry, IndexPlace, Run};
pub use manifest::{Manifest, ManifestMerged, ManifestSegment, ManifestSnapshot, Reason, Unobserved};
pub use outline::Outline;
pub use summary::{Flags, Summary, TRAILER_LEN, WalMark};
pub use times::Times;
pub use whole::{each_page, whole};
pub use writer::{Finished, PageFileWriter};

/// Bytes of page images in one chunk at most; what the writer fills is 128 KiB.
pub const CHUNK_LEN: usize = 256 * 1024;
