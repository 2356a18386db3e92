use std::ffi::OsString;
use std::fs::{self, Permissions};
use std::os::unix::ffi::OsStringExt;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use clap::Parser;

use super::super::args::{CREDENTIAL, Encrypt, PASSPHRASE, SecretArgs, VARIABLES};
use super::super::command;
use super::{Found, Secrets, Warning, look, missing, required};
use crate::cli::args::Cli;
use crate::cli::context::Context;
use crate::cli::ui::Ui;
use crate::error::Error;
use crate::ids::ReplicaId;
use crate::seal::{Cost, KdfLimit, RecoveryKit, RootKey, Secret, SecretKind, Slot, SlotId};
use crate::storage::{Connections, Trouble};
use crate::units::Timestamp;

const SECRET: &[u8] = b"correct horse battery";

fn looked(args: &SecretArgs, variables: &[(&str, &str)]) -> Result<Option<(Found, Option<Warning>)>, Error> {
    let variable = |name: &str| variables.iter().find(|(it, _)| *it == name).map(|(_, value)| OsString::from(*value));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(look(args, variable, Duration::from_secs(20)))
}

fn found(args: &SecretArgs, variables: &[(&str, &str)]) -> Found {
    looked(args, variables).unwrap().unwrap().0
}

/// Whether it opens what this passphrase has locked.
pub(in crate::cli::secret) fn is(secret: &Secret, passphrase: &[u8]) -> bool {
    let (passphrase, root) = (Secret::from_passphrase(passphrase).unwrap(), RootKey::generate());
    let least = Cost { memory_kib: 19 << 10, passes: 1, lanes: 1 };
    let slot = Slot::make(&passphrase, &root, ReplicaId([9; 16]), "", least, Timestamp(0)).unwrap();
    slot.stretch(secret, KdfLimit::Standard).and_then(|stretched| slot.open(&stretched)).is_ok()
}

fn private_file(dir: &Path, name: &str, bytes: &[u8]) -> PathBuf {
    let path = dir.join(name);
    fs::write(&path, bytes).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    path
}

fn passphrase_file(path: &Path) -> SecretArgs {
    SecretArgs { passphrase_file: Some(path.to_owned()), ..SecretArgs::default() }
}

fn passphrase_command(line: &str) -> SecretArgs {
    SecretArgs { passphrase_command: Some(line.to_owned()), ..SecretArgs::default() }
}

#[test]
fn one_newline_at_the_end_is_no_part_of_a_passphrase_and_everything_else_is() {
    let dir = tempfile::tempdir().unwrap();
    for (written, expected) in [
        (&b"correct horse"[..], &b"correct horse"[..]),
        (b"correct horse\n", b"correct horse"),
        (b"correct horse\n\n", b"correct horse\n"),
        (b"correct horse\r\n", b"correct horse\r"),
        (b" correct horse ", b" correct horse "),
        (b"correct\nhorse\n", b"correct\nhorse"),
        (b"\xff\x00\xfe\x00\xfd\x00\xfc\x00", b"\xff\x00\xfe\x00\xfd\x00\xfc\x00"),
    ] {
        let path = private_file(dir.path(), "pass", written);
        let of_file = found(&passphrase_file(&path), &[]);
        assert!(is(&of_file.secret, expected), "{written:?}");
        let length = format!(" ({} bytes)", expected.len());
        assert!(of_file.to_string().ends_with(&length), "{of_file} has not{length}");
        let line = format!("cat {}", path.display());
        assert!(is(&found(&passphrase_command(&line), &[]).secret, expected), "of a command: {written:?}");
        let credentials = tempfile::tempdir().unwrap();
        fs::copy(&path, credentials.path().join("waloy-passphrase")).unwrap();
        let variables = [("CREDENTIALS_DIRECTORY", credentials.path().to_str().unwrap())];
        assert!(is(&found(&SecretArgs::default(), &variables).secret, expected), "of a credential: {written:?}");
    }
    // A variable is what was put there.
    let of_variable = found(&SecretArgs::default(), &[("WALOY_PASSPHRASE", "correct horse\n")]);
    assert!(is(&of_variable.secret, b"correct horse\n") && !is(&of_variable.secret, b"correct horse"));
}

#[test]
fn a_key_file_holds_32_bytes_or_a_recovery_kit_and_anything_else_is_told_apart() {
    let dir = tempfile::tempdir().unwrap();
    let root = RootKey::generate();
    let kit = RecoveryKit { replica: ReplicaId([9; 16]), root: root.clone() }.text();
    let look = |bytes: &[u8]| {
        let path = private_file(dir.path(), "key", bytes);
        let args = SecretArgs { key_file: Some(path), ..SecretArgs::default() };
        looked(&args, &[]).map(|found| found.unwrap().0)
    };
    // The newline is one of the 32 bytes.
    let raw = b"0123456789abcdef0123456789abcde\n";
    let found = look(raw).unwrap();
    assert_eq!(found.secret.kind(), SecretKind::KeyFile);
    assert!(found.to_string().ends_with("/key (32 bytes)"), "{found}");
    let of = |key: &Secret| Slot::make(key, &root, ReplicaId([9; 16]), "", Cost::default(), Timestamp(0)).unwrap();
    let slot = of(&Secret::from_key_file(raw).unwrap());
    assert!(slot.open(&slot.stretch(&found.secret, KdfLimit::Standard).unwrap()).is_ok());

    let found = look(format!("# of app.db\n{}", kit.to_uppercase()).as_bytes()).unwrap();
    assert_eq!(found.secret.kind(), SecretKind::RecoveryKit);
    assert!(found.to_string().starts_with("recovery kit from ") && found.to_string().ends_with("/key"), "{found}");
    let at_5 = if kit.as_bytes()[5] == b'x' { "y" } else { "x" };
    let mut mistyped = kit.to_string();
    mistyped.replace_range(5..6, at_5);
    for (bytes, expected) in [
        (mistyped.as_bytes(), "the recovery kit in KEY is damaged"),
        (&kit.as_bytes()[9..], "KEY holds neither a key nor a recovery kit"),
        (&raw[1..], "KEY holds neither a key nor a recovery kit"),
        (&b"07".repeat(32), "KEY holds neither a key nor a recovery kit"),
        (SECRET, "KEY holds neither a key nor a recovery kit"),
    ] {
        let error = look(bytes).unwrap_err();
        assert_eq!((error.code(), error.kind().exit_code()), ("key.unusable", 12));
        let path = dir.path().join("key").display().to_string();
        assert_eq!(error.to_string().replace(&path, "KEY"), expected);
        let told = [error.causes(), error.hints().to_vec()].concat().join(" ");
        assert!(!told.contains("correct") && !told.contains(&kit[9..17]), "{told}");
    }
}

#[test]
fn the_flags_say_how_a_secret_is_used() {
    let secret = Secret::from_passphrase(SECRET).unwrap();
    let key = SecretArgs::default().key(secret.clone());
    assert_eq!((key.limit(), key.slot()), (KdfLimit::Standard, None));
    let args = SecretArgs { key_slot: Some(0xab), allow_kdf_cost: true, ..SecretArgs::default() };
    let key = args.key(secret.clone());
    assert!(key.secret().is_same(&secret));
    assert_eq!((key.limit(), key.slot()), (KdfLimit::Raised, Some(SlotId([0, 0, 0, 0, 0, 0, 0, 0xab]))));
}

#[test]
fn a_secret_that_is_missing_is_asked_for_by_every_name_that_it_may_have() {
    let error = missing(&SecretArgs::default(), "s3://b/app.db");
    assert_eq!((error.code(), error.kind().exit_code()), ("key.missing", 12));
    assert_eq!(error.to_string(), "no passphrase and no key for s3://b/app.db");
    let hints = error.hints().join("\n");
    for name in ["--passphrase-file", "--passphrase-command", "--key-file", CREDENTIAL] {
        assert!(hints.contains(name), "{name}: {hints}");
    }
    // The one that is warned of is not recommended.
    for name in VARIABLES {
        assert_eq!(hints.split([' ', ',', '\n']).any(|word| word == name), name != PASSPHRASE, "{name}: {hints}");
    }
}

#[test]
fn the_first_of_flag_variable_credential_and_value_is_taken_and_two_of_a_kind_are_refused() {
    let dir = tempfile::tempdir().unwrap();
    let file = |name: &str| private_file(dir.path(), name, format!("passphrase {name}").as_bytes());
    let (flag, named, credential) = (file("flag"), file("named"), file("waloy-passphrase"));
    let named = ("WALOY_PASSPHRASE_FILE", named.to_str().unwrap());
    let handed_over = ("CREDENTIALS_DIRECTORY", dir.path().to_str().unwrap());
    let value = ("WALOY_PASSPHRASE", "passphrase value");
    let printed = ("WALOY_PASSPHRASE_COMMAND", "echo passphrase printed");
    let origin = |args: &SecretArgs, variables: &[(&str, &str)]| found(args, variables).origin;

    assert_eq!(origin(&passphrase_file(&flag), &[named, value]), flag.to_str().unwrap());
    assert_eq!(origin(&SecretArgs::default(), &[named, handed_over]), named.1);
    assert_eq!(origin(&SecretArgs::default(), &[printed, handed_over]), "the command of WALOY_PASSPHRASE_COMMAND");
    let (found, warning) = looked(&SecretArgs::default(), &[handed_over, value]).unwrap().unwrap();
    assert_eq!(found.origin, credential.to_str().unwrap());
    assert_eq!(warning.unwrap().code, "key.credential_first");
    let (found, warning) = looked(&SecretArgs::default(), &[value]).unwrap().unwrap();
    assert_eq!(
        (found.to_string(), warning.unwrap().code),
        ("passphrase from WALOY_PASSPHRASE (16 bytes)".into(), "key.in_environment")
    );
    // A directory without it is that of another credential.
    assert!(looked(&SecretArgs::default(), &[("CREDENTIALS_DIRECTORY", "/nowhere")]).unwrap().is_none());

    let explicit = [named, printed, value, ("WALOY_PASSPHRASE_FD", "0"), ("WALOY_KEY_FILE", flag.to_str().unwrap())];
    for (at, first) in explicit.iter().enumerate() {
        for second in &explicit[at + 1..] {
            let error = looked(&SecretArgs::default(), &[*second, *first, handed_over]).unwrap_err();
            assert_eq!(error.code(), "usage.two_secrets");
            assert!(error.to_string().contains(first.0) && error.to_string().contains(second.0), "{error}");
        }
    }
    let both = SecretArgs { passphrase_command: Some("echo".into()), ..passphrase_file(&flag) };
    let error = looked(&both, &[]).unwrap_err();
    assert_eq!(error.to_string(), "--passphrase-file and --passphrase-command are both given");
    let off = SecretArgs { encrypt: Encrypt::Off, ..both };
    assert!(looked(&off, &explicit).unwrap().is_none());
}

#[test]
fn whatever_asks_for_encryption_is_noticed_by_a_program_without_it() {
    let asked = |args: &SecretArgs, name: &'static str| {
        args.asked_by(|variable| (variable == name).then(|| OsString::from("/nowhere")))
    };
    for name in VARIABLES {
        assert_eq!(asked(&SecretArgs::default(), name).as_deref(), Some(name));
    }
    assert_eq!(asked(&passphrase_file(Path::new("x")), "").as_deref(), Some("--passphrase-file"));
    assert_eq!(asked(&SecretArgs::default(), "WALOY_DEST"), None);
    assert_eq!(asked(&SecretArgs::default(), "CREDENTIALS_DIRECTORY"), None);
    let with = |encrypt| SecretArgs { encrypt, ..SecretArgs::default() };
    assert_eq!(asked(&with(Encrypt::Required), "").as_deref(), Some("--encrypt required"));
    assert_eq!(asked(&with(Encrypt::Off), "WALOY_PASSPHRASE"), None);
}

#[test]
fn what_is_required_is_what_is_configured_and_with_encryption_off_it_is_missing() {
    let dir = tempfile::tempdir().unwrap();
    let path = private_file(dir.path(), "pass", SECRET);
    let required = |encrypt: &str| {
        let args = ["waloy", "generations", "--to", "x", "--encrypt", encrypt, "--passphrase-file"].map(OsString::from);
        let global = Cli::try_parse_from(args.into_iter().chain([path.clone().into()])).unwrap().global;
        let context = Context {
            ui: Arc::new(Ui::new(global.mode())),
            global: Arc::new(global),
            trouble: Trouble::default(),
            connections: Connections::default(),
            secrets: Secrets::default(),
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        [(); 2].map(|()| runtime.block_on(required(&context, "s3://b/app.db")))
    };
    let [first, again] = required("required").map(Result::unwrap);
    assert!(is(&first.secret, SECRET) && Arc::ptr_eq(&first, &again));
    for error in required("off").map(Result::unwrap_err) {
        assert_eq!((error.code(), error.kind().exit_code()), ("key.missing", 12));
        assert_eq!(error.hints(), ["with `--encrypt off`, or WALOY_ENCRYPT=off, none is looked for"]);
    }
}

#[test]
fn paths_and_passphrases_need_not_be_text() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join(OsString::from_vec(b"pass\xff".to_vec()));
    if fs::write(&path, SECRET).is_err() {
        return; // this file system knows text only
    }
    let variable = |name: &str| (name == "WALOY_PASSPHRASE_FILE").then(|| path.clone().into_os_string());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let looked = runtime.block_on(look(&SecretArgs::default(), variable, command::LIMIT)).unwrap().unwrap();
    assert!(is(&looked.0.secret, SECRET));
}

#[test]
fn debug_shows_where_a_secret_is_from_and_nothing_of_it() {
    let dir = tempfile::tempdir().unwrap();
    let path = private_file(dir.path(), "pass", SECRET);
    let found = found(&passphrase_file(&path), &[]);
    let expected = format!("passphrase from {} (21 bytes)", path.display());
    assert_eq!(
        (format!("{found:?}"), format!("{found:#?}"), found.to_string()),
        (expected.clone(), expected.clone(), expected)
    );
}

#[test]
fn a_command_that_does_not_end_is_killed() {
    let dir = tempfile::tempdir().unwrap();
    let pid = dir.path().join("pid");
    let line = format!("sh -c 'echo $$ > {}; exec sleep 600'", pid.display());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let error = runtime.block_on(async {
        let running = command::run(&line, "--passphrase-command", Duration::from_secs(2)).await;
        running.map(|_| ()).unwrap_err()
    });
    assert_eq!(error.code(), "key.command_failed");
    assert_eq!(error.to_string(), "the passphrase command `sh` did not end within 2s");
    let pid = fs::read_to_string(&pid).unwrap();
    let began = Instant::now();
    // What is left of a process that has ended has no command line.
    while fs::read(format!("/proc/{}/cmdline", pid.trim())).is_ok_and(|line| !line.is_empty()) {
        assert!(began.elapsed() < Duration::from_secs(20), "{pid} still runs");
        std::thread::sleep(Duration::from_millis(20));
    }
}

#[cfg(target_os = "linux")]
#[test]
fn where_a_secret_is_read_there_is_no_core_dump() {
    use rustix::process::{DumpableBehavior, dumpable_behavior};

    let dir = tempfile::tempdir().unwrap();
    found(&passphrase_file(&private_file(dir.path(), "pass", SECRET)), &[]);
    assert_eq!(dumpable_behavior().unwrap(), DumpableBehavior::NotDumpable);
}
