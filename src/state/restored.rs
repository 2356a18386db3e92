//! What the database was restored to, until replication has gone on from there.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Acknowledged, Error, StateDir, file};
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

    /// Leaves the note in a state directory, which is made if there is none. Nobody may be replicating there. What is
    /// made belongs to the owner of the database file, who replicates it, and not to who restored it.
    ///
    /// # Errors
    ///
    /// Those of the operating system, and [`Error::Locked`].
    pub fn leave(&self, state_dir: &Path, db: &Path, now: Timestamp) -> Result<(), Error> {
        let made: Vec<PathBuf> =
            state_dir.ancestors().take_while(|folder| !folder.exists()).map(Path::to_path_buf).collect();
        let dir = StateDir::lock(state_dir, now)?;
        let mut text = serde_json::to_vec_pretty(self).expect("plain fields become JSON");
        text.push(b'\n');
        dir.replace(NAME, &[&text], true)?;
        let owner = std::fs::metadata(db).map_err(Error::io("look at", db))?;
        let files = [dir.file(NAME), dir.file("lock")];
        let files = files.into_iter().take(if made.is_empty() { 1 } else { 2 });
        for path in made.into_iter().chain(files) {
            file::give(&path, owner.uid(), owner.gid()).map_err(Error::io("change the owner of", &path))?;
        }
        Ok(())
    }

    /// The note, if there is one that can be read: without it, a restore is only another way for a database to change.
    pub fn load(dir: &StateDir) -> Option<Restored> {
        let bytes = match dir.read(NAME) {
            Ok(bytes) => bytes?,
            Err(error) => {
                tracing::warn!(%error, "cannot read the note of a restore");
                return None;
            }
        };
        serde_json::from_slice(&bytes).ok().filter(|restored: &Restored| restored.format == 1)
    }

    /// Replication has gone on from there. A note that stays is older than what the replica holds then, and does not
    /// count.
    pub fn done(dir: &StateDir) {
        if let Err(error) = dir.remove(NAME) {
            tracing::warn!(%error, "cannot remove the note of a restore");
        }
    }
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Whoever owns the folder of a database could have any file overwritten by the one who restores it.
    #[test]
    fn the_note_is_written_over_nothing_that_a_link_leads_to() {
        let dir = tempfile::tempdir().unwrap();
        let (db, state, precious) =
            (dir.path().join("a.db"), dir.path().join("a.db.waloy/state"), dir.path().join("precious"));
        fs::write(&db, "").unwrap();
        fs::write(&precious, "x").unwrap();
        fs::create_dir_all(&state).unwrap();
        let note = Restored::new(ReplicaId([1; 16]), GenerationId::new(Timestamp(1), [2; 10]), Some(3), Timestamp(4));
        for name in ["restored.json.tmp", "restored.json"] {
            symlink(&precious, state.join(name)).unwrap();
        }
        note.leave(&state, &db, Timestamp(5)).unwrap();
        assert!(!fs::symlink_metadata(state.join(NAME)).unwrap().is_symlink());
        assert_eq!(Restored::load(&StateDir::lock(&state, Timestamp(6)).unwrap()), Some(note.clone()));
        fs::remove_file(state.join("lock")).unwrap();
        symlink(&precious, state.join("lock")).unwrap();
        assert!(note.leave(&state, &db, Timestamp(7)).is_err());
        assert_eq!(fs::read(&precious).unwrap(), b"x");
    }
}
