//! What a person or a machine holds to open a replica.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use secrecy::SecretBox;

use super::kdf::{self, Key};
use super::stretch::{Salt, Stretched};
use super::{Error, RecoveryKit, SecretKind};

/// The fewest bytes that a passphrase may have.
pub const MIN_PASSPHRASE_LEN: usize = 8;

/// A passphrase, a raw key, or a recovery kit. Clones share it; it is zeroized when the last of them is dropped.
///
/// What Argon2 makes of it for a slot is kept with it, so that it runs once a slot however often the slot is opened.
#[derive(Clone)]
pub struct Secret(Arc<Shared>);

struct Shared {
    inner: Inner,
    stretched: Mutex<Vec<(Salt, Stretched)>>,
}

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
        match self.0.inner {
            Inner::Passphrase(_) => SecretKind::Passphrase,
            Inner::KeyFile(_) => SecretKind::KeyFile,
            Inner::Kit(_) => SecretKind::RecoveryKit,
        }
    }

    /// The recovery kit, if it is one: it needs no slot.
    pub fn kit(&self) -> Option<&RecoveryKit> {
        match &self.0.inner {
            Inner::Kit(kit) => Some(kit),
            _ => None,
        }
    }

    /// Whether both are clones of one.
    pub fn is_same(&self, other: &Secret) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(super) fn inner(&self) -> &Inner {
        &self.0.inner
    }

    /// What was made of it with this salt and these costs, made now if it was not. One at a time: the memory that Argon2
    /// takes is not taken twice.
    pub(super) fn once(&self, salt: Salt, make: impl FnOnce() -> Result<Stretched, Error>) -> Result<Stretched, Error> {
        let mut all = self.0.stretched.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some((_, stretched)) = all.iter().find(|(known, _)| *known == salt) {
            return Ok(stretched.copy());
        }
        let stretched = make()?;
        all.push((salt, stretched.copy()));
        Ok(stretched)
    }

    fn new(inner: Inner) -> Secret {
        Secret(Arc::new(Shared { inner, stretched: Mutex::default() }))
    }
}

/// Which of the three it is, and nothing of it.
impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.kind())
    }
}
