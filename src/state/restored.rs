//! What the database was restored to, until replication has gone on from there.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Acknowledged, Error, StateDir};
use crate::ids::{GenerationId, ReplicaId};
use crate::units::Timestamp;

const NAME: &str = "restored.json";

/// A restore of the database that this state directory belongs to.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Restored {
    /// The format of this file: 1.
    pub format: u32,
    /// The replica that it was restored from.
    pub replica: ReplicaId,
    /// The generation.
    pub generation: GenerationId,
    /// The last segment of it that is in the database; `None`: only its snapshot.
    pub index: Option<u64>,
    /// When that was done, in milliseconds since 1970.
    pub at_ms: i64,
}

impl Restored {
    /// This point of this replica.
    pub fn new(replica: ReplicaId, generation: GenerationId, index: Option<u64>, at: Timestamp) -> Restored {
        Restored { format: 1, replica, generation, index, at_ms: at.0 }
    }

    /// Whether the replica went on after this point.
    pub fn is_before(&self, known: &Acknowledged) -> bool {
        (self.generation, self.index) < (known.generation, known.index)
    }

    /// Leaves the note in a state directory, which is made if there is none. Nobody may be replicating there.
    ///
    /// # Errors
    ///
    /// Those of the operating system, and [`Error::Locked`].
    pub fn leave(&self, state_dir: &Path, now: Timestamp) -> Result<(), Error> {
        let dir = StateDir::lock(state_dir, now)?;
        let mut text = serde_json::to_vec_pretty(self).expect("plain fields become JSON");
        text.push(b'\n');
        dir.replace(NAME, &[&text], true)
    }

    /// The note, if there is one that can be read.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn load(dir: &StateDir) -> Result<Option<Restored>, Error> {
        let Some(bytes) = dir.read(NAME)? else { return Ok(None) };
        Ok(serde_json::from_slice(&bytes).ok().filter(|restored: &Restored| restored.format == 1))
    }

    /// Replication has gone on from there.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn forget(dir: &StateDir) -> Result<(), Error> {
        dir.remove(NAME)
    }
}
