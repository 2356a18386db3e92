//! Envelopes, slots and data keys that say something else, with the right checksum.

use bytes::Bytes;
use waloy::replica::Name;

use super::*;

/// The bytes with a field set, and the CRC-32C at `crc` over all before it right again.
fn with(bytes: &[u8], at: usize, field: &[u8], crc: usize) -> Option<Bytes> {
    let mut changed = bytes.to_vec();
    changed[at..at + field.len()].copy_from_slice(field);
    let checksum = crc32c::crc32c(&changed[..crc]).to_be_bytes();
    changed[crc..crc + 4].copy_from_slice(&checksum);
    (changed != bytes).then(|| changed.into())
}

#[tokio::test(flavor = "multi_thread")]
async fn another_suite_kind_or_epoch() {
    let vault = vault().await;
    let mut bucket = Bucket::new(vault).await;
    for name in vault.names(|name| !name.starts_with("keys/")) {
        let bytes = &vault.objects[&name];
        let epoch = |epoch: u32| (8, epoch.to_be_bytes().to_vec());
        let suites = [0, 1, 3].map(|suite| (4, vec![suite]));
        let kinds = (0..=7).filter(|kind| kind % 3 == bytes[5] % 3).map(|kind| (5, vec![kind]));
        let epochs = [0, 1, 2, 3].map(epoch);
        for (at, field) in suites.into_iter().chain(kinds).chain([(6, vec![0, 1])]).chain(epochs) {
            let Some(changed) = with(bytes, at, &field, 12) else { continue };
            bucket.forge(&format!("{name} with {field:?} at {at}"), vec![(name.clone(), Some(changed))]).await;
        }
    }
    told("envelopes", &bucket, 450);
    assert!(bucket.count.errors > 40, "{}", bucket.count);
}

/// A stream cipher lets whoever knows the plaintext turn it into another; the tag does not.
#[tokio::test(flavor = "multi_thread")]
async fn another_compression_within() {
    let vault = vault().await;
    let mut bucket = Bucket::new(vault).await;
    // The content begins behind the head; its 8th byte is the compression.
    let (place, ours) = (72 + 7, 2);
    for name in vault.page_files().into_iter().map(Name::key) {
        for other in [0, 1, 3] {
            let mut changed = vault.objects[&name].to_vec();
            changed[place] ^= ours ^ other;
            let what = format!("{name} with compression {other}");
            bucket.forge(&what, vec![(name.clone(), Some(changed.into()))]).await;
        }
    }
    told("compressions", &bucket, 150);
    assert!(bucket.count.errors > 10, "{}", bucket.count);
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_and_data_keys_that_say_something_else() {
    let vault = vault().await;
    let mut bucket = Bucket::new(vault).await;
    for name in vault.names(|name| name.starts_with("keys/")) {
        let bytes = &vault.objects[&name];
        let crc = bytes.len() - 4;
        // Argon2 would have to run for another salt, and for other costs: those are looked at apart.
        let costs = if name.contains("slot") { 44..72 } else { 0..0 };
        for at in (0..crc).filter(|at| !costs.contains(at)) {
            let changed = with(bytes, at, &[bytes[at] ^ 1], crc);
            bucket.attack(&format!("{name} with another byte {at}"), vec![(name.clone(), changed)]).await;
        }
    }
    told("keys", &bucket, 2 * 108 + 2 * 168);
    assert!(bucket.count.errors > 200, "{}", bucket.count);
}
