//! Slots: one for each secret that opens the replica.

use super::list::{self, Keys, SlotInfo};
use super::rewrap::Work;
use super::roots::Roots;
use super::rotate_root::refused;
use super::{Error, unlocked};
use crate::ids::ReplicaId;
use crate::replica::{self, Key, KeyObjects, REPLICA, Replica, located};
use crate::seal::{self, KdfLimit, KeyName, RootKey, Slot, SlotId};
use crate::storage::{Put, Store};
use crate::units::Timestamp;

/// A slot that was removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Removed {
    /// What it was.
    pub slot: SlotInfo,
    /// How many whole ones are left.
    pub left: usize,
}

/// A secret that took the place of another.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Changed {
    /// The slot of the new secret.
    pub added: SlotInfo,
    /// The slots that the old secret opened, removed: more than one if it was added twice, none for a recovery kit.
    pub removed: Vec<SlotInfo>,
}

/// Adds a slot: the new secret opens the replica like the one that it was unlocked with. Runs Argon2 once for a
/// passphrase, with the costs that `new` says. `label` is what people call it, 0 to 32 bytes, for everybody to read who
/// reads the bucket.
///
/// When this returns, the slot is durable, was read back, and opens. A secret that opens a slot already gets another
/// one: that is of no use, and does no harm.
///
/// # Errors
///
/// [`Error::Kit`], [`Error::Slot`], [`Error::TooMany`]; [`Error::NotEncrypted`] and [`Error::NoBackup`]; a root key that was
/// changed since the replica was unlocked: the slot is taken back then. After an error of the store the slot may be there:
/// [`list`] tells.
///
/// [`list`]: super::list()
pub async fn add(replica: &Replica, new: &Key, label: &str, now: Timestamp) -> Result<SlotInfo, Error> {
    let keys = unlocked::keys(replica)?;
    require_room(&list::list(&**replica).await?, new, &replica.location())?;
    add_to(&**replica, keys.root(), keys.ids().replica, new, label, now).await
}

async fn add_to(
    store: &dyn Store,
    root: &RootKey,
    replica: ReplicaId,
    new: &Key,
    label: &str,
    now: Timestamp,
) -> Result<SlotInfo, Error> {
    let slot = put(store, root, replica, new, label, now).await?;
    if let Err(error) = unlocked::require_current(store, root, replica).await {
        unlocked::delete_slot(store, slot.id()).await?;
        return Err(error);
    }
    Ok(SlotInfo::of(&slot, None))
}

/// A secret is tried on so many slots of its kind and no more: one beyond that would open only sometimes.
pub(super) fn require_room(keys: &Keys, new: &Key, location: &str) -> Result<(), Error> {
    let kind = new.secret().kind();
    match keys.slots.iter().filter(|slot| slot.is_whole() && slot.kind == Some(kind)).count() {
        count if count < seal::MAX_TRIES => Ok(()),
        _ => Err(Error::TooMany { kind, location: location.to_owned() }),
    }
}

/// Puts a new secret in the place of the old one: adds a slot for it, unless it opens one already, then removes every slot
/// that the old one opens. At every moment one of the two opens. With a recovery kit there is no slot to remove.
///
/// This takes nothing away from whoever knew the old secret and has opened the replica once: see [`rotate_root`].
///
/// When this returns, the new slot is durable and opens, and the old ones are gone. Cut short, it can be repeated.
///
/// # Errors
///
/// A wrong secret; [`Error::NotNew`] for the same secret again; those of [`add`]: the old one is still there then.
/// [`Error::NotRemoved`] if both are.
///
/// [`rotate_root`]: super::rotate_root()
pub async fn change(
    store: &dyn Store,
    old: &Key,
    new: &Key,
    label: Option<&str>,
    now: Timestamp,
) -> Result<Changed, Error> {
    if new.secret().kit().is_some() {
        return Err(Error::Kit);
    }
    let (objects, location) = (list::objects(store).await?, store.location());
    let keys = Keys::of(&objects);
    let bytes = objects.replica.clone().ok_or_else(|| replica::Error::missing(store, REPLICA))?;
    let (held, fresh) = (Roots::of(old, &objects.slots).await, Roots::of(new, &objects.slots).await);
    let (root, ids) = held.current(&bytes).ok_or_else(|| refused(&location, old, &held))?;
    let (going, there) = (held.opening(&bytes), fresh.opening(&bytes));
    if there.iter().any(|id| going.contains(id)) {
        return Err(Error::NotNew { kind: new.secret().kind(), location });
    }
    let of = |id: SlotId| keys.slots.iter().find(|slot| slot.id == id);
    let label = label.or(going.iter().find_map(|id| Some(of(*id)?.label.as_str()))).unwrap_or_default();
    let added = match there.iter().find_map(|id| of(*id)) {
        Some(there) => there.clone(),
        None => {
            require_room(&keys, new, &location)?;
            add_to(store, &root.key, ids.replica, new, label, now).await?
        }
    };
    let mut removed = Vec::new();
    for old in keys.slots.iter().filter(|slot| going.contains(&slot.id)) {
        match remove_unproven(store, old.id).await {
            // Somebody else may have removed it meanwhile.
            Ok(_) | Err(Error::NoSuchSlot { .. }) => removed.push(old.clone()),
            Err(source) => return Err(Error::NotRemoved { added: added.id, old: old.id, source: Box::new(source) }),
        }
    }
    Ok(Changed { added, removed })
}

/// Removes a slot, after this key has opened the replica and every data key through another one, or as a recovery kit: slots
/// that are listed may open nothing, as those of before the root key was changed; and of a change of it that was cut short
/// two are needed.
///
/// Whoever has opened the slot before has the root key and keeps it. A running replicator puts slots back only if none is
/// left at all.
///
/// When this returns, the slot is gone as far as the store says; one with versions may keep it as an older one.
///
/// # Errors
///
/// [`Error::NoSuchSlot`]; [`Error::LastSlot`] if no whole slot of the replica would be left; [`Error::OnlyThis`] if the key
/// opens no other; [`Error::Unfinished`]; a wrong key, damage of the keys; [`Error::StillThere`]; [`Error::NotEncrypted`] and
/// [`Error::NoBackup`]; those of the store.
pub async fn remove(store: &dyn Store, id: SlotId, key: &Key) -> Result<Removed, Error> {
    let (objects, location) = (list::objects(store).await?, store.location());
    removable(&Keys::of(&objects), id, &location)?;
    let bytes = objects.replica.clone().ok_or_else(|| replica::Error::missing(store, REPLICA))?;
    let held = Roots::of(key, &objects.slots).await;
    if held.current(&bytes).is_none() {
        return Err(refused(&location, key, &held));
    }
    let left = held.without(id);
    let (_, ids) = left.current(&bytes).ok_or(Error::OnlyThis { id, location })?;
    // In the middle of a change of the root key some of them are under the one to come.
    match Work::new(store, ids, &left.all).survey(None).await {
        Err(Error::StrayDataKey { object }) => return Err(Error::Unfinished { object }),
        surveyed => drop(surveyed?),
    }
    remove_unproven(store, id).await
}

/// The slot, if it may go, as far as the listing tells.
///
/// # Errors
///
/// [`Error::NoSuchSlot`], [`Error::LastSlot`].
pub fn removable(keys: &Keys, id: SlotId, location: &str) -> Result<SlotInfo, Error> {
    let location = location.to_owned();
    let Some(slot) = keys.slots.iter().find(|slot| slot.id == id).cloned() else {
        return Err(Error::NoSuchSlot { id, location });
    };
    if keys.whole() <= usize::from(slot.is_whole()) {
        return Err(Error::LastSlot { id, location });
    }
    Ok(slot)
}

/// As [`remove`], and needs no secret: whoever can write to the store can do it without this. Whether any of the slots that
/// are left opens the replica is not known.
///
/// # Errors
///
/// As [`remove`].
pub async fn remove_unproven(store: &dyn Store, id: SlotId) -> Result<Removed, Error> {
    let (objects, location) = (list::objects(store).await?, store.location());
    let slot = removable(&Keys::of(&objects), id, &location)?;
    unlocked::delete_slot(store, id).await?;
    // Two may have removed one each at the same time, and these were the last two.
    let left = Keys::of(&KeyObjects::read(store).await?).whole();
    if left == 0
        && let Some(slot) = objects.slots.iter().find(|slot| slot.id() == id)
    {
        let _: Put = store.put_if_absent(&KeyName::Slot(id).to_string(), slot.as_bytes().to_vec().into()).await?;
        return Err(Error::LastSlot { id, location });
    }
    Ok(Removed { slot, left })
}

/// Makes a slot and puts it. When this returns, it is durable, was read back, and opens to this root key.
pub(super) async fn put(
    store: &dyn Store,
    root: &RootKey,
    replica: ReplicaId,
    new: &Key,
    label: &str,
    now: Timestamp,
) -> Result<Slot, Error> {
    if new.secret().kit().is_some() {
        return Err(Error::Kit);
    }
    let (secret, cost) = (new.secret().clone(), new.cost());
    let (made, label) = (root.clone(), label.to_owned());
    let making = crate::task::blocking(move || Slot::make(&secret, &made, replica, &label, cost, now));
    let slot = making.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
    let slot = slot.map_err(Error::Slot)?;
    let name = KeyName::Slot(slot.id());
    unlocked::put_new(store, name, slot.as_bytes()).await?;
    // It was stretched when it was made, and is not once more.
    let opened = slot.stretch(new.secret(), KdfLimit::Raised).and_then(|stretched| slot.open(&stretched));
    let opened = opened.map_err(Error::Slot)?;
    let proof = root.replica_key(replica).seal(b"the same");
    match opened.replica_key(replica).open(proof) {
        Ok(_) => Ok(slot),
        Err(_) => Err(Error::NotKept { object: located(store, &name.to_string()) }),
    }
}
