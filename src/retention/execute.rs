//! Doing what was planned.

use tokio::time::Instant;

use super::plan::{GenerationPlan, Plan};
use super::remove::{Objects, confirm, remove};
use super::{Error, Holdings, Policy, Report, plan, survivors};
use crate::replica::{Name, Replica, confirmation};
use crate::restore;
use crate::storage::Store;
use crate::units::{SegmentIndex, Timestamp};

impl Plan {
    /// What a policy lets go of a replica. Only listings, manifests, and the outlines of merged segments are read.
    ///
    /// # Errors
    ///
    /// [`restore::Error::NoBackup`] if there is no generation at all; those of the store.
    pub async fn of(replica: &Replica, policy: &Policy, now: Timestamp) -> Result<Plan, Error> {
        let holdings = Holdings::gather(replica, policy, now).await?;
        if holdings.generations.is_empty() {
            return Err(restore::Error::NoBackup { location: replica.location() }.into());
        }
        Ok(plan(&holdings, policy))
    }
}

/// Plans and does it: lets go of everything that a policy does not keep. `now` is our own time; ages are counted by the
/// store's.
///
/// # Errors
///
/// As [`Plan::of`] and [`execute`].
pub async fn enforce(replica: &Replica, policy: &Policy, now: Timestamp) -> Result<Report, Error> {
    let plan = Plan::of(replica, policy, now).await?;
    execute(replica, &plan).await
}

/// Does what was planned: verifies what stays, deletes what goes, and lists it again.
///
/// When this returns, what the report counts is gone. Stopped at any point, every state that was to stay can be
/// restored, and the next run does the rest.
///
/// # Errors
///
/// [`Error::Unverified`] if what stays cannot be restored: nothing was deleted then. Those of the store, before or while
/// deleting; a store that refuses to delete is no error, but reported.
pub async fn execute(replica: &Replica, plan: &Plan) -> Result<Report, Error> {
    let began = Instant::now();
    let mut report = Report::default();
    if !plan.is_empty() {
        survivors::verify(replica, plan).await?;
        for generation in plan.generations.iter().filter(|generation| generation.fate.is_deleted()) {
            remove_generation(&**replica, generation, &mut report).await?;
        }
        for generation in plan.generations.iter().filter(|generation| !generation.fate.is_deleted()) {
            let gone = remove(&**replica, superseded(generation), &mut report).await?;
            confirm(&**replica, gone, &mut report).await?;
        }
    }
    report.duration = began.elapsed();
    Ok(report)
}

/// Deletes a whole generation: what makes it one first, then the rest.
async fn remove_generation(store: &dyn Store, generation: &GenerationPlan, report: &mut Report) -> Result<(), Error> {
    let id = generation.generation;
    let is_head = |name: &Name| matches!(name, Name::Snapshot(_) | Name::Manifest(_));
    let objects = || generation.objects.iter().map(|object| (object.name, object.bytes));
    // The snapshot first, should the store do one after the other.
    let mut head: Vec<(Name, u64)> = objects().filter(|(name, _)| is_head(name)).collect();
    head.sort_by_key(|(name, _)| !matches!(name, Name::Snapshot(_)));
    let (asked, before) = (head.len(), report.objects);
    let gone = remove(store, keys(head), report).await?;
    confirm(store, gone, report).await?;
    if report.objects - before < asked as u64 {
        // Without its segments it would be another generation, and not none.
        return Ok(());
    }
    let mut rest = keys(objects().filter(|(name, _)| !is_head(name)).collect());
    let segments = rest.len() as u64;
    rest.extend(generation.confirmed.then(|| (confirmation(id), 0)));
    let before = report.objects;
    let gone = remove(store, rest, report).await?;
    confirm(store, gone, report).await?;
    report.generations += u64::from(report.objects - before >= segments);
    Ok(())
}

/// The small objects of a generation that others stand for, the newest first: what is left is a chain as far as it goes.
fn superseded(generation: &GenerationPlan) -> Objects {
    let mut names: Vec<(Name, u64)> = generation.superseded().map(|object| (object.name, object.bytes)).collect();
    names.sort_by_key(|&(name, _)| std::cmp::Reverse(last(name)));
    keys(names)
}

fn last(name: Name) -> SegmentIndex {
    match name {
        Name::Segment(_, last) | Name::Merged(_, _, last) => last,
        Name::Snapshot(_) | Name::Manifest(_) => SegmentIndex::ZERO,
    }
}

fn keys(names: Vec<(Name, u64)>) -> Objects {
    names.into_iter().map(|(name, size)| (name.key(), size)).collect()
}
