//! Asks for a passphrase on the terminal, without showing it.

use std::io::{self, IsTerminal};
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use rustix::termios::{LocalModes, OptionalActions, Termios, tcgetattr, tcsetattr};
use zeroize::Zeroizing;

use super::found::Found;
use super::read::MAX_BYTES;
use super::search::aside;
use crate::cli::context::Context;
use crate::error::{Error, Kind, Result};
use crate::seal::{MIN_PASSPHRASE_LEN, Secret};

/// How often a new passphrase is asked for that is too short, or not the same twice.
const TRIES: u32 = 3;

/// Asks for the passphrase of something that is sealed; `None` if nobody is there to be asked: standard input or
/// standard error is no terminal, or `--no-input` or `--json` is given.
///
/// When the future is dropped, as it is by whoever waits for Ctrl-C beside it, or by a panic, the terminal is at once
/// as it was before. What reads it still waits for a line then: the process is to end.
///
/// # Errors
///
/// `key.missing` if nothing was typed; `usage.short_passphrase` for what cannot be one.
pub async fn prompt(context: &Context, what: &str) -> Result<Option<Found>> {
    let Some(terminal) = terminal(context)? else { return Ok(None) };
    let question = format!("passphrase for {what}: ");
    ask(terminal, &question, &|text| context.ui.ask(text)).await.map(Some)
}

/// Asks for a new passphrase, twice; `None` as [`prompt`].
///
/// # Errors
///
/// `key.missing` if nothing was typed, or three times nothing that will do.
pub async fn prompt_new(context: &Context, what: &str) -> Result<Option<Found>> {
    let Some(terminal) = terminal(context)? else { return Ok(None) };
    let question = format!("new passphrase for {what}: ");
    ask_new(terminal, &question, &|text| context.ui.ask(text)).await.map(Some)
}

/// Whether somebody is there to be asked.
pub fn is_typed(context: &Context) -> bool {
    let mode = context.ui.mode;
    !mode.no_input && !mode.json && io::stdin().is_terminal() && io::stderr().is_terminal()
}

/// The terminal that somebody sits at.
fn terminal(context: &Context) -> Result<Option<OwnedFd>> {
    if !is_typed(context) {
        return Ok(None);
    }
    super::keep_out_of_dumps();
    io::stdin().as_fd().try_clone_to_owned().map(Some).map_err(unusable)
}

async fn ask(terminal: OwnedFd, question: &str, say: &(dyn Fn(&str) + Sync)) -> Result<Found> {
    let silence = Silence::of(terminal)?;
    let typed = line(&silence, question, say).await?;
    // How long it is, is not told: somebody may look on.
    Secret::from_passphrase(&typed).map(Found::typed).map_err(|_| {
        Error::new(Kind::Usage, "usage.short_passphrase", "what was typed is too short to be a passphrase")
            .hint(format!("a passphrase has at least {MIN_PASSPHRASE_LEN} bytes"))
    })
}

async fn ask_new(terminal: OwnedFd, question: &str, say: &(dyn Fn(&str) + Sync)) -> Result<Found> {
    let silence = Silence::of(terminal)?;
    for _ in 0..TRIES {
        let first = line(&silence, question, say).await?;
        let Ok(secret) = Secret::from_passphrase(&first) else {
            say(&format!("a passphrase has at least {MIN_PASSPHRASE_LEN} bytes\n"));
            continue;
        };
        if line(&silence, "the same again: ", say).await? == first {
            return Ok(Found::typed(secret));
        }
        say("these two are not the same\n");
    }
    Err(Error::new(Kind::BadKey, "key.missing", "no new passphrase was typed twice")
        .hint("make a good one, and keep it in a file:  waloy key generate -o FILE"))
}

/// One line, without its end.
async fn line(silence: &Silence, question: &str, say: &(dyn Fn(&str) + Sync)) -> Result<Zeroizing<Vec<u8>>> {
    say(question);
    let terminal = Arc::clone(&silence.terminal);
    let typed = aside(move || read_line(&*terminal)).await;
    // The line break that was typed has not been shown either.
    say("\n");
    typed
}

/// Reads a line; a terminal hands over one at a time.
fn read_line(terminal: &impl AsFd) -> Result<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(vec![0; MAX_BYTES]);
    let mut length = 0;
    while length < buffer.len() && (length == 0 || buffer[length - 1] != b'\n') {
        match rustix::io::read(terminal, &mut buffer[length..]) {
            Ok(0) if length == 0 => {
                return Err(Error::new(Kind::BadKey, "key.missing", "no passphrase was typed"));
            }
            Ok(0) => break,
            Ok(read) => length += read,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(unusable(error.into())),
        }
    }
    let end = if length > 0 && buffer[length - 1] == b'\n' { length - 1 } else { length };
    Ok(Zeroizing::new(buffer[..end].to_vec()))
}

fn unusable(error: io::Error) -> Error {
    Error::new(Kind::Failure, "key.missing", "cannot ask for the passphrase on this terminal").because(error)
}

/// A terminal that does not show what is typed, until this is dropped.
struct Silence {
    terminal: Arc<OwnedFd>,
    before: Termios,
}

impl Silence {
    fn of(terminal: OwnedFd) -> Result<Silence> {
        let before = tcgetattr(&terminal).map_err(|error| unusable(error.into()))?;
        let mut silent = before.clone();
        silent.local_modes.remove(LocalModes::ECHO | LocalModes::ECHOE | LocalModes::ECHOK | LocalModes::ECHONL);
        silent.local_modes.insert(LocalModes::ICANON | LocalModes::ISIG);
        // What was typed before the question, and shown, is no answer to it.
        tcsetattr(&terminal, OptionalActions::Flush, &silent).map_err(|error| unusable(error.into()))?;
        Ok(Silence { terminal: Arc::new(terminal), before })
    }
}

impl Drop for Silence {
    fn drop(&mut self) {
        // Half a passphrase that was typed until Ctrl-C is not for the shell to read.
        let _ = tcsetattr(&*self.terminal, OptionalActions::Flush, &self.before);
    }
}

#[cfg(test)]
mod tests;
