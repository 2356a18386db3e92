//! Other bytes where ciphertext belongs: plaintext, what another data key has sealed, and content made to do harm.

use bytes::Bytes;
use waloy::compress::Compression;
use waloy::error::{Error as PublicError, Kind};
use waloy::format::TRAILER_LEN;
use waloy::replica::Name;
use waloy::seal::{Epoch, Keyring, Place};

use super::super::*;
use super::bucket::Changes;
use super::*;
use crate::format::sign::sign;
use crate::handmade::Handmade;

fn place(key: &str) -> Place {
    match (key, Name::parse(key)) {
        ("latest", _) => Place::latest(),
        (_, Some(Name::Snapshot(generation))) => Place::snapshot(generation),
        (_, Some(Name::Segment(generation, index))) => Place::segment(generation, index),
        (_, Some(Name::Merged(generation, first, last))) => Place::merged(generation, first, last),
        (_, Some(Name::Manifest(generation))) => Place::manifest(generation),
        _ => unreachable!("{key} is not sealed with a data key"),
    }
}

/// The content of every object, and what it is sealed with.
fn contents(vault: &Vault, keyring: &Keyring) -> Vec<(String, Epoch, Vec<u8>)> {
    let sealed = vault.objects.iter().filter(|(name, _)| !name.starts_with("keys/") && *name != "replica");
    let opened = sealed.map(|(name, bytes)| {
        let (epoch, content) = keyring.open(&place(name), bytes.to_vec()).unwrap();
        (name.clone(), epoch, content)
    });
    opened.collect()
}

async fn ring(bucket: &Bucket<'_>) -> Keyring {
    keyring(&bucket.memory, &bucket.vault.key).await.0
}

#[tokio::test(flavor = "multi_thread")]
async fn plaintext_for_ciphertext() {
    let vault = vault().await;
    let mut bucket = Bucket::new(vault).await;
    let keyring = ring(&bucket).await;
    let mut open = Objects::new();
    for (name, _, content) in contents(vault, &keyring) {
        let bytes = match Name::parse(&name) {
            Some(Name::Manifest(_)) | None => content,
            Some(name) => bare(&bucket.memory).sealing(name).await.unwrap().finish(content),
        };
        open.insert(name, bytes.into());
    }
    let ids = keyring.replica_key().open(vault.objects["replica"].to_vec()).unwrap();
    open.insert("replica".into(), ids.into());

    let alone = |wanted: &dyn Fn(&str) -> bool| -> Changes {
        open.iter().filter(|(name, _)| wanted(name)).map(|(name, bytes)| (name.clone(), Some(bytes.clone()))).collect()
    };
    for name in open.keys() {
        bucket.forge(&format!("{name} in the clear"), alone(&|other| other == name)).await;
        let replica = Replica::unlock(store(&bucket.memory), &vault.key).await.unwrap();
        bucket.memory.put(name, open[name].clone()).await.unwrap();
        // Whatever reads it says that it is not encrypted, and gives nothing of it.
        let refused = opened(&replica, name).await.unwrap().unwrap_err();
        let refused = PublicError::from(refused);
        assert_eq!((refused.kind(), refused.code()), (Kind::Damaged, "object.not_encrypted"), "{name}");
        bucket.memory.put(name, vault.objects[name].clone()).await.unwrap();
    }
    for generation in vault.generations() {
        let id = generation.to_string();
        bucket.attack(&format!("{id} in the clear"), alone(&|name| name.starts_with(&id))).await;
    }
    let page_files = |name: &str| Name::parse(name).is_some_and(|name| !matches!(name, Name::Manifest(_)));
    let (restored, noticed) = bucket.attack("all page files in the clear", alone(&page_files)).await;
    assert!(!restored && noticed);
    let (restored, _) = bucket.attack("everything but `replica` in the clear", alone(&|name| name != "replica")).await;
    assert!(!restored);
    let (restored, _) = bucket.attack("everything in the clear", alone(&|_| true)).await;
    assert!(!restored);
    let (restored, _) = bucket.serve("everything in the clear, and no keys", &open).await;
    assert!(!restored);

    // An open replica of somebody's own making.
    let theirs: Objects = Handmade::random(512, Compression::None, 3, 2, 4).await.objects().await.into_iter().collect();
    let (restored, _) = bucket.serve("an open replica", &theirs).await;
    assert!(!restored);
    let all: Objects = vault.objects.clone().into_iter().chain(theirs.clone()).collect();
    bucket.serve("an open replica over ours", &all).await;
    let all: Objects = theirs.into_iter().chain(vault.objects.clone()).collect();
    bucket.serve("an open replica below ours", &all).await;
    told("plaintext", &bucket, 60);
}

/// Sealed by whoever has stolen a data key: all objects of a generation have its snapshot's, never lower than before.
#[tokio::test(flavor = "multi_thread")]
async fn another_data_key() {
    let vault = vault().await;
    let mut bucket = Bucket::new(vault).await;
    let keyring = ring(&bucket).await;
    let contents = contents(vault, &keyring);
    let resealed = |from: &str, epoch: Epoch, content: &[u8]| {
        let other = if epoch == Epoch(1) { Epoch(2) } else { Epoch(1) };
        Bytes::from(keyring.seal(&place(from), other, content).unwrap())
    };
    for (name, epoch, content) in contents.iter().filter(|(name, ..)| name != "latest") {
        let changes = vec![(name.clone(), Some(resealed(name, *epoch, content)))];
        bucket.attack(&format!("{name} with another data key"), changes.clone()).await;
        // Told of every object by a check of all, but of a hint, as a warning.
        bucket.memory.put(name, changes[0].1.clone().unwrap()).await.unwrap();
        let replica = Replica::unlock(store(&bucket.memory), &vault.key).await.unwrap();
        let options = waloy::verify::Options::default();
        let report = waloy::verify::verify(&replica, bucket::EVERY_BYTE, &options).await.unwrap();
        assert!(!report.findings.is_empty(), "{name} with another data key is not noticed");
        assert!(!report.ok() || name.ends_with("manifest.json"), "{name}: {:?}", report.findings);
        bucket.memory.put(name, vault.objects[name].clone()).await.unwrap();
    }
    // The newest generation whole, with the older data key: the one before it has the newer.
    let id = vault.newest.0.to_string();
    let newest = contents.iter().filter(|(name, ..)| name.starts_with(&id));
    let newest = newest.map(|(name, epoch, content)| (name.clone(), Some(resealed(name, *epoch, content)))).collect();
    let (restored, noticed) = bucket.attack("the newest generation with the older data key", newest).await;
    assert!(!restored && noticed);
    told("data keys", &bucket, 55);
}

/// By whoever has the key; lengths are held to their limits before anything is allocated.
#[tokio::test(flavor = "multi_thread")]
async fn bombs() {
    let vault = vault().await;
    let mut bucket = Bucket::new(vault).await;
    let keyring = ring(&bucket).await;
    let id = vault.newest.0.to_string();
    let newest = contents(vault, &keyring).into_iter().filter(|(name, ..)| name.starts_with(&id) || name == "latest");
    for (name, epoch, content) in newest {
        let mut bombs: Vec<(&str, Vec<u8>)> = Vec::new();
        if matches!(Name::parse(&name), Some(Name::Manifest(_)) | None) {
            bombs.push(("a long document", vec![b' '; 8 << 20]));
            bombs.push(("a deep document", [vec![b'['; 3000], vec![b']'; 3000]].concat()));
        } else {
            let trailer = content.len() - TRAILER_LEN;
            let directory = u64::from_le_bytes(content[trailer + 16..trailer + 24].try_into().unwrap()) as usize;
            let index = u64::from_le_bytes(content[directory + 8..directory + 16].try_into().unwrap()) as usize;
            let chunk = u64::from_le_bytes(content[index + 8..index + 16].try_into().unwrap()) as usize;
            let set = |at: usize, field: &[u8]| {
                let mut bomb = content.clone();
                bomb[at..at + field.len()].copy_from_slice(field);
                sign(&mut bomb);
                bomb
            };
            for number in [u32::MAX, 1 << 28] {
                bombs.push(("pages after", set(trailer + 32, &number.to_le_bytes())));
                bombs.push(("length of an index record", set(directory + 16, &number.to_le_bytes())));
                bombs.push(("chunks of an index record", set(directory + 20, &number.to_le_bytes())));
                bombs.push(("length of a chunk", set(index + 16, &number.to_le_bytes())));
                bombs.push(("runs of a chunk", set(index + 20, &number.to_le_bytes())));
                bombs.push(("pages of a run", set(index + 60, &number.to_le_bytes())));
            }
            for number in [u64::MAX, 1 << 40] {
                bombs.push(("images", set(trailer + 40, &number.to_le_bytes())));
                bombs.push(("length", set(trailer + 24, &number.to_le_bytes())));
            }
            // A frame of Zstandard that claims 4 GiB, where the compressed pages begin: behind runs of one or more.
            let frame = [&[0x28, 0xb5, 0x2f, 0xfd, 0xc0, 0x00][..], &(4u64 << 30).to_le_bytes(), &[1, 0, 0]].concat();
            let magic = [0x28, 0xb5, 0x2f, 0xfd];
            let found = content[chunk..index].windows(4).position(|window| window == magic);
            let at = chunk + found.expect("a chunk is compressed");
            if at + frame.len() <= index {
                bombs.push(("a frame of 4 GiB", set(at, &frame)));
            }
        }
        for (bomb, content) in bombs {
            let sealed = keyring.seal(&place(&name), epoch, &content).unwrap();
            let what = format!("{bomb} in {name}");
            bucket.memory.put(&name, sealed.clone().into()).await.unwrap();
            let replica = Replica::unlock(store(&bucket.memory), &vault.key).await.unwrap();
            let report = waloy::verify::verify(&replica, bucket::EVERY_BYTE, &waloy::verify::Options::default()).await;
            let report = report.unwrap_or_else(|error| panic!("{what}: {error}"));
            // A merged segment beside those that it stands for need not have as many pages as they.
            let beside = bomb == "pages after" && name.contains('-');
            assert!(!report.findings.is_empty() || beside, "{what} is not noticed");
            bucket.attack(&what, vec![(name.clone(), Some(sealed.into()))]).await;
        }
    }
    told("bombs", &bucket, 200);
}
