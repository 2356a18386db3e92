//! `waloy key list`

use std::ffi::OsString;

use serde::Serialize;

use super::{Place, show};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::render::count;
use crate::cli::render::table::{self, Column};
use crate::cli::secret::configured;
use crate::cli::ui::Ui;
use crate::error::{Error, Result};
use crate::keys::{Condition, DataKeyInfo, Keys, SlotInfo, opened_by};
use crate::replica::Replica;
use crate::seal::{Cost, SlotId};

/// List the slots and data keys of a replica
///
/// Needs no passphrase and no key: it shows what the bucket shows to everybody. Nothing of it is proven; with a passphrase
/// or a key the slot is marked that it opens.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy key list app.db
  waloy key list s3://bucket/app --json | jq -r '.slots[].id'
  waloy key list app.db --passphrase-file app.pass   marks the slot that it opens
")]
pub(super) struct Args {
    /// The database whose replica it is, or the URL of a replica
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    source: Option<OsString>,
}

const COLUMNS: [Column; 6] = [
    Column::text("SLOT"),
    Column::text("LABEL"),
    Column::text("KIND"),
    Column::text("ARGON2ID").spare(1),
    Column::text("MADE"),
    Column::text("STATE"),
];

const DATA_COLUMNS: [Column; 3] = [Column::number("DATA KEY"), Column::text("ID"), Column::text("MADE")];

/// Data keys that are listed for people, the newest ones.
const DATA_KEYS: usize = 8;

#[derive(Serialize)]
struct Json<'a> {
    source: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    replica: Option<String>,
    slots: Vec<show::Slot<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    opened_by: Option<String>,
    data_keys: Vec<DataKey>,
}

#[derive(Serialize)]
struct DataKey {
    epoch: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    created_at: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    problem: Option<String>,
}

impl DataKey {
    fn of(data_key: &DataKeyInfo) -> DataKey {
        let epoch = data_key.epoch.0;
        match &data_key.header {
            Ok((created, id)) => {
                DataKey { epoch, id: Some(id.to_string()), created_at: Some(created.to_string()), problem: None }
            }
            Err(error) => DataKey { epoch, id: None, created_at: None, problem: Some(error.to_string()) },
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// There is no replica, or one that is not encrypted; those of the store.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let ui = &context.ui;
    let place = Place::of(context, args.source).await?;
    let keys = place.keys(ui).await?;
    let opened = opened(context, &place).await?;
    if ui.mode.json {
        ui.json(
            "keys",
            &Json {
                source: place.store.location(),
                replica: keys.replica.map(|replica| replica.to_string()),
                slots: keys.slots.iter().map(show::Slot::of).collect(),
                opened_by: opened.map(|slot| slot.to_string()),
                data_keys: keys.data_keys.iter().map(DataKey::of).collect(),
            },
        );
    } else {
        human(&keys, opened, &place, ui);
    }
    Ok(Exit::Ok)
}

/// The slot that the configured secret opens. A wrong one is no reason not to list.
async fn opened(context: &Context, place: &Place) -> Result<Option<SlotId>> {
    let Some(found) = configured(context).await? else { return Ok(None) };
    let key = context.global.secret.key(found.secret.clone());
    match Replica::unlock(place.store.clone(), &key).await {
        Ok(replica) => Ok(opened_by(&replica)),
        Err(error) if error.is_bad_key() || error.is_damage() => {
            let error = Error::from(error);
            context.ui.warn(error.code(), &error.to_string(), error.hints());
            Ok(None)
        }
        Err(error) => Err(error.into()),
    }
}

fn human(keys: &Keys, opened: Option<SlotId>, place: &Place, ui: &Ui) {
    let of_slots = keys.slots.iter().filter_map(|slot| slot.created);
    let newest = &keys.data_keys[keys.data_keys.len().saturating_sub(DATA_KEYS)..];
    let of_data_keys = newest.iter().filter_map(|key| key.header.as_ref().ok().map(|(created, _)| *created));
    let (times, zone) = ui.times(&of_slots.chain(of_data_keys).collect::<Vec<_>>());
    let mut times = times.into_iter();

    let rows: Vec<Vec<String>> = keys.slots.iter().map(|slot| row(slot, opened, &mut times)).collect();
    table::lines(&COLUMNS, &rows, ui.width).into_iter().for_each(|line| ui.line(line));
    ui.line("");
    let rows: Vec<Vec<String>> = newest
        .iter()
        .map(|key| match &key.header {
            Ok((_, id)) => vec![key.epoch.to_string(), id.to_string(), times.next().unwrap_or_default()],
            Err(error) => vec![key.epoch.to_string(), error.to_string(), String::new()],
        })
        .collect();
    table::lines(&DATA_COLUMNS, &rows, ui.width).into_iter().for_each(|line| ui.line(line));
    let older = match keys.data_keys.len() - newest.len() {
        0 => String::new(),
        older => format!(", {} not shown", count(older as u64, "older one")),
    };
    let slots = count(keys.whole() as u64, "slot");
    let data_keys = count(keys.data_keys.len() as u64, "data key");
    let zone = zone.map(|zone| format!(", times in {zone}")).unwrap_or_default();
    ui.line(format_args!("{slots}, {data_keys}{older}, {}{zone}", place.store.location()));
}

fn row(slot: &SlotInfo, opened: Option<SlotId>, times: &mut impl Iterator<Item = String>) -> Vec<String> {
    let argon2 = |Cost { memory_kib, passes, lanes }| format!("{} MiB, t={passes}, p={lanes}", memory_kib / 1024);
    let state = match &slot.condition {
        Condition::Whole if opened == Some(slot.id) => "opened".into(),
        Condition::Whole => String::new(),
        Condition::OfAnother(_) => "of another replica".into(),
        Condition::Damaged(error) => error.to_string(),
    };
    vec![
        slot.id.to_string(),
        show::label(&slot.label),
        slot.kind.map_or("-", show::kind).into(),
        slot.cost.map_or("-".into(), argon2),
        slot.created.and_then(|_| times.next()).unwrap_or_else(|| "-".into()),
        state,
    ]
}
