//! A sealed replica of which every state is known, and a bucket that serves what somebody made of it.

use std::collections::BTreeMap;
use std::os::unix::fs::FileExt;
use std::time::Duration;

use bytes::Bytes;
use rusqlite::Connection;
use tokio::sync::OnceCell;
use waloy::compact::{self, Level, Levels};
use waloy::engine::{Hooks, Replicator};
use waloy::error::{Error as PublicError, Kind};
use waloy::format::ReplicaIds;
use waloy::ids::GenerationId;
use waloy::replica::{Document, KeyObjects, Name, ObjectReader};
use waloy::restore::{Options, Point, Restore};
use waloy::seal::{self, Epoch, KdfLimit, KeyName, Keyring, RootKey, Slot};
use waloy::units::{SegmentIndex, Timestamp};
use waloy::verify::{self, Level as Depth};

use super::super::*;
use crate::engine::application;
use crate::handmade::objects;
use crate::model;

pub(super) const PASSPHRASE: &str = "correct horse";

/// What a bucket holds.
pub(super) type Objects = BTreeMap<String, Bytes>;
/// What is put under some keys, or taken away.
pub(super) type Changes = Vec<(String, Option<Bytes>)>;

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

/// The replica that is attacked: four generations, the last two with a second data key, and a second slot.
pub(super) async fn vault() -> &'static Vault {
    static VAULT: OnceCell<Vault> = OnceCell::const_new();
    VAULT.get_or_init(|| async { Vault::make(&key(PASSPHRASE), 4, 11).await }).await
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
                let other = super::super::key("another passphrase");
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
    let (report, file) = restore.run_unnamed(&Options::default()).await?;
    let mut pages = vec![0; file.metadata().unwrap().len() as usize];
    file.read_exact_at(&mut pages, 0).unwrap();
    Ok((report, pages))
}

/// What a check is asked for.
pub(super) const EVERY_BYTE: Depth = Depth::ReadData(verify::Subset::All);

/// What came of the attacks so far.
#[derive(Default, Debug)]
pub(super) struct Count {
    pub(super) attacks: usize,
    /// The newest state was not restored.
    pub(super) errors: usize,
    /// It was, or an older one.
    pub(super) true_states: usize,
    /// After so many of them, the replica was verified too.
    pub(super) verified: usize,
    /// That found fault with something.
    pub(super) noticed: usize,
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Count { attacks, errors, true_states, verified, noticed } = self;
        write!(f, "{attacks} attacks: {errors} errors, {true_states} true states, 0 others; ")?;
        write!(f, "verified {verified} times, {noticed} with findings")
    }
}

/// The bucket of a vault in the hands of somebody else.
pub(super) struct Bucket<'a> {
    pub(super) vault: &'a Vault,
    pub(super) memory: MemoryStore,
    /// Opened before anything was done to it.
    held: Replica,
    pub(super) count: Count,
}

impl<'a> Bucket<'a> {
    pub(super) async fn new(vault: &'a Vault) -> Bucket<'a> {
        let memory = MemoryStore::new();
        for (name, bytes) in &vault.objects {
            memory.put(name, bytes.clone()).await.unwrap();
        }
        let held = Replica::unlock(store(&memory), &vault.key).await.unwrap();
        let bucket = Bucket { vault, memory, held, count: Count::default() };
        let report = bucket.verified(&bucket.held, EVERY_BYTE).await.unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        bucket
    }

    async fn apply(&self, changes: &Changes) {
        for (name, bytes) in changes {
            match bytes {
                Some(bytes) => self.memory.put(name, bytes.clone()).await.unwrap(),
                None => self.memory.delete(name).await.unwrap(),
            }
        }
    }

    /// Serves the objects so changed, looks at what comes of it, and puts everything back. Says whether the newest state
    /// was restored, and whether verification found fault with anything.
    pub(super) async fn attack(&mut self, what: &str, changes: Changes) -> (bool, bool) {
        self.served(what, changes, false).await
    }

    /// The same, with objects that do not belong where they are put: none of them opens there.
    pub(super) async fn forge(&mut self, what: &str, changes: Changes) -> (bool, bool) {
        self.served(what, changes, true).await
    }

    async fn served(&mut self, what: &str, changes: Changes, forged: bool) -> (bool, bool) {
        self.apply(&changes).await;
        let outcome = self.judge(what, if forged { &changes } else { &[] }).await;
        let before = |name: String| (self.vault.objects.get(&name).cloned(), name);
        let back = changes.into_iter().map(|(name, _)| before(name)).map(|(bytes, name)| (name, bytes)).collect();
        self.apply(&back).await;
        outcome
    }

    /// The bucket with exactly these objects.
    pub(super) async fn serve(&mut self, what: &str, objects: &Objects) -> (bool, bool) {
        let gone = self.vault.objects.keys().filter(|name| !objects.contains_key(*name));
        let gone = gone.map(|name| (name.clone(), None));
        let put = objects.iter().map(|(name, bytes)| (name.clone(), Some(bytes.clone())));
        self.attack(what, gone.chain(put).collect()).await
    }

    async fn judge(&mut self, what: &str, forged: &[(String, Option<Bytes>)]) -> (bool, bool) {
        self.count.attacks += 1;
        let (unlocked, found) = match Replica::unlock(store(&self.memory), &self.vault.key).await {
            Ok(replica) => {
                for (name, _) in forged.iter().filter(|(_, bytes)| bytes.is_some()) {
                    let opened = opened(&replica, name).await;
                    assert!(opened.is_none_or(|opened| opened.is_err()), "{what}: {name} opens");
                }
                // Verification reads what a restore reads: of what is forged, every other time.
                let verified = forged.is_empty() || self.count.attacks.is_multiple_of(2);
                self.judge_opened(what, &replica, verified).await
            }
            Err(error) => {
                proper(what, error);
                (false, false)
            }
        };
        // Whoever opened it before has its keys, and is served the same.
        if self.count.attacks.is_multiple_of(19) {
            let held = self.held.clone();
            for target in [Target::Latest, self.some_target()] {
                self.restores(what, &held, target).await;
            }
        }
        self.count.errors += usize::from(!unlocked);
        self.count.true_states += usize::from(unlocked);
        self.count.noticed += usize::from(found);
        (unlocked, found)
    }

    async fn judge_opened(&mut self, what: &str, replica: &Replica, verified: bool) -> (bool, bool) {
        let latest = self.restores(what, replica, Target::Latest).await;
        if self.count.attacks.is_multiple_of(5) {
            self.restores(what, replica, self.some_target()).await;
        }
        if !verified {
            return (latest, false);
        }
        self.count.verified += 1;
        let depth = if self.count.attacks.is_multiple_of(20) { EVERY_BYTE } else { Depth::Default };
        match self.verified(replica, depth).await {
            Ok(report) => {
                assert!(!report.ok() || latest, "{what}: a check finds nothing wrong, and it does not restore");
                (latest, !report.findings.is_empty())
            }
            Err(error) => {
                assert!(!latest, "{what}: it restores, and cannot be checked: {error}");
                proper(what, error);
                (latest, true)
            }
        }
    }

    async fn verified(&self, replica: &Replica, depth: Depth) -> Result<verify::Report, restore::Error> {
        verify::verify(replica, depth, &verify::Options::default()).await
    }

    /// What is asked for besides the newest state: another one each time.
    fn some_target(&self) -> Target {
        let at = self.count.attacks * 7 % self.vault.truth.len();
        let (&(generation, point), state) = self.vault.truth.iter().nth(at).unwrap();
        match self.count.attacks / 5 % 3 {
            0 => Target::Generation(generation, Some(point)),
            1 => Target::Generation(generation, None),
            _ => Target::Time(state.at),
        }
    }

    /// A restore gives an error or a state that was, and if one was asked for, that one.
    async fn restores(&self, what: &str, replica: &Replica, target: Target) -> bool {
        let (report, pages) = match restored(replica, target).await {
            Ok(restored) => restored,
            Err(error) => {
                proper(what, error);
                return false;
            }
        };
        let place = (report.plan.generation, report.plan.point);
        let state = self.vault.truth.get(&place);
        let state = state.unwrap_or_else(|| panic!("{what}: {target:?} gives {place:?}, which never was"));
        assert!(pages == state.pages, "{what}: {target:?} gives another database as {place:?}");
        assert_eq!(report.plan.at, state.at, "{what}: {target:?} gives {place:?} of another time");
        match target {
            Target::Generation(generation, None) => assert_eq!(place.0, generation, "{what}"),
            Target::Generation(generation, Some(point)) => assert_eq!(place, (generation, point), "{what}"),
            Target::Time(time) => assert!(state.at <= time, "{what}: {place:?} is after the moment asked for"),
            _ => {}
        }
        true
    }
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

/// An error that tells what is wrong with the bucket, not with us.
fn proper(what: &str, error: impl Into<PublicError>) {
    let error = error.into();
    let expected = [Kind::Damaged, Kind::BadKey, Kind::NotCovered, Kind::NoBackup];
    // More pages than there is room for.
    let no_room = error.kind() == Kind::Database && error.to_string().contains("bytes free");
    assert!(expected.contains(&error.kind()) || no_room, "{what}: {:?} {error}", error.kind());
}
