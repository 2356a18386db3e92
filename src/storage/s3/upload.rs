//! An object of unknown length: a multipart upload, or a single put if it stays small.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use aws_sdk_s3::config::Config;
use aws_sdk_s3::types::{CompletedMultipartUpload, CompletedPart};
use bytes::Bytes;
use tokio::task::{JoinError, JoinSet};

use super::Inner;
use super::client::timeouts;
use super::error::{Call, code, status};
use super::headway::Headway;
use super::part::{MAX_PARTS, Part};
use super::write::Content;
use crate::storage::{Error, ErrorKind, Put, Upload};

/// How many parts of one upload are on their way at once.
const IN_FLIGHT: usize = 3;

/// How long the last step may take: the store puts the parts together.
const COMPLETION: Duration = Duration::from_secs(330);

#[derive(Debug)]
pub(super) struct S3Upload {
    inner: Arc<Inner>,
    key: String,
    /// Empty until the first part is full.
    id: String,
    /// The part being filled.
    part: Option<Part>,
    /// Parts filled.
    filled: u32,
    /// Parts that are full and not on their way, with their numbers: they wait for their turn, or for the store to be
    /// back.
    waiting: VecDeque<(u32, Part)>,
    sending: JoinSet<Result<CompletedPart, Unsent>>,
    completed: Vec<CompletedPart>,
    state: State,
}

/// A part that could not be sent.
#[derive(Debug)]
struct Unsent {
    number: u32,
    part: Part,
    error: Error,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum State {
    Open,
    /// Bytes were lost, or the store will never take them.
    Broken,
    Done(Put),
}

impl S3Upload {
    pub(super) fn new(inner: Arc<Inner>, key: &str) -> S3Upload {
        S3Upload {
            inner,
            key: key.to_owned(),
            id: String::new(),
            part: None,
            filled: 0,
            waiting: VecDeque::new(),
            sending: JoinSet::new(),
            completed: Vec::new(),
            state: State::Open,
        }
    }

    fn call(&self, api: &'static str) -> Call {
        self.inner.call("write", api, &self.key)
    }

    fn broken(&self) -> Error {
        self.call("UploadPart").error(ErrorKind::Other, "the upload was given up before")
    }

    fn take(&mut self, mut bytes: Bytes) -> Result<(), Error> {
        while !bytes.is_empty() {
            let mut part = match self.part.take() {
                Some(part) => part,
                None if self.filled == MAX_PARTS => {
                    return Err(self
                        .call("UploadPart")
                        .error(ErrorKind::Other, "the object is too large for the store"));
                }
                None => {
                    let len = self.inner.part_size.len(self.filled + 1);
                    Part::begin(len, &self.inner.spool).map_err(|error| self.local(error))?
                }
            };
            // Up to a part in memory or one write to a file: short either way.
            part.take(&mut bytes).map_err(|error| self.local(error))?;
            self.part = Some(part);
            if self.part.as_ref().is_some_and(Part::is_full) {
                self.fill();
            }
        }
        Ok(())
    }

    /// The part being filled, if there is one, has all that it will have.
    fn fill(&mut self) {
        if let Some(mut part) = self.part.take() {
            part.seal();
            self.filled += 1;
            self.waiting.push_back((self.filled, part));
        }
    }

    fn local(&self, error: std::io::Error) -> Error {
        self.call("UploadPart").error(ErrorKind::Local, "cannot keep a part in a file").because(error)
    }

    /// Sends the parts that wait, in the background. Waits itself while as many as may be are on their way; errors of
    /// those sent before come to light here, and their parts wait again.
    async fn send(&mut self) -> Result<(), Error> {
        while let Some(sent) = self.sending.try_join_next() {
            self.settle(sent)?;
        }
        while !self.waiting.is_empty() {
            while self.sending.len() >= IN_FLIGHT {
                self.join().await?;
            }
            if self.id.is_empty() {
                self.id = self.inner.retry.run(|| self.inner.create(&self.key)).await?;
            }
            let Some((number, part)) = self.waiting.pop_front() else { break };
            let (inner, key, id) = (self.inner.clone(), self.key.clone(), self.id.clone());
            self.sending.spawn(async move {
                let sent = inner.retry.run(|| inner.send_part(&key, &id, number, &part)).await;
                sent.map_err(|error| Unsent { number, part, error })
            });
        }
        Ok(())
    }

    /// Waits for one of the parts on their way, if there is one.
    async fn join(&mut self) -> Result<(), Error> {
        match self.sending.join_next().await {
            Some(sent) => self.settle(sent),
            None => Ok(()),
        }
    }

    fn settle(&mut self, sent: Result<Result<CompletedPart, Unsent>, JoinError>) -> Result<(), Error> {
        match sent {
            Ok(Ok(part)) => {
                self.completed.push(part);
                Ok(())
            }
            Ok(Err(Unsent { number, part, error })) => {
                self.waiting.push_front((number, part));
                Err(error)
            }
            Err(stopped) => match stopped.try_into_panic() {
                Ok(panic) => std::panic::resume_unwind(panic),
                Err(_) => Err(Error::new(ErrorKind::Other, "write", "a part", "the runtime is shutting down")),
            },
        }
    }

    /// After an error that will not pass, nothing more can come of the upload.
    fn judge<T>(&mut self, outcome: Result<T, Error>) -> Result<T, Error> {
        if let Err(error) = &outcome
            && !error.may_pass()
        {
            self.state = State::Broken;
        }
        outcome
    }

    async fn finish_small(&mut self) -> Result<Put, Error> {
        match &mut self.part {
            Some(part) => {
                part.seal();
                self.inner.put_if_absent(&self.key, Content::Part(part)).await
            }
            None => self.inner.put_if_absent(&self.key, Content::Bytes(&Bytes::new())).await,
        }
    }

    async fn finish_large(&mut self) -> Result<Put, Error> {
        self.fill();
        let sent = async {
            self.send().await?;
            while !self.sending.is_empty() {
                self.join().await?;
            }
            Ok(())
        };
        let sent = sent.await;
        self.judge(sent)?;
        self.completed.sort_unstable_by_key(|part| part.part_number);
        self.inner.complete(&self.key, &self.id, self.completed.clone()).await
    }
}

#[async_trait::async_trait]
impl Upload for S3Upload {
    fn id(&self) -> &str {
        &self.id
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        if self.state != State::Open {
            return Err(self.broken());
        }
        // Kept first, whatever becomes of the sending.
        let taken = self.take(bytes);
        self.judge(taken)?;
        let sent = self.send().await;
        self.judge(sent)
    }

    async fn finish_if_absent(&mut self) -> Result<Put, Error> {
        match self.state {
            State::Done(put) => return Ok(put),
            State::Broken => return Err(self.broken()),
            State::Open => {}
        }
        let put = if self.filled == 0 { self.finish_small().await? } else { self.finish_large().await? };
        self.state = State::Done(put);
        self.part = None;
        if put == Put::Exists && !self.id.is_empty() {
            // A courtesy: what it costs to keep parts for nothing is all that is at stake.
            let _ = self.inner.abort(&self.key, &self.id).await;
        }
        Ok(put)
    }

    async fn abort(&mut self) -> Result<(), Error> {
        self.sending.shutdown().await;
        self.waiting.clear();
        self.part = None;
        if !matches!(self.state, State::Done(_)) {
            self.state = State::Broken;
            self.inner.abort(&self.key, &self.id).await?;
            self.id.clear();
        }
        Ok(())
    }
}

impl Drop for S3Upload {
    fn drop(&mut self) {
        if self.id.is_empty() || matches!(self.state, State::Done(_)) {
            return;
        }
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            let (inner, key, id) = (self.inner.clone(), self.key.clone(), self.id.clone());
            let mut sending = std::mem::take(&mut self.sending);
            runtime.spawn(async move {
                sending.shutdown().await;
                let _ = inner.abort(&key, &id).await;
            });
        }
    }
}

/// The text of the element `UploadId`, wherever it is.
fn upload_id(document: &[u8]) -> Option<String> {
    let text = std::str::from_utf8(document).ok()?;
    let (id, _) = text.split_once("<UploadId>")?.1.split_once("</UploadId>")?;
    // Unescaping is left to those who escape; ids are letters and digits.
    (!id.contains(['<', '&'])).then(|| id.trim().to_owned())
}

impl Inner {
    async fn create(&self, key: &str) -> Result<String, Error> {
        let call = self.call("write", "CreateMultipartUpload", key);
        let _turn = self.turn().await;
        let request = self.client.create_multipart_upload().bucket(&self.bucket).key(self.full(key));
        let request = request.set_storage_class(self.keeping.class.clone());
        let request = request.set_server_side_encryption(self.keeping.sse.clone());
        let answer = request.set_ssekms_key_id(self.keeping.kms_key.clone()).send().await;
        let id = match answer {
            Ok(answer) => answer.upload_id,
            // `rclone serve s3` gives the document another name, which the SDK does not forgive.
            Err(error) => match error.raw_response().filter(|raw| raw.status().is_success()) {
                Some(raw) => raw.body().bytes().and_then(upload_id),
                None => return Err(call.failed(&error)),
            },
        };
        let id = id.filter(|id| !id.is_empty());
        id.ok_or_else(|| call.error(ErrorKind::Other, "the store gave the upload no id"))
    }

    async fn send_part(&self, key: &str, id: &str, number: u32, part: &Part) -> Result<CompletedPart, Error> {
        let call = self.call("write", "UploadPart", key);
        let body =
            part.body().await.map_err(|error| call.error(ErrorKind::Local, "cannot read a part").because(error))?;
        let _part = self.parts.acquire().await.expect("the semaphore is never closed");
        let _turn = self.turn().await;
        let request = self.client.upload_part().bucket(&self.bucket).key(self.full(key)).upload_id(id);
        let request = request.part_number(number as i32).body(body);
        let headway = Headway::begin(&self.sending);
        let request = request.customize().config_override(Headway::limits()).interceptor(headway.clone());
        let answer = headway.within(request.send()).await.map_err(|error| call.failed(&error))?;
        if answer.e_tag.is_none() {
            return Err(call.not_taken());
        }
        // Whichever checksum the SDK chose, the completion must repeat.
        Ok(CompletedPart::builder()
            .part_number(number as i32)
            .set_e_tag(answer.e_tag)
            .set_checksum_crc32(answer.checksum_crc32)
            .set_checksum_crc32_c(answer.checksum_crc32_c)
            .set_checksum_crc64_nvme(answer.checksum_crc64_nvme)
            .set_checksum_sha1(answer.checksum_sha1)
            .set_checksum_sha256(answer.checksum_sha256)
            .build())
    }

    async fn complete(&self, key: &str, id: &str, parts: Vec<CompletedPart>) -> Result<Put, Error> {
        let call = self.call("write", "CompleteMultipartUpload", key);
        let parts = CompletedMultipartUpload::builder().set_parts(Some(parts)).build();
        let request = self.client.complete_multipart_upload().bucket(&self.bucket).key(self.full(key)).upload_id(id);
        let request = request.multipart_upload(parts);
        let condition = (!self.unconditional_completion.load(Ordering::Relaxed)).then(|| "*".to_owned());
        let send = async |condition: Option<String>| {
            let _turn = self.turn().await;
            let request = request.clone().set_if_none_match(condition).customize();
            request.config_override(Config::builder().timeout_config(timeouts(COMPLETION))).send().await
        };
        let mut answer = send(condition.clone()).await;
        if condition.is_some() && answer.as_ref().is_err_and(|error| status(error) == Some(501)) {
            self.unconditional_completion.store(true, Ordering::Relaxed);
            if self.size_of(key).await?.is_some() {
                return Ok(Put::Exists);
            }
            answer = send(None).await;
        }
        match answer {
            // The answer begins before the work is done; without an end it says nothing, and what is there may be another's.
            Ok(answer) if answer.e_tag.is_none() => match self.head(key).await {
                Ok(_) => Ok(Put::Exists),
                Err(error) if error.is_not_found() => {
                    Err(call.error(ErrorKind::Unavailable, "the answer is not whole"))
                }
                Err(error) => Err(error),
            },
            Ok(_) => Ok(Put::Created),
            Err(error) if status(&error) == Some(412) => Ok(Put::Exists),
            // It may have been completed by a request whose answer was lost: then the object is there.
            Err(error) if code(&error) == Some("NoSuchUpload") => match self.head(key).await {
                Ok(_) => Ok(Put::Exists),
                Err(missing) if missing.is_not_found() => Err(call.failed(&error)),
                Err(other) => Err(other),
            },
            Err(error) => Err(call.failed(&error)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_upload_id_is_found_in_a_document_of_another_name() {
        let document = b"<?xml version=\"1.0\"?><InitiateMultipartUpload><Key>a</Key><UploadId> 17 </UploadId></x>";
        assert_eq!(upload_id(document).as_deref(), Some("17"));
        for bad in [&b"<UploadId>17"[..], b"<UploadId>a&amp;b</UploadId>", b"\xFF", b""] {
            assert_eq!(upload_id(bad), None);
        }
    }
}
