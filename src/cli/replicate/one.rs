//! The replication of one database, from start to end.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use tokio::sync::watch;

use super::board::Board;
use super::reporter::Reporter;
use super::shown;
use crate::cli::context::Context;
use crate::cli::databases::Database;
use crate::cli::destination::{Origin, Source, is_same_device, quoted};
use crate::cli::exit::Exit;
use crate::cli::secret::Encrypt;
use crate::cli::signal::Asked;
use crate::engine::{Hooks, Options, Replicator};
use crate::error::{Error, Kind, Result};
use crate::replica::Replica;
use crate::restore::{self, Output};
use crate::state::Acknowledged;
use crate::storage::{Location, Store};

/// How often the line on a terminal is drawn again.
const TICK: Duration = Duration::from_millis(250);

/// How often a log is told how much was done, if anything was.
const SUMMARY: Duration = Duration::from_secs(300);

/// How soon a snapshot that was asked for is tried again.
const AGAIN: Duration = Duration::from_secs(5);

/// One database of a command.
#[derive(Debug)]
pub struct One {
    pub(super) database: Database,
    pub(super) options: Options,
    pub(super) reporter: Arc<Reporter>,
    /// Begin a new generation at once.
    pub(super) snapshot: bool,
    /// A database that is not there is restored first.
    pub(super) restore_if_missing: bool,
    /// The flags that say what the replica is sealed with.
    pub(super) key_flags: String,
    /// There are others: an error is told at once, since they go on.
    pub(super) several: bool,
}

/// Who asked to end, once somebody did.
type Stopping = watch::Receiver<Option<Asked>>;

impl One {
    /// Replicates until it is asked to end, or once.
    pub(super) async fn run(&self, context: &Context, only_once: bool, stopping: Stopping) -> Result<Exit> {
        let ended = match only_once {
            true => {
                let mut stopping = stopping;
                tokio::select! {
                    ended = Box::pin(self.once(context)) => ended,
                    asked = asked(&mut stopping) => Ok(Exit::Signal(asked)),
                }
            }
            false => self.until_stopped(context, stopping).await,
        };
        self.reporter.clear();
        if self.several
            && let Err(error) = &ended
        {
            context.ui.error(error);
        }
        ended
    }

    async fn once(&self, context: &Context) -> Result<Exit> {
        let mut replicator = self.start(context).await?;
        if self.snapshot {
            replicator.snapshot().await.map_err(|error| self.explain(error))?;
        }
        replicator.sync().await.map_err(|error| self.explain(error))?;
        let began = Instant::now();
        let report = replicator.shutdown().await.map_err(|error| self.explain(error))?;
        self.reporter.done(&report, began.elapsed());
        Ok(Exit::Ok)
    }

    async fn until_stopped(&self, context: &Context, mut stopping: Stopping) -> Result<Exit> {
        let mut replicator = tokio::select! {
            // Boxed: a thousand databases would have the room for their starts as long as they are replicated.
            started = Box::pin(self.start(context)) => started?,
            asked = asked(&mut stopping) => return Ok(Exit::Signal(asked)),
        };
        if self.snapshot {
            tokio::select! {
                done = snapshot(&replicator) => if done.is_err() { return Err(self.explain(replicator.ended().await)) },
                _ = asked(&mut stopping) => {}
            }
        }
        let mut tick = tokio::time::interval(TICK);
        tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
        let mut summary = tokio::time::interval_at(tokio::time::Instant::now() + SUMMARY, SUMMARY);
        loop {
            tokio::select! {
                error = replicator.ended() => return Err(self.explain(error)),
                _ = asked(&mut stopping) => break,
                _ = tick.tick(), if self.reporter.draws() => self.reporter.draw(&replicator.status()),
                _ = summary.tick() => self.reporter.summarize(&replicator.status()),
            }
        }
        self.reporter.stopping();
        let began = Instant::now();
        let report = replicator.shutdown().await.map_err(|error| self.explain(error))?;
        self.reporter.done(&report, began.elapsed());
        Ok(Exit::Ok)
    }

    async fn start(&self, context: &Context) -> Result<Replicator> {
        let mut options = self.options.clone();
        let store = self.seal(context, &mut options).await?;
        if self.restore_if_missing && !self.database.path.exists() {
            let restored = self.restore(context).await?;
            if !restored && !options.automatic {
                let db = self.database.path.display();
                let message = format!("there is neither {db} nor a backup of it at {}", store.location());
                return Err(Error::new(Kind::NoBackup, "restore.no_backup", message)
                    .hint("nothing was done: --once does not wait for a database"));
            }
            options.wait_for_db |= !restored;
        }
        let reporter = Arc::clone(&self.reporter);
        let hooks = Hooks {
            progress: context.progress(),
            events: Arc::new(move |event| reporter.tell(&event)),
            ..Hooks::default()
        };
        let started = Replicator::start(options, Replica::plain(store), hooks).await;
        let replicator = started.map_err(|error| self.explain(error))?;
        self.remember(context);
        if replicator.replica().is_sealed() && replicator.status().generation.is_none() {
            self.warn_of_the_key(context);
        }
        self.warn_of_same_device(context);
        Ok(replicator)
    }

    /// Says what the replica is sealed with, and where it is.
    #[cfg(feature = "encryption")]
    async fn seal(&self, context: &Context, options: &mut Options) -> Result<Arc<dyn Store>> {
        let store = context.store(&self.database.destination).await?;
        options.key = context.key_to_write(&self.database.destination, &store).await?;
        options.in_the_clear = context.global.secret.encrypt == Encrypt::Off;
        Ok(store)
    }

    #[cfg(not(feature = "encryption"))]
    async fn seal(&self, context: &Context, options: &mut Options) -> Result<Arc<dyn Store>> {
        options.in_the_clear = context.global.secret.encrypt == Encrypt::Off;
        Ok(context.open(&self.database.destination).await?.store().clone())
    }

    /// Keeps how the bucket was reached, for the commands that find the replica by themselves.
    fn remember(&self, context: &Context) {
        let Database { destination, state_dir, .. } = &self.database;
        let Location::S3 { .. } = destination.location else { return };
        let whole = context.reached(destination).whole;
        if destination.reach.as_ref() != Some(&whole)
            && let Err(error) = whole.save(state_dir, &destination.location.to_string())
        {
            tracing::warn!(error = %Error::from(error), "cannot keep how the bucket was reached");
        }
    }

    /// The same error with hints that can be pasted.
    fn explain(&self, error: Error) -> Error {
        let path = |path: &Path| quoted(&shown(path));
        match error.code() {
            "replica.other" => {}
            "replica.another_database" => {
                let (db, place) = (path(&self.database.path), &self.database.destination.location);
                let to = if let Location::Directory(_) = place { "--to " } else { "" };
                let place = quoted(&place.to_string());
                return Error::new(error.kind(), error.code(), error.to_string())
                    .hint("give each database a destination of its own; WALOY_DEST names that of one database")
                    .hint(format!(
                        "if it is this one, restored from there and changed since:  waloy replicate {db} {to}{place} --adopt"
                    ));
            }
            "replica.replaced" => {
                let db = path(&self.database.path);
                return Error::new(error.kind(), error.code(), error.to_string())
                    .hint(format!("the backup is as it was:  waloy restore {db} -o FILE"))
                    .hint(format!(
                        "if it is meant, begin a new generation, and keep the old one:  waloy replicate {db} --adopt"
                    ));
            }
            "replica.cannot_tell" => {
                let db = path(&self.database.path);
                return Error::new(error.kind(), error.code(), error.to_string())
                    .hint(format!(
                        "if it is, begin a new generation, and keep what is there:  waloy replicate {db} --adopt"
                    ))
                    .hint("see what is wrong:  waloy verify");
            }
            "replica.not_encrypted" => {
                let (db, state) = (path(&self.database.path), path(&self.database.state_dir));
                let place = self.database.destination.location.to_string();
                let new = format!("{}-sealed", place.trim_end_matches('/'));
                let to = if let Location::Directory(_) = self.database.destination.location { "--to " } else { "" };
                let key = &self.key_flags;
                return Error::new(error.kind(), error.code(), error.to_string())
                    .hint("a backup is encrypted from its first object: a new one begins, under another prefix")
                    .hint(format!("mv {state} {state}.open && waloy replicate {db} {to}{}{key}", quoted(&new)))
                    .hint(format!(
                        "what is at {place} stays readable by anyone who can read it there: delete it when it may go"
                    ));
            }
            "replica.busy" => {
                let db = path(&self.database.path);
                return error.hint(format!("or take it over, with a new generation:  waloy replicate {db} --adopt"));
            }
            "replica.overtaken" => {
                let (db, state) = (path(&self.database.path), path(&self.database.state_dir));
                return error
                    .hint(format!(
                        "to take it back with a new generation:  waloy replicate {db} --on-conflict new-generation"
                    ))
                    .hint(format!(
                        "once the other one has stopped, to go on here instead, without what only it has:  mv {state} {state}.old"
                    ));
            }
            "db.missing" if self.several => {
                let place = path(&self.database.path);
                return error.hint(format!("if it is a directory for the replica:  waloy replicate DB --to {place}"));
            }
            _ => return error,
        }
        let (db, state) = (path(&self.database.path), path(&self.database.state_dir));
        let mut explained = Error::new(error.kind(), error.code(), error.to_string());
        if let Some(noted) = Acknowledged::read(&self.database.state_dir) {
            explained =
                explained.hint(format!("to go on there:  waloy replicate {db} --to {}", quoted(&noted.destination)));
        }
        explained.hint(format!("to begin a new replica, and leave the old one as it is:  mv {state} {state}.old"))
    }

    /// Restores the newest state to where the database belongs. `false`: the store has answered that it has no backup.
    async fn restore(&self, context: &Context) -> Result<bool> {
        let replica = context.open(&self.database.destination).await?;
        let options = restore::Options {
            concurrency: usize::from(context.global.s3.concurrency),
            progress: context.progress(),
            state_dir: Some(self.database.state_dir.clone()),
            ..restore::Options::default()
        };
        let output = Output::new(&self.database.path);
        match restore::restore_missing(&replica, &output, &options).await {
            Ok(report) => {
                self.reporter.restored(&report);
                Ok(true)
            }
            Err(restore::Error::NoBackup { location }) => {
                self.reporter.waiting(&location);
                Ok(false)
            }
            Err(error) => {
                let source =
                    Source { db: Some(self.database.path.clone()), destination: self.database.destination.clone() };
                Err(source.explain(error, &context.ui))
            }
        }
    }

    /// A replica that begins is worth a word about what it takes to open it.
    fn warn_of_the_key(&self, context: &Context) {
        let place = &self.database.destination.location;
        let db = quoted(&self.database.path.to_string_lossy());
        context.ui.warn(
            "key.keep",
            &format!("{place} is encrypted: whoever loses its key loses the backup, and nobody can bring it back"),
            &[format!(
                "keep its passphrase or key elsewhere, and a recovery kit on paper:  waloy key export-recovery {db}"
            )],
        );
    }

    /// A replica that is lost together with its database is worth a word each time.
    fn warn_of_same_device(&self, context: &Context) {
        let (path, destination) = (&self.database.path, &self.database.destination);
        let Location::Directory(directory) = &destination.location else { return };
        if !is_same_device(path, &destination.location) {
            return;
        }
        let (db, directory) = (path.display(), shown(directory));
        if destination.origin == Origin::BuiltIn {
            let message = format!(
                "no destination configured: backing up to\n         {directory} on the SAME DISK as {db}\n         \
                 this protects against mistakes, not against losing this disk."
            );
            let hints = [
                format!("waloy replicate {} s3://bucket/app", quoted(&path.to_string_lossy())),
                "or:  export WALOY_DEST=s3://bucket/app".to_owned(),
            ];
            context.ui.warn("destination.same_device", &message, &hints);
        } else {
            let message = format!("{directory} is on the same disk as {db}");
            context.ui.warn("destination.same_device", &message, &[]);
        }
    }
}

/// Brings a replica level, and ends.
///
/// # Errors
///
/// Those of the library.
pub async fn once(context: &Context, database: Database) -> Result<Exit> {
    let options = Options { automatic: false, ..database.options(&context.global) };
    let board = Arc::new(Board::new(&context.ui, 1));
    let reporter = Reporter::new(context, &database, &options, (board, 0));
    let key_flags = context.global.secret.repeated();
    let one =
        One { database, options, reporter, snapshot: false, restore_if_missing: false, key_flags, several: false };
    one.once(context).await
}

/// Begins a new generation, however long the store cannot be reached. An error: the replicator has ended.
async fn snapshot(replicator: &Replicator) -> Result<()> {
    loop {
        match replicator.snapshot().await {
            Err(error) if error.code() == "engine.ended" => return Err(error),
            Err(error) => tracing::warn!(%error, "cannot begin the generation that was asked for; trying again"),
            Ok(()) => return Ok(()),
        }
        tokio::time::sleep(AGAIN).await;
    }
}

async fn asked(stopping: &mut Stopping) -> Asked {
    match stopping.wait_for(Option::is_some).await {
        Ok(asked) => asked.unwrap_or(Asked::Interrupt),
        // Nobody can ask any more.
        Err(_) => std::future::pending().await,
    }
}
