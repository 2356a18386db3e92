//! SQLite's write-ahead log as a grammar: header, frames, their checksum chain, and the header of the wal-index.
//!
//! Pure: bytes in, values out. Where the bytes come from, and which of them count, is the business of [`crate::db`].
//!
//! ```text
//! WAL       32 bytes header │ frame 1 │ frame 2 │ …
//! frame     24 bytes header │ one page image
//! wal-index 48 bytes header │ the same 48 again │ checkpoint info │ hash tables (not read here)
//! ```
//!
//! - A frame belongs to the WAL if and only if its salts are the header's and its checksum continues the chain that
//!   began with the header's. The chain is seeded by *all* of the header, so two headers with the same salts and
//!   different sequence numbers do not share one frame.
//! - A valid commit frame is not yet a commit: SQLite publishes it in the wal-index after syncing it, and recovers
//!   without it if the writer died in between. Only the wal-index tells where the log ends.
//!
//! Source: <https://www.sqlite.org/walformat.html> and the comments of `wal.c`.

mod checksum;
mod frame;
mod header;
mod index;

pub use checksum::{ByteOrder, Checksum};
pub use frame::{Chain, FRAME_HEADER_LEN, Frame, FrameError, Position};
pub use header::{HEADER_LEN, Header, HeaderError};
pub use index::{INDEX_LEN, Index, IndexError};
