//! `waloy inspect`

use std::ffi::{OsStr, OsString};
use std::path::Path;

use serde::Serialize;

use super::context::Context;
use super::destination::{Source, source};
use super::exit::Exit;
use super::render::count;
use super::render::table::{self, Column};
use super::ui::Ui;
use crate::error::{Error, Kind, Result};
use crate::ids::GenerationId;
use crate::replica::{self, Document, Name, ObjectReader, Objects, Replica, generations};
use crate::restore::{
    Anchor, Generation, ObjectInfo, Point, State, resolve_generation, suite, survey_generation, survey_objects,
};

mod raw;
mod short_key;

use raw::{Outer, Raw};

const COLUMNS: [Column; 9] = [
    Column::text("KEY"),
    Column::text("KIND").spare(5),
    Column::text("TIME"),
    Column::number("COMMITS").spare(3),
    Column::number("RAW").spare(2),
    Column::number("STORED"),
    Column::number("RATIO").spare(4),
    Column::text("SHA-256").spare(1),
    Column::text(""),
];

#[derive(Serialize)]
struct Json<'a> {
    generation: &'a Generation,
    #[serde(skip_serializing_if = "Option::is_none")]
    objects: Option<&'a [ObjectInfo]>,
}

#[derive(Serialize)]
struct AnchorJson {
    anchor: String,
    generation: GenerationId,
    index: Point,
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
  waloy inspect app.db --raw snapshot         the header of an object
  waloy inspect app.db 01JD9Q --raw wal/37
  waloy inspect app.db --raw latest           what the replica says is newest
  waloy inspect app.db --anchor >> anchor.txt a note of how far it reaches
")]
pub struct Args {
    /// The database whose replica to read, or the URL of a replica
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    source: Option<OsString>,
    /// The generation: its id, the beginning of it, or latest [default: latest]
    #[arg(value_name = "GENERATION")]
    generation: Option<String>,
    /// List every object
    #[arg(long)]
    objects: bool,
    /// Print one line that says how far the replica reaches, to be kept elsewhere: `verify --anchor` and `restore
    /// --anchor` fail if the replica ever ends before it
    #[arg(long, conflicts_with_all = ["objects", "raw", "generation"])]
    anchor: bool,
    /// Show the decoded header of one object; keys as --objects lists them, or whole
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
    let (argument, generation) = match (&args.source, &args.generation) {
        (Some(only), None) if context.global.to.is_some() && is_generation(only) => (None, only.to_str()),
        (argument, generation) => (argument.as_deref(), generation.as_deref()),
    };
    let source = source(argument, &context.global)?;
    let replica = context.open_as_it_is(&source.destination).await?;
    let explain = |error| source.explain(error, ui);
    if args.anchor {
        return anchor(&replica, &source, ui).await;
    }
    if let Some(key) = args.raw.as_deref().filter(|key| is_whole_key(key)) {
        return raw(&replica, key, &source, ui).await;
    }
    let id = resolve_generation(&*replica, generation.unwrap_or("latest")).await.map_err(explain)?;
    if let Some(key) = &args.raw {
        return raw(&replica, &short_key::whole(id, key).unwrap_or_else(|| key.clone()), &source, ui).await;
    }
    let listed = Objects::list(&*replica, id, None).await?;
    let mut generation = survey_generation(&replica, &listed).await.map_err(explain)?;
    generation.latest = generations(&*replica).await?.last() == Some(&id);
    let objects = match args.objects {
        true => Some(survey_objects(&replica, &listed).await.map_err(explain)?),
        false => None,
    };
    if ui.mode.json {
        ui.json("inspect", &Json { generation: &generation, objects: objects.as_deref() });
    } else {
        human(&generation, ui);
        if let Some(objects) = &objects {
            ui.line("");
            table(objects, ui);
        }
    }
    if generation.state == State::Sealed {
        ui.warn(
            "key.not_given",
            "the replica is encrypted, and no key is given: only what the store shows of it is known",
            &["the rest is told with its key: --passphrase-file FILE, --key-file FILE".into()],
        );
    }
    Ok(Exit::Ok)
}

/// Prints how far the replica reaches.
async fn anchor(replica: &Replica, source: &Source, ui: &Ui) -> Result<Exit> {
    let anchor = Anchor::of(replica).await.map_err(|error| source.explain(error, ui))?;
    if ui.mode.json {
        let Anchor { generation, point, .. } = anchor;
        ui.json("anchor", &AnchorJson { anchor: anchor.to_string(), generation, index: point });
    } else {
        ui.line(anchor);
    }
    Ok(Exit::Ok)
}

/// Whether the only argument beside `--to` is a generation: written as one, and no file.
fn is_generation(argument: &OsStr) -> bool {
    let text = argument.to_string_lossy();
    let letters = |part: &str| part.bytes().all(|byte| byte.is_ascii_alphanumeric());
    let is_id = text.starts_with('0') && text.len() >= 4 && text.replace("..", "…").split('…').all(letters);
    (is_id || text == "latest") && !Path::new(argument).exists()
}

/// The key of an object whatever generation is looked at.
fn is_whole_key(key: &str) -> bool {
    Document::parse(key).is_some() || Name::parse(key).is_some()
}

fn table(objects: &[ObjectInfo], ui: &Ui) {
    let (times, zone) = ui.times(&objects.iter().filter_map(|info| info.at).collect::<Vec<_>>());
    let mut times = times.into_iter();
    let rows: Vec<Vec<String>> = objects.iter().map(|info| row(info, &mut times, ui)).collect();
    for line in table::lines(&COLUMNS, &rows, ui.width) {
        ui.line(line);
    }
    if let Some(zone) = zone {
        ui.line(format_args!("{}, times in {zone}", count(objects.len() as u64, "object")));
    }
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
    if generation.state != State::Sealed {
        line("commits", table::count(generation.commits));
    }
    line("snapshot", ui.size(generation.snapshot_bytes));
    line("segments", table::count(generation.segments));
    line("stored", ui.size(generation.stored_bytes));
    if let (Some(bytes), Some(page_size)) = (generation.db_bytes, generation.page_size) {
        line("database", format!("{}, {} pages of {page_size} bytes", ui.size(bytes), bytes / u64::from(page_size)));
    }
    if let Some(compression) = &generation.compression {
        line("compression", compression.clone());
    }
    if let Some(epoch) = generation.key_epoch {
        line("data key", epoch.to_string());
    }
}

/// The word that stands in JSON.
fn word(value: &impl Serialize) -> String {
    let value = serde_json::to_value(value).ok();
    value.and_then(|value| value.as_str().map(str::to_owned)).unwrap_or_default()
}

fn row(info: &ObjectInfo, times: &mut impl Iterator<Item = String>, ui: &Ui) -> Vec<String> {
    let ratio = |raw: u64| format!("{:.1}", raw as f64 / info.stored_bytes.max(1) as f64);
    vec![
        short_key::short(&info.key),
        info.kind.to_owned(),
        info.at.and_then(|_| times.next()).unwrap_or_default(),
        info.commits.map(table::count).unwrap_or_default(),
        info.raw_bytes.map(|bytes| ui.size(bytes)).unwrap_or_default(),
        ui.size(info.stored_bytes),
        info.raw_bytes.map(ratio).unwrap_or_default(),
        info.sha256.as_ref().map(|digest| format!("{}…", &digest[..12])).unwrap_or_default(),
        if info.problem.is_some() { "damaged".into() } else { String::new() },
    ]
}

/// What is shown of an object: without a key, of one that is encrypted, what is in front of it.
#[derive(Serialize)]
#[serde(untagged)]
enum Shown {
    Decoded(Box<Raw>),
    Outer(Outer),
}

/// Shows one object by its key.
async fn raw(replica: &Replica, key: &str, source: &Source, ui: &Ui) -> Result<Exit> {
    if let Some(document) = Document::parse(key) {
        let bytes = document.read(replica).await?.ok_or_else(|| not_there(key, source))?;
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
    let Some(name) = Name::parse(key) else {
        return Err(Error::new(Kind::Usage, "usage.key", format!("`{key}` is not the key of an object of a replica"))
            .hint("keys are snapshot, manifest.json, wal/INDEX, with or without a generation in front; latest, replica")
            .hint(format!("list them:  waloy inspect {} --objects", source.argument())));
    };
    let size = replica.head(key).await.map_err(|error| absent(error, key, source))?.size;
    let shown = match ObjectReader::open(replica, name, size).await {
        Ok(reader) => Shown::Decoded(Box::new(Raw::of(name, size, reader.outline()))),
        Err(replica::Error::Sealed { .. }) => Shown::Outer(Outer::of(name, size, suite(replica, name).await?)),
        Err(error) => return Err(error.into()),
    };
    if ui.mode.json {
        ui.json("object", &shown);
    } else {
        ui.line(serde_json::to_string_pretty(&shown).unwrap_or_default());
    }
    Ok(Exit::Ok)
}

/// An object that somebody named is not missing from the replica: it was never there.
fn absent(error: crate::storage::Error, key: &str, source: &Source) -> Error {
    if error.is_not_found() { not_there(key, source) } else { error.into() }
}

fn not_there(key: &str, source: &Source) -> Error {
    Error::new(Kind::NotCovered, "object.not_found", format!("there is no object {key}"))
        .hint(format!("list what there is:  waloy inspect {} --objects", source.argument()))
}
