//! A sealed stream.

use std::sync::OnceLock;

use waloy::format::ReplicaIds;
use waloy::ids::GenerationId;
use waloy::seal::{Epoch, Keyring, Place, Secret};
use waloy::units::SegmentIndex;

use super::input::Input;

const OBJECTS: [&[u8]; 5] = [
    golden_sealed!("replica/01m8bkzzphsm7yxpfc6rq8pqw0/snapshot"),
    golden_sealed!("replica/01m8bkzzphsm7yxpfc6rq8pqw0/manifest.json"),
    golden_sealed!("replica/01m8bkzzphsm7yxpfc6rq8pqw0/wal/000000000002"),
    golden_sealed!("replica/01m8bm01kmp5xkhx0fdbqvrqmm/wal/000000000000-000000000011"),
    golden_sealed!("replica/latest"),
];

fn places() -> [Place; 5] {
    let id = |text: &str| text.parse::<GenerationId>().expect("an id");
    let (old, new) = (id("01m8bkzzphsm7yxpfc6rq8pqw0"), id("01m8bm01kmp5xkhx0fdbqvrqmm"));
    let index = |index| SegmentIndex::new(index).expect("an index");
    [
        Place::snapshot(old),
        Place::manifest(old),
        Place::segment(old, index(2)),
        Place::merged(new, index(0), index(11)),
        Place::latest(),
    ]
}

/// The keys of the golden replica.
pub(super) fn keyring() -> &'static Keyring {
    static KEYRING: OnceLock<Keyring> = OnceLock::new();
    KEYRING.get_or_init(|| {
        let secret = Secret::from_key_file(golden_sealed!("kit.txt")).expect("a kit");
        let kit = secret.kit().expect("a kit");
        let key = kit.root.replica_key(kit.replica);
        let ids = key.open(golden_sealed!("replica/replica").to_vec()).expect("the ids open");
        let ids = ReplicaIds::parse(&ids).expect("the ids are whole");
        let mut keyring = Keyring::new(&kit.root, ids.replica, ids.database);
        keyring.add(golden_sealed!("replica/keys/dk-00000001"), Epoch(1)).expect("a data key");
        keyring.add(golden_sealed!("replica/keys/dk-00000002"), Epoch(2)).expect("a data key");
        keyring
    })
}

/// The first byte chooses the place, or that the rest is content to seal.
pub(super) fn run(input: &[u8]) {
    let keyring = keyring();
    let mut input = Input(input);
    let which = usize::from(input.byte()) % (OBJECTS.len() + 1);
    match places().get(which) {
        Some(place) => open(keyring, place, OBJECTS[which], input.0),
        None => round_trip(keyring, input),
    }
}

/// Whatever opens is the object that was sealed for that place.
fn open(keyring: &Keyring, place: &Place, object: &[u8], bytes: &[u8]) {
    if let Ok((_, content)) = keyring.open(place, bytes.to_vec()) {
        assert_eq!(bytes, object, "only what was sealed opens");
        assert!(content.len() < object.len());
    }
    let Ok(opener) = keyring.opener(place, bytes, bytes.len() as u64) else { return };
    let last = opener.last_chunk();
    let Some(last) = bytes.get(last.start as usize..last.end as usize) else {
        panic!("the last chunk is beyond the length that was told")
    };
    // A last chunk that opens may be that of an object changed before it; not of one that was cut.
    if opener.prove(last).is_ok() {
        assert_eq!(bytes.len(), object.len(), "an object of another length opens at its end");
    }
}

/// What was sealed in pieces opens to the same, as a whole and in ranges; and nothing of it opens elsewhere.
fn round_trip(keyring: &Keyring, mut input: Input<'_>) {
    let [_, place, ..] = places();
    let (piece, start, len) = (usize::from(input.u16()) + 1, u64::from(input.u16()), u64::from(input.u16()));
    // Longer than a chunk, from few bytes.
    let content = input.0.repeat(usize::from(input.byte()) % 8 + 1);
    let mut sealer = keyring.sealer(&place, Epoch(1)).expect("there is a key");
    let mut object = Vec::new();
    for piece in content.chunks(piece) {
        sealer.update(piece, &mut object).expect("it is short");
    }
    sealer.finish(&mut object).expect("it is short");
    let opener = keyring.opener(&place, &object, object.len() as u64).expect("it is whole");
    let last = opener.last_chunk();
    let opened = opener.prove(&object[last.start as usize..last.end as usize]).expect("it is whole");
    assert_eq!(opened.len(), content.len() as u64);
    let range = start.min(opened.len())..(start + len).min(opened.len());
    let stored = opened.stored(&range).expect("it is within");
    let part = object[stored.start as usize..stored.end as usize].to_vec();
    let part = opened.open(range.clone(), part).expect("it is whole");
    assert_eq!(part, content[range.start as usize..range.end as usize]);
    assert!(keyring.open(&Place::latest(), object.clone()).is_err(), "it opens in another place");
    assert_eq!(keyring.open(&place, object), Ok((Epoch(1), content)));
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = (0u8..).zip(OBJECTS).map(|(which, object)| [&[which], object].concat()).collect();
    let content = |head: [u8; 8], len: usize| [&head[..], &vec![0x5a; len]].concat();
    let other = OBJECTS.len() as u8;
    seeds.push(content([other, 100, 0, 0, 0, 0, 0, 0], 300));
    seeds.push(content([other, 0, 64, 0, 64, 10, 0, 7], 4200));
    seeds
}
