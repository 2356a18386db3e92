//! A new data key.

use super::{Error, unlocked};
use crate::replica::Replica;
use crate::seal::{DataKeyId, Epoch};
use crate::units::Timestamp;

/// A data key that was made.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Rotated {
    /// Its epoch.
    pub epoch: Epoch,
    /// Its id.
    pub id: DataKeyId,
}

/// Makes the data key of the next epoch. Generations that begin from now on are sealed with it: a replicator that runs
/// takes it with its next one, by itself, and one that is started begins one at once. Older generations, and what is still
/// added to the current one, keep theirs.
///
/// When this returns, the key is durable and was read back. Of two at the same time, both take the one that was stored
/// first; where the store keeps no object that is there (no `If-None-Match`), one at a time is the caller's to see to.
///
/// # Errors
///
/// [`Error::NotEncrypted`], [`Error::NoBackup`], [`Error::NoEpoch`]; a changed root key; those of the store. After one
/// of the store the key may be there, and the next call makes one more: that does no harm.
pub async fn rotate(replica: &Replica, now: Timestamp) -> Result<Rotated, Error> {
    let keys = unlocked::keys(replica)?;
    unlocked::require_current(&**replica, keys.root(), keys.ids().replica).await?;
    // Takes the keys that others have made since it was unlocked.
    replica.put_keys_back().await?;
    let next = keys.newest().map_or(Some(Epoch::FIRST), |(newest, _)| newest.next()).ok_or(Error::NoEpoch)?;
    keys.make_data_key(&**replica, next, now).await?;
    let (epoch, id) = keys.newest().ok_or(Error::NoEpoch)?;
    Ok(Rotated { epoch, id })
}
