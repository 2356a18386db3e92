//! An object of unknown length: a temporary file until it is finished.

use bytes::Bytes;

use super::temp::Temporary;
use super::{DirStore, blocking};
use crate::storage::{Error, ErrorKind, Put, Upload};

/// An upload into a directory. Nothing of it is kept in memory.
#[derive(Debug)]
pub(super) struct DirUpload {
    store: DirStore,
    key: String,
    id: String,
    /// `None` once a write or a sync failed, or it was given up, or while a call that was dropped half-way is at work.
    temporary: Option<Temporary>,
    synced: bool,
}

impl DirUpload {
    /// Makes the temporary file. Blocks.
    pub(super) fn begin(store: DirStore, key: String) -> Result<DirUpload, Error> {
        store.inner.path("write", &key)?;
        store.inner.at_home("write", &key)?;
        let temporary = store.inner.temporary().map_err(|error| store.inner.error("write", &key, error))?;
        let id = temporary.name().to_owned();
        Ok(DirUpload { store, key, id, temporary: Some(temporary), synced: false })
    }

    fn take(&mut self) -> Result<Temporary, Error> {
        self.temporary.take().ok_or_else(|| {
            let object = self.store.inner.object(&self.key);
            Error::new(ErrorKind::Other, "write", object, "the upload was given up before")
        })
    }
}

#[async_trait::async_trait]
impl Upload for DirUpload {
    fn id(&self) -> &str {
        &self.id
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        let mut temporary = self.take()?;
        let (inner, key) = (self.store.inner.clone(), self.key.clone());
        let written = blocking(move || match temporary.write(&bytes) {
            Ok(()) => Ok(temporary),
            Err(error) => Err(inner.error("write", &key, error)),
        });
        self.temporary = Some(written.await?);
        self.synced = false;
        Ok(())
    }

    async fn finish_if_absent(&mut self) -> Result<Put, Error> {
        let (mut temporary, synced) = (self.take()?, self.synced);
        let (inner, key) = (self.store.inner.clone(), self.key.clone());
        let (temporary, put) = blocking(move || {
            // After a failed sync the kernel may have dropped what it could not write: a second one would lie.
            if !synced {
                temporary.sync().map_err(|error| inner.error("write", &key, error))?;
            }
            let path = inner.path("write", &key)?;
            let mut publish = || {
                inner.at_home("write", &key)?;
                let put = inner.publish(&mut temporary, &path, false);
                let put = put.map_err(|error| inner.error("write", &key, error))?;
                inner.written_at_home(&key, &path)?;
                Ok(put)
            };
            let put = publish();
            Ok((temporary, put))
        })
        .await?;
        self.synced = true;
        self.temporary = Some(temporary);
        put
    }

    async fn abort(&mut self) -> Result<(), Error> {
        let temporary = self.temporary.take();
        blocking(move || {
            drop(temporary);
            Ok(())
        })
        .await
    }
}
