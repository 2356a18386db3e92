use std::num::NonZeroU64;

use super::*;

fn env(pairs: &'static [(&'static str, &'static str)]) -> impl Fn(&str) -> Option<String> {
    move |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
}

#[test]
fn the_command_line_then_the_environment_then_the_default_say_where() {
    let db = Path::new("/srv/none/app.db");
    for (url, to, pairs, location, origin) in [
        (Some("s3://a/b"), None, &[("WALOY_DEST", "s3://c")] as &[_], "s3://a/b", Origin::CommandLine),
        (None, Some("/backups"), &[], "/backups", Origin::CommandLine),
        (None, Some("file:///backups/"), &[], "/backups", Origin::CommandLine),
        (
            None,
            None,
            &[("WALOY_DEST", "s3://c"), ("WALOY_S3_BUCKET", "d")],
            "s3://c",
            Origin::Environment("WALOY_DEST"),
        ),
        (None, None, &[("WALOY_S3_BUCKET", "d")], "s3://d", Origin::Environment("WALOY_S3_BUCKET")),
        (
            None,
            None,
            &[("WALOY_S3_BUCKET", "d"), ("WALOY_S3_PREFIX", "/e/f/")],
            "s3://d/e/f",
            Origin::Environment("WALOY_S3_BUCKET"),
        ),
        (None, None, &[("WALOY_S3_PREFIX", "e")], "/srv/none/app.db.waloy/replica", Origin::BuiltIn),
    ] {
        let found = resolve(Some(db), url, to, None, env(pairs)).unwrap();
        assert_eq!((found.location.to_string().as_str(), found.origin), (location, origin));
    }
}

#[test]
fn two_destinations_are_one_too_many_and_none_too_few() {
    let two = resolve(None, Some("s3://a"), Some("s3://b"), None, env(&[])).unwrap_err();
    assert_eq!((two.kind(), two.code()), (Kind::Usage, "usage.two_destinations"));
    let none = resolve(None, None, None, None, env(&[])).unwrap_err();
    assert_eq!((none.kind(), none.code()), (Kind::Usage, "usage.no_source"));
}

#[test]
fn the_default_lies_beside_the_file_that_a_link_leads_to_also_when_that_is_gone() {
    let dir = tempfile::tempdir().unwrap();
    let real = dir.path().canonicalize().unwrap().join("real.db");
    let link = dir.path().join("link.db");
    std::fs::write(&real, b"x").unwrap();
    std::os::unix::fs::symlink("real.db", &link).unwrap();
    assert_eq!(followed(&link), real);
    std::fs::remove_file(&real).unwrap();
    assert_eq!(followed(&link), real);
}

#[test]
fn a_directory_beside_the_database_is_on_its_disk() {
    let dir = tempfile::tempdir().unwrap();
    let db = dir.path().join("app.db");
    let replica = Location::Directory(dir.path().join("not/yet/there"));
    assert!(is_same_device(&db, &replica));
    assert!(!is_same_device(&db, &Location::Directory("/proc/self".into())));
    assert!(!is_same_device(&db, &Location::parse("s3://a/b").unwrap()));
}

#[test]
fn keys_come_in_pairs_from_variables_or_files() {
    let args = S3Args {
        endpoint: None,
        region: Some(String::new()),
        profile: None,
        path_style: false,
        no_sign_request: false,
        ca_bundle: None,
        sse: None,
        storage_class: None,
        concurrency: 8,
        bwlimit: NonZeroU64::new(1 << 20),
        retries: 3,
    };
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("secret");
    std::fs::write(&file, "s3cr3t\n").unwrap();
    let file = file.to_str().unwrap().to_owned();
    let with_file = |name: &str| match name {
        "WALOY_S3_ACCESS_KEY" => Some("AK".to_owned()),
        "WALOY_S3_SECRET_KEY_FILE" => Some(file.clone()),
        _ => None,
    };
    let options = s3_options(&args, Reach::default(), with_file).unwrap();
    assert_eq!((options.access_key.as_deref(), options.secret_key.as_deref()), (Some("AK"), Some("s3cr3t")));
    assert_eq!((options.region, options.path_style, options.retry.tries), (None, None, 3));
    assert_eq!((options.concurrency, options.bandwidth), (8, args.bwlimit));
    for (pairs, code) in [
        (&[("WALOY_S3_ACCESS_KEY", "AK")] as &[_], "storage.half_a_key"),
        (&[("WALOY_S3_ACCESS_KEY", "AK"), ("WALOY_S3_ACCESS_KEY_FILE", "x")], "usage.two_secrets"),
        (&[("WALOY_S3_ACCESS_KEY_FILE", "/no/such/file")], "usage.secret_file"),
    ] {
        assert_eq!(s3_options(&args, Reach::default(), env(pairs)).unwrap_err().code(), code);
    }
}

#[test]
fn words_in_hints_can_be_pasted() {
    for (word, expected) in [("app.db", "app.db"), ("my app.db", "'my app.db'"), ("it's", "'it'\\''s'"), ("", "''")] {
        assert_eq!(quoted(word), expected);
    }
}
