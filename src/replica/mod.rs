//! One prefix of one store: its keys, its ids, what is in it, and how objects are read.
//!
//! - [`Name`] is the key of an object of a generation: one object has one name.
//! - [`ReplicaIds`] are claimed by the first writer and bind everything else, the key of page hashes above all.
//! - [`Inventory`] and [`Objects`] are what a listing says, and a listing alone decides what there is: [`Latest`] and
//!   the manifests are hints.
//! - [`ObjectReader`] reads one snapshot or segment. It trusts nothing: the envelope, the digest over the outline, and
//!   that generation, kind and indices are those of the name are checked before anything is handed out.
//! - [`chain`] says whether outlines follow each other.

mod claimed;
mod error;
mod hints;
mod ids;
mod inventory;
mod keys;
mod reader;

pub mod chain;

pub use crate::format::{Latest, ReplicaIds};
pub(crate) use claimed::Claimed;
pub use error::Error;
pub(crate) use error::without_location;
pub use hints::{read_latest, read_manifest, write_latest, write_manifest};
pub use ids::{claim_ids, keeps_what_is_there, read_ids};
pub use inventory::{Inventory, Objects, generations};
pub use keys::{LATEST, Name, REPLICA, confirmation};
pub use reader::{ObjectReader, WHOLE, envelope};
