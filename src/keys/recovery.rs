//! The recovery kit.

use zeroize::Zeroizing;

use super::{Error, unlocked};
use crate::replica::Replica;
use crate::seal::RecoveryKit;

/// The recovery kit of a replica that is unlocked: 88 characters and a newline, which open it when every slot is lost.
///
/// Whoever reads it reads the backup, and can forge one. It is good until the root key is changed; slots and data keys
/// do not touch it.
///
/// # Errors
///
/// [`Error::NotEncrypted`] and [`Error::NoBackup`].
pub fn export_recovery(replica: &Replica) -> Result<Zeroizing<String>, Error> {
    let keys = unlocked::keys(replica)?;
    Ok(RecoveryKit { replica: keys.ids().replica, root: keys.root().clone() }.text())
}
