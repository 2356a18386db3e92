//! The temporary file that a database is restored into.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::super::{Error, Pages};
use super::{beside, blocking, directory};
use crate::clock;
use crate::units::{PageNo, PageSize};

/// A file beside the target, for its owner only, that is gone when this is dropped.
#[derive(Debug)]
pub(in crate::restore) struct TempFile {
    path: PathBuf,
    file: File,
    /// The file has another name now.
    placed: bool,
}

impl TempFile {
    /// Makes one for a database of so many bytes, if there is room for it.
    pub(super) fn new(target: &Path, bytes: u64) -> Result<TempFile, Error> {
        let directory = directory(target);
        let space = rustix::fs::statvfs(directory).map_err(|error| Error::io("look at", directory)(error.into()))?;
        let free = space.f_bavail.saturating_mul(space.f_frsize);
        if free < bytes {
            return Err(Error::NoSpace { path: directory.to_owned(), free, needed: bytes });
        }
        let random = u64::from_le_bytes(clock::random());
        let path = beside(target, &format!(".waloy-tmp-{random:016x}"));
        let file = fs::OpenOptions::new()
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)
            .map_err(Error::io("create", &path))?;
        Ok(TempFile { path, file, placed: false })
    }

    /// Takes pages into it.
    pub(in crate::restore) fn pages(&self, page_size: PageSize) -> Result<impl Pages + use<>, Error> {
        let file = self.file.try_clone().map_err(Error::io("write", &self.path))?;
        Ok(PageFile { path: self.path.clone(), file, page_size })
    }

    /// Gives it its exact length, which a lock page at the end would leave short, and makes it durable.
    pub(in crate::restore) async fn finish(self, bytes: u64) -> Result<TempFile, Error> {
        blocking(move || {
            self.file.set_len(bytes).map_err(Error::io("write", &self.path))?;
            self.file.sync_all().map_err(Error::io("sync", &self.path))?;
            Ok(self)
        })
        .await
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// The file has been renamed.
    pub(super) fn placed(mut self) {
        self.placed = true;
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.placed
            && let Err(error) = fs::remove_file(&self.path)
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the temporary file");
        }
    }
}

/// The database that grows out of pages.
struct PageFile {
    path: PathBuf,
    file: File,
    page_size: PageSize,
}

impl Pages for PageFile {
    fn write(&self, first: PageNo, images: &[u8]) -> Result<(), Error> {
        self.file.write_all_at(images, first.offset(self.page_size)).map_err(Error::io("write", &self.path))
    }
}
