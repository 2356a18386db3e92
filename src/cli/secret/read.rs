//! Reads a secret from a file, a descriptor, standard input.

use std::fs::File;
use std::io::{self, IsTerminal};
use std::os::fd::AsFd;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use zeroize::Zeroizing;

use super::search::Warning;
use crate::cli::destination::quoted;
use crate::error::{Error, Kind, Result};

/// No secret is longer: whoever names a database or a device by mistake is told so.
pub(super) const MAX_BYTES: usize = 64 << 10;

/// The bytes of a file, and a warning if others can read it.
///
/// # Errors
///
/// `usage.secret_file`, with the name of the file; also for a terminal, which would show what is typed.
pub(super) fn file(path: &Path) -> Result<(Zeroizing<Vec<u8>>, Option<Warning>)> {
    let shown = path.display().to_string();
    let file = File::open(path).map_err(|error| unreadable(&shown).because(error))?;
    let meta = file.metadata().map_err(|error| unreadable(&shown).because(error))?;
    if file.is_terminal() {
        return Err(typed(&shown));
    }
    let readable = meta.is_file() && meta.mode() & 0o077 != 0;
    let warning = readable.then(|| Warning {
        code: "key.file_readable",
        message: format!("{shown} has mode {:04o}: other users may read or change it", meta.mode() & 0o7777),
        hint: format!("chmod 600 {}", quoted(&shown)),
    });
    Ok((all(&file, &shown)?, warning))
}

/// The bytes of standard input, to its end.
///
/// # Errors
///
/// `usage.secret_file`, as for a file.
pub(super) fn stdin() -> Result<Zeroizing<Vec<u8>>> {
    let stdin = io::stdin();
    if stdin.is_terminal() {
        return Err(typed("standard input"));
    }
    // Not through the buffer of the handle, which nobody wipes.
    all(&stdin, "standard input")
}

/// Everything up to the end, into memory that never moves.
fn all(file: &impl AsFd, shown: &str) -> Result<Zeroizing<Vec<u8>>> {
    let mut buffer = Zeroizing::new(vec![0; MAX_BYTES + 1]);
    let mut length = 0;
    while length < buffer.len() {
        match rustix::io::read(file, &mut buffer[length..]) {
            Ok(0) => break,
            Ok(read) => length += read,
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(unreadable(shown).because(io::Error::from(error))),
        }
    }
    match length {
        0 => Err(Error::new(Kind::Usage, "usage.secret_file", format!("{shown} is empty"))),
        length if length > MAX_BYTES => {
            Err(Error::new(Kind::Usage, "usage.secret_file", format!("{shown} has more than 64 KiB"))
                .hint("that is no passphrase and no key: is it the right file?"))
        }
        length => Ok(Zeroizing::new(buffer[..length].to_vec())),
    }
}

fn unreadable(shown: &str) -> Error {
    Error::new(Kind::Usage, "usage.secret_file", format!("cannot read {shown}"))
}

fn typed(shown: &str) -> Error {
    Error::new(Kind::Usage, "usage.secret_file", format!("{shown} is a terminal, which would show the passphrase"))
        .hint("pipe it in, or name no source and be asked for it")
}
