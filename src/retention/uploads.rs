//! Uploads in parts that nobody has finished: stores keep what was sent of them, and it is paid for, for ever.
//!
//! A replicator gives up its own, also those of a process before it, as far as it knows of them. What is left of requests
//! whose answer was lost, or of a machine that is no more, is found here.

use std::time::Duration;

use crate::replica::{self, Name, Replica};
use crate::units::Timestamp;

/// How old they are at least.
const AGE: Duration = Duration::from_secs(7 * 24 * 60 * 60);

/// Gives up those of objects of this replica that are older than a week, and says how many they were. Those of the newest
/// generation, or of one that is not there yet, may still be gone on with, however long that takes: a snapshot of a large
/// database over a slow line, or through an outage.
///
/// # Errors
///
/// Those of the store: it may not know the request, or not allow it.
pub async fn abort_uploads(replica: &Replica, now: Timestamp) -> Result<usize, replica::Error> {
    let before = Timestamp(now.0.saturating_sub(AGE.as_millis() as i64));
    let Some(newest) = replica::generations(&**replica).await?.pop() else { return Ok(0) };
    let is_past = |key: &str| Name::parse(key).is_some_and(|name| name.generation() < newest);
    let given_up = replica.abort_uploads(before, &is_past).await?;
    if given_up > 0 {
        tracing::info!(given_up, "uploads in parts that nobody had finished for a week were given up");
    }
    Ok(given_up)
}
