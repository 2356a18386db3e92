//! What a backup is encrypted with.

use std::fmt;

use crate::error::{Error, Kind, Result};
#[cfg(feature = "encryption")]
use crate::replica::Key;
#[cfg(feature = "encryption")]
use crate::seal::{self, Secret};

/// A secret to encrypt a backup with, before anything leaves this machine. Never printed; zeroized when the last clone of
/// it is dropped.
///
/// ```
/// # #[cfg(feature = "encryption")]
/// # fn keys(key_file: &[u8]) -> [waloy::EncryptionKey; 2] {
/// use waloy::EncryptionKey;
///
/// let passphrase = EncryptionKey::from("correct horse battery staple");
/// let key_file = EncryptionKey::key_file(key_file); // 32 random bytes, or a recovery kit
/// # [passphrase, key_file]
/// # }
/// ```
///
/// Whoever knows it opens the backup, and **whoever loses it has lost the backup**: nobody else can open it. Keep it where
/// the backup is not, and a recovery kit (`waloy key export-recovery`) on paper.
///
/// # What it is good for, and what not
///
/// Trusted are this machine, its SQLite, and this program. Not trusted are the bucket, the network, the provider, and
/// whoever has the bucket's credentials.
///
/// - **Who reads the bucket** learns names, sizes and times of objects, so how much is written and when; the labels and
///   costs of key slots; nothing of what is in the database.
/// - **Who writes to the bucket** can delete, hold back, or put back an *older* state of the whole backup, or another whole
///   backup that was made with the same passphrase. It cannot forge, change, splice, reorder, move or downgrade anything
///   without being found out: an object opens under its own name alone, and a backup that is encrypted is never gone on
///   with, or restored from, in the clear.
/// - **An older state that was put back** is noticed by a replicator, whose local state is ahead of it; elsewhere, by a
///   noted anchor (`waloy verify --anchor`) or a limit to its age (`waloy verify --max-age`).
/// - **Deletion** is not prevented by cryptography, but by Object Lock, versioning, and credentials that cannot delete.
/// - **A removed key slot** does not take away what was opened with it: who has opened the backup once knows its root key.
///   After a leak, `waloy key rotate --root` makes a new one. What a leaked key sealed, its thief can forge.
/// - **Not covered**: the database itself and its WAL, which are in the clear on this machine; restored files; the memory of
///   this process. What waloy keeps beside the database is encrypted where it holds pages, and holds no key.
///
/// # How
///
/// Each object has a key of its own, derived from a data key and from what the object is (replica, database, generation,
/// kind, place): *Cobblestone-256* of <https://c2sp.org/chunked-encryption>, AES-256-GCM in chunks of 16 KiB with a key
/// commitment. Data keys are wrapped with a root key, and that with Argon2id (RFC 9106, 64 MiB, 3 passes, 4 lanes) of the
/// passphrase, once a process. [`crate::seal`] specifies it to the byte.
///
/// A backup is encrypted from its first object or not at all: to turn it on, begin a new one under another prefix. What is
/// in the old one stays readable by anyone who can read the bucket, until it is deleted.
#[derive(Clone)]
pub struct EncryptionKey {
    #[cfg(feature = "encryption")]
    key: std::result::Result<Key, seal::Error>,
}

#[cfg(feature = "encryption")]
impl EncryptionKey {
    /// What a key file with these bytes holds: 32 bytes are a raw key, anything else a recovery kit, which opens a backup
    /// that is there and begins none.
    ///
    /// A kit that cannot be read is told when the key is used.
    pub fn key_file(bytes: &[u8]) -> EncryptionKey {
        EncryptionKey { key: Secret::from_key_file(bytes).map(Key::new) }
    }

    /// A key with limits and costs of its own.
    pub fn from_key(key: Key) -> EncryptionKey {
        EncryptionKey { key: Ok(key) }
    }

    /// The key to use.
    pub(super) fn key(&self) -> Result<Key> {
        self.key.clone().map_err(|error| {
            let (code, hint) = match error {
                seal::Error::ShortPassphrase(_) => {
                    ("config.encryption_key", "`waloy key generate` makes one that nobody guesses")
                }
                _ => ("config.encryption_key", "a key file is 32 bytes, or the text of a recovery kit"),
            };
            Error::new(Kind::Usage, code, format!("`encryption_key`: {error}")).hint(hint)
        })
    }
}

#[cfg(not(feature = "encryption"))]
impl EncryptionKey {
    /// Nothing is read or written in the clear by somebody who asked for encryption.
    pub(super) fn refuse(&self) -> Result<()> {
        let message = "`encryption_key` is set, and encryption is not built in";
        Err(Error::new(Kind::Usage, "config.encryption_key", message).hint("add the feature `encryption` of waloy"))
    }
}

/// A passphrase, to the byte; at least 8 of them. A shorter one is told when the key is used.
impl<T: Into<String>> From<T> for EncryptionKey {
    fn from(passphrase: T) -> EncryptionKey {
        #[cfg(feature = "encryption")]
        {
            let passphrase = zeroize::Zeroizing::new(passphrase.into());
            EncryptionKey { key: Secret::from_passphrase(passphrase.as_bytes()).map(Key::new) }
        }
        #[cfg(not(feature = "encryption"))]
        {
            drop(passphrase.into());
            EncryptionKey {}
        }
    }
}

impl fmt::Debug for EncryptionKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("(hidden)")
    }
}
