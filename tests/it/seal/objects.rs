//! Sealed objects: pieces of any size, cuts, changed bytes, random access, other places.
#![expect(clippy::print_stdout, reason = "how much was tried")]

use waloy::ids::{DatabaseId, GenerationId, ReplicaId};
use waloy::seal::{CHUNK_LEN, Epoch, Error, HEAD_LEN, Keyring, Place, RootKey, TAG_LEN, What, content_len, stored_len};
use waloy::units::{SegmentIndex, Timestamp};

fn keyring() -> Keyring {
    let mut keyring = Keyring::new(&RootKey::generate(), ReplicaId([1; 16]), DatabaseId([2; 16]));
    for epoch in [Epoch(1), Epoch(2)] {
        let wrapped = keyring.new_data_key(epoch, Timestamp(0));
        keyring.add(&wrapped, epoch).unwrap();
    }
    keyring
}

fn index(index: u64) -> SegmentIndex {
    SegmentIndex::new(index).unwrap()
}

fn place() -> Place {
    Place::segment(GenerationId::from_bytes([3; 16]), index(7))
}

fn content(len: usize) -> Vec<u8> {
    (0..len).map(|at| (at % 251) as u8).collect()
}

#[test]
fn whatever_the_pieces_the_object_opens_to_the_same_content() {
    let keyring = keyring();
    let around = [CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1];
    let lengths = [0, 1, 15, 16, 17].into_iter().chain(around);
    let lengths: Vec<usize> = lengths.chain([2 * CHUNK_LEN - 1, 2 * CHUNK_LEN, 2 * CHUNK_LEN + 1, 40_000]).collect();
    let mut count = 0;
    for &len in &lengths {
        let content = content(len);
        for piece in [1, 4096, 5000].into_iter().chain(around).chain([2 * CHUNK_LEN, 3 * CHUNK_LEN + 5, 100_000]) {
            let (mut sealer, mut object) = (keyring.sealer(&place(), Epoch(1)).unwrap(), Vec::new());
            for piece in content.chunks(piece) {
                let mut out = Vec::new();
                sealer.update(piece, &mut out).unwrap();
                assert!(object.is_empty() == out.starts_with(b"WLO1"), "the first bytes out are the head");
                object.extend(out);
            }
            sealer.finish(&mut object).unwrap();
            assert_eq!(object.len() as u64, stored_len(len as u64).unwrap());
            assert_eq!(content_len(object.len() as u64), Some(len as u64));
            assert_eq!(keyring.open(&place(), object), Ok((Epoch(1), content.clone())), "{len} by {piece}");
            count += 1;
        }
    }
    println!("{count} objects sealed in pieces");
}

#[test]
fn an_object_cut_at_any_length_is_noticed() {
    let keyring = keyring();
    let mut count = 0;
    for len in [0, 100, CHUNK_LEN, 2 * CHUNK_LEN + 9] {
        let object = keyring.seal(&place(), Epoch(1), &content(len)).unwrap();
        for cut in 0..object.len() {
            let error = keyring.open(&place(), object[..cut].to_vec()).unwrap_err();
            let expected = match content_len(cut as u64) {
                Some(_) => Error::Tampered { what: What::Object },
                None => Error::Cut { what: What::Object, len: cut as u64 },
            };
            assert_eq!(error, expected, "{cut} of {}", object.len());
            count += 1;
        }
        for more in 1..40 {
            let longer = [&object[..], &vec![0; more]].concat();
            assert!(keyring.open(&place(), longer).is_err());
        }
    }
    println!("{count} cuts noticed");
}

#[test]
fn a_byte_changed_anywhere_is_noticed() {
    let keyring = keyring();
    let mut count = 0;
    for len in [0, 1000] {
        let object = keyring.seal(&place(), Epoch(1), &content(len)).unwrap();
        for at in 0..object.len() {
            for bit in 0..8 {
                let mut changed = object.clone();
                changed[at] ^= 1 << bit;
                let error = keyring.open(&place(), changed).unwrap_err();
                let expected = match at {
                    0..4 => matches!(error, Error::NotOurs { .. }),
                    4..16 => matches!(error, Error::Damaged { .. }),
                    16..72 => error == Error::Commitment,
                    _ => error == Error::Tampered { what: What::Object },
                };
                assert!(expected, "byte {at}, bit {bit}: {error}");
                count += 1;
            }
        }
    }
    println!("{count} changed bits noticed");
}

/// The length of a cut object that ends where a chunk does is no length: its last chunk would be full.
#[test]
fn a_full_last_chunk_is_refused() {
    let keyring = keyring();
    let object = keyring.seal(&place(), Epoch(1), &content(2 * CHUNK_LEN)).unwrap();
    for chunks in [1, 2] {
        let cut = HEAD_LEN + chunks * (CHUNK_LEN + TAG_LEN);
        let expected = Error::Cut { what: What::Object, len: cut as u64 };
        assert_eq!(keyring.open(&place(), object[..cut].to_vec()).unwrap_err(), expected);
        assert!(keyring.opener(&place(), &object[..HEAD_LEN], cut as u64).is_err());
    }
}

#[test]
fn chunks_that_were_swapped_or_repeated_are_noticed() {
    let keyring = keyring();
    let object = keyring.seal(&place(), Epoch(1), &content(3 * CHUNK_LEN)).unwrap();
    let at = |number: usize| HEAD_LEN + number * (CHUNK_LEN + TAG_LEN);
    for (a, b) in [(0, 1), (0, 2), (1, 2)] {
        let mut swapped = object.clone();
        swapped[at(a)..at(a + 1)].copy_from_slice(&object[at(b)..at(b + 1)]);
        assert!(keyring.open(&place(), swapped.clone()).is_err(), "{b} in place of {a}");
        swapped[at(b)..at(b + 1)].copy_from_slice(&object[at(a)..at(a + 1)]);
        assert!(keyring.open(&place(), swapped).is_err(), "{a} and {b} swapped");
    }
}

#[test]
fn an_object_opens_at_its_own_place_alone() {
    let keyring = keyring();
    let (here, there) = (GenerationId::from_bytes([3; 16]), GenerationId::from_bytes([4; 16]));
    let places = [
        Place::snapshot(here),
        Place::snapshot(there),
        Place::segment(here, index(7)),
        Place::segment(here, index(8)),
        Place::segment(there, index(7)),
        Place::merged(here, index(7), index(7)),
        Place::merged(here, index(7), index(8)),
        Place::merged(here, index(6), index(7)),
        Place::manifest(here),
        Place::manifest(there),
        Place::latest(),
    ];
    let objects = places.map(|place| keyring.seal(&place, Epoch(1), b"the same in all").unwrap());
    let mut count = 0;
    for (sealed_at, object) in places.iter().zip(&objects) {
        for read_at in &places {
            let opened = keyring.open(read_at, object.clone());
            match opened {
                Ok(_) => assert_eq!(sealed_at, read_at),
                Err(Error::Commitment) => assert_eq!(sealed_at.kind(), read_at.kind()),
                Err(Error::Misplaced { .. }) => assert_ne!(sealed_at.kind(), read_at.kind()),
                Err(error) => panic!("{error}"),
            }
            count += usize::from(sealed_at != read_at);
        }
    }
    println!("{count} swaps refused");
}

/// The epoch in the envelope is what the object says of itself: it is bound, and decides which key opens it.
#[test]
fn an_object_under_another_epoch_does_not_open() {
    let keyring = keyring();
    let mut object = keyring.seal(&place(), Epoch(1), b"content").unwrap();
    for (epoch, expected) in [(2, Error::Commitment), (3, Error::NoDataKey(Epoch(3)))] {
        object[8..12].copy_from_slice(&u32::to_be_bytes(epoch));
        let checksum = crc32c::crc32c(&object[..12]);
        object[12..16].copy_from_slice(&checksum.to_be_bytes());
        assert_eq!(keyring.open(&place(), object.clone()), Err(expected));
    }
    assert!(matches!(keyring.sealer(&place(), Epoch(3)).map(drop), Err(Error::NoDataKey(Epoch(3)))));
    assert!(matches!(keyring.sealer(&place(), Epoch::NONE).map(drop), Err(Error::NoDataKey(Epoch::NONE))));
}

#[test]
fn a_data_key_under_another_epoch_is_refused() {
    let mut keyring = Keyring::new(&RootKey::generate(), ReplicaId([1; 16]), DatabaseId([2; 16]));
    let wrapped = keyring.new_data_key(Epoch(1), Timestamp(0));
    assert!(matches!(keyring.add(&wrapped, Epoch(2)), Err(Error::Misplaced { .. })));
    let mut renumbered = wrapped;
    renumbered[12..16].copy_from_slice(&2u32.to_be_bytes());
    let checksum = crc32c::crc32c(&renumbered[..108]);
    renumbered[108..].copy_from_slice(&checksum.to_be_bytes());
    assert_eq!(keyring.add(&renumbered, Epoch(2)), Err(Error::Tampered { what: What::DataKey }));
    keyring.add(&wrapped, Epoch(1)).unwrap();
    keyring.add(&wrapped, Epoch(1)).unwrap();
    let another = keyring.new_data_key(Epoch(1), Timestamp(0));
    assert_eq!(keyring.add(&another, Epoch(1)), Err(Error::AnotherDataKey(Epoch(1))));
    assert_eq!(keyring.data_keys().map(|(epoch, _)| epoch).collect::<Vec<_>>(), [Epoch(1)]);
}

#[test]
fn a_data_key_wrapped_anew_opens_under_the_new_root_alone() {
    let (replica, database) = (ReplicaId([1; 16]), DatabaseId([2; 16]));
    let (old, new) = (RootKey::generate(), RootKey::generate());
    let mut before = Keyring::new(&old, replica, database);
    let wrapped = before.new_data_key(Epoch(1), Timestamp(0));
    let id = before.add(&wrapped, Epoch(1)).unwrap();
    let object = before.seal(&place(), Epoch(1), b"content").unwrap();
    let rewrapped = before.rewrap(Epoch(1), &new, Timestamp(1)).unwrap();
    let mut after = Keyring::new(&new, replica, database);
    assert_eq!(after.add(&wrapped, Epoch(1)), Err(Error::Tampered { what: What::DataKey }));
    assert_eq!(after.add(&rewrapped, Epoch(1)), Ok(id));
    assert_eq!(after.open(&place(), object), Ok((Epoch(1), b"content".to_vec())));
}

#[test]
fn the_ids_of_a_replica_open_under_its_own_key_alone() {
    let (root, replica) = (RootKey::generate(), ReplicaId([1; 16]));
    let object = root.replica_key(replica).seal(b"ids");
    assert_eq!(root.replica_key(replica).open(object.clone()), Ok(b"ids".to_vec()));
    assert_eq!(root.replica_key(ReplicaId([2; 16])).open(object.clone()), Err(Error::Commitment));
    assert_eq!(RootKey::generate().replica_key(replica).open(object.clone()), Err(Error::Commitment));
    assert!(matches!(keyring().open(&Place::latest(), object), Err(Error::Misplaced { .. })));
}

#[test]
fn any_range_is_what_the_whole_has_there() {
    let keyring = keyring();
    let mut count = 0;
    for len in [1, CHUNK_LEN - 1, CHUNK_LEN, CHUNK_LEN + 1, 3 * CHUNK_LEN, 3 * CHUNK_LEN + 100] {
        let content = content(len);
        let object = keyring.seal(&place(), Epoch(2), &content).unwrap();
        let opener = keyring.opener(&place(), &object[..HEAD_LEN], object.len() as u64).unwrap();
        let last = opener.last_chunk();
        assert_eq!(last.end, object.len() as u64);
        let proven = opener.prove(&object[last.start as usize..]).unwrap();
        assert_eq!((proven.len(), proven.epoch()), (len as u64, Epoch(2)));
        let mut edges: Vec<usize> =
            (0..=len).step_by(CHUNK_LEN).flat_map(|at| [at.saturating_sub(1), at, at + 1]).collect();
        edges.extend([len / 2, len.saturating_sub(1), len]);
        edges.retain(|&at| at <= len);
        for &start in &edges {
            for &end in edges.iter().filter(|&&end| end >= start) {
                let range = start as u64..end as u64;
                let stored = proven.stored(&range).unwrap();
                let bytes = object[stored.start as usize..stored.end as usize].to_vec();
                assert_eq!(proven.open(range.clone(), bytes.clone()).unwrap(), content[start..end], "{range:?}");
                if let Some(short) = bytes.len().checked_sub(1) {
                    assert!(matches!(proven.open(range, bytes[..short].to_vec()), Err(Error::Range { .. })));
                }
                count += 1;
            }
        }
        assert!(matches!(proven.stored(&(0..len as u64 + 1)), Err(Error::Range { .. })));
        assert!(matches!(proven.open_chunk(4, &mut [0; 100]), Err(Error::Range { .. })));
    }
    println!("{count} ranges");
}

/// A store that lies about the length: what it calls the last chunk does not open.
#[test]
fn a_length_that_the_store_made_up_is_not_proven() {
    let keyring = keyring();
    let object = keyring.seal(&place(), Epoch(1), &content(2 * CHUNK_LEN + 50)).unwrap();
    for stored in (88..object.len() as u64).step_by(7).filter(|&stored| content_len(stored).is_some()) {
        let opener = keyring.opener(&place(), &object[..HEAD_LEN], stored).unwrap();
        let last = opener.last_chunk();
        let proven = opener.prove(&object[last.start as usize..last.end as usize]);
        assert!(matches!(proven, Err(Error::Tampered { .. })), "{stored}");
    }
}

/// How fast sealing and opening are on one core. Run by hand: `--ignored --nocapture`.
#[test]
#[ignore = "prints numbers, and proves nothing"]
fn throughput() {
    let keyring = keyring();
    let content = content(64 << 20);
    let mut out = Vec::with_capacity(content.len() * 2);
    for _ in 0..4 {
        out.clear();
        let at = std::time::Instant::now();
        let mut sealer = keyring.sealer(&place(), Epoch(1)).unwrap();
        content.chunks(64 << 10).for_each(|piece| sealer.update(piece, &mut out).unwrap());
        sealer.finish(&mut out).unwrap();
        let sealing = at.elapsed().as_secs_f64();
        let object = out.clone();
        let at = std::time::Instant::now();
        let opened = keyring.open(&place(), object).unwrap().1;
        let opening = at.elapsed().as_secs_f64();
        assert!(opened == content);
        let megabytes = content.len() as f64 / 1e6;
        println!("sealed at {:.0} MB/s, opened at {:.0} MB/s", megabytes / sealing, megabytes / opening);
    }
}
