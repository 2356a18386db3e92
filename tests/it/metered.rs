//! A store that counts the bytes that are written to it, and may keep no promise about objects that are there.

use std::ops::Range;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use bytes::Bytes;
use waloy::storage::{Depth, Error, Listing, Meta, Put, Store, Upload};

#[derive(Debug)]
pub(crate) struct Metered {
    store: Arc<dyn Store>,
    written: Arc<AtomicU64>,
    /// As stores do that know no `If-None-Match`.
    replaces: AtomicBool,
    /// And this was found out before, for another database of the bucket.
    is_known: AtomicBool,
}

impl Metered {
    pub(crate) fn new(store: Arc<dyn Store>) -> Arc<Metered> {
        Arc::new(Metered {
            store,
            written: Arc::default(),
            replaces: AtomicBool::default(),
            is_known: AtomicBool::default(),
        })
    }

    /// From now on puts replace what is there, whatever they were told.
    pub(crate) fn without_conditions(&self) {
        self.replaces.store(true, Ordering::Relaxed);
    }

    /// It is known that they do.
    pub(crate) fn known_to_replace(&self) {
        self.without_conditions();
        self.is_known.store(true, Ordering::Relaxed);
    }

    /// Bytes written since the last call.
    pub(crate) fn written(&self) -> u64 {
        self.written.swap(0, Ordering::Relaxed)
    }
}

#[async_trait::async_trait]
impl Store for Metered {
    fn location(&self) -> String {
        self.store.location()
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.store.put(key, bytes).await
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put, Error> {
        if self.replaces.load(Ordering::Relaxed) {
            return self.put(key, bytes).await.map(|()| Put::Created);
        }
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.store.put_if_absent(key, bytes).await
    }

    async fn keeps_what_is_there(&self, key: &str, bytes: Bytes) -> Result<bool, Error> {
        match self.is_known_to_keep() {
            Some(known) => Ok(known),
            None => Ok(self.put_if_absent(key, bytes).await? == Put::Exists),
        }
    }

    fn is_known_to_keep(&self) -> Option<bool> {
        self.is_known.load(Ordering::Relaxed).then_some(false)
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, Error> {
        self.store.get(key, limit).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        self.store.get_range(key, range).await
    }

    async fn head(&self, key: &str) -> Result<Meta, Error> {
        self.store.head(key).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, depth: Depth) -> Result<Listing, Error> {
        self.store.list(prefix, after, depth).await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.store.delete(key).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, Error> {
        let upload = self.store.upload(key).await?;
        Ok(Box::new(MeteredUpload { upload, written: self.written.clone() }))
    }

    async fn abort_upload(&self, key: &str, id: &str) -> Result<(), Error> {
        self.store.abort_upload(key, id).await
    }
}

#[derive(Debug)]
struct MeteredUpload {
    upload: Box<dyn Upload>,
    written: Arc<AtomicU64>,
}

#[async_trait::async_trait]
impl Upload for MeteredUpload {
    fn id(&self) -> &str {
        self.upload.id()
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.written.fetch_add(bytes.len() as u64, Ordering::Relaxed);
        self.upload.write(bytes).await
    }

    async fn finish_if_absent(&mut self) -> Result<Put, Error> {
        self.upload.finish_if_absent().await
    }

    async fn abort(&mut self) -> Result<(), Error> {
        self.upload.abort().await
    }
}
