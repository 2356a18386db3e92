//! Restore: plan, then do.
//!
//! ```text
//! Target ──plan──▶ Plan: generation, point, the fewest objects up to it
//!                    │
//!                    ▼  newest first, each object fetched once, several at a time
//!                  Walk: chain checked, every page claimed by the newest object that has it
//!                    │
//!                    ▼  every image against its hash, written once, where it belongs
//!                  temporary file ──pages and database checksum right──▶ fsync, rename
//! ```
//!
//! - What comes out is page for page the database after a committed transaction, or an error: an older state is never
//!   handed out in place of one that cannot be read. Where a generation ended, the snapshot of the next one says.
//! - A merged segment that is damaged is left out, and told, where others lead to the same point.
//! - Nothing of the target changes before everything has been proven. On any failure it is as it was, and no temporary
//!   file is left; so too when the future is dropped.
//! - Memory is bounded, whatever the size of the database or of any object: some 40 MiB, and one bit a page.

mod anchor;
mod cover;
mod error;
mod gap;
mod hinted;
mod integrity;
mod left_out;
mod missing;
mod output;
mod plan;
mod report;
mod run;
mod salvage;
mod seam;
mod seek;
mod survey;
mod target;
mod walk;
mod window;

pub use anchor::{Anchor, AnchorError};
pub use error::Error;
pub use gap::{Absence, Around, Gap};
pub use left_out::LeftOut;
pub use missing::restore_missing;
pub use output::{Existing, Output, Owner, OwnerError};
pub use plan::{Plan, PlannedObject, plan};
pub use report::Report;
pub use run::{Check, Options, Restore, restore};
pub use salvage::{Survivor, before, survivor};
pub use survey::{Generation, Interval, ObjectInfo, State, Survey, suite, survey, survey_generation, survey_objects};
pub use target::{Point, Target, resolve_generation};
pub use window::Wanted;

pub(crate) use cover::{Uncovered, cover, ends, reachable};
pub(crate) use integrity::problems;
pub(crate) use run::hash_key;
pub(crate) use seam::lacks_its_end;
pub(crate) use survey::lacks_promised;
pub(crate) use walk::{Opening, Pages, Take, Walk};
