//! A store that counts what is asked of it, and does something between two requests.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use bytes::Bytes;
use waloy::replica::Replica;
use waloy::storage::{Depth, Error, ErrorKind, Listing, Meta, Put, Store, Upload};

type Act = Box<dyn FnOnce() + Send>;

pub(crate) struct Watched {
    store: Arc<dyn Store>,
    act: Mutex<Option<Act>>,
    /// What is done once the object with this key was read, or what begins so listed.
    after: Mutex<Option<(String, Act)>>,
    /// What is deleted after each listing, one after the other.
    vanishing: Mutex<VecDeque<String>>,
    hang: bool,
    down: bool,
    reads: AtomicUsize,
    writes: AtomicUsize,
}

impl Watched {
    pub(crate) fn new(replica: &Replica) -> Watched {
        let (reads, writes) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (act, after, vanishing) = (Mutex::new(None), Mutex::new(None), Mutex::default());
        Watched { store: replica.store().clone(), act, after, vanishing, hang: false, down: false, reads, writes }
    }

    /// Deletes one of these objects after each listing, as if somebody else did.
    pub(crate) fn vanishing(self, keys: impl IntoIterator<Item = String>) -> Watched {
        Watched { vanishing: Mutex::new(keys.into_iter().collect()), ..self }
    }

    /// Does this when a snapshot is read for the first time.
    pub(crate) fn at_snapshot(self, act: impl FnOnce() + Send + 'static) -> Watched {
        Watched { act: Mutex::new(Some(Box::new(act))), ..self }
    }

    /// Does this once the object with this key was read for the first time, or what begins so listed.
    pub(crate) fn after(self, key: String, act: impl FnOnce() + Send + 'static) -> Watched {
        Watched { after: Mutex::new(Some((key, Box::new(act)))), ..self }
    }

    /// Never answers when a snapshot is read.
    pub(crate) fn hanging(self) -> Watched {
        Watched { hang: true, ..self }
    }

    /// Fails whatever is read.
    pub(crate) fn down(self) -> Watched {
        Watched { down: true, ..self }
    }

    /// Requests that read, listings included.
    pub(crate) fn requests(&self) -> usize {
        self.reads.load(Ordering::Relaxed)
    }

    /// Requests that write.
    pub(crate) fn writes(&self) -> usize {
        self.writes.load(Ordering::Relaxed)
    }

    fn read(&self, key: &str) -> Result<(), Error> {
        self.reads.fetch_add(1, Ordering::Relaxed);
        match self.down {
            true => Err(Error::new(ErrorKind::Unavailable, "read", key, "down")),
            false => Ok(()),
        }
    }

    fn has_read(&self, key: &str) {
        let after = self.after.lock().unwrap().take_if(|(awaited, _)| awaited == key);
        if let Some((_, act)) = after {
            act();
        }
    }

    fn write(&self) -> &dyn Store {
        self.writes.fetch_add(1, Ordering::Relaxed);
        &*self.store
    }
}

impl fmt::Debug for Watched {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Watched")
    }
}

#[async_trait::async_trait]
impl Store for Watched {
    fn location(&self) -> String {
        self.store.location()
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.write().put(key, bytes).await
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put, Error> {
        self.write().put_if_absent(key, bytes).await
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, Error> {
        self.read(key)?;
        self.store.get(key, limit).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        self.read(key)?;
        if key.ends_with("/snapshot") {
            let act = self.act.lock().unwrap().take();
            if let Some(act) = act {
                act();
                tokio::task::yield_now().await;
            }
            if self.hang {
                std::future::pending::<()>().await;
            }
        }
        let read = self.store.get_range(key, range).await;
        self.has_read(key);
        read
    }

    async fn head(&self, key: &str) -> Result<Meta, Error> {
        self.read(key)?;
        self.store.head(key).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, depth: Depth) -> Result<Listing, Error> {
        self.read(prefix)?;
        let listing = self.store.list(prefix, after, depth).await;
        self.has_read(prefix);
        let gone = if prefix.is_empty() { None } else { self.vanishing.lock().unwrap().pop_front() };
        if let Some(key) = gone {
            self.store.delete(&key).await?;
        }
        listing
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.write().delete(key).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, Error> {
        self.write().upload(key).await
    }

    async fn abort_upload(&self, key: &str, id: &str) -> Result<(), Error> {
        self.write().abort_upload(key, id).await
    }
}
