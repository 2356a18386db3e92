//! What is under `keys/`: slots and data keys, as they are stored.

use std::collections::BTreeMap;

use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, stream};

use super::{Error, REPLICA};
use crate::ids::ReplicaId;
use crate::seal::{self, Epoch, KeyName, Slot, SlotId};
use crate::storage::{Store, list_all};

/// What any of them may be long at most; `replica` too.
pub(crate) const LIMIT: u64 = 4096;
/// How many slots, and how many data keys, are read: whoever writes to the store could put any number there. Data keys
/// beyond that are read when an object asks for one.
const MOST: usize = 256;
/// Reads at the same time.
const CONCURRENCY: usize = 8;

/// The names of all that are there, in order: slots are behind data keys.
pub(crate) async fn key_names(store: &dyn Store) -> Result<Vec<KeyName>, Error> {
    let listed = list_all(store, KeyName::PREFIX, None).await?;
    Ok(listed.iter().filter_map(|meta| KeyName::parse(&meta.key)).collect())
}

/// Whether there are any: the replica is encrypted. A listing.
///
/// # Errors
///
/// Those of the store.
pub async fn has_keys(store: &dyn Store) -> Result<bool, Error> {
    Ok(!key_names(store).await?.is_empty())
}

/// All that are there, read, and what is wrong with those that cannot be.
#[derive(Debug, Default)]
pub struct KeyObjects {
    /// The slots.
    pub slots: Vec<Slot>,
    /// Slots that are damaged.
    pub damaged: Vec<(SlotId, seal::Error)>,
    /// The data keys, wrapped, nothing of them checked; oldest first.
    pub data_keys: Vec<(Epoch, Bytes)>,
    /// The object `replica`.
    pub replica: Option<Bytes>,
}

impl KeyObjects {
    /// Reads them: one listing, and a small read each; twice where there is no slot beside `replica`.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub async fn read(store: &dyn Store) -> Result<KeyObjects, Error> {
        let objects = KeyObjects::read_once(store).await?;
        // A replica is begun by a slot, and `replica` after it: between the listing and the last read all of that may have
        // happened, and an operator must not be told that no slot is left.
        match objects.replica.is_some() && objects.slots.is_empty() && objects.damaged.is_empty() {
            true => KeyObjects::read_once(store).await,
            false => Ok(objects),
        }
    }

    async fn read_once(store: &dyn Store) -> Result<KeyObjects, Error> {
        let names = key_names(store).await?;
        let (mut slots, mut data_keys): (Vec<KeyName>, Vec<KeyName>) =
            names.into_iter().partition(|name| matches!(name, KeyName::Slot(_)));
        slots.truncate(MOST);
        // The newest are wanted.
        data_keys.drain(..data_keys.len().saturating_sub(MOST));
        let reads = slots.into_iter().chain(data_keys).map(|name| async move {
            match store.get(&name.to_string(), LIMIT).await {
                Ok(bytes) => Ok(Some((name, bytes))),
                // Removed since it was listed.
                Err(error) if error.is_not_found() => Ok(None),
                Err(error) => Err(Error::from(error)),
            }
        });
        let read: Vec<_> = stream::iter(reads).buffered(CONCURRENCY).try_collect().await?;
        let mut objects = KeyObjects {
            replica: match store.get(REPLICA, LIMIT).await {
                Ok(bytes) => Some(bytes),
                Err(error) if error.is_not_found() => None,
                Err(error) => return Err(error.into()),
            },
            ..KeyObjects::default()
        };
        for (name, bytes) in read.into_iter().flatten() {
            match name {
                KeyName::Slot(id) => match Slot::parse(&bytes, id, None) {
                    Ok(slot) => objects.slots.push(slot),
                    Err(error) => objects.damaged.push((id, error)),
                },
                KeyName::DataKey(epoch) => objects.data_keys.push((epoch, bytes)),
            }
        }
        Ok(objects)
    }

    /// The slots of this replica.
    pub(super) fn of(&self, replica: ReplicaId) -> impl Iterator<Item = &Slot> {
        self.slots.iter().filter(move |slot| slot.replica() == replica)
    }

    /// There is nothing.
    pub fn is_empty(&self) -> bool {
        self.slots.is_empty() && self.damaged.is_empty() && self.data_keys.is_empty() && self.replica.is_none()
    }

    /// The bytes by key, without `replica` and without slots of others.
    pub(super) fn into_kept(self, replica: ReplicaId) -> BTreeMap<String, Bytes> {
        let ours = self.slots.into_iter().filter(|slot| slot.replica() == replica);
        let slots = ours.map(|slot| (KeyName::Slot(slot.id()).to_string(), Bytes::copy_from_slice(slot.as_bytes())));
        let data_keys = self.data_keys.into_iter().map(|(epoch, bytes)| (KeyName::DataKey(epoch).to_string(), bytes));
        slots.chain(data_keys).collect()
    }
}
