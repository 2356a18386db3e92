//! A prefix of a bucket of S3, or of another store that speaks its protocol.
//!
//! What is taken from the protocol, and what is made sure of here because some store gets it wrong:
//!
//! - **Conditional**: `If-None-Match: *` on `PutObject` and on `CompleteMultipartUpload`. 412 means that there is an
//!   object; 409 that another request is deciding it just now, so again. To a store that answers 501 it is not said
//!   again. One that ignores the header is found out by the one who opens a replica, not here.
//! - **Reads**: a ranged read is believed only with the `Content-Range` that was asked for, whatever the status; no
//!   reply is taken for whole before it has the announced length.
//! - **Listings**: begin after a key, not at a token, so that they go on in another process; the order is checked.
//!   Keys are asked for unencoded: some stores say that they encode them and do not. XML cannot carry control
//!   characters, which no key of waloy's has.
//! - **Written** is what the store gave an entity tag; an answer of success without one is a proxy's, and it is looked.
//! - **Missing**: an object is missing only if the store says `NoSuchKey`. Any other 404 is a missing bucket, or a
//!   server that is no store.
//! - **Deleting** many is one request for each 1,000, whose answer of 200 has a verdict for each key: those are read.
//!   A store that does not know the request, or not in the way the SDK signs it, is asked for one after the other.
//! - **Repeating** is the business of [`Retrying`](crate::storage::Retrying); the SDK's own is off. Only the parts of
//!   a multipart upload are repeated here.

mod client;
mod connections;
mod delete;
mod error;
mod headway;
mod keeping;
mod limit;
mod list;
mod options;
mod pace;
mod part;
mod reach;
mod read;
mod transport;
mod trust;
mod upload;
mod verdict;
mod write;

use std::collections::HashMap;
use std::ops::Range;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use aws_sdk_s3::Client;
use bytes::Bytes;
use tokio::sync::{Semaphore, SemaphorePermit};

use self::connections::Shared;
use self::error::Call;
use self::keeping::Keeping;
use self::pace::Pace;
use self::reach::Reach;
use self::upload::S3Upload;
use self::write::Content;
use super::{Depth, Error, Listing, Location, Meta, Put, Retry, Store, Upload, key};
use crate::units::Timestamp;

pub use connections::Connections;
pub use options::{S3Options, Sse, SseError};
pub use part::PartSize;

/// A prefix of a bucket. Clones share connections and limits.
#[derive(Clone, Debug)]
pub struct S3Store {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    client: Client,
    reach: Arc<Reach>,
    requests: Arc<Semaphore>,
    parts: Arc<Semaphore>,
    keeps: Arc<Mutex<HashMap<String, bool>>>,
    sending: Pace,
    receiving: Pace,
    keeping: Keeping,
    bucket: String,
    /// Empty, or ending in `/`.
    prefix: String,
    /// The store has answered that a put, or what completes an upload in parts, knows no conditions.
    unconditional: AtomicBool,
    unconditional_completion: AtomicBool,
    /// The store has answered that it deletes objects one by one only.
    one_by_one: AtomicBool,
    retry: Retry,
    part_size: PartSize,
    spool: PathBuf,
}

impl S3Store {
    /// The store for this prefix, which may be empty. No request is sent to it yet.
    ///
    /// # Errors
    ///
    /// Options that make no sense.
    pub async fn open(bucket: &str, prefix: &str, options: &S3Options) -> Result<S3Store, crate::error::Error> {
        let Shared { client, reach, requests, parts, keeps, sending, receiving } =
            options.connections.to(options).await?;
        let prefix = prefix.trim_matches('/');
        let inner = Inner {
            client,
            reach,
            requests,
            parts,
            keeps,
            sending,
            receiving,
            keeping: Keeping::new(options)?,
            bucket: bucket.to_owned(),
            prefix: if prefix.is_empty() { String::new() } else { format!("{prefix}/") },
            unconditional: AtomicBool::new(false),
            unconditional_completion: AtomicBool::new(false),
            one_by_one: AtomicBool::new(false),
            retry: options.retry,
            part_size: options.part_size,
            spool: options.spool.clone().unwrap_or_else(std::env::temp_dir),
        };
        Ok(S3Store { inner: Arc::new(inner) })
    }
}

impl Inner {
    fn location(&self) -> String {
        let (bucket, prefix) = (self.bucket.clone(), self.prefix.trim_end_matches('/').to_owned());
        Location::S3 { bucket, prefix }.to_string()
    }

    /// The key in the bucket.
    fn full(&self, key: &str) -> String {
        format!("{}{key}", self.prefix)
    }

    /// A request about an object, for what is said of its failure.
    fn call(&self, operation: &'static str, api: &'static str, key: &str) -> Call {
        let object = format!("{}/{key}", self.location());
        Call { operation, api, object, reach: Arc::clone(&self.reach) }
    }

    fn check(&self, operation: &'static str, key: &str) -> Result<(), Error> {
        key::check(operation, &self.location(), key)
    }

    /// Of each bucket, whether it keeps what is there, once that was tried.
    fn keeps(&self) -> MutexGuard<'_, HashMap<String, bool>> {
        self.keeps.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until one more request may be sent.
    async fn turn(&self) -> SemaphorePermit<'_> {
        self.requests.acquire().await.expect("the semaphore is never closed")
    }
}

#[async_trait::async_trait]
impl Store for S3Store {
    fn location(&self) -> String {
        self.inner.location()
    }

    fn is_conditional(&self) -> bool {
        !self.inner.unconditional.load(Ordering::Relaxed)
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.inner.put(key, bytes).await
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put, Error> {
        self.inner.put_if_absent(key, Content::Bytes(&bytes)).await
    }

    /// Tried once for all stores of a bucket that share their connections.
    async fn keeps_what_is_there(&self, key: &str, bytes: Bytes) -> Result<bool, Error> {
        if let Some(known) = self.is_known_to_keep() {
            return Ok(known);
        }
        // One that has never heard of conditions was asked before each put whether the object is there.
        let found = self.put_if_absent(key, bytes).await? == Put::Exists && self.is_conditional();
        self.inner.keeps().insert(self.inner.bucket.clone(), found);
        Ok(found)
    }

    fn is_known_to_keep(&self) -> Option<bool> {
        self.inner.keeps().get(&self.inner.bucket).copied()
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, Error> {
        self.inner.get(key, limit).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        self.inner.get_range(key, range).await
    }

    async fn head(&self, key: &str) -> Result<Meta, Error> {
        self.inner.head(key).await
    }

    async fn is_taken(&self, key: &str) -> Result<bool, Error> {
        self.inner.is_taken(key).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, depth: Depth) -> Result<Listing, Error> {
        self.inner.list(prefix, after, depth).await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.inner.delete(key).await
    }

    async fn delete_many(&self, keys: &[String]) -> Result<Vec<(String, Error)>, Error> {
        self.inner.delete_many(keys).await
    }

    /// A multipart upload, begun when the first part is full: [`Upload::id`] is empty until then. What fits into one
    /// part is put in one request.
    ///
    /// Three parts of the process are in memory at most, the others in files: no upload waits for another.
    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, Error> {
        self.inner.check("write", key)?;
        Ok(Box::new(S3Upload::new(self.inner.clone(), key)))
    }

    async fn abort_upload(&self, key: &str, id: &str) -> Result<(), Error> {
        self.inner.abort(key, id).await
    }

    async fn abort_uploads(
        &self,
        before: Timestamp,
        of: &(dyn for<'k> Fn(&'k str) -> bool + Sync),
    ) -> Result<usize, Error> {
        self.inner.abort_before(before, of).await
    }
}
