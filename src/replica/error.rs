//! What can be wrong with the objects of a replica.

use super::{Name, REPLICA};
use crate::error::{Error as PublicError, Kind};
use crate::ids::ObjectKind;
use crate::seal::SecretKind;
use crate::storage::{self, ErrorKind, Store};
use crate::{format, seal};

/// Reading a replica failed. `Display` names the object; causes are in `source`.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] storage::Error),
    /// The bytes are not what was written.
    #[error("{object} is damaged")]
    Damaged {
        /// Its key, with the store's location.
        object: String,
        /// What is wrong.
        source: format::Error,
    },
    /// What is in front of it, or how it is sealed, is not what was written there.
    #[error("{object} is damaged")]
    Seal {
        /// Its key, with the store's location.
        object: String,
        /// What is wrong.
        source: seal::Error,
    },
    /// A whole object of ours, under the name of another.
    #[error("{object} is not the object that was written there: it says {says}")]
    Misplaced {
        /// Its key, with the store's location.
        object: String,
        /// What it says instead.
        says: String,
    },
    /// The object is encrypted, and this build or this call has no key.
    #[error("{object} is encrypted")]
    Sealed {
        /// Its key, with the store's location.
        object: String,
    },
    /// The object is not encrypted, and encryption is configured: it is not passed through.
    #[error("{object} is not encrypted, and encryption is configured")]
    Open {
        /// Its key, with the store's location.
        object: String,
    },
    /// The secret opens no key slot.
    #[error("wrong {kind} for {location}")]
    WrongKey {
        /// What was wrong.
        kind: SecretKind,
        /// Where.
        location: String,
    },
    /// The secret opens a slot of before the root key was changed.
    #[error("the root key of {location} was changed: this key is of before")]
    Rotated {
        /// Where.
        location: String,
    },
    /// The slot that was asked for is not there.
    #[error("no key slot {id} at {location}")]
    NoSuchSlot {
        /// The slot.
        id: String,
        /// Where.
        location: String,
    },
    /// There are keys, and no slot.
    #[error("no key slot is left at {location}")]
    NoSlot {
        /// Where.
        location: String,
    },
    /// A recovery kit was given for a replica that is not there.
    #[error("there is no encrypted replica at {location} to open with a recovery kit")]
    NothingToRecover {
        /// Where.
        location: String,
    },
    /// A slot asks for more than is allowed, or than there is; or a new one cannot be made.
    #[error("cannot use the keys of {location}")]
    Refused {
        /// Where.
        location: String,
        /// Why.
        source: seal::Error,
    },
    /// Too short for what it is.
    #[error("{object} has only {size} bytes")]
    Short {
        /// Its key, with the store's location.
        object: String,
        /// Its size.
        size: u64,
    },
    /// The object should be there.
    #[error("{object} is missing")]
    Missing {
        /// Its key, with the store's location.
        object: String,
    },
}

const NEEDS_KEY: &str = "give the passphrase or key with which it was begun";

/// How an object is called in messages.
pub(crate) fn located(store: &dyn Store, key: &str) -> String {
    let location = store.location();
    if location.ends_with([':', '/']) { format!("{location}{key}") } else { format!("{location}/{key}") }
}

/// A message without the location of the store, where that has been told already.
pub(crate) fn without_location(store: &dyn Store, message: &str) -> String {
    message.replace(&located(store, ""), "")
}

impl Error {
    /// The bytes under this key are not what was written.
    pub fn damaged(store: &dyn Store, key: &str, source: format::Error) -> Error {
        Error::Damaged { object: located(store, key), source }
    }

    /// There is nothing under this key.
    pub fn missing(store: &dyn Store, key: &str) -> Error {
        Error::Missing { object: located(store, key) }
    }

    /// The object under this key is another's.
    pub fn misplaced(store: &dyn Store, key: &str, says: impl Into<String>) -> Error {
        Error::Misplaced { object: located(store, key), says: says.into() }
    }

    /// What is wrong with how the object under this key is sealed.
    pub(crate) fn seal(store: &dyn Store, key: &str, source: seal::Error) -> Error {
        let object = located(store, key);
        match source {
            seal::Error::Sealed => Error::Sealed { object },
            seal::Error::Open => Error::Open { object },
            seal::Error::Cut { len, .. } => Error::Short { object, size: len },
            source => Error::Seal { object, source },
        }
    }

    /// Objects that are JSON when open have an envelope in front when they are sealed.
    pub(super) fn refuse_sealed(store: &dyn Store, key: &str, kind: ObjectKind, bytes: &[u8]) -> Result<(), Error> {
        match seal::Envelope::parse(bytes, kind) {
            Err(seal::Error::Sealed) => Err(Error::Sealed { object: located(store, key) }),
            _ => Ok(()),
        }
    }

    /// The object that it is about; `None` if that belongs to no generation.
    pub fn about(&self) -> Option<Name> {
        match self {
            Error::Store(error) => Name::at_end_of(&error.object),
            Error::Damaged { object, .. }
            | Error::Seal { object, .. }
            | Error::Misplaced { object, .. }
            | Error::Sealed { object }
            | Error::Open { object }
            | Error::Short { object, .. }
            | Error::Missing { object } => Name::at_end_of(object),
            Error::WrongKey { .. }
            | Error::Rotated { .. }
            | Error::NoSuchSlot { .. }
            | Error::NoSlot { .. }
            | Error::NothingToRecover { .. }
            | Error::Refused { .. } => None,
        }
    }

    /// The object is not there.
    pub fn is_missing(&self) -> bool {
        match self {
            Error::Missing { .. } => true,
            Error::Store(error) => error.is_not_found(),
            _ => false,
        }
    }

    /// The key is missing or wrong: what the replica holds may be whole.
    pub fn is_bad_key(&self) -> bool {
        matches!(
            self,
            Error::Sealed { .. }
                | Error::WrongKey { .. }
                | Error::Rotated { .. }
                | Error::NoSuchSlot { .. }
                | Error::NoSlot { .. }
                | Error::NothingToRecover { .. }
                | Error::Refused { .. }
        )
    }

    /// What the replica holds is wrong or missing, as opposed to a store that cannot be reached.
    pub fn is_damage(&self) -> bool {
        match self {
            error if error.is_bad_key() => false,
            Error::Store(error) => {
                matches!(error.kind, ErrorKind::NotFound | ErrorKind::TooLarge | ErrorKind::Truncated)
            }
            _ => true,
        }
    }

    /// The stable code, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Damaged { source, .. } if source.is_unsupported() => "format.unsupported",
            Error::Seal { source, .. } => match source {
                seal::Error::Unsupported { .. } => "format.unsupported",
                seal::Error::Misplaced { .. } => "object.misplaced",
                seal::Error::Commitment => "object.forged",
                seal::Error::Tampered { .. } => "object.tampered",
                seal::Error::NoDataKey(_) => "key.no_data_key",
                seal::Error::AnotherDataKey(_) => "key.another_data_key",
                _ => "object.damaged",
            },
            Error::Open { .. } => "object.not_encrypted",
            Error::WrongKey { .. } => "key.wrong",
            Error::Rotated { .. } => "key.rotated",
            Error::NoSuchSlot { .. } | Error::NoSlot { .. } => "key.no_slot",
            Error::NothingToRecover { .. } => "key.nothing_to_recover",
            Error::Refused { source, .. } => match source {
                seal::Error::KdfCost { .. } => "key.kdf_cost",
                seal::Error::Memory { .. } => "key.memory",
                _ => "key.refused",
            },
            Error::Damaged { .. } => "object.damaged",
            Error::Short { .. } => "object.truncated",
            Error::Misplaced { .. } => "object.misplaced",
            Error::Sealed { .. } => "key.missing",
            Error::Missing { .. } => "object.missing",
            Error::Store(error) => match error.kind {
                ErrorKind::NotFound => "object.missing",
                ErrorKind::TooLarge => "object.too_large",
                ErrorKind::Truncated => "object.truncated",
                _ => "storage.failed",
            },
        }
    }
}

impl From<Error> for PublicError {
    fn from(error: Error) -> PublicError {
        let (code, message) = (error.code(), error.to_string());
        match error {
            Error::Store(error) => error.into(),
            Error::Damaged { source, .. } => {
                let hint = source.hint();
                let public = PublicError::new(Kind::Damaged, code, message).because(source);
                hint.into_iter().fold(public, PublicError::hint)
            }
            Error::Seal { object, source } => {
                let is_ids = object.rsplit('/').next() == Some(REPLICA);
                let hint = match &source {
                    seal::Error::Commitment => Some(
                        "it was written with another key, or under another name: put back, moved, or not by this writer",
                    ),
                    seal::Error::NoDataKey(_) | seal::Error::AnotherDataKey(_) => {
                        Some("look for `keys/` in an older version of the bucket, or in a copy")
                    }
                    seal::Error::Tampered { what: seal::What::DataKey } => Some(
                        "a change of the root key that was cut short leaves such: run `waloy key rotate --root` again, \
                         with the old and the new secret",
                    ),
                    seal::Error::Tampered { what: seal::What::Object } if is_ids => Some(
                        "put it back from an older version of the bucket; or, if a change of the root key was cut short, \
                         run `waloy key rotate --root` again",
                    ),
                    _ => None,
                };
                let public = PublicError::new(Kind::Damaged, code, message).because(source);
                hint.into_iter().fold(public, PublicError::hint)
            }
            Error::Sealed { .. } => PublicError::new(Kind::BadKey, code, message).hint(NEEDS_KEY),
            Error::Open { .. } => PublicError::new(Kind::Damaged, code, message)
                .hint("if this replica was never encrypted, read it without a key; one that was does not become so"),
            Error::WrongKey { .. } => PublicError::new(Kind::BadKey, code, message)
                .hint("`waloy key list` shows the key slots; each has a secret of its own"),
            Error::Rotated { .. } => PublicError::new(Kind::BadKey, code, message)
                .hint("use the passphrase, key file or kit of since then")
                .hint("if that change was cut short, run `waloy key rotate --root` again, with both secrets"),
            Error::NoSuchSlot { .. } => PublicError::new(Kind::BadKey, code, message)
                .hint("`waloy key list` shows the key slots; without --key-slot all are tried"),
            Error::NoSlot { .. } => PublicError::new(Kind::BadKey, code, message)
                .hint("open it with the recovery kit, or put `keys/` back from an older version of the bucket"),
            Error::NothingToRecover { .. } => PublicError::new(Kind::BadKey, code, message)
                .hint("a new replica begins with a passphrase or a key file; look whether the prefix is right"),
            Error::Refused { source, .. } => {
                let hint = match &source {
                    seal::Error::KdfCost { .. } => {
                        "nobody may have made that slot but to use up memory; if it is yours: --allow-kdf-cost"
                    }
                    seal::Error::Memory { .. } => "free some memory, or use another slot",
                    _ => "`waloy key list` shows the key slots",
                };
                PublicError::new(Kind::BadKey, code, message).because(source).hint(hint)
            }
            Error::Missing { object } if object.rsplit('/').next() == Some(REPLICA) => PublicError::new(
                Kind::Damaged,
                code,
                message,
            )
            .hint("put it back from an older version of the bucket, or from a copy: then all can be restored again")
            .hint(
                "or begin anew: an empty prefix or directory, and the local state out of the way, \
                         `mv DB.waloy/state DB.waloy/state.old`",
            ),
            _ => PublicError::new(Kind::Damaged, code, message),
        }
    }
}
