//! `manifest.json`: what a generation is, for people and as a hint for programs.
//!
//! JSON, one segment a line. It begins with `"format": 1` and ends with the hash of all bytes before, as every JSON
//! object of a replica does. Members that a reader does not know are for it to ignore.

use super::header::time as in_range;
use super::manifest_fields::{checksum, index, page_size, time};
use super::{Error, json};
use crate::ids::{Digest, GenerationId, WriterId};
use crate::units::{DbChecksum, PageSize, SegmentIndex, Timestamp};

const OBJECT: &str = "manifest.json";

/// Why a generation was begun.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
#[non_exhaustive]
pub enum Reason {
    /// There was none before.
    First,
    /// The segments since the snapshot had become larger than it.
    Outweighed,
    /// The snapshot interval was over.
    Interval,
    /// The page size changed.
    PageSize,
    /// Another writer took the generation before.
    Overtaken,
    /// Another database took the place of the one before.
    Replaced,
    /// Somebody asked for it.
    Requested,
    /// The WAL no longer held the place where the replica ended.
    PositionLost,
    /// What was kept beside the database was lost, or did not belong to this replica.
    StateLost,
    /// One that this version does not know; never written.
    #[serde(other)]
    Other,
}

impl Reason {
    /// The word that stands for it in manifests.
    pub const fn name(self) -> &'static str {
        match self {
            Reason::First => "first",
            Reason::Outweighed => "outweighed",
            Reason::Interval => "interval",
            Reason::PageSize => "page_size",
            Reason::Overtaken => "overtaken",
            Reason::Replaced => "replaced",
            Reason::Requested => "requested",
            Reason::PositionLost => "position_lost",
            Reason::StateLost => "state_lost",
            Reason::Other => "other",
        }
    }
}

/// The snapshot of a generation.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct ManifestSnapshot {
    /// The time of its state. RFC 3339, UTC, milliseconds.
    #[serde(with = "time")]
    pub at: Timestamp,
    /// The size of the object in bytes.
    pub bytes: u64,
    /// The digest of its page file.
    pub digest: Digest,
    /// Pages of the database.
    pub pages: u32,
    /// The checksum of the database, 16 hex digits.
    #[serde(with = "checksum")]
    pub checksum: DbChecksum,
}

/// One segment.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct ManifestSegment {
    /// Its index.
    #[serde(with = "index")]
    pub index: SegmentIndex,
    /// The time of its last transaction. RFC 3339, UTC, milliseconds.
    #[serde(with = "time")]
    pub at: Timestamp,
    /// The size of the object in bytes.
    pub bytes: u64,
    /// Transactions in it.
    pub transactions: u64,
    /// The digest of its page file.
    pub digest: Digest,
    /// A time of which no state can be restored; the segment has what changed in it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub unobserved: Option<Unobserved>,
}

/// A time of which no state can be restored: nobody watched the database, or the store was out of reach.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Unobserved {
    /// Its beginning: the last state of before. RFC 3339, UTC, milliseconds.
    #[serde(with = "time")]
    pub from: Timestamp,
    /// Its end. RFC 3339, UTC, milliseconds.
    #[serde(with = "time")]
    pub to: Timestamp,
    /// The store was out of reach, and that is why.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub outage: bool,
}

/// One merged segment.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct ManifestMerged {
    /// Its first index.
    #[serde(with = "index")]
    pub first: SegmentIndex,
    /// Its last index.
    #[serde(with = "index")]
    pub last: SegmentIndex,
    /// How often segments were merged to get it, see [`super::Times`].
    pub level: u8,
    /// The time of its last transaction. RFC 3339, UTC, milliseconds.
    #[serde(with = "time")]
    pub at: Timestamp,
    /// The size of the object in bytes.
    pub bytes: u64,
    /// The digest of its page file.
    pub digest: Digest,
}

/// What a generation is. A hint: listing and chain decide.
#[derive(Clone, PartialEq, Eq, Debug, serde::Serialize, serde::Deserialize)]
pub struct Manifest {
    /// The generation.
    pub generation: GenerationId,
    /// Grows by one each time it is written.
    pub counter: u64,
    /// Why the generation was begun.
    pub reason: Reason,
    /// The generation before, if it is known.
    pub previous: Option<GenerationId>,
    /// Who wrote it.
    pub writer: WriterId,
    /// The page size in bytes.
    #[serde(with = "page_size")]
    pub page_size: PageSize,
    /// The snapshot.
    pub snapshot: ManifestSnapshot,
    /// How many segments there were when this was written: indices 0 to this, exclusive.
    pub next_index: u64,
    /// Merged segments, in order and without overlap: of one that stands for others, those are not listed. The newest
    /// ones, at most [`Manifest::MERGED`].
    #[serde(default)]
    pub merged: Vec<ManifestMerged>,
    /// The newest segments, in order of their indices; at most [`Manifest::LISTED`].
    pub segments: Vec<ManifestSegment>,
}

impl Manifest {
    /// How many segments are listed at most.
    pub const LISTED: usize = 1024;

    /// How many merged segments are listed at most: of hours, twelve weeks.
    pub const MERGED: usize = 2048;

    /// The longest that the object may be.
    pub const LEN: usize = 1024 * 1024;

    /// Adds a segment, the one at [`Manifest::next_index`]; of many, the oldest is no longer listed.
    pub fn push(&mut self, segment: ManifestSegment) {
        self.next_index = segment.index.get() + 1;
        self.segments.push(segment);
        let surplus = self.segments.len().saturating_sub(Manifest::LISTED);
        self.segments.drain(..surplus);
    }

    /// Adds a merged segment, in the place of those that it stands for; of many, the oldest is no longer listed.
    ///
    /// One that overlaps others without standing for them is passed over.
    pub fn merge(&mut self, merged: ManifestMerged) {
        let within = |other: &ManifestMerged| merged.first <= other.first && other.last <= merged.last;
        let apart = |other: &ManifestMerged| other.last < merged.first || merged.last < other.first;
        if merged.last.get() >= self.next_index || !self.merged.iter().all(|other| within(other) || apart(other)) {
            return;
        }
        self.merged.retain(apart);
        let place = self.merged.partition_point(|other| other.first < merged.first);
        self.merged.insert(place, merged);
        let surplus = self.merged.len().saturating_sub(Manifest::MERGED);
        self.merged.drain(..surplus);
    }

    /// The bytes.
    ///
    /// # Panics
    ///
    /// If [`Manifest::parse`] would refuse them.
    pub fn encode(&self) -> Vec<u8> {
        assert_eq!(self.check(), Ok(()), "a manifest keeps its own rules");
        let mut text = format!("{{\n  \"format\": {},\n", json::FORMAT);
        text += &format!("  \"generation\": {},\n", line(&self.generation));
        text += &format!("  \"counter\": {},\n", self.counter);
        text += &format!("  \"reason\": {},\n", line(&self.reason));
        text += &format!("  \"previous\": {},\n", line(&self.previous));
        text += &format!("  \"writer\": {},\n", line(&self.writer));
        text += &format!("  \"page_size\": {},\n", self.page_size);
        text += &format!("  \"snapshot\": {},\n", line(&self.snapshot));
        text += &format!("  \"next_index\": {},\n", self.next_index);
        if !self.merged.is_empty() {
            let merged: Vec<String> = self.merged.iter().map(|merged| format!("\n    {}", line(merged))).collect();
            text += &format!("  \"merged\": [{}\n  ],\n", merged.join(","));
        }
        let segments: Vec<String> = self.segments.iter().map(|segment| format!("\n    {}", line(segment))).collect();
        text += &format!("  \"segments\": [{}\n  ],\n  ", segments.join(","));
        json::end(text)
    }

    /// Reads and checks it.
    ///
    /// # Errors
    ///
    /// If it is longer than [`Manifest::LEN`], does not end with its hash, or a value is out of range.
    pub fn parse(bytes: &[u8]) -> Result<Manifest, Error> {
        if bytes.len() > Manifest::LEN {
            return Err(Error::Range { what: "length of a manifest", value: bytes.len() as i128 });
        }
        let manifest: Manifest = json::parse(OBJECT, bytes)?;
        manifest.check()?;
        Ok(manifest)
    }

    fn check(&self) -> Result<(), Error> {
        let contradiction = |rule| Err(Error::Contradiction(rule));
        if self.segments.len() > Manifest::LISTED {
            return Err(Error::Range { what: "number of segments listed", value: self.segments.len() as i128 });
        }
        if self.merged.len() > Manifest::MERGED {
            return Err(Error::Range { what: "number of merged segments listed", value: self.merged.len() as i128 });
        }
        if self.merged.iter().any(|merged| merged.first > merged.last || merged.last.get() >= self.next_index)
            || self.merged.windows(2).any(|pair| pair[0].last >= pair[1].first)
        {
            return contradiction("merged segments that are not in order");
        }
        if self.next_index > SegmentIndex::MAX.get() + 1 {
            return Err(Error::Range { what: "index of a segment", value: self.next_index.into() });
        }
        if self.segments.windows(2).any(|pair| pair[0].index >= pair[1].index) {
            return contradiction("segments that are not in order");
        }
        if self.segments.last().is_some_and(|last| last.index.get() >= self.next_index) {
            return contradiction("a segment at or beyond the next index");
        }
        std::iter::once(self.snapshot.at)
            .chain(self.merged.iter().map(|merged| merged.at))
            .chain(self.segments.iter().map(|segment| segment.at))
            .try_for_each(in_range)?;
        if self.snapshot.pages == 0 {
            return contradiction("a database without pages");
        }
        Ok(())
    }
}

/// A value as JSON in one line.
fn line(value: &impl serde::Serialize) -> String {
    let mut bytes = Vec::new();
    let mut serializer = serde_json::Serializer::with_formatter(&mut bytes, Spaced);
    value.serialize(&mut serializer).expect("ids, numbers and times are all written");
    String::from_utf8(bytes).expect("JSON is UTF-8")
}

/// One line, with a space after every comma and colon.
struct Spaced;

impl serde_json::ser::Formatter for Spaced {
    fn begin_object_key<W: std::io::Write + ?Sized>(&mut self, writer: &mut W, first: bool) -> std::io::Result<()> {
        if first { Ok(()) } else { writer.write_all(b", ") }
    }

    fn begin_object_value<W: std::io::Write + ?Sized>(&mut self, writer: &mut W) -> std::io::Result<()> {
        writer.write_all(b": ")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn segment(index: u64) -> ManifestSegment {
        ManifestSegment {
            index: SegmentIndex::new(index).unwrap(),
            at: Timestamp(1_795_341_600_123 + index as i64),
            bytes: 4096 + index,
            transactions: 3,
            digest: Digest([9; 32]),
            unobserved: None,
        }
    }

    fn manifest(segments: u64) -> Manifest {
        Manifest {
            generation: GenerationId::new(Timestamp(1_795_341_600_000), [7; 10]),
            counter: 2,
            reason: Reason::First,
            previous: None,
            writer: WriterId([4; 16]),
            page_size: PageSize::new(4096).unwrap(),
            snapshot: ManifestSnapshot {
                at: Timestamp(1_795_341_600_000),
                bytes: 123_456,
                digest: Digest([8; 32]),
                pages: 77,
                checksum: DbChecksum(0xabc),
            },
            next_index: segments,
            merged: Vec::new(),
            segments: (segments.saturating_sub(Manifest::LISTED as u64)..segments).map(segment).collect(),
        }
    }

    #[test]
    fn a_manifest_round_trips_and_a_person_can_read_it() {
        for segments in [0, 1, 2, 5000] {
            let written = manifest(segments);
            let bytes = written.encode();
            assert_eq!(Manifest::parse(&bytes), Ok(written));
        }
        let text = String::from_utf8(manifest(2).encode()).unwrap();
        assert!(text.starts_with("{\n  \"format\": 1,\n  \"generation\": \"01"), "{text}");
        assert!(
            text.contains("\n    {\"index\": 1, \"at\": \"2026-11-22T10:00:00.124Z\", \"bytes\": 4097, "),
            "{text}"
        );
        assert!(text.contains("\"checksum\": \"0000000000000abc\""), "{text}");
        assert_eq!(text.lines().count(), 15);
        let json: serde_json::Value = serde_json::from_str(&text).unwrap();
        assert_eq!(json["segments"][1]["index"], 1);
    }

    #[test]
    fn a_time_without_states_says_why_and_an_outage_is_told_only_where_it_was_one() {
        let mut written = manifest(2);
        let (from, to) = (Timestamp(1_795_341_600_000), Timestamp(1_795_341_601_000));
        written.segments[0].unobserved = Some(Unobserved { from, to, outage: false });
        written.segments[1].unobserved = Some(Unobserved { from, to, outage: true });
        let bytes = written.encode();
        assert_eq!(Manifest::parse(&bytes), Ok(written));
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("\"to\": \"2026-11-22T10:00:01.000Z\"}"), "as before it was told: {text}");
        assert!(text.contains("\"to\": \"2026-11-22T10:00:01.000Z\", \"outage\": true}"), "{text}");
    }

    #[test]
    fn a_merged_segment_takes_the_place_of_those_that_it_stands_for() {
        let merged = |first: u64, last: u64| ManifestMerged {
            first: SegmentIndex::new(first).unwrap(),
            last: SegmentIndex::new(last).unwrap(),
            level: 1,
            at: Timestamp(1_795_341_600_123 + last as i64),
            bytes: 9,
            digest: Digest([7; 32]),
        };
        let mut written = manifest(100);
        let listed = |manifest: &Manifest| -> Vec<(u64, u64)> {
            manifest.merged.iter().map(|merged| (merged.first.get(), merged.last.get())).collect()
        };
        for (first, last) in [(0, 9), (20, 29), (10, 19), (5, 25), (90, 100)] {
            written.merge(merged(first, last));
        }
        assert_eq!(listed(&written), [(0, 9), (10, 19), (20, 29)], "what overlaps or is beyond is not listed");
        written.merge(merged(0, 29));
        assert_eq!(listed(&written), [(0, 29)]);
        let bytes = written.encode();
        assert_eq!(Manifest::parse(&bytes), Ok(written.clone()));
        let text = String::from_utf8(bytes).unwrap();
        assert!(text.contains("\n  \"merged\": [\n    {\"first\": 0, \"last\": 29, \"level\": 1, "), "{text}");
        written.next_index = 10_000;
        for at in 100..9000 {
            written.merge(merged(at, at));
        }
        assert_eq!((written.merged.len(), written.merged[0].first.get()), (Manifest::MERGED, 9000 - 2048));
        assert!(written.encode().len() < Manifest::LEN / 2);
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let bytes = manifest(3).encode();
        for at in 0..bytes.len() {
            for mask in [1, 0x20, 0x80] {
                let mut changed = bytes.clone();
                changed[at] ^= mask;
                assert!(Manifest::parse(&changed).is_err(), "byte {at}");
            }
            assert!(Manifest::parse(&bytes[..at]).is_err(), "cut at {at}");
        }
    }

    #[test]
    fn values_out_of_range_are_refused_though_the_hash_is_right() {
        let good = String::from_utf8(manifest(3).encode()).unwrap();
        let content = &good[..good.len() - 77];
        let with = |from: &str, to: &str| {
            assert!(content.contains(from), "{from}");
            Manifest::parse(&json::end(content.replacen(from, to, 1)))
        };
        assert!(with("counter", "counter").is_ok());
        assert!(with("{", "{ \"later\": [{}],").is_ok(), "members not known are ignored");
        assert!(with("\"index\": 1,", "\"index\": 2,").is_err());
        assert!(with("\"next_index\": 3", "\"next_index\": 2").is_err());
        assert!(with("\"next_index\": 3", "\"next_index\": 1000000000001").is_err());
        assert!(with("\"page_size\": 4096", "\"page_size\": 4095").is_err());
        assert!(with("\"pages\": 77", "\"pages\": 0").is_err());
        assert!(with("10:00:00.123Z", "10:00:00.1Z").is_err());
        assert!(with("10:00:00.123Z", "11:00:00.123+01:00").is_err());
        assert!(with("0000000000000abc", "0000000000000ABC").is_err());
        assert_eq!(with("\"reason\": \"first\"", "\"reason\": \"whim\"").map(|read| read.reason), Ok(Reason::Other));
        assert_eq!(
            with("\"format\": 1", "\"format\": 9"),
            Err(Error::JsonFormat { object: "manifest.json", format: 9 })
        );
        let long = content.to_owned() + &" ".repeat(Manifest::LEN);
        assert!(matches!(Manifest::parse(&json::end(long)), Err(Error::Range { .. })));
    }

    #[test]
    fn reasons_are_written_in_lower_case_with_underscores() {
        let text: Vec<String> = [Reason::Outweighed, Reason::PageSize, Reason::PositionLost].iter().map(line).collect();
        assert_eq!(text, ["\"outweighed\"", "\"page_size\"", "\"position_lost\""]);
        for reason in [Reason::First, Reason::Overtaken, Reason::Replaced, Reason::StateLost, Reason::Other] {
            assert_eq!(line(&reason), format!("\"{}\"", reason.name()));
        }
    }
}
