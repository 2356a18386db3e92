//! Every store against the same list of promises, and each against what is special about it.

use std::io::{Read as _, Write as _};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use bytes::Bytes;
use waloy::error::{Error, Kind};
use waloy::storage::{
    Depth, DirStore, ErrorKind, Location, MemoryStore, PartSize, Put, Retry, Retrying, S3Options, S3Store, Store,
    list_all,
};
use waloy::testing::conformance;
use waloy::testing::faulty::{FaultyStore, Operation, When};

use crate::fake_s3::{Answer, FakeS3, Request};
use crate::s3_server::{S3Server, Trouble};

const QUICK: Retry = Retry { tries: 10, first: Duration::from_millis(1), cap: Duration::from_millis(5) };

#[tokio::test]
async fn memory_keeps_every_promise() {
    conformance::store(&MemoryStore::new()).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_directory_keeps_every_promise() {
    let folder = tempfile::tempdir().unwrap();
    conformance::store(&DirStore::new(folder.path().join("a/b"))).await;
    let left: Vec<_> = std::fs::read_dir(folder.path().join("a/b/.waloy-tmp")).unwrap().collect();
    assert!(left.is_empty(), "{left:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn s3_keeps_every_promise() {
    let server = S3Server::start();
    conformance::store(&S3Store::open(&server.bucket, "some/prefix", &server.options()).await.unwrap()).await;
    assert_eq!(server.parts(), 0, "every upload was finished or given up");
}

#[tokio::test]
async fn a_faulty_store_that_is_retried_keeps_every_promise() {
    let faulty = FaultyStore::new(Arc::new(MemoryStore::new()));
    // Faults before the effect alone: after it, a conditional put says `Exists` to its own object.
    for n in (1..30_000).step_by(3) {
        faulty.fail_nth_of(Operation::Put, n, When::After, ErrorKind::Unavailable);
    }
    for n in (1..100).step_by(3) {
        faulty.fail_nth_of(Operation::PutIfAbsent, n, When::Before, ErrorKind::Unavailable);
        for operation in [Operation::Get, Operation::GetRange, Operation::Head, Operation::List, Operation::Delete] {
            faulty.fail_nth_of(operation, n, When::After, ErrorKind::Unavailable);
        }
        for operation in [Operation::Upload, Operation::Finish, Operation::Abort] {
            faulty.fail_nth_of(operation, n, When::Before, ErrorKind::Unavailable);
        }
    }
    conformance::store(&Retrying::new(Arc::new(faulty.clone()), QUICK)).await;
}

#[tokio::test]
async fn faults_happen_as_ordered() {
    let faulty = FaultyStore::new(Arc::new(MemoryStore::new()));
    faulty.fail_nth(2, When::Before);
    faulty.fail_nth(3, When::After);
    faulty.put("a", Bytes::from_static(b"one")).await.unwrap();
    assert!(faulty.put("a", Bytes::from_static(b"two")).await.unwrap_err().is_transient());
    assert!(faulty.put_if_absent("b", Bytes::from_static(b"three")).await.unwrap_err().is_transient());
    assert_eq!(faulty.get("a", 9).await.unwrap(), "one");
    assert_eq!(faulty.get("b", 9).await.unwrap(), "three");
    faulty.flip_nth_of(Operation::GetRange, 2, 1, 0x20);
    assert_eq!(faulty.get_range("a", 0..3).await.unwrap(), "one");
    assert_eq!(faulty.get_range("a", 0..3).await.unwrap(), "oNe");
    assert_eq!(faulty.get_range("a", 0..3).await.unwrap(), "one");
    assert_eq!((faulty.requests(), faulty.requests_of(Operation::GetRange), faulty.pending()), (8, 3, 0));
    faulty.set_down(true);
    assert!(faulty.head("a").await.unwrap_err().is_transient());
    faulty.set_down(false);
    faulty.head("a").await.unwrap();
}

#[tokio::test]
async fn a_lost_reply_to_a_conditional_put_says_that_it_exists() {
    let faulty = FaultyStore::new(Arc::new(MemoryStore::new()));
    faulty.fail_nth(1, When::After);
    let store = Retrying::new(Arc::new(faulty), QUICK);
    assert_eq!(store.put_if_absent("a", Bytes::from_static(b"mine")).await.unwrap(), Put::Exists);
    assert_eq!(store.get("a", 9).await.unwrap(), "mine");
}

// Directories

fn modes(path: &Path) -> u32 {
    std::fs::metadata(path).unwrap().permissions().mode() & 0o777
}

#[tokio::test]
async fn a_directory_is_for_its_owner_alone() {
    let folder = tempfile::tempdir().unwrap();
    let root = folder.path().join("x/y");
    let store = DirStore::new(&root);
    assert!(list_all(&store, "", None).await.unwrap().is_empty());
    assert!(!root.exists(), "reading makes nothing");
    store.put("a/b", Bytes::new()).await.unwrap();
    for (path, mode) in [("", 0o700), ("a", 0o700), (".waloy-tmp", 0o700), ("a/b", 0o600)] {
        assert_eq!(modes(&root.join(path)), mode, "{path:?}");
    }
    let meta = store.head("a/b").await.unwrap();
    let listed = store.list("", None, Depth::All).await.unwrap().objects.remove(0);
    assert_eq!(meta, listed);
    assert!(meta.modified.is_some());
}

#[tokio::test]
async fn an_object_in_a_directory_is_made_durable_where_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let writer = DirStore::new(folder.path().join("below"));
    writer.put("a/b/c", Bytes::from_static(b"x")).await.unwrap();
    let faulty = FaultyStore::new(Arc::new(DirStore::new(folder.path().join("below"))));
    let store = Retrying::new(Arc::new(faulty.clone()), Retry::default());
    store.make_durable("a/b/c").await.unwrap();
    assert_eq!(faulty.requests_of(Operation::MakeDurable), 1);
    assert_eq!(store.get("a/b/c", 1).await.unwrap(), "x");
    for missing in ["a/b", "a/c", "d"] {
        assert!(store.make_durable(missing).await.unwrap_err().is_not_found(), "{missing}");
    }
}

#[tokio::test]
async fn foreign_files_are_listed_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::new(folder.path());
    std::fs::write(folder.path().join("é\n"), "x").unwrap();
    std::fs::create_dir_all(folder.path().join("empty/emptier")).unwrap();
    std::fs::write(folder.path().join(".hidden"), "x").unwrap();
    std::os::unix::fs::symlink("nowhere", folder.path().join("dangling")).unwrap();
    std::os::unix::fs::symlink(".hidden", folder.path().join("link")).unwrap();
    store.put("a", Bytes::new()).await.unwrap();
    store.put("empty/emptier/b", Bytes::new()).await.unwrap();
    store.delete("empty/emptier/b").await.unwrap();
    let keys: Vec<String> = list_all(&store, "", None).await.unwrap().into_iter().map(|meta| meta.key).collect();
    assert_eq!(keys, [".hidden", "a", "link", "é\n"]);
    assert!(store.list("", None, Depth::Folder).await.unwrap().folders.is_empty());
}

#[tokio::test]
async fn temporary_files_are_never_listed_and_old_ones_of_the_dead_are_deleted() {
    let folder = tempfile::tempdir().unwrap();
    let temporary = folder.path().join(".waloy-tmp");
    let living = DirStore::new(folder.path());
    let mut upload = living.upload("a").await.unwrap();
    upload.write(Bytes::from_static(b"alive")).await.unwrap();
    for (name, hours) in [("1-old", 2), ("1-new", 0)] {
        let file = std::fs::File::create(temporary.join(name)).unwrap();
        file.set_modified(SystemTime::now() - Duration::from_secs(hours * 3600)).unwrap();
    }
    // The upload is old too, but its process lives.
    let file = std::fs::File::options().write(true).open(temporary.join(upload.id())).unwrap();
    file.set_modified(SystemTime::now() - Duration::from_secs(7200)).unwrap();
    drop(file);

    let other = DirStore::new(folder.path());
    assert!(list_all(&other, "", None).await.unwrap().is_empty());
    other.put("b", Bytes::new()).await.unwrap();
    let mut left: Vec<String> =
        std::fs::read_dir(&temporary).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    left.sort();
    let mut expected = vec!["1-new".to_owned(), upload.id().to_owned()];
    expected.sort();
    assert_eq!(left, expected);
    assert_eq!(upload.finish_if_absent().await.unwrap(), Put::Created);
    assert_eq!(living.get("a", 9).await.unwrap(), "alive");
    assert_eq!(living.put(".waloy-tmp/x", Bytes::new()).await.unwrap_err().kind, ErrorKind::Other);
}

#[tokio::test]
async fn a_file_in_the_place_of_a_directory_is_a_local_error() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::new(folder.path().join("file"));
    std::fs::write(folder.path().join("file"), "x").unwrap();
    let error = store.put("a", Bytes::new()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Local, "{error}");
    assert_eq!(Error::from(error).kind(), Kind::Database);
}

#[tokio::test(flavor = "multi_thread")]
async fn puts_and_deletes_beside_each_other_never_miss_a_directory() {
    let folder = tempfile::tempdir().unwrap();
    let store = DirStore::new(folder.path());
    let tasks = (0..4).map(|task| {
        let store = store.clone();
        tokio::spawn(async move {
            for _ in 0..100 {
                let key = format!("a/b/{task}");
                store.put(&key, Bytes::from_static(b"x")).await.unwrap();
                store.head(&key).await.unwrap();
                store.delete(&key).await.unwrap();
            }
        })
    });
    for task in tasks.collect::<Vec<_>>() {
        task.await.unwrap();
    }
    assert!(!folder.path().join("a").exists(), "empty directories are gone");
}

// S3

async fn open(server: &S3Server) -> S3Store {
    S3Store::open(&server.bucket, "app", &server.options()).await.unwrap()
}

#[tokio::test]
async fn the_prefix_of_another_store_is_not_seen() {
    let server = S3Server::start();
    let store = open(&server).await;
    let bucket = server.directory();
    for (folder, file) in [("app2", "a"), ("app", "é ü+%20"), ("app", "c"), (".", "app-")] {
        std::fs::create_dir_all(bucket.join(folder)).unwrap();
        std::fs::write(bucket.join(folder).join(file), "x").unwrap();
    }
    let keys: Vec<String> = list_all(&store, "", None).await.unwrap().into_iter().map(|meta| meta.key).collect();
    assert_eq!(keys, ["c", "é ü+%20"]);
    assert!(store.list("", None, Depth::Folder).await.unwrap().folders.is_empty());
    assert_eq!(store.location(), "s3://bucket/app");
}

#[tokio::test]
async fn the_whole_bucket_can_be_a_store() {
    let server = S3Server::start();
    let store = S3Store::open(&server.bucket, "", &server.options()).await.unwrap();
    store.put("a/b", Bytes::from_static(b"x")).await.unwrap();
    assert_eq!(store.get("a/b", 9).await.unwrap(), "x");
    assert_eq!(store.list("", None, Depth::Folder).await.unwrap().folders, ["a/"]);
    assert_eq!(store.location(), "s3://bucket");
}

#[tokio::test]
async fn a_small_upload_is_one_request() {
    let server = S3Server::start();
    let store = open(&server).await;
    let mut upload = store.upload("a").await.unwrap();
    upload.write(Bytes::from_static(b"small")).await.unwrap();
    assert_eq!(upload.id(), "");
    assert_eq!(upload.finish_if_absent().await.unwrap(), Put::Created);
    assert_eq!(server.requests(), ["PUT /bucket/app/a?x-id=PutObject"]);
}

/// Put all the same, and not asked for the impossible again.
#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_refuses_conditions_gets_objects_without_them() {
    let server = S3Server::start();
    server.refuse_conditions();
    let store = open(&server).await;
    assert_eq!(store.put_if_absent("a", Bytes::from_static(b"1")).await.unwrap(), Put::Created);
    let asked = server.requests().len();
    assert_eq!(store.put_if_absent("a", Bytes::from_static(b"2")).await.unwrap(), Put::Created, "it replaces");
    assert_eq!(server.requests().len(), asked + 1);
    assert_eq!(store.get("a", 9).await.unwrap(), "2");
    let store = open(&server).await;
    let mut upload = store.upload("b").await.unwrap();
    upload.write(Bytes::from(vec![7; 20 << 20])).await.unwrap();
    assert_eq!(upload.finish_if_absent().await.unwrap(), Put::Created);
    assert_eq!(store.head("b").await.unwrap().size, 20 << 20);
    assert_eq!(server.parts(), 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn large_parts_go_by_a_file() {
    let server = S3Server::start();
    let spool = tempfile::tempdir().unwrap();
    let options = S3Options {
        part_size: PartSize { first: 5 << 20, doubled_after: 2 },
        spool: Some(spool.path().to_owned()),
        ..server.options()
    };
    let store = S3Store::open(&server.bucket, "app", &options).await.unwrap();
    let bytes: Bytes = (0..33u32 << 20).map(|at| (at.wrapping_mul(2_654_435_761) >> 24) as u8).collect();
    let mut upload = store.upload("a").await.unwrap();
    for piece in bytes.chunks(1_000_003) {
        upload.write(Bytes::copy_from_slice(piece)).await.unwrap();
    }
    assert_eq!(upload.finish_if_absent().await.unwrap(), Put::Created);
    assert!(store.get("a", 64 << 20).await.unwrap() == bytes);
    assert_eq!(std::fs::read_dir(spool.path()).unwrap().count(), 0);
    let parts = server.requests().iter().filter(|request| request.contains("partNumber")).count();
    assert_eq!(parts, 5, "5 + 5 + 10 + 10 + 3 MiB");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_upload_that_is_dropped_leaves_no_parts() {
    let server = S3Server::start();
    let store = open(&server).await;
    let mut upload = store.upload("a").await.unwrap();
    upload.write(Bytes::from(vec![1; 17 << 20])).await.unwrap();
    assert_ne!(upload.id(), "");
    drop(upload);
    let began = Instant::now();
    while server.parts() > 0 {
        assert!(began.elapsed() < Duration::from_secs(10), "parts are left");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn wrong_keys_are_denied_in_a_readable_line() {
    let server = S3Server::start();
    let options = S3Options { secret_key: Some("wrong".into()), ..server.options() };
    let store = Location::parse("s3://bucket/app").unwrap().open(&options).await.unwrap();
    for error in [
        store.put("a", Bytes::new()).await.unwrap_err(),
        store.get("a", 1).await.unwrap_err(),
        store.head("a").await.unwrap_err(),
        store.list("", None, Depth::All).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::Denied, "{error}");
        let public = Error::from(error);
        assert_eq!((public.kind(), public.code()), (Kind::Denied, "storage.denied"));
        let cause = public.causes().join("; ");
        assert!(cause.contains(" returned 403 SignatureDoesNotMatch"), "{cause}");
        assert!(!cause.contains("wrong") && !cause.contains('{') && !cause.contains("service error"), "{cause}");
    }
    assert_eq!(server.requests().len(), 5, "a refusal is not tried again, and a HEAD is explained by a GET");
}

#[tokio::test]
async fn a_bucket_that_is_not_there_is_a_wrong_setting() {
    let server = S3Server::start();
    let store = Location::parse("s3://nobucket/app").unwrap().open(&server.options()).await.unwrap();
    for error in [
        store.put("a", Bytes::new()).await.unwrap_err(),
        store.get("a", 1).await.unwrap_err(),
        store.head("a").await.unwrap_err(),
        store.list("", None, Depth::All).await.unwrap_err(),
    ] {
        assert_eq!(error.kind, ErrorKind::NoBucket, "{error}");
        let public = Error::from(error);
        assert_eq!((public.kind(), public.code()), (Kind::Usage, "storage.no_such_bucket"));
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_unavailable_soon() {
    // A port that was free a moment ago refuses connections.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let options = S3Options {
        endpoint: Some(format!("http://127.0.0.1:{port}")),
        access_key: Some("a".into()),
        secret_key: Some("b".into()),
        ..S3Options::default()
    };
    let store = Location::parse("s3://bucket").unwrap().open(&options).await.unwrap();
    let began = Instant::now();
    let error = store.put("a", Bytes::new()).await.unwrap_err();
    assert!(began.elapsed() < Duration::from_secs(8), "{:?}", began.elapsed());
    assert_eq!(error.kind, ErrorKind::Unavailable, "{error}");
    assert_eq!(error.message, "the store cannot be reached");
    let cause = Error::from(error).causes().join("; ");
    assert!(cause.contains("refused") && !cause.contains('{'), "{cause}");
}

#[tokio::test]
async fn a_server_that_takes_its_time_is_waited_for() {
    let server = S3Server::start();
    let store = open(&server).await;
    server.be(Trouble::Slow(Duration::from_millis(700)));
    store.put("a", Bytes::from_static(b"late")).await.unwrap();
    assert_eq!(store.get("a", 9).await.unwrap(), "late");
    assert_eq!(server.requests().len(), 2, "nothing was asked twice");
}

/// A server that gives every request the same answer.
fn canned(answer: &'static str) -> S3Options {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let endpoint = format!("http://{}", listener.local_addr().unwrap());
    // It ends with the test's process.
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut request = Vec::new();
            let mut buffer = [0; 4096];
            while !request.windows(4).any(|end| end == b"\r\n\r\n") {
                match stream.read(&mut buffer) {
                    Ok(0) | Err(_) => break,
                    Ok(len) => request.extend_from_slice(&buffer[..len]),
                }
            }
            let _ = stream.write_all(answer.as_bytes());
            let _ = stream.shutdown(std::net::Shutdown::Write);
            while stream.read(&mut buffer).is_ok_and(|len| len > 0) {}
        }
    });
    S3Options {
        endpoint: Some(endpoint),
        access_key: Some("a".into()),
        secret_key: Some("b".into()),
        ..S3Options::default()
    }
}

async fn answered(answer: &'static str) -> S3Store {
    S3Store::open("bucket", "app", &canned(answer)).await.unwrap()
}

#[tokio::test]
async fn a_ranged_read_that_gives_the_whole_object_is_refused() {
    let store = answered("HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\n0123456789").await;
    let error = store.get_range("a", 0..10).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Other, "{error}");
    assert!(error.message.contains("ranged read"), "{error}");
    assert_eq!(store.get("a", 10).await.unwrap(), "0123456789");
}

#[tokio::test]
async fn a_range_that_was_not_asked_for_is_refused() {
    let answer = "HTTP/1.1 206 Partial Content\r\ncontent-length: 5\r\ncontent-range: bytes 1-5/10\r\n\
                  connection: close\r\n\r\n12345";
    let store = answered(answer).await;
    assert_eq!(store.get_range("a", 0..5).await.unwrap_err().kind, ErrorKind::Other);
    assert_eq!(store.get_range("a", 1..6).await.unwrap(), "12345");
}

#[tokio::test]
async fn an_answer_that_breaks_off_may_be_asked_for_again() {
    let store = answered("HTTP/1.1 200 OK\r\ncontent-length: 10\r\nconnection: close\r\n\r\n01234").await;
    let error = store.get("a", 10).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    assert!(error.message.contains("after 5 of 10"), "{error}");
}

#[tokio::test]
async fn a_page_of_html_is_no_answer() {
    let page = "HTTP/1.1 404 Not Found\r\ncontent-length: 25\r\nconnection: close\r\n\r\n<html>nothing here</html>";
    let store = answered(page).await;
    assert_eq!(store.get("a", 10).await.unwrap_err().kind, ErrorKind::NoBucket);
    assert_eq!(store.list("", None, Depth::All).await.unwrap_err().kind, ErrorKind::NoBucket);
    let page = "HTTP/1.1 200 OK\r\ncontent-length: 25\r\nconnection: close\r\n\r\n<html>log in first</html>";
    let store = answered(page).await;
    let error = store.list("", None, Depth::All).await.unwrap_err();
    assert_ne!(error.kind, ErrorKind::NotFound, "{error}");
}

#[tokio::test]
async fn a_bucket_elsewhere_is_told_by_its_region() {
    let answer = "HTTP/1.1 301 Moved Permanently\r\nx-amz-bucket-region: eu-west-3\r\ncontent-length: 0\r\n\
                  connection: close\r\n\r\n";
    let error = answered(answer).await.get("a", 10).await.unwrap_err();
    assert_eq!((error.kind, error.message.as_str()), (ErrorKind::NoBucket, "the bucket is in region eu-west-3"));
}

#[tokio::test]
async fn a_conflict_is_asked_again_and_a_failed_condition_is_not() {
    let body = "<Error><Code>ConditionalRequestConflict</Code></Error>";
    let conflict =
        format!("HTTP/1.1 409 Conflict\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let error = answered(conflict.leak()).await.put_if_absent("a", Bytes::new()).await.unwrap_err();
    assert!(error.is_transient(), "{error}");
    let exists = "HTTP/1.1 412 Precondition Failed\r\ncontent-length: 0\r\nconnection: close\r\n\r\n";
    assert_eq!(answered(exists).await.put_if_absent("a", Bytes::new()).await.unwrap(), Put::Exists);
}

#[tokio::test]
async fn a_store_that_does_not_list_in_order_is_refused() {
    let body = "<ListBucketResult><IsTruncated>false</IsTruncated>\
                <Contents><Key>app/b</Key><Size>1</Size></Contents>\
                <Contents><Key>app/a</Key><Size>1</Size></Contents></ListBucketResult>";
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let store = answered(answer.leak()).await;
    let error = store.list("", None, Depth::All).await.unwrap_err();
    assert!(error.message.contains("order"), "{error}");
}

#[tokio::test]
async fn a_listing_of_another_prefix_is_refused() {
    let body = "<ListBucketResult><IsTruncated>false</IsTruncated>\
                <Contents><Key>app2/b</Key><Size>1</Size></Contents></ListBucketResult>";
    let answer = format!("HTTP/1.1 200 OK\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}", body.len());
    let store = answered(answer.leak()).await;
    assert!(store.list("", None, Depth::All).await.unwrap_err().message.contains("another prefix"));
}

/// A proxy in front of the store answered every upload with a page and "200": each was taken for stored.
#[tokio::test]
async fn a_put_counts_only_with_the_entity_tag_of_a_store() {
    let server = FakeS3::always(Answer::new("200 OK", "<html>we will be back soon").with("content-type", "text/html"));
    let store = reach(&server).await;
    for error in [
        store.put("a", Bytes::from_static(b"page file")).await.unwrap_err(),
        store.put_if_absent("a", Bytes::from_static(b"page file")).await.unwrap_err(),
    ] {
        assert!(error.may_pass(), "{error}");
    }
    // One that gives none, and has the object.
    let server = FakeS3::start(|request| match request.line.split(' ').next() {
        Some("PUT") => Answer::new("200 OK", ""),
        _ => Answer::new("200 OK", "page file"),
    });
    let store = reach(&server).await;
    store.put("a", Bytes::from_static(b"page file")).await.unwrap();
    assert!(store.put("a", Bytes::from_static(b"page two!")).await.unwrap_err().is_transient(), "as long, and another");
    assert_eq!(store.put_if_absent("a", Bytes::from_static(b"page file")).await.unwrap(), Put::Exists);
}

/// A store that says that it knows no conditions was told at once to put the object without one, over whatever was there.
#[tokio::test]
async fn before_a_put_without_a_condition_it_is_looked_for_what_is_there() {
    let is_conditional = |request: &Request| request.header("if-none-match").is_some();
    for there in [false, true] {
        let server = FakeS3::start(move |request| match request.line.split(' ').next() {
            Some("PUT") if is_conditional(request) => Answer::refusal("501 Not Implemented", "NotImplemented", "no"),
            Some("PUT") => Answer::new("200 OK", "").with("etag", "\"17\""),
            _ if there => Answer::new("200 OK", "another's"),
            _ => Answer::refusal("404 Not Found", "NoSuchKey", "no"),
        });
        let put = reach(&server).await.put_if_absent("a", Bytes::from_static(b"ours")).await.unwrap();
        assert_eq!(put, if there { Put::Exists } else { Put::Created });
        let puts = server.requests().into_iter().filter(|request| request.line.starts_with("PUT"));
        assert_eq!(puts.filter(|request| !is_conditional(request)).count(), usize::from(!there));
    }
}

/// A thousand databases in one bucket try it once; each of them looks before it puts all the same.
#[tokio::test]
async fn whether_a_bucket_knows_conditions_is_tried_once_for_all_who_share_connections() {
    let server = FakeS3::start(|request| match request.line.split(' ').next() {
        Some("PUT") if request.header("if-none-match").is_some() => {
            Answer::refusal("501 Not Implemented", "NotImplemented", "no")
        }
        Some("PUT") => Answer::new("200 OK", "").with("etag", "\"17\""),
        _ => Answer::refusal("404 Not Found", "NoSuchKey", "no"),
    });
    let options = options(&server);
    let [one, two] = [S3Store::open("bucket", "one", &options).await, S3Store::open("bucket", "two", &options).await];
    let (one, two, bytes) = (one.unwrap(), two.unwrap(), || Bytes::from_static(b"ids"));
    assert_eq!(two.is_known_to_keep(), None);
    assert!(!one.keeps_what_is_there("replica", bytes()).await.unwrap());
    let asked = server.requests().len();
    assert_eq!(two.is_known_to_keep(), Some(false));
    assert!(!two.keeps_what_is_there("replica", bytes()).await.unwrap());
    assert_eq!(server.requests().len(), asked, "it is known");
    assert_eq!(two.put_if_absent("a", bytes()).await.unwrap(), Put::Created);
    let lines: Vec<String> = server.requests().split_off(asked).into_iter().map(|request| request.line).collect();
    let methods: Vec<_> = lines.iter().filter_map(|line| line.split(' ').next()).collect();
    assert_eq!((methods[..2].to_vec(), methods.last()), (vec!["PUT", "HEAD"], Some(&"PUT")), "{lines:?}");
    let elsewhere = S3Store::open("other", "two", &options).await.unwrap();
    assert_eq!(elsewhere.is_known_to_keep(), None);
    elsewhere.keeps_what_is_there("replica", bytes()).await.unwrap();
    assert!(server.requests().len() > asked + lines.len(), "of another bucket nothing is known");
}

/// Whoever answers in the place of the store decided how much memory was taken.
#[tokio::test]
async fn an_answer_that_goes_on_and_on_is_given_up() {
    let endless = "<a>".repeat(6 << 20);
    for status in ["200 OK", "500 Internal Server Error"] {
        let server = FakeS3::always(Answer::new(status, endless.clone()).with("content-type", "application/xml"));
        let store = reach(&server).await;
        assert!(store.list("", None, Depth::All).await.is_err());
        if status != "200 OK" {
            assert!(store.get("a", 100 << 20).await.is_err());
        }
    }
}

async fn reach(server: &FakeS3) -> S3Store {
    S3Store::open("bucket", "app", &options(server)).await.unwrap()
}

fn options(server: &FakeS3) -> S3Options {
    S3Options {
        endpoint: Some(server.endpoint.clone()),
        access_key: Some("a".into()),
        secret_key: Some("b".into()),
        region: Some("us-east-1".into()),
        path_style: Some(true),
        retry: Retry::NEVER,
        ..S3Options::default()
    }
}
