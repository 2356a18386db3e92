//! The search for the secret of a run.

use std::ffi::OsString;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OnceCell, oneshot};
use zeroize::Zeroizing;

use super::args::{COMMAND, CREDENTIAL, Encrypt, FD, FILE, KEY_FILE, PASSPHRASE, SecretArgs};
use super::found::Found;
use super::source::{Source, choose};
use super::{command, keep_out_of_dumps, read, variable};
use crate::cli::context::Context;
use crate::error::{Error, Kind, Result};

/// What a person should know of where a secret is kept.
#[derive(PartialEq, Eq, Debug)]
pub(super) struct Warning {
    pub(super) code: &'static str,
    pub(super) message: String,
    pub(super) hint: String,
}

/// The secret of this run, once it was looked for, and the one that was typed.
#[derive(Clone, Debug, Default)]
pub struct Secrets(Arc<Cells>);

#[derive(Debug, Default)]
struct Cells {
    configured: OnceCell<Result<Option<Arc<Found>>>>,
    typed: OnceCell<Result<Option<Arc<Found>>>>,
}

/// The passphrase or key that flags and environment name; `None` if they name none, or with `--encrypt off`.
///
/// Looked for at the first call, with warnings; later calls get the same answer, also if it is an error. Whether one
/// is required is for the caller to know, and so is asking for it: see [`required`].
///
/// # Errors
///
/// Two sources (`usage.two_secrets`); one that cannot be read (`usage.secret_file`, `usage.secret_command`,
/// `key.command_failed`); no passphrase in it (`usage.short_passphrase`); no key and no whole recovery kit in it
/// (`key.unusable`).
pub async fn configured(context: &Context) -> Result<Option<Arc<Found>>> {
    let look = async || {
        let looked = look(&context.global.secret, variable, command::LIMIT).await?;
        let Some((found, warning)) = looked else { return Ok(None) };
        tracing::debug!(secret = %found, "found");
        warn(context, warning);
        Ok(Some(Arc::new(found)))
    };
    context.secrets.0.configured.get_or_init(look).await.clone()
}

/// The passphrase or key of `what`, which is sealed: as it is configured, and otherwise as it is typed. Somebody is
/// asked once, whatever the number of replicas.
///
/// For what is yet to be sealed ask with [`prompt_new`](super::prompt_new): what was mistyped once opens nothing again.
///
/// # Errors
///
/// Those of [`configured`]; those of [`prompt`](super::prompt); `key.missing` if nobody can be asked, or encryption is
/// off.
pub async fn required(context: &Context, what: &str) -> Result<Arc<Found>> {
    if let Some(found) = configured(context).await? {
        return Ok(found);
    }
    let ask = async || match context.global.secret.encrypt {
        Encrypt::Off => Ok(None),
        Encrypt::Auto | Encrypt::Required => Ok(super::prompt(context, what).await?.map(Arc::new)),
    };
    let typed = context.secrets.0.typed.get_or_init(ask).await.clone()?;
    typed.ok_or_else(|| missing(&context.global.secret, what))
}

/// A new passphrase for `what`, typed twice.
///
/// # Errors
///
/// Those of [`prompt_new`](super::prompt_new); `key.missing` if nobody can be asked.
pub async fn new(context: &Context, what: &str) -> Result<Arc<Found>> {
    let ask = async || Ok(super::prompt_new(context, what).await?.map(Arc::new));
    let typed = context.secrets.0.typed.get_or_init(ask).await.clone()?;
    typed.ok_or_else(|| missing(&context.global.secret, what))
}

/// A new passphrase or key in one of these files; `None` without either. Whatever the environment names is the old one.
///
/// # Errors
///
/// As [`configured`].
pub async fn new_named(
    context: &Context,
    passphrase_file: Option<&Path>,
    key_file: Option<&Path>,
) -> Result<Option<Found>> {
    let named = SecretArgs {
        passphrase_file: passphrase_file.map(Path::to_owned),
        key_file: key_file.map(Path::to_owned),
        ..SecretArgs::default()
    };
    let looked = look(&named, |_| None, command::LIMIT).await?;
    Ok(looked.map(|(found, warning)| {
        warn(context, warning);
        found
    }))
}

fn warn(context: &Context, warning: Option<Warning>) {
    if let Some(Warning { code, message, hint }) = warning {
        context.ui.warn(code, &message, &[hint]);
    }
}

/// `key.missing`, with all that can be done about it.
pub fn missing(args: &SecretArgs, what: &str) -> Error {
    let error = Error::new(Kind::BadKey, "key.missing", format!("no passphrase and no key for {what}"));
    if args.encrypt == Encrypt::Off {
        return error.hint("with `--encrypt off`, or WALOY_ENCRYPT=off, none is looked for");
    }
    error
        .hint(super::NAME_ONE)
        .hint(format!("or by a variable:  {FILE}, {COMMAND}, {FD}, or {KEY_FILE}"))
        .hint(format!("or hand it over as the credential {CREDENTIAL} of systemd"))
}

/// Chooses the source and reads it.
pub(super) async fn look(
    args: &SecretArgs,
    variable: impl Fn(&str) -> Option<OsString>,
    limit: Duration,
) -> Result<Option<(Found, Option<Warning>)>> {
    if args.encrypt == Encrypt::Off {
        return Ok(None);
    }
    let Some(source) = choose(args, variable)? else { return Ok(None) };
    keep_out_of_dumps();
    Ok(Some(match source {
        Source::File(path) => {
            let (bytes, origin, warning) = file(path).await?;
            (Found::passphrase_file(&bytes, origin)?, warning)
        }
        Source::KeyFile(path) => {
            let (bytes, origin, warning) = file(path).await?;
            (Found::key_file(&bytes, origin)?, warning)
        }
        // The modes of these two are not of the person's choice.
        Source::Descriptor(path) => {
            let (bytes, origin, _) = file(path).await?;
            (Found::passphrase_file(&bytes, origin)?, None)
        }
        Source::Credential(path, unused) => {
            let (bytes, origin, _) = file(path).await?;
            (Found::passphrase_file(&bytes, origin)?, unused.then(credential_first))
        }
        Source::Stdin => {
            let bytes = aside(read::stdin).await?;
            (Found::passphrase_file(&bytes, "standard input".into())?, None)
        }
        Source::Command { line, named_by } => {
            let bytes = command::run(&line, named_by, limit).await?;
            (Found::passphrase_file(&bytes, format!("the command of {named_by}"))?, None)
        }
        // To the byte: nothing puts a newline there by itself.
        Source::Variable(bytes) => (Found::passphrase(&bytes, PASSPHRASE.into())?, Some(in_environment())),
    }))
}

/// The bytes of a file, how it is called, and what there is to be said about its mode.
async fn file(path: PathBuf) -> Result<(Zeroizing<Vec<u8>>, String, Option<Warning>)> {
    let origin = path.display().to_string();
    let (bytes, warning) = aside(move || read::file(&path)).await?;
    Ok((bytes, origin, warning))
}

/// Waits for what may block, such as a pipe that nobody writes to; an interrupted command does not wait for it.
pub(super) async fn aside<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    let (send, receive) = oneshot::channel();
    let thread = std::thread::Builder::new().name("secret".into()).spawn(move || {
        // If nobody waits any longer, what was read is wiped here.
        let _ = send.send(work());
    });
    thread.map_err(|error| Error::new(Kind::Failure, "runtime", "cannot start threads").because(error))?;
    receive.await.map_err(|_| Error::new(Kind::Internal, "internal", "the thread that reads a secret has panicked"))?
}

fn in_environment() -> Warning {
    Warning {
        code: "key.in_environment",
        message: format!("the passphrase is in {PASSPHRASE}: /proc, `docker inspect` and `systemctl show` show it"),
        hint: "put it into a file of mode 0600 and name that:  --passphrase-file FILE".into(),
    }
}

fn credential_first() -> Warning {
    Warning {
        code: "key.credential_first",
        message: format!("{PASSPHRASE} is not used: the credential {CREDENTIAL} comes before it"),
        hint: format!("unset {PASSPHRASE}, or do not hand over the credential"),
    }
}

#[cfg(test)]
pub(super) mod tests;
