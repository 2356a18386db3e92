//! Secrets, slots and kits from outside.

use waloy::ids::ReplicaId;
use waloy::seal::{self, Cost, Error, KdfLimit, RecoveryKit, RootKey, Secret, SecretKind, Slot, SlotId, What};

/// Tries a secret on slots, with whatever root key they hold.
fn unlock(secret: &Secret, slots: &[Slot], last: Option<SlotId>, limit: KdfLimit) -> Result<(SlotId, RootKey), Error> {
    seal::unlock(secret, slots, last, limit, |_, _| Ok(())).map(|(id, root, ())| (id, root))
}
use waloy::units::Timestamp;

const LEAST: Cost = Cost { memory_kib: 19 << 10, passes: 1, lanes: 1 };
const REPLICA: ReplicaId = ReplicaId([9; 16]);

fn slot(secret: &Secret, root: &RootKey, label: &str) -> Slot {
    Slot::make(secret, root, REPLICA, label, LEAST, Timestamp(1_795_341_600_000)).unwrap()
}

fn text(root: &RootKey) -> String {
    RecoveryKit { replica: REPLICA, root: root.clone() }.text().to_string()
}

#[test]
fn a_passphrase_file_loses_one_newline_and_nothing_else() {
    let root = RootKey::generate();
    let passphrase = Secret::from_passphrase(b"eight by").unwrap();
    let slots = [slot(&passphrase, &root, "")];
    let opens = |secret: Result<Secret, Error>| unlock(&secret.unwrap(), &slots, None, KdfLimit::Standard).is_ok();
    assert!(opens(Secret::from_passphrase_file(b"eight by")));
    assert!(opens(Secret::from_passphrase_file(b"eight by\n")));
    assert!(!opens(Secret::from_passphrase_file(b"eight by\n\n")));
    assert!(!opens(Secret::from_passphrase_file(b"eight by\r\n")));
    assert!(!opens(Secret::from_passphrase_file(b" eight by")));
    assert_eq!(Secret::from_passphrase(b"seven b").unwrap_err(), Error::ShortPassphrase(7));
    assert_eq!(Secret::from_passphrase_file(b"seven b\n").unwrap_err(), Error::ShortPassphrase(7));
}

#[test]
fn a_key_file_is_a_raw_key_or_a_kit() {
    let root = RootKey::generate();
    let raw = Secret::from_key_file(&[7; 32]).unwrap();
    assert_eq!((raw.kind(), raw.kit().is_none()), (SecretKind::KeyFile, true));
    let kit = Secret::from_key_file(text(&root).as_bytes()).unwrap();
    assert_eq!(kit.kind(), SecretKind::RecoveryKit);
    assert_eq!(text(&kit.kit().unwrap().root), text(&root));
    assert_eq!(Secret::from_key_file(b"").unwrap_err(), Error::Cut { what: What::Kit, len: 0 });
    assert_eq!(Secret::from_key_file(&[0xff; 31]).unwrap_err(), Error::NotOurs { what: What::Kit });
    let made = Slot::make(&kit, &root, REPLICA, "", LEAST, Timestamp(0));
    assert_eq!(made.unwrap_err(), Error::WrongSecret(SecretKind::RecoveryKit));
}

#[test]
fn every_character_of_a_kit_counts() {
    let text = text(&RootKey::generate());
    let mut count = 0;
    for at in (0..text.len()).filter(|&at| text.as_bytes()[at].is_ascii_alphanumeric()) {
        let mut changed = text.clone().into_bytes();
        changed[at] = if changed[at] == b'x' { b'y' } else { b'x' };
        assert_eq!(RecoveryKit::parse(&changed).map(drop), Err(Error::Damaged { what: What::Kit }), "character {at}");
        changed.remove(at);
        assert_eq!(RecoveryKit::parse(&changed).map(drop), Err(Error::Cut { what: What::Kit, len: 87 }));
        count += 1;
    }
    assert_eq!(count, 88);
    let doubled = RecoveryKit::parse(text.repeat(2).as_bytes()).map(drop);
    assert_eq!(doubled, Err(Error::Cut { what: What::Kit, len: 176 }));
}

#[test]
fn a_secret_opens_its_own_slot_among_others() {
    let root = RootKey::generate();
    let secrets = ["correct horse", "battery staple"].map(|text| Secret::from_passphrase(text.as_bytes()).unwrap());
    let raw = Secret::from_key_file(&[7; 32]).unwrap();
    let slots = [slot(&secrets[0], &root, "laptop"), slot(&secrets[1], &root, "ops"), slot(&raw, &root, "Bürö")];
    assert_eq!(slots.each_ref().map(|slot| slot.label()), ["laptop", "ops", "Bürö"]);
    for (slot, secret) in slots.iter().zip(secrets.iter().chain([&raw])) {
        let (id, opened) = unlock(secret, &slots, None, KdfLimit::Standard).unwrap();
        assert_eq!((id, text(&opened)), (slot.id(), text(&root)));
        assert_eq!(unlock(secret, &slots, Some(slot.id()), KdfLimit::Standard).unwrap().0, slot.id());
    }
    let wrong = Secret::from_passphrase(b"incorrect horse").unwrap();
    let refused = unlock(&wrong, &slots, None, KdfLimit::Standard).map(drop);
    assert_eq!(refused, Err(Error::WrongSecret(SecretKind::Passphrase)));
    let none = unlock(&raw, &slots[..2], None, KdfLimit::Standard).map(drop);
    assert_eq!(none, Err(Error::WrongSecret(SecretKind::KeyFile)));
}

/// A slot that a hostile store put there does not keep the others from opening, and is told if none does.
#[test]
fn a_hostile_slot_is_passed_over_and_told() {
    let root = RootKey::generate();
    let secret = Secret::from_passphrase(b"correct horse").unwrap();
    let good = slot(&secret, &root, "");
    let with = |changes: &[(usize, u8)]| {
        let mut bytes = *good.as_bytes();
        changes.iter().for_each(|&(at, value)| bytes[at] ^= value);
        let checksum = crc32c::crc32c(&bytes[..196]);
        bytes[196..].copy_from_slice(&checksum.to_be_bytes());
        let id = SlotId(bytes[28..36].try_into().unwrap());
        Slot::parse(&bytes, id, Some(REPLICA)).unwrap()
    };
    let (costly, tampered) = (with(&[(28, 1), (44, 0xff)]), with(&[(190, 1)]));
    let opened =
        unlock(&secret, &[costly.clone(), tampered.clone(), good.clone()], Some(costly.id()), KdfLimit::Raised);
    assert_eq!(opened.unwrap().0, good.id());
    let costly_alone = unlock(&secret, std::slice::from_ref(&costly), None, KdfLimit::Raised).map(drop);
    assert!(matches!(costly_alone, Err(Error::KdfCost { .. })));
    let both = unlock(&secret, &[costly, tampered], None, KdfLimit::Standard).map(drop);
    assert_eq!(both, Err(Error::Tampered { what: What::Slot }));
}

#[test]
fn a_slot_with_any_changed_byte_is_refused() {
    let root = RootKey::generate();
    let secret = Secret::from_key_file(&[7; 32]).unwrap();
    let good = slot(&secret, &root, "ops");
    let stretched = good.stretch(&secret, KdfLimit::Standard).unwrap();
    for at in 0..200 {
        let mut bytes = *good.as_bytes();
        bytes[at] ^= 0x10;
        assert!(Slot::parse(&bytes, good.id(), Some(REPLICA)).is_err(), "byte {at}");
        assert!(Slot::parse(&bytes[..at], good.id(), Some(REPLICA)).is_err());
        let checksum = crc32c::crc32c(&bytes[..196]);
        bytes[196..].copy_from_slice(&checksum.to_be_bytes());
        let opened = Slot::parse(&bytes, good.id(), Some(REPLICA)).and_then(|slot| slot.open(&stretched).map(drop));
        assert!(opened.is_err() || at >= 196, "byte {at}, checksum repaired");
    }
}

#[test]
fn a_label_that_does_not_fit_is_refused() {
    let (root, secret) = (RootKey::generate(), Secret::from_key_file(&[7; 32]).unwrap());
    let make = |label: &str| Slot::make(&secret, &root, REPLICA, label, LEAST, Timestamp(0)).map(drop);
    assert_eq!(make(&"x".repeat(32)), Ok(()));
    assert_eq!(make(&"x".repeat(33)), Err(Error::Label));
    assert_eq!(make("a\0b"), Err(Error::Label));
}

#[test]
fn nothing_prints_a_secret() {
    let secret = Secret::from_passphrase(b"correct horse battery").unwrap();
    assert_eq!(format!("{secret:?}"), "Secret(passphrase)");
    let (root, raw) = (RootKey::generate(), Secret::from_key_file(&[7; 32]).unwrap());
    let slot = slot(&raw, &root, "ops");
    assert_eq!(format!("{slot:?}"), format!("Slot({})", slot.id()));
}
