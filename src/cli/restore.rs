//! `waloy restore` and `waloy restore-to-time`

use std::ffi::OsString;
use std::path::PathBuf;
use std::sync::Arc;

use serde::Serialize;

use super::context::Context;
use super::destination::{Source, source};
use super::exit::Exit;
use super::render::json::{text, text_or_null};
use super::render::{self, table};
use super::ui::Ui;
use crate::clock::{Clock, SystemClock};
use crate::config::time::{self, Time};
use crate::error::{Error, Kind, Result};
use crate::ids::GenerationId;
use crate::restore::{self, Existing, Options, Output, Point, Report, Target, resolve_generation};
use crate::storage::{Location, Store};
use crate::units::{SegmentIndex, Timestamp};

/// Restore a database, to its latest state or to a past one
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy restore app.db                            the latest state, where the database was
  waloy restore app.db --time 5m ago -o old.db    the state five minutes ago, beside the present one
  waloy restore app.db --time 2026-11-22 10:00 -o old.db
  waloy restore s3://bucket/app -o app.db         on another machine
  waloy restore app.db --generation 01JD9Q:37 -o old.db
")]
pub struct Args {
    #[command(flatten)]
    what: What,
    /// The state at this time: `5m ago`, `10:00`, `yesterday 18:30`, `2026-11-22T10:00:00Z`, `@1795341600`
    #[arg(long, value_name = "TIME", conflicts_with = "generation")]
    time: Option<String>,
    /// A generation by its id or the beginning of it; with :INDEX or :snapshot a point of it
    #[arg(long, value_name = "G[:INDEX]")]
    generation: Option<String>,
}

/// Restore a database to a past state: the same as restore --time
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy restore-to-time 5m ago app.db -o old.db
  waloy restore-to-time 2026-11-22 10:00 app.db -o old.db
")]
pub struct ToTimeArgs {
    /// The time: `5m ago`, `10:00`, `yesterday 18:30`, `2026-11-22T10:00:00Z`, `@1795341600`
    #[arg(value_name = "TIME")]
    time: String,
    #[command(flatten)]
    what: What,
}

#[derive(Debug, clap::Args)]
struct What {
    /// The database whose replica to restore, or the URL of a replica
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    source: Option<OsString>,
    /// Where to restore to [default: the path of the database; for a URL, its last part]
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Replace a database that is there; it is kept under another name
    #[arg(long)]
    force: bool,
}

impl From<ToTimeArgs> for Args {
    fn from(args: ToTimeArgs) -> Args {
        Args { what: args.what, time: Some(args.time), generation: None }
    }
}

/// What was asked for, as it was written.
#[derive(Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
enum Requested {
    Latest,
    Time {
        input: String,
        #[serde(serialize_with = "text")]
        at: Timestamp,
    },
    Generation {
        input: String,
    },
}

#[derive(Serialize)]
struct Restored {
    #[serde(serialize_with = "text")]
    at: Timestamp,
    generation: GenerationId,
    index: Point,
}

#[derive(Serialize)]
struct Checks {
    chain: &'static str,
    checksum: &'static str,
    integrity: &'static str,
}

#[derive(Serialize)]
struct Json<'a> {
    output: String,
    source: &'a str,
    requested: &'a Requested,
    restored: Restored,
    in_gap: bool,
    #[serde(serialize_with = "text_or_null")]
    kept: Option<String>,
    db_bytes: u64,
    page_size: u32,
    pages: u32,
    checksum: String,
    objects: usize,
    downloaded_bytes: u64,
    checks: Checks,
    encrypted: bool,
    duration_seconds: f64,
}

/// Runs the command.
///
/// # Errors
///
/// Those of the library, and times that are none.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let ui = &context.ui;
    let source = source(args.what.source.as_deref(), &context.global)?;
    let asked_at = match &args.time {
        Some(input) => Some(parse_time(input, ui)?),
        None => None,
    };
    let output = Output {
        path: output_path(args.what.output, &source)?,
        existing: if args.what.force { Existing::PutAside } else { Existing::Refuse },
    };
    let store = context.open(&source.destination.location).await?;
    let (target, requested) = match (args.time, asked_at, args.generation) {
        (Some(input), Some(Time::At(at)), _) => (Target::Time(at), Requested::Time { input, at }),
        (_, _, Some(input)) => (generation(&store, &input, &source, ui).await?, Requested::Generation { input }),
        _ => (Target::Latest, Requested::Latest),
    };
    let options = Options {
        concurrency: usize::from(context.global.s3.concurrency),
        progress: context.progress(),
        ..Options::default()
    };
    let report = restore::restore(&store, target, &output, &options).await;
    let report = report.map_err(|error| source.explain(error, ui))?;
    if ui.mode.json {
        ui.json("restore", &json(&report, &requested));
    } else {
        human(&report, &requested, ui);
    }
    Ok(Exit::Ok)
}

fn parse_time(input: &str, ui: &Ui) -> Result<Time> {
    let now = SystemClock.now();
    let parsed =
        if ui.mode.utc { time::parse(input, now, &chrono::Utc) } else { time::parse(input, now, &chrono::Local) };
    parsed.map_err(|error| Error::new(Kind::Usage, "usage.time", error.to_string()).hint(error.hint()))
}

/// `G`, `G:37` or `G:snapshot`, where G is the beginning of an id, or an id in short.
async fn generation(store: &Arc<dyn Store>, input: &str, source: &Source, ui: &Ui) -> Result<Target> {
    let (id, point) = match input.split_once(':') {
        None => (input, None),
        Some((id, "snapshot")) => (id, Some(Point::Snapshot)),
        Some((id, index)) => {
            let index = index.parse().ok().and_then(SegmentIndex::new).ok_or_else(|| {
                Error::new(Kind::Usage, "usage.generation", format!("`{index}` is not a point of a generation"))
                    .hint("write G, G:INDEX or G:snapshot")
            })?;
            (id, Some(Point::Index(index)))
        }
    };
    let id = resolve_generation(&**store, id).await.map_err(|error| source.explain(error, ui))?;
    Ok(Target::Generation(id, point))
}

/// Where to restore to if nothing was said: where the database was, or a file that is named as the replica.
fn output_path(output: Option<PathBuf>, source: &Source) -> Result<PathBuf> {
    if let Some(path) = output.or_else(|| source.db.clone()) {
        return Ok(path);
    }
    let name = match &source.destination.location {
        Location::S3 { bucket, prefix } => prefix.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(bucket),
        Location::Directory(_) => {
            return Err(Error::new(Kind::Usage, "usage.no_output", "where to restore to was not said")
                .hint(format!("waloy restore {} -o FILE", source.argument())));
        }
    };
    Ok(PathBuf::from(name))
}

fn json<'a>(report: &'a Report, requested: &'a Requested) -> Json<'a> {
    let plan = &report.plan;
    Json {
        output: std::path::absolute(&report.output).unwrap_or_else(|_| report.output.clone()).to_string_lossy().into(),
        source: &plan.source,
        requested,
        restored: Restored { at: plan.at, generation: plan.generation, index: plan.point },
        in_gap: plan.in_gap,
        kept: report.kept.as_ref().map(|kept| kept.to_string_lossy().into_owned()),
        db_bytes: plan.db_bytes(),
        page_size: plan.page_size.get(),
        pages: plan.pages,
        checksum: report.checksum.to_string(),
        objects: plan.objects.len(),
        downloaded_bytes: report.downloaded_bytes,
        checks: Checks { chain: "ok", checksum: "ok", integrity: "skipped" },
        encrypted: false,
        duration_seconds: render::seconds(report.duration),
    }
}

fn human(report: &Report, requested: &Requested, ui: &Ui) {
    let plan = &report.plan;
    let why = match requested {
        Requested::Latest => "the latest",
        Requested::Time { .. } => "the last point kept at or before that time",
        Requested::Generation { .. } => "as requested",
    };
    if let Requested::Time { input, at } = requested {
        ui.line(format_args!("requested  {}  ({input})", ui.time(*at)));
    }
    let (at, generation) = (ui.time(plan.at), plan.generation.short());
    ui.line(format_args!("restored   {at}  generation {generation}:{}  ({why})", plan.point));
    if plan.in_gap {
        ui.warn(
            "restore.in_gap",
            "nobody watched the database at that time; there may have been later commits before it",
            &[],
        );
    }
    let segments = plan.objects.len().saturating_sub(1);
    let (snapshot, rest) = (plan.snapshot_bytes(), plan.stored_bytes() - plan.snapshot_bytes());
    ui.line(format_args!(
        "from       snapshot {} + {} {} {}",
        ui.size(snapshot),
        table::count(segments as u64),
        if segments == 1 { "segment" } else { "segments" },
        ui.size(rest)
    ));
    ui.line(format_args!(
        "verified   {} pages, checksum {} matches the replicator's",
        table::count(u64::from(plan.pages)),
        render::short_checksum(report.checksum)
    ));
    ui.line(format_args!(
        "written    {}  {} in {}",
        report.output.display(),
        ui.size(plan.db_bytes()),
        render::took(report.duration)
    ));
    if let Some(kept) = &report.kept {
        ui.line(format_args!("kept       the old database, as {}", kept.display()));
    }
}
