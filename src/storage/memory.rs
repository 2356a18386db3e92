//! A store in memory: for tests, and for those who want to see what a replica is made of.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use super::listing::PAGE;
use super::{Depth, Error, ErrorKind, Listing, Meta, Put, Store, Upload, key};

/// Objects in memory. Clones share them.
#[derive(Clone, Default)]
pub struct MemoryStore {
    objects: Arc<Mutex<BTreeMap<String, Bytes>>>,
}

/// How many objects there are; not what is in them.
impl fmt::Debug for MemoryStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryStore").field("objects", &self.objects().len()).finish_non_exhaustive()
    }
}

/// Where it is, for people.
const LOCATION: &str = "memory:";

impl MemoryStore {
    /// An empty store.
    pub fn new() -> MemoryStore {
        MemoryStore::default()
    }

    fn objects(&self) -> MutexGuard<'_, BTreeMap<String, Bytes>> {
        self.objects.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn missing(&self, key: &str) -> Error {
        Error::new(ErrorKind::NotFound, "read", format!("{LOCATION}/{key}"), "no such object")
    }
}

#[async_trait::async_trait]
impl Store for MemoryStore {
    fn location(&self) -> String {
        LOCATION.into()
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        key::check("write", LOCATION, key)?;
        self.objects().insert(key.to_owned(), bytes);
        Ok(())
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put, Error> {
        key::check("write", LOCATION, key)?;
        let mut objects = self.objects();
        if objects.contains_key(key) {
            return Ok(Put::Exists);
        }
        objects.insert(key.to_owned(), bytes);
        Ok(Put::Created)
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, Error> {
        key::check("read", LOCATION, key)?;
        let bytes = self.objects().get(key).cloned().ok_or_else(|| self.missing(key))?;
        if bytes.len() as u64 > limit {
            let message = format!("{} bytes, more than {limit}", bytes.len());
            return Err(Error::new(ErrorKind::TooLarge, "read", format!("{LOCATION}/{key}"), message));
        }
        Ok(bytes)
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        key::check("read", LOCATION, key)?;
        let bytes = self.objects().get(key).cloned().ok_or_else(|| self.missing(key))?;
        if range.start > range.end || range.end > bytes.len() as u64 {
            let message = format!("it has {} bytes, not {}", bytes.len(), range.end);
            return Err(Error::new(ErrorKind::Truncated, "read", format!("{LOCATION}/{key}"), message));
        }
        Ok(bytes.slice(range.start as usize..range.end as usize))
    }

    async fn head(&self, key: &str) -> Result<Meta, Error> {
        key::check("read", LOCATION, key)?;
        let objects = self.objects();
        let bytes = objects.get(key).ok_or_else(|| self.missing(key))?;
        Ok(Meta { key: key.to_owned(), size: bytes.len() as u64, modified: None })
    }

    async fn list(&self, prefix: &str, after: Option<&str>, depth: Depth) -> Result<Listing, Error> {
        key::check_prefix(LOCATION, prefix)?;
        let objects = self.objects();
        let found = objects.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        let found = found.map(|(key, bytes)| Meta { key: key.clone(), size: bytes.len() as u64, modified: None });
        Ok(Listing::of(found, prefix, after, depth, PAGE))
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        key::check("delete", LOCATION, key)?;
        self.objects().remove(key);
        Ok(())
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, Error> {
        key::check("write", LOCATION, key)?;
        Ok(Box::new(MemoryUpload { store: self.clone(), key: key.to_owned(), bytes: Vec::new() }))
    }

    async fn abort_upload(&self, _key: &str, _id: &str) -> Result<(), Error> {
        Ok(())
    }
}

#[derive(Debug)]
struct MemoryUpload {
    store: MemoryStore,
    key: String,
    bytes: Vec<u8>,
}

#[async_trait::async_trait]
impl Upload for MemoryUpload {
    fn id(&self) -> &str {
        "memory"
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.bytes.extend_from_slice(&bytes);
        Ok(())
    }

    async fn finish_if_absent(&mut self) -> Result<Put, Error> {
        self.store.put_if_absent(&self.key, Bytes::from(self.bytes.clone())).await
    }

    async fn abort(&mut self) -> Result<(), Error> {
        self.bytes = Vec::new();
        Ok(())
    }
}
