//! `waloy key`: the passphrases and keys of a replica.

use std::ffi::OsString;
use std::sync::Arc;

use clap::Subcommand;

use super::context::Context;
use super::destination::{Source, source};
use super::exit::Exit;
use super::secret;
use super::ui::Ui;
use crate::error::{Error, Result};
use crate::keys;
use crate::replica::{Key, Replica};
use crate::restore;
use crate::storage::Store;

mod export;
mod generate;
mod list;
mod new_secret;
mod rotate;
mod show;
mod slots;

/// Make passphrases and keys, and change those of a replica
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy key generate -o app.pass               a new passphrase
  waloy key list app.db                        who can open the backup; needs no key
  waloy key add app.db --label ops             one more passphrase, typed twice
  waloy key change app.db                      another passphrase instead of this one
  waloy key rotate app.db                      a new data key, for what comes
  waloy key export-recovery app.db -o kit.txt  to be printed and kept elsewhere

Each passphrase or key file opens a slot of its own, and each slot opens the backup.
")]
pub struct Args {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    Generate(generate::Args),
    List(list::Args),
    Add(slots::AddArgs),
    Change(slots::ChangeArgs),
    Remove(slots::RemoveArgs),
    Rotate(rotate::Args),
    ExportRecovery(export::Args),
}

/// Runs the command.
///
/// # Errors
///
/// Those of each of them.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    match args.command {
        Command::Generate(args) => generate::run(context, &args),
        Command::List(args) => list::run(context, args).await,
        Command::Add(args) => slots::add(context, args).await,
        Command::Change(args) => slots::change(context, args).await,
        Command::Remove(args) => slots::remove(context, args).await,
        Command::Rotate(args) => rotate::run(context, args).await,
        Command::ExportRecovery(args) => export::run(context, args).await,
    }
}

/// A replica, of which no more is known yet than where it is.
struct Place {
    source: Source,
    store: Arc<dyn Store>,
}

impl Place {
    async fn of(context: &Context, argument: Option<OsString>) -> Result<Place> {
        let source = source(argument.as_deref(), &context.global)?;
        let store = context.store(&source.destination).await?;
        Ok(Place { source, store })
    }

    /// What is there; before a passphrase is asked for.
    async fn keys(&self, ui: &Ui) -> Result<keys::Keys> {
        keys::list(&*self.store).await.map_err(|error| self.explain(error, ui))
    }

    /// The secret that is configured, or typed.
    async fn key(&self, context: &Context) -> Result<Key> {
        let found = secret::required(context, &self.source.destination.location.to_string()).await?;
        Ok(context.global.secret.key(found.secret.clone()))
    }

    /// The replica, opened with it.
    async fn unlocked(&self, context: &Context) -> Result<Replica> {
        self.keys(&context.ui).await?;
        let key = self.key(context).await?;
        Ok(Replica::unlock(self.store.clone(), &key).await?)
    }

    fn explain(&self, error: keys::Error, ui: &Ui) -> Error {
        match error {
            keys::Error::NoBackup { location } => self.source.explain(restore::Error::NoBackup { location }, ui),
            error => error.into(),
        }
    }
}
