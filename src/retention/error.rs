//! What can go wrong with retention.

use crate::error::{Error as PublicError, Kind};
use crate::format::Reason;
use crate::ids::GenerationId;
use crate::{replica, restore, storage};

/// Nothing was deleted, unless it is the store that failed.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The store failed.
    #[error(transparent)]
    Store(#[from] storage::Error),
    /// The replica cannot be read, or there is none.
    #[error(transparent)]
    Restore(#[from] restore::Error),
    /// What would stay cannot be restored.
    #[error("{location} does not verify; nothing was deleted")]
    Unverified {
        /// The location of the replica.
        location: String,
        /// Everything that is wrong, a line each; at least one.
        problems: Vec<String>,
    },
    /// The generation replaced nothing.
    #[error("generation {generation} did not replace another database: it was begun as `{}`", reason.name())]
    NotReplaced {
        /// The generation.
        generation: GenerationId,
        /// Why it was begun.
        reason: Reason,
    },
    /// There is nothing before the generation.
    #[error("there is nothing before generation {generation} that could be let go of")]
    NothingBefore {
        /// The generation.
        generation: GenerationId,
    },
}

impl From<replica::Error> for Error {
    fn from(error: replica::Error) -> Error {
        Error::Restore(error.into())
    }
}

impl Error {
    /// The same call may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        matches!(self, Error::Store(error) if error.is_transient())
    }
}

impl From<Error> for PublicError {
    fn from(error: Error) -> PublicError {
        let message = error.to_string();
        match error {
            Error::Store(error) => error.into(),
            Error::Restore(error) => error.into(),
            Error::Unverified { problems, .. } => {
                PublicError::new(Kind::Damaged, "retention.unverified", message).because(problems.join("; "))
            }
            Error::NotReplaced { .. } => PublicError::new(Kind::Usage, "retention.not_replaced", message),
            Error::NothingBefore { .. } => PublicError::new(Kind::Usage, "retention.nothing_before", message),
        }
    }
}
