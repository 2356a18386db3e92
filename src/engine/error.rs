//! What can go wrong with replication; what is wrong with the parts is their own.

use super::observer::Ended;
use crate::error::{Error as PublicError, Kind};
use crate::storage::{self, ErrorKind};
use crate::{compact, db, format, replica, state};

/// Why replication cannot go on as it did.
#[derive(Debug, thiserror::Error)]
pub(super) enum Error {
    #[error(transparent)]
    Db(#[from] db::Error),
    #[error(transparent)]
    State(#[from] state::Error),
    #[error(transparent)]
    Store(#[from] storage::Error),
    #[error(transparent)]
    Replica(#[from] replica::Error),
    #[error(transparent)]
    Compact(#[from] compact::Error),
    /// Only a compression that is not built in: what is written keeps the format's rules.
    #[error(transparent)]
    Format(#[from] format::Error),
    #[error(transparent)]
    Ended(#[from] Ended),
    /// Another writer has put an object where ours belongs.
    #[error("another writer has taken over {object}")]
    Overtaken { object: String },
    /// The state directory belongs to another replica.
    #[error("this database is replicated to {known}, not to {asked}")]
    OtherDestination { known: String, asked: String },
    /// The same, in the same place.
    #[error("the backup in {location} is another one than this database was replicated to before")]
    OtherReplica { location: String },
    /// The replica is of another database.
    #[error("{location} holds the backup of another database")]
    AnotherDatabase { location: String },
    /// Nearly every page of the database is another than what is known of it.
    #[error("the database shares next to nothing with its backup in {location}: it was replaced")]
    Replaced { location: String },
    /// Nothing here remembers the replica, and nothing of it can be compared.
    #[error("the backup in {location} is damaged: it cannot be told whether it is of this database")]
    CannotTell { location: String },
    /// Nothing here remembers the replica, and somebody writes to it.
    #[error("another waloy is writing to {location}")]
    Busy { location: String },
    /// The state says that the replica is sealed, and there is no key.
    #[error("the backup of this database in {destination} is encrypted, and no key is configured")]
    WasSealed { destination: String },
    /// The replica is open, and there is a key.
    #[cfg(feature = "encryption")]
    #[error("the backup in {location} is not encrypted, and encryption is configured")]
    NotEncrypted { location: String },
    /// Not the replica that this state directory knows.
    #[cfg(feature = "encryption")]
    #[error("the encrypted backup in {location} is another one than before")]
    AnotherReplica { location: String },
    /// The data key that was seen last is not there.
    #[cfg(feature = "encryption")]
    #[error("data key {epoch} of {location} is gone: the backup was rolled back, or has lost its keys")]
    RolledBack { location: String, epoch: u32 },
    /// The data key that was seen last is another one.
    #[cfg(feature = "encryption")]
    #[error("data key {epoch} of {location} is another one than before")]
    OtherDataKey { location: String, epoch: u32 },
    /// A snapshot is not what the segments before it come to: of either, something was read wrongly.
    #[error("the snapshot of generation {0} is not the database that its segments give")]
    Differs(crate::ids::GenerationId),
    /// There was a replica in this directory, and is nothing.
    #[error("there was a backup at {location}, and is nothing now")]
    Gone { location: String },
    /// What was acknowledged is not there any more.
    #[error("{location} has lost what it had acknowledged: it was deleted, or rolled back")]
    Lost { location: String },
    /// Asked to end in the middle of a snapshot.
    #[error("stopped before the snapshot was complete")]
    Interrupted,
    /// No place is left in the generation.
    #[error("generation {0} is full")]
    Full(crate::ids::GenerationId),
}

impl Error {
    /// The same may succeed later without anybody's help.
    pub(super) fn is_transient(&self) -> bool {
        match self {
            Error::Db(error) => error.is_transient(),
            Error::Store(error) => error.is_transient(),
            Error::Replica(replica::Error::Store(error))
            | Error::Compact(compact::Error::Store(error) | compact::Error::Replica(replica::Error::Store(error))) => {
                error.is_transient()
            }
            _ => false,
        }
    }

    /// The root key was changed: what is written with the old one could be read by whoever made that necessary.
    pub(super) fn is_of_old_root(&self) -> bool {
        matches!(self, Error::Replica(replica::Error::Rotated { .. }))
    }

    /// The store failed, or could not be reached.
    pub(super) fn is_of_store(&self) -> bool {
        matches!(self, Error::Store(_) | Error::Replica(replica::Error::Store(_)))
    }

    /// The store may take the same later.
    pub(super) fn may_pass(&self) -> bool {
        match self {
            Error::Store(error) | Error::Replica(replica::Error::Store(error)) => error.may_pass(),
            _ => false,
        }
    }

    /// The bucket is not there, as far as the store says, or what we have put into it: what there is has to be asked
    /// before anything is put there again.
    pub(super) fn is_of_another_bucket(&self) -> bool {
        let no_bucket = |error: &storage::Error| error.kind == ErrorKind::NoBucket;
        match self {
            Error::Store(error) | Error::Replica(replica::Error::Store(error)) => no_bucket(error),
            Error::Lost { .. } => true,
            _ => false,
        }
    }

    /// Something else fails than the database: its WAL can be kept short until that is over.
    pub(super) fn is_not_of_database(&self) -> bool {
        matches!(self, Error::State(_) | Error::Store(_) | Error::Replica(_))
    }

    /// The store said no to who asks, not to what is asked.
    pub(super) fn is_refusal(&self) -> bool {
        let kind = match self {
            Error::Store(error) | Error::Replica(replica::Error::Store(error)) => error.kind,
            _ => return false,
        };
        matches!(kind, ErrorKind::Denied | ErrorKind::NoBucket)
    }

    /// What is in memory no longer counts: everything has to be opened anew, from what is on disk and in the store.
    pub(super) fn needs_reopening(&self) -> bool {
        match self {
            Error::Db(error) => error.is_loss(),
            Error::State(_) | Error::Ended(_) => true,
            _ => false,
        }
    }
}

impl From<Error> for PublicError {
    fn from(error: Error) -> PublicError {
        match error {
            Error::Db(error) => error.into(),
            Error::State(error) => error.into(),
            Error::Store(error) => error.into(),
            Error::Replica(error) => error.into(),
            Error::Compact(error) => error.into(),
            Error::Format(error) => {
                let public = PublicError::new(Kind::Usage, "config.compression", error.to_string());
                match error.hint() {
                    Some(hint) => public.hint(hint),
                    None => public,
                }
            }
            Error::Ended(error) => PublicError::new(Kind::Internal, "engine.internal", error.to_string()),
            Error::Gone { .. } => PublicError::new(Kind::Damaged, "replica.gone", error.to_string())
                .hint("is the disk mounted that belongs there? nothing was written to what is there now")
                .hint("if the backup was deleted, allow a new one to begin with --adopt, or move the local state away"),
            Error::Lost { .. } => PublicError::new(Kind::Damaged, "replica.lost", error.to_string())
                .hint("a new generation begins; `waloy verify` tells what of the old ones can be restored"),
            Error::Differs(_) => PublicError::new(Kind::Internal, "engine.differs", error.to_string())
                .hint("it was given up; a new generation begins, which joins nothing"),
            Error::Overtaken { .. } => PublicError::new(Kind::Locked, "replica.overtaken", error.to_string())
                .hint("one writer a prefix: stop the other one, or give this database a prefix of its own"),
            Error::OtherDestination { .. } | Error::OtherReplica { .. } => {
                PublicError::new(Kind::Usage, "replica.other", error.to_string()).hint(
                    "go on there, or move the local state away to begin a new replica; the old one stays as it is",
                )
            }
            Error::AnotherDatabase { .. } => {
                PublicError::new(Kind::Usage, "replica.another_database", error.to_string())
                    .hint("give each database a destination of its own; WALOY_DEST names that of one database")
            }
            Error::Replaced { .. } => PublicError::new(Kind::Usage, "replica.replaced", error.to_string())
                .hint("if it is meant, allow it to be adopted: a new generation begins, and the old one is kept"),
            Error::CannotTell { .. } => PublicError::new(Kind::Damaged, "replica.cannot_tell", error.to_string())
                .hint("if it is, allow it to be adopted: a new generation begins, and what is there is kept"),
            Error::Busy { .. } => PublicError::new(Kind::Locked, "replica.busy", error.to_string())
                .hint("stop the other one first; what it has uploaded is gone on with then"),
            Error::WasSealed { .. } => PublicError::new(Kind::BadKey, "key.missing", error.to_string())
                .hint("give the key that it was begun with: nothing is replicated in the clear for the lack of one"),
            #[cfg(feature = "encryption")]
            Error::NotEncrypted { location } => {
                let message = format!("the backup in {location} is not encrypted, and encryption is configured");
                let new = location.trim_end_matches('/');
                PublicError::new(Kind::Usage, "replica.not_encrypted", message)
                    .hint(format!("a backup is encrypted from its first object: begin a new one, such as {new}-sealed"))
                    .hint("what is in the old one stays readable by anyone who can read the bucket; delete it when it may go")
            }
            #[cfg(feature = "encryption")]
            Error::AnotherReplica { .. } | Error::RolledBack { .. } | Error::OtherDataKey { .. } => {
                PublicError::new(Kind::Damaged, "replica.rolled_back", error.to_string())
                    .hint("look at older versions of the bucket, and who has written to it; nothing was written now")
                    .hint("if it is meant, move the local state away: `mv DB.waloy/state DB.waloy/state.old`")
            }
            Error::Interrupted => PublicError::new(Kind::Unavailable, "engine.interrupted", error.to_string()),
            Error::Full(_) => PublicError::new(Kind::Failure, "replica.full", error.to_string()),
        }
    }
}
