//! How the replica is sealed: as it is configured, and never less than it was.

use std::sync::Arc;

use super::context::Context;
use super::error::Error;
use super::options::Options;
use crate::replica::Replica;
use crate::state::{Noted, SealedNote, StateDir};
use crate::units::Timestamp;

/// The replica as it is configured: unlocked, or begun sealed, or in the clear.
///
/// A database that was sealed is not replicated in the clear because a passphrase is missing from a configuration.
pub(super) async fn open(
    replica: &Replica,
    state: &Arc<StateDir>,
    options: &Options,
    now: Timestamp,
) -> Result<Replica, Error> {
    let noted = SealedNote::load(state)?;
    #[cfg(feature = "encryption")]
    if let Some(key) = &options.key {
        return sealed::open(replica, key, noted, state, options, now).await;
    }
    let _ = now;
    match noted {
        Noted::Sealed(note) if !options.in_the_clear || note.destination == replica.location() => {
            Err(Error::WasSealed { destination: note.destination })
        }
        Noted::Unreadable if !options.in_the_clear => Err(Error::WasSealed { destination: replica.location() }),
        Noted::Nothing | Noted::Sealed(_) | Noted::Unreadable => Ok(replica.clone()),
    }
}

impl Context {
    /// Remembers the newest data key, before anything that is sealed with it leaves this machine.
    pub(super) fn note_keys(&self) -> Result<(), Error> {
        #[cfg(feature = "encryption")]
        sealed::note(&self.replica, &self.state)?;
        Ok(())
    }

    /// All keys are put where there is nothing. Who is cut short in that makes another data key, and as long as there is
    /// nothing to be restored, that is the right one.
    pub(super) fn forget_keys(&self) -> Result<(), Error> {
        #[cfg(feature = "encryption")]
        sealed::forget(&self.state)?;
        Ok(())
    }
}

#[cfg(feature = "encryption")]
mod sealed {
    use super::*;
    use crate::clock;
    use crate::engine::claim::{self, require_meant};
    use crate::format::ReplicaIds;
    use crate::ids::{DatabaseId, HashKey, ReplicaId};
    use crate::replica::{self, Key};
    use crate::state::{Acknowledged, Claimed};

    pub(super) async fn open(
        replica: &Replica,
        key: &Key,
        noted: Noted,
        state: &Arc<StateDir>,
        options: &Options,
        now: Timestamp,
    ) -> Result<Replica, Error> {
        let (store, location) = (replica.store().clone(), replica.location());
        let may_leave = options.may_leave.as_deref();
        let (here, elsewhere) = match Acknowledged::load(state)? {
            Some(known) if known.destination == location => (Some(known), false),
            Some(known) => (None, Some(&*known.destination) != may_leave),
            None => (None, false),
        };
        let noted = match noted {
            Noted::Sealed(note) => Some(note),
            Noted::Nothing | Noted::Unreadable => None,
        };
        let last = noted.as_ref().and_then(|note| note.slot.as_ref()?.parse().ok());
        let mut unlocked = match Replica::unlock_last(&store, key, last, now).await {
            Err(replica::Error::Open { .. }) => return Err(Error::NotEncrypted { location }),
            unlocked => unlocked.map_err(overtaken)?,
        };
        // Where this database belongs elsewhere, nothing is begun: it is refused.
        if unlocked.keys().is_none() && !elsewhere {
            if here.is_some() && !replica::has_snapshot(&*store).await? {
                // What was known of a replica in this place is of one that is gone.
                require_meant(&location, state, options)?;
                Acknowledged::forget(state)?;
            }
            // A start of ours that was cut short is taken up. The slot of anybody else is not: its root key may be known.
            let begun = match Claimed::load(state)? {
                Some(id) if Replica::is_begun(&store, key, id).await.map_err(overtaken)? => Some(id),
                _ => None,
            };
            let fresh = ReplicaIds {
                replica: begun.unwrap_or_else(|| ReplicaId(clock::random())),
                database: DatabaseId(clock::random()),
                hash_key: HashKey(clock::entropy()),
            };
            // Before it is so: whoever is cut short in between has claimed it all the same.
            claim::note(state, fresh.replica).await?;
            unlocked = Replica::begin(store.clone(), key, &fresh, now).await.map_err(overtaken)?;
            if let (Some(known), Some(keys)) = (&here, unlocked.keys())
                && known.replica == keys.ids().replica
            {
                // It was not gone: what is known of it counts.
                known.save(state)?;
            }
        } else if let (Some(known), Some(keys)) = (&here, unlocked.keys())
            && known.replica != keys.ids().replica
        {
            return Err(Error::AnotherReplica { location });
        }
        if let (Some(note), Some(keys)) = (noted, unlocked.keys())
            && note.replica == keys.ids().replica
            && (!note.is_emptied || replica::has_snapshot(&*store).await?)
        {
            let known = keys.keyring().data_keys().find(|(epoch, _)| epoch.0 == note.epoch);
            match known {
                Some((_, id)) if id.to_string() == note.data_key => {}
                Some(_) => return Err(Error::OtherDataKey { location, epoch: note.epoch }),
                None => return Err(Error::RolledBack { location, epoch: note.epoch }),
            }
        }
        if !elsewhere {
            note(&unlocked, state)?;
        }
        Ok(unlocked)
    }

    /// A data key of another replica: somebody who began in the same moment has put it there, on a store that replaces what
    /// is there. Whoever goes on puts its own back.
    fn overtaken(error: replica::Error) -> Error {
        use crate::seal::{self, What};
        match error {
            replica::Error::Seal { object, source: seal::Error::Misplaced { what: What::DataKey, .. } } => {
                Error::Overtaken { object }
            }
            error => error.into(),
        }
    }

    pub(super) fn forget(state: &StateDir) -> Result<(), Error> {
        let Noted::Sealed(note) = SealedNote::load(state)? else { return Ok(()) };
        Ok(SealedNote { is_emptied: true, ..note }.save(state)?)
    }

    pub(super) fn note(replica: &Replica, state: &StateDir) -> Result<(), Error> {
        let Some(keys) = replica.keys() else { return Ok(()) };
        let Some((epoch, data_key)) = keys.newest() else { return Ok(()) };
        let note = SealedNote {
            format: 1,
            destination: replica.location(),
            replica: keys.ids().replica,
            slot: keys.slot().map(|slot| slot.to_string()),
            epoch: epoch.0,
            data_key: data_key.to_string(),
            is_emptied: false,
        };
        if SealedNote::load(state)? != Noted::Sealed(note.clone()) {
            note.save(state)?;
        }
        Ok(())
    }
}
