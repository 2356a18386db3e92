//! The root key of a replica: all other keys hang on it.

use secrecy::ExposeSecret;

use super::ReplicaKey;
use super::kdf::{self, Key};
use crate::ids::ReplicaId;

/// The root key of a replica: 32 random bytes, wrapped in every slot and written in the recovery kit.
pub struct RootKey(pub(super) Key);

impl RootKey {
    /// A new one, from the operating system.
    pub fn generate() -> RootKey {
        RootKey(kdf::random_key())
    }

    /// The key of `replica` under this root.
    pub fn replica_key(&self, replica: ReplicaId) -> ReplicaKey {
        ReplicaKey::new(replica, self.derive(replica, b"waloy/v1 replica"))
    }

    /// What data keys are wrapped with.
    pub(super) fn wrap_key(&self, replica: ReplicaId) -> Key {
        self.derive(replica, b"waloy/v1 wrap-data-key")
    }

    fn derive(&self, replica: ReplicaId, info: &[u8]) -> Key {
        kdf::key(|key| kdf::hkdf(&replica.0, self.0.expose_secret(), &[info], key))
    }
}

/// Nothing of it.
impl std::fmt::Debug for RootKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("RootKey")
    }
}

impl Clone for RootKey {
    fn clone(&self) -> RootKey {
        RootKey(kdf::copy(&self.0))
    }
}
