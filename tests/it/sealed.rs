//! Sealed replicas.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

mod canary;
mod damage;
mod golden;
mod hostile;
mod keys;
mod life;
mod rollback;
mod start;
mod vault;

use std::path::Path;
use std::sync::Arc;

use waloy::engine::Options;
use waloy::replica::{Key, Replica};
use waloy::restore::{self, Output, Report, Target};
use waloy::seal::{Cost, Secret};
use waloy::storage::{MemoryStore, Store};

/// What Argon2 may cost least: it is waited for in every test.
const CHEAP: Cost = Cost { memory_kib: 19 << 10, passes: 1, lanes: 1 };

/// A key of a passphrase. Each is another secret as far as Argon2 is counted.
pub(crate) fn key(passphrase: &str) -> Key {
    Key::new(Secret::from_passphrase(passphrase.as_bytes()).unwrap()).with_cost(CHEAP)
}

/// A replicator that uploads when asked, to a replica under this key.
pub(crate) fn manual(db: &Path, key: &Key) -> Options {
    let mut options = Options::new(db);
    options.automatic = false;
    options.key = Some(key.clone());
    options
}

/// The store, as whoever has no key sees it.
pub(crate) fn bare(memory: &MemoryStore) -> Replica {
    Replica::plain(store(memory))
}

pub(crate) fn store(memory: &MemoryStore) -> Arc<dyn Store> {
    Arc::new(memory.clone())
}

/// Restores into a directory of its own.
pub(crate) async fn restore(replica: &Replica, target: Target) -> Result<(Report, Vec<u8>), restore::Error> {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("restored.db");
    let report = restore::restore(replica, target, &Output::new(&path), &restore::Options::default()).await?;
    Ok((report, std::fs::read(path).unwrap()))
}
