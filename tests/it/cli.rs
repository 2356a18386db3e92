//! The program itself: what it prints, and with which code it exits.

mod bad_input;
mod bad_store;
mod compact;
mod errors;
mod generated;
mod key;
mod prune;
mod reference;
mod replicate;
mod reports;
mod restore;
mod sealed;
mod secret;
mod sessions;
mod trouble;
mod writers;

use std::io::Read;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use serde_json::Value;

/// A run that has ended.
#[derive(Debug)]
struct Ran {
    code: Option<i32>,
    out: String,
    err: String,
}

impl Ran {
    /// The only line of JSON on standard output.
    fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }

    #[track_caller]
    fn ok(self) -> Ran {
        assert_eq!(self.code, Some(0), "{self:?}");
        self
    }
}

/// The program in a directory, with an environment that has nothing of the developer's.
fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waloy"));
    command.args(args).current_dir(dir).env_clear();
    // The last one says where a program that counts what it passes by puts its counters.
    for name in ["PATH", "HOME", "TMPDIR", "LLVM_PROFILE_FILE"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("TZ", "UTC").env("LC_ALL", "C.UTF-8").env("AWS_EC2_METADATA_DISABLED", "true");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn finish(child: Child) -> Ran {
    let output = child.wait_with_output().unwrap();
    let ran = Ran {
        code: output.status.code(),
        out: String::from_utf8(output.stdout).unwrap(),
        err: String::from_utf8(output.stderr).unwrap(),
    };
    let both = format!("{}{}", ran.out, ran.err);
    assert!(!both.contains('\x1b'), "no colours in a pipe: {ran:?}");
    for debug in ["Some(", "None,", "Error {", "Err(", "panicked"] {
        assert!(!both.contains(debug), "no Rust in what people read: {ran:?}");
    }
    ran
}

fn waloy(dir: &Path, args: &[&str]) -> Ran {
    finish(command(dir, args).spawn().unwrap())
}

/// A database in WAL mode with some rows, held open by its application.
fn database(path: &Path) -> Connection {
    let connection = Connection::open(path).unwrap();
    connection
        .execute_batch(
            "PRAGMA journal_mode = WAL;
             CREATE TABLE t (id INTEGER PRIMARY KEY, text TEXT);
             WITH RECURSIVE n(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM n WHERE i < 2000)
             INSERT INTO t (text) SELECT hex(randomblob(40)) FROM n;",
        )
        .unwrap();
    connection
}

fn insert(connection: &Connection) {
    connection.execute("INSERT INTO t (text) VALUES (hex(randomblob(40)))", []).unwrap();
}

/// Every page as a connection sees it.
fn image(connection: &Connection) -> Vec<u8> {
    connection.serialize("main").unwrap().to_vec()
}

#[track_caller]
fn assert_is(path: &Path, expected: &[u8]) {
    let found = std::fs::read(path).unwrap();
    assert_eq!(found.len(), expected.len());
    assert!(found == expected, "{} is not page for page what was there", path.display());
}

/// Waits until something is so; running programs have no other way to tell.
#[track_caller]
fn wait_until(what: &str, mut is_so: impl FnMut() -> bool) {
    let began = Instant::now();
    while !is_so() {
        assert!(began.elapsed() < Duration::from_secs(30), "not within 30 s: {what}");
        std::thread::sleep(Duration::from_millis(20));
    }
}

fn signal(child: &Child, signal: &str) {
    let sent = Command::new("kill").args([signal, &child.id().to_string()]).status().unwrap();
    assert!(sent.success());
}

/// What a pipe holds up to its end.
fn drain(pipe: Option<impl Read>) -> String {
    let mut text = String::new();
    pipe.unwrap().read_to_string(&mut text).unwrap();
    text
}
