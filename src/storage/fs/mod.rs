//! A directory as a store: a key is a path, an object is a file.
//!
//! ```text
//! {root}/{key}                       objects, mode 0600, in directories of mode 0700
//! {root}/.waloy-tmp/{pid}-{random}   objects being written, locked by their writer
//! ```
//!
//! **A put is all or nothing.** The bytes go to a temporary file, which is synced; then one system call gives it the
//! name of the object: `rename` to replace, `link` to create, which fails if the name is taken. Then the directory is
//! synced, and first of all the parent of every directory that was made for it.
//!
//! **Temporary files** are held by `flock` as long as their process lives. Those that nobody holds and that are an
//! hour old are deleted by the first put of a store. They are in no listing.
//!
//! **The root** is made by the first put. One that was there and is another one since is not written to: see `home`.
//!
//! Files that are not waloy's are listed like others, if their names are UTF-8. Symbolic links are followed.

mod file;
mod home;
mod list;
mod temp;
mod upload;

use std::collections::HashSet;
use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io;
use std::ops::Range;
use std::os::unix::fs::DirBuilderExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use bytes::Bytes;

use self::home::{Home, Strange};
use self::temp::Temporary;
use self::upload::DirUpload;
use super::{Depth, Error, ErrorKind, Listing, Meta, Put, Store, Upload, key};

/// The directory of temporary files, below the root.
const TEMPORARY: &str = ".waloy-tmp";

/// A directory as a store. Clones share it.
#[derive(Clone, Debug)]
pub struct DirStore {
    inner: Arc<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    root: PathBuf,
    location: String,
    home: Home,
    /// Directories whose entry in their parent was synced by this store.
    synced: Mutex<HashSet<PathBuf>>,
    /// Old temporary files were looked for.
    cleaned: Mutex<bool>,
}

impl DirStore {
    /// The store in this directory, which is made by the first put; until then it is empty.
    pub fn new(root: impl Into<PathBuf>) -> DirStore {
        let root: PathBuf = root.into();
        // A relative path would follow the process when it changes its directory.
        let root = std::path::absolute(&root).unwrap_or(root);
        let location = root.display().to_string();
        DirStore { inner: Arc::new(Inner { root, location, ..Inner::default() }) }
    }

    /// Does something with the file system, on a thread that may wait.
    async fn blocking<T: Send + 'static>(
        &self,
        action: impl FnOnce(&Inner) -> Result<T, Error> + Send + 'static,
    ) -> Result<T, Error> {
        let inner = Arc::clone(&self.inner);
        blocking(move || action(&inner)).await
    }
}

/// Runs something on a thread that may wait.
async fn blocking<T: Send + 'static>(action: impl FnOnce() -> Result<T, Error> + Send + 'static) -> Result<T, Error> {
    match crate::task::blocking(action).await {
        Ok(result) => result,
        Err(stopped) => match stopped.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(_) => Err(Error::new(ErrorKind::Other, "use", "a directory", "the runtime is shutting down")),
        },
    }
}

impl Inner {
    /// The place of an object, for reading and deleting.
    fn path(&self, operation: &'static str, key: &str) -> Result<PathBuf, Error> {
        key::check(operation, &self.location, key)?;
        if key.split('/').next() == Some(TEMPORARY) {
            return Err(Error::new(
                ErrorKind::Other,
                operation,
                self.object(key),
                "the name is kept for temporary files",
            ));
        }
        Ok(self.root.join(key))
    }

    fn object(&self, key: &str) -> String {
        format!("{}/{key}", self.location)
    }

    /// The root is the one that it was: asked before each operation, and again after each write.
    fn at_home(&self, operation: &'static str, key: &str) -> Result<(), Error> {
        let (message, hint) = match self.home.require(&self.root).map_err(|error| self.error(operation, key, error))? {
            Ok(()) => return Ok(()),
            Err(Strange::Gone) => {
                lock(&self.synced).clear();
                ("the directory was deleted, or replaced by another", "put it back, or let the replica begin anew")
            }
            Err(Strange::Elsewhere) => (
                "another file system is there than before, or none is mounted",
                "mount it again; if this is where the replica shall be from now on, start waloy again",
            ),
        };
        Err(Error::new(ErrorKind::NoBucket, operation, self.object(key), message)
            .coded("storage.no_directory")
            .hint(hint))
    }

    /// What a failed system call means.
    fn error(&self, operation: &'static str, key: &str, error: io::Error) -> Error {
        let reading = matches!(operation, "read" | "delete");
        let (kind, message, hint) = match error.kind() {
            // A file in the place of a directory: what would be below it is not there.
            io::ErrorKind::NotFound | io::ErrorKind::NotADirectory if reading => {
                (ErrorKind::NotFound, "no such object", None)
            }
            io::ErrorKind::NotADirectory => (
                ErrorKind::Local,
                "a file is in the way",
                Some("the destination has to be a directory, or to become one"),
            ),
            io::ErrorKind::StorageFull => (ErrorKind::Local, "no space left", Some("make room, or go on elsewhere")),
            io::ErrorKind::QuotaExceeded => {
                (ErrorKind::Local, "disk quota exceeded", Some("make room, or go on elsewhere"))
            }
            io::ErrorKind::FileTooLarge => {
                (ErrorKind::Local, "the file would be too large", Some("raise the limit for files (ulimit -f)"))
            }
            io::ErrorKind::ReadOnlyFilesystem => (ErrorKind::Local, "the file system is read-only", None),
            io::ErrorKind::PermissionDenied => (
                ErrorKind::Local,
                "permission denied",
                Some("waloy has to be allowed to read and write this directory"),
            ),
            _ => (ErrorKind::Local, "the file system failed", None),
        };
        let failed = Error::new(kind, operation, self.object(key), message).because(error);
        match hint {
            Some(hint) => failed.hint(hint),
            None => failed,
        }
    }

    fn put(&self, key: &str, bytes: &[u8], overwrite: bool) -> Result<Put, Error> {
        let path = self.path("write", key)?;
        self.at_home("write", key)?;
        let put = || {
            let mut temporary = self.temporary()?;
            temporary.write(bytes)?;
            temporary.sync()?;
            self.publish(&mut temporary, &path, overwrite)
        };
        let put = put().map_err(|error| self.error("write", key, error))?;
        self.written_at_home(key, &path)?;
        Ok(put)
    }

    /// Syncs an object that is there, and every directory from it up to the root: a put may have failed after it gave the
    /// object its name.
    fn make_durable(&self, key: &str) -> Result<(), Error> {
        let path = self.path("write", key)?;
        let file = self.open(key)?.0;
        let sync = || {
            file.sync_all()?;
            for folder in path.ancestors().skip(1).take_while(|folder| folder.starts_with(&self.root)) {
                file::sync_directory(folder)?;
            }
            Ok(())
        };
        sync().map_err(|error| self.error("write", key, error))?;
        // What is above the root is not ours, and perhaps not to be opened.
        let _ = self.root.parent().map(file::sync_directory);
        self.written_at_home(key, &path)
    }

    /// What was just written is where it belongs.
    fn written_at_home(&self, key: &str, path: &Path) -> Result<(), Error> {
        self.at_home("write", key)?;
        if let Ok(metadata) = std::fs::metadata(path) {
            self.home.saw(path, &metadata);
        }
        Ok(())
    }

    /// A new temporary file; the first time, old ones are deleted.
    fn temporary(&self) -> io::Result<Temporary> {
        let folder = self.root.join(TEMPORARY);
        self.make_directory(&folder)?;
        let temporary = Temporary::create(&folder)?;
        let first = !std::mem::replace(&mut *lock(&self.cleaned), true);
        if first {
            temp::clean(&folder, &temporary);
        }
        Ok(temporary)
    }

    /// Gives a synced temporary file the name of an object, durably.
    fn publish(&self, temporary: &mut Temporary, path: &Path, overwrite: bool) -> io::Result<Put> {
        let parent = path.parent().unwrap_or(&self.root);
        let mut tries = 0;
        let put = loop {
            let named = self.make_directory(parent).and_then(|()| match overwrite {
                true => temporary.rename(path),
                false => temporary.link(path),
            });
            match named {
                // A delete took the directory away because it was empty.
                Err(error) if error.kind() == io::ErrorKind::NotFound && tries < 100 => tries += 1,
                named => break named?,
            }
        };
        // Also when the name was taken: its owner may not have come to this yet, and what exists must be durable.
        file::sync_directory(parent)?;
        temporary.remove();
        Ok(put)
    }

    /// Makes a directory and those above it, each synced into its parent.
    fn make_directory(&self, path: &Path) -> io::Result<()> {
        // One that another process has made just now may not be synced yet: once, we do it ourselves.
        if lock(&self.synced).contains(path) && path.is_dir() {
            return Ok(());
        }
        let parent = path.parent().filter(|parent| *parent != Path::new(""));
        let made = match DirBuilder::new().mode(0o700).create(path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && parent.is_some() => {
                self.make_directory(parent.unwrap_or(path))?;
                DirBuilder::new().mode(0o700).create(path)
            }
            made => made,
        };
        match made {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
                // Not found: deleted since, and the caller tries again.
                if !std::fs::metadata(path)?.is_dir() {
                    return Err(io::ErrorKind::NotADirectory.into());
                }
                // What is above the root is not ours, and perhaps not to be opened.
                if path == self.root || !path.starts_with(&self.root) {
                    let _ = parent.map(file::sync_directory);
                    lock(&self.synced).insert(path.to_owned());
                    return Ok(());
                }
            }
            Err(error) => return Err(error),
        }
        if let Some(parent) = parent {
            file::sync_directory(parent)?;
        }
        lock(&self.synced).insert(path.to_owned());
        Ok(())
    }

    fn delete(&self, key: &str) -> Result<(), Error> {
        let path = self.path("delete", key)?;
        self.at_home("delete", key)?;
        match std::fs::remove_file(&path) {
            Ok(()) => {}
            Err(error) => {
                let error = self.error("delete", key, error);
                return if error.is_not_found() { Ok(()) } else { Err(error) };
            }
        }
        let parent = path.parent().unwrap_or(&self.root);
        match file::sync_directory(parent) {
            // Another delete found it empty.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            synced => synced.map_err(|error| self.error("delete", key, error))?,
        }
        self.remove_empty(parent);
        Ok(())
    }

    /// Removes directories that have become empty, up to the root. A put beside it makes them again.
    fn remove_empty(&self, from: &Path) {
        for path in from.ancestors().take_while(|path| *path != self.root && path.starts_with(&self.root)) {
            lock(&self.synced).remove(path);
            if std::fs::remove_dir(path).is_err() {
                return;
            }
        }
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[async_trait::async_trait]
impl Store for DirStore {
    fn location(&self) -> String {
        self.inner.location.clone()
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        let key = key.to_owned();
        self.blocking(move |inner| inner.put(&key, &bytes, true).map(drop)).await
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put, Error> {
        let key = key.to_owned();
        self.blocking(move |inner| inner.put(&key, &bytes, false)).await
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, Error> {
        let key = key.to_owned();
        self.blocking(move |inner| inner.get(&key, limit)).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        let key = key.to_owned();
        self.blocking(move |inner| inner.get_range(&key, range)).await
    }

    fn has_our_clock(&self) -> bool {
        true
    }

    async fn head(&self, key: &str) -> Result<Meta, Error> {
        let key = key.to_owned();
        self.blocking(move |inner| inner.head(&key)).await
    }

    async fn make_durable(&self, key: &str) -> Result<(), Error> {
        let key = key.to_owned();
        self.blocking(move |inner| inner.make_durable(&key)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, depth: Depth) -> Result<Listing, Error> {
        let (prefix, after) = (prefix.to_owned(), after.map(str::to_owned));
        self.blocking(move |inner| inner.list(&prefix, after.as_deref(), depth)).await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        let key = key.to_owned();
        self.blocking(move |inner| inner.delete(&key)).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, Error> {
        let (store, key) = (self.clone(), key.to_owned());
        blocking(move || Ok(Box::new(DirUpload::begin(store, key)?) as Box<dyn Upload>)).await
    }

    async fn abort_upload(&self, key: &str, id: &str) -> Result<(), Error> {
        let (key, id) = (key.to_owned(), id.to_owned());
        self.blocking(move |inner| {
            // Only names of temporary files: what is remembered from another process may be damaged.
            if id.is_empty() || id.contains('/') || id.starts_with('.') {
                return Ok(());
            }
            match std::fs::remove_file(inner.root.join(TEMPORARY).join(OsStr::new(&id))) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(inner.error("delete", &key, error)),
                _ => Ok(()),
            }
        })
        .await
    }
}
