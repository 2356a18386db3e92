//! Where a new secret comes from.

use std::path::{Path, PathBuf};

use crate::cli::context::Context;
use crate::cli::secret::{Found, new_named, prompt_new};
use crate::error::{Error, Kind, Result};
use crate::replica::Key;

/// The secret of a new slot. Without a file it is typed, twice.
#[derive(Debug, clap::Args)]
pub(super) struct NewSecret {
    /// The new passphrase is in this file, up to one newline at its end; `-` is standard input
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, conflicts_with = "new_key_file")]
    new_passphrase_file: Option<PathBuf>,
    /// A new key of 32 bytes, instead of a passphrase
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    new_key_file: Option<PathBuf>,
    /// What the slot is called, up to 32 bytes, for everybody to read who reads the bucket
    #[arg(long, value_name = "TEXT")]
    pub(super) label: Option<String>,
}

impl NewSecret {
    /// One of the flags is given.
    pub(super) fn is_given(&self) -> bool {
        self.new_passphrase_file.is_some() || self.new_key_file.is_some() || self.label.is_some()
    }

    /// What stands twice on standard input.
    ///
    /// # Errors
    ///
    /// `usage.two_secrets`.
    pub(super) fn check(&self, context: &Context) -> Result<()> {
        let is_stdin = |path: &Option<PathBuf>| path.as_deref() == Some(Path::new("-"));
        if is_stdin(&self.new_passphrase_file) && is_stdin(&context.global.secret.passphrase_file) {
            let message = "standard input is one passphrase, not the old one and the new one";
            return Err(Error::new(Kind::Usage, "usage.two_secrets", message)
                .hint("put one of them on another descriptor:  --passphrase-file /dev/fd/3 3<old.pass"));
        }
        Ok(())
    }

    /// Reads it, or asks for it. It is used for a new slot, whatever slot the old one is to open.
    ///
    /// # Errors
    ///
    /// Those of a source that cannot be read; `usage.missing_argument` if nobody can be asked.
    pub(super) async fn read(&self, context: &Context, what: &str) -> Result<Key> {
        let named = new_named(context, self.new_passphrase_file.as_deref(), self.new_key_file.as_deref()).await?;
        let found: Option<Found> = match named {
            Some(found) => Some(found),
            None => prompt_new(context, what).await?,
        };
        let found = found.ok_or_else(|| {
            Error::new(Kind::Usage, "usage.missing_argument", format!("no new passphrase and no new key for {what}"))
                .hint("name one:  --new-passphrase-file FILE, or --new-key-file FILE")
                .hint("make one:  waloy key generate -o FILE")
        })?;
        Ok(Key::new(found.secret).with_limit(context.global.secret.limit()))
    }
}
