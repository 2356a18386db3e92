//! `waloy key rotate`

use std::ffi::OsString;
use std::io::{BufRead, stdin};

use serde::Serialize;

use super::Place;
use super::new_secret::NewSecret;
use super::show::{self, Slot};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::render::count;
use crate::cli::secret::is_typed;
use crate::cli::ui::Ui;
use crate::clock::{Clock, SystemClock};
use crate::error::{Error, Kind, Result};
use crate::keys::{self, RootRotated, SlotInfo};

/// Seal what comes with a new data key; with --root, after a leak, under a new root key
///
/// Without --root every passphrase, key file and recovery kit stays as it is. Generations that begin from now on are
/// sealed with the new data key. A replicator that runs takes it with its next generation, one that is started again at
/// once.
///
/// With --root a new passphrase or key is asked for that never opened this replica, and every other slot and recovery kit
/// opens nothing any more. What was written before stays readable with what has leaked. A replicator that runs is to be
/// started again with the new one, at once: until it notices, an hour or two later or at its next generation, it goes on
/// with the old data key, and then it stops. Cut short, run it again with both.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy key rotate app.db
  waloy key rotate app.db --root               after a leak; both passphrases are typed
  waloy key rotate app.db --root --passphrase-file old.pass --new-passphrase-file new.pass --yes
")]
pub(super) struct Args {
    /// The database whose replica it is, or the URL of a replica
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    source: Option<OsString>,
    /// Make a new root key, after a passphrase, a key file or a recovery kit has leaked
    #[arg(long)]
    root: bool,
    #[command(flatten)]
    new: NewSecret,
    /// Do not ask whether the other slots may go
    #[arg(short, long, requires = "root")]
    yes: bool,
}

#[derive(Serialize)]
struct Rotated {
    root: bool,
    epoch: u32,
    data_key: String,
}

#[derive(Serialize)]
struct Json<'a> {
    root: bool,
    slot: String,
    epoch: u32,
    data_keys: usize,
    removed: Vec<Slot<'a>>,
    left: Vec<Left<'a>>,
}

#[derive(Serialize)]
struct Left<'a> {
    slot: Slot<'a>,
    why: &'a str,
}

impl Left<'_> {
    fn of(left: &keys::Left) -> Left<'_> {
        Left { slot: Slot::of(&left.slot), why: &left.why }
    }
}

/// Runs the command.
///
/// # Errors
///
/// Those of the library, and of the sources of secrets; slots would go, and nobody has agreed to that.
pub(super) async fn run(context: &Context, args: Args) -> Result<Exit> {
    let ui = &context.ui;
    if !args.root && args.new.is_given() {
        let message = "a new passphrase, key or label is for --root: without it all stay as they are";
        return Err(Error::new(Kind::Usage, "usage.missing_argument", message)
            .hint("for another passphrase:  waloy key change")
            .hint("after a leak:  waloy key rotate --root"));
    }
    args.new.check(context)?;
    let place = Place::of(context, args.source.clone()).await?;
    if args.root {
        return root(context, &place, &args).await;
    }
    let replica = place.unlocked(context).await?;
    let rotated = keys::rotate(&replica, SystemClock.now()).await.map_err(|error| place.explain(error, ui))?;
    let (epoch, data_key) = (rotated.epoch.0, rotated.id.to_string());
    if ui.mode.json {
        ui.json("key_rotate", &Rotated { root: false, epoch, data_key });
    } else {
        ui.note(format_args!("data key {epoch} is made: generations that begin from now on are sealed with it"));
        ui.note("a replicator that runs takes it with its next generation; one that is started again, at once");
    }
    Ok(Exit::Ok)
}

async fn root(context: &Context, place: &Place, args: &Args) -> Result<Exit> {
    let ui = &context.ui;
    let there = place.keys(ui).await?;
    let old = place.key(context).await?;
    let new = args.new.read(context, &place.store.location()).await?;
    if !args.yes && !agreed(context, place, &there.slots)? {
        ui.note("nothing was changed");
        return Ok(Exit::Ok);
    }
    let label = args.new.label.as_deref().unwrap_or_default();
    let done = keys::rotate_root(&*place.store, &old, &new, label, SystemClock.now()).await;
    let done = done.map_err(|error| cut_short(place.explain(error, ui)))?;
    if ui.mode.json {
        ui.json(
            "key_rotate",
            &Json {
                root: true,
                slot: done.slot.to_string(),
                epoch: done.epoch.0,
                data_keys: done.data_keys,
                removed: done.removed.iter().map(Slot::of).collect(),
                left: done.left.iter().map(Left::of).collect(),
            },
        );
    } else {
        human(&done, ui);
    }
    for left in &done.left {
        let message = format!("slot {} is still there: {}", show::slot(&left.slot, ui), left.why);
        let hint =
            "unless another change of the root key is at work it opens nothing any more: `waloy key remove` removes it";
        ui.warn("key.slot_left", &message, &[hint.into()]);
    }
    Ok(Exit::Ok)
}

/// Asks on a terminal; elsewhere somebody has to have agreed before.
fn agreed(context: &Context, place: &Place, slots: &[SlotInfo]) -> Result<bool> {
    let ui = &context.ui;
    let going = count(slots.len() as u64, "slot");
    let argument = place.source.argument();
    if !is_typed(context) {
        let message = format!("the root key is to change, and {going} to go: nobody is there to be asked");
        return Err(Error::new(Kind::Usage, "key.unconfirmed", message)
            .hint(format!("see which:  waloy key list {argument}"))
            .hint("then do it:  the same with --yes"));
    }
    for slot in slots {
        ui.problem(format_args!("slot {} will open nothing any more", show::slot(slot, ui)));
    }
    ui.ask("change the root key? [y/N] ");
    let mut answer = String::new();
    let read = stdin().lock().read_line(&mut answer);
    read.map_err(|error| Error::new(Kind::Failure, "key.unconfirmed", "cannot read the answer").because(error))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

/// After an error of the store it may be half done.
fn cut_short(error: Error) -> Error {
    match error.kind() {
        Kind::Unavailable | Kind::Denied | Kind::Failure => {
            error.hint("it may be half done: run it again with both secrets, the old one and the new one")
        }
        _ => error,
    }
}

fn human(done: &RootRotated, ui: &Ui) {
    let data_keys = count(done.data_keys as u64, "data key");
    ui.note(format_args!("the root key is a new one: slot {} opens it, and it opens {data_keys}", done.slot));
    for slot in &done.removed {
        ui.note(format_args!("removed slot {}", show::slot(slot, ui)));
    }
    ui.note(format_args!("generations that begin from now on are sealed with data key {}", done.epoch));
    ui.note("what was written before stays readable with what has leaked");
    ui.note(
        "now:  start replicators again with the new passphrase or key: one that runs writes with the old data key,",
    );
    ui.note("      add the passphrases of others with `waloy key add`,");
    ui.note("      and make a new recovery kit with `waloy key export-recovery`: the old one opens nothing any more");
}
