//! A replica made by hand: every state that was committed to it is known to the byte.
#![expect(clippy::unwrap_used, reason = "a test stops where it fails")]

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use bytes::Bytes;
use rusqlite::Connection;
use waloy::compress::Compression;
use waloy::format::{
    Flags, Header, Kind, Latest, Manifest, ManifestSegment, ManifestSnapshot, PageFileWriter, PageHasher, Reason,
    ReplicaIds, Summary, WalMark,
};
use waloy::ids::{DatabaseId, Digest, GenerationId, HashKey, ReplicaId, WriterId};
use waloy::replica::{self, Name, Replica};
use waloy::restore::Point;
use waloy::storage::{Depth, MemoryStore, Store};
use waloy::units::{DbChecksum, PageNo, PageSize, SegmentIndex, Timestamp};

/// The first moment of every replica here.
pub(crate) const BEGIN: i64 = 1_795_341_600_000;

/// Numbers that are the same in every run.
pub(crate) struct Rng(pub(crate) u64);

impl Rng {
    pub(crate) fn next(&mut self) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0.wrapping_mul(0x2545_f491_4f6c_dd1d)
    }

    pub(crate) fn below(&mut self, limit: u64) -> u64 {
        (self.next() >> 11) % limit
    }

    /// A page that compresses to about half.
    pub(crate) fn page(&mut self, size: usize) -> Vec<u8> {
        let seed = self.next();
        let mut noise = Rng(seed | 1);
        (0..size).map(|at| if at % 16 < 8 { noise.next() as u8 } else { seed as u8 }).collect()
    }
}

/// One state that can be restored.
#[derive(Clone)]
pub(crate) struct State {
    pub(crate) generation: GenerationId,
    pub(crate) point: Point,
    pub(crate) at: Timestamp,
    pub(crate) bytes: Arc<Vec<u8>>,
    pub(crate) checksum: DbChecksum,
    pub(crate) digest: Digest,
}

pub(crate) struct Handmade {
    pub(crate) memory: MemoryStore,
    pub(crate) replica: Replica,
    pub(crate) page_size: PageSize,
    pub(crate) states: Vec<State>,
    hasher: PageHasher,
    compression: Compression,
    now: i64,
    counter: u64,
    manifest: Option<Manifest>,
}

/// A database in WAL mode as SQLite has it now, page for page.
pub(crate) fn pages_of(app: &Connection) -> Vec<u8> {
    app.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
    std::fs::read(app.path().unwrap()).unwrap()
}

pub(crate) fn index(index: u64) -> SegmentIndex {
    SegmentIndex::new(index).unwrap()
}

impl Handmade {
    /// A replica without any generation.
    pub(crate) async fn new(page_size: u32, compression: Compression) -> Handmade {
        let memory = MemoryStore::new();
        let ids = ReplicaIds { replica: ReplicaId([1; 16]), database: DatabaseId([2; 16]), hash_key: HashKey([3; 32]) };
        let replica = Replica::plain(Arc::new(memory.clone()));
        assert_eq!(replica::claim_ids(&replica, &ids).await.unwrap(), ids);
        Handmade {
            replica,
            memory,
            page_size: PageSize::new(page_size).unwrap(),
            states: Vec::new(),
            hasher: PageHasher::new(&ids.hash_key),
            compression,
            now: BEGIN,
            counter: 0,
            manifest: None,
        }
    }

    /// Some generations of random pages with random changes: growth, shrinking, pages that come again.
    pub(crate) async fn random(
        page_size: u32,
        compression: Compression,
        seed: u64,
        generations: u64,
        segments: u64,
    ) -> Handmade {
        let mut made = Handmade::new(page_size, compression).await;
        let (mut rng, size) = (Rng(seed), page_size as usize);
        let mut pages: Vec<Vec<u8>> = (0..12).map(|_| rng.page(size)).collect();
        for _ in 0..generations {
            made.begin(pages.concat()).await;
            for _ in 0..segments {
                match rng.below(4) {
                    0 => pages.truncate(pages.len() - rng.below(pages.len() as u64 / 2 + 1) as usize),
                    1 => (0..rng.below(9)).for_each(|_| pages.push(rng.page(size))),
                    _ => {}
                }
                for _ in 0..rng.below(4) {
                    let at = rng.below(pages.len() as u64) as usize;
                    pages[at] = rng.page(size);
                }
                made.commit(pages.concat()).await;
            }
        }
        made
    }

    /// The time of the newest state.
    pub(crate) fn now(&self) -> Timestamp {
        Timestamp(self.now)
    }

    fn header(&self, kind: Kind, generation: GenerationId, first: SegmentIndex, before: Option<&State>) -> Header {
        Header {
            kind,
            codec: self.compression.codec(),
            page_size: self.page_size,
            generation,
            first,
            first_time: Timestamp(self.now),
            checksum_before: before.filter(|_| kind != Kind::Snapshot).map_or(DbChecksum(0), |before| before.checksum),
            predecessor: before.filter(|_| kind != Kind::Snapshot).map_or(Digest::NONE, |before| before.digest),
            writer: WriterId([7; 16]),
            previous: before.filter(|_| kind == Kind::Snapshot).map(|before| before.generation),
        }
    }

    pub(crate) fn summary(&self, state: &State) -> Summary {
        let snapshot = state.point == Point::Snapshot;
        Summary {
            flags: Flags::default(),
            pages_after: (state.bytes.len() / self.page_size.len()) as u32,
            last: state.point.index().unwrap_or_default(),
            last_time: state.at,
            unobserved: None,
            transactions: u64::from(!snapshot),
            transactions_since_snapshot: state.point.index().map_or(0, |index| index.get() + 1),
            wal_bytes: 0,
            checksum_after: state.checksum,
            wal: WalMark::default(),
            joins: None,
        }
    }

    /// Begins a generation with these pages, a second later, where the one before ends.
    pub(crate) async fn begin(&mut self, bytes: Vec<u8>) -> GenerationId {
        self.begin_joining(self.states.last().map(|before| before.digest), bytes).await
    }

    /// Begins a generation as the one before ended, a second later; the first one with these pages.
    pub(crate) async fn begin_again(&mut self, first: Vec<u8>) -> GenerationId {
        let bytes = self.states.last().map_or(first, |before| before.bytes.to_vec());
        self.begin(bytes).await
    }

    /// Begins a generation with these pages, a second later. Nobody knows what was between it and the one before.
    pub(crate) async fn begin_apart(&mut self, bytes: Vec<u8>) -> GenerationId {
        self.begin_joining(None, bytes).await
    }

    async fn begin_joining(&mut self, joins: Option<Digest>, bytes: Vec<u8>) -> GenerationId {
        self.now += 1000;
        let generation = GenerationId::new(Timestamp(self.now), [self.counter as u8; 10]);
        let pages = self.pages(&bytes, |_| true);
        let state = self.state(generation, Point::Snapshot, bytes);
        let header = self.header(Kind::Snapshot, generation, SegmentIndex::ZERO, self.states.last());
        let summary = Summary { joins, ..self.summary(&state) };
        let (size, digest) = self.write(Name::Snapshot(generation), &header, &[&pages], &summary).await;
        let snapshot = ManifestSnapshot {
            at: state.at,
            bytes: size,
            digest,
            pages: summary.pages_after,
            checksum: state.checksum,
        };
        self.manifest = Some(Manifest {
            generation,
            counter: 1,
            reason: Reason::First,
            previous: header.previous,
            writer: header.writer,
            page_size: self.page_size,
            snapshot,
            next_index: 0,
            merged: Vec::new(),
            segments: Vec::new(),
        });
        self.states.push(State { digest, ..state });
        self.counter += 1;
        let latest = Latest { generation, counter: self.counter };
        replica::write_latest(&self.replica, &latest).await.unwrap();
        self.write_manifest().await;
        generation
    }

    /// Lets so many milliseconds go by.
    pub(crate) fn wait(&mut self, millis: i64) {
        self.now += millis;
    }

    /// Says in the manifest why the last generation was begun.
    pub(crate) async fn reason(&mut self, reason: Reason) {
        self.manifest.as_mut().unwrap().reason = reason;
        self.write_manifest().await;
    }

    /// Adds a segment that leads to these pages, a second later.
    pub(crate) async fn commit(&mut self, bytes: Vec<u8>) -> State {
        self.segment(bytes, |_| {}).await
    }

    /// The same, with a summary changed.
    pub(crate) async fn segment(&mut self, bytes: Vec<u8>, change: impl FnOnce(&mut Summary)) -> State {
        self.now += 1000;
        let before = self.states.last().unwrap().clone();
        let place = index(before.point.index().map_or(0, |index| index.get() + 1));
        let len = self.page_size.len();
        let image = |page: usize, of: &[u8]| of.get(page * len..(page + 1) * len).map(<[u8]>::to_vec);
        let pages = self.pages(&bytes, |page| image(page, &before.bytes) != image(page, &bytes));
        let state = self.state(before.generation, Point::Index(place), bytes);
        let header = self.header(Kind::Segment, before.generation, place, Some(&before));
        let mut summary = self.summary(&state);
        change(&mut summary);
        let (size, digest) = self.write(Name::Segment(before.generation, place), &header, &[&pages], &summary).await;
        let state = State { digest, ..state };
        self.states.push(state.clone());
        let manifest = self.manifest.as_mut().unwrap();
        manifest.counter += 1;
        manifest.next_index = place.get() + 1;
        manifest.segments.push(ManifestSegment {
            index: place,
            at: state.at,
            bytes: size,
            transactions: 1,
            digest,
            unobserved: None,
        });
        self.write_manifest().await;
        state
    }

    /// Adds a merged segment over segments of the last generation.
    pub(crate) async fn merge(&mut self, first: u64, last: u64) {
        let generation = self.states.last().unwrap().generation;
        let at = |point: Point| {
            self.states.iter().find(|state| (state.generation, state.point) == (generation, point)).unwrap()
        };
        let before = at(first.checked_sub(1).map(index).into()).clone();
        let end = at(Point::Index(index(last))).clone();
        let len = self.page_size.len();
        let mut changed = BTreeSet::new();
        for place in first..=last {
            let (earlier, later) = (at(place.checked_sub(1).map(index).into()), at(Point::Index(index(place))));
            for page in 0..later.bytes.len() / len {
                let image = |state: &State| state.bytes.get(page * len..(page + 1) * len).map(<[u8]>::to_vec);
                if image(earlier) != image(later) {
                    changed.insert(page);
                }
            }
        }
        let pages = self.pages(&end.bytes, |page| changed.contains(&page));
        let mut header = self.header(Kind::Merged, generation, index(first), Some(&before));
        header.first_time = at(Point::Index(index(first))).at;
        let mut summary = self.summary(&end);
        summary.transactions = last - first + 1;
        summary.joins = Some(end.digest);
        self.write(Name::Merged(generation, index(first), index(last)), &header, &[&pages], &summary).await;
    }

    /// The pages of these bytes that are wanted, counted from 0 here.
    pub(crate) fn pages(&self, bytes: &[u8], wanted: impl Fn(usize) -> bool) -> BTreeMap<PageNo, Vec<u8>> {
        let images = bytes.chunks_exact(self.page_size.len()).enumerate().filter(|&(at, _)| wanted(at));
        images.map(|(at, image)| (PageNo::new(at as u32 + 1).unwrap(), image.to_vec())).collect()
    }

    fn state(&self, generation: GenerationId, point: Point, bytes: Vec<u8>) -> State {
        let mut checksum = DbChecksum::default();
        for (page, image) in self.pages(&bytes, |_| true) {
            checksum.toggle(self.hasher.hash(page, &image));
        }
        let (at, bytes) = (Timestamp(self.now), Arc::new(bytes));
        State { generation, point, at, bytes, checksum, digest: Digest::NONE }
    }

    /// Writes a page file of some rounds of pages; says its size and digest.
    pub(crate) async fn write(
        &self,
        name: Name,
        header: &Header,
        rounds: &[&BTreeMap<PageNo, Vec<u8>>],
        summary: &Summary,
    ) -> (u64, Digest) {
        let mut writer = PageFileWriter::new(header, self.compression).unwrap();
        for round in rounds {
            for (&page, image) in *round {
                writer.add(&[(page, self.hasher.hash(page, image))], image).unwrap();
            }
            writer.flush().unwrap();
        }
        let mut sealing = self.replica.sealing(name).await.unwrap();
        let mut bytes = sealing.add(writer.take());
        let finished = writer.finish(summary).unwrap();
        bytes.extend(sealing.finish(finished.bytes));
        let size = bytes.len() as u64;
        self.replica.put(&name.key(), Bytes::from(bytes)).await.unwrap();
        (size, finished.digest)
    }

    async fn write_manifest(&self) {
        replica::write_manifest(&self.replica, self.manifest.as_ref().unwrap()).await.unwrap();
    }

    /// Every object.
    pub(crate) async fn objects(&self) -> Vec<(String, Bytes)> {
        objects(&*self.replica).await
    }

    /// The same replica in a store of its own, to be damaged.
    pub(crate) async fn copy(&self) -> Replica {
        store_of(self.objects().await).await
    }

    pub(crate) fn last(&self) -> &State {
        self.states.last().unwrap()
    }
}

pub(crate) async fn objects(store: &dyn Store) -> Vec<(String, Bytes)> {
    let listing = store.list("", None, Depth::All).await.unwrap();
    assert!(listing.next.is_none());
    let mut objects = Vec::new();
    for meta in listing.objects {
        let bytes = store.get(&meta.key, u64::MAX).await.unwrap();
        objects.push((meta.key, bytes));
    }
    objects
}

pub(crate) async fn store_of(objects: impl IntoIterator<Item = (String, Bytes)>) -> Replica {
    let store = MemoryStore::new();
    for (key, bytes) in objects {
        store.put(&key, bytes).await.unwrap();
    }
    Replica::plain(Arc::new(store))
}

/// The objects with one bit of one of them the other way, the key of that one, and which byte it is.
pub(crate) fn one_bit_changed(objects: &[(String, Bytes)], rng: &mut Rng) -> (Vec<(String, Bytes)>, String, String) {
    let total: usize = objects.iter().map(|(_, bytes)| bytes.len()).sum();
    let (mut at, mut changed) = (rng.below(total as u64) as usize, objects.to_vec());
    let object = changed.iter_mut().find(|(_, bytes)| {
        let here = at < bytes.len();
        at -= if here { 0 } else { bytes.len() };
        here
    });
    let (key, bytes) = object.unwrap();
    let (key, mut damaged) = (key.clone(), bytes.to_vec());
    damaged[at] ^= 1 << rng.below(8);
    *bytes = Bytes::from(damaged);
    let what = format!("byte {at} of {key}");
    (changed, key, what)
}
