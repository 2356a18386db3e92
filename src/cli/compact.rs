//! `waloy compact`

use std::ffi::OsString;

use serde::Serialize;

use super::context::Context;
use super::destination::{Source, source};
use super::exit::Exit;
use super::render::count;
use super::render::table::{self, Column};
use super::render::took;
use super::ui::Ui;
use crate::compact::{self, Plan, PlannedMerge, Report};
use crate::error::{Error, Result};
use crate::ids::GenerationId;
use crate::units::Timestamp;

/// Merge small segments, so that a restore reads fewer objects
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy compact app.db
  waloy compact s3://bucket/app -n          what would be merged
  waloy compact app.db --json | jq '.merged | length'

A running replicator merges by itself, without reading from the store. This is for
what it could not merge: it was stopped, or its state was lost. Nothing is deleted,
and every point in time can be restored as before.
")]
pub struct Args {
    /// The database whose replica to merge, or the URL of a replica
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    source: Option<OsString>,
    /// Show what would be merged, and do nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
}

const COLUMNS: [Column; 6] = [
    Column::text("GENERATION"),
    Column::number("LEVEL"),
    Column::number("MERGES"),
    Column::number("OBJECTS").spare(1),
    Column::text("FROM"),
    Column::text("TO"),
];

#[derive(Serialize)]
struct Json<'a> {
    dry_run: bool,
    #[serde(flatten)]
    plan: &'a Plan,
}

/// Runs the command.
///
/// # Errors
///
/// Those of the library.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let ui = &context.ui;
    let source = source(args.source.as_deref(), &context.global)?;
    let replica = context.open(&source.destination).await?;
    let options = compact::Options {
        concurrency: usize::from(context.global.s3.concurrency),
        progress: context.progress(),
        ..compact::Options::default()
    };
    let plan = compact::plan(&replica, &options).await.map_err(|error| explain(error, &source))?;
    if plan.is_empty() {
        if ui.mode.json {
            ui.json("compact", &Json { dry_run: args.dry_run, plan: &plan });
        } else {
            ui.line("nothing to merge");
        }
        return Ok(Exit::Ok);
    }
    if !ui.mode.json {
        show(&plan, ui);
    }
    if args.dry_run {
        if ui.mode.json {
            ui.json("compact", &Json { dry_run: true, plan: &plan });
        }
        return Ok(Exit::Ok);
    }
    let report = compact::compact(&replica, &plan, &options).await.map_err(|error| explain(error, &source))?;
    if ui.mode.json {
        ui.json("compact", &report);
    } else {
        done(&report, ui);
    }
    Ok(Exit::Ok)
}

fn explain(error: compact::Error, source: &Source) -> Error {
    let argument = source.argument();
    match error {
        compact::Error::NoBackup { .. } => {
            Error::from(error).hint(format!("where a backup begins:  waloy replicate {argument}"))
        }
        error => {
            let public = Error::from(error);
            match public.kind() {
                crate::error::Kind::Damaged => {
                    public.hint(format!("see everything that is wrong:  waloy verify {argument} --read-data"))
                }
                _ => public,
            }
        }
    }
}

/// Merges of one generation and level.
struct Row {
    generation: GenerationId,
    level: u8,
    merges: u64,
    objects: u64,
    from: Timestamp,
    to: Timestamp,
}

fn rows(merges: &[PlannedMerge]) -> Vec<Row> {
    let mut rows: Vec<Row> = Vec::new();
    for merge in merges {
        let objects = merge.objects as u64;
        match rows.iter_mut().find(|row| (row.generation, row.level) == (merge.generation, merge.level)) {
            Some(row) => {
                row.merges += 1;
                row.objects += objects;
                (row.from, row.to) = (row.from.min(merge.from), row.to.max(merge.to));
            }
            None => rows.push(Row {
                generation: merge.generation,
                level: merge.level,
                merges: 1,
                objects,
                from: merge.from,
                to: merge.to,
            }),
        }
    }
    rows.sort_by_key(|row| (row.generation, row.level));
    rows
}

fn show(plan: &Plan, ui: &Ui) {
    let rows = rows(&plan.merges);
    let moments: Vec<Timestamp> = rows.iter().flat_map(|row| [row.from, row.to]).collect();
    let (times, zone) = ui.times(&moments);
    let mut times = times.into_iter();
    let cells: Vec<Vec<String>> = rows
        .iter()
        .map(|row| {
            vec![
                row.generation.short(),
                row.level.to_string(),
                table::count(row.merges),
                table::count(row.objects),
                times.next().unwrap_or_default(),
                times.next().unwrap_or_default(),
            ]
        })
        .collect();
    for line in table::lines(&COLUMNS, &cells, ui.width) {
        ui.line(line);
    }
    let zone = zone.map(|zone| format!(", times in {zone}")).unwrap_or_default();
    ui.line(format_args!("{} to make in {}{zone}", count(plan.merges.len() as u64, "merged segment"), plan.source));
}

fn done(report: &Report, ui: &Ui) {
    ui.line(format_args!(
        "merged     {} of {}, from {} that were read, in {}",
        count(report.merged.len() as u64, "segment"),
        ui.size(report.stored_bytes),
        ui.size(report.read_bytes),
        took(report.duration)
    ));
    if report.skipped > 0 {
        ui.line(format_args!(
            "skipped    {}: the replica changed meanwhile; the next run sees to it",
            count(report.skipped as u64, "merge")
        ));
    }
}
