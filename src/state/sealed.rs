//! That the replica is sealed, and with which data key at least.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Error, StateDir};
use crate::ids::ReplicaId;

const NAME: &str = "sealed.json";

/// What is remembered of a sealed replica: nothing that helps to open it.
///
/// Whoever finds this is not to write to that replica in the clear, nor with an older data key: a passphrase that is
/// missing from a configuration stops replication, and a store that is rolled back is found out.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct SealedNote {
    /// The format of this file: 1.
    pub format: u32,
    /// Where the replica is.
    pub destination: String,
    /// The replica.
    pub replica: ReplicaId,
    /// The slot that opened it last, 16 hex digits: tried first at the next start.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub slot: Option<String>,
    /// The highest epoch of a data key that was seen.
    pub epoch: u32,
    /// The id of that data key, 16 hex digits.
    pub data_key: String,
    /// The replica was emptied since, and begun anew: until something of it can be restored, it may have another data key.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_emptied: bool,
}

/// What a state directory says of sealing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Noted {
    /// Nothing: no replica was sealed here.
    Nothing,
    /// This.
    Sealed(SealedNote),
    /// That one was; the rest cannot be read.
    Unreadable,
}

impl SealedNote {
    /// What was noted. A note that cannot be read is still one.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn load(dir: &StateDir) -> Result<Noted, Error> {
        let Some(bytes) = dir.read(NAME)? else { return Ok(Noted::Nothing) };
        let note = serde_json::from_slice::<SealedNote>(&bytes).ok().filter(|note| note.format == 1);
        Ok(note.map_or(Noted::Unreadable, Noted::Sealed))
    }

    /// Whether the replica at this place is known to be sealed, by the note in a state directory that may be another's at
    /// the moment: for those who only read. A note that cannot be read speaks of every place.
    pub fn speaks_of(state_dir: &Path, destination: &str) -> bool {
        match std::fs::read(state_dir.join(NAME)) {
            Ok(bytes) => match serde_json::from_slice::<SealedNote>(&bytes) {
                Ok(note) if note.format == 1 => note.destination == destination,
                _ => true,
            },
            Err(error) => error.kind() != std::io::ErrorKind::NotFound && state_dir.join(NAME).exists(),
        }
    }

    /// Keeps it: on disk when this returns.
    ///
    /// # Errors
    ///
    /// Those of the operating system; nothing may be sealed and sent then.
    pub fn save(&self, dir: &StateDir) -> Result<(), Error> {
        let mut text = serde_json::to_vec_pretty(self).expect("plain fields become JSON");
        text.push(b'\n');
        dir.replace(NAME, &[&text], true)
    }

    /// The database leaves that replica: another one begins, sealed or not.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn forget(dir: &StateDir) -> Result<(), Error> {
        dir.remove(NAME)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    #[test]
    fn a_note_that_cannot_be_read_is_still_one() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::lock(temp.path(), Timestamp(0)).unwrap();
        assert_eq!(SealedNote::load(&dir).unwrap(), Noted::Nothing);
        let note = SealedNote {
            format: 1,
            destination: "memory:".into(),
            replica: ReplicaId([7; 16]),
            slot: Some("5de78078f3e17567".into()),
            epoch: 2,
            data_key: "0fc7ab5a42bef713".into(),
            is_emptied: false,
        };
        assert!(!SealedNote::speaks_of(temp.path(), "memory:"));
        note.save(&dir).unwrap();
        assert!(SealedNote::speaks_of(temp.path(), "memory:") && !SealedNote::speaks_of(temp.path(), "elsewhere"));
        assert_eq!(SealedNote::load(&dir).unwrap(), Noted::Sealed(note));
        for text in [&b"{"[..], b"", b"{\"format\": 2}"] {
            dir.replace(NAME, &[text], false).unwrap();
            assert_eq!(SealedNote::load(&dir).unwrap(), Noted::Unreadable);
            assert!(SealedNote::speaks_of(temp.path(), "elsewhere"));
        }
        SealedNote::forget(&dir).unwrap();
        assert_eq!(SealedNote::load(&dir).unwrap(), Noted::Nothing);
    }
}
