//! The JSON objects of a replica.

use sha2::{Digest as _, Sha256};
use waloy::format::{Latest, Manifest, ReplicaIds};
use waloy::ids::Digest;

/// The length of the end that holds the hash.
const TAIL_LEN: usize = 77;

pub(super) fn run(input: &[u8]) {
    read(input);
    // With the hash put right, or added.
    read(&sign(input));
    let content = input.len().checked_sub(TAIL_LEN).map(|len| &input[..len]);
    if let Some(content) = content {
        read(&sign(content));
    }
}

fn read(bytes: &[u8]) {
    if let Ok(ids) = ReplicaIds::parse(bytes) {
        assert_eq!(ids.encode(), bytes, "ids are written in one way");
    }
    if let Ok(latest) = Latest::parse(bytes) {
        assert_eq!(latest.encode(), bytes, "it is written in one way");
    }
    if let Ok(mut manifest) = Manifest::parse(bytes) {
        assert_eq!(Manifest::parse(&manifest.encode()).as_ref(), Ok(&manifest));
        // What a writer does with a manifest that it goes on with keeps its rules.
        for merged in manifest.merged.clone() {
            manifest.merge(merged);
        }
        assert_eq!(Manifest::parse(&manifest.encode()), Ok(manifest));
    }
}

pub(super) fn sign(content: &[u8]) -> Vec<u8> {
    let digest = Digest(Sha256::digest(content).into());
    [content, format!("\"sha256\":\"{digest}\"}}\n").as_bytes()].concat()
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    vec![
        golden!("none/replica").to_vec(),
        golden!("none/latest").to_vec(),
        golden!("none/01m81b5h803meht78x3meht78x/manifest.json").to_vec(),
        golden!("zstd/01m81b5h803meht78x3meht78x/manifest.json").to_vec(),
    ]
}
