//! What waloy keeps beside the database, in `{db}.waloy/state/` or where it was told.
//!
//! | file | what | when it is written |
//! |---|---|---|
//! | `lock` | who replicates this database: process, host, since | held from start to end |
//! | `position.json` | what the replica holds, and where in the WAL that is | after each acknowledged object |
//! | `position-kept.json` | the same as it was at the start, or when the generation began, durably | then |
//! | `claimed` | the replica whose ids were put by this database, where nothing could be restored | then |
//! | `reach.json` | how the bucket was reached: endpoint, region and such, never keys | at the start, by the command line |
//! | `restored.json` | which point the database was restored to | by a restore in its place; removed by the next upload |
//! | `sealed.json` | that the replica is sealed, and with which data key at least | before the first object that is sealed with it |
//! | `store.json` | the store keeps objects that are there when told to | after that was tried, at most once a week |
//! | `intent` | the next object: its place, digest and bytes | before its first PUT, void after its acknowledgement |
//! | `hashes` | a hash of each page of what the replica holds | after each acknowledged object |
//! | `hashes.log` | changes to that table on their way into it | before them |
//! | `hashes.next`, `hashes.fork` | tables for a snapshot, or a segment, that is being made | while it is |
//!
//! Losing all of it costs a comparison of every page with the replica, never data. It is `0700`: the intent holds pages of
//! the database. Where the replica is sealed, they are sealed here too; no key is ever kept.

mod claimed;
mod dir;
mod file;
mod hashes;
mod intent;
mod position;
mod reach;
mod restored;
mod sealed;
mod store;

pub use claimed::Claimed;
pub use dir::{Owner, StateDir};
pub(crate) use file::anew;
pub use hashes::PageHashes;
pub use intent::Intent;
pub use position::{Acknowledged, WalPlace};
pub use reach::Reach;
pub use restored::Restored;
pub use sealed::{Noted, SealedNote};
pub use store::Conditional;

use std::path::PathBuf;

use crate::error::{Error as PublicError, Kind};

/// What is wrong with the state directory.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// Another process, or another manager in this one, replicates this database.
    #[error("already replicated by {0}")]
    Locked(Owner),
    /// A link leads to the directory, of which somebody else is the owner.
    #[error("{} is a link that another user has made, to what is not that user's", path.display())]
    StrangeLink {
        /// The link.
        path: PathBuf,
    },
    /// A call of the operating system failed.
    #[error("cannot {what} {}", path.display())]
    Io {
        /// What was tried.
        what: &'static str,
        /// With which file.
        path: PathBuf,
        /// Why it failed.
        source: std::io::Error,
    },
}

impl Error {
    pub(crate) fn io(what: &'static str, path: impl Into<PathBuf>) -> impl FnOnce(std::io::Error) -> Error {
        let path = path.into();
        move |source| Error::Io { what, path, source }
    }
}

impl Error {
    fn hint(&self) -> Option<&'static str> {
        use std::io::ErrorKind as Io;
        let Error::Io { source, .. } = self else { return None };
        match source.kind() {
            Io::PermissionDenied | Io::ReadOnlyFilesystem | Io::NotADirectory | Io::AlreadyExists => {
                Some("local state is kept elsewhere with --state-dir DIR")
            }
            Io::StorageFull | Io::QuotaExceeded => {
                Some("make room, or keep local state elsewhere with --state-dir DIR")
            }
            _ => None,
        }
    }
}

impl From<Error> for PublicError {
    fn from(error: Error) -> PublicError {
        match &error {
            Error::Locked(_) => PublicError::new(Kind::Locked, "state.locked", error.to_string())
                .hint("one waloy a database: stop the other one first, or ask it with `waloy sync`"),
            Error::StrangeLink { .. } => PublicError::new(Kind::Database, "state.strange_link", error.to_string())
                .hint("who can make links there could have files overwritten: see where it leads, and make it anew")
                .hint("or keep local state elsewhere with --state-dir DIR"),
            Error::Io { .. } => {
                let public = PublicError::new(Kind::Database, "state.io", error.to_string());
                let public = match error.hint() {
                    Some(hint) => public.hint(hint),
                    None => public,
                };
                match std::error::Error::source(&error) {
                    Some(source) => public.because(source.to_string()),
                    None => public,
                }
            }
        }
    }
}
