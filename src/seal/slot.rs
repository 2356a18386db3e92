//! A key slot: the root key under one passphrase or raw key.
//!
//! | offset | length | field |
//! |--:|--:|---|
//! | 0 | 8 | `WALOYKS1` |
//! | 8 | 4 | version 1, type (1 passphrase, 2 raw key), Argon2 version 0x13 (type 2: 0), flags 0 |
//! | 12 | 16 | replica id |
//! | 28 | 8 | slot id |
//! | 36 | 8 | created, Unix time in ms |
//! | 44 | 12 | Argon2's memory in KiB, passes, lanes (type 2: 0) |
//! | 56 | 16 | salt of Argon2 and HKDF |
//! | 72 | 32 | label, UTF-8, zero padded |
//! | 104 | 12 | nonce |
//! | 116 | 32 | commitment |
//! | 148 | 48 | wrapped root key and its tag; bound to bytes 0..148 |
//! | 196 | 4 | CRC-32C of bytes 0..196 |

use std::fmt;
use std::str;

use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;
use zeroize::Zeroizing;

use super::frame::{self, array, number};
use super::kdf::{self, Key};
use super::secret::Inner;
use super::stretch::argon2id;
use super::wrap::{unwrap, wrap};
use super::{Cost, Error, KdfLimit, RootKey, Secret, SecretKind, SlotId, Stretched, What};
use crate::ids::ReplicaId;
use crate::units::Timestamp;

/// The length of a slot in bytes.
pub const SLOT_LEN: usize = 200;
/// The most bytes that a label can have.
pub const LABEL_LEN: usize = 32;

const MAGIC: &[u8; 8] = b"WALOYKS1";
const VERSION: u8 = 1;
const PASSPHRASE: u8 = 1;
const KEY_FILE: u8 = 2;
const ARGON2_VERSION: u8 = 0x13;
/// Where the commitment begins: HKDF takes the 104 bytes before the nonce, GCM all before the wrapped key.
const BOUND: usize = 104;
const NONCE: usize = 104;
const COMMITMENT: usize = 116;
const WRAPPED: usize = 148;

/// A key slot, whole and under its own name. Nothing in it is proven before it was opened.
#[derive(Clone, PartialEq, Eq)]
pub struct Slot {
    bytes: [u8; SLOT_LEN],
    /// Of Argon2; `None` for a raw key.
    cost: Option<Cost>,
}

/// What a new slot gets by chance.
pub(super) struct Chance {
    pub(super) id: [u8; 8],
    pub(super) salt: [u8; 16],
    pub(super) nonce: [u8; 12],
}

impl Slot {
    /// Reads the bytes under the name of this slot. The replica is `None` where it is not known yet: the slot tells it.
    ///
    /// Its costs are not held to limits here, so that they can be shown; see [`Slot::check_cost`].
    ///
    /// # Errors
    ///
    /// In this order: [`Error::Cut`], [`Error::NotOurs`], [`Error::Damaged`], [`Error::Unsupported`],
    /// [`Error::Misplaced`].
    pub fn parse(bytes: &[u8], name: SlotId, replica: Option<ReplicaId>) -> Result<Slot, Error> {
        let bytes: [u8; SLOT_LEN] = frame::check(bytes, MAGIC, What::Slot)?;
        let unsupported = |field, value: u32| Err(Error::unsupported(What::Slot, field, value));
        let [version, kind, argon2, flags] = array(&bytes, 8);
        let cost = Cost { memory_kib: number(&bytes, 44), passes: number(&bytes, 48), lanes: number(&bytes, 52) };
        if version != VERSION {
            return unsupported("version", version.into());
        }
        if kind != PASSPHRASE && kind != KEY_FILE {
            return unsupported("type", kind.into());
        }
        if argon2 != if kind == PASSPHRASE { ARGON2_VERSION } else { 0 } {
            return unsupported("Argon2 version", argon2.into());
        }
        if flags != 0 {
            return unsupported("flags", flags.into());
        }
        if kind == KEY_FILE && bytes[44..56] != [0; 12] {
            return unsupported("Argon2 memory of a raw key", cost.memory_kib);
        }
        let padded = &bytes[72..72 + LABEL_LEN];
        let label = padded.split(|&byte| byte == 0).next().unwrap_or_default();
        if str::from_utf8(label).is_err() || padded[label.len()..].iter().any(|&byte| byte != 0) {
            return unsupported("label", 0);
        }
        let slot = Slot { bytes, cost: (kind == PASSPHRASE).then_some(cost) };
        if slot.id() != name {
            return Err(Error::misplaced(What::Slot, "id", name, slot.id()));
        }
        match replica {
            Some(replica) if replica != slot.replica() => {
                Err(Error::misplaced(What::Slot, "replica", replica, slot.replica()))
            }
            _ => Ok(slot),
        }
    }

    /// A new slot for this secret, which opens to this root key. Runs Argon2 once for a passphrase.
    ///
    /// # Errors
    ///
    /// [`Error::Label`]; [`Error::KdfCost`] for costs beyond 4 GiB or below the least; [`Error::Memory`];
    /// [`Error::WrongSecret`] for a recovery kit, which is no secret of a slot.
    pub fn make(
        secret: &Secret,
        root: &RootKey,
        replica: ReplicaId,
        label: &str,
        cost: Cost,
        created: Timestamp,
    ) -> Result<Slot, Error> {
        let chance =
            Chance { id: crate::clock::entropy(), salt: crate::clock::entropy(), nonce: crate::clock::entropy() };
        Slot::make_with(secret, root, replica, label, cost, created, chance)
    }

    pub(super) fn make_with(
        secret: &Secret,
        root: &RootKey,
        replica: ReplicaId,
        label: &str,
        cost: Cost,
        created: Timestamp,
        chance: Chance,
    ) -> Result<Slot, Error> {
        if label.len() > LABEL_LEN || label.contains('\0') {
            return Err(Error::Label);
        }
        let mut bytes = [0; SLOT_LEN];
        bytes[..8].copy_from_slice(MAGIC);
        let cost = match secret.kind() {
            SecretKind::Passphrase => Some(cost),
            SecretKind::KeyFile => None,
            SecretKind::RecoveryKit => return Err(Error::WrongSecret(SecretKind::RecoveryKit)),
        };
        match cost {
            Some(cost) => {
                bytes[8..12].copy_from_slice(&[VERSION, PASSPHRASE, ARGON2_VERSION, 0]);
                bytes[44..48].copy_from_slice(&cost.memory_kib.to_be_bytes());
                bytes[48..52].copy_from_slice(&cost.passes.to_be_bytes());
                bytes[52..56].copy_from_slice(&cost.lanes.to_be_bytes());
            }
            None => bytes[8..12].copy_from_slice(&[VERSION, KEY_FILE, 0, 0]),
        }
        bytes[12..28].copy_from_slice(&replica.0);
        bytes[28..36].copy_from_slice(&chance.id);
        bytes[36..44].copy_from_slice(&created.0.max(0).to_be_bytes());
        bytes[56..72].copy_from_slice(&chance.salt);
        bytes[72..72 + label.len()].copy_from_slice(label.as_bytes());
        bytes[NONCE..COMMITMENT].copy_from_slice(&chance.nonce);
        let mut slot = Slot { bytes, cost };
        let (kek, commitment) = slot.derive(&slot.stretch(secret, KdfLimit::Raised)?);
        slot.bytes[COMMITMENT..WRAPPED].copy_from_slice(&commitment);
        let wrapped = wrap(&kek, &chance.nonce, &slot.bytes[..WRAPPED], &root.0);
        slot.bytes[WRAPPED..SLOT_LEN - 4].copy_from_slice(&wrapped);
        frame::finish(&mut slot.bytes);
        Ok(slot)
    }

    /// Makes a secret ready for this slot. For a passphrase this is the one call that runs Argon2: seconds and, within
    /// the limit, the memory that the slot asks for. The secret keeps what was made, for the next call.
    ///
    /// # Errors
    ///
    /// [`Error::WrongSecret`] for a secret of another type than the slot's, [`Error::KdfCost`], both before any work;
    /// [`Error::Memory`].
    pub fn stretch(&self, secret: &Secret, limit: KdfLimit) -> Result<Stretched, Error> {
        match (secret.inner(), self.cost) {
            (Inner::Passphrase(passphrase), Some(cost)) => {
                cost.check(limit)?;
                let salt = array::<16>(&self.bytes, 56);
                secret.once((salt, cost), || argon2id(passphrase.expose_secret(), &salt, cost, limit))
            }
            (Inner::KeyFile(key), None) => Ok(Stretched(kdf::copy(key))),
            _ => Err(Error::WrongSecret(secret.kind())),
        }
    }

    /// Opens the slot.
    ///
    /// # Errors
    ///
    /// [`Error::WrongSecret`] if the commitment is another one, then [`Error::Tampered`].
    pub fn open(&self, stretched: &Stretched) -> Result<RootKey, Error> {
        let (kek, commitment) = self.derive(stretched);
        if !bool::from(commitment.ct_eq(&self.bytes[COMMITMENT..WRAPPED])) {
            return Err(Error::WrongSecret(self.secret_kind()));
        }
        let wrapped = array(&self.bytes, WRAPPED);
        unwrap(&kek, &array(&self.bytes, NONCE), &self.bytes[..WRAPPED], &wrapped)
            .map(RootKey)
            .ok_or(Error::Tampered { what: What::Slot })
    }

    /// Holds the costs to the limits, before a passphrase is asked for.
    ///
    /// # Errors
    ///
    /// [`Error::KdfCost`].
    pub fn check_cost(&self, limit: KdfLimit) -> Result<(), Error> {
        self.cost.map_or(Ok(()), |cost| cost.check(limit))
    }

    /// The key that unwraps the root key, and the commitment.
    pub(super) fn derive(&self, stretched: &Stretched) -> (Key, [u8; 32]) {
        let mut out = Zeroizing::new([0; 64]);
        let info: &[&[u8]] = &[b"waloy/v1 key-slot\0", &self.bytes[..BOUND]];
        kdf::hkdf(&self.bytes[56..72], stretched.0.expose_secret(), info, &mut *out);
        (kdf::key(|key| key.copy_from_slice(&out[..32])), array(&*out, 32))
    }

    /// The bytes to store, under [`Slot::id`].
    pub fn as_bytes(&self) -> &[u8; SLOT_LEN] {
        &self.bytes
    }

    /// Its id, which is in its name.
    pub fn id(&self) -> SlotId {
        SlotId(array(&self.bytes, 28))
    }

    /// The replica that it belongs to.
    pub fn replica(&self) -> ReplicaId {
        ReplicaId(array(&self.bytes, 12))
    }

    /// When it was made, by its maker.
    pub fn created(&self) -> Timestamp {
        Timestamp(u64::from_be_bytes(array(&self.bytes, 36)).try_into().unwrap_or(i64::MAX))
    }

    /// What people call it. Not secret, and not to be trusted: escape it where it is shown.
    pub fn label(&self) -> &str {
        str::from_utf8(&self.bytes[72..72 + LABEL_LEN]).unwrap_or_default().trim_end_matches('\0')
    }

    /// The costs of Argon2; `None` for a raw key.
    pub fn cost(&self) -> Option<Cost> {
        self.cost
    }

    /// The kind of secret that opens it.
    pub fn secret_kind(&self) -> SecretKind {
        if self.cost.is_some() { SecretKind::Passphrase } else { SecretKind::KeyFile }
    }
}

impl fmt::Debug for Slot {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Slot({})", self.id())
    }
}
