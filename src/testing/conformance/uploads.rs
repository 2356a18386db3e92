//! Objects of unknown length.

use bytes::Bytes;

use super::{get, kind, put};
use crate::storage::{Depth, ErrorKind, Put, Store};

async fn assert_nothing(store: &dyn Store) {
    let listing = store.list("", None, Depth::All).await.expect("a listing");
    assert!(listing.objects.is_empty(), "{:?}", listing.objects);
    assert_eq!(kind(store.head("a/b").await), ErrorKind::NotFound);
}

/// So many bytes, no part of which is like another.
fn noise(len: usize) -> Bytes {
    (0..len as u64).map(|at| (at.wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as u8).collect()
}

pub(super) async fn an_upload_is_an_object_when_it_is_finished(store: &dyn Store) {
    for len in [0, 1, 100_000] {
        let bytes = noise(len);
        let key = format!("a/{len}");
        let mut upload = store.upload(&key).await.expect("an upload");
        for piece in bytes.chunks(33_333) {
            upload.write(Bytes::copy_from_slice(piece)).await.expect("a write");
        }
        assert_eq!(kind(store.head(&key).await), ErrorKind::NotFound);
        assert_eq!(upload.finish_if_absent().await.expect("an end"), Put::Created);
        drop(upload);
        assert!(get(store, &key).await == bytes, "{len} bytes");
    }
}

pub(super) async fn a_large_upload_is_whole(store: &dyn Store) {
    let bytes = noise(20 << 20);
    let mut upload = store.upload("a/b").await.expect("an upload");
    for piece in bytes.chunks(777_777) {
        upload.write(Bytes::copy_from_slice(piece)).await.expect("a write");
    }
    assert_nothing(store).await;
    assert_eq!(upload.finish_if_absent().await.expect("an end"), Put::Created);
    assert!(get(store, "a/b").await == bytes);
    let range = (10 << 20) - 5..(10 << 20) + 5;
    let part = store.get_range("a/b", range.start as u64..range.end as u64).await.expect("a range");
    assert_eq!(part, bytes[range]);
}

pub(super) async fn an_upload_never_replaces(store: &dyn Store) {
    for len in [5, 9 << 20] {
        put(store, "a/b", b"the old one").await;
        let mut upload = store.upload("a/b").await.expect("an upload");
        upload.write(noise(len)).await.expect("a write");
        assert_eq!(upload.finish_if_absent().await.expect("an end"), Put::Exists);
        assert_eq!(get(store, "a/b").await, "the old one");
    }
}

pub(super) async fn what_is_given_up_is_not_seen(store: &dyn Store) {
    for len in [0, 5, 9 << 20] {
        let mut upload = store.upload("a/b").await.expect("an upload");
        upload.write(noise(len)).await.expect("a write");
        upload.abort().await.expect("an end");
        drop(upload);
        assert_nothing(store).await;
    }
}

pub(super) async fn what_is_dropped_is_not_seen(store: &dyn Store) {
    for len in [0, 5, 9 << 20] {
        let mut upload = store.upload("a/b").await.expect("an upload");
        upload.write(noise(len)).await.expect("a write");
        drop(upload);
        assert_nothing(store).await;
    }
}

pub(super) async fn of_two_uploads_one_creates(store: &dyn Store) {
    let mut one = store.upload("a/b").await.expect("an upload");
    let mut other = store.upload("a/b").await.expect("an upload");
    one.write(Bytes::from_static(b"one")).await.expect("a write");
    other.write(Bytes::from_static(b"other")).await.expect("a write");
    assert_eq!(other.finish_if_absent().await.expect("an end"), Put::Created);
    assert_eq!(one.finish_if_absent().await.expect("an end"), Put::Exists);
    assert_eq!(get(store, "a/b").await, "other");
}

pub(super) async fn an_upload_of_another_process_can_be_given_up(store: &dyn Store) {
    let mut upload = store.upload("a/b").await.expect("an upload");
    upload.write(noise(9 << 20)).await.expect("a write");
    let id = upload.id().to_owned();
    for _ in 0..2 {
        store.abort_upload("a/b", &id).await.expect("an abort");
    }
    assert_nothing(store).await;
    store.abort_upload("a/b", "").await.expect("an abort of nothing");
}
