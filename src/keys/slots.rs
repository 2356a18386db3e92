//! Slots: one for each secret that opens the replica.

use super::list::{self, Keys, SlotInfo};
use super::{Error, unlocked};
use crate::ids::ReplicaId;
use crate::replica::{Key, KeyObjects, Replica, located};
use crate::seal::{KdfLimit, KeyName, RootKey, Slot, SlotId};
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
    /// The slot that the replica was opened with, removed; none if it was opened with a recovery kit.
    pub removed: Option<SlotInfo>,
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
/// [`Error::Kit`], [`Error::Slot`]; [`Error::NotEncrypted`] and [`Error::NoBackup`]; a root key that was changed since the
/// replica was unlocked: the slot is taken back then. After an error of the store the slot may be there: [`list`] tells.
///
/// [`list`]: super::list()
pub async fn add(replica: &Replica, new: &Key, label: &str, now: Timestamp) -> Result<SlotInfo, Error> {
    let keys = unlocked::keys(replica)?;
    let slot = put(&**replica, keys.root(), keys.ids().replica, new, label, now).await?;
    if let Err(error) = unlocked::require_current(&**replica, keys).await {
        unlocked::delete_slot(&**replica, slot.id()).await?;
        return Err(error);
    }
    Ok(SlotInfo::of(&slot, None))
}

/// Adds a slot for the new secret, then removes the one that the replica was unlocked with; with a recovery kit there is
/// none to remove. At every moment one of the two opens.
///
/// This takes nothing away from whoever knew the old secret and has opened the replica once: see [`rotate_root`].
///
/// When this returns, the new slot is durable and opens, and the old one is gone.
///
/// # Errors
///
/// Those of [`add`], after which the old one is still there; [`Error::NotRemoved`] if both are.
///
/// [`rotate_root`]: super::rotate_root()
pub async fn change(replica: &Replica, new: &Key, label: Option<&str>, now: Timestamp) -> Result<Changed, Error> {
    let keys = unlocked::keys(replica)?;
    let before = list::list(&**replica).await?;
    let old = keys.slot().and_then(|id| before.slots.into_iter().find(|slot| slot.id == id));
    let label = label.or(old.as_ref().map(|old| old.label.as_str())).unwrap_or_default();
    let added = add(replica, new, label, now).await?;
    let Some(old) = old else { return Ok(Changed { added, removed: None }) };
    match remove(&**replica, old.id).await {
        Ok(removed) => Ok(Changed { added, removed: Some(removed.slot) }),
        // Somebody else has removed it meanwhile.
        Err(Error::NoSuchSlot { .. }) => Ok(Changed { added, removed: Some(old) }),
        Err(source) => Err(Error::NotRemoved { added: added.id, old: old.id, source: Box::new(source) }),
    }
}

/// Removes a slot. Needs no secret: whoever can write to the store can do it without this.
///
/// Whoever has opened the slot before has the root key and keeps it. A running replicator puts slots back only if none is
/// left at all.
///
/// When this returns, the slot is gone as far as the store says; one with versions may keep it as an older one.
///
/// # Errors
///
/// [`Error::NoSuchSlot`]; [`Error::LastSlot`] if no whole slot of the replica would be left; [`Error::StillThere`];
/// [`Error::NotEncrypted`] and [`Error::NoBackup`]; those of the store.
pub async fn remove(store: &dyn Store, id: SlotId) -> Result<Removed, Error> {
    let objects = list::objects(store).await?;
    let keys = Keys::of(&objects);
    let location = store.location();
    let Some(slot) = keys.slots.iter().find(|slot| slot.id == id).cloned() else {
        return Err(Error::NoSuchSlot { id, location });
    };
    if keys.whole() <= usize::from(slot.is_whole()) {
        return Err(Error::LastSlot { id, location });
    }
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
