//! A store with faults made to order: the same calls fail in the same way every time.

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::oneshot;

use crate::storage::{Depth, Error, ErrorKind, Listing, Meta, Put, Store, Upload};

/// What is asked of a store, and counted.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Operation {
    /// [`Store::put`].
    Put,
    /// [`Store::put_if_absent`].
    PutIfAbsent,
    /// [`Store::get`].
    Get,
    /// [`Store::get_range`].
    GetRange,
    /// [`Store::head`].
    Head,
    /// [`Store::make_durable`].
    MakeDurable,
    /// [`Store::list`].
    List,
    /// [`Store::delete`].
    Delete,
    /// [`Store::delete_many`].
    DeleteMany,
    /// [`Store::upload`].
    Upload,
    /// [`Upload::write`].
    Write,
    /// [`Upload::finish_if_absent`].
    Finish,
    /// [`Upload::abort`] and [`Store::abort_upload`].
    Abort,
}

/// When a request fails.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum When {
    /// It never reaches the store.
    Before,
    /// The store does what was asked, and the reply is lost.
    After,
}

/// A store whose requests can be counted and made to fail. Clones share counts and faults.
#[derive(Clone, Debug)]
pub struct FaultyStore {
    store: Arc<dyn Store>,
    state: Arc<Mutex<State>>,
}

#[derive(Debug, Default)]
struct State {
    counts: BTreeMap<Operation, u64>,
    faults: Vec<Fault>,
    holds: Vec<Hold>,
    down: bool,
    delay: Duration,
    deletes: Deletes,
}

#[derive(Debug)]
struct Hold {
    /// `None` for any.
    operation: Option<Operation>,
    /// So many requests that it applies to are let through first.
    skip: u64,
    reached: oneshot::Sender<()>,
    let_go: oneshot::Receiver<()>,
}

/// A request that is held, or will be, for as long as this lives.
#[derive(Debug)]
pub struct Held {
    reached: oneshot::Receiver<()>,
    _let_go: oneshot::Sender<()>,
}

impl Held {
    /// Returns when the request is there, and waits. Never, if it does not come.
    pub async fn reached(&mut self) {
        if (&mut self.reached).await.is_err() {
            std::future::pending().await
        }
    }
}

/// What becomes of deletes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Deletes {
    /// They are done.
    #[default]
    Done,
    /// They are refused, as by a key that may only append, or an object lock.
    Refused,
    /// They are answered as if they were done, and are not.
    Ignored,
}

#[derive(Debug)]
struct Fault {
    /// `None` for any.
    operation: Option<Operation>,
    /// So many requests that it applies to are let through first.
    skip: u64,
    effect: Effect,
}

#[derive(Clone, Copy, Debug)]
enum Effect {
    Fail(When, ErrorKind),
    Flip { offset: u64, mask: u8 },
}

impl FaultyStore {
    /// A store without faults yet.
    pub fn new(store: Arc<dyn Store>) -> FaultyStore {
        FaultyStore { store, state: Arc::default() }
    }

    /// Lets the `n`-th request from now fail, from 1, whatever it is. It fails once, as [`ErrorKind::Unavailable`].
    pub fn fail_nth(&self, n: u64, when: When) {
        self.add(None, n, Effect::Fail(when, ErrorKind::Unavailable));
    }

    /// Lets the `n`-th request from now fail, from 1, whatever it is, once and in this way.
    pub fn fail_nth_of_any(&self, n: u64, when: When, kind: ErrorKind) {
        self.add(None, n, Effect::Fail(when, kind));
    }

    /// Lets the `n`-th request of this kind from now fail, from 1, once.
    pub fn fail_nth_of(&self, operation: Operation, n: u64, when: When, kind: ErrorKind) {
        self.add(Some(operation), n, Effect::Fail(when, kind));
    }

    /// XORs `mask` into one byte of what the `n`-th read of this kind from now gives, from 1, once.
    ///
    /// `offset` counts from the first byte of the reply, and is taken modulo its length.
    pub fn flip_nth_of(&self, operation: Operation, n: u64, offset: u64, mask: u8) {
        self.add(Some(operation), n, Effect::Flip { offset, mask });
    }

    /// Holds the `n`-th request from now, from 1, whatever it is, before it reaches the store.
    pub fn hold_nth(&self, n: u64) -> Held {
        self.hold(None, n)
    }

    /// Holds the `n`-th request of this kind from now, from 1, before it reaches the store.
    pub fn hold_nth_of(&self, operation: Operation, n: u64) -> Held {
        self.hold(Some(operation), n)
    }

    /// Lets every request fail, as [`ErrorKind::Unavailable`], before it reaches the store, until told otherwise.
    pub fn set_down(&self, down: bool) {
        self.state().down = down;
    }

    /// Makes every request take this much longer.
    pub fn set_delay(&self, delay: Duration) {
        self.state().delay = delay;
    }

    /// Says what becomes of deletes, until told otherwise.
    pub fn set_deletes(&self, deletes: Deletes) {
        self.state().deletes = deletes;
    }

    /// Takes back the faults that have not happened yet.
    pub fn clear(&self) {
        self.state().faults.clear();
    }

    /// Faults that have not happened yet.
    pub fn pending(&self) -> usize {
        self.state().faults.len()
    }

    /// Requests so far, those that failed included.
    pub fn requests(&self) -> u64 {
        self.state().counts.values().sum()
    }

    /// Requests of this kind so far.
    pub fn requests_of(&self, operation: Operation) -> u64 {
        self.state().counts.get(&operation).copied().unwrap_or(0)
    }

    fn add(&self, operation: Option<Operation>, n: u64, effect: Effect) {
        self.state().faults.push(Fault { operation, skip: n.saturating_sub(1), effect });
    }

    fn hold(&self, operation: Option<Operation>, n: u64) -> Held {
        let ((reached, told), (held, let_go)) = (oneshot::channel(), oneshot::channel());
        self.state().holds.push(Hold { operation, skip: n.saturating_sub(1), reached, let_go });
        Held { reached: told, _let_go: held }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn error(&self, operation: Operation, key: &str, kind: ErrorKind, message: &str) -> Error {
        let verb = match operation {
            Operation::Get | Operation::GetRange | Operation::Head => "read",
            Operation::List => "list",
            Operation::Delete | Operation::DeleteMany => "delete",
            _ => "write",
        };
        Error::new(kind, verb, format!("{}/{key}", self.store.location()), message)
    }

    fn refusal(&self, key: &str) -> Error {
        self.error(Operation::Delete, key, ErrorKind::Denied, "refused, as ordered")
    }

    /// Counts a request, and does it with the faults that apply to it.
    async fn request<T: Reply>(
        &self,
        operation: Operation,
        key: &str,
        action: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let (delay, down, effects, holds) = {
            let mut state = self.state();
            *state.counts.entry(operation).or_default() += 1;
            (state.delay, state.down, state.due(operation), state.held(operation))
        };
        for hold in holds {
            let _ = hold.reached.send(());
            let _ = hold.let_go.await;
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        if down {
            return Err(self.error(operation, key, ErrorKind::Unavailable, "the store is down, as ordered"));
        }
        for effect in &effects {
            if let Effect::Fail(When::Before, kind) = *effect {
                return Err(self.error(operation, key, kind, "failed before its effect, as ordered"));
            }
        }
        let mut reply = action.await?;
        for effect in effects {
            match effect {
                Effect::Fail(_, kind) => {
                    return Err(self.error(operation, key, kind, "failed after its effect, as ordered"));
                }
                Effect::Flip { offset, mask } => reply.flip(offset, mask),
            }
        }
        Ok(reply)
    }
}

impl State {
    /// Takes out what holds this request, and counts it for the holds still to come.
    fn held(&mut self, operation: Operation) -> Vec<Hold> {
        let (mut applies, others): (Vec<Hold>, _) = std::mem::take(&mut self.holds)
            .into_iter()
            .partition(|hold| hold.operation.is_none_or(|only| only == operation));
        self.holds = others;
        let due = applies.extract_if(.., |hold| hold.skip == 0).collect();
        applies.iter_mut().for_each(|hold| hold.skip -= 1);
        self.holds.append(&mut applies);
        due
    }

    /// Takes out what happens to this request, and counts it for the faults still to come.
    fn due(&mut self, operation: Operation) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.faults.retain_mut(|fault| {
            if fault.operation.is_some_and(|only| only != operation) {
                return true;
            }
            if fault.skip > 0 {
                fault.skip -= 1;
                return true;
            }
            effects.push(fault.effect);
            false
        });
        effects
    }
}

/// What a request gives; bytes can be damaged.
trait Reply {
    fn flip(&mut self, _offset: u64, _mask: u8) {}
}

impl Reply for () {}
impl Reply for bool {}
impl Reply for Vec<(String, Error)> {}
impl Reply for Put {}
impl Reply for Meta {}
impl Reply for Listing {}
impl Reply for Box<dyn Upload> {}
impl Reply for Bytes {
    fn flip(&mut self, offset: u64, mask: u8) {
        let mut bytes = self.to_vec();
        if !bytes.is_empty() {
            let at = (offset % bytes.len() as u64) as usize;
            bytes[at] ^= mask;
        }
        *self = bytes.into();
    }
}

#[async_trait::async_trait]
impl Store for FaultyStore {
    fn location(&self) -> String {
        self.store.location()
    }

    fn is_conditional(&self) -> bool {
        self.store.is_conditional()
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.request(Operation::Put, key, self.store.put(key, bytes)).await
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put, Error> {
        self.request(Operation::PutIfAbsent, key, self.store.put_if_absent(key, bytes)).await
    }

    async fn keeps_what_is_there(&self, key: &str, bytes: Bytes) -> Result<bool, Error> {
        match self.is_known_to_keep() {
            Some(known) => Ok(known),
            None => self.request(Operation::PutIfAbsent, key, self.store.keeps_what_is_there(key, bytes)).await,
        }
    }

    fn is_known_to_keep(&self) -> Option<bool> {
        self.store.is_known_to_keep()
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, Error> {
        self.request(Operation::Get, key, self.store.get(key, limit)).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        self.request(Operation::GetRange, key, self.store.get_range(key, range)).await
    }

    fn has_our_clock(&self) -> bool {
        self.store.has_our_clock()
    }

    async fn head(&self, key: &str) -> Result<Meta, Error> {
        self.request(Operation::Head, key, self.store.head(key)).await
    }

    async fn make_durable(&self, key: &str) -> Result<(), Error> {
        self.request(Operation::MakeDurable, key, self.store.make_durable(key)).await
    }

    async fn list(&self, prefix: &str, after: Option<&str>, depth: Depth) -> Result<Listing, Error> {
        self.request(Operation::List, prefix, self.store.list(prefix, after, depth)).await
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        let deletes = self.state().deletes;
        self.request(Operation::Delete, key, async {
            match deletes {
                Deletes::Done => self.store.delete(key).await,
                Deletes::Refused => Err(self.refusal(key)),
                Deletes::Ignored => Ok(()),
            }
        })
        .await
    }

    async fn delete_many(&self, keys: &[String]) -> Result<Vec<(String, Error)>, Error> {
        let deletes = self.state().deletes;
        self.request(Operation::DeleteMany, "", async {
            match deletes {
                Deletes::Done => self.store.delete_many(keys).await,
                Deletes::Refused => Ok(keys.iter().map(|key| (key.clone(), self.refusal(key))).collect()),
                Deletes::Ignored => Ok(Vec::new()),
            }
        })
        .await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, Error> {
        let upload = self.request(Operation::Upload, key, self.store.upload(key)).await?;
        let unsent = VecDeque::new();
        Ok(Box::new(FaultyUpload { upload, store: self.clone(), key: key.to_owned(), unsent }))
    }

    async fn abort_upload(&self, key: &str, id: &str) -> Result<(), Error> {
        self.request(Operation::Abort, key, self.store.abort_upload(key, id)).await
    }
}

#[derive(Debug)]
struct FaultyUpload {
    upload: Box<dyn Upload>,
    store: FaultyStore,
    key: String,
    /// What was taken and did not reach the upload.
    unsent: VecDeque<Bytes>,
}

#[async_trait::async_trait]
impl Upload for FaultyUpload {
    fn id(&self) -> &str {
        self.upload.id()
    }

    async fn write(&mut self, bytes: Bytes) -> Result<(), Error> {
        self.unsent.push_back(bytes);
        let action = async {
            while let Some(bytes) = self.unsent.pop_front() {
                self.upload.write(bytes).await?;
            }
            Ok(())
        };
        self.store.request(Operation::Write, &self.key, action).await
    }

    async fn finish_if_absent(&mut self) -> Result<Put, Error> {
        let action = async {
            while let Some(bytes) = self.unsent.pop_front() {
                self.upload.write(bytes).await?;
            }
            self.upload.finish_if_absent().await
        };
        self.store.request(Operation::Finish, &self.key, action).await
    }

    async fn abort(&mut self) -> Result<(), Error> {
        self.store.request(Operation::Abort, &self.key, self.upload.abort()).await
    }
}
