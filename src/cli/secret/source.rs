//! Which of the sources it is: flags before variables, never two of a kind.

use std::ffi::OsString;
use std::os::unix::ffi::OsStringExt;
use std::path::{Path, PathBuf};

use zeroize::Zeroizing;

use super::args::{COMMAND, FD, FILE, KEY_FILE, PASSPHRASE, SecretArgs, VARIABLES, credential};
use crate::error::{Error, Kind, Result};

/// Where a secret comes from. Nothing but the environment has been read yet.
pub(super) enum Source {
    /// A passphrase in a file that the person chose.
    File(PathBuf),
    /// A passphrase on a descriptor that this process was started with, by the path that opens it.
    Descriptor(PathBuf),
    /// A passphrase on standard input.
    Stdin,
    /// A passphrase that a command prints.
    Command {
        /// The command line.
        line: String,
        /// The flag or the variable that has it.
        named_by: &'static str,
    },
    /// A passphrase that the service manager handed over; and whether `WALOY_PASSPHRASE` is set beside it.
    Credential(PathBuf, bool),
    /// The passphrase itself, from the environment.
    Variable(Zeroizing<Vec<u8>>),
    /// A key in a file.
    KeyFile(PathBuf),
}

/// The source that is configured; `None` if there is none.
///
/// # Errors
///
/// Two of them, or one that cannot be meant.
pub(super) fn choose(args: &SecretArgs, variable: impl Fn(&str) -> Option<OsString>) -> Result<Option<Source>> {
    one(&args.flags(), "given", "give")?;
    if let Some(path) = &args.passphrase_file {
        return Ok(Some(file(path.clone())));
    }
    if let Some(line) = &args.passphrase_command {
        return Ok(Some(Source::Command { line: line.clone(), named_by: "--passphrase-command" }));
    }
    if let Some(path) = &args.key_file {
        return Ok(Some(Source::KeyFile(path.clone())));
    }

    // A value is moved to where it is wiped before anything else happens to it.
    let set = |name: &str| variable(name).map(|value| Zeroizing::new(value.into_vec()));
    let names: Vec<&str> = VARIABLES.into_iter().filter(|name| set(name).is_some()).collect();
    let credential = credential(&variable);
    // The credential is no second answer: a unit may set the variable for something that knows no credentials.
    one(&names, "set", "set")?;
    let source = match (names.first().copied(), credential) {
        (None | Some(PASSPHRASE), Some(path)) => Some(Source::Credential(path, !names.is_empty())),
        (None, None) => None,
        (Some(FILE), _) => variable(FILE).map(|path| file(path.into())),
        (Some(KEY_FILE), _) => variable(KEY_FILE).map(|path| Source::KeyFile(path.into())),
        (Some(COMMAND), _) => Some(Source::Command { line: text(COMMAND, variable(COMMAND))?, named_by: COMMAND }),
        (Some(FD), _) => Some(Source::Descriptor(descriptor(&text(FD, variable(FD))?)?)),
        (Some(_), None) => set(PASSPHRASE).map(Source::Variable),
        (Some(name), Some(_)) => unreachable!("{name} is one of the variables above"),
    };
    Ok(source)
}

/// Of several only one may be there.
fn one(names: &[&'static str], are: &str, keep: &str) -> Result<()> {
    let [first, second, ..] = names else { return Ok(()) };
    let message = format!("{first} and {second} are both {are}");
    Err(Error::new(Kind::Usage, "usage.two_secrets", message).hint(format!("{keep} one of them")))
}

/// A file, or what is written like one.
fn file(path: PathBuf) -> Source {
    match path {
        path if path == Path::new("-") => Source::Stdin,
        path if is_descriptor(&path) => Source::Descriptor(path),
        path => Source::File(path),
    }
}

fn is_descriptor(path: &Path) -> bool {
    path.starts_with("/dev/fd") || path.starts_with("/proc/self/fd") || path == Path::new("/dev/stdin")
}

fn descriptor(number: &str) -> Result<PathBuf> {
    match number.parse::<u16>() {
        Ok(number) => Ok(PathBuf::from(format!("/dev/fd/{number}"))),
        Err(_) => {
            Err(Error::new(Kind::Usage, "usage.invalid_value", format!("{FD} is not the number of a descriptor"))
                .hint("it is a number, as 3 in:  3</path/to/passphrase waloy …"))
        }
    }
}

fn text(name: &str, value: Option<OsString>) -> Result<String> {
    value
        .unwrap_or_default()
        .into_string()
        .map_err(|_| Error::new(Kind::Usage, "usage.invalid_value", format!("{name} is not text in UTF-8")))
}
