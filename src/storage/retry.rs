//! Trying again: what fails for a moment is asked once more, a little later.

use std::ops::Range;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::Mutex;
use tokio::time::Instant;

use super::{Depth, Error, Listing, Meta, Put, Store, Upload};
use crate::units::Timestamp;

/// How often and how fast to try again.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Retry {
    /// Requests for one operation, the first included; at least 1.
    pub tries: u32,
    /// The longest wait before the second try; it doubles from try to try.
    pub first: Duration,
    /// The longest wait of all.
    pub cap: Duration,
}

impl Default for Retry {
    /// Ten tries, waiting at most 50 ms, 100 ms … 1 s: some three seconds in all if the store refuses at once.
    fn default() -> Retry {
        Retry { tries: 10, first: Duration::from_millis(50), cap: Duration::from_secs(1) }
    }
}

impl Retry {
    /// Only one try.
    pub const NEVER: Retry = Retry { tries: 1, first: Duration::ZERO, cap: Duration::ZERO };

    /// The longest wait after this many failed tries.
    fn ceiling(&self, failed: u32) -> Duration {
        let factor = 1u32.checked_shl(failed.saturating_sub(1)).unwrap_or(u32::MAX);
        self.first.saturating_mul(factor).min(self.cap)
    }

    /// A wait between nothing and the ceiling ("full jitter"), so that many clients do not come back at once.
    ///
    /// Source: <https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/>.
    fn wait(&self, failed: u32) -> Duration {
        let part = u32::from_le_bytes(crate::clock::random()) as f64 / f64::from(u32::MAX);
        self.ceiling(failed).mul_f64(part)
    }

    /// Waits after this many failed tries.
    pub(crate) async fn pause(&self, failed: u32) {
        tokio::time::sleep(self.wait(failed)).await;
    }

    /// Does something until it succeeds, fails for good, or was tried often enough.
    ///
    /// # Errors
    ///
    /// The last error.
    pub async fn run<T, F>(&self, action: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.run_telling(&Trouble::default(), action).await
    }

    /// The same, and who waits can see what it is waited for.
    async fn run_telling<T, F>(&self, trouble: &Trouble, mut action: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        let began = Instant::now();
        let mut attempt = 1;
        loop {
            let error = match action().await {
                Err(error) if error.is_transient() && attempt < self.tries => error,
                done => {
                    trouble.set(None);
                    return done;
                }
            };
            let wait = self.wait(attempt);
            tracing::debug!(attempt, elapsed = ?began.elapsed(), ?wait, %error, "trying again");
            trouble.set(Some(error));
            tokio::time::sleep(wait).await;
            attempt += 1;
        }
    }
}

/// Why a store is being tried again at the moment: for those who lose their patience before the store does.
#[derive(Clone, Debug, Default)]
pub struct Trouble(Arc<std::sync::Mutex<Option<Error>>>);

impl Trouble {
    /// Takes the error that the store is trying to get over, if there is one.
    pub fn take(&self) -> Option<Error> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn set(&self, error: Option<Error>) {
        *self.0.lock().unwrap_or_else(PoisonError::into_inner) = error;
    }
}

/// A store that tries again when another fails for a moment.
///
/// Before an object is put again it is looked whether there is one by now: a small request instead of all its bytes, and on
/// a store that knows no conditions, minutes after the first try, the only thing that keeps another writer's object. One
/// that is there answers [`Put::Exists`], also if it is that of the first try, whose reply was lost: the caller tells by
/// the object's digest whether it is its own, as after any other ambiguous error.
#[derive(Clone, Debug)]
pub struct Retrying {
    store: Arc<dyn Store>,
    retry: Retry,
    trouble: Trouble,
}

impl Retrying {
    /// The same store, more patient.
    pub fn new(store: Arc<dyn Store>, retry: Retry) -> Retrying {
        Retrying { store, retry, trouble: Trouble::default() }
    }

    /// The same, and what it is trying to get over can be seen there.
    #[must_use]
    pub fn telling(self, trouble: Trouble) -> Retrying {
        Retrying { trouble, ..self }
    }

    async fn run<T, F>(&self, action: impl FnMut() -> F) -> Result<T, Error>
    where
        F: Future<Output = Result<T, Error>>,
    {
        self.retry.run_telling(&self.trouble, action).await
    }
}

#[async_trait::async_trait]
impl Store for Retrying {
    fn location(&self) -> String {
        self.store.location()
    }

    fn is_conditional(&self) -> bool {
        self.store.is_conditional()
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.run(|| self.store.put(key, bytes.clone())).await
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put, Error> {
        let mut again = false;
        self.run(|| {
            let (look, bytes) = (std::mem::replace(&mut again, true), bytes.clone());
            async move {
                match look && self.store.is_taken(key).await? {
                    true => Ok(Put::Exists),
                    false => self.store.put_if_absent(key, bytes).await,
                }
            }
        })
        .await
    }

    /// Not repeated: what these bytes may replace must have been read just before.
    async fn keeps_what_is_there(&self, key: &str, bytes: Bytes) -> Result<bool, Error> {
        self.store.keeps_what_is_there(key, bytes).await
    }

    fn is_known_to_keep(&self) -> Option<bool> {
        self.store.is_known_to_keep()
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, Error> {
        self.run(|| self.store.get(key, limit)).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        self.run(|| self.store.get_range(key, range.clone())).await
    }

    fn has_our_clock(&self) -> bool {
        self.store.has_our_clock()
    }

    async fn head(&self, key: &str) -> Result<Meta, Error> {
        self.run(|| self.store.head(key)).await
    }

    async fn make_durable(&self, key: &str) -> Result<(), Error> {
        self.run(|| self.store.make_durable(key)).await
    }

    async fn is_taken(&self, key: &str) -> Result<bool, Error> {
        self.run(|| self.store.is_taken(key)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, depth: Depth) -> Result<Listing, Error> {
        self.run(|| self.store.list(prefix, after, depth)).await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.run(|| self.store.delete(key)).await
    }

    async fn delete_many(&self, keys: &[String]) -> Result<Vec<(String, Error)>, Error> {
        self.run(|| self.store.delete_many(keys)).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, Error> {
        let upload = self.run(|| self.store.upload(key)).await?;
        let (store, key) = (self.store.clone(), key.to_owned());
        Ok(Box::new(RetryingUpload { store, key, upload, retry: self.retry, trouble: self.trouble.clone() }))
    }

    async fn abort_upload(&self, key: &str, id: &str) -> Result<(), Error> {
        self.run(|| self.store.abort_upload(key, id)).await
    }

    async fn abort_uploads(
        &self,
        before: Timestamp,
        of: &(dyn for<'k> Fn(&'k str) -> bool + Sync),
    ) -> Result<usize, Error> {
        self.run(|| self.store.abort_uploads(before, of)).await
    }
}

#[derive(Debug)]
struct RetryingUpload {
    store: Arc<dyn Store>,
    key: String,
    upload: Box<dyn Upload>,
    retry: Retry,
    trouble: Trouble,
}

#[async_trait::async_trait]
impl Upload for RetryingUpload {
    fn id(&self) -> &str {
        self.upload.id()
    }

    /// Not repeated: stores repeat single parts by themselves, and what they could not send goes with the next write.
    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.upload.write(bytes).await
    }

    async fn finish_if_absent(&mut self) -> Result<Put, Error> {
        let (upload, mut again) = (Mutex::new(&mut self.upload), false);
        let (store, key, upload) = (&*self.store, &*self.key, &upload);
        self.retry
            .run_telling(&self.trouble, || {
                let look = std::mem::replace(&mut again, true);
                async move {
                    match look && store.is_taken(key).await? {
                        true => Ok(Put::Exists),
                        false => upload.lock().await.finish_if_absent().await,
                    }
                }
            })
            .await
    }

    async fn abort(&mut self) -> Result<(), Error> {
        let upload = &Mutex::new(&mut self.upload);
        self.retry.run_telling(&self.trouble, || async { upload.lock().await.abort().await }).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::storage::ErrorKind;

    fn unavailable() -> Error {
        Error::new(ErrorKind::Unavailable, "read", "memory:a", "not now")
    }

    #[test]
    fn waits_double_up_to_the_cap() {
        let retry = Retry::default();
        let ceilings: Vec<u128> = (1..8).map(|failed| retry.ceiling(failed).as_millis()).collect();
        assert_eq!(ceilings, [50, 100, 200, 400, 800, 1000, 1000]);
        assert_eq!(retry.ceiling(u32::MAX), Duration::from_secs(1));
        assert!((0..100).all(|_| retry.wait(1) <= Duration::from_millis(50)));
    }

    #[tokio::test]
    async fn what_fails_for_a_moment_is_tried_so_often_and_no_more() {
        let retry = Retry { tries: 4, first: Duration::from_micros(1), cap: Duration::from_micros(1) };
        let mut calls = 0;
        let failed: Result<(), Error> = retry
            .run(|| {
                calls += 1;
                async { Err(unavailable()) }
            })
            .await;
        assert!(failed.unwrap_err().is_transient());
        assert_eq!(calls, 4);
    }

    #[tokio::test]
    async fn while_it_is_tried_again_the_reason_can_be_seen() {
        let (trouble, retry) = (Trouble::default(), Retry { tries: 3, ..Retry::default() });
        let waiting = retry.run_telling(&trouble, || async { Err::<(), _>(unavailable()) });
        assert!(tokio::time::timeout(Duration::ZERO, waiting).await.is_err());
        assert_eq!(trouble.take().map(|error| error.message), Some("not now".into()));
        let mut first = true;
        let helped = retry.run_telling(&trouble, || {
            let failed = std::mem::take(&mut first);
            async move { if failed { Err(unavailable()) } else { Ok(()) } }
        });
        helped.await.unwrap();
        assert!(trouble.take().is_none());
    }

    #[tokio::test]
    async fn what_fails_for_good_is_not_tried_again() {
        let mut calls = 0;
        let failed: Result<(), Error> = Retry::default()
            .run(|| {
                calls += 1;
                async { Err(Error::new(ErrorKind::Denied, "read", "memory:a", "access denied")) }
            })
            .await;
        assert_eq!(failed.unwrap_err().kind, ErrorKind::Denied);
        assert_eq!(calls, 1);
    }
}
