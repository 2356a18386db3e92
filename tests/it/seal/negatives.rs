//! Every negative of `tests/golden/encryption_v1.json`: objects, slots and keys changed on purpose, with the error that
//! each must give. Made by an independent implementation from the text of the format.
#![expect(clippy::print_stdout, reason = "how much was tried")]

use serde_json::Value;
use waloy::ids::{DatabaseId, ObjectKind, ReplicaId};
use waloy::replica::Name;
use waloy::seal::{
    Envelope, Epoch, Error, KdfLimit, KeyName, Keyring, Place, RecoveryKit, RootKey, Secret, Slot, What,
};

/// The names of the file for what failed.
fn class(error: &Error) -> &'static str {
    match error {
        Error::Cut { .. } => "cut",
        Error::NotOurs { .. } => "not_ours",
        Error::Damaged { .. } => "damaged",
        Error::Unsupported { .. } => "unsupported",
        Error::Misplaced { .. } => "misplaced",
        Error::KdfCost { .. } => "kdf_cost",
        Error::WrongSecret(_) => "wrong_secret",
        Error::Sealed => "sealed_object",
        Error::Open => "open_object",
        Error::NoDataKey(_) => "no_data_key",
        Error::Commitment => "commitment",
        Error::Tampered { .. } => "tampered",
        _ => "other",
    }
}

fn hex(text: &str) -> Vec<u8> {
    (0..text.len()).step_by(2).map(|at| u8::from_str_radix(&text[at..at + 2], 16).unwrap()).collect()
}

/// A root key given by its bytes: a kit is the public way to one.
fn root(replica: ReplicaId, bytes: &[u8]) -> RootKey {
    use sha2::{Digest, Sha256};
    let mut kit = [&[1][..], &replica.0, bytes].concat();
    let checksum = Sha256::new().chain_update(b"waloy/v1 recovery-kit").chain_update(&kit).finalize();
    kit.extend_from_slice(&checksum[..6]);
    let bits = kit.iter().flat_map(|byte| (0..8).rev().map(move |bit| usize::from(byte >> bit & 1)));
    let bits: Vec<usize> = bits.collect();
    let digit = |bits: &[usize]| b"0123456789abcdefghjkmnpqrstvwxyz"[bits.iter().fold(0, |digit, bit| digit * 2 + bit)];
    let text: Vec<u8> = bits.chunks(5).map(digit).collect();
    RecoveryKit::parse(&text).unwrap().root
}

/// One negative, and what it is read with.
struct Case<'a> {
    all: &'a Value,
    target: &'a Value,
    case: &'a Value,
    bytes: Vec<u8>,
}

impl<'a> Case<'a> {
    fn new(all: &'a Value, case: &'a Value) -> Case<'a> {
        let target = all.pointer(&format!("/{}", case["target"].as_str().unwrap())).unwrap();
        let mut bytes = match target["text"].as_str() {
            Some(text) => text.as_bytes().to_vec(),
            None => hex(target["object"].as_str().unwrap()),
        };
        for change in case["set"].as_array().into_iter().flatten() {
            let (at, to) = (change[0].as_u64().unwrap() as usize, hex(change[1].as_str().unwrap()));
            bytes[at..at + to.len()].copy_from_slice(&to);
        }
        if let Some(len) = case["cut"].as_u64() {
            bytes.truncate(len as usize);
        }
        bytes.extend(hex(case["append"].as_str().unwrap_or_default()));
        if case["crc"] == true {
            let at = if matches!(bytes.len(), 112 | 200) && target["kind"].is_null() && target["plaintext"].is_null() {
                bytes.len() - 4
            } else {
                12
            };
            let checksum = crc32c::crc32c(&bytes[..at]).to_be_bytes();
            bytes[at..at + 4].copy_from_slice(&checksum);
        }
        Case { all, target, case, bytes }
    }

    /// What stands in `as`, or else the true one.
    fn with(&self, name: &str, truth: &'a Value) -> &'a str {
        self.case["as"][name].as_str().or(truth.as_str()).unwrap()
    }

    fn key(&self) -> &'a str {
        self.with("key", &self.target["key"])
    }

    fn replica(&self) -> ReplicaId {
        self.with("replica", &self.all["ids"]["replica"]).parse().unwrap()
    }

    fn root(&self) -> RootKey {
        root(self.replica(), &hex(self.with("root", &self.all["secrets"]["root"])))
    }

    fn keyring(&self) -> Keyring {
        let (replica, all) = (self.replica(), self.all);
        let database: DatabaseId = self.with("database", &all["ids"]["database"]).parse().unwrap();
        let mut keyring = Keyring::new(&self.root(), replica, database);
        let truth = serde_json::json!({"1": all["secrets"]["data_key"]});
        let keys = self.case["as"].get("data_keys").unwrap_or(&truth).as_object().unwrap();
        for (epoch, key) in keys {
            let epoch = Epoch(epoch.parse().unwrap());
            keyring.add(&wrapped(&self.root(), replica, epoch, &hex(key.as_str().unwrap())), epoch).unwrap();
        }
        keyring
    }

    fn run(&self) -> Result<(), Error> {
        match self.case["target"].as_str().unwrap().split('/').next().unwrap() {
            "slots" => self.slot(),
            "data_key" => {
                let Some(KeyName::DataKey(epoch)) = KeyName::parse(self.key()) else { panic!("{}", self.key()) };
                self.keyring_of_none().add(&self.bytes, epoch).map(drop)
            }
            "recovery_kit" => RecoveryKit::parse(&self.bytes).map(drop),
            "replica" => self.root().replica_key(self.replica()).open(self.bytes.clone()).map(drop),
            _ => self.object(),
        }
    }

    fn keyring_of_none(&self) -> Keyring {
        Keyring::new(&self.root(), self.replica(), DatabaseId([0; 16]))
    }

    fn slot(&self) -> Result<(), Error> {
        let Some(KeyName::Slot(id)) = KeyName::parse(self.key()) else { panic!("{}", self.key()) };
        let secret = hex(self.with("secret", &self.target["secret"]));
        let secret =
            if self.target["type"] == 1 { Secret::from_passphrase(&secret) } else { Secret::from_key_file(&secret) };
        let slot = Slot::parse(&self.bytes, id, Some(self.replica()))?;
        // With either limit the same; what is told by the costs is told before Argon2 could run.
        assert_eq!(slot.check_cost(KdfLimit::Raised).is_err(), self.case["error"] == "kdf_cost");
        slot.check_cost(KdfLimit::Standard)?;
        slot.open(&slot.stretch(&secret?, KdfLimit::Standard)?).map(drop)
    }

    fn object(&self) -> Result<(), Error> {
        let not_ours = Error::NotOurs { what: What::Object };
        let place = match Name::parse(self.key()).ok_or(not_ours)? {
            Name::Snapshot(generation) => Place::snapshot(generation),
            Name::Segment(generation, index) => Place::segment(generation, index),
            Name::Merged(generation, first, last) => Place::merged(generation, first, last),
            Name::Manifest(generation) => Place::manifest(generation),
        };
        if self.case["as"]["open"] == true {
            return Envelope::parse(&self.bytes, place.kind()).map(drop);
        }
        self.keyring().open(&place, self.bytes.clone()).map(drop)
    }
}

/// A data key given by its bytes, wrapped under a root as the format says: written once more, from its text.
fn wrapped(root: &RootKey, replica: ReplicaId, epoch: Epoch, key: &[u8]) -> Vec<u8> {
    use aes_gcm::aead::{Aead, KeyInit, Payload};
    use hkdf::Hkdf;
    use sha2::Sha512;
    let kit = RecoveryKit { replica, root: root.clone() }.text();
    let digits = kit.bytes().filter_map(|byte| b"0123456789abcdefghjkmnpqrstvwxyz".iter().position(|&d| d == byte));
    let bits: Vec<u8> = digits.flat_map(|digit| (0..5).rev().map(move |bit| (digit >> bit & 1) as u8)).collect();
    let bytes: Vec<u8> = bits.chunks(8).map(|bits| bits.iter().fold(0, |byte, bit| byte << 1 | bit)).collect();
    let (mut wrap_key, mut id) = ([0; 32], [0; 8]);
    Hkdf::<Sha512>::new(Some(&replica.0), &bytes[17..49]).expand(b"waloy/v1 wrap-data-key", &mut wrap_key).unwrap();
    Hkdf::<Sha512>::new(None, key).expand(b"waloy/v1 dk-id", &mut id).unwrap();
    let mut wrapped = b"WALOYDK1\x01\0\0\0".to_vec();
    wrapped.extend(epoch.0.to_be_bytes().iter().chain(&replica.0).chain(&[0; 8]).chain(&id).chain(&[7; 12]));
    let cipher = aes_gcm::Aes256Gcm::new_from_slice(&wrap_key).unwrap();
    let sealed = cipher.encrypt(&[7; 12].into(), Payload { msg: key, aad: &wrapped }).unwrap();
    wrapped.extend(sealed);
    wrapped.extend(crc32c::crc32c(&wrapped).to_be_bytes());
    wrapped
}

#[test]
fn every_negative_fails_with_its_own_error() {
    let text = include_str!("../../golden/encryption_v1.json");
    let all: Value = serde_json::from_str(text).unwrap();
    let negatives = all["negative"].as_array().unwrap();
    for case in negatives {
        let error = Case::new(&all, case).run().expect_err(&case.to_string());
        assert_eq!(class(&error), case["error"].as_str().unwrap(), "{error}: {case}");
        let bad_key = matches!(class(&error), "wrong_secret" | "sealed_object");
        assert_eq!(error.is_bad_key(), bad_key, "{error}");
    }
    // What they are changed from opens.
    let whole = |target: &str| serde_json::json!({ "target": target });
    for target in ["slots/0", "slots/2", "data_key", "recovery_kit", "replica", "objects/1", "objects/5", "objects/13"]
    {
        Case::new(&all, &whole(target)).run().unwrap_or_else(|error| panic!("{target}: {error}"));
    }
    println!("{} negatives, each with its error", negatives.len());
    assert_eq!(negatives.len(), 73);
}

#[test]
fn open_objects_of_the_known_answers_are_read() {
    let all: Value = serde_json::from_str(include_str!("../../golden/encryption_v1.json")).unwrap();
    for object in all["open_objects"].as_array().unwrap() {
        let (key, bytes) = (object["key"].as_str().unwrap(), hex(object["object"].as_str().unwrap()));
        let kind: ObjectKind = Name::parse(key).unwrap().kind();
        assert_eq!(Envelope::parse(&bytes, kind), Ok(Envelope { kind }));
        assert_eq!(bytes[..16], Envelope { kind }.encode());
        assert_eq!(bytes[16..], hex(object["plaintext"].as_str().unwrap()));
    }
}

/// The same key under two epochs: only that the epoch is bound tells them apart.
#[test]
fn the_epoch_is_bound_even_where_the_key_is_the_same() {
    let (root, replica, database) = (RootKey::generate(), ReplicaId([1; 16]), DatabaseId([2; 16]));
    let mut keyring = Keyring::new(&root, replica, database);
    for epoch in [Epoch(1), Epoch(2)] {
        keyring.add(&wrapped(&root, replica, epoch, &[5; 32]), epoch).unwrap();
    }
    let place = Place::latest();
    let mut object = keyring.seal(&place, Epoch(1), b"content").unwrap();
    assert!(keyring.open(&place, object.clone()).is_ok());
    object[..16].copy_from_slice(&Envelope::encode_sealed(place.kind(), Epoch(2)));
    assert_eq!(keyring.open(&place, object), Err(Error::Commitment));
}
