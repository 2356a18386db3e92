//! What is there, for people: no secret is needed, and nothing of it is proven.

use super::Error;
use crate::ids::ReplicaId;
use crate::replica::{self, KeyObjects, located};
use crate::seal::{self, Cost, DataKeyHeader, DataKeyId, Epoch, KeyName, SecretKind, Slot, SlotId};
use crate::storage::Store;
use crate::units::Timestamp;

/// The keys of a replica as the store shows them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Keys {
    /// The replica that they are of, by the data keys, or else by most of the slots.
    pub replica: Option<ReplicaId>,
    /// The slots, by the time at which they were made; damaged ones last.
    pub slots: Vec<SlotInfo>,
    /// The data keys, oldest first. The newest 256, if there are more.
    pub data_keys: Vec<DataKeyInfo>,
}

/// A slot. All but the id is what its maker wrote, and absent where it cannot be read.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct SlotInfo {
    /// Its id.
    pub id: SlotId,
    /// Whether a secret could open it.
    pub condition: Condition,
    /// What people call it; to be escaped where it is shown.
    pub label: String,
    /// The kind of secret that opens it.
    pub kind: Option<SecretKind>,
    /// What Argon2 costs, for a passphrase.
    pub cost: Option<Cost>,
    /// When it was made.
    pub created: Option<Timestamp>,
}

/// Whether a slot could be opened.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Condition {
    /// Whole, and of this replica. Whether it opens, and to the right root key, only its secret tells.
    Whole,
    /// Whole, and of another replica: it opens nothing here.
    OfAnother(ReplicaId),
    /// No secret opens it any more.
    Damaged(seal::Error),
}

/// A data key.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct DataKeyInfo {
    /// Its epoch.
    pub epoch: Epoch,
    /// When it was made, and its id; or why that cannot be read.
    pub header: Result<(Timestamp, DataKeyId), seal::Error>,
}

impl SlotInfo {
    pub(super) fn of(slot: &Slot, replica: Option<ReplicaId>) -> SlotInfo {
        let condition = match replica {
            Some(replica) if replica != slot.replica() => Condition::OfAnother(slot.replica()),
            _ => Condition::Whole,
        };
        SlotInfo {
            id: slot.id(),
            condition,
            label: slot.label().to_owned(),
            kind: Some(slot.secret_kind()),
            cost: slot.cost(),
            created: Some(slot.created()),
        }
    }

    fn damaged(id: SlotId, error: seal::Error) -> SlotInfo {
        SlotInfo {
            id,
            condition: Condition::Damaged(error),
            label: String::new(),
            kind: None,
            cost: None,
            created: None,
        }
    }

    /// A secret may open it.
    pub fn is_whole(&self) -> bool {
        self.condition == Condition::Whole
    }
}

impl Keys {
    /// Sorts out what was read.
    pub(super) fn of(objects: &KeyObjects) -> Keys {
        let headers: Vec<_> =
            objects.data_keys.iter().map(|(epoch, bytes)| (*epoch, DataKeyHeader::parse(bytes, *epoch))).collect();
        let of_keys = headers.iter().rev().find_map(|(_, header)| header.as_ref().ok().map(|header| header.replica));
        let replica = of_keys.or_else(|| of_most(&objects.slots));
        let mut slots: Vec<SlotInfo> = objects.slots.iter().map(|slot| SlotInfo::of(slot, replica)).collect();
        slots.sort_by_key(|slot| (slot.created, slot.id));
        slots.extend(objects.damaged.iter().map(|(id, error)| SlotInfo::damaged(*id, error.clone())));
        let data_keys = headers
            .into_iter()
            .map(|(epoch, header)| DataKeyInfo { epoch, header: header.map(|header| (header.created, header.id)) });
        Keys { replica, slots, data_keys: data_keys.collect() }
    }

    /// How many slots a secret may open.
    pub fn whole(&self) -> usize {
        self.slots.iter().filter(|slot| slot.is_whole()).count()
    }
}

fn of_most(slots: &[Slot]) -> Option<ReplicaId> {
    let count = |slot: &&Slot| slots.iter().filter(|other| other.replica() == slot.replica()).count();
    slots.iter().max_by_key(count).map(Slot::replica)
}

/// The key objects of a replica that has some.
pub(super) async fn objects(store: &dyn Store) -> Result<KeyObjects, Error> {
    let objects = KeyObjects::read(store).await?;
    let is_open = objects.replica.as_ref().is_some_and(|bytes| bytes.starts_with(b"{"));
    let has_keys = !objects.slots.is_empty() || !objects.damaged.is_empty() || !objects.data_keys.is_empty();
    match (is_open, has_keys) {
        (true, _) => Err(Error::NotEncrypted { location: store.location() }),
        (false, true) => Ok(objects),
        (false, false) if objects.replica.is_some() => {
            Err(replica::Error::NoSlot { location: store.location() }.into())
        }
        (false, false) => match replica::generations(store).await?.is_empty() {
            true => Err(Error::NoBackup { location: store.location() }),
            false => Err(replica::Error::Missing { object: located(store, KeyName::PREFIX) }.into()),
        },
    }
}

/// The slots and data keys of a replica. Needs no secret: a listing, and a small read each.
///
/// # Errors
///
/// [`Error::NotEncrypted`] and [`Error::NoBackup`] where there are none; those of the store.
pub async fn list(store: &dyn Store) -> Result<Keys, Error> {
    Ok(Keys::of(&objects(store).await?))
}
