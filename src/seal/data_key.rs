//! A wrapped data key, 112 bytes: the key of an epoch under the wrap key of the root.
//!
//! | offset | length | field |
//! |--:|--:|---|
//! | 0 | 8 | `WALOYDK1` |
//! | 8 | 4 | version 1, then zero |
//! | 12 | 4 | epoch |
//! | 16 | 16 | replica id |
//! | 32 | 8 | created, Unix time in ms |
//! | 40 | 8 | data key id |
//! | 48 | 12 | nonce |
//! | 60 | 48 | wrapped key and its tag; bound to bytes 0..60 |
//! | 108 | 4 | CRC-32C of bytes 0..108 |

use secrecy::ExposeSecret;

use super::frame::{self, array, number};
use super::kdf::{self, Key};
use super::wrap::{unwrap, wrap};
use super::{DataKeyId, Epoch, Error, What};
use crate::ids::ReplicaId;
use crate::units::Timestamp;

/// The length of a wrapped data key in bytes.
pub const DATA_KEY_LEN: usize = 112;

const MAGIC: &[u8; 8] = b"WALOYDK1";
const VERSION: [u8; 4] = [1, 0, 0, 0];
const WRAPPED: usize = 60;

/// What is to be read in a wrapped data key without its root key: nothing in it is proven.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct DataKeyHeader {
    /// The epoch, which is in its name.
    pub epoch: Epoch,
    /// The replica that it belongs to.
    pub replica: ReplicaId,
    /// When the key was made, by its maker.
    pub created: Timestamp,
    /// The id of the key.
    pub id: DataKeyId,
}

impl DataKeyHeader {
    /// Reads the bytes under the name of this epoch.
    ///
    /// # Errors
    ///
    /// In this order: [`Error::Cut`], [`Error::NotOurs`], [`Error::Damaged`], [`Error::Unsupported`],
    /// [`Error::Misplaced`].
    pub fn parse(bytes: &[u8], name: Epoch) -> Result<DataKeyHeader, Error> {
        DataKeyHeader::checked(bytes, name).map(|(header, _)| header)
    }

    fn checked(bytes: &[u8], name: Epoch) -> Result<(DataKeyHeader, [u8; DATA_KEY_LEN]), Error> {
        let bytes: [u8; DATA_KEY_LEN] = frame::check(bytes, MAGIC, What::DataKey)?;
        if bytes[8..12] != VERSION {
            return Err(Error::unsupported(What::DataKey, "version", number(&bytes, 8)));
        }
        let epoch = Epoch(number(&bytes, 12));
        if epoch == Epoch::NONE {
            return Err(Error::unsupported(What::DataKey, "epoch", 0u32));
        }
        if epoch != name {
            return Err(Error::misplaced(What::DataKey, "epoch", name, epoch));
        }
        let header = DataKeyHeader {
            epoch,
            replica: ReplicaId(array(&bytes, 16)),
            created: Timestamp(u64::from_be_bytes(array(&bytes, 32)).try_into().unwrap_or(i64::MAX)),
            id: DataKeyId(array(&bytes, 40)),
        };
        Ok((header, bytes))
    }
}

/// What all sealed objects of an epoch hang on.
pub(super) struct DataKey {
    pub(super) key: Key,
    pub(super) id: DataKeyId,
}

impl DataKey {
    pub(super) fn new(key: Key) -> DataKey {
        let mut id = [0; 8];
        kdf::hkdf(&[], key.expose_secret(), &[b"waloy/v1 dk-id"], &mut id);
        DataKey { key, id: DataKeyId(id) }
    }

    pub(super) fn wrap(
        &self,
        wrap_key: &Key,
        epoch: Epoch,
        replica: ReplicaId,
        created: Timestamp,
        nonce: [u8; 12],
    ) -> [u8; DATA_KEY_LEN] {
        let mut bytes = [0; DATA_KEY_LEN];
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..12].copy_from_slice(&VERSION);
        bytes[12..16].copy_from_slice(&epoch.0.to_be_bytes());
        bytes[16..32].copy_from_slice(&replica.0);
        bytes[32..40].copy_from_slice(&created.0.max(0).to_be_bytes());
        bytes[40..48].copy_from_slice(&self.id.0);
        bytes[48..WRAPPED].copy_from_slice(&nonce);
        let wrapped = wrap(wrap_key, &nonce, &bytes[..WRAPPED], &self.key);
        bytes[WRAPPED..DATA_KEY_LEN - 4].copy_from_slice(&wrapped);
        frame::finish(&mut bytes);
        bytes
    }

    /// In this order: length, magic, checksum, version, zeros, epoch and replica, tag, id.
    pub(super) fn open(bytes: &[u8], wrap_key: &Key, epoch: Epoch, replica: ReplicaId) -> Result<DataKey, Error> {
        let (header, bytes) = DataKeyHeader::checked(bytes, epoch)?;
        if header.replica != replica {
            return Err(Error::misplaced(What::DataKey, "replica", replica, header.replica));
        }
        let (nonce, wrapped) = (array(&bytes, 48), array(&bytes, WRAPPED));
        let tampered = Error::Tampered { what: What::DataKey };
        let key = unwrap(wrap_key, &nonce, &bytes[..WRAPPED], &wrapped).ok_or(tampered.clone())?;
        let key = DataKey::new(key);
        if key.id == header.id { Ok(key) } else { Err(tampered) }
    }
}
