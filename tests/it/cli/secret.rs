//! Where a passphrase or a key comes from, and that nothing of it is ever shown.
//!
//! A command that opens a replica reads the secret first, and says in the log where it was found. Here there is no
//! replica.

use std::fs::{self, Permissions};
use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::process::Stdio;

use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};

use super::{Ran, command, database, finish, waloy};

/// 21 bytes, none of them in anything that waloy says by itself.
const SECRET: &str = "Xq7#Zw9!Kv3$Jp5%Hn1&Q";

/// A command that opens a replica, with variables and something on standard input.
fn run(dir: &Path, args: &[&str], variables: &[(&str, &str)], input: &str) -> Ran {
    let mut all = vec!["generations", "--to", "replica"];
    all.extend(args);
    let mut command = command(dir, &all);
    command.env("WALOY_LOG", "debug").envs(variables.iter().copied()).stdin(Stdio::piped());
    let mut child = command.spawn().unwrap();
    // Whoever does not read it has closed it.
    let _ = child.stdin.take().unwrap().write_all(input.as_bytes());
    let ran = finish(child);
    assert_shows_nothing(&ran);
    ran
}

/// No six bytes of the secret in a row.
#[track_caller]
fn assert_shows_nothing(ran: &Ran) {
    for window in SECRET.as_bytes().windows(6) {
        let window = std::str::from_utf8(window).unwrap();
        assert!(!ran.out.contains(window) && !ran.err.contains(window), "{window} in {ran:?}");
    }
}

fn scene() -> tempfile::TempDir {
    let dir = tempfile::tempdir().unwrap();
    private(&dir.path().join("pass"), format!("{SECRET}\n").as_bytes());
    private(&dir.path().join("raw.key"), &[7; 32]);
    fs::create_dir(dir.path().join("handed")).unwrap();
    fs::copy(dir.path().join("pass"), dir.path().join("handed/waloy-passphrase")).unwrap();
    dir
}

pub(super) fn private(path: &Path, bytes: &[u8]) {
    fs::write(path, bytes).unwrap();
    fs::set_permissions(path, Permissions::from_mode(0o600)).unwrap();
}

#[track_caller]
fn assert_read(ran: &Ran, what: &str) {
    let expected = format!("secret=\"{what}\"");
    assert!(ran.code == Some(10) && ran.err.contains(&expected), "{expected}: {ran:?}");
}

#[test]
fn every_source_is_read_and_named_with_its_length() {
    let scene = scene();
    let print = format!("printf '%s\\n' '{SECRET}'");
    let of_file = "passphrase from pass (21 bytes)";
    let read = |args: &[&str], variables: &[(&str, &str)], input: &str, what: &str| {
        let ran = run(scene.path(), args, variables, input);
        assert_read(&ran, what);
        assert!(!ran.err.contains("warning:"), "{ran:?}");
    };
    read(&["--passphrase-file", "pass"], &[], "", of_file);
    read(&[], &[("WALOY_PASSPHRASE_FILE", "pass")], "", of_file);
    read(&["--passphrase-file", "-"], &[], SECRET, "passphrase from standard input (21 bytes)");
    read(&["--passphrase-file", "/dev/fd/0"], &[], SECRET, "passphrase from /dev/fd/0 (21 bytes)");
    read(&[], &[("WALOY_PASSPHRASE_FD", "0")], SECRET, "passphrase from /dev/fd/0 (21 bytes)");
    let of_flag = "passphrase from the command of --passphrase-command (21 bytes)";
    read(&["--passphrase-command", &print], &[], "", of_flag);
    let of_variable = "passphrase from the command of WALOY_PASSPHRASE_COMMAND (21 bytes)";
    read(&[], &[("WALOY_PASSPHRASE_COMMAND", &print)], "", of_variable);
    read(&["--key-file", "raw.key"], &[], "", "key from raw.key (32 bytes)");
    read(&[], &[("WALOY_KEY_FILE", "raw.key")], "", "key from raw.key (32 bytes)");
    let of_credential = "passphrase from handed/waloy-passphrase (21 bytes)";
    read(&[], &[("CREDENTIALS_DIRECTORY", "handed")], "", of_credential);
    // A flag is obeyed, whatever is set.
    let set = [("WALOY_PASSPHRASE_FILE", "no"), ("WALOY_PASSPHRASE", "nothing of this"), ("WALOY_KEY_FILE", "no")];
    read(&["--passphrase-file", "pass"], &set, "", of_file);
    // Nothing is set by what is empty.
    let empty = [("WALOY_PASSPHRASE", ""), ("WALOY_KEY_FILE", "")];
    let ran = run(scene.path(), &["--encrypt", "required"], &empty, "");
    assert!(ran.code == Some(12) && ran.err.contains("[key.missing]"), "{ran:?}");
    assert!(ran.err.contains("no passphrase and no key for ") && ran.err.contains("--passphrase-file FILE"), "{ran:?}");
}

#[test]
fn with_encryption_off_nothing_is_looked_for() {
    let scene = scene();
    let set = [("WALOY_PASSPHRASE_FILE", "no"), ("WALOY_PASSPHRASE", SECRET), ("CREDENTIALS_DIRECTORY", "handed")];
    for args in [&["--encrypt", "off"][..], &["--encrypt", "off", "--passphrase-command", "touch ran"]] {
        let ran = run(scene.path(), args, &set, "");
        assert!(ran.code == Some(10) && !ran.err.contains("warning:"), "{ran:?}");
    }
    assert!(!scene.path().join("ran").exists());
    let off = [&set[..], &[("WALOY_ENCRYPT", "off")]].concat();
    assert_eq!(run(scene.path(), &[], &off, "").code, Some(10));
}

#[test]
fn two_secrets_are_never_a_silent_choice() {
    let scene = scene();
    for (args, variables) in [
        (&["--passphrase-file", "pass", "--key-file", "raw.key"][..], &[][..]),
        (&["--passphrase-file", "pass", "--passphrase-command", "touch ran"], &[]),
        (&[], &[("WALOY_PASSPHRASE_FILE", "pass"), ("WALOY_PASSPHRASE", SECRET)]),
        (&[], &[("WALOY_PASSPHRASE_COMMAND", "touch ran"), ("WALOY_PASSPHRASE_FD", "0")]),
        (&[], &[("WALOY_KEY_FILE", "raw.key"), ("WALOY_PASSPHRASE_FILE", "pass")]),
    ] {
        let ran = run(scene.path(), args, variables, SECRET);
        assert!(ran.code == Some(2) && ran.err.contains("[usage.two_secrets]"), "{ran:?}");
        assert!(ran.err.contains("one of them"), "{ran:?}");
    }
    assert!(!scene.path().join("ran").exists());
}

#[test]
fn what_holds_no_passphrase_is_refused_by_its_name() {
    let scene = scene();
    let dir = scene.path();
    private(&dir.join("empty"), b"");
    private(&dir.join("newline"), b"\n");
    private(&dir.join("seven"), format!("{}\n", &SECRET[..7]).as_bytes());
    private(&dir.join("large"), SECRET.repeat(4000).as_bytes());
    fs::create_dir(dir.join("folder")).unwrap();
    let file = |name| ["--passphrase-file", name];
    for (args, code, message) in [
        (file("no"), "usage.secret_file", "cannot read no "),
        (file("folder"), "usage.secret_file", "cannot read folder"),
        (file("empty"), "usage.secret_file", "empty is empty"),
        (file("large"), "usage.secret_file", "large has more than 64 KiB"),
        (file("newline"), "usage.short_passphrase", "from newline is too short: 0 bytes"),
        (file("seven"), "usage.short_passphrase", "from seven is too short: 7 bytes"),
        (file("-"), "usage.secret_file", "standard input is empty"),
        (file("/dev/fd/99"), "usage.secret_file", "cannot read /dev/fd/99"),
        (["--key-file", "no"], "usage.secret_file", "cannot read no "),
        (["--key-file", "empty"], "usage.secret_file", "empty is empty"),
        (["--key-slot", "12"], "usage.invalid_value", "16 hexadecimal digits"),
    ] {
        let ran = run(dir, &args, &[], "");
        assert!(ran.code == Some(2) && ran.err.contains(&format!("[{code}]")), "{code}: {ran:?}");
        assert!(ran.err.contains(message), "{message}: {ran:?}");
    }
    let ran = run(dir, &["--key-file", "pass"], &[], "");
    assert!(
        ran.code == Some(12) && ran.err.contains("pass holds neither a key nor a recovery kit [key.unusable]"),
        "{ran:?}"
    );
    let ran = run(dir, &[], &[("WALOY_PASSPHRASE_FD", "x")], "");
    assert!(ran.code == Some(2) && ran.err.contains("WALOY_PASSPHRASE_FD is not the number"), "{ran:?}");
    let ran = run(dir, &[], &[("WALOY_PASSPHRASE", "short")], "");
    assert!(ran.code == Some(2) && ran.err.contains("from WALOY_PASSPHRASE is too short: 5 bytes"), "{ran:?}");
}

#[test]
fn a_command_that_gives_no_passphrase_says_why() {
    let scene = scene();
    for (line, exit, code, message) in [
        ("sh -c 'echo the vault is closed >&2; exit 3'", 1, "key.command_failed", "cause: it exited with 3"),
        ("true", 1, "key.command_failed", "`true` printed nothing"),
        ("sh -c 'while :; do echo 0123456789; done'", 1, "key.command_failed", "more than 64 KiB"),
        ("echo short", 2, "usage.short_passphrase", "5 bytes"),
        ("no-such-program --token Xq7#Zw9!Kv3", 2, "usage.secret_command", "cannot be run: `no-such-program`"),
        ("pass 'show", 2, "usage.secret_command", "--passphrase-command cannot be split into words"),
        (" ", 2, "usage.secret_command", "--passphrase-command is empty"),
    ] {
        let ran = run(scene.path(), &["--passphrase-command", line], &[], "");
        assert!(ran.code == Some(exit) && ran.err.contains(&format!("[{code}]")), "{line}: {ran:?}");
        assert!(ran.err.contains(message), "{message}: {ran:?}");
        // What it says of its own is passed through.
        assert_eq!(ran.err.contains("the vault is closed"), line.contains("vault"), "{ran:?}");
    }
}

#[test]
fn a_command_is_told_no_secret_and_gets_no_input() {
    let scene = scene();
    let line = "sh -c 'cat /proc/self/environ > seen; cat >> seen; printf correct\\ horse'";
    let variables = [
        ("WALOY_PASSPHRASE", SECRET),
        ("WALOY_PASSPHRASE_FILE", "pass"),
        ("WALOY_KEY_FILE", "raw.key"),
        ("WALOY_KEY_OF_TOMORROW", SECRET),
        ("VAULT_ADDR", "http://vault"),
    ];
    let ran = run(scene.path(), &["--passphrase-command", line], &variables, SECRET);
    assert_read(&ran, "passphrase from the command of --passphrase-command (13 bytes)");
    let seen = fs::read_to_string(scene.path().join("seen")).unwrap();
    assert!(seen.contains("VAULT_ADDR=http://vault"), "{seen}");
    for hidden in ["WALOY_PASSPHRASE", "WALOY_KEY", "Xq7#"] {
        assert!(!seen.contains(hidden), "{hidden}: {seen}");
    }
}

#[test]
fn a_command_is_run_once_however_many_replicas_there_are() {
    let scene = scene();
    drop(database(&scene.path().join("a.db")));
    drop(database(&scene.path().join("b.db")));
    let line = format!("sh -c 'echo run >> runs; echo \"{SECRET}\"'").replace('$', "\\$");
    let ran = waloy(scene.path(), &["verify", "a.db", "b.db", "-v", "--passphrase-command", &line]);
    assert_shows_nothing(&ran);
    assert_eq!(fs::read_to_string(scene.path().join("runs")).unwrap(), "run\n");
    assert_eq!(ran.err.matches("msg=found").count(), 1, "{ran:?}");
}

#[test]
fn a_secret_that_others_can_read_is_warned_of_where_that_is_a_choice() {
    let scene = scene();
    for name in ["pass", "raw.key", "handed/waloy-passphrase"] {
        fs::set_permissions(scene.path().join(name), Permissions::from_mode(0o644)).unwrap();
    }
    for (args, shown) in [(["--passphrase-file", "pass"], "pass"), (["--key-file", "raw.key"], "raw.key")] {
        let ran = run(scene.path(), &args, &[], "");
        let warning = format!("warning: {shown} has mode 0644: other users may read or change it\n");
        assert!(ran.err.contains(&warning), "{warning}: {ran:?}");
        assert!(ran.err.contains(&format!("  hint:  chmod 600 {shown}\n")), "{ran:?}");
    }
    let ran = run(scene.path(), &["--json", "--passphrase-file", "pass"], &[], "");
    assert!(ran.err.contains(r#""type":"warning","code":"key.file_readable""#), "{ran:?}");
    let ran = run(scene.path(), &[], &[("CREDENTIALS_DIRECTORY", "handed")], "");
    assert!(!ran.err.contains("warning:"), "{ran:?}");
    let file = fs::File::open(scene.path().join("pass")).unwrap();
    let args = ["generations", "--to", "replica", "-v", "--passphrase-file", "/dev/fd/0"];
    let ran = finish(command(scene.path(), &args).stdin(file).spawn().unwrap());
    assert_read(&ran, "passphrase from /dev/fd/0 (21 bytes)");
    assert!(!ran.err.contains("warning:"), "{ran:?}");

    let ran = run(scene.path(), &[], &[("WALOY_PASSPHRASE", SECRET)], "");
    assert_read(&ran, "passphrase from WALOY_PASSPHRASE (21 bytes)");
    assert_eq!(ran.err.matches("warning: the passphrase is in WALOY_PASSPHRASE").count(), 1, "{ran:?}");
    assert!(ran.err.contains("`docker inspect`") && ran.err.contains("--passphrase-file FILE"), "{ran:?}");
    let both = [("WALOY_PASSPHRASE", SECRET), ("CREDENTIALS_DIRECTORY", "handed")];
    let ran = run(scene.path(), &[], &both, "");
    assert_read(&ran, "passphrase from handed/waloy-passphrase (21 bytes)");
    assert!(ran.err.contains("warning: WALOY_PASSPHRASE is not used"), "{ran:?}");
}

#[test]
fn nothing_of_a_secret_is_in_a_log_a_report_or_a_help_text() {
    let scene = scene();
    let value = [("WALOY_PASSPHRASE", SECRET), ("WALOY_LOG", "trace")];
    let file = [("WALOY_PASSPHRASE_FILE", "pass"), ("WALOY_LOG", "trace")];
    for variables in [&value[..], &file] {
        for args in [&["-vv"][..], &["--json"], &["--log-format", "json"], &["--plain"], &["-q"], &["--help"], &["-h"]]
        {
            // Each run is looked through.
            let ran = run(scene.path(), args, variables, "");
            assert!(!ran.out.is_empty() || !ran.err.is_empty(), "{ran:?}");
        }
    }
    let help = run(scene.path(), &["--help"], &[("WALOY_PASSPHRASE_FILE", "secret-place")], "").ok().out;
    assert!(help.contains("Encryption options:") && help.contains("WALOY_PASSPHRASE_FILE"), "{help}");
    assert!(!help.contains("secret-place") && !help.contains("--passphrase "), "{help}");
}

#[test]
fn a_generated_passphrase_is_printed_or_written_for_its_owner_alone() {
    let dir = tempfile::tempdir().unwrap();
    let generate = |args: &[&str]| {
        let mut all = vec!["key", "generate"];
        all.extend(args);
        waloy(dir.path(), &all)
    };
    let is_one = |text: &str| text.len() == 34 && text.split('-').all(|group| group.len() == 4);
    let printed = generate(&[]).ok();
    assert!(is_one(printed.out.strip_suffix('\n').unwrap()) && printed.err.is_empty(), "{printed:?}");
    let report = generate(&["--json"]).ok().json();
    assert!(is_one(report["passphrase"].as_str().unwrap()) && report["output"].is_null(), "{report}");
    assert_eq!((report["type"].as_str(), report["bits"].as_u64()), (Some("key_generate"), Some(140)));

    let written = generate(&["-o", "pass"]).ok();
    assert_eq!(written.out, "");
    assert!(
        written.err.contains("wrote a passphrase of 140 bits to pass, for --passphrase-file pass\n"),
        "{written:?}"
    );
    let passphrase = fs::read_to_string(dir.path().join("pass")).unwrap();
    assert!(is_one(passphrase.strip_suffix('\n').unwrap()) && !written.err.contains(passphrase.trim()));
    assert_eq!(dir.path().join("pass").metadata().unwrap().permissions().mode() & 0o7777, 0o600);
    // It is one that is taken, without a warning.
    let ran = run(dir.path(), &["--passphrase-file", "pass"], &[], "");
    assert_read(&ran, "passphrase from pass (34 bytes)");
    assert!(!ran.err.contains("warning:"), "{ran:?}");

    let report = generate(&["--raw", "-o", "raw.key", "--json"]).ok();
    assert_eq!(
        report.out,
        "{\"schema_version\":1,\"type\":\"key_generate\",\"kind\":\"key\",\"bits\":256,\"output\":\"raw.key\"}\n"
    );
    let key = fs::read(dir.path().join("raw.key")).unwrap();
    assert_eq!(key.len(), 32);

    for args in [&["-o", "pass"][..], &["--raw", "-o", "raw.key"]] {
        let again = generate(args);
        assert!(again.code == Some(6) && again.err.contains("[key.target_exists]"), "{again:?}");
    }
    assert_eq!(fs::read_to_string(dir.path().join("pass")).unwrap(), passphrase);
    assert_eq!(fs::read(dir.path().join("raw.key")).unwrap(), key);
    std::os::unix::fs::symlink("nowhere", dir.path().join("link")).unwrap();
    assert_eq!(generate(&["-o", "link"]).code, Some(6));
    let ran = generate(&["-o", "no/such/folder"]);
    assert!(ran.code == Some(1) && ran.err.contains("cannot write no/such/folder [output.failed]"), "{ran:?}");
    let ran = generate(&["--raw"]);
    assert!(ran.code == Some(2) && ran.out.is_empty() && ran.err.contains("[usage.missing_argument]"), "{ran:?}");
    let ran = waloy(dir.path(), &["key"]);
    assert!(ran.code == Some(2) && ran.err.contains("Usage: waloy key"), "{ran:?}");
    let help = waloy(dir.path(), &["key", "generate", "--help"]).ok().out;
    assert!(help.contains("Examples:\n  waloy key generate") && help.contains("Exit codes:"), "{help}");
}

/// A run at a terminal, into which this is typed; what it shows there.
pub(super) fn at_a_terminal(dir: &Path, args: &[&str], typed: &str) -> (Option<i32>, String) {
    let typist = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
    grantpt(&typist).unwrap();
    unlockpt(&typist).unwrap();
    let name = ptsname(&typist, Vec::new()).unwrap();
    let terminal = fs::File::options().read(true).write(true).open(name.to_str().unwrap()).unwrap();
    let mut typist = fs::File::from(typist);
    typist.write_all(typed.as_bytes()).unwrap();
    let mut command = command(dir, args);
    command.env("NO_COLOR", "1").env("TERM", "dumb").stdout(Stdio::null());
    let mut child = command.stdin(terminal.try_clone().unwrap()).stderr(terminal).spawn().unwrap();
    // The command holds the terminal too, and its end would never be seen.
    drop(command);
    let mut shown = Vec::new();
    let mut part = [0; 1024];
    // A terminal that nobody has open any more is an error on Linux, and an end elsewhere.
    while let Ok(read @ 1..) = typist.read(&mut part) {
        shown.extend_from_slice(&part[..read]);
    }
    (child.wait().unwrap().code(), String::from_utf8(shown).unwrap())
}

#[test]
fn a_passphrase_is_not_read_from_a_terminal_that_shows_it() {
    let scene = scene();
    for source in ["-", "/dev/fd/0"] {
        let args = ["generations", "--to", "replica", "--passphrase-file", source];
        let (code, shown) = at_a_terminal(scene.path(), &args, "");
        assert!(code == Some(2) && shown.contains("[usage.secret_file]"), "{shown}");
        assert!(shown.contains("is a terminal, which would show the passphrase"), "{shown}");
    }
}

#[test]
fn with_no_input_nobody_is_asked_even_at_a_terminal() {
    let dir = tempfile::tempdir().unwrap();
    drop(database(&dir.path().join("app.db")));
    for _ in 0..2 {
        waloy(dir.path(), &["replicate", "app.db", "--once", "--snapshot", "--to", "replica", "-q"]).ok();
    }
    let prune = ["prune", "app.db", "--retention", "0s", "--grace", "0s"];
    let (code, shown) = at_a_terminal(dir.path(), &prune, "n\n");
    assert!(code == Some(0) && shown.contains("? [y/N]") && shown.contains("nothing was deleted"), "{shown}");
    let (code, shown) = at_a_terminal(dir.path(), &[&prune[..], &["--no-input"]].concat(), "");
    assert!(code == Some(2) && shown.contains("[prune.unconfirmed]") && !shown.contains("[y/N]"), "{shown}");
}
