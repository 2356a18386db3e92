//! A bucket with weather.
//!
//! It is as S3 is: what was put is there for the next request, and conditions hold, unless the run is one with a store
//! that knows none. A request may fail before its effect or after it, take long, be cut off, or come back with a byte
//! changed on the way; a listing may come in small pieces. What a dead process asks has no effect.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use waloy::storage::{Depth, Error, ErrorKind, Listing, Meta, Put, Store, Upload};
use waloy::testing::dice::Dice;
use waloy::units::Timestamp;

use super::time::Time;
use crate::door::{self, Fault, Who};

mod objects;
mod upload;

use objects::Objects;
use upload::Parts;

/// What happens to requests.
#[derive(Clone, Debug, Default)]
pub(crate) struct Weather {
    /// One request in so many has a fault; 0: none.
    pub(crate) faults: u64,
    /// Bytes of answers are changed on the way.
    pub(crate) flips: bool,
    /// The n-th answer from now is, from 1.
    pub(crate) flip_at: Option<u64>,
    /// The n-th part of an upload from now is not taken, from 1.
    pub(crate) part_at: Option<u64>,
    /// Nothing is reached.
    pub(crate) down: bool,
    /// Credentials have expired.
    pub(crate) denied: bool,
    /// Deletes are answered as if they were done, and are not.
    pub(crate) deletes_lie: bool,
    /// How long requests take, at most.
    pub(crate) slow: Duration,
    /// So many keys in one piece of a listing; 0: 1,000.
    pub(crate) page: usize,
}

/// What a request is about to meet.
enum Fate {
    Good,
    Before(ErrorKind),
    After(ErrorKind),
    Flipped(u64),
    /// The process ends: before the effect, or after it and before it learns of it.
    Ended {
        after: bool,
    },
}

#[derive(Debug)]
struct Inner {
    objects: Objects,
    /// Uploads under way, by their ids: what was taken of each.
    uploads: BTreeMap<String, Vec<u8>>,
    began: u64,
    weather: Weather,
    dice: Dice,
    requests: u64,
    faults: u64,
}

/// The bucket as somebody sees it.
#[derive(Clone, Debug)]
pub(crate) struct Bucket {
    inner: Arc<Mutex<Inner>>,
    time: Time,
    who: Who,
}

impl Bucket {
    pub(crate) fn new(time: Time, dice: Dice, conditional: bool) -> Bucket {
        let inner = Inner {
            objects: Objects::new(conditional),
            uploads: BTreeMap::new(),
            began: 0,
            weather: Weather::default(),
            dice,
            requests: 0,
            faults: 0,
        };
        Bucket { inner: Arc::new(Mutex::new(inner)), time, who: Who::Nobody }
    }

    /// As somebody sees it: with the weather, and as long as its process lives.
    pub(crate) fn seen_by(&self, who: Who) -> Bucket {
        Bucket { who, ..self.clone() }
    }

    pub(crate) fn weather(&self, change: impl FnOnce(&mut Weather)) {
        change(&mut self.inner().weather);
    }

    pub(crate) fn is_conditional(&self) -> bool {
        self.inner().objects.conditional
    }

    pub(crate) fn requests(&self) -> u64 {
        self.inner().requests
    }

    pub(crate) fn faults(&self) -> u64 {
        self.inner().faults
    }

    /// Everything in it is gone, and what was known of it.
    pub(crate) fn empty(&self) {
        let mut inner = self.inner();
        inner.objects = Objects::new(inner.objects.conditional);
    }

    /// An object has not arrived yet: it is taken out, to be [brought](Bucket::bring) later.
    pub(crate) fn hold(&self, key: &str) -> Bytes {
        let mut inner = self.inner();
        let bytes = inner.objects.get(key).expect("it is there").clone();
        inner.objects.remove(key);
        bytes
    }

    /// An object arrives late.
    pub(crate) fn bring(&self, key: &str, bytes: Bytes) {
        let now = self.time.now();
        self.inner().objects.put(key, bytes, now);
    }

    /// These arrive in the same moment as the next snapshot.
    pub(crate) fn bring_beside_a_snapshot(&self, objects: Vec<(String, Bytes)>) {
        self.inner().objects.beside = objects;
    }

    /// Fine weather.
    pub(crate) fn calm(&self) {
        self.inner().weather = Weather::default();
    }

    /// The key of an object that was put twice with other bytes, if there is one.
    pub(crate) fn changed(&self) -> Option<String> {
        self.inner().objects.changed.clone()
    }

    /// What is there: keys, and how long each object is.
    pub(crate) fn listing(&self) -> Vec<(String, usize)> {
        self.inner().objects.all().map(|object| (object.key, object.size as usize)).collect()
    }

    /// How long ago a snapshot was put last.
    pub(crate) fn newest_snapshot(&self) -> Option<Duration> {
        let now = self.time.now().0;
        let snapshots =
            self.inner().objects.all().filter(|object| object.key.ends_with("/snapshot")).collect::<Vec<_>>();
        let put = snapshots.iter().filter_map(|object| object.modified).max()?;
        Some(Duration::from_millis(now.saturating_sub(put.0).max(0) as u64))
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, kind: ErrorKind, key: &str, why: &str) -> Error {
        Error::new(kind, "reach", format!("bucket:/{key}"), why)
    }

    /// Does a request, as the weather is.
    async fn request<T: Answer>(
        &self,
        what: &'static str,
        key: &str,
        act: impl FnOnce(&mut Inner, Timestamp) -> Result<T, Error>,
    ) -> Result<T, Error> {
        if self.who == Who::Nobody {
            return act(&mut self.inner(), self.time.now());
        }
        if door::plan(|plan| plan.is_dead(self.who)) {
            return Err(self.error(ErrorKind::Denied, key, "the process has ended"));
        }
        let (wait, fate) = {
            let mut inner = self.inner();
            inner.requests += 1;
            let fate = match door::plan(|plan| plan.request(self.who)) {
                None => inner.fate(what),
                Some(Fault::End) => Fate::Ended { after: false },
                Some(Fault::EndTorn) => Fate::Ended { after: true },
                Some(Fault::Fail(_)) => Fate::Before(ErrorKind::Unavailable),
                Some(Fault::Short(_)) => Fate::After(ErrorKind::Unavailable),
            };
            (inner.wait(), fate)
        };
        if !wait.is_zero() {
            tokio::time::sleep(wait).await;
        }
        match fate {
            Fate::Before(kind) => {
                self.note(what, key, "fails");
                return Err(self.error(kind, key, "as the weather is"));
            }
            Fate::Ended { after: false } => return Err(self.end(what, key)),
            _ => {}
        }
        let done = act(&mut self.inner(), self.time.now());
        self.note(what, key, if done.is_ok() { "done" } else { "refused" });
        match fate {
            Fate::After(kind) => done.and(Err(self.error(kind, key, "the answer was lost"))),
            Fate::Ended { .. } => Err(self.end(what, key)),
            Fate::Flipped(at) => done.map(|answer| answer.flipped(at)),
            Fate::Good | Fate::Before(_) => done,
        }
    }

    fn end(&self, what: &str, key: &str) -> Error {
        self.note(what, key, "the process ends");
        self.error(ErrorKind::Denied, key, "the process has ended")
    }

    fn note(&self, what: &str, key: &str, end: &str) {
        let time = self.time.elapsed();
        // The id of a slot is random, as keys are.
        let key = if key.starts_with("keys/slot-") { "keys/slot" } else { key };
        door::plan(|plan| plan.note(|| format!("{:?} at {time} ms {what} {key}: {end}", self.who)));
    }
}

impl Inner {
    fn wait(&mut self) -> Duration {
        let most = self.weather.slow.as_millis() as u64;
        Duration::from_millis(if most == 0 { 0 } else { self.dice.below(most + 1) })
    }

    fn fate(&mut self, what: &str) -> Fate {
        if let Some(left) = self.weather.part_at.as_mut().filter(|_| what == "upload part") {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.weather.part_at = None;
                return Fate::Before(ErrorKind::Unavailable);
            }
        }
        if let Some(left) = &mut self.weather.flip_at {
            *left = left.saturating_sub(1);
            if *left == 0 {
                self.weather.flip_at = None;
                return Fate::Flipped(self.dice.any());
            }
        }
        let fate = if self.weather.down {
            Fate::Before(ErrorKind::Unavailable)
        } else if self.weather.denied {
            Fate::Before(ErrorKind::Denied)
        } else if self.weather.faults == 0 || !self.dice.one_in(self.weather.faults) {
            return Fate::Good;
        } else {
            match self.dice.below(8) {
                0..4 => Fate::Before(ErrorKind::Unavailable),
                4..7 => Fate::After(ErrorKind::Unavailable),
                _ if self.weather.flips => Fate::Flipped(self.dice.any()),
                _ => Fate::Before(ErrorKind::Unavailable),
            }
        };
        self.faults += 1;
        fate
    }
}

/// What a request gives; bytes can be damaged on their way.
trait Answer: Sized {
    fn flipped(self, _at: u64) -> Self {
        self
    }
}

impl Answer for () {}
impl Answer for Put {}
impl Answer for Meta {}
impl Answer for Listing {}
impl Answer for String {}
impl Answer for Vec<(String, Error)> {}
impl Answer for Bytes {
    fn flipped(self, at: u64) -> Bytes {
        let mut bytes = self.to_vec();
        if !bytes.is_empty() {
            let place = (at as usize / 8) % bytes.len();
            bytes[place] ^= 1 << (at % 8);
        }
        bytes.into()
    }
}

#[async_trait::async_trait]
impl Store for Bucket {
    fn location(&self) -> String {
        "bucket:".into()
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.request("put", key, |inner, now| {
            inner.objects.put(key, bytes, now);
            Ok(())
        })
        .await
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put, Error> {
        self.request("put if absent", key, |inner, now| Ok(inner.objects.put_if_absent(key, bytes, now))).await
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, Error> {
        self.request("get", key, |inner, _| {
            let bytes = inner.objects.get(key)?;
            if bytes.len() as u64 > limit {
                return Err(Error::new(ErrorKind::TooLarge, "read", format!("bucket:/{key}"), "too large"));
            }
            Ok(bytes.clone())
        })
        .await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        self.request("get range", key, |inner, _| {
            let bytes = inner.objects.get(key)?;
            if range.start > range.end || range.end > bytes.len() as u64 {
                return Err(Error::new(ErrorKind::Truncated, "read", format!("bucket:/{key}"), "it ends before"));
            }
            Ok(bytes.slice(range.start as usize..range.end as usize))
        })
        .await
    }

    async fn head(&self, key: &str) -> Result<Meta, Error> {
        self.request("head", key, |inner, _| inner.objects.meta(key)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, depth: Depth) -> Result<Listing, Error> {
        self.request("list", prefix, |inner, _| {
            let most = if inner.weather.page == 0 { 1000 } else { inner.weather.page };
            Ok(inner.objects.list(prefix, after, depth, most))
        })
        .await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        self.request("delete", key, |inner, _| {
            if !inner.weather.deletes_lie {
                inner.objects.remove(key);
            }
            Ok(())
        })
        .await
    }

    async fn delete_many(&self, keys: &[String]) -> Result<Vec<(String, Error)>, Error> {
        let first = keys.first().map(String::as_str).unwrap_or_default();
        self.request("delete many", first, |inner, _| {
            if !inner.weather.deletes_lie {
                keys.iter().for_each(|key| inner.objects.remove(key));
            }
            Ok(Vec::new())
        })
        .await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, Error> {
        Ok(Box::new(Parts::begin(self, key).await?))
    }

    async fn abort_upload(&self, key: &str, id: &str) -> Result<(), Error> {
        self.request("abort upload", key, |inner, _| {
            inner.uploads.remove(id);
            Ok(())
        })
        .await
    }
}
