//! From a secret to a replica in hand: one that is there is unlocked, and one that is not is begun.

use std::sync::Arc;

use bytes::Bytes;

use super::error::located;
use super::key_objects::{KeyObjects, LIMIT};
use super::sealed::Sealed;
use super::{Document, Error, Key, REPLICA, Replica};
use crate::format::ReplicaIds;
use crate::ids::{DatabaseId, ReplicaId};
use crate::seal::{self, Epoch, KeyName, Keyring, RecoveryKit, RootKey, SecretKind, Slot, SlotId, What};
use crate::storage::{Put, Store};
use crate::units::Timestamp;

/// What was found with a key.
enum Found {
    /// Nothing is there.
    Nothing,
    /// A slot that opens, and no `replica`: an earlier start was cut short, or somebody has deleted it, or has put a slot
    /// there whose root key it knows.
    Slot(Slot, RootKey),
    /// A replica.
    Replica(Sealed),
}

impl Replica {
    /// The replica at this store, opened with a key: a few small reads, and Argon2 once for a passphrase. Where nothing is
    /// there, whatever comes to be there in the clear is refused.
    ///
    /// # Errors
    ///
    /// [`Error::WrongKey`] and the others of [`Error::is_bad_key`]; [`Error::Open`] for a replica that is not encrypted;
    /// damage of the keys; those of the store.
    pub async fn unlock(store: Arc<dyn Store>, key: &Key) -> Result<Replica, Error> {
        match find(&store, key, None, None).await? {
            Found::Nothing => Ok(Replica::nothing(store)),
            Found::Slot(..) => Err(Error::missing(&*store, REPLICA)),
            Found::Replica(sealed) => Ok(Replica::sealed(store, sealed)),
        }
    }

    /// The same for a writer: `last` is the slot that opened last time, and a start that was cut short counts as nothing.
    pub(crate) async fn unlock_last(
        store: &Arc<dyn Store>,
        key: &Key,
        last: Option<SlotId>,
        now: Timestamp,
    ) -> Result<Replica, Error> {
        match find(store, key, last, None).await? {
            Found::Nothing | Found::Slot(..) => Ok(Replica::nothing(store.clone())),
            Found::Replica(sealed) => {
                with_data_key(&**store, &sealed, now).await?;
                Ok(Replica::sealed(store.clone(), sealed))
            }
        }
    }

    /// Whether the replica of this id was begun, and cut short between its slot and `replica`.
    ///
    /// # Errors
    ///
    /// As [`Replica::unlock`].
    pub(crate) async fn is_begun(store: &Arc<dyn Store>, key: &Key, id: ReplicaId) -> Result<bool, Error> {
        let found = find(store, key, None, Some(id)).await?;
        Ok(matches!(found, Found::Slot(slot, _) if slot.replica() == id))
    }

    /// Begins a replica where there is none, with these ids and a new slot, or with the one that has this id of a replica:
    /// that of a start that was cut short. When this returns, what it takes to open the replica is durable.
    ///
    /// Who loses a race of two that begin opens the winner's, and leaves no slot behind.
    ///
    /// # Errors
    ///
    /// As [`Replica::unlock`], and [`Error::Missing`] if there are generations, and no `replica`.
    pub(crate) async fn begin(
        store: Arc<dyn Store>,
        key: &Key,
        fresh: &ReplicaIds,
        now: Timestamp,
    ) -> Result<Replica, Error> {
        loop {
            let mut found = find(&store, key, None, Some(fresh.replica)).await?;
            let is_whole = |found: &Found| matches!(found, Found::Replica(_));
            if !is_whole(&found) && super::has_snapshot(&*store).await? {
                // Unless somebody has begun meanwhile.
                found = find(&store, key, None, Some(fresh.replica)).await?;
                if !is_whole(&found) {
                    return Err(Error::missing(&*store, REPLICA));
                }
            }
            let begun = match found {
                Found::Replica(sealed) => {
                    with_data_key(&*store, &sealed, now).await?;
                    Some(sealed)
                }
                Found::Slot(slot, root) if slot.replica() == fresh.replica => {
                    begin(&store, key, Some((slot, root)), fresh, now).await?
                }
                Found::Nothing | Found::Slot(..) => begin(&store, key, None, fresh, now).await?,
            };
            if let Some(sealed) = begun {
                return Ok(Replica::sealed(store, sealed));
            }
        }
    }
}

/// A replica without a data key, and without a generation, was begun, and not to the end. Nothing is sealed with a data
/// key that is there and does not open: it is of somebody who began in the same moment.
async fn with_data_key(store: &dyn Store, sealed: &Sealed, now: Timestamp) -> Result<(), Error> {
    let damage = sealed.damage(store);
    if sealed.newest().is_some() && damage.is_none() {
        return Ok(());
    }
    let key = KeyName::DataKey(Epoch::FIRST).to_string();
    if super::has_snapshot(store).await? {
        if let Some(damage) = damage {
            return Err(damage);
        }
        // Unless somebody has made it meanwhile.
        return match store.get(&key, LIMIT).await {
            Ok(there) => sealed.add(store, Epoch::FIRST, &there).map(drop),
            Err(error) if error.is_not_found() => Err(Error::missing(store, &key)),
            Err(error) => Err(error.into()),
        };
    }
    // Looked for again before one is put: it may have been changed on its way here only, and a store that knows no
    // conditions replaces what is there.
    let made = match store.get(&key, LIMIT).await {
        Ok(there) => sealed.add(store, Epoch::FIRST, &there).map(drop),
        Err(error) if error.is_not_found() => sealed.make_data_key(store, Epoch::FIRST, now).await,
        Err(error) => Err(error.into()),
    };
    match made {
        Err(Error::Seal { .. }) if is_foreign(store, sealed, &key).await? && is_of(store, sealed).await? => {
            let fresh = Bytes::copy_from_slice(&sealed.keyring().new_data_key(Epoch::FIRST, now));
            store.put(&key, fresh.clone()).await?;
            sealed.add(store, Epoch::FIRST, &fresh).map(drop)
        }
        made => made,
    }
}

impl Sealed {
    /// Puts a new data key, or takes the one that somebody else has put meanwhile. When this returns, it is durable.
    pub(crate) async fn make_data_key(&self, store: &dyn Store, epoch: Epoch, now: Timestamp) -> Result<(), Error> {
        let (name, fresh) = (KeyName::DataKey(epoch).to_string(), self.keyring().new_data_key(epoch, now));
        let _: Put = store.put_if_absent(&name, Bytes::copy_from_slice(&fresh)).await?;
        // Read back in either case: a store that ignores the condition has the last writer's.
        let there = store.get(&name, LIMIT).await?;
        self.add(store, epoch, &there).map(drop)
    }
}

/// `last` is the slot that opened last time, and `begun` the replica whose slot counts before others without `replica`.
async fn find(
    store: &Arc<dyn Store>,
    key: &Key,
    last: Option<SlotId>,
    begun: Option<ReplicaId>,
) -> Result<Found, Error> {
    let objects = KeyObjects::read(&**store).await?;
    if objects.is_empty() {
        return Ok(Found::Nothing);
    }
    if objects.replica.as_ref().is_some_and(|bytes| bytes.starts_with(b"{")) {
        return Err(Error::Open { object: located(&**store, REPLICA) });
    }
    if let Some(kit) = key.secret().kit() {
        return match &objects.replica {
            None => Err(Error::missing(&**store, REPLICA)),
            Some(bytes) => {
                let ids = with_kit(&**store, kit, bytes, &objects.data_keys)?;
                Ok(Found::Replica(Sealed::new(kit.root.clone(), None, ids, objects)))
            }
        };
    }
    let chosen: Vec<Slot> = match key.slot() {
        // By its name: there may be more than were read.
        Some(id) => read_slot(&**store, id).await?.into_iter().collect(),
        None => objects.slots.clone(),
    };
    if let Some((id, error)) = objects.damaged.first()
        && chosen.is_empty()
    {
        return Err(Error::seal(&**store, &KeyName::Slot(*id).to_string(), error.clone()));
    }
    if chosen.is_empty() {
        return Err(match (key.slot(), objects.slots.is_empty()) {
            (Some(id), false) => Error::NoSuchSlot { id: id.to_string(), location: store.location() },
            _ => Error::NoSlot { location: store.location() },
        });
    }
    let begun = chosen.iter().find(|slot| objects.replica.is_none() && Some(slot.replica()) == begun).map(Slot::id);
    let (secret, limit, last) = (key.secret().clone(), key.limit(), begun.or(last).or(key.slot()));
    let (replica, data_keys) = (objects.replica.clone(), objects.data_keys.clone());
    let opening = crate::task::blocking(move || {
        seal::unlock(&secret, &chosen, last, limit, |slot, root| {
            let ids = match &replica {
                Some(bytes) => Some(ids_of(root, slot.replica(), bytes, &data_keys)?),
                None => None,
            };
            Ok((slot.clone(), ids))
        })
    });
    let opened = opening.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    match opened {
        Ok((_, root, (slot, None))) => Ok(Found::Slot(slot, root)),
        Ok((id, root, (_, Some(ids)))) => {
            for (id, error) in &objects.damaged {
                tracing::warn!(object = located(&**store, &KeyName::Slot(*id).to_string()), %error, "damaged");
            }
            Ok(Found::Replica(Sealed::new(root, Some(id), ids, objects)))
        }
        Err(error) => Err(refused(&**store, key, &objects, error)),
    }
}

/// The slot of this id, if it is there and whole.
async fn read_slot(store: &dyn Store, id: SlotId) -> Result<Option<Slot>, Error> {
    match store.get(&KeyName::Slot(id).to_string(), LIMIT).await {
        Ok(bytes) => Ok(Slot::parse(&bytes, id, None).ok()),
        Err(error) if error.is_not_found() => Ok(None),
        Err(error) => Err(error.into()),
    }
}

/// Why no slot opened.
fn refused(store: &dyn Store, key: &Key, objects: &KeyObjects, error: seal::Error) -> Error {
    let location = store.location();
    match error {
        seal::Error::WrongSecret(kind) => match objects.damaged.first().filter(|_| key.slot().is_none()) {
            // It may have been the one.
            Some((id, damage)) => Error::seal(store, &KeyName::Slot(*id).to_string(), damage.clone()),
            None => Error::WrongKey { kind, location },
        },
        // A slot has opened, and its root key does not fit.
        seal::Error::Commitment => Error::Rotated { location },
        seal::Error::KdfCost { .. } | seal::Error::Memory { .. } => Error::Refused { location, source: error },
        seal::Error::Tampered { what: What::Slot } => Error::seal(store, KeyName::PREFIX.trim_end_matches('/'), error),
        error => Error::seal(store, REPLICA, error),
    }
}

/// The ids in these bytes of `replica`, if this is the root key that they are sealed under.
///
/// # Errors
///
/// [`seal::Error::Commitment`] for another root key, or another replica; those of bytes that are not ours.
pub(crate) fn ids_under(root: &RootKey, replica: ReplicaId, bytes: &Bytes) -> Result<ReplicaIds, seal::Error> {
    let content = root.replica_key(replica).open(bytes.to_vec())?;
    let ids = ReplicaIds::parse(&content).map_err(|_| seal::Error::NotOurs { what: What::Object })?;
    if ids.replica != replica {
        return Err(seal::Error::Commitment);
    }
    Ok(ids)
}

/// The same. Where `replica` is not sealed under this root key, and a data key is, that is no other root key: it was altered.
fn ids_of(
    root: &RootKey,
    replica: ReplicaId,
    bytes: &Bytes,
    data_keys: &[(Epoch, Bytes)],
) -> Result<ReplicaIds, seal::Error> {
    let opens = |&(epoch, ref key): &(Epoch, Bytes)| {
        // The database's id, which only `replica` tells, has no part in it.
        Keyring::new(root, replica, DatabaseId([0; 16])).add(key, epoch).is_ok()
    };
    match ids_under(root, replica, bytes) {
        Err(seal::Error::Commitment) if data_keys.iter().any(opens) => {
            Err(seal::Error::Tampered { what: What::Object })
        }
        opened => opened,
    }
}

fn with_kit(
    store: &dyn Store,
    kit: &RecoveryKit,
    bytes: &Bytes,
    data_keys: &[(Epoch, Bytes)],
) -> Result<ReplicaIds, Error> {
    ids_of(&kit.root, kit.replica, bytes, data_keys).map_err(|error| match error {
        seal::Error::Commitment => Error::WrongKey { kind: SecretKind::RecoveryKit, location: store.location() },
        error => Error::seal(store, REPLICA, error),
    })
}

/// Whether a data key does not open, and was not only changed on its way here: it comes again, and the same.
async fn is_foreign(store: &dyn Store, sealed: &Sealed, key: &str) -> Result<bool, Error> {
    let (bytes, again) = (store.get(key, LIMIT).await?, store.get(key, LIMIT).await?);
    Ok(bytes == again && sealed.add(store, Epoch::FIRST, &bytes).is_err())
}

/// Whether `replica` is not sealed under this root, and was not only changed on its way here.
async fn is_lost(store: &dyn Store, root: &RootKey, replica: ReplicaId) -> Result<bool, Error> {
    let (bytes, again) = (store.get(REPLICA, LIMIT).await?, store.get(REPLICA, LIMIT).await?);
    Ok(bytes == again && ids_under(root, replica, &bytes).is_err())
}

/// Whether `replica` is sealed under this root, and has these ids: two who take up one start have the same root.
async fn is_of(store: &dyn Store, sealed: &Sealed) -> Result<bool, Error> {
    let bytes = store.get(REPLICA, LIMIT).await?;
    Ok(ids_under(sealed.root(), sealed.ids().replica, &bytes).is_ok_and(|ids| ids == *sealed.ids()))
}

/// Begins a replica: a slot, unless there is one; then the ids. `None`: somebody else was first.
async fn begin(
    store: &Arc<dyn Store>,
    key: &Key,
    there: Option<(Slot, RootKey)>,
    fresh: &ReplicaIds,
    now: Timestamp,
) -> Result<Option<Sealed>, Error> {
    let was_there = there.is_some();
    let (slot, root) = match there {
        Some(there) => there,
        None => {
            let (slot, root) = new_slot(&**store, key, fresh.replica, now).await?;
            let name = KeyName::Slot(slot.id()).to_string();
            let _: Put = store.put_if_absent(&name, Bytes::copy_from_slice(slot.as_bytes())).await?;
            (slot, root)
        }
    };
    let bytes = Bytes::from(root.replica_key(fresh.replica).seal(&fresh.encode()));
    let _: Put = store.put_if_absent(Document::Replica.key().as_str(), bytes).await?;
    // Read back in either case: a store that ignores the condition has the last writer's, and so have all readers.
    let objects = KeyObjects::read(&**store).await?;
    let bytes = objects.replica.clone().ok_or_else(|| Error::missing(&**store, REPLICA))?;
    let is_lost = match ids_under(&root, fresh.replica, &bytes) {
        Ok(ids) => {
            let sealed = Sealed::new(root, Some(slot.id()), ids, objects).begun();
            let made = with_data_key(&**store, &sealed, now).await;
            // On a store that replaces what is there, another one may have come since.
            if is_of(&**store, &sealed).await? {
                return made.map(|()| Some(sealed));
            }
            is_lost(&**store, sealed.root(), fresh.replica).await?
        }
        Err(error) => {
            tracing::debug!(%error, "somebody else has begun the replica");
            is_lost(&**store, &root, fresh.replica).await?
        }
    };
    if !was_there && is_lost {
        store.delete(&KeyName::Slot(slot.id()).to_string()).await?;
    }
    Ok(None)
}

async fn new_slot(store: &dyn Store, key: &Key, replica: ReplicaId, now: Timestamp) -> Result<(Slot, RootKey), Error> {
    let location = store.location();
    if key.secret().kit().is_some() {
        return Err(Error::NothingToRecover { location });
    }
    let (secret, cost) = (key.secret().clone(), key.cost());
    let making = crate::task::blocking(move || {
        let root = RootKey::generate();
        Slot::make(&secret, &root, replica, "", cost, now).map(|slot| (slot, root))
    });
    let made = making.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    made.map_err(|source| Error::Refused { location, source })
}
