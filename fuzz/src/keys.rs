//! Key slots, wrapped data keys, recovery kits, key files, envelopes, and the names of keys.

use waloy::ids::ObjectKind;
use waloy::seal::{
    DATA_KEY_LEN, DataKeyHeader, Envelope, Epoch, KdfLimit, KeyName, RecoveryKit, SLOT_LEN, Secret, SecretKind, Slot,
    SlotId,
};

use super::sealed::keyring;

const SLOTS: [&[u8]; 2] =
    [golden_sealed!("replica/keys/slot-06c9147ea0d779ed"), golden_sealed!("replica/keys/slot-f9a805c02493dec7")];
const DATA_KEYS: [&[u8]; 2] = [golden_sealed!("replica/keys/dk-00000001"), golden_sealed!("replica/keys/dk-00000002")];

pub(super) fn run(input: &[u8]) {
    let mut signed = input.to_vec();
    sign(&mut signed);
    for bytes in [input, &signed] {
        slot(bytes);
        data_key(bytes);
        envelope(bytes);
    }
    if let Ok(kit) = RecoveryKit::parse(input) {
        let text = kit.text();
        let again = RecoveryKit::parse(text.as_bytes()).expect("a kit that was written is read");
        assert_eq!((again.replica, again.text()), (kit.replica, text));
    }
    if let Ok(secret) = Secret::from_key_file(input) {
        assert_eq!(secret.kind() == SecretKind::KeyFile, input.len() == 32);
    }
    if let Ok(text) = std::str::from_utf8(input)
        && let Some(name) = KeyName::parse(text)
    {
        assert_eq!(name.to_string(), text, "a name is written in one way");
    }
}

fn slot(bytes: &[u8]) {
    let Some(id) = bytes.get(28..36).and_then(|id| id.first_chunk()) else { return };
    assert!(Slot::parse(bytes, SlotId([0x5a; 8]), None).is_err() || *id == [0x5a; 8], "a slot of another name");
    let Ok(slot) = Slot::parse(bytes, SlotId(*id), None) else { return };
    assert_eq!(slot.as_bytes()[..], *bytes);
    assert_eq!(slot.cost().is_some(), slot.secret_kind() == SecretKind::Passphrase);
    assert!(slot.label().len() <= waloy::seal::LABEL_LEN);
    let _ = slot.check_cost(KdfLimit::Standard);
    // Argon2 is not run here: what it takes is held by the limits.
    let secret = Secret::from_key_file(golden_sealed!("key")).expect("32 bytes");
    if let Ok(stretched) = slot.stretch(&secret, KdfLimit::Standard)
        && slot.open(&stretched).is_ok()
    {
        assert!(SLOTS.contains(&bytes), "only a slot that was made for the key opens");
    }
}

fn data_key(bytes: &[u8]) {
    let Some(epoch) = bytes.get(12..16).and_then(|epoch| epoch.first_chunk()) else { return };
    let epoch = Epoch(u32::from_be_bytes(*epoch));
    let Ok(header) = DataKeyHeader::parse(bytes, epoch) else { return };
    assert_eq!((header.epoch, bytes.len()), (epoch, DATA_KEY_LEN));
    // A keyring of its own, since one that has the key of an epoch keeps it.
    let secret = Secret::from_key_file(golden_sealed!("kit.txt")).expect("a kit");
    let golden = keyring();
    let root = &secret.kit().expect("a kit").root;
    let mut keyring = waloy::seal::Keyring::new(root, golden.replica(), golden.database());
    if keyring.add(bytes, epoch).is_ok() {
        assert!(DATA_KEYS.contains(&bytes), "only a data key that was wrapped under the root opens");
    }
}

fn envelope(bytes: &[u8]) {
    for kind in (0..=255).filter_map(ObjectKind::from_u8) {
        if let Ok(open) = Envelope::parse(bytes, kind) {
            assert_eq!(open.encode()[..], bytes[..waloy::seal::ENVELOPE_LEN]);
            assert!(Envelope::parse_sealed(bytes, kind).is_err(), "an object is sealed or it is not");
        }
        if let Ok(epoch) = Envelope::parse_sealed(bytes, kind) {
            assert!(epoch != Epoch::NONE || kind == ObjectKind::Replica);
        }
    }
}

/// Puts the checksums right.
fn sign(bytes: &mut [u8]) {
    let end = match bytes.len() {
        SLOT_LEN | DATA_KEY_LEN => bytes.len() - 4,
        16.. => 12,
        _ => return,
    };
    let sum = crc32c::crc32c(&bytes[..end]);
    bytes[end..end + 4].copy_from_slice(&sum.to_be_bytes());
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let mut seeds: Vec<Vec<u8>> = SLOTS.iter().chain(&DATA_KEYS).map(|bytes| bytes.to_vec()).collect();
    seeds.push(golden_sealed!("kit.txt").to_vec());
    seeds.push(golden_sealed!("key").to_vec());
    seeds.push(b"keys/slot-06c9147ea0d779ed".to_vec());
    seeds.push(b"keys/dk-00000001".to_vec());
    seeds.push(golden_sealed!("replica/latest")[..16].to_vec());
    seeds.push(golden!("none/01m81b5h803meht78x3meht78x/snapshot")[..16].to_vec());
    seeds
}
