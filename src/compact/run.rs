//! Doing what was planned.

use std::collections::HashMap;
use std::collections::hash_map::Entry;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde::{Serialize, Serializer};

use super::merge::{Outcome, merge};
use super::plan::parts;
use super::{Error, Levels, Plan, PlannedMerge};
use crate::format::PageHasher;
use crate::ids::GenerationId;
use crate::progress::{During, Phase, Progress, Silent};
use crate::replica::{self, Objects, REPLICA, Replica, read_ids};

/// How merging is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// When ranges close.
    pub levels: Levels,
    /// Requests at a time, at least 1.
    pub concurrency: usize,
    /// Is told how far it is.
    pub progress: Arc<dyn Progress>,
}

impl Default for Options {
    /// The usual levels, eight requests at a time; tells nobody.
    fn default() -> Options {
        Options { levels: Levels::default(), concurrency: 8, progress: Arc::new(Silent) }
    }
}

/// What was merged.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Report {
    /// The location of the replica.
    pub source: String,
    /// The merged segments that are there now and were read back.
    pub merged: Vec<PlannedMerge>,
    /// The size of those in the store.
    pub stored_bytes: u64,
    /// Bytes of the objects that were read for them.
    pub read_bytes: u64,
    /// Merges that somebody else had made meanwhile, or whose objects were gone: the next run sees to them.
    pub skipped: usize,
    /// How long it took.
    #[serde(rename = "duration_seconds", serialize_with = "seconds")]
    pub duration: Duration,
}

/// Merges what was planned, in order. Each merged segment is durable, was read back and compared before the next one is
/// begun. Nothing is deleted, and what a running replicator does meanwhile does no harm.
///
/// A merge that is under way when the future is dropped is made to its end.
///
/// # Errors
///
/// Damage, those of the store; what was merged before is there.
pub async fn compact(replica: &Replica, plan: &Plan, options: &Options) -> Result<Report, Error> {
    let began = Instant::now();
    let mut report = Report {
        source: replica.location(),
        merged: Vec::new(),
        stored_bytes: 0,
        read_bytes: 0,
        skipped: 0,
        duration: Duration::ZERO,
    };
    if plan.is_empty() {
        return Ok(report);
    }
    let ids = read_ids(replica).await?.ok_or_else(|| replica::Error::missing(&**replica, REPLICA))?;
    let hasher = PageHasher::new(&ids.hash_key);
    let _bar = During::begin(&*options.progress, Phase::Merge, None);
    let mut listed: HashMap<GenerationId, Objects> = HashMap::new();
    for planned in &plan.merges {
        let id = planned.generation;
        let objects = match listed.entry(id) {
            Entry::Occupied(there) => there.into_mut(),
            Entry::Vacant(place) => place.insert(Objects::list(&**replica, id, None).await?),
        };
        let parts = parts(objects, planned);
        if parts.len() < 2 {
            report.skipped += 1;
            continue;
        }
        match blocking(replica, planned, &parts, &hasher, options).await {
            Ok(Outcome::Made(size)) => {
                tracing::debug!(object = %planned.name, bytes = size, objects = parts.len(), "merged");
                objects.merged.push((planned.first, planned.last, size));
                report.stored_bytes += size;
                report.read_bytes += parts.iter().map(|&(_, size)| size).sum::<u64>();
                report.merged.push(planned.clone());
            }
            Ok(Outcome::Exists) => {
                tracing::info!(object = %planned.name, "somebody else has merged this range meanwhile");
                report.skipped += 1;
            }
            Err(error) if error.is_missing() => {
                tracing::warn!(object = %planned.name, %error, "not merged now: an object is gone that was listed");
                report.skipped += 1;
                listed.remove(&id);
            }
            Err(error) => return Err(error),
        }
    }
    report.duration = began.elapsed();
    Ok(report)
}

/// Hashing and compressing take their time: not on a thread that others wait for.
async fn blocking(
    replica: &Replica,
    planned: &PlannedMerge,
    parts: &[(replica::Name, u64)],
    hasher: &PageHasher,
    options: &Options,
) -> Result<Outcome, Error> {
    let (replica, planned, parts) = (replica.clone(), planned.clone(), parts.to_vec());
    let (hasher, options, runtime) = (hasher.clone(), options.clone(), tokio::runtime::Handle::current());
    let merging = tokio::task::spawn_blocking(move || {
        runtime.block_on(async { merge(&replica, &planned, &parts, &hasher, &options).await })
    });
    match merging.await {
        Ok(outcome) => outcome,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => unreachable!("nobody cancels the task: {error}"),
        },
    }
}

fn seconds<S: Serializer>(duration: &Duration, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_f64((duration.as_secs_f64() * 1000.0).round() / 1000.0)
}
