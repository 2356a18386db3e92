//! What a person or a machine holds to open a replica.

use std::fmt;
use std::sync::Arc;

use secrecy::SecretBox;

use super::kdf::{self, Key};
use super::{Error, RecoveryKit, SecretKind};

/// The fewest bytes that a passphrase may have.
pub const MIN_PASSPHRASE_LEN: usize = 8;

/// A passphrase, a raw key, or a recovery kit. Clones share it; it is zeroized when the last of them is dropped.
#[derive(Clone)]
pub struct Secret(Arc<Inner>);

pub(super) enum Inner {
    Passphrase(SecretBox<[u8]>),
    KeyFile(Key),
    Kit(RecoveryKit),
}

impl Secret {
    /// A passphrase, to the byte. The caller's copy is the caller's to zeroize.
    ///
    /// # Errors
    ///
    /// [`Error::ShortPassphrase`] below [`MIN_PASSPHRASE_LEN`] bytes.
    pub fn from_passphrase(passphrase: &[u8]) -> Result<Secret, Error> {
        if passphrase.len() < MIN_PASSPHRASE_LEN {
            return Err(Error::ShortPassphrase(passphrase.len()));
        }
        Ok(Secret::new(Inner::Passphrase(SecretBox::new(passphrase.into()))))
    }

    /// The passphrase in a file with these bytes: one `\n` at its end is dropped, nothing else.
    ///
    /// # Errors
    ///
    /// As above.
    pub fn from_passphrase_file(bytes: &[u8]) -> Result<Secret, Error> {
        Secret::from_passphrase(bytes.strip_suffix(b"\n").unwrap_or(bytes))
    }

    /// What a key file with these bytes holds: 32 bytes are a raw key, anything else a recovery kit.
    ///
    /// # Errors
    ///
    /// Those of [`RecoveryKit::parse`].
    pub fn from_key_file(bytes: &[u8]) -> Result<Secret, Error> {
        match <&[u8; 32]>::try_from(bytes) {
            Ok(raw) => Ok(Secret::new(Inner::KeyFile(kdf::key(|key| *key = *raw)))),
            Err(_) => RecoveryKit::parse(bytes).map(|kit| Secret::new(Inner::Kit(kit))),
        }
    }

    /// Which of the three it is.
    pub fn kind(&self) -> SecretKind {
        match *self.0 {
            Inner::Passphrase(_) => SecretKind::Passphrase,
            Inner::KeyFile(_) => SecretKind::KeyFile,
            Inner::Kit(_) => SecretKind::RecoveryKit,
        }
    }

    /// The recovery kit, if it is one: it needs no slot.
    pub fn kit(&self) -> Option<&RecoveryKit> {
        match &*self.0 {
            Inner::Kit(kit) => Some(kit),
            _ => None,
        }
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0
    }

    fn new(inner: Inner) -> Secret {
        Secret(Arc::new(inner))
    }
}

/// Which of the three it is, and nothing of it.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.kind())
    }
}
