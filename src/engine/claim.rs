//! Whose replica it is.

use std::path::Path;
use std::sync::Arc;

use super::collector::joined;
use super::context::FIRST;
use super::error::Error;
use super::keys;
use super::options::{Hooks, Options};
use super::rival::Moment;
use crate::clock;
use crate::ids::{DatabaseId, HashKey, ReplicaId};
use crate::replica::{self, Replica, ReplicaIds};
use crate::state::{Acknowledged, Claimed, Conditional, StateDir};
use crate::task::blocking;
use crate::units::Timestamp;

/// The ids of the replica at this store, claimed if nobody has; refused if this database is replicated elsewhere, unless
/// it may leave there.
///
/// `true`: they were made here, after a listing that had no generation.
async fn ids(replica: &Replica, state: &Arc<StateDir>, options: &Options) -> Result<(ReplicaIds, bool), Error> {
    let mut known = Acknowledged::load(state)?;
    if let Some(left) = known.take_if(|known| {
        options.may_leave.as_ref() == Some(&known.destination) && known.destination != replica.location()
    }) {
        tracing::info!(from = left.destination, "a new replica begins; the one before stays where it is");
        Acknowledged::forget(state)?;
    }
    let other = |known: &Acknowledged| match (known.destination.clone(), replica.location()) {
        (known, asked) if known == asked => Error::OtherReplica { location: asked },
        (known, asked) => Error::OtherDestination { known, asked },
    };
    let (mut found, mut nobody) = (replica::read_ids(replica).await?, false);
    if found.is_none() {
        if let Some(known) = known.as_ref().filter(|known| known.destination != replica.location()) {
            return Err(other(known));
        }
        nobody = nothing_there(options) || replica::generations(&**replica).await?.is_empty();
        // With other ids nothing of what is there could be read any more; they may still be found in a version of the
        // bucket. Without a snapshot nothing can be restored: segments that came while everything was deleted.
        if !nobody && replica::has_snapshot(&**replica).await? {
            let missing = || replica::Error::missing(&**replica, replica::REPLICA);
            // Unless somebody has begun meanwhile.
            found = Some(replica::read_ids(replica).await?.ok_or_else(missing)?);
        }
    }
    match (found, known) {
        // The same replica may have been moved.
        (Some(ids), Some(known)) if ids.replica != known.replica => Err(other(&known)),
        (Some(ids), _) => Ok((ids, false)),
        (None, known) => {
            if known.is_some() {
                // What was known is of what is gone, and what was under way belongs there.
                require_meant(&replica.location(), state, options)?;
                Acknowledged::forget(state)?;
            }
            let fresh = ReplicaIds {
                replica: ReplicaId(clock::random()),
                database: DatabaseId(clock::random()),
                hash_key: HashKey(clock::entropy()),
            };
            // Before it is so: whoever is cut short in between has claimed it all the same.
            note(state, fresh.replica).await?;
            let claimed = replica::claim_ids(replica, &fresh).await?;
            if let Some(known) = known.filter(|known| known.replica == claimed.replica) {
                // It was not gone: what is known of it counts.
                known.save(state)?;
            }
            Ok((claimed, claimed == fresh && nobody))
        }
    }
}

/// Keeps that the replica with this id was begun here: on disk when this returns.
pub(super) async fn note(state: &Arc<StateDir>, id: ReplicaId) -> Result<(), Error> {
    let state = Arc::clone(state);
    joined(blocking(move || Claimed::save(&state, id)).await)
}

/// Somebody has listed a moment ago, and there was nothing.
fn nothing_there(options: &Options) -> bool {
    options.nothing_there.is_some_and(|seen| seen.elapsed() < FIRST)
}

/// There was a backup, and is nothing now. A directory is empty when the disk that belongs there is not mounted: what is
/// written then is on another one, and hides the backup from whoever looks for it. A bucket that was emptied is made good at
/// once, as one that is emptied while it is written to.
pub(super) fn require_meant(location: &str, state: &StateDir, options: &Options) -> Result<(), Error> {
    let (folder, beside) = (Path::new(location), state.file("").parent().map(Path::to_path_buf));
    // The one beside the database goes and comes with it.
    if folder.is_absolute() && folder.parent() != beside.as_deref() && !options.adopt {
        return Err(Error::Gone { location: location.to_owned() });
    }
    tracing::warn!("there was a backup at {location}, and is nothing now: a new one begins");
    Ok(())
}

/// A replica that may be written to.
pub(super) struct Claim {
    /// Sealed or not.
    pub(super) replica: Replica,
    pub(super) ids: ReplicaIds,
    /// The store keeps an object that is there when it is told to.
    pub(super) conditional: bool,
    /// When its ids were put here, where there had been nothing.
    pub(super) made: Option<Moment>,
}

/// Whose the replica is: found or made there, and ours to write to.
///
/// # Errors
///
/// Those of the store, a replica of another database, and a key that does not open it.
pub(super) async fn claim(
    replica: &Replica,
    state: &Arc<StateDir>,
    options: &Options,
    hooks: &Hooks,
) -> Result<Claim, Error> {
    let (now, before) = (hooks.clock.now(), Moment::now(hooks));
    let replica = keys::open(replica, state, options, now).await?;
    let (ids, made) = ids(&replica, state, options).await?;
    let made = made.then_some(before);
    // What `ids` asked last was what they are, in every case.
    let were_read_just_now = replica.is_known_to_keep().is_some();
    if is_conditional(&replica, state, &ids, now).await? {
        return Ok(Claim { replica, ids, conditional: true, made });
    }
    // Of several who begin in the same moment, the last one's stay: as far as that is seen here. Whoever comes later is seen
    // by the hint and the listing.
    let read = if were_read_just_now { Ok(Some(ids)) } else { replica::read_ids(&replica).await };
    let stayed = match read {
        // Sealed with another root key.
        Err(replica::Error::Seal { .. }) => {
            let object = format!("{}/{}", replica.location(), replica::REPLICA);
            return Err(Error::Overtaken { object });
        }
        stayed => stayed?,
    };
    let stayed = stayed.unwrap_or(ids);
    #[cfg(feature = "encryption")]
    if replica.keys().is_some_and(|keys| *keys.ids() != stayed) {
        // Objects are bound to the ids that it was unlocked with.
        let object = format!("{}/{}", replica.location(), replica::REPLICA);
        return Err(Error::Overtaken { object });
    }
    Ok(Claim { replica, ids: stayed, conditional: false, made: made.filter(|_| stayed == ids) })
}

/// Whether the store keeps an object that is there when it is told to.
async fn is_conditional(replica: &Replica, state: &StateDir, ids: &ReplicaIds, now: Timestamp) -> Result<bool, Error> {
    if Conditional::is_known(state, &replica.location(), now)? {
        return Ok(true);
    }
    let conditional = replica::keeps_what_is_there(replica, ids).await?;
    if conditional {
        Conditional::note(state, replica.location(), now)?;
    }
    Ok(conditional)
}
