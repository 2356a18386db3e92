//! Retention: what stays, what goes, and that nothing which was promised is ever lost on the way.

mod bucket;
mod chance;
mod deletes;
mod policies;
mod replacement;
mod running;

use std::collections::HashMap;
use std::ops::Range;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use bytes::Bytes;
use waloy::clock::Clock;
use waloy::ids::GenerationId;
use waloy::replica::{Name, Replica};
use waloy::restore::{self, Target};
use waloy::retention::{Plan, Policy};
use waloy::storage::{Depth, Error, Listing, Meta, Put, Store, Upload};
use waloy::units::Timestamp;
use waloy::verify;

use crate::handmade::{BEGIN, Handmade, State};

const SECOND: i64 = 1000;
const MINUTE: i64 = 60 * SECOND;
const HOUR: i64 = 60 * MINUTE;
const DAY: i64 = 24 * HOUR;

fn days(days: u64) -> Duration {
    Duration::from_secs(days * 86_400)
}

fn hours(hours: u64) -> Duration {
    Duration::from_secs(hours * 3600)
}

/// Verified at a time when all that is here is over.
fn at_the_end() -> verify::Options {
    #[derive(Debug)]
    struct End;
    impl Clock for End {
        fn now(&self) -> Timestamp {
            Timestamp(BEGIN + 10_000 * DAY)
        }
    }
    verify::Options { clock: Arc::new(End), ..verify::Options::default() }
}

/// A store that tells when each object came, as a test has it, and remembers what was deleted.
#[derive(Debug)]
struct Dated {
    store: Arc<dyn Store>,
    times: Mutex<HashMap<String, Timestamp>>,
    /// In the order in which it was asked for, and in which request.
    deleted: Mutex<Vec<(usize, String)>>,
    requests: AtomicUsize,
}

impl Dated {
    /// Every page file came when its last transaction was committed, everything else at the beginning.
    fn of(made: &Handmade, replica: &Replica) -> Arc<Dated> {
        let store = replica.store().clone();
        let mut times = HashMap::new();
        for state in &made.states {
            let name = match state.point.index() {
                Some(index) => Name::Segment(state.generation, index),
                None => Name::Snapshot(state.generation),
            };
            times.insert(name.key(), state.at);
        }
        Arc::new(Dated { store, times: Mutex::new(times), deleted: Mutex::default(), requests: AtomicUsize::new(0) })
    }

    fn dates(&self, meta: Meta) -> Meta {
        let times = self.times.lock().unwrap();
        let merged = || {
            let Some(Name::Merged(generation, _, last)) = Name::parse(&meta.key) else { return None };
            times.get(&Name::Segment(generation, last).key()).copied()
        };
        let modified = times.get(&meta.key).copied().or_else(merged).unwrap_or(Timestamp(BEGIN));
        Meta { modified: Some(modified), ..meta }
    }

    /// Something else comes at this time: the store's clock has gone on.
    fn now_is(&self, at: Timestamp) {
        self.times.lock().unwrap().insert("latest".into(), at);
    }

    fn deleted(&self) -> Vec<(usize, String)> {
        self.deleted.lock().unwrap().clone()
    }
}

#[async_trait::async_trait]
impl Store for Dated {
    fn location(&self) -> String {
        self.store.location()
    }

    async fn put(&self, key: &str, bytes: Bytes) -> Result<(), Error> {
        self.store.put(key, bytes).await
    }

    async fn put_if_absent(&self, key: &str, bytes: Bytes) -> Result<Put, Error> {
        self.store.put_if_absent(key, bytes).await
    }

    async fn get(&self, key: &str, limit: u64) -> Result<Bytes, Error> {
        self.store.get(key, limit).await
    }

    async fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        self.store.get_range(key, range).await
    }

    async fn head(&self, key: &str) -> Result<Meta, Error> {
        self.store.head(key).await.map(|meta| self.dates(meta))
    }

    async fn list(&self, prefix: &str, after: Option<&str>, depth: Depth) -> Result<Listing, Error> {
        let mut listing = self.store.list(prefix, after, depth).await?;
        listing.objects = listing.objects.into_iter().map(|meta| self.dates(meta)).collect();
        Ok(listing)
    }

    async fn delete(&self, key: &str) -> Result<(), Error> {
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        self.deleted.lock().unwrap().push((request, key.to_owned()));
        self.store.delete(key).await
    }

    async fn delete_many(&self, keys: &[String]) -> Result<Vec<(String, Error)>, Error> {
        let request = self.requests.fetch_add(1, Ordering::Relaxed);
        self.deleted.lock().unwrap().extend(keys.iter().map(|key| (request, key.clone())));
        self.store.delete_many(keys).await
    }

    async fn upload(&self, key: &str) -> Result<Box<dyn Upload>, Error> {
        self.store.upload(key).await
    }

    async fn abort_upload(&self, key: &str, id: &str) -> Result<(), Error> {
        self.store.abort_upload(key, id).await
    }
}

/// The state that the database had at this moment.
fn true_state(made: &Handmade, at: Timestamp) -> Option<&State> {
    made.states.iter().rev().find(|state| state.at <= at)
}

/// What a restore of this moment would give.
async fn planned<'a>(made: &'a Handmade, store: &Replica, at: Timestamp) -> Result<&'a State, restore::Error> {
    let plan = restore::plan(store, Target::Time(at)).await?;
    let is_it = |state: &&State| (state.generation, state.point) == (plan.generation, plan.point);
    let state = made.states.iter().find(is_it).unwrap();
    assert_eq!(state.checksum, plan.checksum);
    Ok(state)
}

/// The generations that a plan lets go of.
fn gone(plan: &Plan) -> Vec<GenerationId> {
    let gone = plan.generations.iter().filter(|generation| generation.fate.is_deleted());
    gone.map(|generation| generation.generation).collect()
}

fn policy(retention: Duration, grace: Duration) -> Policy {
    Policy { grace, ..Policy::new(Some(retention)) }
}

/// A generation a day, each with a few segments an hour apart.
async fn a_generation_a_day(days: u64) -> (Handmade, Vec<GenerationId>) {
    let mut made = Handmade::new(512, waloy::compress::Compression::None).await;
    let (mut ids, mut rng) = (Vec::new(), crate::handmade::Rng(7));
    for _ in 0..days {
        ids.push(made.begin_again(rng.page(512)).await);
        for _ in 0..3 {
            made.wait(HOUR);
            made.commit(rng.page(512)).await;
        }
        made.wait(DAY - 3 * HOUR - 4 * SECOND);
    }
    (made, ids)
}
