//! What every byte passes through, function by function.
//!
//! ```text
//! cargo bench --bench hot                     all of them; some minutes
//! cargo bench --bench hot -- 'page file'      those with this in their names
//! ```
//!
//! The pages are those of a real database, some 32 MiB of 4 KiB each: rows of words and numbers, which compress to a
//! quarter. What is read has been read before: nothing waits for a disk.
#![expect(clippy::unwrap_used, reason = "a measurement that cannot go on stops where it is")]

use std::hint::black_box;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BatchSize, Criterion, Throughput, criterion_group, criterion_main};
use rusqlite::Connection;
use waloy::compress::Compression;
use waloy::engine::{Hooks, Options, Replicator};
use waloy::format::{Flags, Header, Kind, PageFileWriter, PageHasher, Summary, WalMark, each_page, whole};
use waloy::ids::{DatabaseId, Digest, GenerationId, HashKey, ReplicaId, WriterId};
use waloy::replica::Replica;
use waloy::restore::{self, Target};
use waloy::seal::{Epoch, Keyring, Place, RootKey};
use waloy::storage::MemoryStore;
use waloy::units::{DbChecksum, PageHash, PageNo, PageSize, SegmentIndex, Timestamp};
use waloy::wal::{Chain, HEADER_LEN, Header as WalHeader};

const PAGE_LEN: usize = 4096;
const NOW: Timestamp = Timestamp(1_800_000_000_000);
const ROWS: u32 = 150_000;

/// A database whose pages are all in its log.
struct Sample {
    dir: tempfile::TempDir,
    log: Vec<u8>,
    pages: Vec<(PageNo, PageHash)>,
    images: Vec<u8>,
    hasher: PageHasher,
}

impl Sample {
    fn new() -> Sample {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db");
        let app = open(&path);
        app.execute_batch(
            "PRAGMA wal_autocheckpoint = 0; CREATE TABLE events (id INTEGER PRIMARY KEY, at INTEGER, text TEXT)",
        )
        .unwrap();
        fill(&app, ROWS);
        let log = std::fs::read(dir.path().join("app.db-wal")).unwrap();
        app.execute_batch("PRAGMA wal_checkpoint(TRUNCATE)").unwrap();
        let images = std::fs::read(&path).unwrap();
        let hasher = PageHasher::new(&HashKey([7; 32]));
        let pages = images.chunks_exact(PAGE_LEN).zip(1..).map(|(image, number)| {
            let page = PageNo::new(number).unwrap();
            (page, hasher.hash(page, image))
        });
        let pages = pages.collect();
        Sample { dir, log, pages, images, hasher }
    }

    fn len(&self) -> u64 {
        self.images.len() as u64
    }

    fn page_file(&self, compression: Compression) -> Vec<u8> {
        let header = Header {
            kind: Kind::Snapshot,
            codec: compression.codec(),
            page_size: PageSize::new(PAGE_LEN as u32).unwrap(),
            generation: generation(),
            first: SegmentIndex::new(0).unwrap(),
            first_time: NOW,
            checksum_before: DbChecksum(0),
            predecessor: Digest([0; 32]),
            writer: WriterId([1; 16]),
            previous: None,
        };
        let mut writer = PageFileWriter::new(&header, compression).unwrap();
        let mut file = Vec::new();
        for (pages, images) in self.pages.chunks(64).zip(self.images.chunks(64 * PAGE_LEN)) {
            writer.add(pages, images).unwrap();
            file.append(&mut writer.take());
        }
        let summary = Summary {
            flags: Flags::default(),
            pages_after: self.pages.len() as u32,
            last: SegmentIndex::new(0).unwrap(),
            last_time: NOW,
            unobserved: None,
            transactions: 0,
            transactions_since_snapshot: 0,
            wal_bytes: 0,
            checksum_after: DbChecksum(0),
            wal: WalMark::default(),
            joins: None,
        };
        file.append(&mut writer.finish(&summary).unwrap().bytes);
        file
    }
}

fn generation() -> GenerationId {
    GenerationId::new(NOW, [3; 10])
}

fn open(path: &Path) -> Connection {
    let app = Connection::open(path).unwrap();
    app.execute_batch("PRAGMA page_size = 4096; PRAGMA journal_mode = WAL; PRAGMA synchronous = OFF").unwrap();
    app
}

/// One transaction with so many rows.
fn fill(app: &Connection, rows: u32) {
    app.execute_batch("BEGIN").unwrap();
    let mut insert = app.prepare("INSERT INTO events (at, text) VALUES (?1, ?2)").unwrap();
    let mut state = 1u64;
    for row in 0..rows {
        let words: Vec<&str> = (0..24)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                WORDS[(state >> 60) as usize]
            })
            .collect();
        insert.execute((i64::from(row) * 997 + (state >> 40) as i64, words.join(" "))).unwrap();
    }
    app.execute_batch("COMMIT").unwrap();
}

const WORDS: [&str; 16] = [
    "order",
    "customer",
    "invoice",
    "paid",
    "open",
    "address",
    "street",
    "number",
    "delivered",
    "cancelled",
    "note",
    "the",
    "of",
    "and",
    "returned",
    "price",
];

fn log_and_hash(criterion: &mut Criterion) {
    let sample = Sample::new();
    let mut group = criterion.benchmark_group("capture");
    group.throughput(Throughput::Bytes(sample.log.len() as u64));
    group.bench_function("WAL: frames and their checksums", |bencher| {
        let header = WalHeader::parse(sample.log[..HEADER_LEN].first_chunk().unwrap()).unwrap();
        bencher.iter(|| {
            let mut chain = Chain::start(header);
            for frame in sample.log[HEADER_LEN..].chunks_exact(chain.frame_len()) {
                black_box(chain.accept(frame).unwrap());
            }
            chain.frame()
        });
    });
    group.throughput(Throughput::Bytes(sample.len()));
    group.bench_function("page hashes", |bencher| {
        bencher.iter(|| {
            let images = sample.images.chunks_exact(PAGE_LEN);
            sample.pages.iter().zip(images).fold(0, |sum, ((page, _), image)| sum ^ sample.hasher.hash(*page, image).0)
        });
    });
    group.finish();
}

fn page_files(criterion: &mut Criterion) {
    let sample = Sample::new();
    let mut group = criterion.benchmark_group("page file");
    group.throughput(Throughput::Bytes(sample.len())).sample_size(20);
    for compression in [Compression::None, Compression::Lz4, Compression::Zstd(1), Compression::default()] {
        group.bench_function(format!("written, {}", named(compression)), |bencher| {
            bencher.iter(|| sample.page_file(compression));
        });
        let file = sample.page_file(compression);
        group.bench_function(format!("read, {}", named(compression)), |bencher| {
            bencher.iter(|| {
                let (outline, chunks) = whole(&file).unwrap();
                let mut count = 0;
                each_page(&file, &outline, &chunks, &sample.hasher, |_, _, _| count += 1).unwrap();
                assert_eq!(count, sample.pages.len());
            });
        });
    }
    group.finish();
}

fn named(compression: Compression) -> String {
    match compression {
        Compression::Zstd(level) => format!("zstd:{level}"),
        other => other.to_string(),
    }
}

fn sealed(criterion: &mut Criterion) {
    let content: Vec<u8> = (0..32u32 << 20).map(|n| (n ^ (n >> 9)) as u8).collect();
    let mut keyring = Keyring::new(&RootKey::generate(), ReplicaId([1; 16]), DatabaseId([2; 16]));
    let key = keyring.new_data_key(Epoch(1), NOW);
    keyring.add(&key, Epoch(1)).unwrap();
    let place = Place::snapshot(generation());
    let mut group = criterion.benchmark_group("AES-256-GCM");
    group.throughput(Throughput::Bytes(content.len() as u64)).sample_size(20);
    group.bench_function("seal", |bencher| {
        bencher.iter(|| keyring.seal(&place, Epoch(1), &content).unwrap());
    });
    let object = keyring.seal(&place, Epoch(1), &content).unwrap();
    group.bench_function("open", |bencher| {
        bencher.iter_batched(|| object.clone(), |object| keyring.open(&place, object).unwrap(), BatchSize::LargeInput);
    });
    group.finish();
}

fn plans(criterion: &mut Criterion) {
    let sample = Sample::new();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let path = sample.dir.path().join("small.db");
    let app = open(&path);
    app.execute_batch("CREATE TABLE events (id INTEGER PRIMARY KEY, at INTEGER, text TEXT)").unwrap();
    let replica = Replica::plain(Arc::new(MemoryStore::new()));
    let mut group = criterion.benchmark_group("restore");
    for segments in [100, 1_000] {
        runtime.block_on(async {
            let mut options = Options::new(path.clone());
            (options.automatic, options.merge) = (false, None);
            let mut replicator = Replicator::start(options, replica.clone(), Hooks::default()).await.unwrap();
            for _ in 0..segments {
                fill(&app, 1);
                replicator.sync().await.unwrap();
            }
            replicator.shutdown().await.unwrap();
        });
        group.throughput(Throughput::Elements(segments)).measurement_time(Duration::from_secs(10));
        group.bench_function(format!("plan over {segments} segments more"), |bencher| {
            bencher.iter(|| runtime.block_on(restore::plan(&replica, Target::Latest)).unwrap());
        });
    }
    group.finish();
}

criterion_group!(benches, log_and_hash, page_files, sealed, plans);
criterion_main!(benches);
