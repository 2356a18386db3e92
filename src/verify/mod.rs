//! Verification: whether a replica can be restored, and what of it cannot.
//!
//! A check is a list of findings: everything that is wrong is told, not only what is met first. What stops a check (a
//! store that does not answer, no key, no backup at all) is an error, and says nothing about the replica.
//!
//! - Every level lists everything: no hole between the segments of any generation, the small objects whole, the keys of a
//!   sealed replica too, the newest object opens.
//! - [`Level::Default`] reads what a restore of the newest state reads, in the same way, into nothing; and looks
//!   whether the generation before ends where the newest one begins.
//! - [`Level::ReadData`] reads every byte of every object: one that changed is reported, wherever it is.
//! - [`Level::Restore`] restores, and lets SQLite look at the result.

mod data;
mod integrity;
#[cfg(feature = "encryption")]
mod keys;
mod level;
mod listing;
mod live;
mod lost;
mod report;
mod run;
mod since;

pub use level::{Check, Level, Subset};
pub use live::Database;
pub use report::{Finding, Report, Severity};
pub use run::{Options, TIMES_AHEAD, verify};
