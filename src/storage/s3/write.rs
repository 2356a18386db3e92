//! Single requests that change something.

use std::io;
use std::sync::atomic::Ordering;

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::Inner;
use super::error::{code, status};
use super::headway::Headway;
use super::part::Part;
use super::read::timestamp;
use crate::storage::{Error, ErrorKind, Put};
use crate::units::Timestamp;

/// How far a listing of uploads is followed at a time: a thousand to a page, and the rest is found the next time.
const PAGES_OF_UPLOADS: usize = 10;

/// What is put.
#[derive(Clone, Copy, Debug)]
pub(super) enum Content<'c> {
    /// Bytes in memory.
    Bytes(&'c Bytes),
    /// An object that is no longer than a part.
    Part(&'c Part),
}

impl Content<'_> {
    fn len(self) -> u64 {
        match self {
            Content::Bytes(bytes) => bytes.len() as u64,
            Content::Part(part) => part.len(),
        }
    }

    async fn body(self) -> io::Result<ByteStream> {
        match self {
            Content::Bytes(bytes) => Ok(ByteStream::from(bytes.clone())),
            Content::Part(part) => part.body().await,
        }
    }
}

impl Inner {
    pub(super) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.check("write", key)?;
        let call = self.call("write", "PutObject", key);
        let turn = self.turn().await;
        let headway = Headway::begin(&self.sending);
        let request = self.put_request(key, ByteStream::from(bytes.clone()));
        let request = request.customize().config_override(Headway::limits());
        let answer = headway.within(request.interceptor(headway.clone()).send()).await;
        let answer = answer.map_err(|error| call.failed(&error))?;
        drop(turn);
        if answer.e_tag.is_some() {
            return Ok(());
        }
        // What was there before may be as long.
        match self.get(key, bytes.len() as u64).await {
            Ok(there) if there == bytes => Ok(()),
            Err(error) if error.may_pass() => Err(error),
            Ok(_) | Err(_) => Err(call.not_taken()),
        }
    }

    pub(super) async fn put_if_absent(&self, key: &str, content: Content<'_>) -> Result<Put, Error> {
        self.check("write", key)?;
        let call = self.call("write", "PutObject", key);
        loop {
            let condition = self.condition();
            let body = content.body().await;
            let body = body.map_err(|error| call.error(ErrorKind::Local, "cannot read a part").because(error))?;
            let request = self.put_request(key, body).set_if_none_match(condition.clone());
            let headway = Headway::begin(&self.sending);
            let request = request.customize().config_override(Headway::limits()).interceptor(headway.clone());
            let turn = self.turn().await;
            let answer = headway.within(request.send()).await;
            drop(turn);
            return match answer {
                Ok(answer) if answer.e_tag.is_some() => Ok(Put::Created),
                // Whose it is, the caller tells.
                Ok(_) if self.size_of(key).await? == Some(content.len()) => Ok(Put::Exists),
                Ok(_) => Err(call.not_taken()),
                Err(error) if status(&error) == Some(412) => Ok(Put::Exists),
                Err(error) if status(&error) == Some(501) && condition.is_some() => {
                    self.unconditional.store(true, Ordering::Relaxed);
                    match self.size_of(key).await? {
                        Some(_) => Ok(Put::Exists),
                        None => continue,
                    }
                }
                Err(error) => Err(call.failed(&error)),
            };
        }
    }

    /// The size of an object, if there is one: asked before something is put without a condition, and where an answer to a
    /// put names no object (a proxy's page, with a status of success).
    pub(super) async fn size_of(&self, key: &str) -> Result<Option<u64>, Error> {
        match self.head(key).await {
            Ok(there) => Ok(Some(there.size)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error),
        }
    }

    /// What `If-None-Match` says.
    pub(super) fn condition(&self) -> Option<String> {
        (!self.unconditional.load(Ordering::Relaxed)).then(|| "*".to_owned())
    }

    /// Everything that is said of a new object, but under which condition.
    fn put_request(&self, key: &str, body: ByteStream) -> PutObjectFluentBuilder {
        let request = self.client.put_object().bucket(&self.bucket).key(self.full(key)).body(body);
        let request = request.set_storage_class(self.keeping.class.clone());
        let request = request.set_server_side_encryption(self.keeping.sse.clone());
        request.set_ssekms_key_id(self.keeping.kms_key.clone())
    }

    pub(super) async fn abort(&self, key: &str, id: &str) -> Result<(), Error> {
        self.check("delete", key)?;
        if id.is_empty() {
            return Ok(());
        }
        let call = self.call("delete", "AbortMultipartUpload", key);
        let _turn = self.turn().await;
        let request = self.client.abort_multipart_upload().bucket(&self.bucket).key(self.full(key)).upload_id(id);
        match request.send().await {
            Ok(_) => Ok(()),
            Err(error) if code(&error) == Some("NoSuchUpload") => Ok(()),
            Err(error) => Err(call.failed(&error)),
        }
    }

    pub(super) async fn abort_before(
        &self,
        before: Timestamp,
        of: &(dyn for<'k> Fn(&'k str) -> bool + Sync),
    ) -> Result<usize, Error> {
        let call = self.call("list", "ListMultipartUploads", "");
        let (mut given_up, mut after) = (0, (None, None));
        for _ in 0..PAGES_OF_UPLOADS {
            let request = self.client.list_multipart_uploads().bucket(&self.bucket).prefix(&self.prefix);
            let request = request.set_key_marker(after.0.take()).set_upload_id_marker(after.1.take());
            let answer = {
                let _turn = self.turn().await;
                request.send().await.map_err(|error| call.failed(&error))?
            };
            for upload in answer.uploads.unwrap_or_default() {
                let key = upload.key.as_deref().and_then(|key| key.strip_prefix(&self.prefix));
                let is_old = upload.initiated.as_ref().and_then(timestamp).is_some_and(|begun| begun < before);
                if let (Some(key), Some(id), true) = (key.filter(|key| of(key)), &upload.upload_id, is_old) {
                    self.abort(key, id).await?;
                    given_up += 1;
                }
            }
            if answer.is_truncated != Some(true) || answer.next_key_marker.is_none() {
                break;
            }
            after = (answer.next_key_marker, answer.next_upload_id_marker);
        }
        Ok(given_up)
    }
}
