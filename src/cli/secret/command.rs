//! A command that prints the passphrase.

use std::ffi::OsString;
use std::process::{ExitStatus, Stdio};
use std::time::Duration;

use tokio::io::AsyncReadExt;
use tokio::process::{Child, Command};
use zeroize::Zeroizing;

use super::args::{KEY_FILE, PASSPHRASE};
use super::read::MAX_BYTES;
use crate::config::duration;
use crate::error::{Error, Kind, Result};

/// How long the command may take: whoever types a PIN has time for it.
pub(super) const LIMIT: Duration = Duration::from_secs(30);

/// What the command prints. Its standard error is ours, its standard input is empty.
///
/// There is no shell: words are split, and quotes understood, as a shell does, and nothing is expanded. If the future
/// is dropped, or the time is over, the command is killed.
///
/// # Errors
///
/// `usage.secret_command` if it cannot be started, which trying again does not help; `key.command_failed` if it fails.
pub(super) async fn run(line: &str, named_by: &str, limit: Duration) -> Result<Zeroizing<Vec<u8>>> {
    let words =
        shell_words::split(line).map_err(|error| unusable(named_by, "cannot be split into words").because(error))?;
    let Some((program, args)) = words.split_first() else { return Err(unusable(named_by, "is empty")) };
    let mut command = Command::new(program);
    command.args(args).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::inherit()).kill_on_drop(true);
    for name in private(std::env::vars_os().map(|(name, _)| name)) {
        command.env_remove(name);
    }
    let mut child = command.spawn().map_err(|error| {
        let error = unusable(named_by, &format!("cannot be run: `{program}`")).because(error);
        error.hint("there is no shell: words are split, nothing is expanded; for more, name a script")
    })?;
    let (bytes, status) = tokio::time::timeout(limit, printed(&mut child)).await.map_err(|_| {
        failed(program, &format!("did not end within {}", duration::format(limit)))
            .hint("it gets no input: let it ask nothing, or ask elsewhere")
    })??;
    match status {
        // Whoever was cut off in the middle may well have failed over that.
        _ if bytes.len() > MAX_BYTES => Err(failed(program, "printed more than 64 KiB, which is no passphrase")),
        status if !status.success() => Err(failed(program, "failed").because(std::io::Error::other(shown(status)))),
        _ if bytes.is_empty() => Err(failed(program, "printed nothing")),
        _ => Ok(bytes),
    }
}

/// Everything that it prints, up to one byte too many, and how it ended.
async fn printed(child: &mut Child) -> Result<(Zeroizing<Vec<u8>>, ExitStatus)> {
    let lost = |error| {
        Error::new(Kind::Failure, "key.command_failed", "cannot read what the passphrase command prints").because(error)
    };
    let mut buffer = Zeroizing::new(vec![0; MAX_BYTES + 1]);
    let mut length = 0;
    if let Some(mut stdout) = child.stdout.take() {
        while length < buffer.len() {
            match stdout.read(&mut buffer[length..]).await.map_err(lost)? {
                0 => break,
                read => length += read,
            }
        }
    }
    // The pipe is closed by now: who goes on printing ends.
    let status = child.wait().await.map_err(lost)?;
    Ok((Zeroizing::new(buffer[..length].to_vec()), status))
}

/// The variables that are taken away from the command: all that are about passphrases and keys.
fn private(names: impl Iterator<Item = OsString>) -> impl Iterator<Item = OsString> {
    let beginnings = [PASSPHRASE, KEY_FILE.trim_end_matches("_FILE")];
    names.filter(move |name| beginnings.iter().any(|it| name.as_encoded_bytes().starts_with(it.as_bytes())))
}

/// The command in messages is its first word: what follows may be a secret of its own.
fn failed(program: &str, how: &str) -> Error {
    Error::new(Kind::Failure, "key.command_failed", format!("the passphrase command `{program}` {how}"))
}

fn unusable(named_by: &str, why: &str) -> Error {
    Error::new(Kind::Usage, "usage.secret_command", format!("the command of {named_by} {why}"))
}

fn shown(status: ExitStatus) -> String {
    match status.code() {
        Some(code) => format!("it exited with {code}; what it said is above"),
        None => status.to_string(),
    }
}
