//! The simplest restore there is: every object in order, every page as it comes.

use rusqlite::Connection;
use waloy::compress::Decompressor;
use waloy::format::PageHasher;
use waloy::ids::GenerationId;
use waloy::replica::{self, Name, ObjectReader, Objects, Replica};

/// The pages of the newest state in the store.
pub(crate) async fn restore(store: &Replica) -> Vec<u8> {
    let generation = replica::generations(&**store).await.unwrap().pop().unwrap();
    restore_generation(store, generation).await
}

/// The pages at the end of a generation.
pub(crate) async fn restore_generation(store: &Replica, generation: GenerationId) -> Vec<u8> {
    let objects = Objects::list(&**store, generation, None).await.unwrap();
    let mut names = vec![(Name::Snapshot(generation), objects.snapshot.unwrap())];
    names.extend(objects.segments.iter().map(|&(index, size)| (Name::Segment(generation, index), size)));
    put_together(store, names).await
}

/// The pages of a snapshot.
pub(crate) async fn snapshot(store: &Replica, generation: GenerationId) -> Vec<u8> {
    let size = store.head(&Name::Snapshot(generation).key()).await.unwrap().size;
    put_together(store, vec![(Name::Snapshot(generation), size)]).await
}

async fn put_together(store: &Replica, names: Vec<(Name, u64)>) -> Vec<u8> {
    let ids = replica::read_ids(store).await.unwrap().unwrap();
    let hasher = PageHasher::new(&ids.hash_key);
    let (mut pages, mut decompressor) = (Vec::new(), Decompressor::default());
    for (name, size) in names {
        let reader = ObjectReader::open(store, name, size).await.unwrap();
        let page_len = reader.outline().header.page_size.len();
        pages.resize(pages.len().max(reader.outline().summary.pages_after as usize * page_len), 0);
        for place in &reader.outline().index {
            for entry in reader.index(place).await.unwrap() {
                let record = reader.chunk(&entry).await.unwrap();
                let images = entry.open(&record, &reader.outline().header, &hasher, &mut decompressor).unwrap();
                for ((page, _), image) in entry.pages().zip(images.chunks_exact(page_len)) {
                    let at = (page.get() as usize - 1) * page_len;
                    if at < pages.len() {
                        pages[at..at + page_len].copy_from_slice(image);
                    }
                }
            }
        }
        pages.truncate(reader.outline().summary.pages_after as usize * page_len);
    }
    pages
}

/// The database as SQLite itself gives it out, page for page.
pub(crate) fn pages_of(app: &Connection) -> Vec<u8> {
    app.serialize("main").unwrap().to_vec()
}
