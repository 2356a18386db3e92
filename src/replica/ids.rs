//! The ids of a replica, claimed by its first writer.

use bytes::Bytes;

use super::{Error, REPLICA};
use crate::format::ReplicaIds;
use crate::ids::ObjectKind;
use crate::storage::{Put, Store};

/// Room for a sealed one, which is then refused by its right name.
const LIMIT: u64 = 4096;

/// The ids of the replica at this store; `None` if nobody has claimed them.
///
/// # Errors
///
/// Those of the store, [`Error::Damaged`], and [`Error::Sealed`] for an encrypted replica.
pub async fn read_ids(store: &dyn Store) -> Result<Option<ReplicaIds>, Error> {
    let bytes = match store.get(REPLICA, LIMIT).await {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Error::refuse_sealed(store, REPLICA, ObjectKind::Replica, &bytes)?;
    ReplicaIds::parse(&bytes).map(Some).map_err(|source| Error::damaged(store, REPLICA, source))
}

/// Whether the store keeps an object that is there when it is told to, as `If-None-Match: *` does: found out by putting
/// the ids once more, the same bytes, so that nothing is lost where it does not.
///
/// # Errors
///
/// Those of the store.
pub async fn keeps_what_is_there(store: &dyn Store, ids: &ReplicaIds) -> Result<bool, Error> {
    Ok(store.put_if_absent(REPLICA, Bytes::from(ids.encode())).await? == Put::Exists)
}

/// Claims the replica with these ids unless it has some already, and says which it has now: who loses a race takes the
/// winner's. When this returns, they are durable.
///
/// # Errors
///
/// Those of the store and of [`read_ids`].
pub async fn claim_ids(store: &dyn Store, fresh: &ReplicaIds) -> Result<ReplicaIds, Error> {
    let _: Put = store.put_if_absent(REPLICA, Bytes::from(fresh.encode())).await?;
    // Read back in either case: a store that ignores the condition has the last writer's, and so have all readers.
    match read_ids(store).await? {
        Some(ids) => Ok(ids),
        None => Err(Error::missing(store, REPLICA)),
    }
}
