//! Deleting objects.

use std::sync::atomic::Ordering;

use aws_sdk_s3::types::{Delete, ObjectIdentifier};

use super::Inner;
use super::error::code;
use crate::storage::{Error, ErrorKind};

/// Keys in one request at most, as the protocol has it.
const MANY: usize = 1000;

impl Inner {
    pub(super) async fn delete(&self, key: &str) -> Result<(), Error> {
        self.check("delete", key)?;
        let call = self.call("delete", "DeleteObject", key);
        let _turn = self.turn().await;
        match self.client.delete_object().bucket(&self.bucket).key(self.full(key)).send().await {
            Ok(_) => Ok(()),
            // AWS says 204; some others say what they mean.
            Err(error) if code(&error) == Some("NoSuchKey") => Ok(()),
            Err(error) => Err(call.failed(&error)),
        }
    }

    pub(super) async fn delete_many(&self, keys: &[String]) -> Result<Vec<(String, Error)>, Error> {
        let mut refused = Vec::new();
        for keys in keys.chunks(MANY) {
            let together = match self.one_by_one.load(Ordering::Relaxed) || keys.len() == 1 {
                true => None,
                false => self.delete_together(keys).await?,
            };
            refused.extend(match together {
                Some(refused) => refused,
                None => self.delete_one_by_one(keys).await?,
            });
        }
        Ok(refused)
    }

    /// `None`: the store does not do that.
    async fn delete_together(&self, keys: &[String]) -> Result<Option<Vec<(String, Error)>>, Error> {
        keys.iter().try_for_each(|key| self.check("delete", key))?;
        let whole = self.call("delete", "DeleteObjects", "");
        let objects = keys.iter().map(|key| ObjectIdentifier::builder().key(self.full(key)).build());
        let objects: Result<Vec<ObjectIdentifier>, _> = objects.collect();
        let delete = objects.and_then(|objects| Delete::builder().set_objects(Some(objects)).quiet(true).build());
        let delete =
            delete.map_err(|error| whole.because(ErrorKind::Other, "the request could not be made", &error))?;
        let answer = {
            let _turn = self.turn().await;
            self.client.delete_objects().bucket(&self.bucket).delete(delete).send().await
        };
        let answer = match answer.map_err(|error| whole.failed(&error)) {
            Ok(answer) => answer,
            // Not known, or signed in a way that is not: a real trouble meets each object again.
            Err(error) if error.kind == ErrorKind::Other => {
                tracing::debug!(%error, "objects are deleted one by one");
                self.one_by_one.store(true, Ordering::Relaxed);
                return Ok(None);
            }
            Err(error) => return Err(error),
        };
        let mut refused = Vec::new();
        for said in answer.errors.unwrap_or_default() {
            let Some(key) = said.key.as_deref().and_then(|key| key.strip_prefix(&self.prefix)) else { continue };
            let (kind, message) = match said.code.as_deref() {
                Some("NoSuchKey") => continue,
                Some("AccessDenied") => (ErrorKind::Denied, "access denied"),
                Some("SlowDown" | "ServiceUnavailable" | "InternalError" | "OperationAborted") => {
                    (ErrorKind::Unavailable, "the store is overloaded")
                }
                _ => (ErrorKind::Other, "the store refused"),
            };
            let call = self.call("delete", "DeleteObjects", key);
            let error = call.error(kind, message);
            let error = match (said.code, said.message) {
                (Some(code), Some(text)) => error.because(format!("{code}: {text}")),
                (Some(text), None) | (None, Some(text)) => error.because(text),
                (None, None) => error,
            };
            // As if the request had failed: what is gone already does no harm to ask for again.
            if error.is_transient() {
                return Err(error);
            }
            refused.push((key.to_owned(), error));
        }
        Ok(Some(refused))
    }

    async fn delete_one_by_one(&self, keys: &[String]) -> Result<Vec<(String, Error)>, Error> {
        let mut refused = Vec::new();
        for key in keys {
            match self.delete(key).await {
                Ok(()) => {}
                Err(error) if matches!(error.kind, ErrorKind::Denied | ErrorKind::Other) => {
                    refused.push((key.clone(), error));
                }
                Err(error) => return Err(error),
            }
        }
        Ok(refused)
    }
}
