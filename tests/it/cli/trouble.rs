//! What goes wrong with a restore, word for word: what failed, what is left, and a command that works.

use std::path::{Path, PathBuf};
use std::time::Duration;

use super::restore::{Replicated, replicated, traces};
use super::{Ran, assert_is, command, database, finish, image, insert, waloy};

/// What was printed, with names that are always the same: DIR, ID, TIME.
fn plain(ran: &Ran, dir: &Path, it: &Replicated) -> String {
    let dir = dir.canonicalize().unwrap();
    let own = format!("process {} ", std::process::id());
    let text = ran.err.replace(&own, "process PID ").replace(&format!("ps -fp {}", std::process::id()), "ps -fp PID");
    let text = text.replace(&dir.display().to_string(), "DIR").replace(&it.id, "ID");
    // 2026-11-25 22:28:53.044 +00:00
    let mut words: Vec<&str> = Vec::new();
    for word in text.split(' ') {
        let is_day = word.len() == 10 && word.starts_with("20") && word.as_bytes()[4] == b'-';
        let is_clock = word.len() >= 8 && word.as_bytes()[2] == b':' && word.as_bytes()[5] == b':';
        let (zone, colon) = match word.strip_prefix("+00:00") {
            Some(rest) if !words.is_empty() => (true, rest),
            _ => (false, ""),
        };
        match (is_day, is_clock, zone) {
            (true, ..) => words.push("TIME"),
            (_, true, _) => {}
            (_, _, true) if colon.is_empty() => {}
            (_, _, true) => words.push(colon),
            _ if word.starts_with("20") && word.ends_with('Z') => words.push("MOMENT"),
            _ => words.push(word),
        }
    }
    words.join(" ").replace("TIME :", "TIME:").replace("TIME ;", "TIME;").replace("TIME \n", "TIME\n")
}

fn object(dir: &Path, it: &Replicated, name: &str) -> PathBuf {
    dir.join("replica").join(&it.id).join(name)
}

/// Does something to an object.
type Change = fn(&Path);

fn remove(path: &Path) {
    std::fs::remove_file(path).unwrap();
}

fn cut(path: &Path) {
    let bytes = std::fs::read(path).unwrap();
    std::fs::write(path, &bytes[..bytes.len() - 100]).unwrap();
}

fn cut_to_nothing(path: &Path) {
    std::fs::write(path, "x").unwrap();
}

fn change(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    bytes[16 + 160 + 40] ^= 1;
    std::fs::write(path, bytes).unwrap();
}

/// A later version with a header that is whole: a newer waloy wrote it.
fn of_a_later_version(path: &Path) {
    let mut bytes = std::fs::read(path).unwrap();
    let header = &mut bytes[16..16 + 160];
    header[4] = 9;
    let checksum = crc32c::crc32c(&header[..156]);
    header[156..].copy_from_slice(&checksum.to_le_bytes());
    std::fs::write(path, bytes).unwrap();
}

const SEE: &str = "  hint:  see everything that is wrong:  waloy verify app.db --read-data\n";

/// The object, what happens to it, the message up to the hints, and the last point before it.
const DAMAGE: &[(&str, Change, &str, Option<&str>)] = &[
    ("wal/000000000001", remove, "DIR/replica/ID/wal/000000000001 is missing [object.missing]\n", Some("0")),
    ("wal/000000000002", remove, "DIR/replica/ID/wal/000000000002 is missing [object.missing]\n", Some("1")),
    ("snapshot", remove, "DIR/replica/ID/snapshot is missing [object.missing]\n", None),
    (
        "wal/000000000001",
        cut,
        "DIR/replica/ID/wal/000000000001 is damaged [object.damaged]\n  \
         cause: ANY\n",
        Some("0"),
    ),
    (
        "wal/000000000000",
        cut_to_nothing,
        "DIR/replica/ID/wal/000000000000 has only 1 bytes [object.truncated]\n",
        Some("snapshot"),
    ),
    (
        "wal/000000000002",
        change,
        "DIR/replica/ID/wal/000000000002 is damaged [object.damaged]\n  \
         cause: chunk damaged: its digest does not match, at byte 160\n",
        Some("1"),
    ),
    (
        "wal/000000000000",
        of_a_later_version,
        "DIR/replica/ID/wal/000000000000 is damaged [format.unsupported]\n  \
         cause: version of the page file not known: 9\n  \
         hint:  it was made by a newer waloy: use one at least as new\n",
        Some("snapshot"),
    ),
];

#[test]
fn damage_is_named_and_so_is_the_last_good_state_with_a_command_that_restores_it() {
    for &(name, change, message, last) in DAMAGE {
        let dir = tempfile::tempdir().unwrap();
        let it = replicated(dir.path());
        change(&object(dir.path(), &it, name));
        let ran = waloy(dir.path(), &["restore", "app.db", "-o", "out.db"]);
        assert_eq!((ran.code, ran.out.contains("restored")), (Some(3), false), "{ran:?}");
        let command = last.map(|last| format!("waloy restore app.db --generation ID:{last} -o out.db"));
        let hint = match &command {
            Some(command) => format!("  hint:  the last good state before it, of TIME:  {command}\n"),
            None => "  hint:  nothing before it can be restored; see what can:  waloy generations app.db\n".to_owned(),
        };
        let mut told = plain(&ran, dir.path(), &it);
        if message.contains("cause: ANY\n") {
            // What stands where the trailer should depends on the digests.
            let lines = told.lines().map(|line| if line.starts_with("  cause: ") { "  cause: ANY" } else { line });
            told = lines.map(|line| format!("{line}\n")).collect();
        }
        assert_eq!(told, format!("error: {message}{hint}{SEE}"), "{name}");
        assert!(!dir.path().join("out.db").exists() && traces(dir.path()).is_empty(), "{name}");
        // The command does what it says.
        if let (Some(command), Some(last)) = (command, last) {
            let command = command.replace("ID", &it.id);
            let words: Vec<&str> = command.split(' ').skip(1).collect();
            waloy(dir.path(), &words).ok();
            let place = if last == "snapshot" { 0 } else { last.parse::<usize>().unwrap() + 1 };
            assert_is(&dir.path().join("out.db"), &it.images[place]);
        }
    }
}

#[test]
fn what_is_refused_is_refused_word_for_word() {
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    std::fs::create_dir(dir.path().join("folder")).unwrap();
    let cases: &[(&[&str], i32, &str)] = &[
        (
            &["restore", "app.db"],
            6,
            "error: app.db exists; refusing to overwrite it [restore.target_exists]\n  \
             hint:  restore beside it:  waloy restore app.db -o app.restored.db\n  \
             hint:  or replace it (the old file is kept as app.db.pre-restore-…):  waloy restore app.db --force\n",
        ),
        (
            &["restore", "app.db", "--force"],
            6,
            "error: DIR/app.db is in use by process PID [restore.target_in_use]\n  \
             hint:  stop it first; what it is:  ps -fp PID\n  \
             hint:  or restore beside it:  waloy restore app.db -o DIR/app.restored.db\n",
        ),
        (
            &["restore", "app.db", "--to", "nothing", "-o", "out.db"],
            10,
            "error: no backup of app.db at DIR/nothing [restore.no_backup]\n  \
             hint:  check bucket, prefix or path; `waloy replicate` makes a backup\n",
        ),
        (
            &["restore", "app.db", "-o", "out.db", "--time", "5m", "ago"],
            7,
            "error: no backup of app.db before TIME; you asked for TIME [restore.not_covered]\n  \
             hint:  see what is covered:  waloy generations app.db\n  \
             hint:  the first moment that is covered:  waloy restore app.db --time MOMENT -o out.db\n",
        ),
        (
            &["restore", "app.db", "--generation", "latest:1", "--check", "quick"],
            6,
            "error: app.db exists; refusing to overwrite it [restore.target_exists]\n  \
             hint:  restore beside it:  \
             waloy restore app.db --generation latest:1 --check quick -o app.restored.db\n  \
             hint:  or replace it (the old file is kept as app.db.pre-restore-…):  \
             waloy restore app.db --generation latest:1 --check quick --force\n",
        ),
        (
            &["restore", "app.db", "-o", "out.db", "--generation", "latest:7"],
            7,
            "error: generation ID ends with segment 2; you asked for segment 7 [restore.not_covered]\n  \
             hint:  its last point:  waloy restore app.db --generation ID:2 -o out.db\n",
        ),
        (
            &["restore", "app.db", "-o", "out.db", "--time", "25.11.2026", "20:54"],
            2,
            "error: `25.11.2026 20:54` is not a time [usage.time]\n  hint:  write `2026-11-25 20:54`\n",
        ),
        (
            &["restore", "s3:/bucket/app"],
            2,
            "error: s3:/bucket/app is not a URL [storage.not_a_url]\n  hint:  write s3://bucket/app\n",
        ),
        (
            &["generations", "--to", "s3:bucket/app"],
            2,
            "error: s3:bucket/app is not a URL [storage.not_a_url]\n  hint:  write s3://bucket/app\n",
        ),
        (
            &["restore", "app.db", "new.db"],
            2,
            "error: app.db and new.db are two paths, and one replica is restored [usage.two_sources]\n  \
             hint:  waloy restore app.db -o new.db\n",
        ),
        (
            &["restore", "app.db", "replica"],
            2,
            "error: app.db and replica are two paths, and one replica is restored [usage.two_sources]\n  \
             hint:  waloy restore app.db --to replica\n",
        ),
        (
            &["restore", "app.db", "-o", "folder"],
            2,
            "error: folder cannot be a database: it is a directory [restore.no_target]\n",
        ),
        (
            &["restore", "app.db", "-o", "app.db/out.db"],
            8,
            "error: cannot look at DIR/app.db/out.db [restore.io]\n  cause: Not a directory (os error 20)\n  \
             hint:  make the directory first\n",
        ),
        (
            &["restore", "app.db", "-o", "no/out.db"],
            8,
            "error: cannot find the directory DIR/no [restore.io]\n  cause: No such file or directory (os error 2)\n  \
             hint:  make the directory first\n",
        ),
    ];
    for (args, code, expected) in cases {
        let ran = waloy(dir.path(), args);
        assert_eq!((ran.code, plain(&ran, dir.path(), &it).as_str()), (Some(*code), *expected), "{args:?}");
        assert!(ran.out.is_empty() && traces(dir.path()).is_empty(), "{args:?}: {ran:?}");
        assert!(!dir.path().join("out.db").exists(), "{args:?}");
    }
    let future = waloy(dir.path(), &["restore", "app.db", "-o", "out.db", "--time", "2099-01-01 00:00"]);
    assert_eq!(future.code, Some(2));
    assert!(future.err.starts_with("error: 2099-01-01 00:00:00 +00:00 is in the future: it is 20"), "{future:?}");
    assert!(future.err.ends_with(" now [usage.time]\n  hint:  is the clock right?\n"), "{future:?}");
}

/// The command of the first hint that begins so, as arguments.
fn hinted(ran: &Ran, what: &str) -> Vec<String> {
    let line = ran.err.lines().find_map(|line| line.trim_start().strip_prefix("hint:  ")?.strip_prefix(what));
    let line = line.unwrap_or_else(|| panic!("{what}: {ran:?}"));
    let (mut words, mut is_quoted) = (vec![String::new()], false);
    for c in line.split_once("waloy ").unwrap().1.chars() {
        match c {
            '\'' => is_quoted = !is_quoted,
            ' ' if !is_quoted => words.push(String::new()),
            c => words.last_mut().unwrap().push(c),
        }
    }
    words
}

#[test]
fn a_command_in_a_hint_restores_the_state_that_was_asked_for() {
    // Found by a user: the hint left `--time` out, and restored the latest state, after the accident.
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    let inspected = waloy(dir.path(), &["inspect", "app.db", "--objects", "--json"]).ok().json();
    let objects = inspected["objects"].as_array().unwrap();
    let second = objects.iter().find(|it| it["key"].as_str().unwrap().ends_with("wal/000000000001")).unwrap();
    let at = second["at"].as_str().unwrap().to_owned();
    let spaced = format!("{} {}", &at[..10], &at[11..23]);
    let run = |args: &[String]| waloy(dir.path(), &args.iter().map(String::as_str).collect::<Vec<_>>());
    for (time, kept) in [(&at, &at), (&spaced, &spaced)] {
        for begins in ["restore beside it", "or restore beside it"] {
            let force = begins.starts_with("or");
            let args = ["restore", "app.db", "--time", time, if force { "--force" } else { "--bytes" }];
            let refused = waloy(dir.path(), &args);
            assert_eq!(refused.code, Some(6), "{refused:?}");
            let command = hinted(&refused, begins);
            assert!(command.contains(kept), "{command:?}");
            let target = dir.path().join("app.restored.db");
            run(&command).ok();
            assert_is(&target, &it.images[2]);
            std::fs::remove_file(target).unwrap();
        }
    }
    // Minutes pass until it is pasted.
    for time in ["0s ago", "now", "00:00"] {
        let refused = waloy(dir.path(), &["restore", "app.db", "--time", time, "-o", "app.db"]);
        if refused.code == Some(7) {
            let command = hinted(&refused, "the first moment that is covered");
            assert!(command.ends_with(&["-o".to_owned(), "app.db".to_owned()]), "{command:?}");
            continue;
        }
        let command = hinted(&refused, "or replace it");
        assert!(command[3].ends_with('Z') && command[3].len() == 24 && command[2] == "--time", "{command:?}");
    }
    let early = waloy(dir.path(), &["restore", "app.db", "--time", "1h ago", "-o", "first.db"]);
    run(&hinted(&early, "the first moment that is covered")).ok();
    assert_is(&dir.path().join("first.db"), &it.images[0]);
}

/// What was committed while nobody watched, and is still in the WAL, was given the time at which somebody did again: a
/// restore by time passed over it without a word.
#[test]
fn a_time_in_which_no_replicator_ran_is_refused_when_asked_strictly_with_commands_that_work() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    let mut images = Vec::new();
    for _ in 0..2 {
        waloy(dir.path(), &["replicate", "app.db", "--once"]).ok();
        images.push(image(&app));
        insert(&app);
        std::thread::sleep(Duration::from_millis(20));
    }
    let gaps = waloy(dir.path(), &["generations", "app.db", "--json"]).ok().json()["gaps"].clone();
    assert_eq!((gaps.as_array().unwrap().len(), &gaps[0]["why"]), (1, &"not_running".into()), "{gaps}");
    let at = gaps[0]["from"].as_str().unwrap();
    let run = |args: &[String]| waloy(dir.path(), &args.iter().map(String::as_str).collect::<Vec<_>>());
    let restored = dir.path().join("then.db");

    let ways = [&["restore", "app.db", "--time", at] as &[&str], &["restore-to-time", at, "app.db"]];
    for way in ways {
        let refused = waloy(dir.path(), &[way, &["--strict-time", "-o", "then.db"]].concat());
        assert_eq!((refused.code, &*refused.out), (Some(7), ""), "{refused:?}");
        assert!(refused.err.starts_with("error: no state of app.db at 20"), "{refused:?}");
        assert!(refused.err.contains(": no replicator ran from 20"), "{refused:?}");
        assert!(refused.err.lines().next().unwrap().ends_with(" [restore.in_gap]"), "{refused:?}");
        for (begins, expected) in [("the last state before it", &images[0]), ("the first state after it", &images[1])] {
            run(&hinted(&refused, begins)).ok();
            assert_is(&restored, expected);
            std::fs::remove_file(&restored).unwrap();
        }
    }
    let json = waloy(dir.path(), &[ways[0], &["--strict-time", "-o", "then.db", "--json"]].concat());
    let error: serde_json::Value = serde_json::from_str(&json.err).unwrap();
    assert_eq!((&error["code"], &error["exit_code"]), (&"restore.in_gap".into(), &7.into()), "{json:?}");
    // Otherwise it is the last state before, and a warning that says so.
    let told = waloy(dir.path(), &[ways[0], &["-o", "then.db"]].concat()).ok();
    assert!(told.err.starts_with("warning: nobody watched the database from 20"), "{told:?}");
    assert_is(&restored, &images[0]);
    std::fs::remove_file(&restored).unwrap();
    run(&hinted(&told, "the first state after it")).ok();
    assert_is(&restored, &images[1]);
    // Not in a gap; and without a time there is nothing to be strict about.
    let target = ["--strict-time", "-o", "later.db"];
    waloy(dir.path(), &[&["restore", "app.db", "--time", "now"] as &[&str], &target].concat()).ok();
    assert_is(&dir.path().join("later.db"), &images[1]);
    let nothing = waloy(dir.path(), &[&["restore", "app.db"] as &[&str], &target].concat());
    assert_eq!(nothing.code, Some(2), "{nothing:?}");
}

#[test]
fn a_replica_whose_ids_are_gone_says_what_is_to_be_done() {
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    remove(&dir.path().join("replica/replica"));
    for args in [&["restore", "app.db", "-o", "out.db"] as &[&str], &["replicate", "app.db", "--once"]] {
        let ran = waloy(dir.path(), args);
        assert_eq!(ran.code, Some(3), "{ran:?}");
        let told = plain(&ran, dir.path(), &it);
        assert!(told.contains("DIR/replica/replica is missing [object.missing]\n"), "{told}");
        assert!(told.contains("an older version of the bucket"), "{told}");
        assert!(told.contains("`mv DB.waloy/state DB.waloy/state.old`\n"), "{told}");
    }
}

/// `ulimit` ends the file in its middle, where a full disk is found out before it is begun.
#[test]
fn a_target_that_takes_no_more_bytes_is_told_and_nothing_is_changed() {
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    let waloy = env!("CARGO_BIN_EXE_waloy");
    let script = format!("trap '' XFSZ; ulimit -f 40; exec '{waloy}' restore app.db -o out.db");
    let mut shell = std::process::Command::new("sh");
    let mut limited = command(dir.path(), &[]);
    shell.args(["-c", &script]).current_dir(dir.path());
    shell.stdout(std::process::Stdio::piped()).stderr(std::process::Stdio::piped());
    shell.env_clear().envs(limited.env("LC_ALL", "C.UTF-8").get_envs().filter_map(|(key, value)| Some((key, value?))));
    let ran = finish(shell.spawn().unwrap());
    assert_eq!(ran.code, Some(8), "{ran:?}");
    let told = plain(&ran, dir.path(), &it);
    assert!(told.starts_with("error: cannot write DIR/out.db.waloy-tmp-"), "{told}");
    let rest = " [restore.io]\n  cause: File too large (os error 27)\n  \
                hint:  nothing was changed; make room, or restore to another disk: add `-o FILE`\n";
    assert!(told.ends_with(rest), "{told}");
    assert!(!dir.path().join("out.db").exists() && traces(dir.path()).is_empty());
}

/// Runs where `small` is a file system of its own, of so many bytes. `None` where no namespace can be made for it.
fn with_a_small_disk(dir: &Path, size: &str, args: &[&str]) -> Option<Ran> {
    let namespace = |script: &str| {
        let mut unshare = std::process::Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "sh", "-c", script, "sh"]).current_dir(dir);
        unshare.stdin(std::process::Stdio::null()).stdout(std::process::Stdio::piped());
        unshare.stderr(std::process::Stdio::piped());
        unshare
    };
    let mount = format!("mount -t tmpfs -o size={size} none small");
    if !namespace(&mount).output().is_ok_and(|tried| tried.status.success()) {
        return None;
    }
    let mut run = namespace(&format!("{mount} && exec \"$@\""));
    let environment = command(dir, &[]);
    run.arg(env!("CARGO_BIN_EXE_waloy")).args(args).env_clear();
    run.envs(environment.get_envs().filter_map(|(key, value)| Some((key, value?))));
    Some(finish(run.spawn().unwrap()))
}

#[test]
fn a_full_disk_is_told_wherever_it_is_and_the_next_run_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    std::fs::create_dir(dir.path().join("small")).unwrap();
    let cases: &[(&str, &[&str], &str)] = &[
        (
            "64k",
            &["restore", "app.db", "-o", "small/out.db"],
            "error: no room in DIR/small: 188 KiB are needed, 64 KiB are free [restore.no_space]\n  \
             hint:  restore to another disk:  waloy restore app.db -o FILE\n",
        ),
        (
            "64k",
            &["replicate", "app.db", "--once", "-q", "--to", "small/replica", "--state-dir", "state2"],
            "error: cannot write DIR/small/replica/ID/snapshot: no space left [storage.local]\n  \
             cause: No space left on device (os error 28)\n  hint:  make room, or go on elsewhere\n",
        ),
        (
            "4k",
            &["replicate", "app.db", "--once", "-q", "--to", "other", "--state-dir", "small/state"],
            "error: cannot write small/state/claimed.tmp [state.io]\n  \
             cause: No space left on device (os error 28)\n  \
             hint:  make room, or keep local state elsewhere with --state-dir DIR\n",
        ),
        (
            "16k",
            &["replicate", "app.db", "--once", "-q", "--to", "other", "--state-dir", "small/state"],
            "error: cannot write small/state/intent [state.io]\n  \
             cause: No space left on device (os error 28)\n  \
             hint:  make room, or keep local state elsewhere with --state-dir DIR\n",
        ),
    ];
    for (size, args, expected) in cases {
        let Some(mut ran) = with_a_small_disk(dir.path(), size, args) else { return };
        // The generation that was begun there, and that nobody knows but by its error.
        let begun = ran.err.split('/').find(|part| part.len() == it.id.len()).map(str::to_owned);
        ran.err = begun.into_iter().fold(ran.err, |told, id| told.replace(&id, "ID"));
        assert_eq!((ran.code, plain(&ran, dir.path(), &it).as_str()), (Some(8), *expected), "{args:?}");
        waloy(dir.path(), &["verify", "app.db", "--read-data"]).ok();
    }
    waloy(dir.path(), &["replicate", "app.db", "--once", "-q", "--to", "other", "--state-dir", "state2"]).ok();
    waloy(dir.path(), &["restore", "--to", "other", "-o", "back.db"]).ok();
    assert_is(&dir.path().join("back.db"), it.images.last().unwrap());
}

/// Lets everybody read what is in a directory.
fn open_to_all(path: &Path) {
    use std::os::unix::fs::PermissionsExt;
    let is_dir = path.is_dir();
    std::fs::set_permissions(path, std::fs::Permissions::from_mode(if is_dir { 0o555 } else { 0o444 })).unwrap();
    if is_dir {
        std::fs::read_dir(path).unwrap().for_each(|entry| open_to_all(&entry.unwrap().path()));
    }
}

#[test]
fn a_directory_that_cannot_be_written_is_told() {
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::process::CommandExt;
    let dir = tempfile::tempdir().unwrap();
    let it = replicated(dir.path());
    let closed = dir.path().join("closed");
    std::fs::create_dir(&closed).unwrap();
    std::fs::set_permissions(&closed, std::fs::Permissions::from_mode(0o555)).unwrap();
    let args = ["restore", "app.db", "-o", "closed/out.db"];
    let mut restore = command(dir.path(), &args);
    if std::fs::write(closed.join("probe"), "").is_ok() {
        // Nothing is closed to root: nobody restores, and may read all.
        std::fs::remove_file(closed.join("probe")).unwrap();
        open_to_all(dir.path());
        restore.uid(65_534).gid(65_534);
    }
    let ran = match restore.spawn() {
        // Built below a directory that is closed to others, the program itself cannot be run by nobody.
        Err(error) if error.kind() == std::io::ErrorKind::PermissionDenied => return,
        child => finish(child.unwrap()),
    };
    assert_eq!(ran.code, Some(8), "{ran:?}");
    let told = plain(&ran, dir.path(), &it);
    assert!(told.starts_with("error: cannot create DIR/closed/out.db.waloy-tmp-"), "{told}");
    let rest = " [restore.io]\n  cause: Permission denied (os error 13)\n  \
                hint:  nothing was changed; restore where you may write: add `-o FILE`\n";
    assert!(told.ends_with(rest), "{told}");
}
