//! Retention: what of a replica may go, and letting it go. Plan first, then do.
//!
//! ```text
//! one listing, the manifests, the outlines of merged segments ──▶ Holdings
//!                                                                   │ plan(), pure: each object kept or deleted, and why
//!                                                                   ▼
//!                                                                 Plan ──▶ what stays is verified ──▶ deletes ──▶ listed again
//! ```
//!
//! What is promised, for a policy with a retention `R` and a grace `G`:
//!
//! - The state at every moment of the last `R` can be restored: the generation that covers a moment stays until its
//!   successor's snapshot has been there for `R + G`. The `G` on top is for restores that are running: one that began
//!   with a moment within `R` and takes less than `G` never meets a missing object.
//! - Of the last `G`, every upload; of the last 7 days, a point every 30 s; of the rest of `R`, one every 5 min; beyond
//!   that one an hour, in generations that stay for another reason. A small object goes only if a larger one stands for
//!   it that was itself read, has been there for `G`, and is no coarser than the ladder allows at that age.
//! - [`Keep`] has generations stay beyond `R`: those with the last point of a day, a week, a month. They stay whole. A
//!   generation cut off behind its point would look like one that was whole, and a restore of a later time would hand
//!   out the older state without a word.
//! - The newest [`Policy::min_keep`] generations that can be restored stay whatever the policy says; so does everything
//!   younger than `G`, which may be another process's that is still at work.
//! - The last state before a database was replaced by another one stays, and the generation that replaced it, until
//!   somebody confirms the replacement ([`confirm_replacement`]). A manifest that is missing, or cannot be read, or has
//!   a reason that this version does not know, might be that of a replacement, and counts as one.
//!
//! Age is told by the store: from the modification time of an object to the newest modification time of all, which is
//! never later than the store's clock; and never to later than our own clock, so that no single clock that is wrong
//! deletes anything. In a directory both are one: there a jump ahead of more than the grace, or a day, is believed when as
//! much has passed since. An idle database's backup does not age.
//!
//! # Crashes
//!
//! Deletes come in this order, oldest generation first: snapshot and manifest of a generation, then the rest of it, and
//! when all generations are gone, small objects that larger ones stand for, from the newest down. After any prefix:
//!
//! - Whatever stays has lost nothing: no object of a generation that stays is deleted before its substitute was seen.
//! - A generation without its snapshot is never picked by a restore. Had the segments gone first, it would pass for a
//!   shorter one, and a time in it would be answered with an older state. Segments that have neither snapshot nor
//!   manifest are known for a remnant by everybody, and the next run takes them away.
//! - Within one request for many deletes a store keeps no order; that does not matter to either.
//!
//! A store that refuses to delete is reported, and a generation whose snapshot it keeps is left whole. Nothing is
//! believed: what was deleted is listed again, and what is still there is reported.

mod calendar;
mod confirm;
mod error;
mod execute;
mod holdings;
mod ladder;
mod plan;
mod policy;
mod remove;
mod report;
mod survivors;
mod uploads;

pub use confirm::{Replacement, confirm_replacement, replacement};
pub use error::Error;
pub use execute::{enforce, execute};
pub use holdings::{Began, Held, Holdings};
pub use ladder::Ladder;
pub use plan::{Deleted, Fate, GenerationPlan, Kept, Plan, PlannedObject, plan};
pub use policy::{DEFAULT_GRACE, InvalidKeep, Keep, Period, Policy};
pub use report::{Refused, Report};
pub use uploads::abort_uploads;
