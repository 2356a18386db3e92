//! The program: what it prints and logs, the files that it leaves, and what `/proc` shows of it and of what it runs.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::{Command, Output, Stdio};
use std::time::{Duration, Instant};

use rusqlite::Connection;
use waloy::storage::DirStore;

use super::scan::Observed;
use super::*;
use crate::handmade::objects;
use crate::model;

/// Prints the passphrase, after a look at its own process and at the one that runs it.
const LOOK: &str = "cat /proc/$$/environ /proc/$$/cmdline /proc/$PPID/environ /proc/$PPID/cmdline >> proc\ncat pass\n";

fn command(dir: &Path, args: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_waloy"));
    let kept = ["PATH", "LLVM_PROFILE_FILE"].into_iter().filter_map(|name| Some((name, std::env::var_os(name)?)));
    command.args(args).current_dir(dir).env_clear().envs(kept);
    command.env("WALOY_LOG", "trace").env("TZ", "UTC");
    command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

fn keep(observed: &mut Observed, what: &str, output: Output) -> Option<i32> {
    observed.add(format!("output of {what}"), output.stdout);
    observed.add(format!("errors of {what}"), output.stderr);
    output.status.code()
}

fn insert(app: &Connection) {
    app.execute("INSERT INTO t(x) VALUES (randomblob(900)), ('a customer ' || hex(randomblob(300)))", []).unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn nothing_is_seen_of_the_program_and_of_what_it_runs() {
    let scene = tempfile::tempdir().unwrap();
    let (dir, mut observed, mut pages) = (scene.path(), Observed::default(), Vec::new());
    let app = crate::engine::application(&dir.join("app.db"), 4096);
    for (name, text) in
        [("pass", format!("{PASSPHRASE}\n")), ("wrong", "no such passphrase".into()), ("look", LOOK.into())]
    {
        fs::write(dir.join(name), text).unwrap();
        fs::set_permissions(dir.join(name), fs::Permissions::from_mode(0o600)).unwrap();
    }
    let mut look = |observed: &mut Observed, app: &Connection| {
        stage::files(&dir.join("app.db.waloy"), observed);
        pages.extend(model::pages_of(app).chunks_exact(4096).map(<[u8]>::to_vec));
    };
    let by_command = ["--passphrase-command", "sh look"];
    let by_file = ["--passphrase-file", "pass"];
    for round in 0..3 {
        insert(&app);
        let how = if round == 1 { by_file } else { by_command };
        let args = [&["replicate", "app.db", "--once", "--json"][..], &how].concat();
        let ran = command(dir, &args).output().unwrap();
        assert_eq!(keep(&mut observed, "replicate", ran), Some(0));
        look(&mut observed, &app);
    }
    // While it runs.
    let args = [&["replicate", "app.db", "--sync-interval", "50ms"][..], &by_command].concat();
    let mut running = command(dir, &args).spawn().unwrap();
    let (socket, began) = (dir.join("app.db.waloy/state/socket"), Instant::now());
    while std::os::unix::net::UnixStream::connect(&socket).is_err() {
        assert!(began.elapsed() < Duration::from_secs(30) && running.try_wait().unwrap().is_none(), "it does not run");
        std::thread::sleep(Duration::from_millis(20));
    }
    for _ in 0..3 {
        insert(&app);
        for command_line in [&["sync", "app.db", "--json"][..], &["status", "app.db", "--json"]] {
            let ran = command(dir, command_line).output().unwrap();
            assert_eq!(keep(&mut observed, command_line[0], ran), Some(0));
        }
        look(&mut observed, &app);
    }
    for file in ["environ", "cmdline"] {
        let seen = fs::read(format!("/proc/{}/{file}", running.id())).unwrap();
        assert!(!seen.is_empty());
        observed.add(format!("/proc/PID/{file}"), seen);
    }
    Command::new("kill").args(["-TERM", &running.id().to_string()]).status().unwrap();
    assert_eq!(keep(&mut observed, "replicate", running.wait_with_output().unwrap()), Some(0));
    look(&mut observed, &app);

    let read: [&[&str]; 6] = [
        &["generations", "app.db", "--json"],
        &["inspect", "app.db"],
        &["inspect", "app.db", "--json"],
        &["verify", "app.db", "--read-data=all", "--json"],
        &["restore", "app.db", "-o", "copy.db", "--json"],
        &["restore", "app.db", "-o", "/dev/null/no", "--json"],
    ];
    let keys: [(&[&str], Option<i32>); 4] =
        [(&by_file, Some(0)), (&by_command, Some(0)), (&["--passphrase-file", "wrong"], Some(12)), (&[], Some(12))];
    for (how, expected) in keys {
        for what in read {
            let _ = fs::remove_file(dir.join("copy.db"));
            let ran = command(dir, &[what, how].concat()).output().unwrap();
            let code = keep(&mut observed, &format!("{what:?} {how:?}"), ran);
            // Without a key, what the bucket shows is shown.
            let shows = matches!(what[0], "generations" | "inspect") && how.is_empty();
            assert!(shows || what.contains(&"/dev/null/no") || code == expected, "{what:?} {how:?}: {code:?}");
        }
    }

    observed.add("/proc of the command and of who runs it", fs::read(dir.join("proc")).unwrap());
    let folder = dir.join("app.db.waloy/replica");
    let memory = MemoryStore::new();
    for (name, bytes) in objects(&DirStore::new(&folder)).await {
        memory.put(&name, bytes).await.unwrap();
    }
    let mut secrets = keys_of(&memory, &key(PASSPHRASE)).await;
    pages.iter().for_each(|page| secrets.bytes("page", page));
    let found = secrets.found_in(&observed);
    let lengths = ["output", "errors", "state", "/proc"].map(|what| (what, observed.len_of(what)));
    println!("canary: the program: looked at bytes: {lengths:?}; {} findings", found.len());
    assert!(lengths.iter().all(|&(_, len)| len > 1000), "{lengths:?}");
    assert!(found.is_empty(), "{found:?}");

    // What is handed over in the environment is there, as it is said; nothing that it runs gets it.
    let mut observed = Observed::default();
    let mut command = command(dir, &["generations", "app.db"]);
    let ran = command.env("WALOY_PASSPHRASE", PASSPHRASE).output().unwrap();
    assert_eq!(keep(&mut observed, "generations", ran), Some(0));
    assert!(secrets.found_in(&observed).is_empty());
    observed.add("a passphrase file", fs::read(dir.join("pass")).unwrap());
    assert_eq!(secrets.found_in(&observed).len(), 1, "what is there is found");
}
