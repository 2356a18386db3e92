//! A store in memory that keeps a log of what was asked of it, and what that came to.

use std::collections::HashMap;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};
use waloy::clock::Clock;
use waloy::replica::Name;
use waloy::storage::{Depth, Error, ErrorKind, Listing, MemoryStore, Meta, Put, Store, Upload};
use waloy::units::Timestamp;

use super::Hand;

type Keys = Box<dyn Fn(&str) -> bool + Send + Sync>;

#[derive(Clone)]
pub(super) struct Logged {
    memory: MemoryStore,
    log: Arc<Mutex<Vec<String>>>,
    refused: Arc<Mutex<Option<Keys>>>,
    spoiled: Arc<Mutex<Option<Keys>>>,
    /// Held while something merged is put.
    merged: Arc<RwLock<()>>,
    /// Its clock, if it tells when it took what.
    clock: Option<Hand>,
    taken: Arc<Mutex<HashMap<String, Timestamp>>>,
    segment_bytes: Arc<AtomicU64>,
}

impl fmt::Debug for Logged {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Logged")
    }
}

impl Logged {
    pub(super) fn new() -> Logged {
        Logged {
            memory: MemoryStore::new(),
            log: Arc::default(),
            refused: Arc::default(),
            spoiled: Arc::default(),
            merged: Arc::default(),
            clock: None,
            taken: Arc::default(),
            segment_bytes: Arc::default(),
        }
    }

    /// A store that tells when it took each object, by this clock.
    pub(super) fn by(clock: &Hand) -> Logged {
        Logged { clock: Some(clock.clone()), ..Logged::new() }
    }

    /// Puts of these keys are denied from now on.
    pub(super) fn refuse(&self, refused: impl Fn(&str) -> bool + Send + Sync + 'static) {
        *self.refused.lock().unwrap() = Some(Box::new(refused));
    }

    /// Of what is put under these keys from now on, one bit is kept the other way.
    pub(super) fn spoil(&self, spoiled: impl Fn(&str) -> bool + Send + Sync + 'static) {
        *self.spoiled.lock().unwrap() = Some(Box::new(spoiled));
    }

    /// Nothing merged is put until this is dropped.
    pub(super) async fn hold_up(&self) -> OwnedRwLockWriteGuard<()> {
        self.merged.clone().write_owned().await
    }

    /// `put KEY`, `get KEY`, `list PREFIX` and so on, in the order in which they were done.
    pub(super) fn log(&self) -> Vec<String> {
        self.log.lock().unwrap().clone()
    }

    /// Bytes of all segments that were put whole.
    pub(super) fn segment_bytes(&self) -> u64 {
        self.segment_bytes.load(Ordering::Relaxed)
    }

    pub(super) fn clear(&self) {
        self.log.lock().unwrap().clear();
    }

    fn note(&self, what: &str, key: &str) {
        self.log.lock().unwrap().push(format!("{what} {key}"));
        if let (Some(clock), "put") = (&self.clock, what) {
            self.taken.lock().unwrap().insert(key.to_owned(), clock.now());
        }
    }

    fn dated(&self, meta: Meta) -> Meta {
        let modified = self.taken.lock().unwrap().get(&meta.key).copied();
        Meta { modified, ..meta }
    }

    /// The bytes as they are kept.
    fn kept(&self, key: &str, bytes: Bytes) -> Bytes {
        match &*self.spoiled.lock().unwrap() {
            Some(spoiled) if spoiled(key) => {
                let mut bytes = bytes.to_vec();
                bytes[300] ^= 4;
                Bytes::from(bytes)
            }
            _ => bytes,
        }
    }

    fn check(&self, key: &str) -> Result<(), Error> {
        match &*self.refused.lock().unwrap() {
            Some(refused) if refused(key) => Err(Error::new(ErrorKind::Denied, "write", key, "refused by the test")),
            _ => Ok(()),
        }
    }
}

#[async_trait::async_trait]
impl Store for Logged {
    fn location(&self) -> String {
        self.memory.location()
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.check(key)?;
        self.memory.put(key, bytes).await?;
        self.note("put", key);
        Ok(())
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put, Error> {
        self.check(key)?;
        if matches!(Name::parse(key), Some(Name::Segment(..))) {
            self.segment_bytes.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        }
        let _goes = match Name::parse(key) {
            Some(Name::Merged(..)) => Some(self.merged.read().await),
            _ => None,
        };
        let put = self.memory.put_if_absent(key, self.kept(key, bytes)).await?;
        self.note(if put == Put::Created { "put" } else { "exists" }, key);
        Ok(put)
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, Error> {
        self.note("get", key);
        self.memory.get(key, limit).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        self.note("get", key);
        self.memory.get_range(key, range).await
    }

    async fn head(&self, key: &str) -> Result<Meta, Error> {
        self.note("head", key);
        self.memory.head(key).await.map(|meta| self.dated(meta))
    }

    async fn list(&self, prefix: &str, after: Option<&str>, depth: Depth) -> Result<Listing, Error> {
        self.note("list", prefix);
        let mut listing = self.memory.list(prefix, after, depth).await?;
        listing.objects = listing.objects.into_iter().map(|meta| self.dated(meta)).collect();
        Ok(listing)
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.note("delete", key);
        self.memory.delete(key).await
    }

    async fn delete_many(&self, keys: &[String]) -> Result<Vec<(String, Error)>, Error> {
        assert!(keys.len() <= 1000, "as S3 takes them");
        self.note("delete_many", &keys[0]);
        self.memory.delete_many(keys).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, Error> {
        Ok(Box::new(LoggedUpload { inner: self.memory.upload(key).await?, store: self.clone(), key: key.to_owned() }))
    }

    async fn abort_upload(&self, key: &str, id: &str) -> Result<(), Error> {
        self.memory.abort_upload(key, id).await
    }
}

#[derive(Debug)]
struct LoggedUpload {
    inner: Box<dyn Upload>,
    store: Logged,
    key: String,
}

#[async_trait::async_trait]
impl Upload for LoggedUpload {
    fn id(&self) -> &str {
        self.inner.id()
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.inner.write(bytes).await
    }

    async fn finish_if_absent(&mut self) -> Result<Put, Error> {
        self.store.check(&self.key)?;
        let put = self.inner.finish_if_absent().await?;
        self.store.note(if put == Put::Created { "put" } else { "exists" }, &self.key);
        Ok(put)
    }

    async fn abort(&mut self) -> Result<(), Error> {
        self.inner.abort().await
    }
}
