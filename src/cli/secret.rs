//! Where the passphrase or the key of a replica comes from.
//!
//! In this order: a flag; a variable, [`--passphrase-file`](SecretArgs)'s first, then that of the command, then a
//! descriptor; the credential `waloy-passphrase` of the service manager; `WALOY_PASSPHRASE`; the terminal. Two flags,
//! or two variables, are refused: nobody can tell which was meant, and the other one may be the one that is written
//! down.
//!
//! - Nothing is read before it is needed, and nothing is read twice: the command is run once a process.
//! - What was read is in memory that is wiped when it is let go of. It is in no log, no error and no `Debug`; these
//!   name the source, and how long the secret is.
//! - What comes out is a [`Secret`](crate::seal::Secret), and how it is used is a [`Key`](crate::replica::Key).
//! - The terminal is asked by the caller, once it knows that a replica is sealed: [`required`], [`prompt_new`].
//!
//! The flags are there in a program that is built without encryption too, and refused: a passphrase that is left
//! aside would make a replica that everybody can read.

mod args;
#[cfg(feature = "encryption")]
mod command;
#[cfg(feature = "encryption")]
mod found;
#[cfg(feature = "encryption")]
mod prompt;
#[cfg(feature = "encryption")]
mod read;
#[cfg(feature = "encryption")]
mod search;
#[cfg(feature = "encryption")]
mod source;

use std::ffi::OsString;

pub use args::{Encrypt, SecretArgs};
#[cfg(feature = "encryption")]
pub use found::Found;
#[cfg(feature = "encryption")]
pub use prompt::{is_typed, prompt, prompt_new};
#[cfg(feature = "encryption")]
pub use search::{Secrets, configured, missing, new, new_named, required};

#[cfg(not(feature = "encryption"))]
use super::context::Context;
#[cfg(not(feature = "encryption"))]
use super::destination::Destination;
use crate::error::Error;
#[cfg(not(feature = "encryption"))]
use crate::error::{Kind, Result};

/// Refuses to go on where encryption is asked for, in a program that cannot encrypt: nobody shall take an open replica
/// for a sealed one.
///
/// # Errors
///
/// `usage.no_encryption`.
#[cfg(not(feature = "encryption"))]
pub async fn refuse(context: &Context, destination: &Destination) -> Result<()> {
    let Some(what) = asked(context, destination).await? else { return Ok(()) };
    Err(Error::new(Kind::Usage, "usage.no_encryption", format!("this waloy cannot encrypt, and is asked to: {what}"))
        .hint("without encryption, for everybody to read who can read the bucket:  --encrypt off"))
}

#[cfg(not(feature = "encryption"))]
async fn asked(context: &Context, _: &Destination) -> Result<Option<String>> {
    Ok(context.global.secret.asked_by(variable))
}

const NAME_ONE: &str = "name one:  --passphrase-file FILE, --passphrase-command CMD, or --key-file FILE";

/// The same error; one for the lack of a key says how a key is given.
pub fn named(error: &Error) -> Error {
    let error = error.clone();
    let is_told = error.hints().iter().any(|hint| hint.contains("--passphrase-file") || hint.contains("--encrypt off"));
    if error.code() == "key.missing" && !is_told { error.hint(NAME_ONE) } else { error }
}

/// What is read from now on is in no core dump, and no other program of the user reads it from this one's memory.
#[cfg(feature = "encryption")]
fn keep_out_of_dumps() {
    #[cfg(target_os = "linux")]
    if let Err(error) = rustix::process::set_dumpable_behavior(rustix::process::DumpableBehavior::NotDumpable) {
        tracing::debug!(%error, "a core dump would have the secret in it");
    }
}

/// A variable of the environment, whatever its bytes; an empty one counts as unset.
fn variable(name: &str) -> Option<OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}
