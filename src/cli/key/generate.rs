//! `waloy key generate`: a new passphrase, or a new key.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;
use zeroize::Zeroizing;

use crate::cli::context::Context;
use crate::cli::destination::quoted;
use crate::cli::exit::Exit;
use crate::error::{Error, Kind, Result};

/// Crockford's base32, in lower case: no `i`, `l`, `o`, `u`.
const ALPHABET: [u8; 32] = *b"0123456789abcdefghjkmnpqrstvwxyz";

/// A passphrase has so many groups of so many characters, of 5 bits each: 140 bits.
const GROUPS: usize = 7;
const GROUP: usize = 4;
const BITS: usize = 5 * GROUPS * GROUP;

/// The length of a raw key in bytes.
const KEY_BYTES: usize = 32;

/// Make a passphrase that nobody can guess, or a key
///
/// The passphrase has 140 random bits: 28 digits and letters in groups of four. Whoever types it types it as it is
/// printed, the hyphens included, in lower case.
///
/// No replica is asked or changed.
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy key generate                           a passphrase, on standard output
  waloy key generate -o /etc/waloy/passphrase  the same into a file for you alone
  waloy key generate --raw -o waloy.key        a key of 32 bytes, for --key-file
  waloy key generate --json | jq -r .passphrase
")]
pub(super) struct Args {
    /// Write it into this file, mode 0600; a file that exists stays as it is
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    output: Option<PathBuf>,
    /// Make a key of 32 bytes instead; never to standard output
    #[arg(long, requires = "output")]
    raw: bool,
}

/// What was made. The passphrase stands in it only if that is where it is asked for: without `-o`.
#[derive(Serialize)]
struct Made<'a> {
    kind: &'static str,
    bits: usize,
    output: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    passphrase: Option<&'a str>,
}

/// Runs the command.
///
/// # Errors
///
/// `key.target_exists`; a file that cannot be written.
pub(super) fn run(context: &Context, args: &Args) -> Result<Exit> {
    let ui = &context.ui;
    let (kind, bits, secret) = match args.raw {
        true => ("key", 8 * KEY_BYTES, key()),
        false => ("passphrase", BITS, passphrase()),
    };
    let Some(path) = &args.output else {
        let text = std::str::from_utf8(&secret).expect("a passphrase is ASCII");
        match ui.mode.json {
            true => ui.json("key_generate", &Made { kind, bits, output: None, passphrase: Some(text.trim_end()) }),
            false => ui.raw(text),
        }
        return Ok(Exit::Ok);
    };
    write(path, &secret)?;
    let shown = path.to_string_lossy();
    if ui.mode.json {
        ui.json("key_generate", &Made { kind, bits, output: Some(shown.into_owned()), passphrase: None });
    } else {
        let flag = if args.raw { "--key-file" } else { "--passphrase-file" };
        ui.note(format_args!("wrote a {kind} of {bits} bits to {shown}, for {flag} {}", quoted(&shown)));
        ui.note("keep a copy elsewhere: whoever loses it together with this machine has lost the backup");
    }
    Ok(Exit::Ok)
}

/// A passphrase with a newline behind it.
fn passphrase() -> Zeroizing<Vec<u8>> {
    let mut random = Zeroizing::new([0; GROUPS * GROUP]);
    fill(&mut *random);
    let mut text = Zeroizing::new(Vec::with_capacity(GROUPS * (GROUP + 1)));
    for group in random.chunks_exact(GROUP) {
        // 256 is a multiple of 32: every character is as likely as the others.
        text.extend(group.iter().map(|byte| ALPHABET[usize::from(byte % 32)]));
        text.push(b'-');
    }
    if let Some(last) = text.last_mut() {
        *last = b'\n';
    }
    text
}

fn key() -> Zeroizing<Vec<u8>> {
    let mut key = Zeroizing::new(vec![0; KEY_BYTES]);
    fill(&mut key);
    key
}

fn fill(bytes: &mut [u8]) {
    getrandom::fill(bytes).expect("the operating system gives random bytes");
}

/// Writes a new file for its owner alone. When this returns, it is durable.
pub(super) fn write(path: &Path, bytes: &[u8]) -> Result<()> {
    let failed = |error: io::Error| {
        Error::new(Kind::Failure, "output.failed", format!("cannot write {}", path.display())).because(error)
    };
    let made = OpenOptions::new().write(true).create_new(true).mode(0o600).open(path);
    let mut file = made.map_err(|error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let message = format!("{} exists; what it holds may be the only key of a backup", path.display());
            Error::new(Kind::TargetExists, "key.target_exists", message).hint("choose another name")
        }
        _ => failed(error),
    })?;
    file.write_all(bytes).and_then(|()| file.sync_all()).and_then(|()| sync_parent(path)).map_err(|error| {
        // It was made here, and half a key is none.
        let _ = fs::remove_file(path);
        failed(error)
    })
}

/// Makes the name of a file durable.
fn sync_parent(path: &Path) -> io::Result<()> {
    let parent = path.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match File::open(parent)?.sync_all() {
        // File systems that keep no names of their own to sync say so.
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => Ok(()),
        synced => synced,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_passphrase_has_seven_groups_of_four_and_is_never_the_same() {
        let all: std::collections::BTreeSet<Vec<u8>> = (0..200).map(|_| passphrase().to_vec()).collect();
        assert_eq!(all.len(), 200);
        for text in &all {
            let text = std::str::from_utf8(text).unwrap().strip_suffix('\n').unwrap();
            let groups: Vec<&str> = text.split('-').collect();
            assert_eq!(groups.len(), GROUPS);
            assert!(groups.iter().all(|group| group.len() == GROUP && group.bytes().all(|it| ALPHABET.contains(&it))));
        }
        // All characters are used, and none is spoken of by another.
        let used: std::collections::BTreeSet<u8> = all.iter().flatten().copied().collect();
        assert_eq!(used.len(), 32 + 2);
        assert_eq!(BITS, 140);
    }

    #[test]
    fn a_key_has_32_bytes() {
        assert_eq!(key().len(), KEY_BYTES);
        assert_ne!(*key(), *key());
    }
}
