//! The keys of one replica, unlocked: what seals and opens its objects.

use std::collections::BTreeMap;
use std::fmt;

use super::data_key::{DATA_KEY_LEN, DataKey};
use super::kdf::{self, Key};
use super::{DataKeyId, Envelope, Epoch, Error, Opener, Place, RootKey, Sealer, stored_len};
use crate::clock::entropy;
use crate::ids::{DatabaseId, ReplicaId};
use crate::units::Timestamp;

/// The key of the object `replica` alone: it tells the database id, without which nothing else opens.
pub struct ReplicaKey {
    replica: ReplicaId,
    pub(super) key: Key,
}

impl ReplicaKey {
    pub(super) fn new(replica: ReplicaId, key: Key) -> ReplicaKey {
        ReplicaKey { replica, key }
    }

    /// The replica that it is of.
    pub fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// Seals the content of `replica`.
    pub fn seal(&self, content: &[u8]) -> Vec<u8> {
        whole(self.sealer(entropy()), content).expect("the ids of a replica are no 64 TiB")
    }

    /// Opens the object `replica`: the right root key is the one whose replica key does.
    ///
    /// # Errors
    ///
    /// As of [`Keyring::opener`] and [`Opener::open_whole`]; [`Error::Open`] for an open one.
    pub fn open(&self, object: Vec<u8>) -> Result<Vec<u8>, Error> {
        let place = Place::replica();
        let epoch = Envelope::parse_sealed(&object, place.kind())?;
        let context = place.context(epoch, self.replica, None);
        Opener::new(&self.key, epoch, &context, &object, object.len() as u64)?.open_whole(object)
    }

    pub(super) fn sealer(&self, salt: [u8; 24]) -> Sealer {
        let place = Place::replica();
        let context = place.context(Epoch::NONE, self.replica, None);
        Sealer::new(&self.key, place.kind(), Epoch::NONE, &context, salt)
    }
}

/// The ids and the data keys of one replica. Everything in it is zeroized when it is dropped.
pub struct Keyring {
    replica: ReplicaId,
    database: DatabaseId,
    replica_key: ReplicaKey,
    wrap_key: Key,
    data_keys: BTreeMap<Epoch, DataKey>,
}

impl Keyring {
    /// Without any data key yet. The ids are those in `replica`.
    pub fn new(root: &RootKey, replica: ReplicaId, database: DatabaseId) -> Keyring {
        let (replica_key, wrap_key) = (root.replica_key(replica), root.wrap_key(replica));
        Keyring { replica, database, replica_key, wrap_key, data_keys: BTreeMap::new() }
    }

    /// The id of the replica.
    pub fn replica(&self) -> ReplicaId {
        self.replica
    }

    /// The id of the database.
    pub fn database(&self) -> DatabaseId {
        self.database
    }

    /// The key of the object `replica`.
    pub fn replica_key(&self) -> &ReplicaKey {
        &self.replica_key
    }

    /// Opens the wrapped data key under the name of this epoch, and keeps it.
    ///
    /// # Errors
    ///
    /// In this order: [`Error::Cut`], [`Error::NotOurs`], [`Error::Damaged`], [`Error::Unsupported`],
    /// [`Error::Misplaced`], [`Error::Tampered`]; [`Error::AnotherDataKey`] if there is one of this epoch already, which
    /// stays.
    pub fn add(&mut self, bytes: &[u8], epoch: Epoch) -> Result<DataKeyId, Error> {
        let key = DataKey::open(bytes, &self.wrap_key, epoch, self.replica)?;
        let id = key.id;
        match self.data_keys.entry(epoch).or_insert(key).id == id {
            true => Ok(id),
            false => Err(Error::AnotherDataKey(epoch)),
        }
    }

    /// A new random data key for this epoch, wrapped, to be stored; [`Keyring::add`] it once it is.
    pub fn new_data_key(&self, epoch: Epoch, created: Timestamp) -> [u8; DATA_KEY_LEN] {
        DataKey::new(kdf::random_key()).wrap(&self.wrap_key, epoch, self.replica, created, entropy())
    }

    /// The data key of this epoch, wrapped anew under another root of the same replica.
    ///
    /// # Errors
    ///
    /// [`Error::NoDataKey`].
    pub fn rewrap(&self, epoch: Epoch, root: &RootKey, created: Timestamp) -> Result<[u8; DATA_KEY_LEN], Error> {
        let wrap_key = root.wrap_key(self.replica);
        Ok(self.data_key(epoch)?.wrap(&wrap_key, epoch, self.replica, created, entropy()))
    }

    /// The epochs at hand, ascending, and the ids of their keys.
    pub fn data_keys(&self) -> impl DoubleEndedIterator<Item = (Epoch, DataKeyId)> {
        self.data_keys.iter().map(|(&epoch, key)| (epoch, key.id))
    }

    /// Begins to seal the object at this place.
    ///
    /// # Errors
    ///
    /// [`Error::NoDataKey`].
    pub fn sealer(&self, place: &Place, epoch: Epoch) -> Result<Sealer, Error> {
        self.sealer_with(place, epoch, entropy())
    }

    pub(super) fn sealer_with(&self, place: &Place, epoch: Epoch, salt: [u8; 24]) -> Result<Sealer, Error> {
        let context = place.context(epoch, self.replica, Some(self.database));
        Ok(Sealer::new(&self.data_key(epoch)?.key, place.kind(), epoch, &context, salt))
    }

    /// Seals an object that is in memory as a whole.
    ///
    /// # Errors
    ///
    /// [`Error::NoDataKey`].
    pub fn seal(&self, place: &Place, epoch: Epoch, content: &[u8]) -> Result<Vec<u8>, Error> {
        whole(self.sealer(place, epoch)?, content)
    }

    /// Opens the head of the object at this place: `head` is its first [`HEAD_LEN`](super::HEAD_LEN) bytes or more,
    /// `stored` its length by the store.
    ///
    /// # Errors
    ///
    /// In this order: [`Error::Cut`] below 16 bytes, [`Error::NotOurs`], [`Error::Damaged`], [`Error::Unsupported`],
    /// [`Error::Open`], [`Error::Misplaced`], [`Error::NoDataKey`], [`Error::Cut`] for a length that no sealed object
    /// has, [`Error::Commitment`].
    pub fn opener(&self, place: &Place, head: &[u8], stored: u64) -> Result<Opener, Error> {
        let epoch = Envelope::parse_sealed(head, place.kind())?;
        let context = place.context(epoch, self.replica, Some(self.database));
        Opener::new(&self.data_key(epoch)?.key, epoch, &context, head, stored)
    }

    /// Opens an object that is in memory as a whole, in place: its content, and the epoch of its data key.
    ///
    /// # Errors
    ///
    /// Those of [`Keyring::opener`] and [`Opener::open_whole`].
    pub fn open(&self, place: &Place, object: Vec<u8>) -> Result<(Epoch, Vec<u8>), Error> {
        let opener = self.opener(place, &object, object.len() as u64)?;
        Ok((opener.epoch(), opener.open_whole(object)?))
    }

    fn data_key(&self, epoch: Epoch) -> Result<&DataKey, Error> {
        self.data_keys.get(&epoch).ok_or(Error::NoDataKey(epoch))
    }
}

fn whole(mut sealer: Sealer, content: &[u8]) -> Result<Vec<u8>, Error> {
    let mut out = Vec::with_capacity(stored_len(content.len() as u64)? as usize);
    sealer.update(content, &mut out)?;
    sealer.finish(&mut out)?;
    Ok(out)
}

/// Names the ids and epochs, and no key.
impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let (replica, epochs) = (self.replica, self.data_keys.keys());
        f.debug_struct("Keyring").field("replica", &replica).field("epochs", &epochs).finish_non_exhaustive()
    }
}

/// Names the replica, and no key.
impl fmt::Debug for ReplicaKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ReplicaKey({})", self.replica)
    }
}
