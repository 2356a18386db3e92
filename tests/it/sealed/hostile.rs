//! A malicious bucket. Whatever it serves: who has the key gets an error, or a state that this database had.
#![expect(clippy::print_stdout, reason = "how much was tried")]

mod bucket;
mod content;
mod costs;
mod envelopes;
mod names;
mod others;

use bucket::{Bucket, vault};

use super::vault::{Objects, PASSPHRASE, Vault, keyring, opened, restored};

/// What must have been tried, and what must have come of it.
fn told(what: &str, bucket: &Bucket<'_>, at_least: usize) {
    let count = &bucket.count;
    println!("{what}: {count}");
    assert!(count.attacks >= at_least, "{what}: {count}");
    assert_eq!(count.errors + count.true_states, count.attacks);
}
