//! Whole sessions: a database is replicated, and comes back page for page.

use std::process::Command;
use std::time::Duration;

use serde_json::Value;

use super::{assert_is, command, database, drain, finish, image, insert, signal, wait_until, waloy};
use crate::s3_server::S3Server;

#[test]
fn a_database_is_replicated_to_a_directory_while_it_is_written_and_comes_back() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    let child = command(dir.path(), &["replicate", "app.db", "--sync-interval", "50ms"]).spawn().unwrap();
    let replica = dir.path().join("app.db.waloy/replica");
    wait_until("the first generation", || replica.join("latest").exists());
    for _ in 0..20 {
        insert(&app);
        std::thread::sleep(Duration::from_millis(10));
    }

    // Another waloy is told who is there, and the one that is there can be asked.
    let second = waloy(dir.path(), &["replicate", "app.db", "--once"]);
    assert_eq!(second.code, Some(11), "{second:?}");
    assert!(second.err.contains(&format!("process {}", child.id())), "{second:?}");
    waloy(dir.path(), &["sync", "app.db"]).ok();
    let before = image(&app);
    std::thread::sleep(Duration::from_millis(5));
    let noted = chrono::Utc::now().to_rfc3339_opts(chrono::SecondsFormat::Millis, true);
    std::thread::sleep(Duration::from_millis(5));
    app.execute("DELETE FROM t", []).unwrap();
    let live = waloy(dir.path(), &["generations", "app.db"]).ok();
    assert!(live.out.contains("  live\n"), "{live:?}");

    signal(&child, "-TERM");
    let stopped = finish(child).ok();
    assert!(stopped.err.contains("level=info msg=stopped") && stopped.err.contains("pending=0"), "{stopped:?}");
    assert!(stopped.err.contains("on the SAME DISK as app.db"), "{stopped:?}");

    waloy(dir.path(), &["restore", "app.db", "-o", "latest.db"]).ok();
    assert_is(&dir.path().join("latest.db"), &image(&app));
    let restored = waloy(dir.path(), &["restore", "app.db", "-o", "noted.db", "--time", &noted]).ok();
    assert!(
        restored.out.starts_with("requested  ") && restored.out.contains("matches the replicator's"),
        "{restored:?}"
    );
    assert_is(&dir.path().join("noted.db"), &before);
    waloy(dir.path(), &["restore-to-time", &noted, "app.db", "-o", "again.db"]).ok();
    assert_is(&dir.path().join("again.db"), &before);
    // Unquoted, as people write it.
    waloy(dir.path(), &["restore", "--time", "0s", "ago", "app.db", "-o", "now.db"]).ok();
    assert_is(&dir.path().join("now.db"), &image(&app));
}

#[test]
fn what_is_printed_for_programs_is_json() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    let mut child =
        command(dir.path(), &["replicate", "app.db", "--json", "--to", "replica", "--sync-interval", "50ms"])
            .spawn()
            .unwrap();
    wait_until("the first generation", || dir.path().join("replica/latest").exists());
    insert(&app);
    waloy(dir.path(), &["sync", "app.db", "--to", "replica"]).ok();
    signal(&child, "-INT");
    let out = drain(child.stdout.take());
    finish(child).ok();
    let events: Vec<Value> = out.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let types: Vec<&str> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(types, ["start", "generation", "sync", "stop"]);
    for event in &events {
        assert_eq!(event["schema_version"], 1);
        assert!(event["at"].as_str().unwrap().ends_with('Z') && event["db"].as_str().unwrap().ends_with("/app.db"));
    }
    assert_eq!((events[2]["commits"].as_u64(), events[2]["index"].as_u64()), (Some(1), Some(0)));

    let generations = waloy(dir.path(), &["generations", "--to", "replica", "--json"]).ok().json();
    let generation = &generations["generations"][0];
    assert_eq!(generation["id"], events[1]["generation"]);
    assert_eq!((generation["commits"].as_u64(), generation["segments"].as_u64()), (Some(1), Some(1)));
    assert_eq!((generation["state"].as_str(), generation["reason"].as_str()), (Some("ok"), Some("first")));
    let id = generation["id"].as_str().unwrap();

    let inspected = waloy(dir.path(), &["inspect", "--to", "replica", "--objects", "--json"]).ok().json();
    let keys: Vec<&str> =
        inspected["objects"].as_array().unwrap().iter().map(|object| object["key"].as_str().unwrap()).collect();
    assert_eq!(keys, [format!("{id}/manifest.json"), format!("{id}/snapshot"), format!("{id}/wal/000000000000")]);
    assert_eq!(inspected["objects"][2]["prev_sha256"], inspected["objects"][1]["sha256"]);
    for key in ["replica", "latest", keys[0], keys[1], keys[2]] {
        let raw = waloy(dir.path(), &["inspect", "--to", "replica", "--raw", key, "--json"]).ok().json();
        assert_eq!((raw["type"].as_str(), raw["key"].as_str()), (Some("object"), Some(key)));
    }
    let restored = waloy(dir.path(), &["restore", "--to", "replica", "-o", "out.db", "--json"]).ok().json();
    assert_eq!((restored["restored"]["index"].as_u64(), restored["page_size"].as_u64()), (Some(0), Some(4096)));
    let verified = waloy(dir.path(), &["verify", "--to", "replica", "--json"]).ok().json();
    assert_eq!((verified["ok"].as_bool(), verified["exit_code"].as_u64()), (Some(true), Some(0)));
    assert_eq!(verified["sources"][0]["checksum"], restored["checksum"]);
    assert!(waloy(dir.path(), &["version", "--json"]).ok().json()["sqlite"].is_string());
}

#[test]
fn points_of_a_generation_are_named_as_they_are_printed_and_an_old_database_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    let at_snapshot = image(&app);
    let child = command(dir.path(), &["replicate", "app.db"]).spawn().unwrap();
    wait_until("the first generation", || dir.path().join("app.db.waloy/replica/latest").exists());
    insert(&app);
    waloy(dir.path(), &["sync", "app.db"]).ok();
    let at_first = image(&app);
    insert(&app);
    signal(&child, "-TERM");
    finish(child).ok();
    let id = waloy(dir.path(), &["generations", "app.db", "--json"]).ok().json()["generations"][0]["id"]
        .as_str()
        .unwrap()
        .to_owned();
    let capitals = id.to_uppercase();
    let short = format!("{}…{}", &capitals[..6], &capitals[22..]);
    assert!(waloy(dir.path(), &["generations", "app.db"]).ok().out.contains(&short));
    for (point, expected) in [(format!("{short}:snapshot"), &at_snapshot), (format!("{}:0", &id[..12]), &at_first)] {
        waloy(dir.path(), &["restore", "app.db", "-o", "point.db", "--generation", &point]).ok();
        assert_is(&dir.path().join("point.db"), expected);
        std::fs::remove_file(dir.path().join("point.db")).unwrap();
    }
    let beyond = waloy(dir.path(), &["restore", "app.db", "-o", "point.db", "--generation", &format!("{short}:99")]);
    assert_eq!(beyond.code, Some(7), "{beyond:?}");

    // While the application has it open, it is not replaced; closed, it is kept.
    let in_use = waloy(dir.path(), &["restore", "app.db", "--force"]);
    assert_eq!(in_use.code, Some(6), "{in_use:?}");
    let last = image(&app);
    drop(app);
    let forced = waloy(dir.path(), &["restore", "app.db", "--force", "--json"]).ok().json();
    let kept = forced["kept"].as_str().unwrap();
    assert!(kept.contains("app.db.pre-restore-"), "{kept}");
    assert_is(&dir.path().join("app.db"), &last);
    assert!(std::path::Path::new(kept).exists());
}

#[test]
fn verify_is_silent_when_all_is_well_and_names_every_problem_otherwise() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    waloy(dir.path(), &["replicate", "app.db", "--once", "--to", "replica", "-q"]).ok();
    for args in [&[] as &[&str], &["--quick"], &["--read-data"], &["--read-data=1/2"], &["--restore=full"]] {
        let ran = waloy(dir.path(), &[&["verify", "--to", "replica"], args].concat()).ok();
        assert!(ran.out.is_empty() && ran.err.is_empty(), "{args:?}: {ran:?}");
    }
    let told = waloy(dir.path(), &["verify", "app.db", "--to", "replica", "-v"]).ok();
    assert!(told.out.starts_with("ok  app.db: 1 generation, "), "{told:?}");

    std::thread::sleep(Duration::from_millis(5));
    let stale = waloy(dir.path(), &["verify", "--to", "replica", "--max-age", "1ms"]);
    assert_eq!(stale.code, Some(4), "{stale:?}");
    assert!(stale.err.starts_with("stale "), "{stale:?}");
    assert!(stale.err.ends_with("verify failed: 1 stale (exit 4)\n"), "{stale:?}");
    // The database is there to be asked: level with it is fresh, however old; behind it is not.
    waloy(dir.path(), &["verify", "app.db", "--to", "replica", "--max-age", "1ms"]).ok();
    insert(&app);
    let behind = waloy(dir.path(), &["verify", "app.db", "--to", "replica", "--max-age", "1ms"]);
    assert_eq!(behind.code, Some(4), "{behind:?}");

    let found = Command::new("find").arg(dir.path().join("replica")).args(["-name", "snapshot"]).output().unwrap();
    let snapshot = String::from_utf8(found.stdout).unwrap().trim().to_owned();
    let mut bytes = std::fs::read(&snapshot).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    std::fs::write(&snapshot, bytes).unwrap();
    let damaged = waloy(dir.path(), &["verify", "--to", "replica", "--max-age", "1ms"]);
    assert_eq!(damaged.code, Some(3), "{damaged:?}");
    assert!(damaged.err.contains("damaged ") && damaged.err.contains("stale "), "{damaged:?}");
    let restored = waloy(dir.path(), &["restore", "--to", "replica", "-o", "out.db"]);
    assert_eq!(restored.code, Some(3), "{restored:?}");
    assert!(!dir.path().join("out.db").exists());

    let several = waloy(dir.path(), &["verify", "app.db", "other.db", "--to", "replica", "--json"]);
    assert_eq!(several.json()["sources"].as_array().unwrap().len(), 2);
}

#[test]
fn a_database_that_does_not_exist_yet_is_waited_for_and_another_mode_is_converted_when_asked() {
    let dir = tempfile::tempdir().unwrap();
    let child = command(dir.path(), &["replicate", "app.db", "--wait-for-db", "--to", "replica"]).spawn().unwrap();
    std::thread::sleep(Duration::from_millis(300));
    let app = database(&dir.path().join("app.db"));
    wait_until("the first generation", || dir.path().join("replica/latest").exists());
    signal(&child, "-TERM");
    finish(child).ok();
    waloy(dir.path(), &["restore", "--to", "replica", "-o", "out.db"]).ok();
    assert_is(&dir.path().join("out.db"), &image(&app));

    let old = rusqlite::Connection::open(dir.path().join("old.db")).unwrap();
    old.execute_batch("CREATE TABLE t (a)").unwrap();
    drop(old);
    waloy(dir.path(), &["replicate", "old.db", "--once", "--set-wal", "--to", "replica-of-old"]).ok();
    waloy(dir.path(), &["verify", "--to", "replica-of-old"]).ok();
}

#[test]
fn the_time_in_which_no_replicator_ran_is_shown_as_a_gap() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("app.db");
    // The last close of a database removes its WAL, and with it the place where the replica ended.
    for _ in 0..2 {
        drop(database_or_more(&path));
        waloy(dir.path(), &["replicate", "app.db", "--once"]).ok();
        std::thread::sleep(Duration::from_millis(5));
    }
    let listed = waloy(dir.path(), &["generations", "app.db", "--json"]).ok().json();
    assert_eq!(listed["generations"].as_array().unwrap().len(), 1, "{listed}");
    let moment = |value: &Value| value.as_str().unwrap().to_owned();
    let (covers, gap) = (&listed["generations"][0], &listed["gaps"][0]);
    assert!(moment(&covers["from"]) <= moment(&gap["from"]) && moment(&gap["from"]) < moment(&gap["to"]), "{listed}");
    assert!(moment(&gap["to"]) <= moment(&covers["to"]), "{listed}");
    assert!(waloy(dir.path(), &["generations", "app.db"]).ok().out.contains("— gap "));
    // In the gap nothing is known; the last state before it is what is given back.
    let told = waloy(dir.path(), &["restore", "app.db", "-o", "then.db", "--time", &moment(&gap["from"])]).ok();
    assert!(told.err.contains("nobody watched the database from "), "{told:?}");
}

fn database_or_more(path: &std::path::Path) -> rusqlite::Connection {
    if path.exists() {
        let app = rusqlite::Connection::open(path).unwrap();
        insert(&app);
        return app;
    }
    database(path)
}

#[test]
fn a_bucket_is_reached_as_the_environment_says() {
    let server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    std::fs::write(dir.path().join("secret"), format!("{}\n", server.secret_key)).unwrap();
    let waloy = |args: &[&str]| {
        let mut command = command(dir.path(), args);
        command.env("WALOY_S3_ENDPOINT", &server.endpoint).env("WALOY_S3_REGION", "us-east-1");
        command.env("WALOY_S3_ACCESS_KEY", &server.access_key).env("WALOY_S3_SECRET_KEY_FILE", "secret");
        command.env("WALOY_S3_BUCKET", &server.bucket).env("WALOY_S3_PREFIX", "backups/app");
        finish(command.spawn().unwrap())
    };
    let once = waloy(&["replicate", "app.db", "--once"]).ok();
    assert!(once.err.contains("destination=s3://bucket/backups/app origin=WALOY_S3_BUCKET"), "{once:?}");
    waloy(&["verify", "s3://bucket/backups/app"]).ok();
    // Its name comes from the URL.
    waloy(&["restore", "s3://bucket/backups/app"]).ok();
    assert_is(&dir.path().join("app"), &image(&app));
    let none = waloy(&["generations", "s3://bucket/other"]);
    assert_eq!(none.code, Some(10), "{none:?}");
    let no_bucket = waloy(&["generations", "s3://no-such-bucket/x"]);
    assert_eq!(no_bucket.code, Some(2), "{no_bucket:?}");
    assert!(!format!("{once:?}{none:?}{no_bucket:?}").contains(&server.secret_key));

    let mut wrong = command(dir.path(), &["generations", "s3://bucket/backups/app", "--endpoint", &server.endpoint]);
    wrong.env("WALOY_S3_ACCESS_KEY", &server.access_key).env("WALOY_S3_SECRET_KEY", "wrong");
    let wrong = finish(wrong.spawn().unwrap());
    assert_eq!(wrong.code, Some(13), "{wrong:?}");
}

/// Who gave the address once is not asked for it again, and nobody else's bucket is asked instead.
#[test]
fn a_bucket_is_reached_as_before_and_keys_are_never_kept() {
    let server = S3Server::start();
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    let waloy = |args: &[&str], more: &[(&str, &str)]| {
        let mut command = command(dir.path(), args);
        command.env("AWS_ACCESS_KEY_ID", &server.access_key).env("AWS_SECRET_ACCESS_KEY", &server.secret_key);
        command.envs(more.iter().copied());
        finish(command.spawn().unwrap())
    };
    let address = ["--endpoint", &server.endpoint, "--region", "eu-west-3", "--path-style"];
    waloy(&[&["replicate", "app.db", "s3://bucket/app", "--once"], &address[..]].concat(), &[]).ok();

    let file = dir.path().join("app.db.waloy/state/reach.json");
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let expected = serde_json::json!({
        "format": 1, "destination": "s3://bucket/app",
        "endpoint": server.endpoint, "region": "eu-west-3", "path_style": true,
    });
    assert_eq!(kept, expected);
    for file in std::fs::read_dir(dir.path().join("app.db.waloy/state")).unwrap() {
        // A socket is no file to read.
        let Some(file) = Some(file.unwrap().path()).filter(|path| path.is_file()) else { continue };
        let bytes = std::fs::read(file).unwrap();
        for key in [&server.access_key, &server.secret_key] {
            assert!(!bytes.windows(key.len()).any(|at| at == key.as_bytes()));
        }
    }

    insert(&app);
    let told = format!("as_before=\"endpoint {}, region eu-west-3, path style\"", server.endpoint);
    let synced = waloy(&["sync", "app.db"], &[]).ok();
    assert!(synced.err.contains(&format!("origin=\"as before\" {told}")), "{synced:?}");
    let by_hand = waloy(&["replicate", "app.db", "s3://bucket/app", "--once"], &[]).ok();
    assert!(by_hand.err.contains(&format!("origin=\"command line\" {told}")), "{by_hand:?}");
    waloy(&["generations", "app.db"], &[]).ok();
    waloy(&["inspect", "app.db"], &[("WALOY_DEST", "s3://bucket/app")]).ok();
    let verified = waloy(&["verify", "app.db"], &[]).ok();
    assert_eq!((verified.out.as_str(), verified.err.as_str()), ("", ""), "cron hears nothing of it");
    let verified = waloy(&["verify", "app.db", "-v"], &[]).ok();
    assert!(verified.err.contains(&told), "{verified:?}");
    waloy(&["restore", "app.db", "-o", "b.db"], &[]).ok();
    assert_is(&dir.path().join("b.db"), &image(&app));

    // Nobody listens on the port of the discard protocol: whoever is asked now is whoever was named now.
    let nobody = "http://127.0.0.1:9";
    let flag = waloy(&["generations", "app.db", "--retries", "1", "--endpoint", nobody], &[]);
    let variables = ["WALOY_S3_ENDPOINT", "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL"]
        .map(|name| waloy(&["generations", "app.db", "--retries", "1"], &[(name, nobody)]));
    // Another destination was never reached. A variable keeps the request away from AWS.
    let other = waloy(
        &["generations", "app.db", "--to", "s3://bucket/other", "--retries", "1"],
        &[("HTTPS_PROXY", nobody), ("NO_PROXY", "127.0.0.1")],
    );
    for ran in variables.iter().chain([&flag, &other]) {
        assert_eq!(ran.code, Some(9), "{ran:?}");
    }

    std::fs::write(&file, "{}").unwrap();
    let ignored = waloy(&["generations", "app.db", "--endpoint", &server.endpoint], &[]).ok();
    assert!(ignored.err.contains("what was kept of how the bucket was reached is ignored"), "{ignored:?}");
    // The next start on it keeps it again.
    waloy(&["sync", "app.db"], &[("AWS_ENDPOINT_URL_S3", &server.endpoint)]).ok();
    waloy(&["generations", "app.db"], &[]).ok();
}

#[test]
fn a_store_that_cannot_be_reached_is_retried_within_limits_and_a_signal_ends_it() {
    let dir = tempfile::tempdir().unwrap();
    let _app = database(&dir.path().join("app.db"));
    // Nobody listens on the port of the discard protocol.
    let unreachable = |args: &[&str]| {
        let mut command = command(dir.path(), &[args, &["--endpoint", "http://127.0.0.1:9"]].concat());
        command.env("WALOY_S3_ACCESS_KEY", "a").env("WALOY_S3_SECRET_KEY", "b").env("AWS_REGION", "us-east-1");
        command.spawn().unwrap()
    };
    let ran = finish(unreachable(&["generations", "s3://b/x", "--retries", "2"]));
    assert_eq!(ran.code, Some(9), "{ran:?}");
    let ran = finish(unreachable(&["generations", "s3://b/x", "--retries", "1000", "--timeout", "300ms"]));
    assert_eq!(ran.code, Some(9), "{ran:?}");
    assert!(ran.err.contains("not done after 300ms"), "{ran:?}");

    for (asked, code, args) in [
        ("-TERM", 143, &["generations", "s3://b/x", "--retries", "1000"] as &[&str]),
        ("-INT", 130, &["generations", "s3://b/x", "--retries", "1000"]),
        ("-INT", 130, &["replicate", "app.db", "s3://b/x"]),
    ] {
        let child = unreachable(args);
        std::thread::sleep(Duration::from_millis(400));
        signal(&child, asked);
        let ran = finish(child);
        assert_eq!(ran.code, Some(code), "{args:?}: {ran:?}");
    }
}

#[test]
fn the_demo_proves_what_it_tells_and_leaves_what_it_was_given() {
    let dir = tempfile::tempdir().unwrap();
    let told = waloy(dir.path(), &["demo", "here"]).ok();
    for line in ["DELETE FROM orders", "all proven in", "waloy generations --to"] {
        assert!(told.out.contains(line), "{told:?}");
    }
    for file in ["shop.db", "before-mistake.db", "replica/latest"] {
        assert!(dir.path().join("here").join(file).exists(), "{file}");
    }

    let scratch = dir.path().join("scratch");
    std::fs::create_dir(&scratch).unwrap();
    std::fs::write(scratch.join("precious"), "x").unwrap();
    let quiet = finish(command(dir.path(), &["demo", "--json"]).env("TMPDIR", &scratch).spawn().unwrap()).ok();
    let summary = quiet.json();
    assert_eq!((summary["ok"].as_bool(), summary["kept"].as_bool()), (Some(true), Some(false)));
    assert_eq!(summary["proofs"].as_array().unwrap().len(), 2);
    for proof in summary["proofs"].as_array().unwrap() {
        assert_eq!((proof["ok"].as_bool(), proof["integrity"].as_str()), (Some(true), Some("ok")), "{proof}");
        assert_eq!(proof["found"], proof["expected"], "{proof}");
    }
    let left: Vec<_> = std::fs::read_dir(&scratch).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["precious"]);
}

/// At three in the morning nobody remembers where the replica is: what is kept beside the database does.
#[test]
fn the_replica_is_found_where_the_database_was_replicated_to_last() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    insert(&app);
    waloy(dir.path(), &["replicate", "app.db", "--once", "--to", "elsewhere"]).ok();
    insert(&app);
    waloy(dir.path(), &["sync", "app.db"]).ok();
    let expected = image(&app);
    drop(app);
    for name in ["app.db", "app.db-wal", "app.db-shm"] {
        let _ = std::fs::remove_file(dir.path().join(name));
    }
    for command in ["generations", "verify", "restore"] {
        waloy(dir.path(), &[command, "app.db"]).ok();
    }
    assert_is(&dir.path().join("app.db"), &expected);
}
