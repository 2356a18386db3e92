//! How buckets answer when many objects are to be deleted.

use std::sync::Arc;

use waloy::replica::Replica;
use waloy::retention;
use waloy::storage::{ErrorKind, Retry, S3Options, S3Store, Store};
use waloy::units::Timestamp;

use crate::fake_s3::{Answer, FakeS3};

async fn store(server: &FakeS3) -> S3Store {
    let options = S3Options {
        endpoint: Some(server.endpoint.clone()),
        access_key: Some("key".into()),
        secret_key: Some("secret".into()),
        retry: Retry { tries: 1, ..Retry::default() },
        ..S3Options::default()
    };
    S3Store::open("bucket", "app", &options).await.unwrap()
}

fn keys() -> Vec<String> {
    ["a/1", "a/2", "a/3"].map(str::to_owned).to_vec()
}

fn result(errors: &str) -> Answer {
    let body = format!(
        "<?xml version=\"1.0\"?><DeleteResult xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{errors}</DeleteResult>"
    );
    Answer::new("200 OK", body).with("content-type", "application/xml")
}

#[tokio::test(flavor = "multi_thread")]
async fn the_verdict_on_each_key_is_read_although_the_answer_is_200() {
    let server = FakeS3::always(result(
        "<Error><Key>app/a/2</Key><Code>AccessDenied</Code><Message>object is locked</Message></Error>\
         <Error><Key>app/a/3</Key><Code>NoSuchKey</Code></Error>",
    ));
    let refused = store(&server).await.delete_many(&keys()).await.unwrap();
    let [(key, error)] = &refused[..] else { panic!("{refused:?}") };
    assert_eq!((key.as_str(), error.kind), ("a/2", ErrorKind::Denied));
    assert_eq!(error.to_string(), "cannot delete s3://bucket/app/a/2: access denied");
    assert_eq!(error.source.as_ref().unwrap().to_string(), "AccessDenied: object is locked");
    assert_eq!(server.requests().len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_is_overloaded_for_one_key_is_asked_again_for_all() {
    let server = FakeS3::always(result("<Error><Key>app/a/1</Key><Code>SlowDown</Code></Error>"));
    assert!(store(&server).await.delete_many(&keys()).await.unwrap_err().is_transient());
}

#[tokio::test(flavor = "multi_thread")]
async fn a_store_that_cannot_delete_many_is_asked_for_one_after_the_other() {
    for refusal in [
        Answer::refusal("501 Not Implemented", "NotImplemented", "not here"),
        Answer::refusal("400 Bad Request", "InvalidRequest", "Missing required header for this request: Content-MD5"),
    ] {
        let server = FakeS3::start(move |request| match request.line.starts_with("POST") {
            true => refusal.clone(),
            false => Answer::new("204 No Content", ""),
        });
        let store = store(&server).await;
        for _ in 0..2 {
            assert!(store.delete_many(&keys()).await.unwrap().is_empty());
        }
        let requests = server.requests();
        let posts = requests.iter().filter(|request| request.line.starts_with("POST")).count();
        let deletes = requests.iter().filter(|request| request.line.starts_with("DELETE")).count();
        assert_eq!((posts, deletes), (1, 6), "the second time it is known");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_key_that_may_not_delete_is_told_for_all() {
    let server = FakeS3::always(Answer::refusal("403 Forbidden", "AccessDenied", "no"));
    let error = store(&server).await.delete_many(&keys()).await.unwrap_err();
    assert_eq!(error.kind, ErrorKind::Denied);
    assert_eq!(server.requests().len(), 1);
}

/// Whose upload in parts was cut short where nobody remembers it paid for its parts for ever.
#[tokio::test(flavor = "multi_thread")]
async fn uploads_in_parts_that_nobody_has_finished_for_a_week_are_given_up() {
    let (generation, newest) = ("01jd9q0000000000000000000a", "01jd9q1000000000000000000a");
    let upload = |key: &str, id: &str, begun: &str| {
        format!("<Upload><Key>app/{key}</Key><UploadId>{id}</UploadId><Initiated>{begun}</Initiated></Upload>")
    };
    let uploads = [
        upload(&format!("{generation}/snapshot"), "old", "2026-01-01T00:00:00.000Z"),
        upload(&format!("{generation}/wal/000000000007"), "older", "2025-12-01T00:00:00.000Z"),
        upload(&format!("{generation}/wal/000000000009"), "young", "2026-01-09T00:00:00.000Z"),
        upload("another/thing", "strange", "2025-01-01T00:00:00.000Z"),
        // Somebody may still be at these: over a slow line, or through an outage.
        upload(&format!("{newest}/wal/000000000001"), "slow", "2026-01-01T00:00:00.000Z"),
        upload("01jd9q2000000000000000000a/snapshot", "slower", "2025-12-01T00:00:00.000Z"),
    ];
    let body = format!("<ListMultipartUploadsResult>{}</ListMultipartUploadsResult>", uploads.concat());
    let folder = |id| format!("<CommonPrefixes><Prefix>app/{id}/</Prefix></CommonPrefixes>");
    let listing = format!("<ListBucketResult>{}{}</ListBucketResult>", folder(generation), folder(newest));
    let server = FakeS3::start(move |request| match request.line.starts_with("GET") {
        true => {
            let body = if request.line.contains("list-type=2") { &listing } else { &body };
            Answer::new("200 OK", body.clone()).with("content-type", "application/xml")
        }
        false => Answer::new("204 No Content", ""),
    });
    let replica = Replica::plain(Arc::new(store(&server).await));
    // 2026-01-10.
    let now = Timestamp(1_768_003_200_000);
    assert_eq!(retention::abort_uploads(&replica, now).await.unwrap(), 2);
    let given_up: Vec<String> =
        server.requests().into_iter().map(|request| request.line).filter(|line| line.starts_with("DELETE")).collect();
    assert_eq!(given_up.len(), 2, "{given_up:?}");
    assert!(given_up[0].contains("uploadId=old") && given_up[1].contains("uploadId=older"), "{given_up:?}");
}
