//! `waloy status`

use std::path::PathBuf;
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};
use serde::Serialize;

use super::context::Context;
use super::databases::{Database, Databases};
use super::destination::{followed, quoted};
use super::exit::Exit;
use super::render::json::text_or_null;
use super::render::table::{self, Column};
use super::render::{seconds, took};
use super::ui::Ui;
use crate::clock::{Clock, SystemClock};
use crate::config::duration;
use crate::db::{self, beside};
use crate::engine::control::{Position, Running, Situation, situation};
use crate::error::{Kind, Result};
use crate::ids::GenerationId;
use crate::state::{Acknowledged, Owner};
use crate::units::Timestamp;

const COLUMNS: [Column; 8] = [
    Column::text("DB"),
    Column::text("STATE"),
    Column::number("LAG"),
    Column::number("COMMITS").spare(2),
    Column::number("WAL").spare(4),
    Column::number("NEWEST").spare(3),
    Column::number("FAILURES").spare(1),
    Column::text("DESTINATION"),
];

/// How far behind a replica may be that still counts as following.
const FOLLOWS_WITHIN: Duration = Duration::from_secs(60);

/// How often `--watch` looks.
const LOOK: Duration = Duration::from_secs(1);

/// Tell whether replication is running, and how far it is
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "waloy status [OPTIONS] DB...",
    before_help = "Examples:
  waloy status app.db
  waloy status app.db --check || alert      silent; exit 0 only if the replica follows the database
  waloy status app.db audit.db --watch

Nothing is read from the store, and the running replicator is not kept from its work. `waloy verify` looks at the
replica itself.
"
)]
pub struct Args {
    #[command(flatten)]
    databases: Databases,
    /// Print nothing; exit 0 if all replicas follow their databases, less than a minute behind, 4 if one does not, 8 if
    /// a database is not there
    #[arg(long)]
    check: bool,
    /// Look again each second, until interrupted
    #[arg(long, conflicts_with = "check")]
    watch: bool,
}

/// In a word, how replication is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
enum State {
    InSync,
    Syncing,
    Degraded,
    /// A process has the database and does not answer.
    Unresponsive,
    Stopped,
    Never,
}

impl State {
    fn of(situation: &Situation) -> State {
        match situation {
            Situation::Never => State::Never,
            Situation::Stopped(_) => State::Stopped,
            Situation::Running(_, None) => State::Unresponsive,
            Situation::Running(_, Some(running)) if running.degraded.is_some() => State::Degraded,
            Situation::Running(_, Some(running)) if running.level => State::InSync,
            Situation::Running(_, Some(_)) => State::Syncing,
        }
    }

    fn name(self) -> &'static str {
        match self {
            State::InSync => "in sync",
            State::Syncing => "syncing",
            State::Degraded => "degraded",
            State::Unresponsive => "unresponsive",
            State::Stopped => "stopped",
            State::Never => "never",
        }
    }
}

/// What is shown of one database.
#[derive(Serialize)]
struct Shown {
    db: String,
    db_exists: bool,
    state: State,
    destination: String,
    generation: Option<GenerationId>,
    index: Option<u64>,
    /// The newest transaction that is durable in the replica.
    #[serde(serialize_with = "text_or_null")]
    at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    lag_seconds: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    commits: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    stored_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    wal_bytes: Option<u64>,
    #[serde(serialize_with = "text_or_null")]
    last_sync_at: Option<Timestamp>,
    #[serde(skip_serializing_if = "Option::is_none")]
    failures_last_hour: Option<usize>,
    #[serde(serialize_with = "text_or_null")]
    degraded_since: Option<Timestamp>,
    error: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    process: Option<Owner>,
}

/// Runs the command.
///
/// # Errors
///
/// A database that is not there and never was replicated; a running replicator that cannot be understood.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let databases = args.databases.resolve(&context.global)?;
    let ui = &context.ui;
    if args.check {
        return Ok(check(&look(&databases).await?));
    }
    let bar = args.watch.then(|| {
        ui.bars().add(
            ProgressBar::new_spinner()
                .with_style(ProgressStyle::with_template("{msg}").unwrap_or_else(|_| ProgressStyle::default_spinner())),
        )
    });
    loop {
        let shown = look(&databases).await?;
        for (shown, database) in shown.iter().zip(&databases).filter(|(shown, _)| !shown.db_exists) {
            let hint = format!("waloy restore {}", quoted(&database.path.to_string_lossy()));
            match shown.state {
                State::Never if databases.len() == 1 => drop(db::resolve(&database.path)?),
                State::Never => {}
                _ if args.watch => {}
                _ => ui.warn("db.missing", &format!("{} does not exist", database.path.display()), &[hint]),
            }
        }
        match (ui.mode.json, &bar) {
            (true, _) => shown.iter().for_each(|shown| ui.json("status", shown)),
            (false, Some(bar)) if !bar.is_hidden() => bar.set_message(lines(&shown, ui).join("\n")),
            (false, _) => lines(&shown, ui).into_iter().for_each(|line| ui.line(line)),
        }
        if !args.watch {
            return Ok(Exit::Ok);
        }
        tokio::time::sleep(LOOK).await;
    }
}

fn check(all: &[Shown]) -> Exit {
    match all {
        _ if all.iter().any(|shown| !shown.db_exists) => Exit::Kind(Kind::Database),
        _ if all.iter().all(|shown| shown.follows()) => Exit::Ok,
        _ => Exit::Kind(Kind::Stale),
    }
}

async fn look(databases: &[Database]) -> Result<Vec<Shown>> {
    let mut shown = Vec::with_capacity(databases.len());
    for database in databases {
        shown.push(Shown::of(database, situation(&database.state_dir).await?));
    }
    Ok(shown)
}

impl Shown {
    /// The replica follows the database.
    fn follows(&self) -> bool {
        let soon = self.lag_seconds.is_some_and(|lag| lag < FOLLOWS_WITHIN.as_secs_f64());
        matches!(self.state, State::InSync) || matches!(self.state, State::Syncing) && soon
    }

    fn of(database: &Database, situation: Situation) -> Shown {
        let absolute = std::path::absolute(&database.path).unwrap_or_else(|_| database.path.clone());
        let wal = beside(&followed(&database.path), "-wal");
        let mut shown = Shown {
            db: absolute.to_string_lossy().into_owned(),
            db_exists: database.path.exists(),
            state: State::of(&situation),
            destination: database.destination.location.to_string(),
            generation: None,
            index: None,
            at: None,
            lag_seconds: None,
            commits: None,
            stored_bytes: None,
            wal_bytes: std::fs::metadata(wal).ok().map(|meta| meta.len()),
            last_sync_at: None,
            failures_last_hour: None,
            degraded_since: None,
            error: None,
            process: None,
        };
        match situation {
            Situation::Stopped(noted) => shown.stopped(&noted),
            Situation::Running(owner, running) => {
                shown.process = Some(owner);
                if let Some(running) = running {
                    shown.running(running);
                }
            }
            Situation::Never => {}
        }
        shown
    }

    fn stopped(&mut self, noted: &Acknowledged) {
        self.destination.clone_from(&noted.destination);
        (self.generation, self.index, self.at) = (Some(noted.generation), noted.index, Some(noted.at()));
    }

    fn running(&mut self, running: Running) {
        let Running { position, level: _, lag_ms, wal_bytes, synced_ms, stored_bytes, degraded, failures } = running;
        let Position { destination, generation, index, at_ms, commits } = position;
        (self.destination, self.generation, self.index) = (destination, generation, index);
        self.at = at_ms.map(Timestamp);
        self.lag_seconds = Some(seconds(Duration::from_millis(lag_ms)));
        (self.commits, self.stored_bytes, self.wal_bytes) = (Some(commits), Some(stored_bytes), Some(wal_bytes));
        self.last_sync_at = synced_ms.map(Timestamp);
        self.failures_last_hour = Some(failures);
        if let Some((since, error)) = degraded {
            (self.degraded_since, self.error) = (Some(Timestamp(since)), Some(error));
        }
    }
}

/// One database in full, several as a table.
fn lines(all: &[Shown], ui: &Ui) -> Vec<String> {
    let now = SystemClock.now();
    match all {
        [one] => block(one, now, ui),
        _ => table::lines(&COLUMNS, &all.iter().map(|shown| row(shown, now, ui)).collect::<Vec<_>>(), ui.width),
    }
}

fn row(shown: &Shown, now: Timestamp, ui: &Ui) -> Vec<String> {
    let number = |number: Option<u64>| number.map(table::count).unwrap_or_default();
    vec![
        here(&shown.db),
        shown.state.name().to_owned(),
        shown.lag_seconds.map(seconds_shown).unwrap_or_default(),
        number(shown.commits),
        shown.wal_bytes.map(|bytes| ui.size(bytes)).unwrap_or_default(),
        shown.at.map(|at| format!("{} ago", ago(at, now))).unwrap_or_default(),
        number(shown.failures_last_hour.map(|failures| failures as u64)),
        shown.destination.clone(),
    ]
}

fn block(shown: &Shown, now: Timestamp, ui: &Ui) -> Vec<String> {
    let mut lines = Vec::new();
    {
        let mut line = |name: &str, value: String| lines.push(format!("{name:<12} {value}"));
        let missing = if shown.db_exists { "" } else { "  (missing)" };
        line("database", format!("{}{missing}", here(&shown.db)));
        let lag = match (shown.state, shown.lag_seconds) {
            (State::Syncing | State::Degraded, Some(lag)) => format!(", {} behind", seconds_shown(lag)),
            _ => String::new(),
        };
        line("state", format!("{}{lag}", paint(shown.state, ui)));
        if let Some(error) = &shown.error {
            let since = shown.degraded_since.map(|since| format!(" (since {})", ui.time(since))).unwrap_or_default();
            line("because", format!("{error}{since}"));
        }
        line("destination", shown.destination.clone());
        if let Some(generation) = shown.generation {
            let point = shown.index.map_or("snapshot".to_owned(), |index| index.to_string());
            line("generation", format!("{}:{point}", generation.short()));
        }
        if let Some(at) = shown.at {
            line("newest", format!("{} ({} ago)", ui.time(at), ago(at, now)));
        }
        if let (Some(commits), Some(stored)) = (shown.commits, shown.stored_bytes) {
            let last = shown.last_sync_at.map(|at| format!(", the last {} ago", ago(at, now))).unwrap_or_default();
            line("sent", format!("{} commits, {}{last}", table::count(commits), ui.size(stored)));
        }
        if let Some(wal) = shown.wal_bytes {
            line("WAL", ui.size(wal));
        }
        if let Some(failures) = shown.failures_last_hour.filter(|failures| *failures > 0) {
            line("failures", format!("{failures} in the last hour"));
        }
        if let Some(process) = &shown.process {
            line("process", format!("{} on {} since {}", process.pid, process.host, since(process, ui)));
        }
    }
    lines
}

fn paint(state: State, ui: &Ui) -> String {
    match state {
        State::InSync => ui.out.green(state.name()).to_string(),
        State::Syncing => state.name().to_owned(),
        State::Degraded | State::Unresponsive => ui.out.red(state.name()).to_string(),
        State::Stopped | State::Never => ui.out.yellow(state.name()).to_string(),
    }
}

fn since(process: &Owner, ui: &Ui) -> String {
    match chrono::DateTime::parse_from_rfc3339(&process.since) {
        Ok(since) => ui.time(Timestamp(since.timestamp_millis())),
        Err(_) => process.since.clone(),
    }
}

fn ago(at: Timestamp, now: Timestamp) -> String {
    let seconds = now.0.saturating_sub(at.0).max(0).unsigned_abs() / 1000;
    duration::format(Duration::from_secs(seconds))
}

fn seconds_shown(seconds: f64) -> String {
    took(Duration::from_secs_f64(seconds))
}

/// A path below the current directory as seen from there.
fn here(path: &str) -> String {
    let path = PathBuf::from(path);
    let here = std::env::current_dir().ok().and_then(|here| path.strip_prefix(here).ok().map(PathBuf::from));
    here.unwrap_or(path).display().to_string()
}
