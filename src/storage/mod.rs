//! Where objects are kept: S3, a directory, memory.
//!
//! A store is a flat map from keys to immutable bytes. Keys are relative to the store's own prefix, in ASCII, with `/`
//! between their parts, and never begin or end with it.
//!
//! What every store promises, and the conformance suite holds it to:
//!
//! - When a put returns, the object is durable, whole, and seen by every later read and listing.
//! - A put that fails leaves the old object or the new one, whole; which of them, only a read tells.
//! - [`Store::put_if_absent`] never replaces an object, as far as the store honours it.
//! - Listings are in the byte order of keys, and complete: a store that cannot list everything fails.

use std::fmt;
use std::ops::Range;

use bytes::Bytes;

use crate::units::Timestamp;

mod error;
mod fs;
mod key;
mod listing;
mod location;
mod memory;
mod retry;
mod s3;

pub use error::{Error, ErrorKind};
pub use fs::DirStore;
pub use listing::{Depth, Listing};
pub use location::{Location, LocationError};
pub use memory::MemoryStore;
pub use retry::{Retry, Retrying, Trouble};
pub use s3::{Connections, PartSize, S3Options, S3Store, Sse, SseError};

/// An object in a listing.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Meta {
    /// Its key, relative to the store.
    pub key: String,
    /// Its size in bytes.
    pub size: u64,
    /// When the store took it, by the store's clock, if it tells.
    pub modified: Option<Timestamp>,
}

/// What became of a conditional put.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Put {
    /// The object is ours and durable.
    Created,
    /// There was one under this key already; it is as it was.
    Exists,
}

/// A place for objects.
#[async_trait::async_trait]
pub trait Store: fmt::Debug + Send + Sync {
    /// Where this is, for people: `s3://bucket/prefix`, or an absolute path.
    fn location(&self) -> String;

    /// Puts an object, over one that is there. When this returns, it is durable.
    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error>;

    /// Puts an object unless there is one. When this returns [`Put::Created`], it is durable.
    ///
    /// After an error the object may be there all the same: a second call then says [`Put::Exists`], and the caller
    /// tells by the object's digest whether it is its own.
    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put, Error>;

    /// Whether [`Store::put_if_absent`] still asks the store to keep what is there: not after the store has said that it
    /// knows no conditions. A store that is asked, and replaces all the same, is not found out here.
    fn is_conditional(&self) -> bool {
        true
    }

    /// Whether [`Store::put_if_absent`] keeps what is there: tried out on an object that is there, with its own bytes, which
    /// it has afterwards where it does not.
    async fn keeps_what_is_there(&self, key: &str, bytes: Bytes) -> Result<bool, Error> {
        Ok(self.put_if_absent(key, bytes).await? == Put::Exists)
    }

    /// What [`Store::keeps_what_is_there`] will say, if that was found out before and costs no request any more: `Some` stays
    /// so for as long as this store lives. `None` is always right. A store around another one forwards both or neither.
    fn is_known_to_keep(&self) -> Option<bool> {
        None
    }

    /// The whole object, of at most `limit` bytes ([`ErrorKind::TooLarge`] otherwise).
    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, Error>;

    /// Exactly these bytes of an object; [`ErrorKind::Truncated`] if it ends before them.
    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error>;

    /// The times that it tells of its objects are by the clock of this machine, or may be: they do not speak against it.
    fn has_our_clock(&self) -> bool {
        false
    }

    /// What a listing would say of one object.
    async fn head(&self, key: &str) -> Result<Meta, Error>;

    /// Makes durable an object that a read has found: the put that made it visible may have failed afterwards. Nothing is
    /// to be done where what is visible is durable.
    async fn make_durable(&self, key: &str) -> Result<(), Error> {
        let _ = key;
        Ok(())
    }

    /// Whether there is an object under this key, asked by somebody who is about to put one there: one HEAD. A store that
    /// has lost its bucket may say that there is none, and refuses the put.
    async fn is_taken(&self, key: &str) -> Result<bool, Error> {
        match self.head(key).await {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(error),
        }
    }

    /// The first objects (1,000 or so) whose keys begin with `prefix` and come after `after` in byte order.
    async fn list(&self, prefix: &str, after: Option<&str>, depth: Depth) -> Result<Listing, Error>;

    /// Deletes an object; one that is not there is no error.
    async fn delete(&self, key: &str) -> Result<(), Error>;

    /// Deletes many objects, at few requests where the store can: says which of them it refuses to delete, and why. Those
    /// that are not there are no error. In what order they go is the store's business; a caller to whom it matters calls
    /// again.
    ///
    /// An error is about the whole request: which objects are gone, only a listing tells then.
    async fn delete_many(&self, keys: &[String]) -> Result<Vec<(String, Error)>, Error> {
        let mut refused = Vec::new();
        for key in keys {
            match self.delete(key).await {
                Ok(()) => {}
                Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Other) => {
                    refused.push((key.clone(), error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(refused)
    }

    /// Begins an object of unknown length. Nothing is visible before it is finished.
    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, Error>;

    /// Gives up an upload begun by an earlier process; one that is not there is no error.
    async fn abort_upload(&self, key: &str, id: &str) -> Result<(), Error>;

    /// Gives up uploads that were begun before this moment, by the store's clock, and that nobody has finished: what was
    /// sent of them is kept, and paid for, until somebody does. Says how many they were. One request where there are none;
    /// none where the store sees to it by itself.
    async fn abort_uploads(
        &self,
        before: Timestamp,
        of: &(dyn for<'k> Fn(&'k str) -> bool + Sync),
    ) -> Result<usize, Error> {
        let _ = (before, of);
        Ok(0)
    }
}

/// An object on its way, in parts. Dropped unfinished, it is given up where the store can do so by itself.
#[async_trait::async_trait]
pub trait Upload: fmt::Debug + Send + Sync {
    /// What [`Store::abort_upload`] takes, also in another process.
    fn id(&self) -> &str;

    /// Adds bytes. Waits while as much is on its way as the store's bound on memory allows.
    ///
    /// After an error that [may pass](Error::may_pass), the bytes are taken: nothing is lost, and the next call, also one
    /// without bytes, goes on with what could not be sent. After any other error the upload can only be given up.
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error>;

    /// Makes the object visible unless there is one under the key. When this returns [`Put::Created`], it is durable.
    ///
    /// After an error it may be called again; it may have succeeded all the same, as with [`Store::put_if_absent`].
    async fn finish_if_absent(&mut self) -> Result<Put, Error>;

    /// Gives it up, and frees what the store kept of it.
    async fn abort(&mut self) -> Result<(), Error>;
}

/// Whether there is an object under this key: one HEAD.
///
/// # Errors
///
/// The store's, but that there is none.
pub async fn is_there(store: &dyn Store, key: &str) -> Result<bool, Error> {
    match store.head(key).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error),
    }
}

/// Every object whose key begins with `prefix` and comes after `after`, with as many requests as that takes.
///
/// # Errors
///
/// Those of [`Store::list`].
pub async fn list_all(store: &dyn Store, prefix: &str, after: Option<&str>) -> Result<Vec<Meta>, Error> {
    let mut found = Vec::new();
    let mut after = after.map(str::to_owned);
    loop {
        let listing = store.list(prefix, after.as_deref(), Depth::All).await?;
        found.extend(listing.objects);
        match listing.next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}
