//! Merging: many small segments become one that leads over all of them, so that a restore reads tens of objects.
//!
//! ```text
//! segments   0 1 2 … 29 | 30 … 59 | …          each a point in time
//! level 1    [   0-29   ] [ 30-59  ] …          30 s, or 32 segments
//! level 2    [          0-299            ] …    5 min, or 10 of those
//! level 3    [                    0-3599 …      1 h, or 12 of those
//! ```
//!
//! - [`Levels`] say when a range closes, [`Frontier`] what is open: the same for the replicator, which merges from the live
//!   database, and for [`compact`], which merges from the store alone. A range of a higher level is a union of ranges of
//!   lower ones, and where several end at one point only the highest is merged.
//! - A merged segment has the newest image of every page that changed in its range; pages beyond its end are left out.
//! - It is created where there is none, read back and compared before anybody counts on it. One that the store has
//!   damaged is deleted again; nothing else is deleted here: what it stands for goes when retention says so.
//! - Memory is bounded: some 20 MiB, whatever is merged, and one bit for each page of the database.

mod error;
mod frontier;
mod levels;
mod merge;
mod pages;
mod plan;
mod proof;
mod run;
mod units;

pub use error::Error;
pub use frontier::{Closed, Frontier, Unit};
pub use levels::{Level, Levels};
pub use plan::{Plan, PlannedMerge, plan};
pub use run::{Options, Report, compact};

pub(crate) use proof::{Found, read_back, read_back_or_delete, settle};
pub(crate) use units::joined;
