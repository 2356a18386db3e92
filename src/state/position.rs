//! What the replica holds for certain, and where in the WAL that is.

use std::path::Path;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::{Error, Intent, StateDir};
use crate::format::{Summary, WalMark};
use crate::ids::{DatabaseId, Digest, GenerationId, ReplicaId, WriterId};
use crate::planted;
use crate::units::{FrameNo, SegmentIndex, Timestamp};
use crate::wal::{Checksum, Position};

/// Written over in its place: a file for each upload that takes another's name costs the file system of the application
/// more than what is in it. So it says a checksum of itself, and its length is a multiple of [`ROOM`], spaces at its end.
const NAME: &str = "position.json";

/// Bytes that the file is long, or a multiple: nearly none is ever longer.
const ROOM: usize = 2048;

/// How often it is read, and after what time again, where somebody may be writing it.
const READS: u32 = 5;
const AGAIN: Duration = Duration::from_millis(1);

/// The same as it was when the generation began, or the replicator was started: durable. Each upload would otherwise cost
/// the disk of the application one more sync; and a machine that has lost power has to know at least whose replica it is.
const KEPT: &str = "position-kept.json";

/// Segments of less than this many bytes never outweigh a snapshot, however small the database is.
const OUTWEIGHS_AT_LEAST: u64 = 1 << 20;

/// The newest object that the store has acknowledged.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub struct Acknowledged {
    /// The format of this file: 1.
    pub format: u32,
    /// Where the replica is, for people and to notice another destination.
    pub destination: String,
    /// The replica.
    pub replica: ReplicaId,
    /// The database.
    pub database: DatabaseId,
    /// This state directory.
    pub writer: WriterId,
    /// The generation.
    pub generation: GenerationId,
    /// The newest segment; `None` if there is only the snapshot.
    pub index: Option<u64>,
    /// The digest of that segment, or of the snapshot.
    pub digest: Digest,
    /// Its time, in milliseconds since 1970.
    pub at_ms: i64,
    /// Transactions since the snapshot.
    pub transactions: u64,
    /// The pages of the database.
    pub pages: u32,
    /// The size of a page in bytes.
    pub page_size: u32,
    /// The checksum of the database, 16 hex digits.
    pub checksum: String,
    /// When the snapshot was taken, in milliseconds since 1970.
    pub snapshot_at_ms: i64,
    /// The size of the snapshot in the store, in bytes.
    pub snapshot_bytes: u64,
    /// The size of all segments since, in bytes.
    pub segment_bytes: u64,
    /// Pages in the segments since: of one that is in several, each time.
    #[serde(default)]
    pub segment_pages: u64,
    /// Where in the WAL this state was reached.
    pub wal: WalPlace,
    /// It was found there, and nothing was added since: its newest object may be of another writer.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub is_found: bool,
}

/// How a file begins, before the sum: CRC-32C in eight hex digits of what comes behind it, up to the end of the object. What
/// begins otherwise people have written.
const BEGIN: &[u8] = b"{\n  \"crc32c\": \"";

/// The position in a file, or why there is none; `None` if the file is empty. Behind it may be what is left of a longer one.
fn parse(bytes: &[u8]) -> Option<Result<Acknowledged, String>> {
    let parsed = || {
        let mut values = serde_json::Deserializer::from_slice(bytes).into_iter::<Acknowledged>();
        let position = values.next().ok_or("there is nothing in it")?.map_err(|error| error.to_string())?;
        let text = &bytes[..values.byte_offset()];
        let is_whole = |rest: &[u8]| rest.split_at_checked(8).is_some_and(|(sum, rest)| sum == sum_of(rest).as_bytes());
        match text.strip_prefix(BEGIN) {
            _ if position.format != 1 => Err(format!("it is of another version, {}", position.format)),
            Some(rest) if !is_whole(rest) => Err("it is a mixture of two".to_owned()),
            _ => Ok(position),
        }
    };
    (!bytes.is_empty()).then(parsed)
}

fn sum_of(bytes: &[u8]) -> String {
    format!("{:08x}", crc32c::crc32c(bytes))
}

/// A place in the WAL as it is kept: JSON knows no arrays of 32 bytes, and people read hex.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct WalPlace {
    /// The 32 header bytes in hex.
    pub header: String,
    /// The frame.
    pub frame: u32,
    /// The running checksum.
    pub checksum: [u32; 2],
}

impl WalPlace {
    /// The place as the WAL reader knows it; `None` if it is not one.
    pub fn position(&self) -> Option<Position> {
        let header = self.header.parse::<Digest>().ok()?.0;
        Some(Position { header, frame: FrameNo(self.frame), checksum: Checksum(self.checksum[0], self.checksum[1]) })
    }
}

impl From<WalMark> for WalPlace {
    fn from(mark: WalMark) -> WalPlace {
        WalPlace { header: Digest(mark.header).to_string(), frame: mark.frame, checksum: mark.checksum }
    }
}

impl Acknowledged {
    /// What was kept; `None` if there is nothing, or nothing that can be read: both mean a new start.
    ///
    /// After a power loss it may be what [`Acknowledged::save_durably`] kept, of some time ago.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn load(dir: &StateDir) -> Result<Option<Acknowledged>, Error> {
        Ok(Acknowledged::newer([dir.read(KEPT)?, dir.read(NAME)?].map(|bytes| parse(&bytes?))))
    }

    /// The same without the lock, for those who only look.
    pub fn read(state_dir: &Path) -> Option<Acknowledged> {
        let read = |name| parse(&std::fs::read(state_dir.join(name)).ok()?);
        let mut newest = read(NAME);
        for _ in 1..READS {
            if !matches!(newest, Some(Err(_))) {
                break;
            }
            std::thread::sleep(AGAIN);
            newest = read(NAME);
        }
        Acknowledged::newer([read(KEPT), newest])
    }

    /// The one with more objects. If both have as many, one that knows no place in the log: that it was forgotten may be
    /// durable in one file only. Else the second.
    fn newer(found: [Option<Result<Acknowledged, String>>; 2]) -> Option<Acknowledged> {
        let readable = |found: Result<Acknowledged, String>| {
            found.inspect_err(|error| tracing::warn!(error, "the kept position cannot be read")).ok()
        };
        found
            .into_iter()
            .flatten()
            .filter_map(readable)
            .max_by_key(|known| (known.place(), known.wal.header.is_empty()))
    }

    /// Keeps it: for the life of the machine, not beyond a power loss; the store and the WAL tell then.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn save(&self, dir: &StateDir) -> Result<(), Error> {
        dir.write_over(NAME, &self.text())
    }

    /// The same, also beyond a power loss, until something newer is kept so. When this returns, it is durable.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn save_durably(&self, dir: &StateDir) -> Result<(), Error> {
        if !planted::is("the position is not kept beyond a loss of power") {
            dir.replace(KEPT, &[&self.text()], true)?;
        }
        self.save(dir)
    }

    fn text(&self) -> Vec<u8> {
        let fields = serde_json::to_vec_pretty(self).expect("plain fields become JSON");
        let rest = [b"\",", &fields[1..]].concat();
        let mut text = [BEGIN, sum_of(&rest).as_bytes(), &rest].concat();
        text.resize((text.len() + 1).next_multiple_of(ROOM) - 1, b' ');
        text.push(b'\n');
        text
    }

    /// Forgets it, after what was under way to come behind it, which would be taken for the first object of another
    /// replica. When this returns, that is durable: what came back after a loss of power would stand against the replica that was begun since.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn forget(dir: &StateDir) -> Result<(), Error> {
        Intent::forget(dir)?;
        dir.sync()?;
        dir.remove(NAME)?;
        dir.remove(KEPT)?;
        dir.sync()
    }

    /// Forgets where in the WAL capture could be gone on with: the next start compares every page. When this returns, that
    /// is durable.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn forget_place(dir: &StateDir) -> Result<(), Error> {
        let Some(mut known) = Acknowledged::load(dir)? else { return Ok(()) };
        known.wal.header.clear();
        known.save_durably(dir)
    }

    /// The same replica after one more segment, of so many pages, and of so many bytes in the store.
    #[must_use]
    pub fn followed_by(&self, summary: &Summary, digest: Digest, pages: u64, stored_bytes: u64) -> Acknowledged {
        Acknowledged {
            index: Some(summary.last.get()),
            digest,
            at_ms: summary.last_time.0,
            transactions: summary.transactions_since_snapshot,
            pages: summary.pages_after,
            checksum: summary.checksum_after.to_string(),
            segment_bytes: self.segment_bytes + stored_bytes,
            segment_pages: self.segment_pages + pages,
            wal: WalPlace::from(summary.wal),
            is_found: false,
            ..self.clone()
        }
    }

    /// The place of the next segment.
    pub fn next_index(&self) -> Option<SegmentIndex> {
        match self.index {
            None => Some(SegmentIndex::ZERO),
            Some(index) => SegmentIndex::new(index)?.next(),
        }
    }

    /// The place of the newest object: the generation, and the index of a segment.
    pub fn place(&self) -> (GenerationId, Option<u64>) {
        (self.generation, self.index)
    }

    /// When the newest object was taken.
    pub fn at(&self) -> Timestamp {
        Timestamp(self.at_ms)
    }

    /// The objects of the generation so far: the snapshot and the segments.
    pub fn objects(&self) -> u64 {
        self.index.map_or(1, |index| index + 2)
    }

    /// Whether the segments since the snapshot outweigh it, so that a restore would read more of them than of it. Of a
    /// database that has grown since, a snapshot would be larger now: they must have half as many pages again as it has.
    pub fn is_outweighed(&self) -> bool {
        self.segment_bytes > self.snapshot_bytes.max(OUTWEIGHS_AT_LEAST)
            && self.segment_pages > u64::from(self.pages) * 3 / 2
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn position(index: u64) -> Acknowledged {
        Acknowledged {
            format: 1,
            destination: "s3://bucket/app".into(),
            replica: ReplicaId([1; 16]),
            database: DatabaseId([2; 16]),
            writer: WriterId([3; 16]),
            generation: GenerationId::new(Timestamp(1), [7; 10]),
            index: Some(index),
            digest: Digest([index as u8; 32]),
            at_ms: 1_800_000_000_000 + index as i64,
            transactions: index,
            pages: 10,
            page_size: 4096,
            checksum: format!("{index:016x}"),
            snapshot_at_ms: 1_800_000_000_000,
            snapshot_bytes: 4096,
            segment_bytes: 100 * index,
            segment_pages: index,
            wal: WalPlace::default(),
            is_found: false,
        }
    }

    #[test]
    fn a_position_comes_back_or_the_one_that_was_durable() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = StateDir::lock(temporary.path(), Timestamp(0)).unwrap();
        let load = || Acknowledged::load(&dir).unwrap();
        assert_eq!(load(), None);
        position(1).save_durably(&dir).unwrap();
        position(98).save(&dir).unwrap();
        let before = std::fs::read(dir.file(NAME)).unwrap();
        position(99).save(&dir).unwrap();
        let after = std::fs::read(dir.file(NAME)).unwrap();
        assert_eq!((load(), after.len()), (Some(position(99)), ROOM));
        assert_eq!(Acknowledged::read(temporary.path()), Some(position(99)));
        // Any mixture of the two is one of them, or none.
        for cut in 0..ROOM {
            std::fs::write(dir.file(NAME), [&after[..cut], &before[cut..]].concat()).unwrap();
            let expected = [position(1), position(98), position(99)];
            let loaded = load().unwrap();
            assert!(expected.contains(&loaded), "{loaded:?}");
            assert!(loaded == expected[0] || std::fs::read(dir.file(NAME)).unwrap() == loaded.text(), "cut at {cut}");
        }
        for nothing in [&b""[..], b"{", &[b' '; 100]] {
            std::fs::write(dir.file(NAME), nothing).unwrap();
            assert_eq!(load(), Some(position(1)));
            assert_eq!(Acknowledged::read(temporary.path()), Some(position(1)));
        }
    }

    /// Else pages that something else than SQLite had written would never have been compared.
    #[test]
    fn a_place_in_the_log_that_was_forgotten_stays_so_when_the_power_is_lost() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = StateDir::lock(temporary.path(), Timestamp(0)).unwrap();
        let wal = WalPlace { header: "aa".repeat(32), frame: 7, checksum: [1, 2] };
        let known = Acknowledged { wal, ..position(5) };
        known.save_durably(&dir).unwrap();
        let before = std::fs::read(dir.file(NAME)).unwrap();
        Acknowledged::forget_place(&dir).unwrap();
        std::fs::write(dir.file(NAME), before).unwrap();
        let loaded = Acknowledged::load(&dir).unwrap().unwrap();
        assert_eq!((loaded.index, loaded.wal.position()), (Some(5), None));
        let next = Acknowledged { index: Some(6), ..known };
        next.save(&dir).unwrap();
        assert_eq!(Acknowledged::load(&dir).unwrap(), Some(next));
    }

    #[test]
    fn a_longer_position_and_one_that_somebody_wrote_are_read() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = StateDir::lock(temporary.path(), Timestamp(0)).unwrap();
        let long = Acknowledged { destination: "x".repeat(3000), ..position(1) };
        long.save(&dir).unwrap();
        assert_eq!(Acknowledged::load(&dir).unwrap(), Some(long));
        position(2).save(&dir).unwrap();
        assert_eq!(Acknowledged::load(&dir).unwrap(), Some(position(2)));
        std::fs::write(dir.file(NAME), serde_json::to_vec(&position(3)).unwrap()).unwrap();
        assert_eq!(Acknowledged::load(&dir).unwrap(), Some(position(3)));
    }
}
