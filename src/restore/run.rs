//! Doing what was planned.

use std::sync::Arc;

use tokio::time::Instant;

use super::output::{Prepared, TempFile};
use super::walk::Taken;
use super::{Error, Opening, Output, Pages, Plan, Report, Take, Target, Walk, plan};
use crate::clock::{self, Clock};
use crate::format::{Outline, PageHasher};
use crate::progress::{Phase, Progress, Silent};
use crate::replica::chain::{self, Link};
use crate::replica::{self, Name, REPLICA, ReplicaIds, read_ids};
use crate::storage::Store;

/// How often a restore plans again when an object is gone that was listed: merging and retention take objects away
/// once others stand for them.
const PLANS: u32 = 3;

/// How a restore is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests at a time, at least 1. Memory follows it: some 3 MiB each.
    pub concurrency: usize,
    /// Is told how far it is.
    pub progress: Arc<dyn Progress>,
    /// Tells the time that a database put aside gets into its name.
    pub clock: Arc<dyn Clock>,
}

impl Default for Options {
    /// Eight requests at a time; tells nobody.
    fn default() -> Options {
        Options { concurrency: 8, progress: Arc::new(Silent), clock: clock::system() }
    }
}

/// Restores a state into a file. When this returns, the file is proven, durable, and in its place.
///
/// # Errors
///
/// Whatever is wrong with replica, store or target; the target is then as it was.
pub async fn restore(
    store: &Arc<dyn Store>,
    target: Target,
    output: &Output,
    options: &Options,
) -> Result<Report, Error> {
    let began = Instant::now();
    let prepared = Prepared::new(output).await?;
    let mut planned = plan(store, target).await?;
    let ids = hash_key(&**store).await?;
    for attempt in 1.. {
        match download(store, &planned, &ids, &prepared, options).await {
            Ok((temp, fetched)) => {
                let kept = prepared.commit(temp, options.clock.now()).await?;
                return Ok(Report {
                    requested: target,
                    checksum: planned.checksum,
                    plan: planned,
                    output: prepared.into_path(),
                    kept,
                    downloaded_bytes: fetched,
                    duration: began.elapsed(),
                });
            }
            Err(error) if error.is_missing() && attempt < PLANS => {
                let again = plan(store, target).await?;
                if again == planned {
                    return Err(error);
                }
                planned = again;
            }
            Err(error) => return Err(error),
        }
    }
    unreachable!("the last attempt returns")
}

/// The ids, and with them the key of page hashes: nothing can be proven without it.
pub(crate) async fn hash_key(store: &dyn Store) -> Result<ReplicaIds, Error> {
    read_ids(store).await?.ok_or_else(|| replica::Error::missing(store, REPLICA).into())
}

/// Fetches everything into a temporary file, proves and syncs it. Also says how many bytes were fetched.
async fn download(
    store: &Arc<dyn Store>,
    plan: &Plan,
    ids: &ReplicaIds,
    prepared: &Prepared,
    options: &Options,
) -> Result<(TempFile, u64), Error> {
    let temp = prepared.temp(plan.db_bytes()).await?;
    let pages = Arc::new(temp.pages(plan.page_size)?);
    options.progress.begin(Phase::Restore, Some(plan.stored_bytes()));
    let fetched = fill(store, plan, ids, pages, options).await;
    options.progress.end();
    let fetched = fetched?;
    let temp = temp.finish(plan.db_bytes()).await?;
    Ok((temp, fetched))
}

async fn fill(
    store: &Arc<dyn Store>,
    plan: &Plan,
    ids: &ReplicaIds,
    pages: Arc<dyn Pages>,
    options: &Options,
) -> Result<u64, Error> {
    let mut walk = Walk::new(PageHasher::new(&ids.hash_key), pages, options.concurrency, options.progress.clone());
    let newest_first: Vec<(Name, u64)> = plan.objects.iter().rev().map(|object| (object.name, object.bytes)).collect();
    let mut opening = Opening::new(store, newest_first, &walk);
    let mut later: Option<(Link, String)> = None;
    while let Some((_, reader)) = opening.next().await {
        let reader = reader?;
        let link = Link::of(reader.outline());
        match &later {
            None => {
                as_planned(reader.outline(), plan, || reader.object())?;
                walk.begin(reader.outline());
            }
            Some((later, object)) => {
                if let Some(&why) = chain::breaks(&link, later).first() {
                    return Err(Error::Broken { object: object.clone(), why });
                }
            }
        }
        later = Some((link, reader.object()));
        walk.object(reader, Take::Wanted).await;
        stop_at_failure(&mut walk)?;
    }
    walk.drain().await;
    stop_at_failure(&mut walk)?;
    whole(plan, walk.taken())?;
    Ok(walk.fetched())
}

/// An object is never written twice: what was planned with is what is read now.
fn as_planned(newest: &Outline, plan: &Plan, object: impl FnOnce() -> String) -> Result<(), Error> {
    let (pages, checksum) = (newest.summary.pages_after, newest.summary.checksum_after);
    match (pages, checksum, newest.header.page_size) == (plan.pages, plan.checksum, plan.page_size) {
        true => Ok(()),
        false => {
            Err(replica::Error::Misplaced { object: object(), says: "another state than a moment ago".into() }.into())
        }
    }
}

fn stop_at_failure(walk: &mut Walk) -> Result<(), Error> {
    match walk.failures().into_iter().next() {
        Some(failed) => Err(failed.error),
        None => Ok(()),
    }
}

/// Every page is there, and all together are the database that the replicator had.
fn whole(plan: &Plan, taken: Option<Taken>) -> Result<(), Error> {
    let Some(taken) = taken else { unreachable!("a plan has objects") };
    let generation = plan.generation;
    if let Some(page) = taken.first_missing {
        return Err(Error::Incomplete { generation, page, missing: taken.missing });
    }
    match taken.checksum == plan.checksum {
        true => Ok(()),
        false => Err(Error::Checksum { generation, point: plan.point, expected: plan.checksum, found: taken.checksum }),
    }
}
