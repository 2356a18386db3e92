//! Listings.

use super::{delete, put, put_all, walk};
use crate::storage::{Depth, Store, list_all};

async fn keys(store: &dyn Store, prefix: &str, after: Option<&str>) -> Vec<String> {
    list_all(store, prefix, after).await.expect("a listing").into_iter().map(|meta| meta.key).collect()
}

pub(super) async fn an_empty_store_lists_nothing(store: &dyn Store) {
    for prefix in ["", "a", "a/", "a/b/"] {
        for depth in [Depth::All, Depth::Folder] {
            assert_eq!(walk(store, prefix, depth).await, (vec![], vec![], 1), "{prefix}");
        }
    }
    // What was deleted leaves no folder behind.
    put(store, "a/b/c", b"x").await;
    delete(store, "a/b/c").await;
    assert_eq!(walk(store, "", Depth::Folder).await, (vec![], vec![], 1));
}

pub(super) async fn the_order_is_that_of_bytes(store: &dyn Store) {
    let sorted =
        ["A", "a-b", "a-b-c", "a.b", "a/a/z", "a/b", "a0-", "a0/b", "a00", "aa", "b/-", "b/0", "b/0-1", "b/00"];
    for key in sorted.iter().rev() {
        put(store, key, b"x").await;
    }
    assert_eq!(keys(store, "", None).await, sorted);
}

pub(super) async fn a_prefix_is_a_beginning_not_a_folder(store: &dyn Store) {
    for key in ["app/1", "app/10", "app/2/x", "app2/1", "apq", "ap"] {
        put(store, key, b"xy").await;
    }
    for (prefix, found) in [
        ("app", vec!["app/1", "app/10", "app/2/x", "app2/1"]),
        ("app/", vec!["app/1", "app/10", "app/2/x"]),
        ("app/1", vec!["app/1", "app/10"]),
        ("app/2", vec!["app/2/x"]),
        ("app/2/", vec!["app/2/x"]),
        ("app/3", vec![]),
        ("app/1/", vec![]),
        ("q", vec![]),
        ("apq", vec!["apq"]),
    ] {
        assert_eq!(keys(store, prefix, None).await, found, "{prefix}");
    }
    let listing = store.list("app2/", None, Depth::All).await.expect("a listing");
    assert_eq!(listing.objects[0].size, 2);
}

pub(super) async fn a_listing_begins_after_a_key(store: &dyn Store) {
    let all = ["a", "b/1", "b/2/x", "b/2/y", "b/3", "b0", "c"];
    for key in all {
        put(store, key, b"x").await;
    }
    for after in ["", "a", "a0", "b", "b/", "b/1", "b/2", "b/2/", "b/2/x", "b/2/xx", "b/9", "b0", "bz", "c", "d"] {
        let expected: Vec<&str> = all.into_iter().filter(|key| *key > after).collect();
        assert_eq!(keys(store, "", Some(after)).await, expected, "{after}");
        let expected: Vec<&str> = expected.into_iter().filter(|key| key.starts_with("b/")).collect();
        assert_eq!(keys(store, "b/", Some(after)).await, expected, "{after}");
        // Folders are entries of their own: "b/2/" comes after "b/2", and not after "b/2/x".
        let folders: Vec<&str> = ["b/2/"].into_iter().filter(|folder| *folder > after).collect();
        let listing = store.list("b/", Some(after), Depth::Folder).await.expect("a listing");
        assert_eq!(listing.folders, folders, "{after}");
    }
}

pub(super) async fn folders_are_told_once(store: &dyn Store) {
    for key in ["a", "b/1", "b/2", "b-1", "b/c/1", "b/c/2", "b/d/e/f", "bb/1", "z"] {
        put(store, key, b"x").await;
    }
    for (prefix, objects, folders) in [
        ("", vec!["a", "b-1", "z"], vec!["b/", "bb/"]),
        ("b", vec!["b-1"], vec!["b/", "bb/"]),
        ("b/", vec!["b/1", "b/2"], vec!["b/c/", "b/d/"]),
        ("b/c", vec![], vec!["b/c/"]),
        ("b/c/", vec!["b/c/1", "b/c/2"], vec![]),
        ("b/d/", vec![], vec!["b/d/e/"]),
        ("y", vec![], vec![]),
    ] {
        let found = walk(store, prefix, Depth::Folder).await;
        assert_eq!((found.0, found.1), (to_strings(objects), to_strings(folders)), "{prefix}");
    }
}

fn to_strings(texts: Vec<&str>) -> Vec<String> {
    texts.into_iter().map(str::to_owned).collect()
}

pub(super) async fn a_thousand_and_more_are_listed_whole(store: &dyn Store) {
    let names: Vec<String> = (0..2500).map(|index| format!("wal/{index:012}")).collect();
    put_all(store, &names[..1000]).await;
    put_all(store, &["wa".into(), "wal0".into()]).await;
    assert_eq!(walk(store, "wal/", Depth::All).await.0, names[..1000]);
    assert_eq!(walk(store, "wal/", Depth::Folder).await.0, names[..1000]);
    put_all(store, &names[1000..]).await;
    assert_eq!(walk(store, "wal/", Depth::All).await.0, names);
    assert_eq!(keys(store, "wal/", Some(&names[1234])).await, names[1235..]);
    assert_eq!(keys(store, "", None).await.len(), 2502);
}

pub(super) async fn a_thousand_folders_and_more_are_listed_whole(store: &dyn Store) {
    let mut names: Vec<String> = (0..1100).map(|index| format!("{index:04}/x")).collect();
    names.extend((0..1100).step_by(11).map(|index| format!("{index:04}/y")));
    names.extend((0..1100).step_by(7).map(|index| format!("{index:04}-")));
    put_all(store, &names).await;
    let (objects, folders, _) = walk(store, "", Depth::Folder).await;
    assert_eq!(folders, (0..1100).map(|index| format!("{index:04}/")).collect::<Vec<_>>());
    assert_eq!(objects, (0..1100).step_by(7).map(|index| format!("{index:04}-")).collect::<Vec<_>>());
}
