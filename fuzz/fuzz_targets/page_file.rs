//! Any bytes as a page file: read or refused, never a panic. Good seeds: the page files of `tests/golden`, without
//! their first 16 bytes.

#![no_main]

use libfuzzer_sys::fuzz_target;
use waloy::format::{self, PageHasher};
use waloy::ids::HashKey;

#[path = "../../tests/it/format/sign.rs"]
mod sign;

fn read(bytes: &[u8]) {
    if let Ok((outline, chunks)) = format::whole(bytes) {
        let hasher = PageHasher::new(&HashKey([0; 32]));
        let _ = format::each_page(bytes, &outline, &chunks, &hasher, |_, _, _| {});
    }
}

fuzz_target!(|bytes: &[u8]| {
    read(bytes);
    // With the digests put right, to reach what stands behind them.
    let mut signed = bytes.to_vec();
    sign::sign(&mut signed);
    read(&signed);
});
