//! From a secret to the root keys that it leads to: after a change of the root key that was cut short there are two.

use crate::format::ReplicaIds;
use crate::ids::ReplicaId;
use crate::replica::{Key, ids_under};
use crate::seal::{self, RootKey, Slot, SlotId, unlock};
use crate::units::Timestamp;
use bytes::Bytes;

/// A root key, and what it was opened with.
#[derive(Clone, Debug)]
pub(super) struct Root {
    pub(super) key: RootKey,
    pub(super) replica: ReplicaId,
    /// The slot and when it was made; none for a recovery kit.
    pub(super) slot: Option<(SlotId, Timestamp)>,
}

/// The root keys that a secret leads to.
#[derive(Debug)]
pub(super) struct Roots {
    pub(super) all: Vec<Root>,
    /// Why there is none, where there is none.
    pub(super) error: seal::Error,
}

impl Roots {
    /// Tries the secret on the slots. Argon2 runs once for each that it is tried on: at most 16.
    pub(super) async fn of(key: &Key, slots: &[Slot]) -> Roots {
        if let Some(kit) = key.secret().kit() {
            let root = Root { key: kit.root.clone(), replica: kit.replica, slot: None };
            return Roots { all: vec![root], error: seal::Error::Commitment };
        }
        let slots: Vec<Slot> =
            slots.iter().filter(|slot| key.slot().is_none_or(|only| only == slot.id())).cloned().collect();
        let (secret, last, limit) = (key.secret().clone(), key.slot(), key.limit());
        let trying = crate::task::blocking(move || {
            let mut all = Vec::new();
            let tried = unlock(&secret, &slots, last, limit, |slot, key| {
                let slot_of = Some((slot.id(), slot.created()));
                all.push(Root { key: key.clone(), replica: slot.replica(), slot: slot_of });
                // The next one, please.
                Err::<(), _>(seal::Error::Commitment)
            });
            (all, tried.err().unwrap_or(seal::Error::Commitment))
        });
        let (all, error) = trying.await.unwrap_or_else(|error| std::panic::resume_unwind(error.into_panic()));
        Roots { all, error }
    }

    /// The one that these bytes of `replica` are sealed under: it is the right one.
    pub(super) fn current(&self, replica: &Bytes) -> Option<(Root, ReplicaIds)> {
        let opened = self.all.iter().filter_map(|root| {
            let ids = ids_under(&root.key, root.replica, replica).ok()?;
            Some((root.clone(), ids))
        });
        // Of several slots the one that was made last.
        opened.max_by_key(|(root, _)| root.slot.map(|(id, created)| (created, id)))
    }

    /// Those that it leads to without this slot.
    pub(super) fn without(&self, id: SlotId) -> Roots {
        let others = self.all.iter().filter(|root| root.slot.is_none_or(|(slot, _)| slot != id));
        Roots { all: others.cloned().collect(), error: self.error.clone() }
    }

    /// The slots that lead to that one.
    pub(super) fn opening(&self, replica: &Bytes) -> Vec<SlotId> {
        let opens = |root: &&Root| ids_under(&root.key, root.replica, replica).is_ok();
        self.all.iter().filter(opens).filter_map(|root| Some(root.slot?.0)).collect()
    }

    /// Those of this replica that its ids are not sealed under.
    pub(super) fn others(&self, replica: ReplicaId, bytes: &Bytes) -> impl Iterator<Item = &Root> {
        self.all
            .iter()
            .filter(move |root| root.replica == replica && ids_under(&root.key, root.replica, bytes).is_err())
    }
}
