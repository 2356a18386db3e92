//! The replicator: decides what to seal and when, and brings it to the store.
//!
//! ```text
//!  observer (a thread)          actor (a task)
//!  ───────────────────          ──────────────
//!  pin, capture, checkpoint ──► batch of page images ──► sealed page file ──► intent on disk ──► PUT ──► acknowledged
//!  collects many pages      ──► chunk by chunk       ──► snapshot or large segment, in parts
//! ```
//!
//! Invariants:
//!
//! - At most one snapshot or segment is on its way at a time; a merged segment, on which nothing depends, goes beside it.
//!   Sealed, its bytes are fixed, and the intent that names it is on disk
//!   before the first PUT: every try, also of another process, sends the same bytes.
//! - Nothing is to be seen in the store that is not durable on this machine: the WAL is synced before a segment is sealed,
//!   and before the end of an object in parts is.
//! - What the store has acknowledged is what the table of page hashes stands for; the next segment's checksum comes
//!   from it.
//! - Where the WAL does not hold the place at which the replica ends, every page is compared with the table instead.
//! - A generation ends at the commit that the next one's snapshot stands for. Once that was read, nothing is added to it,
//!   however long the snapshot waits for the store: restores go on from the snapshot.
//! - A caller that goes away (a dropped future) takes nothing with it: the actor finishes what it does.

mod actor;
mod adopt;
mod backlog;
mod catch_up;
mod claim;
mod collect;
mod collector;
mod context;
pub mod control;
mod error;
mod event;
mod hint;
mod keeper;
mod keys;
mod kin;
mod merge;
mod merging;
mod observer;
mod options;
mod page_set;
mod parcel;
mod pending;
mod pruner;
mod reopen;
mod replicator;
mod requests;
mod resume;
mod rival;
mod rollover;
mod segment;
mod session;
mod settle;
mod spool;
mod status;
mod turns;
mod wake;

pub use event::{Event, Report, Synced};
pub use options::{Checkpoints, Hooks, OnConflict, Options};
pub use replicator::{Replicator, default_state_dir};
pub use requests::{ENDED, Requests};
pub use status::{Degraded, Status};
