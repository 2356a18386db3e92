//! One line what failed, its code, what might help, and an exit code that says what to do.

use std::path::Path;

use rusqlite::Connection;
use serde_json::Value;

use super::{command, database, finish, waloy};

/// The commands that people see.
const COMMANDS: [&str; 12] = [
    "replicate",
    "restore",
    "restore-to-time",
    "generations",
    "inspect",
    "verify",
    "sync",
    "status",
    "key",
    "demo",
    "version",
    "completions",
];

#[test]
fn every_command_explains_itself_with_examples_and_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    for command in COMMANDS {
        let help = waloy(dir.path(), &[command, "--help"]).ok();
        assert!(help.out.contains("Examples:\n  waloy "), "{}", help.out);
        assert!(help.out.contains("Exit codes:") && help.out.contains("   11  another waloy"), "{}", help.out);
        assert!(waloy(dir.path(), &[command, "-h"]).ok().out.len() < help.out.len());
    }
    assert!(waloy(dir.path(), &["--help"]).ok().out.contains("Exit codes:"));
    assert!(waloy(dir.path(), &["--version"]).ok().out.starts_with("waloy 0."));
    let nothing = waloy(dir.path(), &[]);
    assert_eq!((nothing.code, nothing.out.as_str()), (Some(2), ""));
    assert!(nothing.err.contains("Usage: waloy"));
}

/// A directory with a database, one in rollback mode, a text file, an empty file, and a replica of the first.
fn scene(dir: &Path) {
    drop(database(&dir.join("app.db")));
    Connection::open(dir.join("rollback.db")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    std::fs::write(dir.join("text.db"), "just a text, and long enough to be looked at".repeat(30)).unwrap();
    std::fs::write(dir.join("empty.db"), "").unwrap();
    std::fs::create_dir(dir.join("folder")).unwrap();
    drop(database(&dir.join("fresh.db")));
    waloy(dir, &["replicate", "app.db", "--once", "--to", "replica"]).ok();
}

/// What is called, the exit code, the stable code, a part of the message, a part of a hint.
const ERRORS: &[(&[&str], i32, &str, &str, &str)] = &[
    (&["replicate", "no.db"], 8, "db.missing", "no.db does not exist", "--wait-for-db"),
    (&["replicate", "empty.db"], 8, "db.empty", "empty.db is empty", "--wait-for-db"),
    (&["replicate", "text.db"], 8, "db.not_a_database", "text.db is not a SQLite database", "SQLCipher"),
    (&["replicate", "folder"], 8, "db.not_a_file", "folder is not a file", "the database file"),
    (&["replicate", "rollback.db"], 8, "db.not_wal", "rollback.db is in journal mode delete", "--set-wal"),
    (&["replicate", "app.db", "ftp://host/x"], 2, "storage.unknown_scheme", "unknown scheme `ftp`", "s3://"),
    (&["replicate", "app.db", "s3:///x"], 2, "storage.invalid_bucket", "no bucket", "s3://bucket/prefix"),
    (&["replicate", "app.db", "s3://me:secret@b/x"], 2, "storage.credentials_in_url", "credentials", "AWS chain"),
    (&["replicate", "app.db", "folder"], 8, "db.not_a_file", "folder is not a file", "--to folder"),
    (
        &["replicate", "app.db", "rollback.db", "s3://b/x"],
        2,
        "usage.destinations_meet",
        "would meet at s3://b/x",
        "{db}",
    ),
    (&["replicate", "app.db", "./app.db"], 2, "usage.same_database", "the same file", "each database once"),
    (
        &["replicate", "app.db", "rollback.db", "--state-dir", "s"],
        2,
        "usage.one_state_dir",
        "several databases",
        "leave",
    ),
    (&["replicate", "app.db", "s3://b/{host}"], 2, "usage.placeholder", "unknown placeholder {host}", "{hostname}"),
    (&["replicate", "app.db=backups"], 2, "usage.folder", "needs a scheme", "app.db --to backups"),
    (&["replicate", "app.db=s3:/b/x"], 2, "storage.not_a_url", "s3:/b/x", "s3://"),
    (&["replicate", "s3://b/x"], 2, "usage.no_database", "no database was given", "waloy replicate DB"),
    (&["replicate", "app.db", "s3://b/x", "--to", "y"], 2, "usage.two_destinations", "two destinations", "one of them"),
    (&["replicate", "app.db", "--timeout", "5s"], 2, "usage.timeout", "runs until it is stopped", "--once"),
    (&["replicate", "app.db", "--sync-interval", "5"], 2, "usage.invalid_value", "`5` has no unit", "5s, 5m or 5h"),
    (&["replicate", "app.db", "--checkpoint-threshold", "4M"], 2, "usage.invalid_value", "1000 or 1024", "4MiB"),
    (&["replicate", "app.db", "--compression", "rar"], 2, "usage.invalid_value", "rar", "waloy"),
    (&["replicate"], 2, "usage.missing_argument", "DB", "waloy replicate --help"),
    (&["restore", "app.db", "--tme", "x"], 2, "usage.unknown_argument", "--tme", "`--time`"),
    (&["restore", "app.db", "--latest"], 2, "usage.unknown_argument", "--latest", "the latest state is the default"),
    (
        &["restore", "app.db", "--time", "yesterdya", "18:30"],
        2,
        "usage.time",
        "`yesterdya 18:30` is not a time",
        "write `5m ago`",
    ),
    (&["restore", "app.db", "--time", "in", "5m"], 2, "usage.time", "`in 5m` is not a time", "write `5m ago`"),
    (
        &["restore-to-time", "app.db", "10s", "ago", "-o", "x.db"],
        2,
        "usage.time",
        "`app.db` is not a time",
        "the time comes first:  waloy restore-to-time '10s ago' app.db -o x.db",
    ),
    (&["restroe"], 2, "usage.unknown_command", "restroe", "restore"),
    (&["restore", "app.db", "--time", "5m"], 2, "usage.time", "`5m` may be before or after now", "`5m ago`"),
    (&["restore", "app.db", "--time", "2099-01-01"], 2, "usage.time", "is in the future", "is the clock right?"),
    (&["restore", "app.db", "--time", "3mo", "ago"], 2, "usage.time", "months and years", "30d"),
    (&["restore", "app.db", "--to", "replica"], 6, "restore.target_exists", "app.db exists", "-o app.restored.db"),
    (&["restore", "gone.db"], 10, "restore.no_backup", "no backup of gone.db", "built-in default"),
    (&["restore", "--to", "empty", "-o", "x.db"], 10, "restore.no_backup", "no backup at", "waloy replicate"),
    (&["restore", "--to", "replica"], 2, "usage.no_output", "where to restore to", "-o FILE"),
    (
        &["restore", "app.db", "--to", "replica", "-o", "x.db", "--time", "5m", "ago"],
        7,
        "restore.not_covered",
        "no backup of app.db before",
        "waloy generations app.db",
    ),
    (
        &["restore", "app.db", "--to", "replica", "-o", "x.db", "--generation", "7z"],
        7,
        "restore.no_such_generation",
        "no generation 7z",
        "waloy generations app.db",
    ),
    (
        &["restore", "app.db", "--to", "replica", "-o", "x.db", "--generation", "0:x"],
        2,
        "usage.generation",
        "`x` is not a point",
        "G:snapshot",
    ),
    (&["restore", "app.db", "--time", "now", "--generation", "0"], 2, "usage.conflict", "cannot be used with", "waloy"),
    (&["generations"], 2, "usage.no_source", "neither a database nor a replica", "WALOY_DEST"),
    (&["generations", "gone.db"], 10, "restore.no_backup", "no backup of gone.db", "--to"),
    (&["generations", "folder"], 2, "usage.source_is_a_directory", "folder is a directory", "--to folder"),
    (&["inspect", "--to", "replica", "--raw", "x"], 2, "usage.key", "`x` is not the key", "--objects"),
    (&["inspect", "--to", "empty"], 10, "restore.no_backup", "no backup at", "waloy replicate"),
    (&["verify", "gone.db"], 10, "restore.no_backup", "no backup of gone.db", "--to"),
    (&["verify", "--to", "replica", "--read-data=0%"], 2, "usage.invalid_value", "`0%` is not a part", "waloy"),
    (&["verify", "--to", "replica", "--max-age", "1M"], 2, "usage.invalid_value", "months and years", "30d"),
    (&["status", "no.db"], 8, "db.missing", "no.db does not exist", "check the path"),
    (&["sync", "fresh.db"], 2, "sync.never", "fresh.db was never replicated", "waloy replicate fresh.db"),
    (&["replicate", "--onec", "app.db"], 2, "usage.unknown_argument", "unexpected argument '--onec' found", "--once"),
    (
        &["replicate", "none.db", "--to", "empty", "--once", "--restore-if-missing"],
        10,
        "restore.no_backup",
        "neither none.db nor",
        "--once",
    ),
    (&["sync", "no.db"], 8, "db.missing", "no.db does not exist", "check the path"),
    (&["demo", "."], 6, "demo.not_empty", "is not empty", "a directory that is empty"),
];

#[test]
fn every_error_says_what_failed_and_what_might_help() {
    let dir = tempfile::tempdir().unwrap();
    scene(dir.path());
    for &(args, exit, code, message, hint) in ERRORS {
        let ran = waloy(dir.path(), args);
        let lines: Vec<&str> = ran.err.lines().collect();
        let first =
            lines.iter().find(|line| line.starts_with("error: ")).unwrap_or_else(|| panic!("{args:?}: {ran:?}"));
        assert_eq!(ran.code, Some(exit), "{args:?}: {ran:?}");
        assert!(first.contains(message) && first.ends_with(&format!(" [{code}]")), "{args:?}: {ran:?}");
        let hints: Vec<&&str> = lines.iter().filter(|line| line.starts_with("  hint:  ")).collect();
        assert!(hints.iter().any(|line| line.contains(hint)), "{args:?}: {ran:?}");
        assert_eq!(ran.out, "", "{args:?}: {ran:?}");
        assert!(!dir.path().join("x.db").exists(), "{args:?}");
    }
}

#[test]
fn the_same_errors_are_a_line_of_json_for_programs() {
    let dir = tempfile::tempdir().unwrap();
    scene(dir.path());
    for &(args, exit, code, message, hint) in ERRORS {
        let ran = waloy(dir.path(), &[&["--json"], args].concat());
        // What lists generations lists none.
        let empty = ran.out.is_empty() || (args[0] == "generations" && code == "restore.no_backup");
        assert!(ran.code == Some(exit) && empty, "{args:?}: {ran:?}");
        let lines: Vec<Value> = ran.err.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        let error = lines.iter().find(|line| line["type"] == "error").unwrap();
        assert_eq!((error["schema_version"].as_i64(), error["exit_code"].as_i64()), (Some(1), Some(i64::from(exit))));
        assert_eq!(error["code"], code);
        assert!(error["message"].as_str().unwrap().contains(message), "{args:?}: {error}");
        let hints = error["hints"].as_array().unwrap();
        assert!(hints.iter().any(|line| line.as_str().unwrap().contains(hint)), "{args:?}: {error}");
        assert!(error["causes"].is_array());
    }
}

#[test]
fn hints_name_only_commands_that_exist() {
    let dir = tempfile::tempdir().unwrap();
    scene(dir.path());
    let mut named = std::collections::BTreeSet::new();
    for &(args, ..) in ERRORS {
        let ran = waloy(dir.path(), args);
        for hint in ran.err.lines().filter(|line| line.starts_with("  hint:")) {
            for after in hint.split("waloy ").skip(1) {
                let word: String = after.chars().take_while(|c| c.is_ascii_lowercase() || *c == '-').collect();
                if !word.is_empty() && !word.starts_with('-') && hint.contains(&format!("waloy {word}")) {
                    named.insert(word);
                }
            }
        }
    }
    // "start another waloy for another database"
    named.remove("for");
    assert!(named.contains("generations") && named.contains("restore"), "{named:?}");
    for command in named {
        waloy(dir.path(), &[&command, "--help"]).ok();
    }
}

#[test]
fn a_reader_that_goes_away_is_no_error_and_a_full_disk_is_one() {
    let dir = tempfile::tempdir().unwrap();
    let mut gone = command(dir.path(), &["version"]).spawn().unwrap();
    drop(gone.stdout.take());
    let ran = finish(gone);
    assert!(ran.code == Some(0) && ran.err.is_empty(), "{ran:?}");

    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let ran = finish(command(dir.path(), &["version"]).stdout(full).spawn().unwrap());
    assert_eq!(ran.code, Some(1), "{ran:?}");
    assert!(ran.err.starts_with("error: cannot write to standard output [output.failed]\n  cause: "), "{ran:?}");
}
