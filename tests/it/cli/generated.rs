//! Completions and manual pages in the repository are what the program itself writes.
//!
//! To make them anew: `WALOY_BLESS=1 cargo test --test it generated`.

use std::path::Path;

use super::{command, finish, waloy};

#[test]
fn completions_and_manual_pages_are_those_of_this_command_line() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let bless = std::env::var_os("WALOY_BLESS").is_some();
    let dir = tempfile::tempdir().unwrap();
    let mut files: Vec<(String, Vec<u8>)> = Vec::new();
    for (shell, name) in [("bash", "waloy.bash"), ("zsh", "_waloy"), ("fish", "waloy.fish")] {
        let script = waloy(dir.path(), &["completions", shell]).ok().out;
        files.push((format!("completions/{name}"), script.into_bytes()));
    }
    finish(command(dir.path(), &["man", "--dir", "."]).spawn().unwrap()).ok();
    for entry in std::fs::read_dir(dir.path()).unwrap() {
        let entry = entry.unwrap();
        let name = entry.file_name().into_string().unwrap();
        files.push((format!("man/{name}"), std::fs::read(entry.path()).unwrap()));
    }
    assert!(files.iter().any(|(name, _)| name == "man/waloy-restore.1"));
    for (name, bytes) in &files {
        let path = root.join(name);
        if bless {
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            std::fs::write(&path, bytes).unwrap();
        }
        let kept = std::fs::read(&path).unwrap_or_default();
        assert!(kept == *bytes, "{name} is not what the program writes: WALOY_BLESS=1 cargo test --test it generated");
    }
}
