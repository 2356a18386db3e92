//! The replicator as its owner sees it.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::JoinHandle;
use tokio::time::Instant;

use super::actor::{Actor, one_line, pause};
use super::claim::{Claim, claim};
use super::collector::joined;
use super::context::Context;
use super::control;
use super::error::Error;
use super::event::{Event, Report, Synced};
use super::keeper::Keeper;
use super::options::{Hooks, Options};
use super::pruner::Pruner;
use super::requests::{ENDED, Requests, gone};
use super::session::Session;
use super::status::Status;
use super::turns;
use crate::clock;
use crate::db::{self, Reclaimed, beside};
use crate::error::{Error as PublicError, Kind, Result};
use crate::format::PageHasher;
use crate::ids::WriterId;
use crate::replica::Replica;
use crate::retention;
use crate::state::{Acknowledged, StateDir};
use crate::task::blocking;
use crate::units::Timestamp;
use crate::wal::HEADER_LEN;

/// How long a database that has just appeared without a WAL is let alone before it is opened.
const SETTLED: Duration = Duration::from_secs(2);

/// Replicates one database to one store, from a thread and a task of its own.
///
/// Dropped without [`Replicator::shutdown`], it ends without a last sync; nothing is lost by that, since the next one
/// goes on where this one ended if the WAL still holds the place.
#[derive(Debug)]
pub struct Replicator {
    requests: Requests,
    /// The actor's task, until its end was seen.
    task: Option<JoinHandle<Result<Option<Report>>>>,
    /// How it ended, once that was seen: with a report after a shutdown.
    end: Option<Result<Option<Report>>>,
    /// Answers other processes.
    control: Option<JoinHandle<()>>,
    /// What lets go of what need not be kept.
    pruner: Option<Pruner>,
    pruning: Option<JoinHandle<()>>,
    replica: Replica,
    state_dir: PathBuf,
}

impl Drop for Replicator {
    fn drop(&mut self) {
        if let Some(control) = &self.control {
            control.abort();
        }
        if let Some(pruning) = &self.pruning {
            pruning.abort();
        }
    }
}

impl Replicator {
    /// Opens the database, settles what an earlier process left, and begins to capture. Nothing is uploaded yet but
    /// the ids of a new replica, and what that process had under way.
    ///
    /// If its future is dropped, what it writes to the state directory is written to its end. A call that is made again at
    /// once, in this process, waits a second for that.
    ///
    /// # Errors
    ///
    /// Whatever is wrong with the database, the state directory (another replicator: [`Kind::Locked`]) or the store;
    /// [`Kind::BadKey`] for a key that does not open the replica, or none where it is sealed.
    /// In automatic mode a store that cannot be reached is waited for.
    pub async fn start(options: Options, replica: Replica, hooks: Hooks) -> Result<Replicator> {
        let mut options = options;
        let resolved = wait_for_database(&options).await?;
        // As it was given, since a link in it may be pointed elsewhere; the working directory may change as well.
        options.db_path = std::path::absolute(&options.db_path).unwrap_or_else(|_| resolved.clone());
        preflight(&options).await?;
        let state_dir = options.state_dir.clone().unwrap_or_else(|| default_state_dir(&resolved));
        let state = Arc::new(lock(&state_dir, &hooks).await?);
        let options = Arc::new(options);
        let mut pace = Pace::new(options.clone(), hooks.clone());
        let Claim { replica, ids, conditional, made } = loop {
            // Boxed, as the other one: whoever starts several has all of it on the stack otherwise.
            match turns::starting(Box::pin(claim(&replica, &state, &options, &hooks))).await {
                Ok(claimed) => break claimed,
                Err(error) => pace.again(error).await?,
            }
        };
        if !conditional {
            tracing::warn!(
                "{} replaces objects although it is told not to: a second writer to the same place would be noticed late",
                replica.location()
            );
        }
        let (status, shown) = watch::channel(Status::new(hooks.clock.now(), replica.location()));
        let context = Arc::new(Context {
            options,
            hooks,
            replica,
            writer: writer(&state).await?,
            state,
            hasher: PageHasher::new(&ids.hash_key),
            ids,
            status,
            conditional,
            made,
        });
        let mut overwritten = false;
        let session = loop {
            overwritten |= pace.keeper.saw_overwriting();
            match turns::starting(Box::pin(Session::open(&context, overwritten))).await {
                Ok(session) => break session,
                Err(error) => pace.again(error).await?,
            }
        };
        pace.arrived().await;
        context.tell(Event::Started {
            db: resolved,
            destination: context.replica.location(),
            encrypted: context.replica.is_sealed(),
            db_bytes: u64::from(session.observer.pages) * u64::from(session.observer.page_size.get()),
            generation: session.replica.as_ref().filter(|_| session.goes_on()).map(|replica| replica.generation),
        });
        let (commands, receiver) = mpsc::channel(64);
        let control = control::bind(&state_dir)
            .map(|listener| {
                let clock = Arc::clone(&context.hooks.clock);
                tokio::spawn(control::serve(listener, commands.downgrade(), shown.clone(), clock))
            })
            .inspect_err(|error| tracing::warn!(%error, "cannot take requests of other processes"))
            .ok();
        let policy = context.options.retention.clone();
        let pruner =
            policy.map(|policy| Pruner { replica: context.replica.clone(), policy, hooks: context.hooks.clone() });
        let (automatic, replica) = (context.options.automatic, context.replica.clone());
        let task = tokio::spawn(Box::new(Actor::new(context, session, receiver)).run());
        let requests = Requests::new(commands, shown);
        let mut replicator =
            Replicator { requests, task: Some(task), end: None, control, pruner, pruning: None, replica, state_dir };
        if automatic {
            replicator.begin_pruning();
        }
        Ok(replicator)
    }

    /// Uploads by itself from now on, as in automatic mode.
    ///
    /// # Errors
    ///
    /// Replication has ended.
    pub(crate) async fn automate(&mut self) -> Result<()> {
        self.begin_pruning();
        self.requests.automate().await
    }

    /// Retention goes on by itself from now on.
    fn begin_pruning(&mut self) {
        if let (Some(pruner), None) = (&self.pruner, &self.pruning) {
            self.pruning = Some(tokio::spawn(pruner.clone().run(self.requests.watch())));
        }
    }

    /// Lets go of what [`Options::retention`] does not keep, now. `None`: it keeps everything.
    ///
    /// # Errors
    ///
    /// Those of [`retention::enforce`].
    pub async fn enforce_retention(&self) -> Result<Option<retention::Report>> {
        match &self.pruner {
            Some(pruner) => Ok(Some(pruner.enforce().await?)),
            None => Ok(None),
        }
    }

    /// Brings everything committed before the call to the store, with a snapshot first if there is none. When this
    /// returns, all of it is durable there. `None`: it was already.
    ///
    /// # Errors
    ///
    /// Those of database, state directory and store. What could not be brought there is tried again by the next call.
    pub async fn sync(&self) -> Result<Option<Synced>> {
        self.requests.sync().await
    }

    /// Begins a new generation now. When this returns, its snapshot is durable.
    ///
    /// # Errors
    ///
    /// As [`Replicator::sync`].
    pub async fn snapshot(&self) -> Result<()> {
        self.requests.snapshot().await
    }

    /// Begins a new generation if one is due: there is none, the segments outweigh the snapshot, or the snapshot
    /// interval is over. Says whether it did.
    ///
    /// # Errors
    ///
    /// As [`Replicator::sync`].
    pub async fn rollover_if_due(&self) -> Result<bool> {
        self.requests.rollover_if_due().await
    }

    /// Copies the WAL into the database file now, as far as the application's readers allow.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn checkpoint(&self) -> Result<Reclaimed> {
        self.requests.checkpoint().await
    }

    /// How it is doing.
    pub fn status(&self) -> Status {
        self.requests.status()
    }

    /// To ask it from elsewhere. As long as a clone is there, a replicator that was dropped goes on.
    pub fn requests(&self) -> &Requests {
        &self.requests
    }

    /// The replica, unlocked if it is sealed.
    pub fn replica(&self) -> &Replica {
        &self.replica
    }

    /// Where its local state is.
    pub fn state_dir(&self) -> &Path {
        &self.state_dir
    }

    /// Returns when replication has ended by itself: another writer has taken over, or a bug.
    pub async fn ended(&mut self) -> PublicError {
        self.join().await.err().unwrap_or_else(gone)
    }

    /// A last sync, then the end: the database is released when this returns, and everything committed before the call
    /// is durable in the store. A call whose future is dropped is carried out all the same, and the next one gets its answer.
    ///
    /// # Errors
    ///
    /// As [`Replicator::sync`]; the database is released all the same.
    pub async fn shutdown(&mut self) -> Result<Report> {
        let report = self.requests.shutdown().await;
        if let Some(pruning) = self.pruning.take() {
            pruning.abort();
            let _ = pruning.await;
        }
        if let Some(control) = self.control.take() {
            control.abort();
            let _ = control.await;
        }
        match (self.join().await?, report) {
            (Some(ended), Err(error)) if error.code() == ENDED => Ok(ended),
            (_, report) => report,
        }
    }

    /// The end without a last sync: the database is released when this returns, which it does once every clone of
    /// its [`Requests`] is gone. What is not uploaded is found at the next start.
    pub async fn release(mut self) {
        self.requests.close();
        if let Err(error) = self.join().await {
            tracing::debug!(%error, "replication had ended");
        }
    }

    async fn join(&mut self) -> Result<Option<Report>> {
        if let Some(task) = &mut self.task {
            let end = task.await.unwrap_or_else(|error| {
                Err(PublicError::new(Kind::Internal, "engine.internal", "the replicator has panicked")
                    .because(error.to_string()))
            });
            (self.task, self.end) = (None, Some(end));
        }
        self.end.clone().unwrap_or(Ok(None))
    }
}

/// Where local state is kept unless another place was asked for.
pub fn default_state_dir(db: &Path) -> PathBuf {
    beside(db, ".waloy").join("state")
}

/// A database that is refused leaves nothing behind, here or in the store.
async fn preflight(options: &Options) -> Result<()> {
    let (path, options) = (options.db_path.clone(), options.db_options());
    let done = blocking(move || db::preflight(&path, options)).await;
    done.map_err(|error| PublicError::new(Kind::Internal, "engine.internal", error.to_string()))??;
    Ok(())
}

/// Locks the state directory, made if need be.
async fn lock(state_dir: &Path, hooks: &Hooks) -> Result<StateDir> {
    let (path, now) = (state_dir.to_owned(), hooks.clock.now());
    Ok(joined(blocking(move || StateDir::lock(&path, now)).await)?)
}

/// The id of this state directory, made at its first use. It is the first thing that is durable there: without it, what
/// else is there was left over from one that was deleted, and counts for nothing.
async fn writer(state: &Arc<StateDir>) -> Result<WriterId> {
    const NAME: &str = "writer";
    let state = Arc::clone(state);
    let known_or_made = move || {
        let kept = state.read(NAME)?.and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok());
        if let Some(writer) = kept {
            return Ok::<_, crate::state::Error>(writer);
        }
        if !state.is_new() {
            Acknowledged::forget(&state)?;
        }
        let writer = WriterId(clock::random());
        state.replace(NAME, &[writer.to_string().as_bytes(), b"\n"], true)?;
        Ok(writer)
    };
    Ok(joined(blocking(known_or_made).await)?)
}

/// The database with links resolved, once it is there; a file that an application is about to create is not opened
/// before its WAL has a header, or it has been left alone for a while.
async fn wait_for_database(options: &Options) -> Result<PathBuf> {
    let mut waited = false;
    let mut last: Option<(u64, Instant)> = None;
    loop {
        match db::resolve(&options.db_path) {
            Ok(path) if !waited => return Ok(path),
            Ok(path) => {
                let len = |path: &Path| std::fs::metadata(path).map_or(0, |meta| meta.len());
                let (now, wal) = (len(&path), len(&beside(&path, "-wal")));
                let settled = last.is_some_and(|(len, since)| len == now && since.elapsed() > SETTLED);
                if wal >= HEADER_LEN as u64 || settled {
                    return Ok(path);
                }
                last = last.filter(|&(len, _)| len == now).or(Some((now, Instant::now())));
            }
            Err(db::Error::Missing(_) | db::Error::Empty(_)) if options.wait_for_db => (waited, last) = (true, None),
            Err(error) => return Err(error.into()),
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
}

/// How the start waits for a store that cannot be reached.
struct Pace {
    options: Arc<Options>,
    hooks: Hooks,
    began: Instant,
    attempt: u32,
    degraded: bool,
    keeper: Keeper,
}

impl Pace {
    fn new(options: Arc<Options>, hooks: Hooks) -> Pace {
        Pace { options, hooks, began: Instant::now(), attempt: 0, degraded: false, keeper: Keeper::default() }
    }

    async fn again(&mut self, error: Error) -> Result<()> {
        if !self.options.automatic || !error.is_transient() || matches!(error, Error::Db(_)) {
            return Err(error.into());
        }
        self.attempt += 1;
        let behind = self.began.elapsed();
        let (delay, line) = (pause(self.attempt, behind), one_line(&error));
        if behind > self.options.sync_interval * 3 && !self.degraded {
            self.degraded = true;
            let since = Timestamp(self.hooks.clock.now().0 - behind.as_millis() as i64);
            (self.hooks.events)(Event::Degraded { since, error: line.clone() });
        }
        (self.hooks.events)(Event::Retry { error: line, attempt: self.attempt, delay });
        self.keeper.watch(&self.options, &self.hooks).await;
        tokio::time::sleep(delay).await;
        Ok(())
    }

    /// The store can be reached.
    async fn arrived(mut self) {
        self.keeper.let_go().await;
        if self.degraded {
            (self.hooks.events)(Event::Recovered { after: self.began.elapsed() });
        }
    }
}
