//! A database that an application is writing to, captured without a window and without harm.
//!
//! ```text
//!  pins ──► tail ──► Sink: page images and commits
//!   │        └─────► consistent reads of any page, as of the last commit captured
//!   └──► checkpoints, so that the log stays short
//! ```
//!
//! Invariants:
//!
//! - A read transaction is held from the first moment to the last; see [`Live`] for why nothing can slip through.
//! - The log ends where the wal-index says, never where its file does.
//! - Every frame that counts has the salts and the running checksum; the last one's must be that of the wal-index.
//! - SQLite's count of commits is an independent witness: fewer captured than counted is loss, and said.
//! - The source is never changed: no table, no journal mode unless asked, no lock lost, no file opened behind SQLite.

mod ahead;
mod checkpoint;
mod error;
mod handle;
mod live;
mod open;
mod pin;
mod room;
mod tail;

pub(crate) use ahead::sync_ahead;
pub use checkpoint::Reclaimed;
pub use error::Error;
pub use handle::Code;
pub use live::{Live, Totals, preflight};
pub use open::{Options, beside, resolve};
pub use room::Room;
pub use tail::{Captured, Ignore, Place, Sink};
