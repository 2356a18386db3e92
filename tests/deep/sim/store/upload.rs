//! Uploads in parts.

use bytes::Bytes;
use waloy::storage::{Error, ErrorKind, Put, Store as _, Upload};

use super::Bucket;

/// An upload in parts.
#[derive(Debug)]
pub(super) struct Parts {
    bucket: Bucket,
    key: String,
    id: String,
    /// Taken, and not sent.
    unsent: Vec<u8>,
}

impl Parts {
    pub(super) async fn begin(bucket: &Bucket, key: &str) -> Result<Parts, Error> {
        let begun = bucket.request("begin upload", key, |inner, _| {
            inner.began += 1;
            let id = format!("upload-{}", inner.began);
            inner.uploads.insert(id.clone(), Vec::new());
            Ok(id)
        });
        Ok(Parts { id: begun.await?, bucket: bucket.clone(), key: key.to_owned(), unsent: Vec::new() })
    }

    async fn send(&mut self) -> Result<(), Error> {
        let (id, bytes) = (self.id.clone(), self.unsent.clone());
        let sent = self.bucket.request("upload part", &self.key, |inner, _| {
            let gone = || Error::new(ErrorKind::NotFound, "write", "bucket:/", "no such upload");
            inner.uploads.get_mut(&id).ok_or_else(gone)?.extend_from_slice(&bytes);
            Ok(())
        });
        match sent.await {
            // A part that was sent again replaces itself: S3 knows it by its number.
            Err(error) if error.message == "the answer was lost" => {
                if let Some(stored) = self.bucket.inner().uploads.get_mut(&self.id) {
                    stored.truncate(stored.len() - self.unsent.len());
                }
                Err(error)
            }
            Err(error) => Err(error),
            Ok(()) => {
                self.unsent.clear();
                Ok(())
            }
        }
    }
}

#[async_trait::async_trait]
impl Upload for Parts {
    fn id(&self) -> &str {
        &self.id
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.unsent.extend_from_slice(&bytes);
        self.send().await
    }

    async fn finish_if_absent(&mut self) -> Result<Put, Error> {
        if !self.unsent.is_empty() {
            self.send().await?;
        }
        let (id, key) = (self.id.clone(), self.key.clone());
        self.bucket
            .request("finish upload", &self.key, |inner, now| {
                let gone = || Error::new(ErrorKind::NotFound, "write", format!("bucket:/{key}"), "no such upload");
                if inner.objects.conditional && inner.objects.has(&key) {
                    return Ok(Put::Exists);
                }
                let bytes = inner.uploads.remove(&id).ok_or_else(gone)?;
                inner.objects.put(&key, Bytes::from(bytes), now);
                Ok(Put::Created)
            })
            .await
    }

    async fn abort(&mut self) -> Result<(), Error> {
        self.bucket.abort_upload(&self.key, &self.id).await
    }
}
