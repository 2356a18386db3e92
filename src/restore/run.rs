//! Doing what was planned.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::time::Instant;

use super::output::{Placed, Prepared, TempFile};
use super::plan::{PLANS, whole};
use super::walk::Taken;
use super::{Anchor, Error, LeftOut, Opening, Output, Pages, Plan, Report, Take, Target, Walk, integrity, plan};
use crate::clock::{self, Clock};
use crate::format::{Outline, PageHasher};
use crate::ids::ReplicaId;
use crate::progress::{During, Phase, Progress, Silent};
use crate::replica::chain::{self, Link};
use crate::replica::{self, Name, REPLICA, Replica, ReplicaIds, read_ids};
use crate::state::Restored;
use crate::units::{SegmentIndex, Timestamp};

/// What is checked of a restored database before it is put in its place. The chain of objects and the hash of every
/// page always are.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Default)]
pub enum Check {
    /// Nothing more: to save what can be saved.
    None,
    /// The checksum of the whole database: that it is the one that the replicator had.
    #[default]
    Checksum,
    /// Also `PRAGMA quick_check`: everything but indexes against their tables.
    Quick,
    /// Also `PRAGMA integrity_check`.
    Full,
}

/// How a restore is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests at a time, at least 1. Memory follows it: some 3 MiB each.
    pub concurrency: usize,
    /// Is told how far it is.
    pub progress: Arc<dyn Progress>,
    /// Tells the time that a database put aside gets into its name.
    pub clock: Arc<dyn Clock>,
    /// What is checked.
    pub check: Check,
    /// The state directory of the replicator of this file, if the restore puts it back where it was: is left a note of
    /// what it was restored to, so that replication can tell an earlier state from lost pages.
    pub state_dir: Option<PathBuf>,
    /// The replica must reach this, also where an earlier state is restored.
    pub anchor: Option<Anchor>,
}

impl Default for Options {
    /// Eight requests at a time; tells nobody; checks the checksum.
    fn default() -> Options {
        Options {
            concurrency: 8,
            progress: Arc::new(Silent),
            clock: clock::system(),
            check: Check::Checksum,
            state_dir: None,
            anchor: None,
        }
    }
}

/// Restores a state into a file. When this returns, the file is proven, durable, and in its place.
///
/// # Errors
///
/// Whatever is wrong with replica, store or target; the target is then as it was.
pub async fn restore(replica: &Replica, target: Target, output: &Output, options: &Options) -> Result<Report, Error> {
    Restore::prepare(replica, target, output).await?.run(options).await
}

/// A restore that is planned, and that its target has room for. Nothing has been written yet.
#[derive(Debug)]
pub struct Restore {
    replica: Replica,
    target: Target,
    prepared: Prepared,
    plan: Plan,
    /// Merged segments that were found damaged so far.
    damaged: Vec<LeftOut>,
    began: Instant,
}

impl Restore {
    /// Plans a restore into a file.
    ///
    /// # Errors
    ///
    /// Those of [`plan()`]; a target that cannot be written or is in use, no room.
    pub async fn prepare(replica: &Replica, target: Target, output: &Output) -> Result<Restore, Error> {
        let began = Instant::now();
        Restore::into_prepared(replica, target, Prepared::new(output).await?, began).await
    }

    /// Plans a restore into a file without a name, on the disk of this directory. To be ended by
    /// [`Restore::run_unnamed`].
    ///
    /// # Errors
    ///
    /// Those of [`plan()`]; no such directory, no room.
    pub async fn prepare_unnamed(replica: &Replica, target: Target, directory: &Path) -> Result<Restore, Error> {
        let began = Instant::now();
        Restore::into_prepared(replica, target, Prepared::unnamed(directory)?, began).await
    }

    async fn into_prepared(
        replica: &Replica,
        target: Target,
        prepared: Prepared,
        began: Instant,
    ) -> Result<Restore, Error> {
        let plan = plan(replica, target).await?;
        prepared.room(plan.db_bytes())?;
        let damaged = plan.left_out.clone();
        Ok(Restore { replica: replica.clone(), target, prepared, plan, damaged, began })
    }

    /// What will be restored, from what.
    pub fn plan(&self) -> &Plan {
        &self.plan
    }

    /// What was asked for.
    pub fn target(&self) -> Target {
        self.target
    }

    /// Does it. When this returns, the file is proven, durable, and in its place.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with replica, store or target; the target is then as it was.
    pub async fn run(mut self, options: &Options) -> Result<Report, Error> {
        let (temp, fetched, replica) = self.fetch(options).await?;
        let placed = self.prepared.commit(temp, options.clock.now()).await?;
        if let Some(state_dir) = &options.state_dir {
            self.leave_a_note(replica, state_dir, options.clock.now());
        }
        let output = self.prepared.clone().into_path();
        Ok(self.report(output, placed, fetched, options))
    }

    /// Does it. When this returns, the file is proven; it is gone when it is closed.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with replica, store or disk.
    pub async fn run_unnamed(mut self, options: &Options) -> Result<(Report, Arc<File>), Error> {
        let (temp, fetched, _) = self.fetch(options).await?;
        let file = temp.into_unnamed()?;
        Ok((self.report(PathBuf::from("-"), Placed::default(), fetched, options), file))
    }

    /// The database is restored with or without it.
    fn leave_a_note(&self, replica: ReplicaId, state_dir: &Path, now: Timestamp) {
        let index = self.plan.point.index().map(SegmentIndex::get);
        let db = self.prepared.clone().into_path();
        let left = Restored::new(replica, self.plan.generation, index, now).leave(state_dir, &db, now);
        if let Err(error) = left {
            tracing::warn!(%error, "cannot leave a note of the restore for the replicator");
        }
    }

    fn report(self, output: PathBuf, placed: Placed, downloaded_bytes: u64, options: &Options) -> Report {
        Report {
            requested: self.target,
            checksum: self.plan.checksum,
            plan: self.plan,
            output,
            kept: placed.kept,
            discarded: placed.discarded,
            moved: placed.moved,
            check: options.check,
            downloaded_bytes,
            duration: self.began.elapsed(),
        }
    }

    /// Fetches everything into a temporary file, proves and syncs it. Also says how many bytes were fetched, and from
    /// which replica.
    async fn fetch(&mut self, options: &Options) -> Result<(TempFile, u64, ReplicaId), Error> {
        let ids = hash_key(&self.replica).await?;
        if let Some(anchor) = &options.anchor {
            anchor.check(&self.replica).await?;
        }
        let mut replanned = 0;
        let (temp, fetched) = loop {
            match download(&self.replica, &self.plan, &ids, &self.prepared, options).await {
                Ok(done) => break done,
                Err(error) => self.plan = self.another_plan(error, &mut replanned).await?,
            }
        };
        if let (Some(anchor), Target::Latest) = (&options.anchor, self.target) {
            // What was listed to plan it may have been less.
            anchor.precedes(&self.plan.source, self.plan.generation, self.plan.point)?;
        }
        Ok((temp, fetched, ids.replica))
    }

    /// Another plan where there is one that this error does not speak against; otherwise the error.
    async fn another_plan(&mut self, error: Error, replanned: &mut u32) -> Result<Plan, Error> {
        // What was planned with may be gone by now, and something else in its place.
        if (error.is_missing() || self.plan.hinted && error.is_damage()) && *replanned + 1 < PLANS {
            *replanned += 1;
            let again = whole(&self.replica, self.target, &self.damaged).await?;
            if again.objects != self.plan.objects {
                return Ok(again);
            }
        }
        // Each of these is tried without once: so it comes to an end.
        for suspect in LeftOut::suspects(&*self.replica, &error, &self.damaged) {
            let name = suspect.name;
            self.damaged.push(suspect);
            let again = whole(&self.replica, self.target, &self.damaged).await?;
            if again.objects.iter().all(|object| object.name != name) {
                return Ok(again);
            }
        }
        Err(error)
    }
}

/// The ids, and with them the key of page hashes: nothing can be proven without it.
pub(crate) async fn hash_key(replica: &Replica) -> Result<ReplicaIds, Error> {
    read_ids(replica).await?.ok_or_else(|| replica::Error::missing(&**replica, REPLICA).into())
}

/// Fetches everything into a temporary file, proves and syncs it. Also says how many bytes were fetched.
async fn download(
    replica: &Replica,
    plan: &Plan,
    ids: &ReplicaIds,
    prepared: &Prepared,
    options: &Options,
) -> Result<(TempFile, u64), Error> {
    let temp = prepared.temp(plan.db_bytes()).await?;
    let pages = Arc::new(temp.pages(plan.page_size));
    let during = |phase, total| During::begin(&*options.progress, phase, total);
    let bar = during(Phase::Restore, Some(plan.stored_bytes()));
    let fetched = fill(replica, plan, ids, pages, options).await?;
    drop(bar);
    let bar = during(Phase::Sync, None);
    temp.finish(plan.db_bytes()).await?;
    drop(bar);
    if options.check >= Check::Quick {
        let _bar = during(Phase::Check, None);
        integrity::prove(plan, temp.path(), options.check == Check::Full).await?;
    }
    Ok((temp, fetched))
}

async fn fill(
    replica: &Replica,
    plan: &Plan,
    ids: &ReplicaIds,
    pages: Arc<dyn Pages>,
    options: &Options,
) -> Result<u64, Error> {
    let mut walk = Walk::new(PageHasher::new(&ids.hash_key), pages, options.concurrency, options.progress.clone());
    let newest_first: Vec<(Name, u64)> = plan.objects.iter().rev().map(|object| (object.name, object.bytes)).collect();
    let mut opening = Opening::new(replica, newest_first, &walk);
    let mut later: Option<(Link, String)> = None;
    let mut epoch = None;
    while let Some((_, reader)) = opening.next().await {
        let reader = reader?;
        // Whatever a store says of its data keys from one moment to the next: a generation has one.
        if *epoch.get_or_insert(reader.epoch()) != reader.epoch() {
            let says = "another data key than its generation".into();
            return Err(replica::Error::Misplaced { object: reader.object(), says }.into());
        }
        let link = Link::of(reader.outline());
        match &later {
            None => {
                as_planned(reader.outline(), plan, || reader.object())?;
                walk.begin(reader.outline());
            }
            Some((later, object)) => {
                if let Some(&why) = chain::breaks(&link, later).first() {
                    return Err(Error::Broken { object: object.clone(), before: Box::new(reader.name()), why });
                }
            }
        }
        later = Some((link, reader.object()));
        walk.object(reader, Take::Wanted).await;
        stop_at_failure(&mut walk)?;
    }
    walk.drain().await;
    stop_at_failure(&mut walk)?;
    replica.require_order(plan.generation).await?;
    all_of_it(plan, walk.taken(), options.check)?;
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
fn all_of_it(plan: &Plan, taken: Option<Taken>, check: Check) -> Result<(), Error> {
    let Some(taken) = taken else { unreachable!("a plan has objects") };
    let generation = plan.generation;
    if let Some(page) = taken.first_missing {
        return Err(Error::Incomplete { generation, page, missing: taken.missing });
    }
    match taken.checksum == plan.checksum || check == Check::None {
        true => Ok(()),
        false => Err(Error::Checksum { generation, point: plan.point, expected: plan.checksum, found: taken.checksum }),
    }
}
