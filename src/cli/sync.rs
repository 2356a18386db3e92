//! `waloy sync`

use std::time::{Duration, Instant};

use serde::Serialize;

use super::context::Context;
use super::destination::followed;
use super::exit::Exit;
use super::render::{count, seconds, took};
use super::replicate::{Pair, Reporter, once};
use crate::compress::Compression;
use crate::engine::control::{Position, request_sync};
use crate::engine::{Options, default_state_dir};
use crate::error::Result;
use crate::ids::GenerationId;
use crate::units::Timestamp;

/// How long the command waits by itself.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Bring everything committed so far to the replica, and wait for that
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy sync app.db && docker stop app
  waloy sync app.db s3://bucket/app --timeout 2m

A replicator that is running is asked; otherwise it is done here, as by `waloy replicate --once`.
")]
pub struct Args {
    #[command(flatten)]
    pair: Pair,
}

#[derive(Serialize)]
struct Json {
    db: String,
    generation: Option<GenerationId>,
    index: Option<u64>,
    at: Option<String>,
    commits: u64,
    duration_seconds: f64,
}

/// Runs the command.
///
/// # Errors
///
/// Those of the library.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let began = Instant::now();
    let destination = args.pair.resolve(context, false)?;
    let default = || default_state_dir(&followed(&args.pair.db));
    let state_dir = context.global.state_dir.clone().unwrap_or_else(default);
    if let Some(position) = request_sync(&state_dir).await? {
        report(context, &args.pair, &position, began.elapsed());
        return Ok(Exit::Ok);
    }
    let compression = Compression::default();
    let reporter = Reporter::new(context, &args.pair.db, &destination, compression);
    let options = Options { automatic: false, compression, ..args.pair.options(context) };
    once(context, options, &destination, &reporter).await
}

fn report(context: &Context, pair: &Pair, position: &Position, elapsed: Duration) {
    let ui = &context.ui;
    let at = position.at_ms.map(Timestamp);
    if ui.mode.json {
        let db = std::path::absolute(&pair.db).unwrap_or_else(|_| pair.db.clone());
        let json = Json {
            db: db.to_string_lossy().into_owned(),
            generation: position.generation,
            index: position.index,
            at: at.map(Timestamp::rfc3339),
            commits: position.commits,
            duration_seconds: seconds(elapsed),
        };
        ui.json("synced", &json);
        return;
    }
    let commits = count(position.commits, "commit");
    let place = match (position.generation, position.index) {
        (Some(generation), Some(index)) => format!("generation {}:{index}", generation.short()),
        (Some(generation), None) => format!("generation {}:snapshot", generation.short()),
        (None, _) => "no generation".into(),
    };
    let at = at.map(|at| format!(", {}", ui.time(at))).unwrap_or_default();
    ui.note(format_args!("in sync: {commits} sent in {}; {place}{at}", took(elapsed)));
}
