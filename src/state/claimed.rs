//! Of which replica the ids were put by us, where there was nothing that could be restored.

use super::{Error, StateDir};
use crate::ids::ReplicaId;

const NAME: &str = "claimed";

/// That this database began the replica, or began it anew in a place that had been emptied: what is there without a snapshot
/// was left over from before, and is nobody's backup.
#[derive(Debug)]
pub struct Claimed;

impl Claimed {
    /// Keeps it: on disk when this returns.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn save(dir: &StateDir, replica: ReplicaId) -> Result<(), Error> {
        dir.replace(NAME, &[replica.to_string().as_bytes(), b"\n"], true)
    }

    /// Which one it is; `None` also if that cannot be read.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn load(dir: &StateDir) -> Result<Option<ReplicaId>, Error> {
        Ok(dir.read(NAME)?.and_then(|bytes| std::str::from_utf8(bytes.trim_ascii()).ok()?.parse().ok()))
    }

    /// Whether it is this one.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn is(dir: &StateDir, replica: ReplicaId) -> Result<bool, Error> {
        Ok(dir.read(NAME)?.is_some_and(|bytes| bytes.trim_ascii() == replica.to_string().as_bytes()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    #[test]
    fn the_last_one_is_known() {
        let temp = tempfile::tempdir().unwrap();
        let dir = StateDir::lock(temp.path(), Timestamp(0)).unwrap();
        let (one, other) = (ReplicaId([1; 16]), ReplicaId([2; 16]));
        assert!(!Claimed::is(&dir, one).unwrap());
        assert_eq!(Claimed::load(&dir).unwrap(), None);
        for last in [one, other] {
            Claimed::save(&dir, last).unwrap();
            assert_eq!([one, other].map(|id| Claimed::is(&dir, id).unwrap()), [last == one, last == other]);
            assert_eq!(Claimed::load(&dir).unwrap(), Some(last));
        }
    }
}
