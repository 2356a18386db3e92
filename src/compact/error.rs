//! What can go wrong with merging.

use crate::error::{Error as PublicError, Kind};
use crate::replica::{self, chain::Break};
use crate::{format, storage};

/// Merging failed. What was there is as it was; what was merged before is there.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An object of the replica is damaged or cannot be read.
    #[error(transparent)]
    Replica(#[from] replica::Error),
    /// The store failed.
    #[error(transparent)]
    Store(#[from] storage::Error),
    /// The listing answered, and there is nothing to merge.
    #[error("no backup at {location}")]
    NoBackup {
        /// Where.
        location: String,
    },
    /// An object does not follow the one before it.
    #[error("{object} does not follow the object before it: {why}")]
    Broken {
        /// The later object, with the store's location.
        object: String,
        /// Why.
        why: Break,
    },
    /// What was read back is not what was written.
    #[error("{object} is not what was written a moment ago")]
    Differs {
        /// The merged segment, with the store's location.
        object: String,
    },
    /// A compression that is not built in.
    #[error(transparent)]
    Format(#[from] format::Error),
}

impl Error {
    /// An object that was listed is not there any more.
    pub fn is_missing(&self) -> bool {
        match self {
            Error::Replica(error) => error.is_missing(),
            Error::Store(error) => error.is_not_found(),
            _ => false,
        }
    }

    /// The stable code, for programs.
    pub fn code(&self) -> &'static str {
        match self {
            Error::Replica(error) => error.code(),
            Error::Store(_) => "storage.failed",
            Error::NoBackup { .. } => "restore.no_backup",
            Error::Broken { .. } => "chain.broken",
            Error::Differs { .. } => "object.damaged",
            Error::Format(_) => "config.compression",
        }
    }
}

impl From<Error> for PublicError {
    fn from(error: Error) -> PublicError {
        let (code, message) = (error.code(), error.to_string());
        match error {
            Error::Replica(error) => error.into(),
            Error::Store(error) => error.into(),
            Error::NoBackup { .. } => PublicError::new(Kind::NoBackup, code, message),
            Error::Broken { .. } | Error::Differs { .. } => PublicError::new(Kind::Damaged, code, message),
            Error::Format(error) => {
                let public = PublicError::new(Kind::Usage, code, message);
                error.hint().into_iter().fold(public, PublicError::hint)
            }
        }
    }
}
