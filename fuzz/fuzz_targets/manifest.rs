//! Any bytes as a JSON object of a replica: read or refused, never a panic; and what was read can be written.

#![no_main]

use libfuzzer_sys::fuzz_target;
use sha2::{Digest as _, Sha256};
use waloy::format::{Latest, Manifest, ReplicaIds};
use waloy::ids::Digest;

fuzz_target!(|bytes: &[u8]| {
    let digest = Digest(Sha256::digest(bytes).into());
    let signed = [bytes, format!("\"sha256\":\"{digest}\"}}\n").as_bytes()].concat();
    for bytes in [bytes, &signed] {
        let _ = ReplicaIds::parse(bytes);
        let _ = Latest::parse(bytes);
        if let Ok(manifest) = Manifest::parse(bytes) {
            assert_eq!(Manifest::parse(&manifest.encode()), Ok(manifest));
        }
    }
});
