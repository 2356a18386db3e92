//! How the golden replicas were made: from a database of real SQLite, with what is rare in them on purpose.

use std::fs;
use std::path::Path;

use rusqlite::Connection;
use waloy::compress::Compression;
use waloy::format::{
    Finished, Flags, Header, Kind, Latest, Manifest, ManifestSegment, ManifestSnapshot, PageFileWriter, PageHasher,
    Reason, ReplicaIds, Summary, WalMark,
};
use waloy::ids::{DatabaseId, Digest, GenerationId, HashKey, ReplicaId, WriterId};
use waloy::seal::{ENVELOPE_LEN, Envelope};
use waloy::units::{DbChecksum, PageNo, PageSize, SegmentIndex, Timestamp};

use super::golden::{SETS, checksum, folder};

const PAGE_SIZE: usize = 512;
const BEGAN: i64 = 1_795_341_600_000;

/// When the first transaction of a segment was.
fn time(index: u64) -> Timestamp {
    Timestamp(BEGAN + 1000 * (index as i64 + 1))
}

/// Three states of a database: at first, longer by some pages, shorter again.
fn states() -> [Vec<u8>; 3] {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("golden.db");
    let app = Connection::open(&path).unwrap();
    app.execute_batch(
        "PRAGMA page_size = 512; PRAGMA journal_mode = WAL; CREATE TABLE t(id INTEGER PRIMARY KEY, x TEXT);
         WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 40)
         INSERT INTO t SELECT i, 'row ' || i || ', before the first segment' FROM n;",
    )
    .unwrap();
    [
        "",
        "INSERT INTO t(x) VALUES ('one more'); UPDATE t SET x = 'changed' WHERE id = 7;
         INSERT INTO t(x) SELECT x || ' and again' FROM t;",
        "DELETE FROM t WHERE id > 20; VACUUM;",
    ]
    .map(|sql| {
        app.execute_batch(sql).unwrap();
        app.query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |_| Ok(())).unwrap();
        fs::read(&path).unwrap()
    })
}

/// The pages of `after` that are not the same in `before`, with their numbers.
fn changed<'a>(before: &[u8], after: &'a [u8]) -> Vec<(u32, &'a [u8])> {
    let old = before.chunks(PAGE_SIZE).map(Some).chain(std::iter::repeat(None));
    let all = (1..).zip(after.chunks(PAGE_SIZE).zip(old));
    all.filter(|(_, (new, old))| Some(*new) != *old).map(|(page, (new, _))| (page, new)).collect()
}

/// One replica under way.
struct Maker {
    compression: Compression,
    hasher: PageHasher,
    generation: GenerationId,
    folder: std::path::PathBuf,
}

impl Maker {
    fn header(&self, kind: Kind, before: DbChecksum, predecessor: Digest, first: u64) -> Header {
        Header {
            kind,
            codec: self.compression.codec(),
            page_size: PageSize::new(PAGE_SIZE as u32).unwrap(),
            generation: self.generation,
            first: SegmentIndex::new(first).unwrap(),
            first_time: if kind == Kind::Snapshot { Timestamp(BEGAN) } else { time(first) },
            checksum_before: before,
            predecessor,
            writer: WriterId([0x17; 16]),
            previous: None,
        }
    }

    fn summary(&self, state: &[u8], last: u64, transactions: u64, since: u64) -> Summary {
        Summary {
            flags: Flags::default(),
            pages_after: (state.len() / PAGE_SIZE) as u32,
            last: SegmentIndex::new(last).unwrap(),
            last_time: Timestamp(time(last).0 + 50),
            unobserved: None,
            transactions,
            transactions_since_snapshot: since,
            wal_bytes: transactions * 5360,
            checksum_after: checksum(state, PageSize::new(PAGE_SIZE as u32).unwrap(), &self.hasher),
            wal: WalMark { header: std::array::from_fn(|i| i as u8 + 1), frame: since as u32 * 10, checksum: [21, 22] },
            joins: None,
        }
    }

    fn put(&self, key: &str, bytes: &[u8]) {
        let path = self.folder.join(key);
        fs::create_dir_all(path.parent().unwrap_or(Path::new("."))).unwrap();
        fs::write(path, bytes).unwrap();
    }

    /// Writes a page file with a flush after each round.
    fn page_file(&self, key: &str, header: &Header, rounds: &[Vec<(u32, &[u8])>], summary: &Summary) -> Finished {
        let mut writer = PageFileWriter::new(header, self.compression).unwrap();
        for round in rounds {
            for &(page, image) in round {
                let page = PageNo::new(page).unwrap();
                writer.add(&[(page, self.hasher.hash(page, image))], image).unwrap();
            }
            writer.flush().unwrap();
        }
        let finished = writer.finish(summary).unwrap();
        let envelope = Envelope { kind: header.kind.into() }.encode();
        self.put(&format!("{}/{key}", self.generation), &[&envelope[..], &finished.bytes].concat());
        finished
    }
}

pub(super) fn make() {
    let states = states();
    fs::create_dir_all(folder()).unwrap();
    for (name, state) in ["snapshot", "0", "1"].iter().zip(&states) {
        fs::write(folder().join(format!("state-{name}.db")), state).unwrap();
    }
    for (set, compression) in SETS {
        make_set(set, compression, &states);
    }
}

fn make_set(set: &str, compression: Compression, states: &[Vec<u8>; 3]) {
    let ids = ReplicaIds {
        replica: ReplicaId([0xa1; 16]),
        database: DatabaseId([0xa2; 16]),
        hash_key: HashKey(std::array::from_fn(|i| i as u8 * 7)),
    };
    let maker = Maker {
        compression,
        hasher: PageHasher::new(&ids.hash_key),
        generation: GenerationId::new(Timestamp(BEGAN), [0x1d; 10]),
        folder: folder().join(set),
    };

    // A snapshot whose second page changed while it was read, and whose last page was cut off meanwhile.
    let [at_first, longer, shorter] = states;
    let mut all = changed(&[], at_first);
    let second = std::mem::replace(&mut all[1].1, &[0xee; PAGE_SIZE]);
    all.push((all.len() as u32 + 1, &[0xdd; PAGE_SIZE]));
    let mut snapshot_summary = maker.summary(at_first, 0, 0, 0);
    snapshot_summary.wal = WalMark::default();
    snapshot_summary.last_time = Timestamp(BEGAN + 700);
    let header = maker.header(Kind::Snapshot, DbChecksum::default(), Digest::NONE, 0);
    let snapshot = maker.page_file("snapshot", &header, &[all, vec![(2, second)]], &snapshot_summary);

    let before = snapshot_summary.checksum_after;
    let header = maker.header(Kind::Segment, before, snapshot.digest, 0);
    let zero_summary = maker.summary(longer, 0, 3, 3);
    let zero = maker.page_file("wal/000000000000", &header, &[changed(at_first, longer)], &zero_summary);

    // A segment that a later waloy could make: found by comparing, nobody watching.
    let header = maker.header(Kind::Segment, zero_summary.checksum_after, zero.digest, 1);
    let mut one_summary = maker.summary(shorter, 1, 2, 5);
    one_summary.flags.catch_up = true;
    one_summary.unobserved = Some((zero_summary.last_time, one_summary.last_time));
    let one = maker.page_file("wal/000000000001", &header, &[changed(longer, shorter)], &one_summary);

    let header = maker.header(Kind::Merged, before, snapshot.digest, 0);
    let merged_summary = Summary { transactions: 5, joins: Some(one.digest), ..one_summary.clone() };
    maker.page_file("wal/000000000000-000000000001", &header, &[changed(at_first, shorter)], &merged_summary);

    let segment = |finished: &Finished, summary: &Summary| ManifestSegment {
        index: summary.last,
        at: summary.last_time,
        bytes: finished.len + ENVELOPE_LEN as u64,
        transactions: summary.transactions,
        digest: finished.digest,
        unobserved: None,
    };
    let manifest = Manifest {
        generation: maker.generation,
        counter: 3,
        reason: Reason::First,
        previous: None,
        writer: WriterId([0x17; 16]),
        page_size: PageSize::new(PAGE_SIZE as u32).unwrap(),
        snapshot: ManifestSnapshot {
            at: snapshot_summary.last_time,
            bytes: snapshot.len + ENVELOPE_LEN as u64,
            digest: snapshot.digest,
            pages: snapshot_summary.pages_after,
            checksum: snapshot_summary.checksum_after,
        },
        next_index: 2,
        merged: Vec::new(),
        segments: vec![segment(&zero, &zero_summary), segment(&one, &one_summary)],
    };
    maker.put(&format!("{}/manifest.json", maker.generation), &manifest.encode());
    maker.put("replica", &ids.encode());
    maker.put("latest", &Latest { generation: maker.generation, counter: 1 }.encode());
}
