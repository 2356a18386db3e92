//! Sealing: the envelope in front of objects, their encryption, and the keys. Pure.
//!
//! ```text
//!  passphrase ─Argon2id─┐
//!  key file ────────────┴─HKDF─► KEK ─unwraps─► root key ─HKDF─┬─► wrap key ─unwraps─► data key of an epoch ─┐
//!               slot.rs                root.rs ◄── kit.rs      └─► replica key ───────────────────────────── ┤
//!                                                                                             keyring.rs     ▼
//!  stored object:  envelope 16 │ salt 24 │ commitment 32 │ chunk 0: 16,384 + 16 │ chunk 1 │ … │ the last, shorter
//! ```
//!
//! An object is sealed with *Cobblestone-256* of <https://c2sp.org/chunked-encryption>: a key for each object, a
//! commitment to it, chunks of AES-256-GCM that open in any order. Its key is derived from a data key and from a
//! [`context`](Place), which the reader builds from the name that it asked for and the ids that it holds, never from the
//! object: an object that was swapped, renamed, replayed or moved fails its commitment before a byte is decrypted.
//!
//! - Without the feature `encryption` only the [`Envelope`] is there: sealed objects are told, and refused.
//! - Every check of bytes comes in a fixed order, and fails with its own [`Error`]. Bytes never panic, and nothing is
//!   allocated beyond what was given; what Argon2 needs is allocated within a [`KdfLimit`].
//! - Keys and passphrases are zeroized when dropped, and have no `Debug` that shows them.

#[cfg(feature = "encryption")]
mod cobblestone;
#[cfg(feature = "encryption")]
mod context;
#[cfg(feature = "encryption")]
mod data_key;
mod envelope;
mod error;
#[cfg(feature = "encryption")]
mod frame;
#[cfg(feature = "encryption")]
mod kdf;
#[cfg(feature = "encryption")]
mod key_name;
#[cfg(feature = "encryption")]
mod keyring;
#[cfg(feature = "encryption")]
mod kit;
#[cfg(feature = "encryption")]
mod opener;
#[cfg(feature = "encryption")]
mod root;
#[cfg(feature = "encryption")]
mod scratch;
#[cfg(feature = "encryption")]
mod sealer;
#[cfg(feature = "encryption")]
mod secret;
#[cfg(feature = "encryption")]
mod slot;
#[cfg(feature = "encryption")]
mod stretch;
#[cfg(feature = "encryption")]
mod unlock;
#[cfg(all(test, feature = "encryption"))]
mod vectors;
#[cfg(feature = "encryption")]
mod wrap;

#[cfg(feature = "encryption")]
pub use cobblestone::{CHUNK_LEN, HEAD_LEN, TAG_LEN, content_len, stored_len, stored_range};
#[cfg(feature = "encryption")]
pub use context::Place;
#[cfg(feature = "encryption")]
pub use data_key::{DATA_KEY_LEN, DataKeyHeader};
pub use envelope::{ENVELOPE_LEN, Envelope, Epoch, Suite};
pub use error::{Error, SecretKind, What};
#[cfg(feature = "encryption")]
pub use key_name::{DataKeyId, KeyName, SlotId};
#[cfg(feature = "encryption")]
pub use keyring::{Keyring, ReplicaKey};
#[cfg(feature = "encryption")]
pub use kit::RecoveryKit;
#[cfg(feature = "encryption")]
pub use opener::{Content, Opener};
#[cfg(feature = "encryption")]
pub use root::RootKey;
#[cfg(feature = "encryption")]
pub use scratch::ScratchKey;
#[cfg(feature = "encryption")]
pub use sealer::Sealer;
#[cfg(feature = "encryption")]
pub use secret::{MIN_PASSPHRASE_LEN, Secret};
#[cfg(feature = "encryption")]
pub use slot::{LABEL_LEN, SLOT_LEN, Slot};
#[cfg(feature = "encryption")]
pub use stretch::{Cost, KdfLimit, Stretched, argon2_runs};
#[cfg(feature = "encryption")]
pub use unlock::{MAX_TRIES, unlock};
