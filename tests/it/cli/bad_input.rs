//! What is wrong on this machine: databases, directories, words of the command line. Each with its whole message.

use std::collections::BTreeMap;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};

use rusqlite::Connection;

use super::{Ran, assert_is, command, database, finish, image, insert, signal, wait_until, waloy};
use crate::s3_server::S3Server;

/// Every file below a directory, with its bytes.
fn files(dir: &Path) -> BTreeMap<PathBuf, Vec<u8>> {
    let mut found = BTreeMap::new();
    for entry in std::fs::read_dir(dir).unwrap().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.insert(path.clone(), Vec::new());
            found.extend(files(&path));
        } else {
            found.insert(path.clone(), std::fs::read(&path).unwrap());
        }
    }
    found
}

/// Runs a command that has to fail with exactly this on standard error, and nothing else there or changed.
#[track_caller]
fn refused(dir: &Path, args: &[&str], exit: i32, expected: &str) {
    let before = files(dir);
    let ran = waloy(dir, args);
    assert_eq!(ran.err, expected, "{args:?}");
    assert_eq!((ran.code, ran.out.as_str()), (Some(exit), ""), "{args:?}: {ran:?}");
    assert!(files(dir) == before, "{args:?} left something behind, or changed it");
}

/// As many bytes without a pattern as asked for.
fn noise(len: usize) -> Vec<u8> {
    let mut state = 0x9E37_79B9_7F4A_7C15u64;
    let mut next = || {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state >> 32) as u8
    };
    (0..len).map(|_| next()).collect()
}

#[test]
fn what_is_no_database_in_wal_mode_is_refused_and_nothing_is_made_for_it() {
    let dir = tempfile::tempdir().unwrap();
    let dir = &dir.path().canonicalize().unwrap();
    let here = dir.display();
    Connection::open(dir.join("rollback.db")).unwrap().execute_batch("CREATE TABLE t (a)").unwrap();
    std::fs::write(dir.join("text.db"), "just a text, and long enough to be looked at".repeat(100)).unwrap();
    std::fs::write(dir.join("cipher.db"), noise(16_384)).unwrap();
    std::fs::write(dir.join("noise.db"), noise(16_385)).unwrap();
    std::fs::write(dir.join("empty.db"), "").unwrap();
    std::fs::create_dir(dir.join("folder")).unwrap();
    for (db, expected) in [
        (
            "no.db",
            "error: no.db does not exist [db.missing]
  hint:  check the path; with --wait-for-db, replicate waits for the application to create it
"
            .to_owned(),
        ),
        (
            "folder",
            "error: folder is not a file [db.not_a_file]
  hint:  give the path of the database file itself
"
            .to_owned(),
        ),
        (
            "empty.db",
            "error: empty.db is empty [db.empty]
  hint:  the application has not created it yet; with --wait-for-db, replicate waits for it
"
            .to_owned(),
        ),
        (
            "text.db",
            format!(
                "error: {here}/text.db is not a SQLite database [db.not_a_database]
  hint:  give the file that the application opens; one encrypted by SQLCipher cannot be replicated
"
            ),
        ),
        (
            "noise.db",
            format!(
                "error: {here}/noise.db is not a SQLite database [db.not_a_database]
  hint:  give the file that the application opens; one encrypted by SQLCipher cannot be replicated
"
            ),
        ),
        (
            "cipher.db",
            format!(
                "error: {here}/cipher.db is not a SQLite database that can be read: it looks encrypted, as by SQLCipher \
                 [db.encrypted]
  hint:  waloy reads pages as SQLite writes them: back up an encrypted database with the means of its extension
"
            ),
        ),
        (
            "rollback.db",
            format!(
                "error: {here}/rollback.db is in journal mode delete, not in WAL mode [db.not_wal]
  hint:  replicate it with --set-wal, which converts it (PRAGMA journal_mode = WAL) for good
"
            ),
        ),
    ] {
        for args in [&["replicate", db, "--once"] as &[&str], &["replicate", db], &["sync", db, "--to", "replica"]] {
            refused(dir, args, 8, &expected);
        }
    }
}

#[test]
fn a_database_that_another_connection_holds_exclusively_is_given_up_after_a_while() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().canonicalize().unwrap().join("app.db");
    let app = database(&path);
    app.execute_batch("PRAGMA locking_mode = EXCLUSIVE; BEGIN IMMEDIATE; COMMIT;").unwrap();
    insert(&app);
    let ran = waloy(dir.path(), &["replicate", "app.db", "--once"]);
    let expected = format!(
        "error: {} is locked by another connection [db.locked]
  hint:  an application with PRAGMA locking_mode = EXCLUSIVE cannot be replicated: set it to NORMAL
",
        path.display()
    );
    assert_eq!((ran.err.as_str(), ran.code), (expected.as_str(), Some(8)));
    assert!(!dir.path().join("app.db.waloy").exists());
    insert(&app);
}

/// Runs as nobody, whom no file of ours belongs to: root itself is bound by no mode.
fn as_nobody(dir: &Path, args: &[&str]) -> Ran {
    let mut command = command(dir, args);
    command.uid(65_534).gid(65_534).env("HOME", "/");
    finish(command.spawn().unwrap())
}

fn is_root() -> bool {
    use std::os::unix::fs::MetadataExt;
    std::fs::metadata("/proc/self").unwrap().uid() == 0
}

/// Whether the program can be run by somebody else at all: not from a home directory that is closed to others.
fn program_is_open_to_all() -> bool {
    let program = Path::new(env!("CARGO_BIN_EXE_waloy"));
    program
        .ancestors()
        .all(|path| path.as_os_str().is_empty() || path.metadata().unwrap().permissions().mode() & 1 != 0)
}

#[test]
fn files_of_others_and_directories_that_cannot_be_written_are_refused() {
    // Becoming another user takes root, and a program that all may run.
    if !is_root() || !program_is_open_to_all() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let dir = dir.path().canonicalize().unwrap();
    let open = |path: &Path, mode| std::fs::set_permissions(path, std::fs::Permissions::from_mode(mode)).unwrap();
    open(&dir, 0o755);
    drop(database(&dir.join("app.db")));
    open(&dir.join("app.db"), 0o666);
    let before = files(&dir);
    let here = dir.display();
    for (args, expected) in [
        (
            &["replicate", "app.db", "--once"] as &[&str],
            format!(
                "error: {here}/app.db belongs to user 0, and this process runs as user 65534 [db.owner]
  hint:  run waloy as the application's user, or pass --allow-other-user
"
            ),
        ),
        (
            &["replicate", "app.db", "--once", "--allow-other-user"],
            format!(
                "error: cannot open {here}/app.db: its directory cannot be written [db.directory_read_only]
  hint:  run waloy as the application's user: SQLite makes a -wal and a -shm file beside the database
"
            ),
        ),
    ] {
        let ran = as_nobody(&dir, args);
        assert_eq!((ran.err, ran.code), (expected, Some(8)), "{args:?}");
        assert!(files(&dir) == before, "{args:?}");
    }
    open(&dir.join("app.db"), 0o644);
    let ran = as_nobody(&dir, &["replicate", "app.db", "--once", "--allow-other-user"]);
    let expected = format!(
        "error: {here}/app.db cannot be written [db.read_only]
  hint:  run waloy as the application's user: it writes the -wal and -shm files
"
    );
    assert_eq!((ran.err, ran.code), (expected, Some(8)));

    // Its own database, and a destination that is somebody else's.
    let own = dir.join("own");
    std::fs::create_dir(&own).unwrap();
    drop(database(&own.join("app.db")));
    for path in [own.clone(), own.join("app.db")] {
        std::os::unix::fs::chown(path, Some(65_534), Some(65_534)).unwrap();
    }
    let ran = as_nobody(&own, &["replicate", "app.db", "--once", "--to", "../closed/replica"]);
    let expected = format!(
        "error: cannot write {here}/closed/replica/replica: permission denied [storage.local]
  cause: Permission denied (os error 13)
  hint:  waloy has to be allowed to read and write this directory
"
    );
    assert_eq!((ran.err.replace("own/../", ""), ran.code), (expected, Some(8)));
    let ran = as_nobody(&own, &["replicate", "app.db", "--once", "--state-dir", "/proc/none"]);
    assert_eq!(ran.code, Some(8), "{ran:?}");
    assert!(ran.err.starts_with("error: cannot create /proc/none [state.io]\n  cause: "), "{ran:?}");
    as_nobody(&own, &["replicate", "app.db", "--once"]).ok();
}

#[test]
fn a_destination_that_cannot_be_one_is_refused_and_the_database_stays_as_it_is() {
    let dir = tempfile::tempdir().unwrap();
    let dir = &dir.path().canonicalize().unwrap();
    let here = dir.display();
    let app = database(&dir.join("app.db"));
    std::fs::write(dir.join("file"), "x").unwrap();
    let unset = "  hint:  whoever starts waloy has to put its value there: a shell does so in double quotes, not in single \
                 ones; a `$` itself is written %24 in a URL\n";
    for (args, expected) in [
        (
            &["s3:/bucket/app"] as &[&str],
            "error: s3:/bucket/app is not a URL [storage.not_a_url]
  hint:  write s3://bucket/app
"
            .to_owned(),
        ),
        (
            &["--to", "s3:bucket/app"],
            "error: s3:bucket/app is not a URL [storage.not_a_url]
  hint:  write s3://bucket/app
"
            .to_owned(),
        ),
        (
            &["--to", "file:/srv/x"],
            "error: file:/srv/x is not a URL [storage.not_a_url]
  hint:  write file:///srv/x
"
            .to_owned(),
        ),
        (
            &["ftp://host/x"],
            "error: unknown scheme `ftp` in a destination [storage.unknown_scheme]
  hint:  known are s3://bucket/prefix and file:///absolute/path
"
            .to_owned(),
        ),
        (
            &["https://minio:9000/b"],
            "error: unknown scheme `https` in a destination [storage.unknown_scheme]
  hint:  a bucket is s3://bucket/prefix, and its server is given with --endpoint
"
            .to_owned(),
        ),
        (
            &["s3:///app"],
            "error: no bucket in s3:///app [storage.invalid_bucket]
  hint:  a destination in S3 is s3://bucket/prefix; is a variable empty or not set?
"
            .to_owned(),
        ),
        (
            &["s3://bucket//app"],
            "error: the prefix of s3://bucket//app has an empty part, `.` or `..` [storage.invalid_prefix]
  hint:  a prefix is names with one `/` between; is a variable empty or not set?
"
            .to_owned(),
        ),
        (
            &["s3://${BUCKET}/app"],
            format!(
                "error: the variable ${{BUCKET}} has no value in s3://${{BUCKET}}/app [storage.unset_variable]\n{unset}"
            ),
        ),
        (
            &["s3://bucket/$APP/db"],
            format!("error: the variable $APP has no value in s3://bucket/$APP/db [storage.unset_variable]\n{unset}"),
        ),
        (
            &["--to", "$HOME/backups"],
            format!("error: the variable $HOME has no value in $HOME/backups [storage.unset_variable]\n{unset}"),
        ),
        (
            &["--to", ""],
            "error: the destination is empty [storage.invalid_path]
  hint:  is a variable empty or not set?
"
            .to_owned(),
        ),
        (
            &["--to", "/"],
            "error: the root directory is no place for a replica [storage.invalid_path]
  hint:  is a variable empty or not set?
"
            .to_owned(),
        ),
    ] {
        refused(dir, &[&["replicate", "app.db", "--once"], args].concat(), 2, &expected);
    }
    refused(
        dir,
        &["replicate", "", "--once"],
        2,
        "error: the path of the database is empty [db.no_path]
  hint:  is a variable empty or not set?
",
    );
    // Whether it can be written is known when it is written to: the state directory is there by then.
    let before = image(&app);
    for to in ["file", "file/below", "app.db"] {
        let ran = waloy(dir, &["replicate", "app.db", "--once", "--to", to]);
        let expected = format!(
            "error: cannot write {here}/{to}/replica: a file is in the way [storage.local]
  cause: Not a directory (os error 20)
  hint:  the destination has to be a directory, or to become one
"
        );
        assert_eq!((ran.err, ran.code), (expected, Some(8)));
    }
    assert!(image(&app) == before);
}

/// Names that mean something to a shell, a URL, a pattern, or to SQLite.
const NAMES: [&str; 6] = ["with space", "50%20off", "a#b?c&d=e", "été 日本", "{x} $HOME", "file:x?mode=ro"];

#[test]
fn names_with_odd_characters_go_there_and_back() {
    let dir = tempfile::tempdir().unwrap();
    let server = S3Server::start();
    for name in NAMES {
        let folder = dir.path().join(format!("dir {name}"));
        std::fs::create_dir(&folder).unwrap();
        let file = format!("{name}.db");
        let app = database(&folder.join(&file));
        let db = format!("./{file}");
        waloy(&folder, &["replicate", &db, "--once", "-q"]).ok();
        waloy(&folder, &["verify", &db]).ok();
        waloy(&folder, &["restore", &db, "-o", "back.db"]).ok();
        assert_is(&folder.join("back.db"), &image(&app));

        let encoded: String = name.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let s3 = |args: &[&str]| {
            let mut command = command(&folder, args);
            command.env("WALOY_S3_ENDPOINT", &server.endpoint).env("WALOY_S3_REGION", "us-east-1");
            command.env("WALOY_S3_ACCESS_KEY", &server.access_key).env("WALOY_S3_SECRET_KEY", &server.secret_key);
            finish(command.spawn().unwrap())
        };
        let url = format!("s3://bucket/{encoded}/db");
        s3(&["replicate", &db, &url, "--once", "--state-dir", "other"]).ok();
        s3(&["restore", &url, "-o", "from-s3.db"]).ok();
        assert_is(&folder.join("from-s3.db"), &image(&app));
        // Found again by what was noted of it.
        s3(&["verify", &db, "--state-dir", "other"]).ok();
        let noted = s3(&["generations", &db, "--state-dir", "other", "--json"]).ok().json();
        assert!(noted["source"].as_str().unwrap().starts_with("s3://bucket/"), "{noted}");
    }
}

#[test]
fn a_link_is_followed_and_everything_lies_beside_the_file_itself() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("real")).unwrap();
    let app = database(&dir.path().join("real/app.db"));
    std::os::unix::fs::symlink("real/app.db", dir.path().join("link.db")).unwrap();
    insert(&app);
    waloy(dir.path(), &["replicate", "link.db", "--once", "-q"]).ok();
    assert!(
        dir.path().join("real/app.db.waloy/state").is_dir() && dir.path().join("real/app.db.waloy/replica").is_dir()
    );
    let mut here: Vec<_> = std::fs::read_dir(dir.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    here.sort();
    assert_eq!(here, ["link.db", "real"]);
    waloy(dir.path(), &["restore", "link.db", "-o", "back.db"]).ok();
    assert_is(&dir.path().join("back.db"), &image(&app));
}

#[test]
fn a_second_replicator_is_told_who_the_first_one_is() {
    let dir = tempfile::tempdir().unwrap();
    let _app = database(&dir.path().join("app.db"));
    let child = command(dir.path(), &["replicate", "app.db"]).spawn().unwrap();
    wait_until("the first generation", || dir.path().join("app.db.waloy/replica/latest").exists());
    let owner: serde_json::Value =
        serde_json::from_slice(&std::fs::read(dir.path().join("app.db.waloy/state/lock")).unwrap()).unwrap();
    let second = waloy(dir.path(), &["replicate", "app.db"]);
    assert_eq!(second.code, Some(11), "{second:?}");
    let (host, since) = (owner["host"].as_str().unwrap(), owner["since"].as_str().unwrap());
    let expected = format!(
        "error: already replicated by process {} on {host} since {since} [state.locked]
  hint:  one waloy a database: stop the other one first, or ask it with `waloy sync`
",
        child.id()
    );
    assert_eq!(second.err, expected);
    // Ctrl-C once: the last sync, and well.
    signal(&child, "-INT");
    finish(child).ok();
}

#[test]
fn a_second_interrupt_does_not_wait_for_a_store_that_is_gone_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    let server = S3Server::start();
    let with = |server: &S3Server, args: &[&str]| {
        let mut command = command(dir.path(), args);
        command.env("WALOY_S3_ENDPOINT", &server.endpoint).env("WALOY_S3_REGION", "us-east-1");
        command.env("WALOY_S3_ACCESS_KEY", &server.access_key).env("WALOY_S3_SECRET_KEY", &server.secret_key);
        command
    };
    let child = with(&server, &["replicate", "app.db", "s3://bucket/app", "--retries", "1000"]).spawn().unwrap();
    wait_until("the first generation", || server.directory().join("app/latest").exists());
    let kept = tempfile::tempdir().unwrap();
    copy(&server.directory(), &kept.path().join("bucket"));
    drop(server);
    insert(&app);
    signal(&child, "-INT");
    std::thread::sleep(std::time::Duration::from_millis(300));
    signal(&child, "-INT");
    let ran = finish(child);
    assert_eq!(ran.code, Some(130), "{ran:?}");
    assert!(ran.err.ends_with("stopped at once: what was not uploaded is when waloy is started again\n"), "{ran:?}");

    let server = S3Server::start();
    copy(&kept.path().join("bucket"), &server.directory());
    finish(with(&server, &["replicate", "app.db", "s3://bucket/app", "--once"]).spawn().unwrap()).ok();
    finish(with(&server, &["restore", "s3://bucket/app", "-o", "back.db"]).spawn().unwrap()).ok();
    assert_is(&dir.path().join("back.db"), &image(&app));
}

fn copy(from: &Path, to: &Path) {
    std::fs::create_dir_all(to).unwrap();
    for entry in std::fs::read_dir(from).unwrap().flatten() {
        let target = to.join(entry.file_name());
        if entry.path().is_dir() {
            copy(&entry.path(), &target);
        } else {
            std::fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// The size of files is limited, as a full disk limits it: a write fails in the middle.
#[test]
fn a_disk_that_takes_no_more_is_exit_8_and_the_next_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let dir = &dir.path().canonicalize().unwrap();
    let app = database(&dir.join("app.db"));
    let limited = |args: &[&str]| {
        let program = env!("CARGO_BIN_EXE_waloy");
        let mut shell = command(dir, &[]);
        let mut limited = std::process::Command::new("sh");
        limited.arg("-c").arg("trap '' XFSZ; ulimit -f 160; exec \"$0\" \"$@\"").arg(program).args(args);
        limited.current_dir(dir).env_clear().envs(shell.get_envs().filter_map(|(key, value)| Some((key, value?))));
        limited.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
        limited.stderr(std::process::Stdio::piped());
        shell.stdin(std::process::Stdio::null());
        finish(limited.spawn().unwrap())
    };
    let before = image(&app);
    let ran = limited(&["replicate", "app.db", "--once", "--to", "replica", "--compression", "none"]);
    assert_eq!(ran.code, Some(8), "{ran:?}");
    let lines: Vec<&str> =
        ran.err.lines().filter(|line| !line.starts_with("ts=") && !line.starts_with("warning:")).collect();
    assert!(lines[0].starts_with(&format!("error: cannot write {}/replica/", dir.display())), "{ran:?}");
    assert!(lines[0].ends_with("/snapshot: the file would be too large [storage.local]"), "{ran:?}");
    assert_eq!(lines[1..], ["  cause: File too large (os error 27)", "  hint:  raise the limit for files (ulimit -f)"]);
    assert!(image(&app) == before);
    let none = waloy(dir, &["restore", "--to", "replica", "-o", "back.db"]);
    assert_eq!(none.code, Some(10), "half a snapshot is none: {none:?}");
    waloy(dir, &["replicate", "app.db", "--once", "--to", "replica", "-q"]).ok();
    waloy(dir, &["restore", "--to", "replica", "-o", "back.db"]).ok();
    assert_is(&dir.join("back.db"), &before);
}

#[test]
fn a_warning_does_not_come_before_the_error_that_makes_it_moot() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::write(dir.path().join("text.db"), "no database").unwrap();
    let ran = waloy(dir.path(), &["replicate", "text.db"]);
    assert!(ran.err.starts_with("error: ") && !ran.err.contains("SAME DISK"), "{ran:?}");
}

#[test]
fn with_json_every_line_of_standard_error_is_json() {
    let dir = tempfile::tempdir().unwrap();
    let _app = database(&dir.path().join("app.db"));
    for args in [
        &["replicate", "app.db", "--once", "--json"] as &[&str],
        &["replicate", "app.db", "--once", "--json", "-vv"],
        &["replicate", "app.db", "--once", "--log-format", "json", "-v"],
        &["replicate", "no.db", "--log-format", "json"],
    ] {
        let ran = waloy(dir.path(), args);
        let lines: Vec<serde_json::Value> = ran
            .err
            .lines()
            .map(|line| serde_json::from_str(line).unwrap_or_else(|_| panic!("{args:?}: {line}")))
            .collect();
        assert!(!lines.is_empty() && lines.iter().all(|line| line["schema_version"] == 1), "{args:?}");
        assert!(lines.iter().all(|line| ["log", "warning", "error"].contains(&line["type"].as_str().unwrap())));
    }
}

#[test]
fn variables_that_are_set_to_nothing_count_as_unset() {
    let dir = tempfile::tempdir().unwrap();
    let _app = database(&dir.path().join("app.db"));
    let mut command = command(dir.path(), &["replicate", "app.db", "--once", "-q"]);
    for name in ["SYNC_INTERVAL", "COLOR", "PROGRESS", "COMPRESSION", "STATE_DIR", "DEST", "LOG", "LOG_FORMAT"] {
        command.env(format!("WALOY_{name}"), "");
    }
    for name in ["ENDPOINT", "REGION", "PATH_STYLE", "BUCKET", "PREFIX", "ACCESS_KEY", "SSE", "CA_BUNDLE"] {
        command.env(format!("WALOY_S3_{name}"), "");
    }
    finish(command.spawn().unwrap()).ok();
    assert!(dir.path().join("app.db.waloy/replica/latest").exists());
}

#[test]
fn plain_output_has_no_colours_and_nothing_beyond_ascii() {
    let dir = tempfile::tempdir().unwrap();
    let _app = database(&dir.path().join("app.db"));
    let plain = |args: &[&str]| {
        let ran = waloy(dir.path(), &[args, &["--plain", "--color", "always", "--progress", "always"]].concat());
        assert!(format!("{}{}", ran.out, ran.err).is_ascii(), "{args:?}: {ran:?}");
        ran
    };
    plain(&["replicate", "app.db", "--once", "--log-format", "pretty"]).ok();
    plain(&["verify", "app.db", "-v"]).ok();
    // What it prints can be given back.
    let listed = plain(&["generations", "app.db"]).ok();
    let id = listed.out.split_whitespace().find(|word| word.starts_with('0') && word.contains("..")).unwrap();
    plain(&["restore", "app.db", "-o", "id.db", "--generation", id]).ok();
    plain(&["restore", "app.db", "-o", "back.db"]).ok();
    assert_eq!(plain(&["restore", "app.db", "--tme", "x"]).code, Some(2));
}
