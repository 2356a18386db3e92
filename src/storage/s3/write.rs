//! Single requests that change something.

use std::sync::atomic::Ordering;

use aws_sdk_s3::operation::put_object::builders::PutObjectFluentBuilder;
use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;

use super::Inner;
use super::error::{code, status};
use super::headway::Headway;
use crate::storage::{Error, Put};

impl Inner {
    pub(super) async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.check("write", key)?;
        let call = self.call("write", "PutObject", key);
        let _turn = self.turn().await;
        let headway = Headway::begin();
        let request = self.put_request(key, bytes).customize().config_override(Headway::limits());
        let answer = headway.within(request.interceptor(headway.clone()).send()).await;
        answer.map(drop).map_err(|error| call.failed(&error))
    }

    pub(super) async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put, Error> {
        self.check("write", key)?;
        let call = self.call("write", "PutObject", key);
        let _turn = self.turn().await;
        loop {
            let condition = self.condition();
            let request = self.put_request(key, bytes.clone()).set_if_none_match(condition.clone());
            let headway = Headway::begin();
            let request = request.customize().config_override(Headway::limits()).interceptor(headway.clone());
            return match headway.within(request.send()).await {
                Ok(_) => Ok(Put::Created),
                Err(error) if status(&error) == Some(412) => Ok(Put::Exists),
                Err(error) if status(&error) == Some(501) && condition.is_some() => {
                    self.unconditional.store(true, Ordering::Relaxed);
                    continue;
                }
                Err(error) => Err(call.failed(&error)),
            };
        }
    }

    /// What `If-None-Match` says.
    pub(super) fn condition(&self) -> Option<String> {
        (!self.unconditional.load(Ordering::Relaxed)).then(|| "*".to_owned())
    }

    /// Everything that is said of a new object, but under which condition.
    fn put_request(&self, key: &str, bytes: Bytes) -> PutObjectFluentBuilder {
        let request = self.client.put_object().bucket(&self.bucket).key(self.full(key)).body(ByteStream::from(bytes));
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
}
