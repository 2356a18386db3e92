//! What can go wrong with keys.

use crate::error::{Error as PublicError, Kind};
use crate::seal::{self, SecretKind, SlotId};
use crate::{replica, storage};

/// What was asked for was not done, or not to its end: the variant says what is there now.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// The replica cannot be read or opened.
    #[error(transparent)]
    Replica(#[from] replica::Error),
    /// There is nothing at all.
    #[error("there is no backup at {location}")]
    NoBackup {
        /// Where.
        location: String,
    },
    /// There are no keys: whoever reads the store reads the database.
    #[error("the backup at {location} is not encrypted: it has no keys")]
    NotEncrypted {
        /// Where.
        location: String,
    },
    /// A recovery kit opens a replica, and is no secret of a slot.
    #[error("a recovery kit cannot be the new secret of a key slot")]
    Kit,
    /// A slot cannot be made with this secret, label or cost. Nothing was written.
    #[error("cannot make a key slot")]
    Slot(#[source] seal::Error),
    /// There is no such slot.
    #[error("no key slot {id} at {location}")]
    NoSuchSlot {
        /// The slot.
        id: SlotId,
        /// Where.
        location: String,
    },
    /// Nothing but the recovery kit would open the replica. It was not removed.
    #[error("without key slot {id} no whole one would be left at {location}: it stays")]
    LastSlot {
        /// The slot.
        id: SlotId,
        /// Where.
        location: String,
    },
    /// The key that was to prove that the replica still opens without the slot opens no other. It was not removed.
    #[error("the key that was given opens key slot {id} of {location}, and no other: it stays")]
    OnlyThis {
        /// The slot.
        id: SlotId,
        /// Where.
        location: String,
    },
    /// A change of the root key was cut short: more than one secret is needed until it is done. No slot was removed.
    #[error("{object} does not open with the key that was given: a change of the root key was cut short")]
    Unfinished {
        /// Its key, with the store's location.
        object: String,
    },
    /// A secret is tried on a limited number of slots, and there are as many of its kind. Nothing was written.
    #[error("there are {} key slots of a {kind} at {location} already, and no more are tried", seal::MAX_TRIES)]
    TooMany {
        /// What the new one is.
        kind: SecretKind,
        /// Where.
        location: String,
    },
    /// The new slot is there, and the one that it takes the place of is not removed.
    #[error("key slot {added} was added; {old} is still there")]
    NotRemoved {
        /// The new slot.
        added: SlotId,
        /// The one to be removed.
        old: SlotId,
        /// Why.
        source: Box<Error>,
    },
    /// The store says that it deleted it, and lists it.
    #[error("{object} is still there")]
    StillThere {
        /// Its key, with the store's location.
        object: String,
    },
    /// What was read back is not what was written.
    #[error("{object} is not what was just written there")]
    NotKept {
        /// Its key, with the store's location.
        object: String,
    },
    /// There are 2³² − 1 data keys.
    #[error("no data key can come after that of epoch {}", u32::MAX)]
    NoEpoch,
    /// The new secret opens the replica already: whoever has the leaked root key could put that slot back.
    #[error("the new {kind} opens {location} already")]
    NotNew {
        /// What it is.
        kind: SecretKind,
        /// Where.
        location: String,
    },
    /// The old secret opens nothing, and the new one opens the replica: there is nothing to go on with.
    #[error("the old {kind} opens no key slot of {location}, and the new secret opens it already")]
    NothingToFinish {
        /// What the old one is.
        kind: SecretKind,
        /// Where.
        location: String,
    },
    /// A data key that neither of two secrets leads to. It stays as it is.
    #[error("{object} opens with neither of the two secrets")]
    StrayDataKey {
        /// Its key, with the store's location.
        object: String,
    },
    /// Keys keep changing: somebody else is at work on them. What was done so far can be gone on with.
    #[error("somebody else is changing the keys of {location}")]
    Busy {
        /// Where.
        location: String,
    },
}

impl From<storage::Error> for Error {
    fn from(error: storage::Error) -> Error {
        Error::Replica(error.into())
    }
}

const LISTED: &str = "`waloy key list` shows the key slots";

impl From<Error> for PublicError {
    fn from(error: Error) -> PublicError {
        let message = error.to_string();
        match error {
            Error::Replica(error) => error.into(),
            Error::NoBackup { .. } => PublicError::new(Kind::NoBackup, "restore.no_backup", message)
                .hint("look whether it is the right place, and the whole of the prefix"),
            Error::NotEncrypted { .. } => PublicError::new(Kind::Usage, "key.not_encrypted", message)
                .hint("encryption begins with a new prefix or directory; what is there stays readable by everybody"),
            Error::Kit => PublicError::new(Kind::Usage, "key.kit", message)
                .hint("make a passphrase:  waloy key generate")
                .hint("the kit opens the replica as it is, with --key-file"),
            Error::Slot(source) => {
                let (kind, code) = match &source {
                    seal::Error::Label => (Kind::Usage, "key.label"),
                    _ => (Kind::BadKey, "key.refused"),
                };
                PublicError::new(kind, code, message).because(source)
            }
            Error::NoSuchSlot { .. } => PublicError::new(Kind::BadKey, "key.no_slot", message).hint(LISTED),
            Error::LastSlot { .. } => PublicError::new(Kind::Usage, "key.last_slot", message)
                .hint("add the one that takes its place first:  waloy key add")
                .hint("or do both at once, with `waloy key change`"),
            Error::OnlyThis { id, .. } => PublicError::new(Kind::BadKey, "key.only_this", message)
                .hint("give another one that opens the replica, so that nobody is locked out")
                .hint(format!("or do without that:  waloy key remove {id} --unproven")),
            Error::Unfinished { .. } => PublicError::new(Kind::BadKey, "key.unfinished", message)
                .hint("finish it, with both secrets:  waloy key rotate --root"),
            Error::TooMany { .. } => PublicError::new(Kind::Usage, "key.too_many", message)
                .hint("see which, and remove those that nobody needs:  waloy key list, waloy key remove SLOT"),
            Error::NotRemoved { source, old, .. } => {
                let source = PublicError::from(*source);
                PublicError::new(source.kind(), "key.not_removed", message)
                    .because(source)
                    .hint(format!("remove it later:  waloy key remove {old}"))
            }
            Error::StillThere { .. } => PublicError::new(Kind::Failure, "key.still_there", message)
                .hint("the bucket may keep what is deleted: a permission, an object lock, a proxy"),
            Error::NotKept { .. } => PublicError::new(Kind::Failure, "key.not_kept", message)
                .hint("somebody else may be changing the keys: try again when that is done"),
            Error::NoEpoch => PublicError::new(Kind::Failure, "key.no_epoch", message),
            Error::NotNew { .. } => PublicError::new(Kind::Usage, "key.not_new", message)
                .hint("whoever has the old root key can put a slot back that it opens: after a leak, use a new one")
                .hint("make one:  waloy key generate -o FILE"),
            Error::NothingToFinish { .. } => PublicError::new(Kind::BadKey, "key.nothing_to_finish", message)
                .hint("either the root key was changed to the end before, or the old secret is not the right one")
                .hint("`waloy key list` shows when the key slots were made"),
            Error::StrayDataKey { .. } => PublicError::new(Kind::Damaged, "key.stray_data_key", message)
                .hint("if a change of the root key was cut short, run it again with the two secrets of then")
                .hint("or put it back from an older version of the bucket"),
            Error::Busy { .. } => PublicError::new(Kind::Locked, "key.busy", message)
                .hint("run it again with both secrets when they are done"),
        }
    }
}
