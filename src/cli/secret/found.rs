//! A secret that was found, and what cannot be one.

use std::fmt;

use crate::error::{Error, Kind, Result};
use crate::seal::{self, MIN_PASSPHRASE_LEN, Secret, SecretKind};

/// A secret that was found. `Display` tells what it is and where it is from, never what it says.
pub struct Found {
    /// What opens and seals; its memory is wiped when the last clone is dropped.
    pub secret: Secret,
    /// Where it is from: a path, `standard input`, a variable, a command.
    pub origin: String,
    /// How many bytes it has, where that may be told: not of what somebody typed while others looked on.
    length: Option<usize>,
}

impl Found {
    /// The passphrase that these bytes are.
    ///
    /// # Errors
    ///
    /// `usage.short_passphrase`.
    pub(super) fn passphrase(bytes: &[u8], origin: String) -> Result<Found> {
        let secret = Secret::from_passphrase(bytes).map_err(|error| unusable(error, &origin))?;
        Ok(Found { secret, origin, length: Some(bytes.len()) })
    }

    /// The passphrase in what a file holds, or a command prints: without the newline at the end, if there is one.
    ///
    /// # Errors
    ///
    /// `usage.short_passphrase`.
    pub(super) fn passphrase_file(bytes: &[u8], origin: String) -> Result<Found> {
        let secret = Secret::from_passphrase_file(bytes).map_err(|error| unusable(error, &origin))?;
        Ok(Found { secret, origin, length: Some(bytes.len() - usize::from(bytes.ends_with(b"\n"))) })
    }

    /// The key, or the recovery kit, in what a file holds.
    ///
    /// # Errors
    ///
    /// `key.unusable`.
    pub(super) fn key_file(bytes: &[u8], origin: String) -> Result<Found> {
        let secret = Secret::from_key_file(bytes).map_err(|error| unusable(error, &origin))?;
        let length = (secret.kind() == SecretKind::KeyFile).then_some(bytes.len());
        Ok(Found { secret, origin, length })
    }

    /// What somebody typed.
    pub(super) fn typed(secret: Secret) -> Found {
        Found { secret, origin: "the terminal".into(), length: None }
    }
}

impl fmt::Display for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let kind = match self.secret.kind() {
            SecretKind::Passphrase => "passphrase",
            SecretKind::KeyFile => "key",
            SecretKind::RecoveryKit => "recovery kit",
        };
        write!(f, "{kind} from {}", self.origin)?;
        self.length.map_or(Ok(()), |length| write!(f, " ({length} bytes)"))
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// What was read cannot be a secret.
fn unusable(error: seal::Error, origin: &str) -> Error {
    let error = match error {
        seal::Error::ShortPassphrase(length) => {
            let bytes = if length == 1 { "byte" } else { "bytes" };
            let message = format!("the passphrase from {origin} is too short: {length} {bytes}");
            return Error::new(Kind::Usage, "usage.short_passphrase", message)
                .hint(format!("a passphrase has at least {MIN_PASSPHRASE_LEN} bytes"))
                .hint("make a good one:  waloy key generate");
        }
        error => error,
    };
    let (message, hint) = match error {
        seal::Error::Damaged { .. } => (
            format!("the recovery kit in {origin} is damaged"),
            "one of its 88 digits and letters is another one: compare it with what was written down",
        ),
        seal::Error::Unsupported { .. } => {
            (format!("the recovery kit in {origin} is of a later waloy"), "use that version or a later one")
        }
        _ => (
            format!("{origin} holds neither a key nor a recovery kit"),
            "a key is 32 bytes, not written in digits; a kit is 88 digits and letters; a passphrase goes with \
             --passphrase-file",
        ),
    };
    Error::new(Kind::BadKey, "key.unusable", message).because(error).hint(hint)
}
