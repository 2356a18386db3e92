//! One prefix of one store: its keys, its ids, what is in it, and how objects are read and written.
//!
//! - [`Replica`] is one in hand: a store, and how what is in its objects is sealed. Whatever reads or writes what is
//!   inside an object takes it; what only lists, deletes or names objects takes the [`Store`](crate::storage::Store).
//! - [`Name`] is the key of an object of a generation: one object has one name.
//! - [`Document`] is one of the small objects that are JSON: [`ReplicaIds`], [`Latest`], the manifests.
//! - [`ReplicaIds`] are claimed by the first writer and bind everything else, the key of page hashes above all.
//! - [`Inventory`] and [`Objects`] are what a listing says, and a listing alone decides what there is: [`Latest`] and
//!   the manifests are hints.
//! - [`Sealing`] makes the bytes that are stored of a snapshot or segment: everything that leaves memory on its way to
//!   the store has gone through it.
//! - [`ObjectReader`] reads one snapshot or segment. It trusts nothing: the envelope, the digest over the outline, and
//!   that generation, kind and indices are those of the name are checked before anything is handed out.
//! - A sealed replica is opened with a `Key`, or begun with one: `unlock.rs`. What it is sealed with, and that its keys stay
//!   where they belong, is in `sealed.rs`; `KeyObjects` are slots and data keys as they are stored.
//! - [`chain`] says whether outlines follow each other.
//!
//! ```text
//!                   snapshot, segment, merged segment          latest, replica, manifest.json
//!
//! content           page file                                  JSON
//!    │  ▲              │ Sealing           ▲ ObjectReader         │ Document         ▲ Document
//!    ▼  │              ▼                   │                      ▼                  │
//! stored            envelope, page file                        JSON        of a sealed replica: both sealed
//! ```

mod claimed;
mod document;
mod error;
mod handle;
mod hints;
mod ids;
mod inventory;
#[cfg(feature = "encryption")]
mod key;
#[cfg(feature = "encryption")]
mod key_objects;
mod keys;
#[cfg(feature = "encryption")]
mod opened;
mod reader;
#[cfg(feature = "encryption")]
mod sealed;
mod sealing;
#[cfg(feature = "encryption")]
mod unlock;

pub mod chain;

pub use crate::format::{Latest, ReplicaIds};
pub(crate) use claimed::Claimed;
pub use document::Document;
pub use error::Error;
pub(crate) use error::{located, without_location};
pub use handle::Replica;
pub use hints::{read_latest, read_manifest, write_latest, write_manifest};
pub(crate) use ids::replace_ids;
pub use ids::{claim_ids, keeps_what_is_there, read_ids};
pub use inventory::{Inventory, Objects, generations, has_snapshot};
#[cfg(feature = "encryption")]
pub use key::Key;
#[cfg(feature = "encryption")]
pub use key_objects::{KeyObjects, has_keys};
#[cfg(feature = "encryption")]
pub(crate) use key_objects::{LIMIT as KEY_LIMIT, key_names};
pub use keys::{LATEST, Name, REPLICA, confirmation};
pub use reader::{ObjectReader, WHOLE};
#[cfg(feature = "encryption")]
pub(crate) use sealed::Sealed;
pub use sealing::Sealing;
#[cfg(feature = "encryption")]
pub(crate) use unlock::ids_under;
