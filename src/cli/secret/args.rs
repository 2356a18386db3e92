//! The flags, and who asks for encryption.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use clap::Args;

use crate::cli::destination::quoted;

#[cfg(feature = "encryption")]
use crate::replica::Key;
#[cfg(feature = "encryption")]
use crate::seal::{KdfLimit, Secret, SlotId};

const ENCRYPTION: &str = "Encryption options";

/// Variables that name a secret or are one. Two of them are two answers to one question.
pub(super) const VARIABLES: [&str; 5] = [FILE, COMMAND, FD, PASSPHRASE, KEY_FILE];
pub(super) const FILE: &str = "WALOY_PASSPHRASE_FILE";
pub(super) const COMMAND: &str = "WALOY_PASSPHRASE_COMMAND";
pub(super) const FD: &str = "WALOY_PASSPHRASE_FD";
pub(super) const PASSPHRASE: &str = "WALOY_PASSPHRASE";
pub(super) const KEY_FILE: &str = "WALOY_KEY_FILE";

/// Where service managers put what they were told to hand over.
pub(super) const CREDENTIALS: &str = "CREDENTIALS_DIRECTORY";

/// The name of the credential there.
pub(super) const CREDENTIAL: &str = "waloy-passphrase";

/// Whether replicas are to be encrypted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Encrypt {
    /// As soon as a passphrase or a key is configured.
    #[default]
    Auto,
    /// Nothing is done without.
    Required,
    /// No passphrase and no key is looked for.
    Off,
}

/// Where the passphrase or the key of a replica comes from. No flag takes the passphrase itself: everyone on the
/// machine can read command lines.
#[derive(Clone, Debug, Default, Args)]
pub struct SecretArgs {
    /// Encrypt: auto, as soon as a passphrase or a key is configured; required; off, whatever is configured
    #[arg(
        long, global = true, value_name = "WHEN", default_value = "auto", env = "WALOY_ENCRYPT", hide_possible_values = true,
        help_heading = ENCRYPTION
    )]
    pub encrypt: Encrypt,
    /// The passphrase is in this file, up to one newline at its end; `-` is standard input
    /// [env: WALOY_PASSPHRASE_FILE, or WALOY_PASSPHRASE_FD for /dev/fd/N]
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = ENCRYPTION)]
    pub passphrase_file: Option<PathBuf>,
    /// This command prints the passphrase; run without a shell, within 30 s [env: WALOY_PASSPHRASE_COMMAND]
    #[arg(
        long, global = true, value_name = "CMD", value_hint = clap::ValueHint::CommandString, help_heading = ENCRYPTION
    )]
    pub passphrase_command: Option<String>,
    /// A key of 32 bytes, or a recovery kit, instead of a passphrase [env: WALOY_KEY_FILE]
    #[arg(long, global = true, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = ENCRYPTION)]
    pub key_file: Option<PathBuf>,
    /// Try this slot alone: 16 hexadecimal digits, as `waloy key` lists them
    #[arg(long, global = true, value_name = "ID", value_parser = slot, help_heading = ENCRYPTION)]
    pub key_slot: Option<u64>,
    /// Open a slot whose passphrase takes up to 4 GiB of memory to try, instead of 1 GiB
    #[arg(long, global = true, help_heading = ENCRYPTION)]
    pub allow_kdf_cost: bool,
}

impl SecretArgs {
    /// The flags that name a secret, of those that are given.
    pub(super) fn flags(&self) -> Vec<&'static str> {
        let flags = [
            ("--passphrase-file", self.passphrase_file.is_some()),
            ("--passphrase-command", self.passphrase_command.is_some()),
            ("--key-file", self.key_file.is_some()),
        ];
        flags.into_iter().filter(|(_, given)| *given).map(|(name, _)| name).collect()
    }

    /// The flags that say where the secret is, for commands in hints.
    pub fn repeated(&self) -> String {
        let path = |flag: &str, path: &Option<PathBuf>| {
            path.as_ref().map(|path| format!(" {flag} {}", quoted(&path.to_string_lossy())))
        };
        let command = self.passphrase_command.as_ref().map(|line| format!(" --passphrase-command {}", quoted(line)));
        let file = path("--passphrase-file", &self.passphrase_file).or_else(|| path("--key-file", &self.key_file));
        file.or(command).unwrap_or_default()
    }

    /// The slot that alone is tried, if one was named.
    #[cfg(feature = "encryption")]
    pub fn slot(&self) -> Option<SlotId> {
        self.key_slot.map(|id| SlotId(id.to_be_bytes()))
    }

    /// How much a slot may ask of this machine.
    #[cfg(feature = "encryption")]
    pub fn limit(&self) -> KdfLimit {
        if self.allow_kdf_cost { KdfLimit::Raised } else { KdfLimit::Standard }
    }

    /// A secret, used as these flags say.
    #[cfg(feature = "encryption")]
    pub fn key(&self, secret: Secret) -> Key {
        Key::new(secret).with_limit(self.limit()).with_slot(self.slot())
    }

    /// Who asks for encryption, if anybody does: the first to be obeyed.
    #[cfg(any(test, not(feature = "encryption")))]
    pub(super) fn asked_by(&self, variable: impl Fn(&str) -> Option<OsString>) -> Option<String> {
        if self.encrypt == Encrypt::Off {
            return None;
        }
        let set = || VARIABLES.into_iter().find(|name| variable(name).is_some());
        let named = self.flags().first().copied().or_else(set).map(str::to_owned);
        let credential = || credential(&variable).map(|path| path.display().to_string());
        let required = || (self.encrypt == Encrypt::Required).then(|| "--encrypt required".to_owned());
        named.or_else(credential).or_else(required)
    }
}

/// The credential that the service manager handed over, if it did.
pub(super) fn credential(variable: impl Fn(&str) -> Option<OsString>) -> Option<PathBuf> {
    let path = Path::new(&variable(CREDENTIALS)?).join(CREDENTIAL);
    // One that cannot be looked at is there: it will be told when it is read.
    path.try_exists().unwrap_or(true).then_some(path)
}

fn slot(text: &str) -> Result<u64, String> {
    let is_id = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
    let id = is_id.then(|| u64::from_str_radix(text, 16).ok()).flatten();
    id.ok_or_else(|| "the id of a slot has 16 hexadecimal digits".to_owned())
}
