//! A sealed replica as its writer left it, of which every state is known.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::Connection;
use waloy::compact::{self, Level, Levels};
use waloy::engine::{Hooks, Replicator};
use waloy::format::ReplicaIds;
use waloy::ids::GenerationId;
use waloy::replica::{Document, KeyObjects, Name, ObjectReader};
use waloy::restore::{Point, Restore};
use waloy::seal::{self, Epoch, KdfLimit, KeyName, Keyring, RootKey, Slot};
use waloy::units::{SegmentIndex, Timestamp};

use super::*;
use crate::engine::application;
use crate::handmade::objects;
use crate::model;

pub(super) const PASSPHRASE: &str = "correct horse";

/// What a bucket holds.
pub(super) type Objects = BTreeMap<String, Bytes>;

/// One state, as the restore of it names it.
#[derive(Clone)]
pub(super) struct State {
    pub(super) at: Timestamp,
    pub(super) pages: Vec<u8>,
}

/// A sealed replica as its writer left it.
pub(super) struct Vault {
    pub(super) key: Key,
    pub(super) objects: Objects,
    /// What the bucket held after each sync, oldest first.
    pub(super) earlier: Vec<Objects>,
    /// Every state that it ever had.
    pub(super) truth: BTreeMap<(GenerationId, Point), State>,
    pub(super) newest: (GenerationId, Point),
}

/// Keys and ids of what is in this store, as whoever has the passphrase gets them.
pub(super) async fn keyring(memory: &MemoryStore, key: &Key) -> (Keyring, RootKey) {
    let there = KeyObjects::read(memory).await.unwrap();
    let sealed = there.replica.clone().unwrap();
    let (_, root, ids) = seal::unlock(key.secret(), &there.slots, None, KdfLimit::Standard, |slot, root| {
        let content = root.replica_key(slot.replica()).open(sealed.to_vec())?;
        Ok(ReplicaIds::parse(&content).unwrap())
    })
    .unwrap();
    let mut keyring = Keyring::new(&root, ids.replica, ids.database);
    for (epoch, bytes) in &there.data_keys {
        keyring.add(bytes, *epoch).unwrap();
    }
    (keyring, root)
}

async fn put(memory: &MemoryStore, name: KeyName, bytes: &[u8]) {
    memory.put(&name.to_string(), Bytes::copy_from_slice(bytes)).await.unwrap();
}

impl Vault {
    /// Made by the replicator, from a database of its own.
    pub(super) async fn make(key: &Key, generations: usize, segments: u64) -> Vault {
        let dir = tempfile::tempdir().unwrap();
        let db = dir.path().join("a.db");
        let app = application(&db, 512);
        Vault::of(&app, &dir.path().join("state"), key, generations, segments).await
    }

    /// Made by the replicator, from this database.
    pub(super) async fn of(app: &Connection, state: &Path, key: &Key, generations: usize, segments: u64) -> Vault {
        let memory = MemoryStore::new();
        let mut options = manual(Path::new(app.path().unwrap()), key);
        options.merge = None;
        options.state_dir = Some(state.to_owned());
        let mut replicator = Replicator::start(options, bare(&memory), Hooks::default()).await.unwrap();
        replicator.sync().await.unwrap();
        let (mut committed, mut earlier) = (vec![model::pages_of(app)], Vec::new());
        for generation in 0..generations {
            if generation == 2 {
                let (keyring, root) = keyring(&memory, key).await;
                let now = Timestamp(1);
                put(&memory, KeyName::DataKey(Epoch(2)), &keyring.new_data_key(Epoch(2), now)).await;
                let other = super::key("another passphrase");
                let slot = Slot::make(other.secret(), &root, keyring.replica(), "other", CHEAP, now).unwrap();
                put(&memory, KeyName::Slot(slot.id()), slot.as_bytes()).await;
            }
            if generation > 0 {
                replicator.snapshot().await.unwrap();
            }
            for index in 0..segments {
                app.execute("INSERT INTO t(x) VALUES (randomblob(40))", []).unwrap();
                if index % 5 == 4 {
                    app.execute_batch("DELETE FROM t WHERE id % 3 = 0; VACUUM").unwrap();
                }
                replicator.sync().await.unwrap().expect("something was committed");
                committed.push(model::pages_of(app));
                earlier.push(objects(&memory).await.into_iter().collect());
            }
        }
        replicator.shutdown().await.unwrap();

        let replica = Replica::unlock(store(&memory), key).await.unwrap();
        let level = |parts| Level { window: Duration::from_secs(3600), parts };
        let options = compact::Options { levels: Levels::new([level(4), level(2)]), ..compact::Options::default() };
        let plan = compact::plan(&replica, &options).await.unwrap();
        compact::compact(&replica, &plan, &options).await.unwrap();
        earlier.push(objects(&memory).await.into_iter().collect());

        let truth = truth(&replica, generations, segments, &committed).await;
        let newest = *truth.last_key_value().unwrap().0;
        // Of the first generation, only what was merged is left.
        let first = truth.first_key_value().unwrap().0.0;
        for (name, _) in objects(&memory).await {
            if let Some(Name::Segment(generation, index)) = Name::parse(&name)
                && generation == first
                && index.get() < 4
            {
                memory.delete(&name).await.unwrap();
            }
        }
        let objects = objects(&memory).await.into_iter().collect();
        Vault { key: key.clone(), objects, earlier, truth, newest }
    }

    /// The keys of objects for which this holds.
    pub(super) fn names(&self, wanted: impl Fn(&str) -> bool) -> Vec<String> {
        self.objects.keys().filter(|name| wanted(name)).cloned().collect()
    }

    /// The snapshots, segments and merged segments.
    pub(super) fn page_files(&self) -> Vec<Name> {
        let names = self.objects.keys().filter_map(|key| Name::parse(key));
        names.filter(|name| !matches!(name, Name::Manifest(_))).collect()
    }

    pub(super) fn generations(&self) -> Vec<GenerationId> {
        let mut generations: Vec<GenerationId> = self.truth.keys().map(|&(generation, _)| generation).collect();
        generations.dedup();
        generations
    }
}

/// Every state, each of them one that was committed, in the same order.
async fn truth(
    replica: &Replica,
    generations: usize,
    segments: u64,
    committed: &[Vec<u8>],
) -> BTreeMap<(GenerationId, Point), State> {
    let listed = waloy::replica::generations(&**replica).await.unwrap();
    assert_eq!(listed.len(), generations);
    let (mut truth, mut last) = (BTreeMap::new(), 0);
    for generation in listed {
        let indices = (0..segments).map(|index| Point::Index(SegmentIndex::new(index).unwrap()));
        for point in [Point::Snapshot].into_iter().chain(indices) {
            let (report, pages) = restored(replica, Target::Generation(generation, Some(point))).await.unwrap();
            last += usize::from(point != Point::Snapshot);
            assert!(pages == committed[last], "{generation}:{point}");
            truth.insert((generation, point), State { at: report.plan.at, pages });
        }
    }
    truth
}

/// Restores into a file that nobody sees.
pub(super) async fn restored(replica: &Replica, target: Target) -> Result<(Report, Vec<u8>), restore::Error> {
    let restore = Restore::prepare_unnamed(replica, target, &std::env::temp_dir()).await?;
    let (report, file) = restore.run_unnamed(&restore::Options::default()).await?;
    let mut pages = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut pages, 0).unwrap();
    Ok((report, pages))
}

/// What reading the object under this name gives; `None` for names that are not read so.
pub(super) async fn opened(replica: &Replica, name: &str) -> Option<Result<(), waloy::replica::Error>> {
    match (Document::parse(name), Name::parse(name)) {
        (Some(document), _) => Some(document.read(replica).await.map(drop)),
        (None, Some(name)) => {
            let size = replica.head(&name.key()).await.unwrap().size;
            Some(ObjectReader::open(replica, name, size).await.map(drop))
        }
        (None, None) => None,
    }
}
