//! Replicas written by the first release, in every compression: read for ever.
//!
//! Each folder of `tests/golden/format-v1/` is a replica as it lies in a directory store: a snapshot, two segments and
//! a merged segment over both. `state-*.db` are the databases that they must give.
//! `WALOY_WRITE_GOLDEN=1` makes them anew, which is right only before the first release.

use std::fs;
use std::path::PathBuf;

use waloy::compress::{Codec, Compression};
use waloy::format::{self, Kind, Latest, Manifest, Outline, PageFileWriter, PageHasher, ReplicaIds};
use waloy::ids::{Digest, GenerationId, ObjectKind};
use waloy::seal::{ENVELOPE_LEN, Envelope};
use waloy::units::{DbChecksum, PageNo, PageSize};

use super::Pages;
use super::golden_make::make;

pub(super) const SETS: [(&str, Compression); 3] =
    [("none", Compression::None), ("lz4", Compression::Lz4), ("zstd", Compression::Zstd(3))];

pub(super) fn folder() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/golden/format-v1")
}

fn load(set: &str, key: &str) -> Vec<u8> {
    let path = folder().join(set).join(key);
    fs::read(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn state(name: &str) -> Vec<u8> {
    fs::read(folder().join(format!("state-{name}.db"))).unwrap()
}

/// One page file of a golden replica, read to its last byte.
struct Object {
    bytes: Vec<u8>,
    outline: Outline,
    /// Chunk by chunk.
    chunks: Vec<Pages>,
}

impl Object {
    fn load(set: &str, key: &str, kind: Kind, hasher: &PageHasher) -> Object {
        let object = load(set, key);
        let (envelope, bytes) = object.split_at(ENVELOPE_LEN);
        let kind = ObjectKind::from(kind);
        assert_eq!(Envelope::parse(envelope, kind), Ok(Envelope { kind }));
        assert_eq!(envelope, Envelope { kind }.encode());
        let (outline, entries) = format::whole(bytes).unwrap();
        assert_eq!(ObjectKind::from(outline.header.kind), kind);
        let mut chunks = Vec::new();
        for entry in &entries {
            let mut pages = Pages::new();
            let one = std::slice::from_ref(entry);
            format::each_page(bytes, &outline, one, hasher, |page, _, image| {
                pages.insert(page.get(), image.to_vec());
            })
            .unwrap();
            chunks.push(pages);
        }
        Object { bytes: bytes.to_vec(), outline, chunks }
    }

    /// What the database is after this object, by what it was before.
    fn apply(&self, before: &[u8]) -> Vec<u8> {
        let size = self.outline.header.page_size.len();
        let mut after = before.to_vec();
        after.resize(self.outline.summary.pages_after as usize * size, 0);
        for (&page, image) in self.chunks.iter().flatten() {
            if let Some(place) = after.get_mut((page as usize - 1) * size..page as usize * size) {
                place.copy_from_slice(image);
            }
        }
        after
    }

    /// Writes the same page file again.
    fn rewrite(&self, compression: Compression, hasher: &PageHasher) -> (Vec<u8>, Digest) {
        let mut writer = PageFileWriter::new(&self.outline.header, compression).unwrap();
        for chunk in &self.chunks {
            let pages: Vec<_> = chunk
                .iter()
                .map(|(&page, image)| (PageNo::new(page).unwrap(), image))
                .map(|(page, image)| (page, hasher.hash(page, image)))
                .collect();
            writer.add(&pages, &chunk.values().flatten().copied().collect::<Vec<u8>>()).unwrap();
            writer.flush().unwrap();
        }
        let finished = writer.finish(&self.outline.summary).unwrap();
        (finished.bytes, finished.digest)
    }
}

/// The checksum of a database, from its pages.
pub(super) fn checksum(database: &[u8], page_size: PageSize, hasher: &PageHasher) -> DbChecksum {
    let mut sum = DbChecksum::default();
    for (page, image) in (1..).filter_map(PageNo::new).zip(database.chunks_exact(page_size.len())) {
        sum.toggle(hasher.hash(page, image));
    }
    sum
}

#[test]
fn replicas_of_the_first_release_are_read() {
    if std::env::var_os("WALOY_WRITE_GOLDEN").is_some() {
        make();
    }
    for (set, compression) in SETS {
        let ids = ReplicaIds::parse(&load(set, "replica")).unwrap();
        assert_eq!(ids.encode(), load(set, "replica"));
        let hasher = PageHasher::new(&ids.hash_key);
        let latest = Latest::parse(&load(set, "latest")).unwrap();
        assert_eq!(latest.encode(), load(set, "latest"));
        let generation = latest.generation;
        let manifest = Manifest::parse(&load(set, &format!("{generation}/manifest.json"))).unwrap();
        assert_eq!(manifest.encode(), load(set, &format!("{generation}/manifest.json")));

        let object = |key: &str, kind| Object::load(set, &format!("{generation}/{key}"), kind, &hasher);
        let snapshot = object("snapshot", Kind::Snapshot);
        let zero = object("wal/000000000000", Kind::Segment);
        let one = object("wal/000000000001", Kind::Segment);
        let merged = object("wal/000000000000-000000000001", Kind::Merged);

        assert!(snapshot.apply(&[]) == state("snapshot"));
        assert!(zero.apply(&state("snapshot")) == state("0"));
        assert!(one.apply(&state("0")) == state("1"));
        assert!(merged.apply(&state("snapshot")) == state("1"));

        assert_chain(&[&snapshot, &zero, &one], &merged, generation);
        for (object, name) in [(&snapshot, "snapshot"), (&zero, "0"), (&one, "1"), (&merged, "1")] {
            let Outline { header, summary, digest, .. } = &object.outline;
            assert_eq!(summary.checksum_after, checksum(&state(name), header.page_size, &hasher), "{set} {name}");
            assert_eq!(header.codec, compression.codec());
            assert_eq!(header.encode(), object.bytes[..format::HEADER_LEN]);
            // Compressors may change; everything else is written as it was.
            let (bytes, same) = object.rewrite(compression, &hasher);
            assert!(header.codec != Codec::None || (bytes == object.bytes && same == *digest), "{set} {name}");
        }
        assert_manifest(&manifest, &snapshot, &[zero, one]);
    }
}

/// Snapshot and segments follow each other, and the merged one stands for all segments.
fn assert_chain(objects: &[&Object], merged: &Object, generation: GenerationId) {
    for pair in objects.windows(2) {
        let (before, after) = (&pair[0].outline, &pair[1].outline);
        assert_eq!(after.header.predecessor, before.digest);
        assert_eq!(after.header.checksum_before, before.summary.checksum_after);
        assert_eq!(after.header.generation, generation);
        let since = before.summary.transactions_since_snapshot + after.summary.transactions;
        assert_eq!(after.summary.transactions_since_snapshot, since);
    }
    let (snapshot, last) = (&objects[0].outline, &objects[objects.len() - 1].outline);
    assert_eq!(merged.outline.header.predecessor, snapshot.digest);
    assert_eq!(merged.outline.header.checksum_before, snapshot.summary.checksum_after);
    assert_eq!(merged.outline.summary.joins, Some(last.digest));
    assert_eq!(merged.outline.summary.checksum_after, last.summary.checksum_after);
}

fn assert_manifest(manifest: &Manifest, snapshot: &Object, segments: &[Object]) {
    let size = |object: &Object| (object.bytes.len() + ENVELOPE_LEN) as u64;
    assert_eq!(manifest.generation, snapshot.outline.header.generation);
    assert_eq!(manifest.page_size, snapshot.outline.header.page_size);
    assert_eq!(manifest.snapshot.digest, snapshot.outline.digest);
    assert_eq!(manifest.snapshot.bytes, size(snapshot));
    assert_eq!(manifest.snapshot.pages, snapshot.outline.summary.pages_after);
    assert_eq!(manifest.snapshot.checksum, snapshot.outline.summary.checksum_after);
    assert_eq!(manifest.next_index, segments.len() as u64);
    for (listed, segment) in manifest.segments.iter().zip(segments) {
        let Outline { header, summary, digest, .. } = &segment.outline;
        assert_eq!((listed.index, listed.digest, listed.at), (header.first, *digest, summary.last_time));
        assert_eq!((listed.bytes, listed.transactions), (size(segment), summary.transactions));
    }
}
