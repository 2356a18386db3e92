//! `waloy verify`

use std::ffi::OsString;
use std::path::Path;
use std::time::{Duration, Instant};

use super::anchor;
use super::context::Context;
use super::destination::{Source, followed, source};
use super::exit::Exit;
use crate::clock::{Clock, SystemClock};
use crate::config::duration;
use crate::engine::default_state_dir;
use crate::error::{Error, Kind, Result};
use crate::restore::Anchor;
use crate::state::StateDir;
use crate::verify::{Check, Database, Level, Options, Report, Severity, TIMES_AHEAD, verify};

mod nagios;
mod part;
mod report;

use part::Part;
use report::{Checked, Outcome};

const DAY: Duration = Duration::from_secs(86_400);

/// Prove that the backup can be restored and is fresh
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy verify app.db                         all that the latest state needs
  waloy verify --quick app.db --max-age 15m   cheap: from cron, often
  waloy verify app.db --read-data=daily/week  a seventh of everything, each day
  waloy verify app.db --restore=full          restore and check it: every week
  waloy verify a.db b.db --format nagios      one line, for a monitoring system
  waloy verify app.db --anchor anchor.txt     nothing since then is held back

Where all is well it says nothing unless standard output is a terminal.
")]
pub struct Args {
    /// Databases whose replicas to verify, or URLs of replicas
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    sources: Vec<OsString>,
    /// Only what listings and the newest object tell
    #[arg(long, conflicts_with_all = ["read_data", "restore"])]
    quick: bool,
    /// Read every object of every generation, or a part of them: all, n/t; N% (another part each day), daily/week,
    /// hourly/day
    #[arg(
        long, value_name = "PART", num_args = 0..=1, require_equals = true, default_missing_value = "all"
    )]
    read_data: Option<Part>,
    /// Also restore the latest state to a temporary directory and check it: quick, full
    #[arg(
        long, value_name = "CHECK", num_args = 0..=1, require_equals = true, default_missing_value = "quick"
    )]
    restore: Option<Integrity>,
    /// How old the newest confirmation may be; `off` for any [default: 24h for a database, off for a URL]
    #[arg(long, value_name = "DUR", env = "WALOY_MAX_AGE", value_parser = duration::parse_or_off)]
    max_age: Option<MaxAge>,
    /// What the replica must reach, as `waloy inspect --anchor` printed it once: the line, or a file with it
    #[arg(long, value_name = "LINE|FILE", value_parser = anchor::parse)]
    anchor: Option<Anchor>,
    /// Who reads the report
    #[arg(long, value_name = "FORMAT", value_enum, default_value_t = Format::Text, conflicts_with = "json")]
    format: Format,
}

/// How long, or off.
type MaxAge = Option<Duration>;

/// How thoroughly a restored database is checked.
#[derive(Clone, Copy, PartialEq, Eq, Debug, clap::ValueEnum)]
enum Integrity {
    /// PRAGMA quick_check
    Quick,
    /// PRAGMA integrity_check
    Full,
}

/// Who reads the report.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
enum Format {
    /// People and cron: nothing if all is well and nobody looks on
    #[default]
    Text,
    /// Nagios and its kin: one line with figures; exit codes 0 ok, 1 warning, 2 critical, 3 unknown
    Nagios,
}

impl Args {
    fn level(&self) -> Level {
        let subset = self.read_data.map(|part| part.subset(SystemClock.now()));
        let check = self.restore.map(|integrity| match integrity {
            Integrity::Quick => Check::Quick,
            Integrity::Full => Check::Full,
        });
        match (subset, check) {
            _ if self.quick => Level::Quick,
            (None, None) => Level::Default,
            (Some(subset), None) => Level::ReadData(subset),
            (None, Some(check)) => Level::Restore(check),
            (Some(subset), Some(check)) => Level::ReadDataAndRestore(subset, check),
        }
    }
}

impl Args {
    /// Whether a monitoring system reads the answer, in a line of its own kind.
    pub fn is_monitoring(&self) -> bool {
        self.format == Format::Nagios
    }
}

/// Runs the command.
///
/// # Errors
///
/// What kept the only source from being verified at all; problems that were found are reported.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let began = Instant::now();
    let level = args.level();
    if args.anchor.is_some() && args.sources.len() > 1 {
        let message = "an anchor is of one replica, and there are several";
        return Err(Error::new(Kind::Usage, "usage.anchor", message).hint("verify each with its own"));
    }
    let given: Vec<_> = if args.sources.is_empty() { vec![None] } else { args.sources.iter().map(Some).collect() };
    let alone = given.len() == 1 && args.format == Format::Text;
    let mut outcomes = Vec::new();
    for argument in given {
        let (source, checked) = match source(argument.map(OsString::as_os_str), &context.global) {
            Ok(source) => {
                let check = check(context, &source, level, &args);
                // A monitoring system is told of what took too long as of everything else, in its line.
                let checked = if args.is_monitoring() { context.within(None, check).await } else { check.await };
                (Some(source), checked)
            }
            Err(error) => (None, Err(error)),
        };
        let checked = match checked {
            Err(error) if alone => return Err(error),
            checked => checked,
        };
        let argument = argument.map(|argument| argument.to_string_lossy().into_owned()).unwrap_or_default();
        outcomes.push(Outcome { argument, source, checked });
    }
    if args.is_monitoring() {
        let (line, exit) = nagios::line(&outcomes, &context.ui);
        context.ui.line(line);
        return Ok(exit);
    }
    let exits: Vec<Exit> = outcomes.iter().map(Outcome::exit).collect();
    let exit = Exit::of_several(&exits);
    report::show(&context.ui, &outcomes, level, exit, began.elapsed());
    Ok(exit)
}

async fn check(context: &Context, source: &Source, level: Level, args: &Args) -> Result<Checked> {
    let replica = context.open(&source.destination).await?;
    let readable = source.db.as_deref().filter(|db| db.is_file());
    let max_age = args.max_age.unwrap_or_else(|| readable.map(|_| DAY));
    let options = Options {
        concurrency: usize::from(context.global.s3.concurrency),
        progress: context.progress(),
        max_age,
        anchor: args.anchor,
        ..Options::default()
    };
    let explain = |error| -> Error { source.explain(error, &context.ui) };
    let mut report = verify(&replica, level, &options).await.map_err(explain)?;
    let mut is_level = None;
    if let Some(db) = readable.filter(|_| is_stale(&report)) {
        let level = database(context, db).is_level(&replica).await.map_err(explain)?;
        if level {
            // That times cannot be told apart is still to be known.
            let ahead = report.findings.iter_mut().filter(|finding| finding.code == TIMES_AHEAD);
            ahead.for_each(|finding| finding.severity = Severity::Warning);
            report.findings.retain(|finding| finding.severity != Severity::Stale);
        }
        is_level = Some(level);
    }
    let state_dir = source.db.as_deref().map(|db| database(context, db).state_dir);
    let replicator = state_dir.as_deref().and_then(StateDir::owner);
    Ok(Checked { report, max_age, is_level, replicator })
}

fn is_stale(report: &Report) -> bool {
    report.findings.iter().any(|finding| finding.severity == Severity::Stale)
}

fn database(context: &Context, db: &Path) -> Database {
    let state_dir = context.global.state_dir.clone().unwrap_or_else(|| default_state_dir(&followed(db)));
    Database { path: db.to_owned(), state_dir, allow_other_user: context.global.allow_other_user }
}
