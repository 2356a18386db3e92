//! Arrows only go down: which module may use which, held to the table of the house.
//!
//! Read from the text of the sources: every `crate::…` path, in a `use` or in place, outside of comments. `lib.rs` and
//! `main.rs` put things together and are exempt.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

/// The modules by level. A module may use those of lower levels.
const LEVELS: &[&[&str]] = &[
    &["units", "ids", "error", "clock", "progress", "task", "planted"],
    &["wal", "compress", "seal"],
    &["format", "storage", "db"],
    &["replica", "state"],
    &["restore", "compact", "keys"],
    &["verify"],
    &["retention"],
    &["engine"],
    &["backup"],
    &["config", "testing"],
    &["cli"],
];

/// Level 0 is one family: its modules may use each other.
const FAMILY: usize = 0;

/// Where not everything below may be used.
const ONLY: &[(&str, &[&str])] = &[
    ("format", &["compress"]),
    ("storage", &[]),
    ("db", &["wal"]),
    ("replica", &["storage", "format", "seal"]),
    ("state", &["wal", "format", "seal"]),
    ("keys", &["storage", "format", "seal", "replica"]),
];

/// Pure modules: no IO, no runtime, no SQLite.
const PURE: &[&str] = &["wal", "compress", "seal", "format"];
const IMPURE: &[&str] = &["std::fs", "std::net", "std::io::stdin", "tokio::", "rusqlite::", "aws_", "std::process"];

fn level(module: &str) -> Option<usize> {
    LEVELS.iter().position(|level| level.contains(&module))
}

/// Whether `from` may use `to`, another module.
fn allowed(from: &str, to: &str) -> bool {
    let (Some(of_from), Some(of_to)) = (level(from), level(to)) else { return false };
    if of_to == FAMILY {
        return true;
    }
    match ONLY.iter().find(|(module, _)| *module == from) {
        Some((_, only)) => only.contains(&to),
        None => of_to < of_from,
    }
}

fn sources(folder: &Path, found: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).expect("the sources") {
        let path = entry.expect("an entry").path();
        if path.is_dir() {
            sources(&path, found);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
}

/// The module of level that a file belongs to: `storage` for `src/storage/s3/list.rs`.
fn module(file: &Path, src: &Path) -> String {
    let first = file.strip_prefix(src).expect("a source").components().next().expect("a name");
    first.as_os_str().to_str().expect("UTF-8").trim_end_matches(".rs").to_owned()
}

/// The text without comments, line by line as it was.
fn code(text: &str) -> String {
    let mut code = String::with_capacity(text.len());
    for line in text.lines() {
        let line = line.trim_start();
        // A link in a comment is no arrow.
        let line = if line.starts_with("//") { "" } else { line };
        let line = line.find(" // ").map_or(line, |at| &line[..at]);
        code.push_str(line);
        code.push('\n');
    }
    code
}

/// The modules named by `crate::…`, with the number of the line: `crate::a::B` as well as `crate::{a::B, c}`.
fn arrows(code: &str) -> Vec<(usize, String)> {
    let mut arrows = Vec::new();
    let mut from = 0;
    while let Some(at) = code[from..].find("crate::").map(|at| from + at) {
        from = at + "crate::".len();
        // `$crate` of a macro is the same; `mycrate::` is not.
        let before = code[..at].chars().next_back();
        if before.is_some_and(|character| character.is_alphanumeric() || character == '_') {
            continue;
        }
        let line = code[..at].matches('\n').count() + 1;
        let rest = &code[from..];
        match rest.strip_prefix('{') {
            Some(group) => arrows.extend(names(group).into_iter().map(|name| (line, name))),
            None => arrows.push((line, name(rest))),
        }
    }
    arrows
}

fn name(text: &str) -> String {
    text.chars().take_while(|character| character.is_alphanumeric() || *character == '_').collect()
}

/// The first names of the members of a group, up to its end.
fn names(group: &str) -> Vec<String> {
    let (mut names, mut depth, mut begins) = (Vec::new(), 0, true);
    for (at, character) in group.char_indices() {
        match character {
            '{' => depth += 1,
            '}' if depth == 0 => break,
            '}' => depth -= 1,
            ',' if depth == 0 => begins = true,
            character if begins && !character.is_whitespace() => {
                names.push(name(&group[at..]));
                begins = false;
            }
            _ => {}
        }
    }
    names
}

#[test]
fn arrows_only_go_down() {
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    sources(&src, &mut files);
    files.sort();
    let modules: BTreeSet<String> = files.iter().map(|file| module(file, &src)).collect();
    let mut wrong = Vec::new();
    for file in &files {
        let from = module(file, &src);
        if from == "lib" || from == "main" {
            continue;
        }
        let text = fs::read_to_string(file).expect("a source");
        let place = |line: usize| {
            let shown = text.lines().nth(line - 1).unwrap_or_default().trim();
            format!("{}:{line}: {shown}", file.strip_prefix(&src).expect("a source").display())
        };
        if level(&from).is_none() {
            wrong.push(format!("{}: `{from}` has no level", file.display()));
            continue;
        }
        let code = code(&text);
        for (line, to) in arrows(&code) {
            // What is no module is one of the dozen names that `lib.rs` re-exports: for those at the top alone.
            if to == from || (from == "cli" && !modules.contains(&to)) {
                continue;
            }
            if !allowed(&from, &to) {
                wrong.push(format!("{}   ({from} -> {to})", place(line)));
            }
        }
        if PURE.contains(&from.as_str()) {
            for (at, line) in code.lines().enumerate() {
                if IMPURE.iter().any(|impure| line.contains(impure)) {
                    wrong.push(format!("{}   ({from} is pure)", place(at + 1)));
                }
            }
        }
    }
    assert!(wrong.is_empty(), "not allowed by the table of levels:\n{}", wrong.join("\n"));
}

#[test]
fn the_table_says_what_it_should() {
    for (from, to) in [
        ("wal", "units"),
        ("error", "ids"),
        ("format", "compress"),
        ("db", "wal"),
        ("replica", "seal"),
        ("restore", "state"),
        ("verify", "restore"),
        ("engine", "replica"),
        ("testing", "storage"),
        ("cli", "backup"),
    ] {
        assert!(allowed(from, to), "{from} -> {to}");
    }
    for (from, to) in [
        ("units", "wal"),
        ("wal", "seal"),
        ("format", "storage"),
        ("format", "wal"),
        ("storage", "db"),
        ("state", "replica"),
        ("state", "storage"),
        ("restore", "verify"),
        ("restore", "compact"),
        ("verify", "engine"),
        ("backup", "cli"),
        ("engine", "nothing"),
    ] {
        assert!(!allowed(from, to), "{from} -> {to}");
    }
}

#[test]
fn arrows_are_found_in_every_form() {
    let text = "use crate::wal::Header;\n// crate::no\nuse crate::{\n    seal::{self, Key},\n    format,\n};\n\
                let x = crate::units::PageNo::FIRST; // crate::no\nmycrate::no();";
    let found: Vec<(usize, String)> = arrows(&code(text));
    let expected = [(1, "wal"), (3, "seal"), (3, "format"), (7, "units")];
    assert_eq!(found, expected.map(|(line, name)| (line, name.to_owned())));
}
