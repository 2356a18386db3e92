//! `waloy replicate`

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::{Duration, Instant};

use super::args::Global;
use super::context::Context;
use super::destination::{Destination, Origin, is_same_device, is_url, quoted, resolve, variable};
use super::exit::Exit;
use super::signal::Signals;
use crate::compress::Compression;
use crate::config::{duration, size};
use crate::db;
use crate::engine::{Checkpoints, Hooks, Options, Replicator};
use crate::error::{Error, Kind, Result};
use crate::storage::Location;

mod events;
mod reporter;

pub use reporter::Reporter;

/// How often the line on a terminal is drawn again.
const TICK: Duration = Duration::from_millis(250);

/// How often a log is told how much was done, if anything was.
const SUMMARY: Duration = Duration::from_secs(300);

/// Back up a running database, continuously
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy replicate app.db s3://bucket/app
  waloy replicate app.db --to /mnt/nas/app
  waloy replicate app.db s3://bucket/app --endpoint http://localhost:9000
  waloy replicate app.db                      beside the database: against mistakes only
")]
pub struct Args {
    #[command(flatten)]
    pair: Pair,
    /// Bring the replica level once, and stop
    #[arg(long)]
    once: bool,
    /// The shortest time between two uploads
    #[arg(long, value_name = "DUR", default_value = "1s", env = "WALOY_SYNC_INTERVAL", value_parser = duration::parse)]
    sync_interval: Duration,
    /// Begin a new generation this often, if anything changed
    #[arg(long, value_name = "DUR", default_value = "off", value_parser = duration::parse_or_off)]
    snapshot_interval: Interval,
    /// How to compress: none, lz4, zstd, or zstd:1 to zstd:19
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
}

/// A database and where it goes.
#[derive(Clone, Debug, clap::Args)]
pub struct Pair {
    /// The database
    #[arg(value_name = "DB", value_hint = clap::ValueHint::FilePath)]
    pub db: PathBuf,
    /// The URL of the replica; a path is given with --to
    #[arg(value_name = "DEST", value_hint = clap::ValueHint::Url)]
    pub destination: Option<OsString>,
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
    let destination = args.pair.resolve(context, args.wait_for_db)?;
    warn_of_same_device(context, &args.pair, &destination);
    let options = Options {
        automatic: !args.once,
        sync_interval: args.sync_interval,
        snapshot_interval: args.snapshot_interval,
        compression: args.compression,
        checkpoint_threshold: args.checkpoint_threshold,
        checkpoints: match args.checkpoint {
            Checkpoint::Auto => Checkpoints::Auto,
            Checkpoint::Off => Checkpoints::Off,
        },
        set_wal: args.set_wal,
        wait_for_db: args.wait_for_db,
        ..args.pair.options(context)
    };
    let reporter = Reporter::new(context, &args.pair.db, &destination, args.compression);
    if !args.once {
        return until_stopped(context, options, &destination, &reporter, signals).await;
    }
    tokio::select! {
        ended = context.within(None, once(context, options, &destination, &reporter)) => ended,
        asked = signals.next() => Ok(Exit::Signal(asked)),
    }
}

impl Pair {
    /// Where the replica goes, once it is clear that there is a database.
    ///
    /// # Errors
    ///
    /// No database, or no destination.
    pub fn resolve(&self, context: &Context, wait_for_db: bool) -> Result<Destination> {
        if is_url(self.db.as_os_str()) {
            let message = format!("{} is a URL, and the database comes first", self.db.display());
            return Err(Error::new(Kind::Usage, "usage.no_database", message)
                .hint(format!("waloy replicate DB {}", quoted(&self.db.to_string_lossy()))));
        }
        if let Some(path) = self.destination.as_ref().filter(|text| !is_url(text)) {
            let (db, path) = (quoted(&self.db.to_string_lossy()), quoted(&path.to_string_lossy()));
            return Err(Error::new(
                Kind::Usage,
                "usage.not_a_url",
                format!("{path} is a path and not the URL of a destination"),
            )
            .hint(format!("a directory is given with --to: {db} --to {path}"))
            .hint("one database a process; start another waloy for another database"));
        }
        if !wait_for_db {
            db::resolve(&self.db)?;
        }
        let url = self.destination.as_ref().and_then(|text| text.to_str());
        let Global { to, state_dir, .. } = &*context.global;
        resolve(Some(&self.db), url, to.as_deref(), state_dir.as_deref(), variable)
    }

    /// How this database is replicated unless flags say otherwise.
    pub fn options(&self, context: &Context) -> Options {
        Options {
            state_dir: context.global.state_dir.clone(),
            allow_other_user: context.global.allow_other_user,
            ..Options::new(&self.db)
        }
    }
}

/// Brings the replica level, and ends.
///
/// # Errors
///
/// Those of the library.
pub async fn once(
    context: &Context,
    options: Options,
    destination: &Destination,
    reporter: &Arc<Reporter>,
) -> Result<Exit> {
    let mut replicator = start(context, options, destination, reporter).await?;
    replicator.sync().await?;
    let began = Instant::now();
    let report = replicator.shutdown().await?;
    reporter.done(&report, began.elapsed());
    Ok(Exit::Ok)
}

async fn until_stopped(
    context: &Context,
    options: Options,
    destination: &Destination,
    reporter: &Arc<Reporter>,
    signals: &mut Signals,
) -> Result<Exit> {
    let mut replicator = tokio::select! {
        started = start(context, options, destination, reporter) => started?,
        asked = signals.next() => return Ok(Exit::Signal(asked)),
    };
    let mut tick = tokio::time::interval(TICK);
    tick.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut summary = tokio::time::interval_at(tokio::time::Instant::now() + SUMMARY, SUMMARY);
    loop {
        tokio::select! {
            error = replicator.ended() => {
                reporter.clear();
                return Err(error);
            }
            _ = signals.next() => break,
            _ = tick.tick(), if reporter.draws() => reporter.draw(),
            _ = summary.tick() => reporter.summarize(&replicator.status()),
        }
    }
    reporter.stopping();
    let began = Instant::now();
    tokio::select! {
        report = replicator.shutdown() => {
            reporter.done(&report?, began.elapsed());
            Ok(Exit::Ok)
        }
        again = signals.next() => {
            context.ui.note("stopped at once: what was not uploaded is when waloy is started again");
            Ok(Exit::Signal(again))
        }
    }
}

async fn start(
    context: &Context,
    options: Options,
    destination: &Destination,
    reporter: &Arc<Reporter>,
) -> Result<Replicator> {
    let store = context.open(&destination.location).await?;
    let reporter = Arc::clone(reporter);
    let hooks = Hooks {
        progress: context.progress(),
        events: Arc::new(move |event| reporter.tell(&event)),
        ..Hooks::default()
    };
    Replicator::start(options, store, hooks).await
}

/// A replica that is lost together with its database is worth a word each time.
fn warn_of_same_device(context: &Context, pair: &Pair, destination: &Destination) {
    if !is_same_device(&pair.db, &destination.location) {
        return;
    }
    let db = pair.db.display();
    let Location::Directory(directory) = &destination.location else { return };
    let directory = shown(directory);
    if destination.origin == Origin::BuiltIn {
        let message = format!(
            "no destination configured: backing up to {directory} on the SAME DISK as {db}:\n         \
             this protects against mistakes, not against losing this disk."
        );
        let command = format!("waloy replicate {} s3://bucket/app", quoted(&pair.db.to_string_lossy()));
        let hint = format!("{command}  or  export WALOY_DEST=s3://bucket/app");
        context.ui.warn("destination.same_device", &message, &[hint]);
    } else {
        let message = format!("{directory} is on the same disk as {db}");
        context.ui.warn("destination.same_device", &message, &[]);
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
