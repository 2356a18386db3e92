//! What can be wrong with the objects of a replica.

use super::{Name, REPLICA};
use crate::error::{Error as PublicError, Kind};
use crate::ids::ObjectKind;
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
    /// The 16 bytes in front are not what was written.
    #[error("{object} is damaged")]
    Envelope {
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
            | Error::Envelope { object, .. }
            | Error::Misplaced { object, .. }
            | Error::Sealed { object }
            | Error::Short { object, .. }
            | Error::Missing { object } => Name::at_end_of(object),
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

    /// What the replica holds is wrong or missing, as opposed to a store that cannot be reached.
    pub fn is_damage(&self) -> bool {
        match self {
            Error::Sealed { .. } => false,
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
            Error::Damaged { .. } | Error::Envelope { .. } => "object.damaged",
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
            Error::Envelope { source, .. } => PublicError::new(Kind::Damaged, code, message).because(source),
            Error::Sealed { .. } => PublicError::new(Kind::BadKey, code, message),
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
