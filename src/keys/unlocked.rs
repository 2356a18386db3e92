//! What the operations have in common: a replica that is unlocked, and key objects read and written one by one.

use std::sync::Arc;

use bytes::Bytes;

use super::Error;
use crate::ids::ReplicaId;
use crate::replica::{self, KEY_LIMIT, REPLICA, Replica, Sealed, key_names, located};
use crate::seal::{KeyName, RootKey, SlotId};
use crate::storage::{Put, Store};

/// The keys of a replica that is sealed and unlocked.
pub(super) fn keys(replica: &Replica) -> Result<&Arc<Sealed>, Error> {
    match replica.keys() {
        Some(keys) => Ok(keys),
        None if replica.is_sealed() => Err(Error::NoBackup { location: replica.location() }),
        None => Err(Error::NotEncrypted { location: replica.location() }),
    }
}

/// The slot that a replica was unlocked with; `None` for a recovery kit, and for one that is not sealed.
pub fn opened_by(replica: &Replica) -> Option<SlotId> {
    replica.keys()?.slot()
}

/// This root key is still that of the replica.
pub(super) async fn require_current(store: &dyn Store, root: &RootKey, replica: ReplicaId) -> Result<(), Error> {
    let bytes = store.get(REPLICA, KEY_LIMIT).await?;
    match replica::ids_under(root, replica, &bytes) {
        Ok(_) => Ok(()),
        Err(crate::seal::Error::Commitment) => Err(replica::Error::Rotated { location: store.location() }.into()),
        Err(error) => Err(replica::Error::seal(store, REPLICA, error).into()),
    }
}

/// Puts a new key object and reads it back. When this returns, it is durable.
pub(super) async fn put_new(store: &dyn Store, name: KeyName, bytes: &[u8]) -> Result<(), Error> {
    // After a reply that was lost the store says that there is one: reading it tells whose.
    let _: Put = store.put_if_absent(&name.to_string(), Bytes::copy_from_slice(bytes)).await?;
    require_kept(store, &name.to_string(), bytes).await
}

/// Puts an object over the one that is there, and reads it back. When this returns, it is durable.
pub(super) async fn put_over(store: &dyn Store, key: &str, bytes: &[u8]) -> Result<(), Error> {
    store.put(key, Bytes::copy_from_slice(bytes)).await?;
    require_kept(store, key, bytes).await
}

async fn require_kept(store: &dyn Store, key: &str, bytes: &[u8]) -> Result<(), Error> {
    match store.get(key, KEY_LIMIT).await? == *bytes {
        true => Ok(()),
        false => Err(Error::NotKept { object: located(store, key) }),
    }
}

/// Deletes a slot and looks that it is gone. Says what is left.
pub(super) async fn delete_slot(store: &dyn Store, id: SlotId) -> Result<Vec<KeyName>, Error> {
    let name = KeyName::Slot(id);
    store.delete(&name.to_string()).await?;
    let left = key_names(store).await?;
    match left.contains(&name) {
        true => Err(Error::StillThere { object: located(store, &name.to_string()) }),
        false => Ok(left),
    }
}
