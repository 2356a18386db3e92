//! A page file.

use waloy::format::{self, Header, PageHasher};
use waloy::ids::HashKey;

use super::sign;

pub(super) fn run(input: &[u8]) {
    read(input);
    // With the digests put right, to reach what stands behind them.
    let mut signed = input.to_vec();
    sign::sign(&mut signed);
    read(&signed);
}

fn read(bytes: &[u8]) {
    if let Ok(header) = Header::parse(bytes) {
        assert_eq!(header.encode()[..], bytes[..format::HEADER_LEN], "a header is written in one way");
    }
    let Ok((outline, chunks)) = format::whole(bytes) else { return };
    assert_eq!(outline.len, bytes.len() as u64);
    assert_eq!(chunks.iter().map(|chunk| chunk.hashes.len() as u64).sum::<u64>(), outline.images);
    let lock_page = outline.header.page_size.lock_page();
    for chunk in &chunks {
        assert!(chunk.pages().all(|(page, _)| page != lock_page), "nothing stores the lock page");
        assert_eq!(chunk.pages().count(), chunk.hashes.len());
    }
    let hasher = PageHasher::new(&HashKey([0; 32]));
    let mut images = 0;
    let read = format::each_page(bytes, &outline, &chunks, &hasher, |_, _, image| {
        assert_eq!(image.len(), outline.header.page_size.len());
        images += 1;
    });
    assert!(read.is_err() || images == outline.images);
}

/// The page files of a replica in the clear begin behind an envelope.
pub(super) fn seeds() -> Vec<Vec<u8>> {
    let stored = |bytes: &[u8]| bytes[waloy::seal::ENVELOPE_LEN..].to_vec();
    vec![
        stored(golden!("none/01m81b5h803meht78x3meht78x/snapshot")),
        stored(golden!("none/01m81b5h803meht78x3meht78x/wal/000000000000")),
        stored(golden!("none/01m81b5h803meht78x3meht78x/wal/000000000000-000000000001")),
        stored(golden!("lz4/01m81b5h803meht78x3meht78x/snapshot")),
        stored(golden!("lz4/01m81b5h803meht78x3meht78x/wal/000000000001")),
        stored(golden!("zstd/01m81b5h803meht78x3meht78x/snapshot")),
        stored(golden!("zstd/01m81b5h803meht78x3meht78x/wal/000000000000-000000000001")),
    ]
}
