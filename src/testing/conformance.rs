//! What every store must do, as one list of checks.
//!
//! ```no_run
//! # async fn example(mine: &dyn waloy::storage::Store) {
//! waloy::testing::conformance::store(mine).await;
//! # }
//! ```

mod listing;
mod objects;
mod uploads;

use std::panic::AssertUnwindSafe;

use bytes::Bytes;
use futures_util::FutureExt as _;

use crate::storage::{Depth, Error, ErrorKind, Store, list_all};

/// Every check, each handed to the macro of this name with the store.
macro_rules! checks {
    ($run:ident) => {
        $run![
            objects::an_object_is_what_was_put_last,
            objects::an_empty_object_is_an_object,
            objects::what_is_not_there_is_not_found,
            objects::a_limit_is_held,
            objects::a_range_is_exact,
            objects::put_if_absent_never_replaces,
            objects::of_sixteen_at_once_one_creates,
            objects::deleting_twice_is_no_error,
            objects::many_are_deleted_and_no_others,
            objects::odd_characters_of_keys_are_kept,
            objects::keys_that_lead_elsewhere_are_refused,
            listing::an_empty_store_lists_nothing,
            listing::the_order_is_that_of_bytes,
            listing::a_prefix_is_a_beginning_not_a_folder,
            listing::a_listing_begins_after_a_key,
            listing::folders_are_told_once,
            listing::a_thousand_and_more_are_listed_whole,
            listing::a_thousand_folders_and_more_are_listed_whole,
            uploads::an_upload_is_an_object_when_it_is_finished,
            uploads::a_large_upload_is_whole,
            uploads::an_upload_never_replaces,
            uploads::what_is_given_up_is_not_seen,
            uploads::what_is_dropped_is_not_seen,
            uploads::of_two_uploads_one_creates,
            uploads::an_upload_of_another_process_can_be_given_up,
        ]
    };
}

/// Runs every check against an empty store. Each leaves it empty.
///
/// # Panics
///
/// If the store breaks a promise of [`crate::storage`]; the place of the panic names the check.
pub async fn store(store: &dyn Store) {
    macro_rules! run {
        ($($module:ident :: $check:ident),* $(,)?) => {
            $(run(store, stringify!($check), $module::$check(store)).await;)*
        };
    }
    checks!(run);
}

/// What came of one check.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Outcome {
    /// The check, named for the promise.
    pub check: &'static str,
    /// How the store broke it; `None` if it kept it.
    pub broken: Option<String>,
}

/// Runs every check against an empty store, those too that come after one that failed: what a store can do.
///
/// Whatever a check that failed left behind is deleted; panics are told on standard error as usual.
///
/// # Panics
///
/// If the store cannot be emptied.
pub async fn survey(store: &dyn Store) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    macro_rules! run {
        ($($module:ident :: $check:ident),* $(,)?) => {
            $(
                let check = stringify!($check);
                let ran = AssertUnwindSafe(run(store, check, $module::$check(store))).catch_unwind().await;
                if ran.is_err() {
                    clear(store).await;
                }
                outcomes.push(Outcome { check, broken: ran.err().map(|panic| told(&*panic)) });
            )*
        };
    }
    checks!(run);
    outcomes
}

/// The text of a panic.
fn told(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str).or(panic.downcast_ref::<&str>().copied());
    text.unwrap_or("a panic without a text").to_owned()
}

/// Runs one check, whose name a failure says in the log, and leaves the store empty.
async fn run(store: &dyn Store, name: &'static str, check: impl Future<Output = ()>) {
    tracing::debug!(check = name, store = store.location());
    check.await;
    clear(store).await;
    assert!(list_all(store, "", None).await.expect("a listing").is_empty(), "not all was deleted after {name}");
}

/// Deletes everything.
async fn clear(store: &dyn Store) {
    let all = list_all(store, "", None).await.expect("a listing");
    for keys in all.chunks(8) {
        futures_util::future::join_all(keys.iter().map(|meta| delete(store, &meta.key))).await;
    }
}

async fn delete(store: &dyn Store, key: &str) {
    store.delete(key).await.expect("a delete");
}

async fn put(store: &dyn Store, key: &str, bytes: &'static [u8]) {
    store.put(key, Bytes::from_static(bytes)).await.expect("a put");
}

/// Puts small objects, some at a time.
async fn put_all(store: &dyn Store, keys: &[String]) {
    for keys in keys.chunks(8) {
        futures_util::future::join_all(keys.iter().map(|key| put(store, key, b"x"))).await;
    }
}

async fn get(store: &dyn Store, key: &str) -> Bytes {
    store.get(key, 64 << 20).await.expect("a get")
}

fn kind<T: std::fmt::Debug>(result: Result<T, Error>) -> ErrorKind {
    result.expect_err("an error").kind
}

/// Every key and folder, page by page, and the number of pages.
async fn walk(store: &dyn Store, prefix: &str, depth: Depth) -> (Vec<String>, Vec<String>, usize) {
    let (mut keys, mut folders, mut pages) = (Vec::new(), Vec::new(), 0);
    let mut after = None;
    loop {
        let listing = store.list(prefix, after.as_deref(), depth).await.expect("a listing");
        pages += 1;
        keys.extend(listing.objects.into_iter().map(|meta| meta.key));
        folders.extend(listing.folders);
        assert!(pages < 100, "a listing without an end");
        match listing.next {
            Some(next) => {
                assert!(after.is_none_or(|after| after < next), "a listing that does not move on");
                after = Some(next);
            }
            None => return (keys, folders, pages),
        }
    }
}
