//! What a person does with the keys of a sealed replica: list, add, change, remove, rotate, keep a recovery kit.
//!
//! ```text
//!  secret ─► slot ─► root key ─► data key of an epoch ─► objects
//!     add, change,      │              rotate: a new one, for generations from then on
//!     remove            └ rotate_root: another one, and all above and below it written again
//!                         export_recovery: on paper
//! ```
//!
//! - Whoever has opened a slot once has the root key, and keeps it: to [`remove`] a slot, or to [`change`] its secret,
//!   takes nothing away from somebody who knew it. After a leak there is [`rotate_root`], for what is written from then on.
//! - A replicator that is running need not be stopped for any of them, but for a changed root key. It takes a new data key
//!   with its next generation; one that is started begins one at once.
//! - Nothing that is lost here can be made again. What is written is read back, and opened, before anything that it
//!   replaces goes.

mod error;
mod list;
mod recovery;
mod rewrap;
mod roots;
mod rotate;
mod rotate_root;
mod slots;
mod unlocked;

pub use error::Error;
pub use list::{Condition, DataKeyInfo, Keys, SlotInfo, list};
pub use recovery::export_recovery;
pub use rotate::{Rotated, rotate};
pub use rotate_root::{Left, RootRotated, rotate_root};
pub use slots::{Changed, Removed, add, change, removable, remove, remove_unproven};
pub use unlocked::opened_by;
