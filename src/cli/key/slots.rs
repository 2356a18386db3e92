//! `waloy key add`, `change`, `remove`

use std::ffi::OsString;

use serde::Serialize;

use super::Place;
use super::new_secret::NewSecret;
use super::show::{self, OneSlot, Slot};
use crate::cli::context::Context;
use crate::cli::exit::Exit;
use crate::cli::render::count;
use crate::clock::{Clock, SystemClock};
use crate::error::Result;
use crate::keys;
use crate::seal::SlotId;

/// Add a passphrase or a key that opens the replica
///
/// The replica is opened with one that it has. When this ends, the new one is stored, was read back, and opens it too.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy key add app.db --label ops             both passphrases are typed
  waloy key add app.db --passphrase-file app.pass --new-passphrase-file ops.pass
  waloy key add s3://bucket/app --key-file kit.txt --new-key-file waloy.key
")]
pub(super) struct AddArgs {
    /// The database whose replica it is, or the URL of a replica
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    source: Option<OsString>,
    #[command(flatten)]
    new: NewSecret,
}

/// Put a new passphrase or key in the place of the one that opens the replica
///
/// The new one is added, then every slot is removed that the old one opens; at every moment one of them opens. With a
/// recovery kit no slot is removed. Cut short, it can be run again.
///
/// This takes nothing away from whoever has opened the replica with the old one before: after a leak, see `rotate --root`.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy key change app.db                      both passphrases are typed
  waloy key change app.db --passphrase-file old.pass --new-passphrase-file new.pass
")]
pub(super) struct ChangeArgs {
    /// The database whose replica it is, or the URL of a replica
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    source: Option<OsString>,
    #[command(flatten)]
    new: NewSecret,
}

/// Remove a slot: its passphrase or key no longer opens the replica
///
/// The replica is opened with another passphrase or key first, so that nobody is locked out. The last slot stays.
///
/// This takes nothing away from whoever has opened the replica with it before: after a leak, see `rotate --root`.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy key remove 5de78078f3e17567 app.db
  waloy key remove 5de78078f3e17567 s3://bucket/app --passphrase-file app.pass
")]
pub(super) struct RemoveArgs {
    /// The slot, as `waloy key list` shows it
    #[arg(value_name = "SLOT", value_parser = slot)]
    slot: SlotId,
    /// Do not open the replica first: whether anything that is left opens it, you know
    #[arg(long)]
    unproven: bool,
    /// The database whose replica it is, or the URL of a replica
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    source: Option<OsString>,
}

fn slot(text: &str) -> Result<SlotId, String> {
    text.to_ascii_lowercase().parse().map_err(|_| "the id of a slot has 16 hexadecimal digits".to_owned())
}

#[derive(Serialize)]
struct Changed<'a> {
    added: Slot<'a>,
    removed: Vec<Slot<'a>>,
}

/// What is said whenever a slot goes.
pub(super) const NOT_REVOKED: &str =
    "whoever has opened the replica with it before can still read it: after a leak, `waloy key rotate --root`";

/// Runs the command.
///
/// # Errors
///
/// Those of the library, and of the sources of both secrets.
pub(super) async fn add(context: &Context, args: AddArgs) -> Result<Exit> {
    let ui = &context.ui;
    args.new.check(context)?;
    let place = Place::of(context, args.source).await?;
    let replica = place.unlocked(context).await?;
    let new = args.new.read(context, &place.store.location()).await?;
    let label = args.new.label.as_deref().unwrap_or_default();
    let added = keys::add(&replica, &new, label, SystemClock.now()).await;
    let added = added.map_err(|error| place.explain(error, ui))?;
    if ui.mode.json {
        ui.json("key_add", &OneSlot { slot: Slot::of(&added), slots_left: None });
    } else {
        ui.note(format_args!("added slot {}", show::slot(&added, ui)));
    }
    Ok(Exit::Ok)
}

/// Runs the command.
///
/// # Errors
///
/// As [`add`].
pub(super) async fn change(context: &Context, args: ChangeArgs) -> Result<Exit> {
    let ui = &context.ui;
    args.new.check(context)?;
    let place = Place::of(context, args.source).await?;
    place.keys(ui).await?;
    let old = place.key(context).await?;
    let new = args.new.read(context, &place.store.location()).await?;
    let changed = keys::change(&*place.store, &old, &new, args.new.label.as_deref(), SystemClock.now()).await;
    let changed = changed.map_err(|error| place.explain(error, ui))?;
    if ui.mode.json {
        let removed = changed.removed.iter().map(Slot::of).collect();
        ui.json("key_change", &Changed { added: Slot::of(&changed.added), removed });
        return Ok(Exit::Ok);
    }
    ui.note(format_args!("added slot {}", show::slot(&changed.added, ui)));
    for removed in &changed.removed {
        ui.note(format_args!("removed slot {}", show::slot(removed, ui)));
    }
    ui.note(if changed.removed.is_empty() { "a recovery kit has no slot: none was removed" } else { NOT_REVOKED });
    ui.note("give the new one to whatever starts waloy; a replicator that runs goes on");
    Ok(Exit::Ok)
}

/// Runs the command.
///
/// # Errors
///
/// Those of the library.
pub(super) async fn remove(context: &Context, args: RemoveArgs) -> Result<Exit> {
    let ui = &context.ui;
    let place = Place::of(context, args.source).await?;
    let keys = place.keys(ui).await?;
    let slot = keys::removable(&keys, args.slot, &place.store.location())?;
    // One that no secret opens takes nothing with it.
    let removed = match args.unproven || !slot.is_whole() {
        true => keys::remove_unproven(&*place.store, args.slot).await,
        false => keys::remove(&*place.store, args.slot, &place.key(context).await?).await,
    };
    let removed = removed.map_err(|error| place.explain(error, ui))?;
    if ui.mode.json {
        ui.json("key_remove", &OneSlot { slot: Slot::of(&removed.slot), slots_left: Some(removed.left) });
        return Ok(Exit::Ok);
    }
    let left = count(removed.left as u64, "slot");
    let are = if removed.left == 1 { "is" } else { "are" };
    ui.note(format_args!("removed slot {}; {left} {are} left", show::slot(&removed.slot, ui)));
    ui.note(NOT_REVOKED);
    Ok(Exit::Ok)
}
