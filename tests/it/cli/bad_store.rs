//! What is wrong on the way to a bucket. Each with its whole message.

use std::path::Path;
use std::sync::{Arc, Mutex};

use super::{Ran, assert_is, command, database, finish, image, insert, signal, wait_until, waloy};
use crate::fake_s3::{Answer, FakeS3, silent};
use crate::s3_server::{RENEWED, S3Server, Trouble};

/// Runs with keys, against an endpoint.
fn ask(dir: &Path, endpoint: &str, args: &[&str]) -> Ran {
    let mut command = command(dir, args);
    command.env("AWS_ACCESS_KEY_ID", "AKIAEXAMPLE").env("AWS_SECRET_ACCESS_KEY", "a secret");
    command.env("AWS_ENDPOINT_URL_S3", endpoint);
    let ran = finish(command.spawn().unwrap());
    assert!(!format!("{ran:?}").contains("a secret"));
    ran
}

const CHAIN: &str = "credentials come from the AWS chain (environment, profile, role)";
const CREATE: &str = "buckets are not made by waloy: create it, or correct the URL";

#[test]
fn what_a_store_answers_is_said_with_its_reason_and_what_to_do() {
    let dir = tempfile::tempdir().unwrap();
    let page = "<!DOCTYPE html><html><body>Welcome to nginx!</body></html>";
    let date = "Wed, 25 Nov 2026 10:00:00 GMT";
    let table: Vec<(Answer, i32, &str, &str, Vec<String>)> = vec![
        (
            Answer::refusal("404 Not Found", "NoSuchBucket", "The specified bucket does not exist"),
            2,
            "no such bucket [storage.no_such_bucket]",
            "returned 404 NoSuchBucket (request id REQ17): The specified bucket does not exist",
            vec![CREATE.into(), "the server that was asked is {endpoint}".into()],
        ),
        (
            Answer::refusal("403 Forbidden", "AccessDenied", "Access Denied"),
            13,
            "access denied [storage.denied]",
            "returned 403 AccessDenied (request id REQ17): Access Denied",
            vec![format!("{CHAIN}; they need {{permission}}")],
        ),
        (
            Answer::refusal("403 Forbidden", "InvalidAccessKeyId", "It does not exist"),
            13,
            "the access key is unknown [storage.denied]",
            "returned 403 InvalidAccessKeyId (request id REQ17): It does not exist",
            vec![CHAIN.into(), "the server that was asked is {endpoint}".into()],
        ),
        (
            Answer::refusal("403 Forbidden", "SignatureDoesNotMatch", "Check your key"),
            13,
            "the secret key is wrong [storage.denied]",
            "returned 403 SignatureDoesNotMatch (request id REQ17): Check your key",
            vec![CHAIN.into()],
        ),
        (
            Answer::refusal("400 Bad Request", "ExpiredToken", "The provided token has expired"),
            13,
            "the credentials have expired [storage.expired_credentials]",
            "returned 400 ExpiredToken (request id REQ17): The provided token has expired",
            vec![format!("get new ones; {CHAIN}")],
        ),
        (
            Answer::refusal("301 Moved Permanently", "PermanentRedirect", "Use the other endpoint")
                .with("x-amz-bucket-region", "eu-west-3"),
            2,
            "the bucket is in region eu-west-3 [storage.wrong_region]",
            "returned 301 PermanentRedirect (request id REQ17): Use the other endpoint",
            vec!["pass --region eu-west-3 (or set AWS_REGION)".into()],
        ),
        (
            Answer::refusal(
                "400 Bad Request",
                "AuthorizationHeaderMalformed",
                "the region 'us-east-1' is wrong; expecting 'eu-west-3'",
            ),
            2,
            "the bucket is in region eu-west-3 [storage.wrong_region]",
            "returned 400 AuthorizationHeaderMalformed (request id REQ17): the region 'us-east-1' is wrong; \
             expecting 'eu-west-3'",
            vec!["pass --region eu-west-3 (or set AWS_REGION)".into()],
        ),
        (
            Answer::new("301 Moved Permanently", "").with("location", "https://s3.example/bucket"),
            2,
            "the server sends elsewhere [storage.redirected]",
            "returned 301",
            vec!["if it is meant, pass --endpoint https://s3.example".into()],
        ),
        (
            Answer::refusal("403 Forbidden", "RequestTimeTooSkewed", "The difference is too large").with("date", date),
            13,
            "the clocks of this machine and of the store differ too much [storage.clock_skew]",
            "returned 403 RequestTimeTooSkewed (request id REQ17): The difference is too large",
            vec!["set the clock: here it is {now}, at the store 2026-11-25T10:00:00.000Z".into()],
        ),
        (
            Answer::new("404 Not Found", page).with("content-type", "text/html"),
            2,
            "a web page came back: the server does not speak S3 [storage.not_s3]",
            "returned 404",
            vec![
                "the server that was asked is {endpoint}".into(),
                "a console has another port than the store: MinIO's store is on 9000, Garage's on 3900".into(),
            ],
        ),
        (
            Answer::new("400 Bad Request", "Client sent an HTTP request to an HTTPS server.\n"),
            9,
            "the server expects TLS [storage.tls]",
            "returned 400",
            vec!["write the endpoint with https://".into()],
        ),
        (
            Answer::refusal("503 Slow Down", "SlowDown", "Reduce your rate"),
            9,
            "the store is overloaded [storage.unavailable]",
            "returned 503 SlowDown (request id REQ17): Reduce your rate",
            vec!["try again in a while".into()],
        ),
    ];
    let app = database(&dir.path().join("app.db"));
    let before = image(&app);
    for (answer, exit, message, cause, hints) in table {
        let server = FakeS3::always(answer);
        for (args, object, api, permission) in [
            (
                &["generations", "s3://bucket/app", "--retries", "2"] as &[&str],
                "list s3://bucket/app/",
                "ListObjectsV2",
                "s3:ListBucket on this bucket",
            ),
            (
                &["replicate", "app.db", "s3://bucket/app", "--once", "--retries", "2"],
                "read s3://bucket/app/replica",
                "GetObject",
                "s3:GetObject on this prefix",
            ),
        ] {
            let ran = ask(dir.path(), &server.endpoint, args);
            let mut expected = format!("error: cannot {object}: {message}\n  cause: {api} {cause}\n");
            for hint in &hints {
                let hint = hint.replace("{endpoint}", &server.endpoint).replace("{permission}", permission);
                expected += &format!("  hint:  {hint}\n");
            }
            let now = ran.err.split_once("here it is ").map_or("", |(_, rest)| &rest[..24]);
            assert_eq!((ran.err.as_str(), ran.code), (expected.replace("{now}", now).as_str(), Some(exit)), "{args:?}");
            assert_eq!(ran.out, "");
        }
    }
    assert!(image(&app) == before);
}

#[test]
fn a_web_page_in_the_place_of_an_object_is_no_damaged_object() {
    let dir = tempfile::tempdir().unwrap();
    let _app = database(&dir.path().join("app.db"));
    let server = FakeS3::always(Answer::new("200 OK", "<html>Welcome</html>").with("content-type", "text/html"));
    let listed = "  cause: ListObjectsV2 returned 200\n";
    for (args, what, cause) in [
        (&["replicate", "app.db", "s3://bucket/app", "--once"] as &[&str], "read s3://bucket/app/replica", ""),
        (&["generations", "s3://bucket/app"], "list s3://bucket/app/", listed),
    ] {
        let ran = ask(dir.path(), &server.endpoint, args);
        let expected = format!(
            "error: cannot {what}: a web page came back: the server does not speak S3 [storage.not_s3]
{cause}  hint:  the server that was asked is {}
  hint:  a console has another port than the store: MinIO's store is on 9000, Garage's on 3900
",
            server.endpoint
        );
        assert_eq!((ran.err, ran.code), (expected, Some(2)));
    }
}

#[test]
fn a_server_that_is_not_there_or_has_no_name_is_unavailable() {
    let dir = tempfile::tempdir().unwrap();
    let list = ["generations", "s3://bucket/app", "--retries", "2"];
    let ran = ask(dir.path(), "http://127.0.0.1:9", &list);
    assert_eq!(
        (ran.err.as_str(), ran.code),
        (
            "error: cannot list s3://bucket/app/: the store cannot be reached [storage.unavailable]
  cause: ListObjectsV2: client error (Connect): tcp connect error: Connection refused (os error 111)
  hint:  does a store listen at http://127.0.0.1:9?
",
            Some(9)
        )
    );
    // `.invalid` is kept for names that do not exist.
    let ran = ask(dir.path(), "http://store.invalid:9", &list);
    // With no network at all the resolver has other words.
    let why = ["Name or service not known", "Temporary failure in name resolution"].into_iter();
    let why = why.filter(|why| ran.err.contains(why)).collect::<String>();
    let expected = format!(
        "error: cannot list s3://bucket/app/: the store cannot be reached [storage.unavailable]
  cause: ListObjectsV2: client error (Connect): dns error: failed to lookup address information: {why}
  hint:  is the name in http://store.invalid:9 right, and does DNS know it?
"
    );
    assert!(!why.is_empty(), "{ran:?}");
    assert_eq!((ran.err, ran.code), (expected, Some(9)));
}

#[test]
fn a_command_that_ran_out_of_time_says_what_it_was_waiting_for() {
    let dir = tempfile::tempdir().unwrap();
    let args = ["generations", "s3://bucket/app", "--retries", "1000", "--timeout", "1s"];
    let ran = ask(dir.path(), "http://127.0.0.1:9", &args);
    assert_eq!(
        (ran.err.as_str(), ran.code),
        (
            "error: not done after 1s [timeout]
  cause: cannot list s3://bucket/app/: the store cannot be reached
  cause: ListObjectsV2: client error (Connect): tcp connect error: Connection refused (os error 111)
  hint:  does a store listen at http://127.0.0.1:9?
",
            Some(9)
        )
    );
    let ran = ask(dir.path(), &silent(), &["generations", "s3://bucket/app", "--timeout", "300ms"]);
    let expected = "error: not done after 300ms [timeout]\n  hint:  pass a longer --timeout\n";
    assert_eq!((ran.err.as_str(), ran.code), (expected, Some(9)));
}

const NONE: &str =
    "  hint:  set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or name a profile: --profile NAME, AWS_PROFILE
  hint:  or, past the AWS chain, WALOY_S3_ACCESS_KEY and WALOY_S3_SECRET_KEY (or the same with _FILE)
";

#[test]
fn without_credentials_it_is_said_at_once_and_a_role_still_gives_them() {
    let dir = tempfile::tempdir().unwrap();
    let run = |args: &[&str], env: &[(&str, &str)]| {
        let mut command = command(dir.path(), &[&["generations", "s3://bucket/app"], args].concat());
        command.env("HOME", dir.path()).env_remove("AWS_EC2_METADATA_DISABLED").envs(env.iter().copied());
        finish(command.spawn().unwrap())
    };
    let none = "error: cannot list s3://bucket/app/: no credentials [storage.no_credentials]\n";
    // Nothing listens, and something that is no metadata service.
    let ran = run(&[], &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", "http://127.0.0.1:9")]);
    assert_eq!((ran.err, ran.code), (format!("{none}{NONE}"), Some(13)));
    let proxy = FakeS3::always(Answer::new("403 Forbidden", "no"));
    let ran = run(&[], &[("AWS_EC2_METADATA_SERVICE_ENDPOINT", &proxy.endpoint)]);
    let cause = "  cause: ListObjectsV2: an error occurred while loading credentials: failed to load IMDS session token: \
                 request forbidden: IMDS is disabled or the caller has insufficient permissions.\n";
    assert_eq!((ran.err, ran.code), (format!("{none}{cause}{NONE}"), Some(13)));
    let ran = run(&["--profile", "nope"], &[("AWS_ACCESS_KEY_ID", "a"), ("AWS_SECRET_ACCESS_KEY", "b")]);
    let hint = "  hint:  is there a profile `nope` with keys in ~/.aws/config or ~/.aws/credentials?\n";
    assert_eq!((ran.err, ran.code), (format!("{none}{hint}"), Some(13)));

    let role = FakeS3::start(|request| match request.line.as_str() {
        "PUT /latest/api/token" => Answer::new("200 OK", "token").with("x-aws-ec2-metadata-token-ttl-seconds", "21600"),
        "GET /latest/meta-data/iam/security-credentials/" => Answer::new("200 OK", "backup"),
        line if line.starts_with("GET /latest/meta-data/iam/") => Answer::new(
            "200 OK",
            r#"{"Code":"Success","Type":"AWS-HMAC","AccessKeyId":"ASIAROLE","SecretAccessKey":"s","Token":"t",
                "LastUpdated":"2026-01-01T00:00:00Z","Expiration":"2099-01-01T00:00:00Z"}"#,
        ),
        _ => Answer::new("404 Not Found", ""),
    });
    let store = FakeS3::always(Answer::refusal("404 Not Found", "NoSuchBucket", "no"));
    let env = [("AWS_EC2_METADATA_SERVICE_ENDPOINT", role.endpoint.as_str()), ("AWS_ENDPOINT_URL", &store.endpoint)];
    let ran = run(&[], &env);
    assert_eq!(ran.code, Some(2), "{ran:?}");
    let signed = store.requests()[0].header("authorization").unwrap().to_owned();
    assert!(signed.contains("Credential=ASIAROLE/"), "{signed}");
}

#[test]
fn a_certificate_nobody_knows_is_refused_until_its_authority_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let refusal = Answer::refusal("404 Not Found", "NoSuchBucket", "no");
    let (server, pem) = FakeS3::tls(refusal.clone());
    std::fs::write(dir.path().join("ca.pem"), pem).unwrap();
    let list = ["generations", "s3://bucket/app"];
    let ran = ask(dir.path(), &server.endpoint, &list);
    let expected = "error: cannot list s3://bucket/app/: the server's certificate is not trusted [storage.tls]
  cause: ListObjectsV2: TLS handshake failed: the certificate's issuer is unknown
  hint:  pass the certificate of its authority with --ca-bundle FILE (or AWS_CA_BUNDLE)
";
    assert_eq!((ran.err.as_str(), ran.code), (expected, Some(9)));
    assert!(server.requests().is_empty(), "nothing is sent to a server that is not trusted");

    let trusted = ask(dir.path(), &server.endpoint, &["generations", "s3://bucket/app", "--ca-bundle", "ca.pem"]);
    assert_eq!(trusted.code, Some(2), "{trusted:?}");
    let mut by_variable = command(dir.path(), &list);
    by_variable.env("AWS_ACCESS_KEY_ID", "a").env("AWS_SECRET_ACCESS_KEY", "b").env("AWS_CA_BUNDLE", "ca.pem");
    by_variable.env("AWS_ENDPOINT_URL_S3", &server.endpoint);
    assert_eq!(finish(by_variable.spawn().unwrap()).code, Some(2));
    assert_eq!(server.requests().len(), 2);

    // Another name than the certificate's.
    let address = server.endpoint.replace("localhost", "127.0.0.1");
    let other = ask(dir.path(), &address, &["generations", "s3://bucket/app", "--ca-bundle", "ca.pem"]);
    let expected = "error: cannot list s3://bucket/app/: the server's certificate is for another name [storage.tls]
  cause: ListObjectsV2: TLS handshake failed: the certificate is for localhost, not for 127.0.0.1
  hint:  write the endpoint with that name
";
    assert_eq!((other.err.as_str(), other.code), (expected, Some(9)));
    // No TLS at all.
    let plain = FakeS3::always(refusal);
    let plain = ask(dir.path(), &plain.endpoint.replace("http:", "https:"), &list);
    let expected = "error: cannot list s3://bucket/app/: the server does not speak TLS there [storage.tls]
  cause: ListObjectsV2: TLS handshake failed: what the server sent is no TLS
  hint:  write the endpoint with http://, or with the port of TLS
";
    assert_eq!((plain.err.as_str(), plain.code), (expected, Some(9)));

    std::fs::write(dir.path().join("text.pem"), "a text").unwrap();
    for (file, expected) in [
        (
            "no.pem",
            "error: cannot read the CA bundle no.pem [storage.ca_bundle]
  cause: No such file or directory (os error 2)
",
        ),
        (
            "text.pem",
            "error: the CA bundle text.pem has no certificate in it [storage.ca_bundle]
  hint:  a CA bundle is a file of certificates in PEM: -----BEGIN CERTIFICATE----- …
",
        ),
    ] {
        let ran = ask(dir.path(), &server.endpoint, &["generations", "s3://bucket/app", "--ca-bundle", file]);
        assert_eq!((ran.err.as_str(), ran.code), (expected, Some(2)));
    }
}

#[test]
fn new_objects_carry_the_encryption_and_the_class_that_were_asked_for() {
    let dir = tempfile::tempdir().unwrap();
    let _app = database(&dir.path().join("app.db"));
    let server = FakeS3::start(|request| match request.line.split(' ').next() {
        Some("PUT") => Answer::refusal("403 Forbidden", "AccessDenied", "no"),
        _ if request.line.contains("list-type") => {
            Answer::new("200 OK", "<ListBucketResult><Name>b</Name><IsTruncated>false</IsTruncated></ListBucketResult>")
        }
        _ => Answer::refusal("404 Not Found", "NoSuchKey", "no"),
    });
    let args = ["replicate", "app.db", "s3://bucket/app", "--once", "--storage-class", "STANDARD_IA"];
    for (mode, sse, key) in [("AES256", "AES256", None), ("aws:kms:key-7", "aws:kms", Some("key-7"))] {
        let ran = ask(dir.path(), &server.endpoint, &[&args[..], &["--sse", mode]].concat());
        assert_eq!(ran.code, Some(13), "{ran:?}");
        let requests = server.requests();
        let put = requests.iter().rev().find(|request| request.line.starts_with("PUT ")).unwrap();
        assert_eq!(put.header("x-amz-server-side-encryption"), Some(sse));
        assert_eq!(put.header("x-amz-server-side-encryption-aws-kms-key-id"), key);
        assert_eq!(put.header("x-amz-storage-class"), Some("STANDARD_IA"));
    }
    for (args, code) in
        [(["--sse", "rot13"], "usage.invalid_value"), (["--storage-class", "DEEP_ARCHIVE"], "storage.archive_class")]
    {
        let ran = ask(dir.path(), &server.endpoint, &[&["generations", "s3://bucket/app"], &args[..]].concat());
        assert_eq!(ran.code, Some(2), "{ran:?}");
        assert!(ran.err.contains(code), "{ran:?}");
    }
    // And a server that keeps them takes them.
    let server = S3Server::start();
    let mut real = command(dir.path(), &[&args[..4], &["--sse", "AES256"]].concat());
    real.env("AWS_ENDPOINT_URL", &server.endpoint);
    real.env("AWS_ACCESS_KEY_ID", &server.access_key).env("AWS_SECRET_ACCESS_KEY", &server.secret_key);
    finish(real.spawn().unwrap()).ok();
}

/// A role's keys live for hours at most: those who give them out do so again, and replication goes on.
#[test]
fn credentials_that_expire_are_told_of_and_gone_on_with_once_they_are_renewed() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    let server = S3Server::start();
    let key = Arc::new(Mutex::new(server.access_key.clone()));
    let (given, secret) = (key.clone(), server.secret_key.clone());
    let role = FakeS3::start(move |_| {
        // The SDK asks anew ten seconds before they expire: here, each second or two.
        let expires = chrono::Utc::now() + chrono::Duration::seconds(12);
        let key = given.lock().unwrap();
        let body = format!(
            r#"{{"AccessKeyId":"{key}","SecretAccessKey":"{secret}","Token":"t","Expiration":"{}"}}"#,
            expires.format("%FT%TZ")
        );
        Answer::new("200 OK", body).with("content-type", "application/json")
    });
    let mut command = command(dir.path(), &["replicate", "app.db", "s3://bucket/app", "--sync-interval", "100ms"]);
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &role.endpoint).env("AWS_ENDPOINT_URL_S3", &server.endpoint);
    let running = command.arg("--json").env("AWS_REGION", "us-east-1").spawn().unwrap();
    let state = || waloy(dir.path(), &["status", "app.db", "--json"]).out;
    wait_until("it is in sync", || state().contains("\"in_sync\""));

    server.be(Trouble::Expired("AKIAWALOY", 400, "ExpiredToken"));
    insert(&app);
    wait_until("it is behind", || state().contains("\"degraded\""));
    insert(&app);
    *key.lock().unwrap() = RENEWED.to_owned();
    wait_until("it is in sync again", || state().contains("\"in_sync\""));
    insert(&app);
    signal(&running, "-TERM");
    let ran = finish(running).ok();
    assert!(ran.out.contains("the credentials have expired"), "{ran:?}");
    assert!(ran.out.contains("\"type\":\"recovered\""), "{ran:?}");
    assert!(!format!("{ran:?}").contains(&server.secret_key));
    let mut command = super::command(dir.path(), &["restore", "app.db", "-o", "restored.db"]);
    command.env("AWS_CONTAINER_CREDENTIALS_FULL_URI", &role.endpoint).env("AWS_ENDPOINT_URL_S3", &server.endpoint);
    finish(command.env("AWS_REGION", "us-east-1").spawn().unwrap()).ok();
    assert_is(&dir.path().join("restored.db"), &image(&app));
}
