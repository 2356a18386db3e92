//! What a replica is opened and sealed with.

use crate::seal::{Cost, KdfLimit, Secret, SlotId};

/// A secret, and how it is used. Clones share the secret, and what Argon2 made of it: it runs once a process and slot.
#[derive(Clone, Debug)]
pub struct Key {
    secret: Secret,
    limit: KdfLimit,
    slot: Option<SlotId>,
    cost: Cost,
}

impl Key {
    /// With the costs and limits that are usual.
    pub fn new(secret: Secret) -> Key {
        Key { secret, limit: KdfLimit::default(), slot: None, cost: Cost::default() }
    }

    /// What a slot may ask of this machine.
    #[must_use]
    pub fn with_limit(self, limit: KdfLimit) -> Key {
        Key { limit, ..self }
    }

    /// Opens with this slot alone.
    #[must_use]
    pub fn with_slot(self, slot: Option<SlotId>) -> Key {
        Key { slot, ..self }
    }

    /// What a new slot asks for.
    #[must_use]
    pub fn with_cost(self, cost: Cost) -> Key {
        Key { cost, ..self }
    }

    /// The secret.
    pub fn secret(&self) -> &Secret {
        &self.secret
    }

    /// What a slot may ask for.
    pub fn limit(&self) -> KdfLimit {
        self.limit
    }

    /// The only slot that is opened, if one was named.
    pub fn slot(&self) -> Option<SlotId> {
        self.slot
    }

    /// What a new slot asks for.
    pub fn cost(&self) -> Cost {
        self.cost
    }
}

/// Whether both are the same secret in the same place of memory, used in the same way; secrets are not compared.
impl PartialEq for Key {
    fn eq(&self, other: &Key) -> bool {
        let how = |key: &Key| (key.limit, key.slot, key.cost);
        self.secret.is_same(&other.secret) && how(self) == how(other)
    }
}
