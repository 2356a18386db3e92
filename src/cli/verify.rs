//! `waloy verify`

use std::ffi::OsString;
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, Instant};

use super::context::Context;
use super::destination::{Source, followed, source};
use super::exit::Exit;
use crate::clock::{Clock, SystemClock};
use crate::config::duration;
use crate::engine::default_state_dir;
use crate::error::{Error, Result};
use crate::verify::{Check, Database, Level, Options, Report, Severity, Subset, verify};

mod report;

use report::{Checked, Outcome};

const DAY: Duration = Duration::from_secs(86_400);

/// Prove that the backup can be restored and is fresh
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy verify app.db                              read all that restoring the latest state needs
  waloy verify --quick app.db --max-age 15m        cheap: for cron, every few minutes
  waloy verify app.db --read-data=5%               a part of everything, another one each day
  waloy verify app.db --restore=full               restore it and check it: for cron, every week

On success it says nothing unless standard output is a terminal.
")]
pub struct Args {
    /// Databases whose replicas to verify, or URLs of replicas
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    sources: Vec<OsString>,
    /// Only what listings and the newest object tell
    #[arg(long, conflicts_with_all = ["read_data", "restore"])]
    quick: bool,
    /// Read every object of every generation, or a part of them: all, N%, n/t
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

/// How much of everything is read.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Part {
    All,
    /// At least so many percent, another part each day.
    Percent(u32),
    Of(u32, u32),
}

impl FromStr for Part {
    type Err = String;

    fn from_str(text: &str) -> Result<Part, String> {
        let refused = || format!("`{text}` is not a part: write all, 5% or 1/20");
        if text == "all" {
            return Ok(Part::All);
        }
        if let Some(percent) = text.strip_suffix('%') {
            return match percent.parse() {
                Ok(percent @ 1..=100) => Ok(Part::Percent(percent)),
                _ => Err(refused()),
            };
        }
        match text.split_once('/').map(|(part, of)| (part.parse(), of.parse())) {
            Some((Ok(part), Ok(of))) if 0 < part && part <= of => Ok(Part::Of(part, of)),
            _ => Err(refused()),
        }
    }
}

impl Part {
    /// Which objects that is today.
    fn subset(self, day: u64) -> Subset {
        match self {
            Part::All => Subset::All,
            Part::Of(part, of) => Subset::Part { part, of },
            Part::Percent(percent) => {
                let of = 100 / percent;
                Subset::Part { part: (day % u64::from(of)) as u32 + 1, of }
            }
        }
    }
}

impl Args {
    fn level(&self) -> Level {
        let day = SystemClock.now().0.max(0).unsigned_abs() / DAY.as_millis() as u64;
        match (self.quick, self.read_data, self.restore) {
            (true, ..) => Level::Quick,
            (_, _, Some(Integrity::Quick)) => Level::Restore(Check::Quick),
            (_, _, Some(Integrity::Full)) => Level::Restore(Check::Full),
            (_, Some(part), _) => Level::ReadData(part.subset(day)),
            _ => Level::Default,
        }
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
    let given: Vec<_> = if args.sources.is_empty() { vec![None] } else { args.sources.iter().map(Some).collect() };
    let several = given.len() > 1;
    let mut outcomes = Vec::new();
    for argument in given {
        let source = source(argument.map(OsString::as_os_str), &context.global)?;
        let checked = check(context, &source, level, args.max_age).await;
        match checked {
            Err(error) if !several => return Err(error),
            checked => outcomes.push(Outcome { source, checked }),
        }
    }
    let exits: Vec<Exit> = outcomes.iter().map(Outcome::exit).collect();
    let exit = Exit::of_several(&exits);
    report::show(&context.ui, &outcomes, level, exit, began.elapsed());
    Ok(exit)
}

async fn check(context: &Context, source: &Source, level: Level, max_age: Option<MaxAge>) -> Result<Checked> {
    let store = context.open(&source.destination.location).await?;
    let readable = source.db.as_deref().filter(|db| db.is_file());
    let max_age = max_age.unwrap_or_else(|| readable.map(|_| DAY));
    let options = Options {
        concurrency: usize::from(context.global.s3.concurrency),
        progress: context.progress(),
        max_age,
        ..Options::default()
    };
    let explain = |error| -> Error { source.explain(error, &context.ui) };
    let mut report = verify(&store, level, &options).await.map_err(explain)?;
    let mut is_level = None;
    if let Some(db) = readable.filter(|_| is_stale(&report)) {
        let level = database(context, db).is_level(&store).await.map_err(explain)?;
        if level {
            report.findings.retain(|finding| finding.severity != Severity::Stale);
        }
        is_level = Some(level);
    }
    Ok(Checked { report, max_age, is_level })
}

fn is_stale(report: &Report) -> bool {
    report.findings.iter().any(|finding| finding.severity == Severity::Stale)
}

fn database(context: &Context, db: &Path) -> Database {
    let state_dir = context.global.state_dir.clone().unwrap_or_else(|| default_state_dir(&followed(db)));
    Database { path: db.to_owned(), state_dir, allow_other_user: context.global.allow_other_user }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_read_as_people_write_them() {
        for (text, part) in [
            ("all", Some(Part::All)),
            ("5%", Some(Part::Percent(5))),
            ("100%", Some(Part::Percent(100))),
            ("1/20", Some(Part::Of(1, 20))),
            ("20/20", Some(Part::Of(20, 20))),
            ("0%", None),
            ("101%", None),
            ("0/5", None),
            ("6/5", None),
            ("5", None),
            ("", None),
        ] {
            assert_eq!(text.parse().ok(), part, "{text}");
        }
    }

    #[test]
    fn percents_come_round_to_everything() {
        for percent in 1..=100 {
            let of = 100 / percent;
            let parts: std::collections::BTreeSet<u32> = (1000..1000 + u64::from(of))
                .map(|day| match Part::Percent(percent).subset(day) {
                    Subset::Part { part, .. } => part,
                    Subset::All => 1,
                })
                .collect();
            assert_eq!(parts, (1..=of).collect(), "{percent}");
        }
    }
}
