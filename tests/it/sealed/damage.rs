//! Bytes that changed, or are gone, or more: in sealed objects of every kind, all of it is noticed.
#![expect(clippy::print_stdout, reason = "how much was tried")]

use std::collections::BTreeMap;

use bytes::Bytes;
use tokio::sync::OnceCell;
use waloy::compress::Compression;
use waloy::engine::{Hooks, Replicator};
use waloy::replica::{self, Document, Name, ObjectReader, WHOLE};
use waloy::seal::{CHUNK_LEN, HEAD_LEN, KeyName, TAG_LEN};
use waloy::verify;

use super::vault::{PASSPHRASE, Vault};
use super::*;
use crate::engine::application;
use crate::handmade::Rng;

/// What a chunk takes in an object.
const STORED: usize = CHUNK_LEN + TAG_LEN;

/// A small replica with objects of every kind, and a large snapshot.
struct Sample {
    key: Key,
    objects: BTreeMap<String, Bytes>,
    large: (Name, Bytes),
}

async fn sample() -> &'static Sample {
    static SAMPLE: OnceCell<Sample> = OnceCell::const_new();
    SAMPLE
        .get_or_init(|| async {
            let vault = Vault::make(&key(PASSPHRASE), 1, 9).await;
            let large = large(&vault.key).await;
            Sample { key: vault.key, objects: vault.objects, large }
        })
        .await
}

/// A snapshot of some 90 chunks, which is never fetched whole.
async fn large(key: &Key) -> (Name, Bytes) {
    let (name, bytes) = snapshot(key, LARGE.get_or_init(MemoryStore::new), 1_500_000).await;
    assert!(bytes.len() as u64 > WHOLE + (400 << 10));
    (name, bytes)
}

/// The snapshot of a database with so many bytes that nothing makes shorter.
async fn snapshot(key: &Key, memory: &MemoryStore, content: u32) -> (Name, Bytes) {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("a.db");
    let app = application(&db, 512);
    app.execute("INSERT INTO t(x) VALUES (randomblob(?1))", [content]).unwrap();
    let mut options = manual(&db, key);
    options.compression = Compression::None;
    let mut replicator = Replicator::start(options, bare(memory), Hooks::default()).await.unwrap();
    replicator.sync().await.unwrap();
    replicator.shutdown().await.unwrap();
    let generation = replica::generations(memory).await.unwrap()[0];
    let name = Name::Snapshot(generation);
    let bytes = memory.get(&name.key(), 1 << 30).await.unwrap();
    (name, bytes)
}

static LARGE: std::sync::OnceLock<MemoryStore> = std::sync::OnceLock::new();

/// A store with these objects, and the replica in it, unlocked while it was whole.
struct Held {
    memory: MemoryStore,
    replica: Replica,
    key: Key,
}

impl Held {
    async fn new(sample: &Sample) -> Held {
        let memory = MemoryStore::new();
        for (name, bytes) in &sample.objects {
            memory.put(name, bytes.clone()).await.unwrap();
        }
        let replica = Replica::unlock(store(&memory), &sample.key).await.unwrap();
        Held { memory, replica, key: sample.key.clone() }
    }

    /// Reads all of the object under this name, of this size by the listing, as it is read by whoever needs it.
    async fn read(&self, name: &str, size: u64) -> Result<(), replica::Error> {
        match (Document::parse(name), Name::parse(name), KeyName::parse(name)) {
            (.., Some(KeyName::DataKey(_))) => {
                // One that does not open keeps nobody from what is sealed with others.
                let replica = Replica::unlock(store(&self.memory), &self.key).await?;
                for generation in replica::generations(&*replica).await? {
                    let name = Name::Snapshot(generation);
                    ObjectReader::open(&replica, name, replica.head(&name.key()).await?.size).await?;
                }
                Document::Latest.read(&replica).await.map(drop)
            }
            (Some(Document::Replica), ..) | (.., Some(_)) => {
                Replica::unlock(store(&self.memory), &self.key).await.map(drop)
            }
            (Some(document), ..) => document.read(&self.replica).await.map(drop),
            (None, Some(name), _) => {
                let reader = ObjectReader::open(&self.replica, name, size).await?;
                assert!(reader.is_whole(), "all of it was read");
                Ok(())
            }
            _ => unreachable!("{name}"),
        }
    }

    /// The object with these bytes is told to be damaged.
    async fn noticed(&self, name: &str, bytes: Bytes, what: &str) {
        let size = bytes.len() as u64;
        self.memory.put(name, bytes).await.unwrap();
        let error = self.read(name, size).await.expect_err(&format!("{name}, {what}: not noticed"));
        assert!(error.is_damage(), "{name}, {what}: {error}");
    }
}

/// One object of every kind, under the names of their kinds.
fn kinds(sample: &Sample) -> BTreeMap<&'static str, &String> {
    let kind = |name: &str| match (Document::parse(name), Name::parse(name), KeyName::parse(name)) {
        (_, Some(Name::Snapshot(_)), _) => "snapshot",
        (_, Some(Name::Segment(..)), _) => "segment",
        (_, Some(Name::Merged(..)), _) => "merged segment",
        (_, Some(Name::Manifest(_)), _) => "manifest",
        (_, _, Some(KeyName::Slot(_))) => "slot",
        (_, _, Some(KeyName::DataKey(_))) => "data key",
        (Some(Document::Latest), ..) => "latest",
        _ => "replica",
    };
    let kinds: BTreeMap<&str, &String> = sample.objects.keys().map(|name| (kind(name), name)).collect();
    assert_eq!(kinds.len(), 8, "{:?}", kinds.keys());
    kinds
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_is_noticed_at_every_offset_of_every_kind() {
    let sample = sample().await;
    let mut total = 0;
    for (kind, name) in kinds(sample) {
        let (held, bytes) = (Held::new(sample).await, &sample.objects[name]);
        held.read(name, bytes.len() as u64).await.unwrap();
        for at in 0..bytes.len() {
            let mut changed = bytes.to_vec();
            changed[at] ^= [0x01, 0x80, 0xff][at % 3];
            held.noticed(name, changed.into(), &format!("byte {at} changed")).await;
        }
        println!("{kind}: {} bytes changed, one at a time, {} noticed", bytes.len(), bytes.len());
        total += bytes.len();
    }
    assert!(total > 4000, "{total}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_or_a_longer_object_is_noticed_at_every_length() {
    let sample = sample().await;
    let mut total = 0;
    for (kind, name) in kinds(sample) {
        let (held, bytes) = (Held::new(sample).await, &sample.objects[name]);
        let mut tried = 0;
        for len in 0..bytes.len() {
            held.noticed(name, bytes.slice(..len), &format!("cut at {len}")).await;
            // It was longer when it was listed.
            if Name::parse(name).is_some() {
                let error = held.read(name, bytes.len() as u64).await.expect_err("shorter than it was listed");
                assert!(error.is_damage(), "{error}");
                tried += 1;
            }
            if len > 0 {
                held.noticed(name, bytes.slice(len..), &format!("begun at {len}")).await;
            }
            tried += 2;
        }
        for more in (1..40).chain([100, 1000, CHUNK_LEN - 1, CHUNK_LEN, STORED - 1, STORED, STORED + 1]) {
            held.noticed(name, [&bytes[..], &vec![0; more]].concat().into(), &format!("{more} more")).await;
            held.noticed(name, [&vec![0; more], &bytes[..]].concat().into(), &format!("{more} more in front")).await;
            tried += 2;
        }
        held.noticed(name, [&bytes[..], bytes].concat().into(), "twice").await;
        println!("{kind}: cut, begun or longer in {tried} ways, {tried} noticed");
        total += tried;
    }
    assert!(total > 8000, "{total}");
}

/// Chunks of an object that is fetched whole.
#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_is_noticed_at_every_offset_of_an_object_of_two_chunks() {
    let (memory, key) = (MemoryStore::new(), key(PASSPHRASE));
    let (name, bytes) = snapshot(&key, &memory, 16_000).await;
    assert!((HEAD_LEN + STORED + 400..WHOLE as usize).contains(&bytes.len()), "{}", bytes.len());
    let replica = Replica::unlock(store(&memory), &key).await.unwrap();
    let held = Held { memory, replica, key };
    let name = name.key();
    held.read(&name, bytes.len() as u64).await.unwrap();
    for at in 0..bytes.len() {
        let mut changed = bytes.to_vec();
        changed[at] ^= [0x01, 0x80, 0xff][at % 3];
        held.noticed(&name, changed.into(), &format!("byte {at} changed")).await;
    }
    println!("snapshot of two chunks: {} bytes changed, one at a time, {} noticed", bytes.len(), bytes.len());
}

/// Its secret opens nothing; another slot does, and a check tells.
#[tokio::test(flavor = "multi_thread")]
async fn a_damaged_slot_is_told_while_another_opens() {
    let sample = sample().await;
    let held = Held::new(sample).await;
    let (there, other) = (replica::KeyObjects::read(&held.memory).await.unwrap(), key("another passphrase"));
    let slot = {
        let root = waloy::seal::unlock(held.key.secret(), &there.slots, None, held.key.limit(), |_, root| {
            Ok::<_, waloy::seal::Error>(root.clone())
        });
        let (_, root, _) = root.unwrap();
        let now = waloy::units::Timestamp(1);
        waloy::seal::Slot::make(other.secret(), &root, there.slots[0].replica(), "other", CHEAP, now).unwrap()
    };
    let name = KeyName::Slot(slot.id()).to_string();
    let lengths = (0..slot.as_bytes().len()).map(|len| slot.as_bytes()[..len].to_vec());
    let changes = (0..slot.as_bytes().len()).map(|at| {
        let mut bytes = slot.as_bytes().to_vec();
        bytes[at] ^= 1;
        bytes
    });
    let mut tried = 0;
    for bytes in lengths.chain(changes) {
        held.memory.put(&name, bytes.into()).await.unwrap();
        let replica = Replica::unlock(store(&held.memory), &held.key).await.unwrap();
        let error = Replica::unlock(store(&held.memory), &other).await.unwrap_err();
        assert!(error.is_damage() && error.to_string().contains(&name), "{error}");
        if tried % 10 == 0 {
            let report = verify::verify(&replica, verify::Level::Quick, &verify::Options::default()).await.unwrap();
            let told = report.findings.iter().find(|finding| finding.object.as_deref() == Some(&*name));
            assert_eq!(told.map(|finding| finding.severity), Some(verify::Severity::Damaged), "{:?}", report.findings);
        }
        tried += 1;
    }
    println!("a slot damaged in {tried} ways beside a whole one, {tried} noticed");
    assert_eq!(tried, 400);
}

/// The large snapshot in a store of its own, and a reader that opened it while it was whole.
struct Large {
    memory: MemoryStore,
    replica: Replica,
    reader: ObjectReader,
    name: Name,
    bytes: Bytes,
}

impl Large {
    async fn new() -> Large {
        let sample = sample().await;
        let (memory, (name, bytes)) = (MemoryStore::new(), sample.large.clone());
        for (key, bytes) in crate::handmade::objects(LARGE.get().unwrap()).await {
            memory.put(&key, bytes).await.unwrap();
        }
        let replica = Replica::unlock(store(&memory), &sample.key).await.unwrap();
        let reader = ObjectReader::open(&replica, name, bytes.len() as u64).await.unwrap();
        assert!(!reader.is_whole());
        let large = Large { memory, replica, reader, name, bytes };
        for chunk in 0..large.chunks() {
            large.read(chunk).await.unwrap();
        }
        large
    }

    fn chunks(&self) -> usize {
        (self.bytes.len() - HEAD_LEN).div_ceil(STORED)
    }

    /// Which chunk holds this byte of the object; none holds the head.
    fn chunk_of(&self, at: usize) -> Option<usize> {
        at.checked_sub(HEAD_LEN).map(|at| at / STORED)
    }

    async fn open(&self, size: u64) -> Result<ObjectReader, replica::Error> {
        ObjectReader::open(&self.replica, self.name, size).await
    }

    /// Reads from one chunk; all of it is opened.
    async fn read(&self, chunk: usize) -> Result<(), replica::Error> {
        let at = (chunk * CHUNK_LEN) as u64;
        self.reader.read(at..at + 1).await.map(drop)
    }

    async fn put(&self, bytes: impl Into<Bytes>) {
        self.memory.put(&self.name.key(), bytes.into()).await.unwrap();
    }
}

fn damage<T>(result: Result<T, replica::Error>, what: &str) {
    let error = result.err().unwrap_or_else(|| panic!("{what}: not noticed"));
    assert!(error.is_damage(), "{what}: {error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_changed_byte_of_a_large_object_is_noticed_at_20_000_places() {
    let large = Large::new().await;
    let (len, last) = (large.bytes.len(), large.chunks() - 1);
    let mut rng = Rng(0x5eed);
    // The whole head, and its like at the end.
    let places = (0..HEAD_LEN).chain(len - 64..len).chain((0..20_000).map(|_| rng.below(len as u64) as usize));
    let (mut bytes, mut tried, mut at_once) = (large.bytes.to_vec(), 0, 0);
    for at in places.collect::<Vec<_>>() {
        let mask = 1 << (at % 8);
        bytes[at] ^= mask;
        large.put(bytes.clone()).await;
        let what = format!("byte {at} of {len}");
        // What proves the object is read first of all; everything else when it is wanted.
        let chunk = large.chunk_of(at);
        if chunk.is_none_or(|chunk| chunk == 0 || chunk == last) && tried % 8 == 0 || chunk.is_none() {
            damage(large.open(len as u64).await, &what);
            at_once += 1;
        }
        if let Some(chunk) = chunk {
            damage(large.read(chunk).await, &what);
        }
        bytes[at] ^= mask;
        tried += 1;
    }
    println!(
        "large snapshot: {tried} of {len} bytes changed, one at a time, {tried} noticed, {at_once} when it is opened"
    );
    assert!(tried >= 20_000 && at_once > 80);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_cut_or_a_longer_large_object_is_noticed() {
    let large = Large::new().await;
    let len = large.bytes.len();
    let mut rng = Rng(0xc07);
    let boundaries = (0..large.chunks()).flat_map(|chunk| {
        let boundary = HEAD_LEN + chunk * STORED;
        [boundary - 1, boundary, boundary + 1, boundary + TAG_LEN - 1, boundary + TAG_LEN, boundary + TAG_LEN + 1]
    });
    let random = (0..1600).map(|_| rng.below(len as u64) as usize);
    let lengths: Vec<usize> = boundaries.chain(random).chain(0..HEAD_LEN).chain([len - 1, WHOLE as usize]).collect();
    let mut tried = 0;
    for &cut in lengths.iter().filter(|&&cut| cut < len) {
        large.put(large.bytes.slice(..cut)).await;
        damage(large.open(cut as u64).await, &format!("cut at {cut} of {len}"));
        // It was longer when it was listed.
        damage(large.open(len as u64).await, &format!("cut at {cut} of {len}, listed before"));
        tried += 2;
    }
    for more in (1..40).chain([100, CHUNK_LEN, STORED - 1, STORED, STORED + 1, 1 << 20]) {
        for fill in [vec![0; more], large.bytes[HEAD_LEN..][..more].to_vec()] {
            large.put([&large.bytes[..], &fill].concat()).await;
            damage(large.open((len + more) as u64).await, &format!("{more} more"));
            tried += 1;
        }
    }
    println!("large snapshot: cut or longer in {tried} ways, {tried} noticed");
    assert!(tried >= 4000, "{tried}");
}

#[tokio::test(flavor = "multi_thread")]
async fn chunks_of_a_large_object_stay_where_they_are() {
    let large = Large::new().await;
    let (full, mut tried) = (large.chunks() - 1, 0);
    let place = |chunk: usize| HEAD_LEN + chunk * STORED..HEAD_LEN + (chunk + 1) * STORED;
    for a in 0..full {
        for b in [a + 1, a + 7, full - 1 - a].into_iter().filter(|&b| b < full && b != a) {
            let mut bytes = large.bytes.to_vec();
            bytes[place(a)].copy_from_slice(&large.bytes[place(b)]);
            bytes[place(b)].copy_from_slice(&large.bytes[place(a)]);
            large.put(bytes).await;
            damage(large.read(a).await, &format!("chunk {b} in the place of {a}"));
            damage(large.read(b).await, &format!("chunk {a} in the place of {b}"));
            tried += 2;
        }
        // One left out, and one twice: the length is another one.
        let without = [&large.bytes[..place(a).start], &large.bytes[place(a).end..]].concat();
        let twice = [&large.bytes[..place(a).end], &large.bytes[place(a).start..]].concat();
        for bytes in [without, twice] {
            let size = bytes.len() as u64;
            large.put(bytes).await;
            damage(large.open(size).await, &format!("chunk {a} left out or twice"));
            tried += 1;
        }
    }
    println!("large snapshot: chunks moved, left out or doubled in {tried} ways, {tried} noticed");
    assert!(tried > 500, "{tried}");
}
