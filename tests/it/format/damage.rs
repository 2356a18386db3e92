//! Bytes that no writer made: every one of them is refused, and none does harm.

use waloy::compress::{self, Codec, Compression, Decompressor};
use waloy::format::{self, Error, Kind, Outline};
use waloy::units::PageNo;

use super::sample::{Sample, read};
use super::sign::sign;

/// One of each compression, each with two rounds, under 8 KiB.
fn small() -> Vec<Vec<u8>> {
    [(Kind::Snapshot, Compression::None), (Kind::Merged, Compression::Lz4), (Kind::Segment, Compression::Zstd(3))]
        .into_iter()
        .map(|(kind, compression)| {
            let mut sample = Sample::new(kind, 512, compression, 1..=8);
            sample.rounds.push(vec![2, 5]);
            let bytes = sample.write();
            assert!(bytes.len() < 8192, "{}", bytes.len());
            bytes
        })
        .collect()
}

#[test]
fn a_changed_byte_is_noticed_wherever_it_is() {
    for bytes in small() {
        assert!(read(&bytes).is_ok());
        for at in 0..bytes.len() {
            for mask in [0x01, 0x80, 0xff] {
                let mut changed = bytes.clone();
                changed[at] ^= mask;
                assert!(read(&changed).is_err(), "byte {at} of {} changed by {mask:#x}", bytes.len());
            }
        }
    }
}

#[test]
fn a_cut_or_a_longer_file_is_noticed_at_every_length() {
    for bytes in small() {
        for len in 0..bytes.len() {
            assert!(read(&bytes[..len]).is_err(), "cut at {len} of {}", bytes.len());
            assert!(len == 0 || read(&bytes[len..]).is_err(), "begun at {len} of {}", bytes.len());
            // The same with a whole trailer behind the cut.
            let trailer = &bytes[bytes.len() - format::TRAILER_LEN..];
            if len != bytes.len() - format::TRAILER_LEN {
                assert!(read(&[&bytes[..len], trailer].concat()).is_err(), "cut at {len}, with a trailer");
            }
        }
        for more in [1, 8, 224, 4096] {
            assert!(read(&[&bytes[..], &vec![0; more]].concat()).is_err(), "{more} more");
            assert!(read(&[&vec![0; more], &bytes[..]].concat()).is_err(), "{more} in front");
        }
        assert!(read(&[&bytes[..], &bytes].concat()).is_err());
    }
}

/// SplitMix64: the same numbers from the same seed.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, limit: usize) -> usize {
        (self.next() % limit as u64) as usize
    }
}

/// Changes a few bytes as damage and malice do.
fn mutate(random: &mut Random, bytes: &mut Vec<u8>) {
    for _ in 0..=random.below(3) {
        if bytes.len() < 16 {
            return;
        }
        let at = random.below(bytes.len() - 8);
        match random.below(7) {
            0 => bytes[at] ^= 1 << random.below(8),
            1 => bytes[at] = random.next() as u8,
            2 => bytes[at..at + 4].copy_from_slice(&[0u32, 1, u32::MAX, 0x7fff_ffff][random.below(4)].to_le_bytes()),
            3 => bytes[at..at + 8].copy_from_slice(&[0u64, 160, u64::MAX, 1 << 40][random.below(4)].to_le_bytes()),
            4 => drop(bytes.drain(at..at + 1 + random.below(8))),
            5 => {
                let (from, len) = (random.below(bytes.len() - 8), 1 + random.below(8));
                let piece = bytes[from..from + len].to_vec();
                bytes.splice(at..at, piece);
            }
            _ => {
                let to = random.below(bytes.len() - 8);
                let piece: [u8; 8] = std::array::from_fn(|i| bytes[at + i]);
                bytes[to..to + 8].copy_from_slice(&piece);
            }
        }
    }
}

#[test]
fn any_bytes_decode_without_a_panic() {
    let originals = small();
    let whole: Vec<_> = originals.iter().map(|bytes| read(bytes).unwrap()).collect();
    let (mut refused, mut signed_and_read) = (0, 0);
    for seed in 0..12_000 {
        let random = &mut Random(seed);
        let which = random.below(originals.len());
        let mut bytes = originals[which].clone();
        mutate(random, &mut bytes);
        let signed = random.below(4) != 0;
        if signed {
            // Digests and checksums put right, so that what stands behind them is reached.
            sign(&mut bytes);
        }
        match read(&bytes) {
            Err(_) => refused += 1,
            // Without the digests put right, nothing but the original is read.
            Ok(read) if !signed => assert!(read == whole[which], "seed {seed}: other bytes were read"),
            Ok(_) => signed_and_read += 1,
        }
    }
    assert!(refused > 6000 && signed_and_read > 50, "{refused} refused, {signed_and_read} signed and read");

    for seed in 0..2000 {
        let random = &mut Random(seed);
        let bytes: Vec<u8> = (0..random.below(600)).map(|_| random.next() as u8).collect();
        assert!(read(&bytes).is_err());
        assert!(Outline::tail_begins(&bytes, random.next()).is_err());
        for codec in [Codec::None, Codec::Lz4, Codec::Zstd] {
            let _ = Decompressor::default().decompress(codec, &bytes, random.below(4096));
        }
    }
}

/// Where the parts of a page file of one chunk begin.
#[derive(Clone, Copy)]
struct Layout {
    chunk: usize,
    index: usize,
    directory: usize,
    trailer: usize,
}

/// A segment of three pages in one chunk, uncompressed: everything in it is at a known place.
fn known() -> (Vec<u8>, Layout) {
    let bytes = Sample::of(Kind::Segment, 512, Compression::None, vec![1, 2, 9]).write();
    let layout = Layout { chunk: 160, index: 1724, directory: 1820, trailer: 1876 };
    assert_eq!(bytes.len(), 2100);
    (bytes, layout)
}

/// What reading says after this change with all digests put right.
fn after(change: impl FnOnce(&mut Vec<u8>, Layout)) -> Result<(), Error> {
    let (mut bytes, layout) = known();
    change(&mut bytes, layout);
    sign(&mut bytes);
    read(&bytes).map(drop)
}

fn put32(bytes: &mut [u8], at: usize, value: u32) {
    bytes[at..at + 4].copy_from_slice(&value.to_le_bytes());
}

fn put64(bytes: &mut [u8], at: usize, value: u64) {
    bytes[at..at + 8].copy_from_slice(&value.to_le_bytes());
}

#[test]
fn what_a_newer_version_would_write_is_refused_by_name() {
    type Change = fn(&mut Vec<u8>, Layout);
    let cases: [(&str, Change, Error); 5] = [
        ("version", |bytes, _| bytes[4] = 2, Error::Version(2)),
        ("kind", |bytes, _| bytes[6] = 4, Error::Kind(4)),
        ("compression", |bytes, _| bytes[7] = 3, Error::Compress(compress::Error::Unknown(3))),
        ("flag", |bytes, at| bytes[at.trailer + 12] = 8, Error::Flag(3)),
        ("section", |bytes, at| insert_section(bytes, at, 100), Error::Section(100)),
    ];
    for (name, change, expected) in cases {
        let error = after(change).unwrap_err();
        assert_eq!(error, expected, "{name}");
        assert!(error.is_unsupported() && error.hint().is_some(), "{name}");
    }
    assert_eq!(after(|bytes, at| bytes[at.trailer + 14] = 1), Ok(()), "bit 16 may be ignored");
    assert_eq!(after(|bytes, at| insert_section(bytes, at, 129)), Ok(()), "section 129 may be skipped");
    for wrong in [0, 1, 2, 3, 255] {
        let error = after(|bytes, at| insert_section(bytes, at, wrong)).unwrap_err();
        assert!(matches!(error, Error::RecordType { found, .. } if found == wrong), "{wrong}: {error}");
    }
    let twice = after(|bytes, at| {
        insert_section(bytes, at, 200);
        insert_section(bytes, at, 200);
    });
    assert!(matches!(twice, Err(Error::RecordType { found: 200, .. })));
}

/// Puts a section of five bytes between directory and trailer.
fn insert_section(bytes: &mut Vec<u8>, at: Layout, kind: u8) {
    bytes.splice(at.trailer..at.trailer, [kind, 0, 0, 0, 5, 0, 0, 0, 1, 2, 3, 4, 5]);
    let (trailer, len) = (bytes.len() - format::TRAILER_LEN, bytes.len() as u64);
    put64(bytes, trailer + 24, len);
}

#[test]
fn a_field_called_zero_is_refused_otherwise() {
    let (_, at) = known();
    let zeros = [
        12..16,
        120..156,
        at.chunk + 1..at.chunk + 4,
        at.index + 1..at.index + 4,
        at.directory + 1..at.directory + 4,
        at.trailer + 1..at.trailer + 4,
        at.trailer + 36..at.trailer + 40,
        at.trailer + 156..at.trailer + 160,
    ];
    for offset in zeros.into_iter().flatten() {
        let error = after(|bytes, _| bytes[offset] = 1).unwrap_err();
        assert!(matches!(error, Error::NotZero { .. }), "byte {offset}: {error}");
    }
    // Zeros for this kind of page file.
    for offset in [104, at.trailer + 160, at.trailer + 48] {
        let error = after(|bytes, _| bytes[offset] = 1).unwrap_err();
        assert!(matches!(error, Error::Contradiction(_)), "byte {offset}: {error}");
    }
    let frame = after(|bytes, at| bytes[at.trailer + 112..at.trailer + 144].fill(0)).unwrap_err();
    assert_eq!(frame, Error::Contradiction("a frame of a WAL that has nothing"));
}

#[test]
fn hostile_lengths_are_refused_before_anything_is_made_of_them() {
    let range = |result: Result<(), Error>, name: &str| match result {
        Err(Error::Range { what, .. }) => assert_eq!(what, name),
        other => panic!("{name}: {other:?}"),
    };
    for place in [0, 159, 1821, u64::MAX] {
        let result = after(|bytes, at| put64(bytes, at.trailer + 16, place));
        assert!(result.is_err(), "directory at {place}");
    }
    assert!(matches!(after(|bytes, at| put64(bytes, at.trailer + 24, u64::MAX)), Err(Error::Short { .. })));
    assert!(matches!(after(|bytes, at| put32(bytes, at.directory + 4, u32::MAX)), Err(Error::Short { .. })));
    assert!(after(|bytes, at| put64(bytes, at.trailer + 40, u64::MAX)).is_err(), "images");
    assert!(matches!(
        after(|bytes, at| put64(bytes, at.trailer + 40, 4)),
        Err(Error::Images { expected: 4, found: 3 })
    ));
    // Directory entry: offset, length, chunks.
    range(after(|bytes, at| put64(bytes, at.directory + 8, u64::MAX)), "offset of an index record");
    range(after(|bytes, at| put32(bytes, at.directory + 16, u32::MAX)), "length of an index record");
    range(after(|bytes, at| put32(bytes, at.directory + 20, u32::MAX)), "length of an index record");
    range(after(|bytes, at| put32(bytes, at.directory + 20, 0)), "offset of an index record");
    // Index entry: offset, length, runs, digest, runs.
    assert!(matches!(after(|bytes, at| put64(bytes, at.index + 8, 161)), Err(Error::Gap { .. })));
    range(after(|bytes, at| put32(bytes, at.index + 16, u32::MAX)), "length of a chunk");
    range(after(|bytes, at| put32(bytes, at.index + 16, 20)), "length of a chunk");
    range(after(|bytes, at| put32(bytes, at.index + 20, u32::MAX)), "number of runs in a chunk");
    range(after(|bytes, at| put32(bytes, at.index + 20, 0)), "number of runs in a chunk");
    for first in [0, u32::MAX] {
        range(after(|bytes, at| put32(bytes, at.index + 56, first)), "page number");
    }
    for count in [0, 513, u32::MAX] {
        range(after(|bytes, at| put32(bytes, at.index + 60, count)), "pages in a chunk");
    }
}

#[test]
fn runs_are_written_in_one_way_only() {
    let page = |n| PageNo::new(n).unwrap();
    // The runs are 1–2 and 9; the second may begin at 4 at the earliest.
    let second = |first| after(move |bytes, at| put32(bytes, at.index + 64, first));
    for touching in [1, 2, 3] {
        assert_eq!(second(touching), Err(Error::Run(page(touching))));
    }
    assert_eq!(second(4), Err(Error::Pages(160)), "the chunk says 9");
    let lock = page(2_097_153);
    assert_eq!(second(lock.get()), Err(Error::LockPage(lock)));
    // The same in index and chunk: then the image is that of another page.
    let both = after(|bytes, at| {
        put32(bytes, at.index + 64, 4);
        put32(bytes, at.chunk + 20, 4);
    });
    assert_eq!(both, Err(Error::PageHash(page(4))));
}

#[cfg(feature = "compression-zstd")]
#[test]
fn a_frame_that_claims_four_gibibytes_is_refused_by_its_claim() {
    // Magic, no single segment, 8 bytes of content size, a window of 1 KiB.
    let frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0x00][..], &(4u64 << 30).to_le_bytes(), &[1, 0, 0]].concat();
    let error = Decompressor::default().decompress(Codec::Zstd, &frame, 4096).unwrap_err();
    assert_eq!(error, compress::Error::Length { expected: 4096, found: 4 << 30 });
}
