//! `waloy inspect`

use std::ffi::OsString;
use std::sync::Arc;

use serde::Serialize;

use super::context::Context;
use super::destination::source;
use super::exit::Exit;
use super::render::table::{self, Column};
use super::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::replica::{LATEST, Name, ObjectReader, Objects, REPLICA, generations};
use crate::restore::{self, Generation, ObjectInfo, resolve_generation, survey_generation, survey_objects};
use crate::storage::Store;

mod raw;

use raw::Raw;

/// The small objects of a replica are shorter than this.
const SMALL: u64 = 1 << 20;

const COLUMNS: [Column; 7] = [
    Column::Text("KEY"),
    Column::Text("KIND"),
    Column::Text("TIME"),
    Column::Number("COMMITS"),
    Column::Number("RAW"),
    Column::Number("STORED"),
    Column::Text("SHA-256"),
];

#[derive(Serialize)]
struct Json<'a> {
    generation: &'a Generation,
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<&'a [ObjectInfo]>,
}

#[derive(Serialize)]
struct Small<'a> {
    key: &'a str,
    content: serde_json::Value,
}

/// Show one generation and its objects
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy inspect app.db                        the newest generation
  waloy inspect app.db 01JD9Q --objects       every object of a generation
  waloy inspect app.db --raw 01jd9q.../snapshot
")]
pub struct Args {
    /// The database whose replica to read, or the URL of a replica
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    source: Option<OsString>,
    /// The generation, by its id or the beginning of it [default: the newest]
    #[arg(value_name = "GENERATION", conflicts_with = "raw")]
    generation: Option<String>,
    /// List every object
    #[arg(long)]
    objects: bool,
    /// Show the decoded header of the object with this key
    #[arg(long, value_name = "KEY", conflicts_with = "objects")]
    raw: Option<String>,
}

/// Runs the command.
///
/// # Errors
///
/// Those of the library.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let ui = &context.ui;
    let source = source(args.source.as_deref(), &context.global)?;
    let store = context.open(&source.destination.location).await?;
    if let Some(key) = &args.raw {
        return raw(&store, key, ui).await;
    }
    let explain = |error| source.explain(error, ui);
    let newest = generations(&*store).await?.into_iter().next_back();
    let id = match (&args.generation, newest) {
        (Some(prefix), _) => resolve_generation(&*store, prefix).await.map_err(explain)?,
        (None, Some(newest)) => newest,
        (None, None) => return Err(explain(restore::Error::NoBackup { location: store.location() })),
    };
    let listed = Objects::list(&*store, id, None).await?;
    let mut generation = survey_generation(&store, &listed).await.map_err(explain)?;
    generation.latest = newest == Some(id);
    let objects = match args.objects {
        true => Some(survey_objects(&store, &listed).await.map_err(explain)?),
        false => None,
    };
    if ui.mode.json {
        ui.json("inspect", &Json { generation: &generation, objects: objects.as_deref() });
    } else {
        human(&generation, ui);
        for line in objects.iter().flat_map(|objects| table::lines(&COLUMNS, objects.iter().map(|info| row(info, ui))))
        {
            ui.line(line);
        }
    }
    Ok(Exit::Ok)
}

fn human(generation: &Generation, ui: &Ui) {
    let line = |name: &str, value: String| ui.line(format_args!("{name:<12} {value}"));
    let latest = if generation.latest { "  (latest)" } else { "" };
    line("generation", format!("{}{latest}", generation.id));
    line("state", word(&generation.state));
    if let Some(problem) = &generation.problem {
        line("problem", problem.clone());
    }
    if let Some(reason) = generation.reason {
        line("begun", word(&reason));
    }
    if let Some(covers) = generation.covers {
        line("from", ui.time(covers.from));
        line("to", ui.time(covers.to));
    }
    line("commits", table::count(generation.commits));
    line("snapshot", ui.size(generation.snapshot_bytes));
    line("segments", table::count(generation.segments));
    line("stored", ui.size(generation.stored_bytes));
    if let (Some(bytes), Some(page_size)) = (generation.db_bytes, generation.page_size) {
        line("database", format!("{}, {} pages of {page_size} bytes", ui.size(bytes), bytes / u64::from(page_size)));
    }
    if let Some(compression) = &generation.compression {
        line("compression", compression.clone());
    }
}

/// The word that stands in JSON.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn row(info: &ObjectInfo, ui: &Ui) -> Vec<String> {
    let digest = info.sha256.as_ref().map(|digest| format!("{}…", &digest[..12]));
    vec![
        info.key.split_once('/').map_or(info.key.as_str(), |(_, rest)| rest).to_owned(),
        info.kind.to_owned(),
        info.at.map(|at| ui.time(at)).unwrap_or_default(),
        info.commits.map(table::count).unwrap_or_default(),
        info.raw_bytes.map(|bytes| ui.size(bytes)).unwrap_or_default(),
        ui.size(info.stored_bytes),
        info.problem.clone().or(digest).unwrap_or_default(),
    ]
}

/// Shows one object by its key.
async fn raw(store: &Arc<dyn Store>, key: &str, ui: &Ui) -> Result<Exit> {
    let name = Name::parse(key);
    if key == REPLICA || key == LATEST || matches!(name, Some(Name::Manifest(_))) {
        let bytes = store.get(key, SMALL).await.map_err(|error| absent(error, key))?;
        let content = serde_json::from_slice(&bytes).map_err(|error| {
            Error::new(Kind::Damaged, "object.damaged", format!("{key} is not JSON")).because(error)
        })?;
        if ui.mode.json {
            ui.json("object", &Small { key, content });
        } else {
            ui.line(String::from_utf8_lossy(&bytes).trim_end());
        }
        return Ok(Exit::Ok);
    }
    let Some(name) = name else {
        return Err(Error::new(Kind::Usage, "usage.key", format!("`{key}` is not the key of an object of a replica"))
            .hint("keys are replica, latest, G/snapshot, G/manifest.json, G/wal/INDEX; `waloy inspect --objects` lists them"));
    };
    let size = store.head(key).await.map_err(|error| absent(error, key))?.size;
    let reader = ObjectReader::open(store, name, size).await?;
    let raw = Raw::of(name, size, reader.outline());
    if ui.mode.json {
        ui.json("object", &raw);
    } else {
        ui.line(serde_json::to_string_pretty(&raw).unwrap_or_default());
    }
    Ok(Exit::Ok)
}

/// An object that somebody named is not missing from the replica: it was never there.
fn absent(error: crate::storage::Error, key: &str) -> Error {
    if error.is_not_found() {
        return Error::new(Kind::NotCovered, "object.not_found", format!("there is no object {key}"))
            .hint("`waloy inspect --objects` lists what there is");
    }
    error.into()
}
