//! The ids of a replica, claimed by its first writer.

use bytes::Bytes;

use super::{Document, Error, REPLICA, Replica};
use crate::format::ReplicaIds;
use crate::storage::{Put, Retry};

/// The ids of the replica at this store; `None` if nobody has claimed them.
///
/// # Errors
///
/// Those of the store, [`Error::Damaged`], and [`Error::Sealed`] for an encrypted replica.
pub async fn read_ids(replica: &Replica) -> Result<Option<ReplicaIds>, Error> {
    let Some(bytes) = Document::Replica.read(replica).await? else { return Ok(None) };
    ReplicaIds::parse(&bytes).map(Some).map_err(|source| Error::damaged(&**replica, REPLICA, source))
}

/// Whether the store keeps an object that is there when it is told to, as `If-None-Match: *` does: found out by putting
/// the ids once more, the same bytes, so that nothing is lost where it does not.
///
/// # Errors
///
/// Those of the store.
pub async fn keeps_what_is_there(replica: &Replica, ids: &ReplicaIds) -> Result<bool, Error> {
    let (retry, mut failed) = (Retry::default(), 0);
    loop {
        match Document::Replica.keeps_what_is_there(replica, ids.encode()).await {
            // Read again before each try: it may have been replaced meanwhile, as when the root key is rotated.
            Err(Error::Store(error)) if error.is_transient() && failed + 1 < retry.tries => {
                failed += 1;
                retry.pause(failed).await;
                if read_ids(replica).await?.as_ref() != Some(ids) {
                    return Err(error.into());
                }
            }
            tried => return tried,
        }
    }
}

/// Writes the ids over those that are there, and says what was there, as it is stored. When this returns, they are durable.
pub(crate) async fn replace_ids(replica: &Replica, ids: &ReplicaIds) -> Result<Option<Bytes>, Error> {
    let before = Document::Replica.stored(replica).await?;
    Document::Replica.put(replica, ids.encode()).await?;
    Ok(before)
}

/// Claims the replica with these ids unless it has some already, and says which it has now: who loses a race takes the
/// winner's. When this returns, they are durable.
///
/// # Errors
///
/// Those of the store and of [`read_ids`].
pub async fn claim_ids(replica: &Replica, fresh: &ReplicaIds) -> Result<ReplicaIds, Error> {
    let _: Put = Document::Replica.put_if_absent(replica, fresh.encode()).await?;
    // Read back in either case: a store that ignores the condition has the last writer's, and so have all readers.
    match read_ids(replica).await? {
        Some(ids) => Ok(ids),
        None => Err(Error::missing(&**replica, REPLICA)),
    }
}
