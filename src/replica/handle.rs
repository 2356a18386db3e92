//! One replica in hand.

use std::ops::Deref;
use std::sync::Arc;

use bytes::Bytes;

use super::sealing::Opening;
use super::{Document, Error, Name, Sealing};
#[cfg(feature = "encryption")]
use super::{Key, Sealed};
use crate::ids::GenerationId;
#[cfg(feature = "encryption")]
use crate::seal::{self, Envelope, Opener};
use crate::storage::Store;

/// One prefix of one store, and how what is in its objects is sealed.
///
/// Whatever reads or writes what is *inside* an object takes this; what only lists, deletes or names objects takes the
/// [`Store`], which it derefs to. A clone is the same replica.
#[derive(Clone, Debug)]
pub struct Replica {
    store: Arc<dyn Store>,
    seal: Seal,
}

#[derive(Clone, Debug)]
enum Seal {
    /// Not sealed: whoever reads the store reads the database. Sealed objects are refused.
    Open,
    /// Encryption is configured, and nothing was there. Open objects are refused.
    #[cfg(feature = "encryption")]
    Nothing,
    /// Sealed, and unlocked. Open objects are refused.
    #[cfg(feature = "encryption")]
    Sealed(Arc<Sealed>),
}

impl Replica {
    /// The replica at this store, not sealed: whoever reads the store reads the database.
    pub fn plain(store: Arc<dyn Store>) -> Replica {
        Replica { store, seal: Seal::Open }
    }

    /// Where its objects are.
    pub fn store(&self) -> &Arc<dyn Store> {
        &self.store
    }

    /// Its objects are encrypted.
    pub fn is_sealed(&self) -> bool {
        !matches!(self.seal, Seal::Open)
    }

    /// Begins the bytes of the snapshot or segment of this name, as they are stored. An object that is made anew, also
    /// of the same content, takes a new one.
    ///
    /// Of a sealed replica, a snapshot is sealed with the newest data key, after a look for new ones, and everything else
    /// with that of its generation's snapshot. What went missing of the keys is put back on that occasion.
    ///
    /// # Errors
    ///
    /// Of a sealed replica alone: those of the store, and damage of its keys.
    pub async fn sealing(&self, name: Name) -> Result<Sealing, Error> {
        match &self.seal {
            Seal::Open => Ok(Sealing::open(name)),
            #[cfg(feature = "encryption")]
            Seal::Nothing => Err(self.not_begun()),
            #[cfg(feature = "encryption")]
            Seal::Sealed(sealed) => Ok(Sealing::sealed(sealed.sealer(&*self.store, name).await?)),
        }
    }

    /// How the object of this name and, by the listing, this size is opened.
    pub(super) fn opening(&self, name: Name, size: u64) -> Opening {
        Opening::new(self, name, size)
    }

    /// The content of a document, of the bytes that are stored.
    pub(super) async fn open_document(&self, document: Document, bytes: Bytes) -> Result<Bytes, Error> {
        match &self.seal {
            Seal::Open => {
                Error::refuse_sealed(&*self.store, &document.key(), document.kind(), &bytes)?;
                Ok(bytes)
            }
            #[cfg(feature = "encryption")]
            Seal::Nothing => Err(self.refuse(&document.key(), Envelope::parse_sealed(&bytes, document.kind()))),
            #[cfg(feature = "encryption")]
            Seal::Sealed(sealed) => sealed.open_document(&*self.store, document, bytes).await,
        }
    }

    /// The bytes to store for the content of a document.
    pub(super) async fn seal_document(&self, document: Document, content: Vec<u8>) -> Result<Bytes, Error> {
        match &self.seal {
            Seal::Open => {
                let _ = document;
                Ok(Bytes::from(content))
            }
            #[cfg(feature = "encryption")]
            Seal::Nothing => Err(self.not_begun()),
            #[cfg(feature = "encryption")]
            Seal::Sealed(sealed) => sealed.seal_document(&*self.store, document, &content).await,
        }
    }

    /// Of a sealed replica, no generation before this one has a newer data key. One listing, and the head of a snapshot for
    /// each, if there are several data keys and this generation has not the newest.
    ///
    /// # Errors
    ///
    /// [`Error::Misplaced`]; those of the store.
    pub(crate) async fn require_order(&self, generation: GenerationId) -> Result<(), Error> {
        match &self.seal {
            #[cfg(feature = "encryption")]
            Seal::Sealed(sealed) => sealed.require_order(&*self.store, generation).await,
            _ => {
                let _ = generation;
                Ok(())
            }
        }
    }

    /// Whether a generation of a sealed replica can be opened: its data key may be gone. One small read, if there has been more
    /// than one data key.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(crate) async fn opens(&self, generation: GenerationId) -> Result<bool, Error> {
        match &self.seal {
            #[cfg(feature = "encryption")]
            Seal::Sealed(sealed) => sealed.opens(&*self.store, generation).await,
            _ => {
                let _ = generation;
                Ok(true)
            }
        }
    }

    /// Whether a generation of a sealed replica has an older data key than the newest. One small read, if there is more than
    /// one.
    ///
    /// # Errors
    ///
    /// Those of the store.
    pub(crate) async fn is_outdated(&self, generation: GenerationId) -> Result<bool, Error> {
        match &self.seal {
            #[cfg(feature = "encryption")]
            Seal::Sealed(sealed) => sealed.is_outdated(&*self.store, generation).await,
            _ => {
                let _ = generation;
                Ok(false)
            }
        }
    }

    /// A writer that is at work looks, once an hour, whether its keys are where they belong, and puts back what is not.
    ///
    /// # Errors
    ///
    /// Of a sealed replica alone, as of [`Replica::sealing`].
    pub(crate) async fn look_after_keys(&self) -> Result<(), Error> {
        match &self.seal {
            #[cfg(feature = "encryption")]
            Seal::Sealed(sealed) => sealed.look_after_at_times(&*self.store).await,
            _ => Ok(()),
        }
    }

    /// On a store that replaces what is there, puts the keys of this replica over those of somebody who began in the same
    /// moment, once its ids are known to be there.
    pub(crate) async fn keep_keys(&self) -> Result<(), Error> {
        match &self.seal {
            #[cfg(feature = "encryption")]
            Seal::Sealed(sealed) => sealed.put_over(&*self.store).await,
            _ => Ok(()),
        }
    }

    /// On a store that replaces what is there, where `replica` is sealed with another root key: that is not because somebody
    /// has changed the root key of this replica.
    pub(crate) async fn require_root(&self) -> Result<(), Error> {
        match &self.seal {
            #[cfg(feature = "encryption")]
            Seal::Sealed(sealed) => sealed.require_root(&*self.store).await,
            _ => Ok(()),
        }
    }

    /// As [`Replica::look_after_keys`], at once.
    pub(crate) async fn put_keys_back(&self) -> Result<(), Error> {
        match &self.seal {
            #[cfg(feature = "encryption")]
            Seal::Sealed(sealed) => sealed.look_after(&*self.store).await,
            _ => Ok(()),
        }
    }
}

#[cfg(feature = "encryption")]
impl Replica {
    /// Opened with a key, if there is one.
    ///
    /// # Errors
    ///
    /// Those of [`Replica::unlock`].
    pub async fn with(store: Arc<dyn Store>, key: Option<&Key>) -> Result<Replica, Error> {
        match key {
            Some(key) => Replica::unlock(store, key).await,
            None => Ok(Replica::plain(store)),
        }
    }

    pub(super) fn nothing(store: Arc<dyn Store>) -> Replica {
        Replica { store, seal: Seal::Nothing }
    }

    pub(super) fn sealed(store: Arc<dyn Store>, sealed: Sealed) -> Replica {
        Replica { store, seal: Seal::Sealed(Arc::new(sealed)) }
    }

    /// Its keys, if it is sealed and there.
    pub(crate) fn keys(&self) -> Option<&Arc<Sealed>> {
        match &self.seal {
            Seal::Sealed(sealed) => Some(sealed),
            _ => None,
        }
    }

    /// Opens the head of an object of a replica that is sealed.
    pub(super) async fn opener(&self, name: Name, head: &[u8], size: u64) -> Result<Opener, Error> {
        match &self.seal {
            Seal::Sealed(sealed) => sealed.opener(&*self.store, name, head, size).await,
            _ => Err(self.refuse(&name.key(), Envelope::parse_sealed(head, name.kind()))),
        }
    }

    /// Nothing was there when it was looked for keys: whatever there is now, none of them opens it.
    fn refuse<T>(&self, key: &str, parsed: Result<T, seal::Error>) -> Error {
        Error::seal(&*self.store, key, parsed.err().unwrap_or(seal::Error::Sealed))
    }

    fn not_begun(&self) -> Error {
        Error::missing(&*self.store, super::REPLICA)
    }
}

impl Deref for Replica {
    type Target = dyn Store;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl From<Arc<dyn Store>> for Replica {
    fn from(store: Arc<dyn Store>) -> Replica {
        Replica::plain(store)
    }
}
