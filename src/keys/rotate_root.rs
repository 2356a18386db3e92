//! Another root key, after a leak.
//!
//! In this order, and each step is durable, read back and opened before the next:
//!
//! 1. a slot for the new secret, with the new root key;
//! 2. every data key, wrapped under the new root key, over the one under the old one;
//! 3. `replica`, sealed under the new one: from here on that is the right one;
//! 4. all of it once more, until nothing is left under the old one; and a new data key;
//! 5. the old slots go, that of the old secret last.
//!
//! Cut short, it is run again with both secrets. Which of the steps it was in is seen from what opens what:
//!
//! | cut in | `replica` opens with | the data keys with | and then |
//! |--:|---|---|---|
//! | 1 | the old secret | the old | from the beginning; the slot is used if it is there |
//! | 2, 3 | the old | one of the two | the rest follows: the old secret leads to one root key, the new one to the other |
//! | 4, 5 | the new | the new | the old secret still opens its slot, by which it is known that this is not the end |
//!
//! So a data key is at every moment under a root key that a slot in the store wraps for one of the two secrets, and it is
//! put over its own copy alone, whole. Readers and writers that come in between cannot open something, and stop; a
//! replicator that runs goes on with the old data key until it looks after its keys, at its next generation or once in an
//! hour or two, and stops then.
//!
//! Two at the same time do not work against each other: who sees the other's slot goes on with its root key, and a slot
//! that was not there at the beginning is not removed; nor is one that neither secret opens and that is younger than an
//! hour: with another new secret, that of the other's root key cannot be told from any other.

use std::time::Duration;

use super::list::{self, Condition, Keys, SlotInfo};
use super::rewrap::Work;
use super::roots::{Root, Roots};
use super::{Error, slots};
use crate::format::ReplicaIds;
use crate::replica::{self, Key, REPLICA, key_names};
use crate::seal::{self, Epoch, KeyName, RootKey, SlotId};
use crate::storage::{ErrorKind, Store};
use crate::units::Timestamp;

/// A slot of a change that was begun this long ago or less is gone on with: its writer may still be at work. The root key
/// of an older one is not taken up as the new one again, since it may be the one that leaked.
const RECENT: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// A slot that neither secret opens may be that of another change at work if it is this old or younger.
const YOUNG: Duration = Duration::from_secs(60 * 60);

/// Why the slot of another change, with the same new secret, stays: what is written under its root key could be lost.
const BEGUN_TWICE: &str = "it was made by a change of the root key that was begun twice";

/// Why a young slot stays: data keys may be under its root key by now.
const MAY_BE_BEGUN: &str = "it was made less than an hour ago: another change of the root key may be at work with it";

/// What was done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct RootRotated {
    /// The slot of the new secret.
    pub slot: SlotId,
    /// The epoch of the new data key.
    pub epoch: Epoch,
    /// How many data keys are under the new root key, the new one included.
    pub data_keys: usize,
    /// The slots that were removed: their secrets, which nobody but their owners knows, are to be added anew.
    pub removed: Vec<SlotInfo>,
    /// Slots that are still there although they should have gone. They open nothing any more, unless another change of the
    /// root key is at work.
    pub left: Vec<Left>,
}

/// A slot that could not be removed.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Left {
    /// The slot.
    pub slot: SlotInfo,
    /// Why.
    pub why: String,
}

/// Gives a replica another root key, after the old one, or a secret that opened it, has leaked: what is written from then
/// on cannot be read or forged with what has leaked. What was written before can.
///
/// `old` opens the replica now: a secret, or a recovery kit. `new` is one that never opened it, since whoever has the
/// old root key can put a slot back that an older secret opens. Every slot but the new one goes, and so does every
/// recovery kit: [`add`] the others again, [`export_recovery`] once more, give the replicator the new secret and start it
/// again: it begins a generation with the new data key, and until then it writes with the old one. A slot that neither
/// secret opens, and that was made within the last hour, stays: the next change removes it, or [`remove`].
///
/// When this returns, all of it is durable, was read back, and opens; it is small, whatever the size of the backup.
/// Cut short at any point, run it again with both secrets; until then what opens may be neither of the two.
///
/// # Errors
///
/// [`Error::NotNew`], [`Error::Kit`], [`Error::Slot`], [`Error::TooMany`], [`Error::StrayDataKey`], a wrong secret, damage of the keys: before
/// anything was written. [`Error::NothingToFinish`] if `old` opens nothing any more, and all is as it should be.
/// [`Error::NoEpoch`], [`Error::NotKept`], [`Error::Busy`], those of the store: cut short.
///
/// [`add`]: super::add()
/// [`remove`]: super::remove()
/// [`export_recovery`]: super::export_recovery()
pub async fn rotate_root(
    store: &dyn Store,
    old: &Key,
    new: &Key,
    label: &str,
    now: Timestamp,
) -> Result<RootRotated, Error> {
    if new.secret().kit().is_some() {
        return Err(Error::Kit);
    }
    let objects = list::objects(store).await?;
    let bytes = objects.replica.clone().ok_or_else(|| replica::Error::missing(store, REPLICA))?;
    let (held, fresh) = (Roots::of(old, &objects.slots).await, Roots::of(new, &objects.slots).await);
    let location = store.location();
    let begun = match (held.current(&bytes), fresh.current(&bytes)) {
        (Some(_), Some(_)) => return Err(Error::NotNew { kind: new.secret().kind(), location }),
        // Not begun, or not yet so far that the new root key is the right one.
        (Some((root, ids)), None) => {
            let recent = |root: &&Root| root.slot.is_some_and(|(_, created)| is_within(RECENT, created, now));
            let begun = fresh.others(ids.replica, &bytes).filter(recent);
            let begun = begun.max_by_key(|root| root.slot.map(|(id, created)| (created, id)));
            let mut sources = vec![root];
            sources.extend(fresh.others(ids.replica, &bytes).cloned());
            Begun { ids, target: begun.cloned(), sources, is_right: false }
        }
        (None, Some((root, ids))) => {
            let mut sources: Vec<Root> = held.others(ids.replica, &bytes).cloned().collect();
            sources.extend(fresh.others(ids.replica, &bytes).cloned());
            Begun { ids, target: Some(root), sources, is_right: true }
        }
        (None, None) => return Err(refused(&location, old, &held)),
    };
    let replica = begun.ids.replica;

    // Before anything is written, everything is known to open.
    let mut work = Work::new(store, begun.ids, &begun.sources);
    let all_new = work.survey(begun.target.as_ref()).await?;
    let knows_old = held.others(replica, &bytes).next().is_some();
    if begun.is_right && all_new && !knows_old {
        return Err(Error::NothingToFinish { kind: old.secret().kind(), location });
    }

    let (root, slot, made) = match begun.target.and_then(|root| Some((root.key, root.slot?))) {
        Some((root, (slot, made))) => (root, slot, made),
        None => {
            slots::require_room(&Keys::of(&objects), new, &location)?;
            let root = RootKey::generate();
            let slot = slots::put(store, &root, replica, new, label, now).await?;
            (root, slot.id(), slot.created())
        }
    };
    let (epoch, data_keys) = work.rewrap_all(&root, now).await?;

    let of = |roots: &Roots| roots.all.iter().filter_map(|root| root.slot.map(|(id, _)| id)).collect::<Vec<_>>();
    let (opened_by_old, opened_by_new) = (of(&held), of(&fresh));
    let mut old_slots = Keys::of(&objects).slots;
    old_slots.retain(|it| {
        let is_ours = !matches!(it.condition, Condition::OfAnother(_));
        // One that was added after the new root key was the right one is good.
        let is_older = it.created.is_none_or(|created| created <= made);
        it.id != slot && is_ours && (!begun.is_right || is_older || opened_by_old.contains(&it.id))
    });
    // Of those that may be of a change that is at work.
    let stays = |it: &SlotInfo| {
        let created = it.created?;
        match (opened_by_old.contains(&it.id), opened_by_new.contains(&it.id)) {
            (_, true) => is_within(RECENT, created, now).then_some(BEGUN_TWICE),
            (false, false) => is_within(YOUNG, created, now).then_some(MAY_BE_BEGUN),
            (true, false) => None,
        }
    };
    let others = old_slots.extract_if(.., |it| stays(it).is_some());
    let others: Vec<Left> = others.filter_map(|slot| stays(&slot).map(|why| Left { why: why.into(), slot })).collect();
    old_slots.sort_by_key(|it| opened_by_old.contains(&it.id));
    let (removed, mut left) = remove(store, old_slots).await?;
    left.extend(others);
    Ok(RootRotated { slot, epoch, data_keys, removed, left })
}

fn is_within(age: Duration, created: Timestamp, now: Timestamp) -> bool {
    u128::from(now.0.abs_diff(created.0)) <= age.as_millis()
}

/// Why the old secret does not open the replica.
pub(super) fn refused(location: &str, old: &Key, held: &Roots) -> Error {
    let location = location.to_owned();
    let kind = old.secret().kind();
    Error::Replica(match &held.error {
        _ if old.secret().kit().is_some() => replica::Error::WrongKey { kind, location },
        _ if !held.all.is_empty() => replica::Error::Rotated { location },
        seal::Error::WrongSecret(kind) => replica::Error::WrongKey { kind: *kind, location },
        error => replica::Error::Refused { location, source: error.clone() },
    })
}

/// How far it is.
struct Begun {
    ids: ReplicaIds,
    /// The root key to come, if there is one already.
    target: Option<Root>,
    /// Others that data keys may be under.
    sources: Vec<Root>,
    /// `replica` is sealed under the one to come.
    is_right: bool,
}

/// Removes slots in this order: those that are gone, and those that are not.
async fn remove(store: &dyn Store, slots: Vec<SlotInfo>) -> Result<(Vec<SlotInfo>, Vec<Left>), Error> {
    let (mut removed, mut left) = (Vec::new(), Vec::new());
    for slot in slots {
        match store.delete(&KeyName::Slot(slot.id).to_string()).await {
            Ok(()) => removed.push(slot),
            Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Other) => {
                left.push(Left { slot, why: error.to_string() });
            }
            Err(error) => return Err(error.into()),
        }
    }
    let listed = key_names(store).await?;
    let still = |slot: &SlotInfo| listed.contains(&KeyName::Slot(slot.id));
    for slot in removed.extract_if(.., |slot| still(slot)) {
        left.push(Left { slot, why: "the store lists it after it was deleted".into() });
    }
    Ok((removed, left))
}
