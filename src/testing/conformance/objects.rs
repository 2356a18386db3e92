//! Single objects.

use bytes::Bytes;

use super::{delete, get, kind, put};
use crate::storage::{ErrorKind, Put, Store};

pub(super) async fn an_object_is_what_was_put_last(store: &dyn Store) {
    put(store, "a/b", b"one").await;
    assert_eq!(get(store, "a/b").await, "one");
    put(store, "a/b", b"another").await;
    assert_eq!(get(store, "a/b").await, "another");
    let meta = store.head("a/b").await.expect("a head");
    assert_eq!((meta.key.as_str(), meta.size), ("a/b", 7));
}

pub(super) async fn an_empty_object_is_an_object(store: &dyn Store) {
    put(store, "empty", b"").await;
    assert_eq!(get(store, "empty").await, "");
    assert_eq!(store.get("empty", 0).await.expect("a get"), "");
    assert_eq!(store.head("empty").await.expect("a head").size, 0);
    assert_eq!(store.put_if_absent("empty", Bytes::from_static(b"x")).await.expect("a put"), Put::Exists);
    assert_eq!(store.put_if_absent("empty2", Bytes::new()).await.expect("a put"), Put::Created);
    assert_eq!(kind(store.get_range("empty", 0..1).await), ErrorKind::Truncated);
}

pub(super) async fn what_is_not_there_is_not_found(store: &dyn Store) {
    put(store, "a/b", b"x").await;
    for key in ["b", "a", "a/c", "a/b/c", "a/bb", "z/y/x"] {
        assert_eq!(kind(store.get(key, 10).await), ErrorKind::NotFound, "{key}");
        assert_eq!(kind(store.get_range(key, 0..1).await), ErrorKind::NotFound, "{key}");
        assert_eq!(kind(store.head(key).await), ErrorKind::NotFound, "{key}");
    }
}

pub(super) async fn a_limit_is_held(store: &dyn Store) {
    put(store, "a", b"0123456789").await;
    assert_eq!(store.get("a", 10).await.expect("a get"), "0123456789");
    assert_eq!(kind(store.get("a", 9).await), ErrorKind::TooLarge);
    assert_eq!(kind(store.get("a", 0).await), ErrorKind::TooLarge);
}

pub(super) async fn a_range_is_exact(store: &dyn Store) {
    put(store, "a", b"0123456789").await;
    for (range, bytes) in [(0..10, "0123456789"), (0..1, "0"), (9..10, "9"), (3..7, "3456"), (4..4, ""), (10..10, "")] {
        assert_eq!(store.get_range("a", range.clone()).await.expect("a range"), bytes, "{range:?}");
    }
    for range in [0..11, 9..11, 10..11, 11..11, 100..200, 0..u64::MAX] {
        assert_eq!(kind(store.get_range("a", range.clone()).await), ErrorKind::Truncated, "{range:?}");
    }
}

pub(super) async fn put_if_absent_never_replaces(store: &dyn Store) {
    let put = async |bytes: &'static str| store.put_if_absent("a/b", Bytes::from_static(bytes.as_bytes())).await;
    assert_eq!(put("first").await.expect("a put"), Put::Created);
    assert_eq!(put("second").await.expect("a put"), Put::Exists);
    assert_eq!(put("first").await.expect("a put"), Put::Exists);
    assert_eq!(get(store, "a/b").await, "first");
    delete(store, "a/b").await;
    assert_eq!(put("third").await.expect("a put"), Put::Created);
    assert_eq!(get(store, "a/b").await, "third");
}

pub(super) async fn of_sixteen_at_once_one_creates(store: &dyn Store) {
    for round in 0..8 {
        let key = format!("race/{round}");
        let puts = (0..16).map(|racer| {
            let key = &key;
            async move { store.put_if_absent(key, Bytes::from(format!("racer {racer}"))).await.expect("a put") }
        });
        let outcomes = futures_util::future::join_all(puts).await;
        let winners: Vec<usize> = (0..16).filter(|racer| outcomes[*racer] == Put::Created).collect();
        assert_eq!(winners.len(), 1, "winners: {winners:?}");
        assert_eq!(get(store, &key).await, format!("racer {}", winners[0]));
    }
}

pub(super) async fn deleting_twice_is_no_error(store: &dyn Store) {
    put(store, "a/b", b"x").await;
    put(store, "a/c", b"y").await;
    for _ in 0..2 {
        delete(store, "a/b").await;
        assert_eq!(kind(store.head("a/b").await), ErrorKind::NotFound);
    }
    delete(store, "never/was").await;
    delete(store, "a/c/below/an/object").await;
    assert_eq!(get(store, "a/c").await, "y");
    delete(store, "a/c").await;
    put(store, "a/c", b"again").await;
    assert_eq!(get(store, "a/c").await, "again");
}

pub(super) async fn many_are_deleted_and_no_others(store: &dyn Store) {
    let keys: Vec<String> = (0..12).map(|at| format!("a/{at}")).collect();
    for key in &keys {
        put(store, key, b"x").await;
    }
    let (gone, left) = (&keys[..9], &keys[9..]);
    for _ in 0..2 {
        assert!(store.delete_many(gone).await.expect("deletes").is_empty());
    }
    assert!(store.delete_many(&[]).await.expect("no deletes").is_empty());
    for key in gone {
        assert_eq!(kind(store.head(key).await), ErrorKind::NotFound);
    }
    for key in left {
        assert_eq!(get(store, key).await, "x");
    }
    assert!(store.delete_many(left).await.expect("deletes").is_empty());
}

pub(super) async fn odd_characters_of_keys_are_kept(store: &dyn Store) {
    let keys =
        ["a b", "a+b", "a%20b", "a%b", "a&b", "a=b?c#d", "a'b\"c", "a<b>c", "a~b!c*d(e)", "a@b:c,d;e", ".a", "A"];
    for key in keys {
        store.put(key, Bytes::from(key)).await.expect("a put");
    }
    for key in keys {
        assert_eq!(get(store, key).await, key);
        assert_eq!(store.head(key).await.expect("a head").size, key.len() as u64);
    }
    let mut sorted = keys;
    sorted.sort_unstable();
    let listed = store.list("", None, crate::storage::Depth::All).await.expect("a listing");
    assert_eq!(listed.objects.iter().map(|meta| meta.key.as_str()).collect::<Vec<_>>(), sorted);
}

pub(super) async fn keys_that_lead_elsewhere_are_refused(store: &dyn Store) {
    for key in ["", "/", "/a", "a/", "a//b", ".", "..", "../a", "a/../b", "a/./b", "a\nb", "a\0b", "é"] {
        assert_eq!(kind(store.put(key, Bytes::new()).await), ErrorKind::Other, "{key:?}");
        assert_eq!(kind(store.put_if_absent(key, Bytes::new()).await), ErrorKind::Other, "{key:?}");
        assert_eq!(kind(store.get(key, 1).await), ErrorKind::Other, "{key:?}");
        assert_eq!(kind(store.get_range(key, 0..1).await), ErrorKind::Other, "{key:?}");
        assert_eq!(kind(store.head(key).await), ErrorKind::Other, "{key:?}");
        assert_eq!(kind(store.delete(key).await), ErrorKind::Other, "{key:?}");
        assert_eq!(kind(store.upload(key).await), ErrorKind::Other, "{key:?}");
    }
}
