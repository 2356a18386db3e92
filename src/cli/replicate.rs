//! `waloy replicate`

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures_util::future::join_all;
use tokio::sync::watch;

use super::context::Context;
use super::databases::{Database, Databases};
use super::destination::quoted;
use super::exit::Exit;
use super::signal::{Asked, Signals};
use crate::compress::Compression;
use crate::config::{duration, size};
use crate::db;
use crate::engine::{Checkpoints, OnConflict, Options};
use crate::error::{Error, Kind, Result};
use crate::retention::{Keep, Policy};

mod board;
mod events;
mod one;
mod reporter;
mod survey;

use board::Board;
pub use one::{One, once};
pub use reporter::Reporter;

/// Back up running databases, continuously
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "waloy replicate [OPTIONS] DB... [URL]",
    before_help = "Examples:
  waloy replicate app.db s3://bucket/app
  waloy replicate app.db --to /mnt/nas/app
  waloy replicate app.db s3://bucket/app --endpoint http://localhost:9000
  waloy replicate a.db b.db 's3://bucket/{db}'       {db} is the name of each
  waloy replicate a.db=s3://one/a b.db=s3://two/b    each with a place of its own
  waloy replicate app.db s3://bucket/app --restore-if-missing    in a container
  waloy replicate app.db             beside the database: against mistakes only
"
)]
pub struct Args {
    #[command(flatten)]
    databases: Databases,
    /// Bring the replica level once, and stop
    #[arg(long)]
    once: bool,
    /// The shortest time between two uploads
    #[arg(long, value_name = "DUR", default_value = "1s", env = "WALOY_SYNC_INTERVAL", value_parser = duration::parse)]
    sync_interval: Duration,
    /// Begin a new generation this often, if anything changed
    #[arg(long, value_name = "DUR", default_value = "off", value_parser = duration::parse_positive_or_off)]
    snapshot_interval: Interval,
    /// Every moment of the last so long stays restorable; older generations are deleted, as by `waloy prune`, after each
    /// new generation and once an hour. `off` keeps all
    #[arg(
        long, value_name = "DUR", default_value = "30d", env = "WALOY_RETENTION",
        value_parser = duration::parse_positive_or_off
    )]
    retention: Interval,
    /// Beyond that, the generation with the last point of so many days, weeks, months: daily=90,weekly=8,monthly=24
    #[arg(long, value_name = "POINTS")]
    keep: Option<Keep>,
    /// How long every single upload stays, and what is no longer needed for those who read it; nothing younger is
    /// deleted
    #[arg(long, value_name = "DUR", default_value = "24h", value_parser = duration::parse)]
    grace: Duration,
    /// How to compress: none, lz4, zstd (level 3; what is large, as a snapshot, level 1), or zstd:1 to zstd:19
    #[arg(long, value_name = "HOW", default_value = "zstd", env = "WALOY_COMPRESSION")]
    compression: Compression,
    /// Size of the WAL above which it is checkpointed
    #[arg(long, value_name = "SIZE", default_value = "4MiB", value_parser = size::parse)]
    checkpoint_threshold: u64,
    /// Who checkpoints
    #[arg(long, value_name = "WHO", default_value = "auto")]
    checkpoint: Checkpoint,
    /// Convert a database in rollback-journal mode to WAL mode; the change is permanent
    #[arg(long)]
    set_wal: bool,
    /// Wait for a database that does not exist yet
    #[arg(long)]
    wait_for_db: bool,
    /// Restore a database that does not exist; if the store says that there is no backup of it, wait for it
    #[arg(long)]
    restore_if_missing: bool,
    /// Begin a new generation now, with a snapshot
    #[arg(long)]
    snapshot: bool,
    /// Go on at a prefix whose backup does not look like this database: with a new generation, marked `replaced`
    #[arg(long)]
    adopt: bool,
    /// What to do when another waloy has taken the prefix over
    #[arg(long, value_name = "WHAT", default_value = "stop")]
    on_conflict: Conflict,
}

/// How often, or never.
type Interval = Option<Duration>;

/// Who checkpoints.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Checkpoint {
    /// Waloy, when the WAL is above its threshold
    Auto,
    /// Only the application
    Off,
}

/// What to do about another writer.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Conflict {
    /// End, with exit code 11
    Stop,
    /// Take it back with a new generation, once an hour at most
    NewGeneration,
}

/// Runs the command.
///
/// # Errors
///
/// Those of the library; what makes no sense on the command line.
pub async fn run(context: &Context, args: Args, signals: &mut Signals) -> Result<Exit> {
    if let (Some(limit), false) = (context.global.timeout, args.once) {
        let message =
            format!("--timeout {} ends a command, and replicate runs until it is stopped", duration::format(limit));
        return Err(Error::new(Kind::Usage, "usage.timeout", message).hint("add --once, or leave --timeout away"));
    }
    let databases = args.databases.resolve(&context.global)?;
    let several = databases.len() > 1;
    for database in &databases {
        let alone = !several && !args.wait_for_db && !args.restore_if_missing;
        if alone || database.path.is_dir() {
            require_there(database, &databases[0])?;
        }
    }
    let board = Arc::new(Board::new(&context.ui, databases.len()));
    let mut all: Vec<One> = databases
        .into_iter()
        .enumerate()
        .map(|(place, database)| args.one(context, database, (Arc::clone(&board), place)))
        .collect();
    // Of several, one that cannot be replicated keeps none of the others from it.
    let (stop, stopping) = watch::channel(None);
    let work = async {
        survey::note_what_is_empty(context, &mut all).await;
        let each = all.iter().map(|one| one.run(context, args.once, stopping.clone()));
        context.within(None, async { Ok(join_all(each).await) }).await
    };
    let mut ends = match until_stopped(work, stop, signals).await {
        Ok(ends) => ends?,
        Err(asked) => {
            context.ui.note("stopped at once: what was not uploaded is when waloy is started again");
            return Ok(Exit::Signal(asked));
        }
    };
    if !several && let Some(end) = ends.pop() {
        return end;
    }
    let exits: Vec<Exit> = ends.into_iter().map(|end| end.unwrap_or_else(|error| Exit::Kind(error.kind()))).collect();
    Ok(Exit::of_several(&exits))
}

/// A path that leads nowhere ends the command before anything begins.
fn require_there(database: &Database, first: &Database) -> Result<()> {
    let Err(error) = db::resolve(&database.path) else { return Ok(()) };
    let error = Error::from(error);
    if database == first {
        return Err(error);
    }
    let [first, path] = [first, database].map(|database| quoted(&database.path.to_string_lossy()));
    Err(error.hint(format!("if it is a directory for the replica:  waloy replicate {first} --to {path}")))
}

/// Runs to the end; the first signal asks for it, the second one does not wait.
async fn until_stopped<T>(
    work: impl Future<Output = T>,
    stop: watch::Sender<Option<Asked>>,
    signals: &mut Signals,
) -> Result<T, Asked> {
    tokio::pin!(work);
    tokio::select! {
        done = &mut work => return Ok(done),
        asked = signals.next() => drop(stop.send_replace(Some(asked))),
    }
    tokio::select! {
        done = work => Ok(done),
        again = signals.next() => Err(again),
    }
}

impl Args {
    fn one(&self, context: &Context, database: Database, place: (Arc<Board>, usize)) -> One {
        let options = Options {
            automatic: !self.once,
            sync_interval: self.sync_interval,
            snapshot_interval: self.snapshot_interval,
            retention: self.retention.map(|retention| Policy {
                grace: self.grace,
                keep: self.keep.unwrap_or_default(),
                ..Policy::new(Some(retention))
            }),
            compression: self.compression,
            checkpoint_threshold: self.checkpoint_threshold,
            checkpoints: match self.checkpoint {
                Checkpoint::Auto => Checkpoints::Auto,
                Checkpoint::Off => Checkpoints::Off,
            },
            set_wal: self.set_wal,
            wait_for_db: self.wait_for_db,
            adopt: self.adopt,
            on_conflict: match self.on_conflict {
                Conflict::Stop => OnConflict::Stop,
                Conflict::NewGeneration => OnConflict::NewGeneration,
            },
            ..database.options(&context.global)
        };
        let several = place.0.is_shared();
        let reporter = Reporter::new(context, &database, &options, place);
        One {
            database,
            options,
            reporter,
            snapshot: self.snapshot,
            restore_if_missing: self.restore_if_missing,
            key_flags: context.global.secret.repeated(),
            several,
        }
    }
}

/// A path below the current directory as seen from there.
pub fn shown(path: &std::path::Path) -> String {
    let here = std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok().map(PathBuf::from));
    match here {
        Some(relative) => format!("./{}", relative.display()),
        None => path.display().to_string(),
    }
}
