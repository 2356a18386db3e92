//! What the replica holds for certain, and where in the WAL that is.

use std::path::Path;

use serde::{Deserialize, Serialize};

use super::{Error, Intent, StateDir};
use crate::format::{Summary, WalMark};
use crate::ids::{DatabaseId, Digest, GenerationId, ReplicaId, WriterId};
use crate::planted;
use crate::units::{FrameNo, SegmentIndex, Timestamp};
use crate::wal::{Checksum, Position};

const NAME: &str = "position.json";

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
        let (kept, newest) = (dir.read(KEPT)?, dir.read(NAME)?);
        Ok(Acknowledged::newer(kept, newest))
    }

    /// The same without the lock, for those who only look.
    pub fn read(state_dir: &Path) -> Option<Acknowledged> {
        let read = |name| std::fs::read(state_dir.join(name)).ok();
        Acknowledged::newer(read(KEPT), read(NAME))
    }

    /// The one with more objects; if both have as many, the second.
    fn newer(kept: Option<Vec<u8>>, newest: Option<Vec<u8>>) -> Option<Acknowledged> {
        let parse = |bytes: Vec<u8>| match serde_json::from_slice::<Acknowledged>(&bytes) {
            Ok(position) if position.format == 1 => Some(position),
            Ok(position) => {
                tracing::warn!(format = position.format, "the kept position is of another version");
                None
            }
            Err(error) => {
                tracing::warn!(%error, "the kept position cannot be read");
                None
            }
        };
        [kept, newest].into_iter().flatten().filter_map(parse).max_by_key(Acknowledged::place)
    }

    /// Keeps it: for the life of the machine, not beyond a power loss; the store and the WAL tell then.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn save(&self, dir: &StateDir) -> Result<(), Error> {
        dir.replace(NAME, &[&self.text()], false)
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
        let mut text = serde_json::to_vec_pretty(self).expect("plain fields become JSON");
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
