//! `waloy sync`

use std::time::{Duration, Instant};

use serde::Serialize;

use super::context::Context;
use super::databases::{Database, Databases};
use super::destination::{Origin, quoted};
use super::exit::Exit;
use super::render::{count, seconds, took};
use super::replicate::once;
use crate::db;
use crate::engine::control::{Position, request_sync};
use crate::error::{Error, Kind, Result};
use crate::ids::GenerationId;
use crate::state::{Acknowledged, StateDir};
use crate::units::Timestamp;

/// How long the command waits by itself.
pub const TIMEOUT: Duration = Duration::from_secs(30);

/// Bring everything committed so far to the replica, and wait for that
#[derive(Debug, clap::Args)]
#[command(
    override_usage = "waloy sync [OPTIONS] DB... [URL]",
    before_help = "Examples:
  waloy sync app.db && docker stop app
  waloy sync app.db audit.db --timeout 2m

A replicator that is running is asked; otherwise it is done here, as by `waloy replicate --once`.
"
)]
pub struct Args {
    #[command(flatten)]
    databases: Databases,
}

#[derive(Serialize)]
struct Json {
    db: String,
    destination: String,
    generation: Option<GenerationId>,
    index: Option<u64>,
    at: Option<String>,
    commits: u64,
    duration_seconds: f64,
}

/// Runs the command: one database after the other, so that each says how it ended.
///
/// # Errors
///
/// Those of the library.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let mut databases = args.databases.resolve(&context.global)?;
    if databases.len() == 1 {
        return one(context, databases.remove(0)).await;
    }
    let mut exits = Vec::new();
    for database in databases {
        exits.push(match one(context, database).await {
            Ok(exit) => exit,
            Err(error) => {
                context.ui.error(&error);
                Exit::Kind(error.kind())
            }
        });
    }
    Ok(Exit::of_several(&exits))
}

async fn one(context: &Context, database: Database) -> Result<Exit> {
    let began = Instant::now();
    db::resolve(&database.path)?;
    require_same_place(&database)?;
    match request_sync(&database.state_dir).await? {
        Some(position) => {
            report(context, &database, &position, began.elapsed());
            Ok(Exit::Ok)
        }
        None if database.destination.origin == Origin::BuiltIn && Acknowledged::read(&database.state_dir).is_none() => {
            let message = format!("{} was never replicated", database.path.display());
            Err(Error::new(Kind::Usage, "sync.never", message)
                .hint(format!("waloy replicate {} s3://bucket/prefix", quoted(&database.path.to_string_lossy()))))
        }
        None => once(context, database).await,
    }
}

/// A replicator that is running syncs to where it replicates, wherever that was asked for.
fn require_same_place(database: &Database) -> Result<()> {
    let asked = !matches!(database.destination.origin, Origin::BuiltIn | Origin::Recorded);
    let Some(owner) = StateDir::owner(&database.state_dir).filter(|_| asked) else { return Ok(()) };
    let Some(noted) = Acknowledged::read(&database.state_dir) else { return Ok(()) };
    let asked = database.destination.location.to_string();
    if noted.destination == asked {
        return Ok(());
    }
    let db = database.path.display();
    let message = format!("{db} is replicated to {}, not to {asked}", noted.destination);
    Err(Error::new(Kind::Usage, "sync.other_destination", message)
        .because(format!("{owner} does it"))
        .hint(format!("waloy sync {}", quoted(&database.path.to_string_lossy()))))
}

fn report(context: &Context, database: &Database, position: &Position, elapsed: Duration) {
    let ui = &context.ui;
    let at = position.at_ms.map(Timestamp);
    if ui.mode.json {
        let db = std::path::absolute(&database.path).unwrap_or_else(|_| database.path.clone());
        let json = Json {
            db: db.to_string_lossy().into_owned(),
            destination: position.destination.clone(),
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
    ui.note(format_args!(
        "{} is in sync with {}\n  {commits} sent in {}; {place}{at}",
        database.path.display(),
        position.destination,
        took(elapsed)
    ));
}
