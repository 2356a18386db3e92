//! `waloy generations`

use std::ffi::OsString;

use super::context::Context;
use super::destination::{Source, source};
use super::exit::Exit;
use super::render::table::{self, Column};
use super::ui::Ui;
use crate::config::duration;
use crate::engine::default_state_dir;
use crate::error::{Error, Kind, Result};
use crate::restore::{Generation, Interval, State, Survey, survey};
use crate::state::StateDir;
use crate::units::Timestamp;

/// List what can be restored
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy generations app.db
  waloy generations s3://bucket/app --json | jq -e '.generations | length > 0'
")]
pub struct Args {
    /// The database whose replica to read, or the URL of a replica
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    source: Option<OsString>,
}

const COLUMNS: [Column; 9] = [
    Column::Text("GENERATION"),
    Column::Text(""),
    Column::Text("FROM"),
    Column::Text("TO"),
    Column::Number("COMMITS"),
    Column::Number("SNAPSHOT"),
    Column::Number("SEGMENTS"),
    Column::Number("STORED"),
    Column::Text("STATE"),
];

/// Runs the command.
///
/// # Errors
///
/// Those of the library; there is no generation that can be restored.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let ui = &context.ui;
    let source = source(args.source.as_deref(), &context.global)?;
    let store = context.open(&source.destination.location).await?;
    let survey = survey(&store).await.map_err(|error| source.explain(error, ui))?;
    if ui.mode.json {
        ui.json("generations", &survey);
    } else {
        human(&survey, is_live(&source, context), ui);
    }
    match survey.restorable {
        Some(_) => Ok(Exit::Ok),
        None => Err(Error::new(
            Kind::NoBackup,
            "restore.no_backup",
            format!("nothing at {} can be restored", survey.source),
        )
        .hint(format!("waloy verify {}", source.argument()))),
    }
}

/// Whether a replicator of this database is running on this machine.
fn is_live(source: &Source, context: &Context) -> bool {
    let Some(db) = &source.db else { return false };
    let default = || default_state_dir(&super::destination::followed(db));
    let state_dir = context.global.state_dir.clone().unwrap_or_else(default);
    StateDir::owner(&state_dir).is_some()
}

fn human(survey: &Survey, live: bool, ui: &Ui) {
    let rows = survey.generations.iter().map(|generation| row(generation, live, ui));
    let mut lines = table::lines(&COLUMNS, rows).into_iter();
    ui.line(lines.next().unwrap_or_default());
    for (generation, line) in survey.generations.iter().zip(lines) {
        let gap = generation.covers.and_then(|covers| survey.gaps.iter().find(|gap| gap.to == covers.from));
        if let Some(gap) = gap {
            let length = std::time::Duration::from_millis(gap.to.0.saturating_sub(gap.from.0).max(0).unsigned_abs());
            ui.line(format_args!("      — gap {}: replicator was not running —", duration::format(length)));
        }
        ui.line(line);
        if let Some(problem) = &generation.problem {
            ui.line(format_args!("      {problem}"));
        }
    }
    let count = |number: usize, one: &str| format!("{number} {one}{}", if number == 1 { "" } else { "s" });
    let generations = count(survey.generations.len(), "generation");
    let gaps = if survey.gaps.is_empty() { String::new() } else { format!(", {}", count(survey.gaps.len(), "gap")) };
    let stored = ui.size(survey.stored_bytes);
    let sealed = if survey.encrypted { "encrypted" } else { "not encrypted" };
    let about = format!("({generations}{gaps}, {stored} stored, {sealed}, {})", survey.source);
    match survey.restorable {
        Some(range) => ui.line(format_args!("restorable: {} … {} {about}", ui.time(range.from), ui.time(range.to))),
        None => ui.line(format_args!("restorable: nothing {about}")),
    }
}

/// From and to in whole seconds, so that lines stay short, and so that both can be restored as they are written.
fn within(range: Interval, ui: &Ui) -> (String, String) {
    let second = |ms: i64| Timestamp(ms.div_euclid(1000) * 1000);
    let (from, to) = (second(range.from.0 + 999), second(range.to.0));
    if from <= to { (ui.time(from), ui.time(to)) } else { (ui.time(range.from), ui.time(range.to)) }
}

fn row(generation: &Generation, live: bool, ui: &Ui) -> Vec<String> {
    let (from, to) = match generation.covers {
        Some(covers) => within(covers, ui),
        None => ("-".into(), "-".into()),
    };
    let state = match generation.state {
        State::Ok if generation.latest && live => "ok, live",
        State::Ok => "ok",
        State::Partial => "partial",
        _ => "damaged",
    };
    vec![
        generation.id.short(),
        if generation.latest { "latest".into() } else { String::new() },
        from,
        to,
        table::count(generation.commits),
        ui.size(generation.snapshot_bytes),
        table::count(generation.segments),
        ui.size(generation.stored_bytes),
        state.into(),
    ]
}
