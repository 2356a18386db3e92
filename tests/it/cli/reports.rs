//! What `generations`, `inspect` and `verify` tell: as wide as there is room, exact, and with exit codes for scripts.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use waloy::engine::{Hooks, Options, Replicator};
use waloy::replica::Replica;
use waloy::storage::DirStore;
use waloy::testing::faulty::FaultyStore;

use super::restore::{Replicated, replicated};
use super::{Ran, command, database, finish, insert, waloy};

fn wide(dir: &Path, columns: u32, args: &[&str]) -> Ran {
    finish(command(dir, args).env("COLUMNS", columns.to_string()).spawn().unwrap())
}

fn widest(text: &str) -> usize {
    text.lines().map(|line| line.chars().count()).max().unwrap_or(0)
}

fn short(id: &str) -> String {
    format!("{}…{}", &id[..6], &id[22..]).to_uppercase()
}

/// A replica with two generations and a gap between them; the ids.
fn two_generations(dir: &Path) -> (Replicated, Vec<String>) {
    let it = replicated(dir);
    insert(&it.app);
    // With another page size it begins anew.
    let resized = "PRAGMA journal_mode = DELETE; PRAGMA page_size = 8192; VACUUM; PRAGMA journal_mode = WAL";
    it.app.execute_batch(resized).unwrap();
    std::thread::sleep(Duration::from_millis(5));
    waloy(dir, &["replicate", "app.db", "--once", "--to", "replica", "-q"]).ok();
    let listed = waloy(dir, &["generations", "app.db", "--json"]).ok().json();
    let ids = listed["generations"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned());
    let ids: Vec<String> = ids.collect();
    assert_eq!((ids.len(), &ids[0]), (2, &it.id));
    (it, ids)
}

fn segment(dir: &Path, id: &str, index: u64) -> PathBuf {
    dir.join("replica").join(id).join(format!("wal/{index:012}"))
}

#[test]
fn tables_fit_the_room_there_is() {
    let dir = tempfile::tempdir().unwrap();
    two_generations(dir.path());
    for args in [&["generations", "app.db"] as &[&str], &["inspect", "app.db", "--objects"]] {
        let narrow = waloy(dir.path(), args).ok();
        // The location of the replica is as long as it is.
        let table: String = narrow.out.lines().filter(|line| !line.contains("/replica")).collect::<Vec<_>>().join("\n");
        assert!(widest(&table) <= 80, "{}", narrow.out);
        assert_eq!(wide(dir.path(), 80, args).ok().out, narrow.out, "80 is what a pipe is taken for");
        let broad = wide(dir.path(), 200, args).ok();
        assert!(widest(&broad.out) > 80 && widest(&broad.out) <= 200, "{}", broad.out);
        assert_eq!(
            broad.out.matches("+00:00").count().min(3),
            if args[0] == "generations" { 1 } else { 3 },
            "{broad:?}"
        );
    }
    let heads =
        |columns| wide(dir.path(), columns, &["generations", "app.db"]).ok().out.lines().next().unwrap().to_owned();
    assert!(heads(200).contains("SNAPSHOT") && !heads(80).contains("SNAPSHOT"));
    for column in ["GENERATION", "FROM", "TO", "STATE"] {
        assert!(heads(40).contains(column), "{column}");
    }
}

#[test]
fn generations_are_chosen_by_time_number_and_state() {
    let dir = tempfile::tempdir().unwrap();
    let (_it, ids) = two_generations(dir.path());
    let listed = |args: &[&str]| {
        let ran = waloy(dir.path(), &[&["generations", "app.db", "--json"], args].concat());
        let value: Value = serde_json::from_str(&ran.out).unwrap();
        let found = value["generations"].as_array().unwrap().iter().map(|it| it["id"].as_str().unwrap().to_owned());
        (ran.code, found.collect::<Vec<_>>())
    };
    let all = waloy(dir.path(), &["generations", "app.db", "--json"]).ok().json();
    let second = all["generations"][1]["from"].as_str().unwrap();
    assert_eq!(listed(&["--limit", "1"]), (Some(0), ids[1..].to_vec()));
    assert_eq!(listed(&["--since", second]), (Some(0), ids[1..].to_vec()));
    assert_eq!(listed(&["--until", all["generations"][0]["to"].as_str().unwrap()]), (Some(0), ids[..1].to_vec()));
    assert_eq!(listed(&["--until", "1", "h", "ago"]), (Some(10), vec![]));
    let none = waloy(dir.path(), &["generations", "app.db", "--until", "1h ago"]);
    assert!(none.err.starts_with("error: nothing of that time at ") && none.out.is_empty(), "{none:?}");

    // One that cannot be restored at all is shown when it is asked for, and otherwise counted.
    std::fs::remove_file(dir.path().join("replica").join(&ids[0]).join("snapshot")).unwrap();
    assert_eq!(listed(&[]), (Some(0), ids[1..].to_vec()));
    assert_eq!(listed(&["--all"]), (Some(0), ids.clone()));
    let hidden = waloy(dir.path(), &["generations", "app.db"]).ok();
    assert!(hidden.err.starts_with("warning: 1 generation that cannot be restored not shown\n"), "{hidden:?}");
    let shown = waloy(dir.path(), &["generations", "app.db", "--all"]).ok();
    assert!(shown.out.contains("  damaged\n     the snapshot is missing\n") && shown.err.is_empty(), "{shown:?}");
    std::fs::remove_file(dir.path().join("replica").join(&ids[1]).join("snapshot")).unwrap();
    assert_eq!(listed(&["--all"]).0, Some(10));
}

#[test]
fn too_short_a_time_fails_where_a_script_asks_for_more() {
    let dir = tempfile::tempdir().unwrap();
    replicated(dir.path());
    waloy(dir.path(), &["generations", "app.db", "--min-coverage", "1ms"]).ok();
    let short = waloy(dir.path(), &["generations", "app.db", "--min-coverage", "36h"]);
    assert_eq!(short.code, Some(7), "{short:?}");
    assert!(short.out.contains("restorable: "), "what there is is listed all the same");
    assert!(short.err.starts_with("error: of app.db only ") && short.err.contains("ms can be restored, and 1d12h are"));
    assert!(short.err.ends_with(" [generations.coverage]\n"), "{short:?}");
}

#[test]
fn the_time_before_a_new_generation_is_a_gap_between_the_lines() {
    let dir = tempfile::tempdir().unwrap();
    let (_it, ids) = two_generations(dir.path());
    let told = waloy(dir.path(), &["generations", "app.db"]).ok();
    let lines: Vec<&str> = told.out.lines().collect();
    assert!(lines[1].starts_with(&short(&ids[0])) && lines[1].ends_with("  ok"), "{told:?}");
    assert!(lines[2].starts_with("     — gap 00:00:"), "{told:?}");
    assert!(lines[2].ends_with(": replicator was not running —"), "{told:?}");
    assert!(lines[3].starts_with(&short(&ids[1])) && lines[3].ends_with("  latest"), "{told:?}");
    assert!(lines[4].starts_with("restorable: 20") && lines[4].ends_with(" +00:00"), "{told:?}");
    assert!(lines[5].starts_with("  2 generations, 1 gap, ") && lines[5].ends_with("/replica"), "{told:?}");
    // What was lost to damage is not blamed on the replicator.
    std::fs::remove_file(segment(dir.path(), &ids[0], 1)).unwrap();
    let told = waloy(dir.path(), &["generations", "app.db"]).ok();
    assert!(told.out.contains("  partial\n     segment 1 is missing\n     — gap 00:00:"), "{told:?}");
    assert!(told.out.contains(": damage, or replicator was not running —"), "{told:?}");
}

#[test]
fn objects_are_shown_by_the_keys_that_the_list_has() {
    let dir = tempfile::tempdir().unwrap();
    let (_it, ids) = two_generations(dir.path());
    let old = &ids[0][..14];
    let listed = waloy(dir.path(), &["inspect", "app.db", old, "--objects"]).ok();
    for (key, whole) in [
        ("snapshot", "snapshot".to_owned()),
        ("manifest.json", "manifest.json".to_owned()),
        ("wal/2", format!("wal/{:012}", 2)),
        ("wal/…2", format!("wal/{:012}", 2)),
    ] {
        assert!(listed.out.lines().any(|line| line.starts_with(&key.replace('…', ""))), "{listed:?}");
        let raw = waloy(dir.path(), &["inspect", "app.db", old, "--raw", key, "--json"]).ok().json();
        assert_eq!(raw["key"], format!("{}/{whole}", ids[0]));
    }
    for generation in [&[] as &[&str], &["latest"], &[&ids[1]]] {
        let args = [&["inspect", "app.db"], generation, &["--raw", "snapshot", "--json"]].concat();
        assert_eq!(waloy(dir.path(), &args).ok().json()["generation"], ids[1].as_str());
    }
    // With --to, the first argument need not be the database.
    for (generation, id) in [(old, &ids[0]), (&short(&ids[0])[..], &ids[0]), ("latest", &ids[1]), ("app.db", &ids[1])] {
        let found = waloy(dir.path(), &["inspect", "--to", "replica", generation, "--json"]).ok().json();
        assert_eq!(found["generation"]["id"], id.as_str(), "{generation}");
    }
    let absent = waloy(dir.path(), &["inspect", "app.db", "--raw", "wal/7"]);
    let message = format!("error: there is no object {}/wal/000000000007 [object.not_found]\n", ids[1]);
    assert_eq!(absent.code, Some(7), "{absent:?}");
    assert_eq!(absent.err, format!("{message}  hint:  list what there is:  waloy inspect app.db --objects\n"));
}

#[test]
fn each_problem_is_told_once_with_what_it_takes_away() {
    let dir = tempfile::tempdir().unwrap();
    let (_it, ids) = two_generations(dir.path());
    let whole = waloy(dir.path(), &["inspect", "app.db", &ids[0], "--objects", "--json"]).ok().json();
    let at = |object: usize| whole["objects"][object]["at"].as_str().unwrap().to_owned();
    let (before, last) = (at(2), at(4));
    std::fs::remove_file(segment(dir.path(), &ids[0], 1)).unwrap();
    for level in ["--quick", "--read-data", "--restore=full"] {
        let ran = waloy(dir.path(), &["verify", "app.db", level]);
        let shown = |at: &str| format!("{} {} +00:00", &at[..10], &at[11..23]);
        let lost = format!("cannot restore {} … {}", shown(&before), shown(&last));
        let first = format!("damaged  app.db: generation {} segment 1 is missing -> {lost}\n", short(&ids[0]));
        assert_eq!((ran.code, ran.err), (Some(3), format!("{first}verify failed: 1 damaged (exit 3)\n")), "{level}");
        let json: Value = serde_json::from_str(&waloy(dir.path(), &["verify", "app.db", level, "--json"]).out).unwrap();
        let problem = &json["sources"][0]["problems"][0];
        assert_eq!(problem["lost"]["from"].as_str(), Some(before.as_str()), "{json}");
        assert_eq!(problem["lost"]["to"].as_str(), Some(last.as_str()), "{json}");
    }
    // Of one generation alone, the last moment is the one before the hole.
    std::fs::remove_dir_all(dir.path().join("replica").join(&ids[1])).unwrap();
    std::fs::remove_file(dir.path().join("replica/latest")).unwrap();
    let json: Value = serde_json::from_str(&waloy(dir.path(), &["verify", "app.db", "--json"]).out).unwrap();
    assert_eq!(json["sources"][0]["restorable"]["to"].as_str(), Some(before.as_str()), "{json}");
    assert_eq!(json["sources"][0]["restorable"]["from"].as_str(), Some(at(1).as_str()), "{json}");
}

#[test]
fn a_missing_hint_is_a_warning_also_where_nobody_looks_on() {
    let dir = tempfile::tempdir().unwrap();
    replicated(dir.path());
    std::fs::remove_file(dir.path().join("replica/latest")).unwrap();
    let ran = waloy(dir.path(), &["verify", "app.db"]).ok();
    let expected = "warning  app.db: latest is missing; it is only a hint: a restore does without it\n";
    assert_eq!((ran.out.as_str(), ran.err.as_str()), ("", expected));
    assert_eq!(waloy(dir.path(), &["verify", "app.db", "-q"]).ok().err, "");
}

#[test]
fn programs_that_count_generations_find_none_where_there_is_no_backup() {
    let dir = tempfile::tempdir().unwrap();
    let ran = waloy(dir.path(), &["generations", "nope.db", "--json"]);
    assert_eq!(ran.code, Some(10), "{ran:?}");
    let json = ran.json();
    assert_eq!((json["type"].as_str(), &json["generations"]), (Some("generations"), &serde_json::json!([])));
    assert!(json["restorable"].is_null() && json.get("restorable").is_some(), "{json}");
    assert!(ran.err.contains("restore.no_backup"), "{ran:?}");
}

#[test]
fn the_level_is_told_to_programs_and_to_people() {
    let dir = tempfile::tempdir().unwrap();
    replicated(dir.path());
    for (args, level, subset, check, words) in [
        (&["--quick"] as &[&str], "quick", None, None, "listing and newest object only"),
        (&[], "default", None, None, "latest state read ("),
        (&["--read-data"], "read_data", Some("all"), None, "every object read ("),
        (&["--read-data=2/3"], "read_data", Some("2/3"), None, "latest state and part 2 of 3 read ("),
        (&["--restore"], "restore", None, Some("quick"), "quick_check ok"),
        (&["--restore=full"], "restore", None, Some("full"), "integrity_check ok"),
    ] {
        let args = [&["verify", "app.db"], args].concat();
        let json = waloy(dir.path(), &[&args[..], &["--json"]].concat()).ok().json();
        let found = (json["level"].as_str(), json["subset"].as_str(), json["check"].as_str());
        assert_eq!(found, (Some(level), subset, check), "{args:?}");
        let told = waloy(dir.path(), &[&args[..], &["-v"]].concat()).ok();
        let first = told.out.lines().next().unwrap();
        assert!(first.starts_with("ok  app.db: 1 generation, ") && first.contains(words), "{told:?}");
    }
    for (part, of) in [("daily/week", "/7"), ("hourly/day", "/24")] {
        let part = format!("--read-data={part}");
        let json = waloy(dir.path(), &["verify", "app.db", &part, "--json"]).ok().json();
        assert!(json["subset"].as_str().unwrap().ends_with(of), "{json}");
    }
}

#[test]
fn several_sources_each_have_their_own_entry() {
    let dir = tempfile::tempdir().unwrap();
    replicated(dir.path());
    let ran = waloy(dir.path(), &["verify", "app.db", "other.db", "s3:/x", "--json"]);
    assert_eq!(ran.code, Some(5), "{ran:?}");
    let json: Value = serde_json::from_str(&ran.out).unwrap();
    let codes: Vec<Option<&str>> =
        json["sources"].as_array().unwrap().iter().map(|source| source["error"]["code"].as_str()).collect();
    assert_eq!(codes, [None, Some("restore.no_backup"), Some("storage.not_a_url")]);
    let told = waloy(dir.path(), &["verify", "app.db", "other.db", "s3:/x"]);
    assert!(told.err.ends_with("verify failed: 2 not checked (exit 5)\n"), "{told:?}");
}

#[test]
fn a_monitoring_system_gets_one_line_with_figures_and_its_own_exit_codes() {
    let dir = tempfile::tempdir().unwrap();
    let (it, ids) = two_generations(dir.path());
    let nagios = |args: &[&str]| {
        let ran = waloy(dir.path(), &[&["verify", "--format", "nagios"], args].concat());
        assert_eq!(ran.out.lines().count(), 1, "{ran:?}");
        assert!(ran.err.is_empty(), "{ran:?}");
        (ran.code, ran.out)
    };
    let (code, line) = nagios(&["app.db", "--max-age", "15m"]);
    assert!(code == Some(0) && line.starts_with("WALOY OK - app.db: 2 generations, newest "), "{line}");
    let figures = line.split_once(" | ").unwrap().1;
    assert!(figures.starts_with("age=") && figures.contains("s;900;1800;0 generations=2;;;0 objects="), "{line}");
    // Behind the database, so that its age counts.
    insert(&it.app);
    std::thread::sleep(Duration::from_millis(20));
    let (code, line) = nagios(&["app.db", "--max-age", "1ms"]);
    assert!(code == Some(2) && line.starts_with("WALOY CRITICAL - app.db: newest confirmation is "), "{line}");
    assert!(line.contains(" old (limit 1ms), of 20"), "{line}");
    let (code, line) = nagios(&["app.db", "never.db"]);
    assert!(code == Some(2) && line.contains("; never.db: no backup of never.db at "), "{line}");
    assert!(line.contains(" | 'app.db age'="), "{line}");
    let (code, line) = nagios(&["app.db", "--timeout", "0s"]);
    assert_eq!((code, line.as_str()), (Some(3), "WALOY UNKNOWN - app.db: not done after 0s\n"), "{line}");
    let (code, line) = nagios(&["s3:/x"]);
    assert_eq!((code, line.as_str()), (Some(3), "WALOY UNKNOWN - s3:/x: s3:/x is not a URL\n"));
    std::fs::remove_file(segment(dir.path(), &ids[0], 1)).unwrap();
    let (code, line) = nagios(&["app.db"]);
    assert!(code == Some(2) && line.contains(" segment 1 is missing -> cannot restore "), "{line}");
}

#[test]
fn an_outage_of_the_store_is_a_gap_that_is_not_blamed_on_the_replicator() {
    let dir = tempfile::tempdir().unwrap();
    let app = database(&dir.path().join("app.db"));
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let faulty = Arc::new(FaultyStore::new(Arc::new(DirStore::new(dir.path().join("replica")))));
        let mut options = Options::new(dir.path().join("app.db"));
        options.automatic = false;
        let mut replicator =
            Replicator::start(options, Replica::plain(faulty.clone()), Hooks::default()).await.unwrap();
        replicator.sync().await.unwrap();
        faulty.set_down(true);
        for _ in 0..2 {
            std::thread::sleep(Duration::from_millis(3));
            insert(&app);
            replicator.sync().await.unwrap_err();
        }
        faulty.set_down(false);
        replicator.shutdown().await.unwrap();
    });
    let listed = waloy(dir.path(), &["generations", "app.db", "--to", "replica"]).ok();
    assert!(listed.out.contains("\n     — gap 00:00:01 in it: the store was out of reach —\n"), "{listed:?}");
    let json = waloy(dir.path(), &["generations", "app.db", "--to", "replica", "--json"]).ok().json();
    assert_eq!(json["gaps"][0]["why"], "outage", "{json}");
    let at = json["gaps"][0]["from"].as_str().unwrap();
    let restore = ["restore", "app.db", "--to", "replica", "-o", "then.db", "--time", at];
    let told = waloy(dir.path(), &restore).ok();
    assert!(told.err.starts_with("warning: the store was out of reach from 20"), "{told:?}");
    let refused = waloy(dir.path(), &[&restore[..], &["--strict-time", "--force"]].concat());
    assert_eq!(refused.code, Some(7), "{refused:?}");
    assert!(refused.err.contains(": the store was out of reach from 20"), "{refused:?}");
}
