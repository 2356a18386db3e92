//! What the manual says of codes and variables is what the code has.

use std::collections::BTreeSet;
use std::path::Path;

use super::waloy;

/// Every text in double quotes in the code that is not a test.
fn literals() -> Vec<String> {
    fn read(dir: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).unwrap().flatten() {
            let path = entry.path();
            if path.is_dir() {
                read(&path, found);
                continue;
            }
            // The table itself proves nothing, and tests name what is not there.
            if ["codes.rs", "reference.rs", "tests.rs"].iter().any(|name| path.ends_with(name)) {
                continue;
            }
            let text = std::fs::read_to_string(&path).unwrap();
            let code = text.split("#[cfg(test)]").next().unwrap();
            found.extend(code.split('"').map(str::to_owned));
        }
    }
    let mut found = Vec::new();
    read(&Path::new(env!("CARGO_MANIFEST_DIR")).join("src"), &mut found);
    found
}

#[test]
fn every_code_of_an_error_is_in_the_manual_and_none_that_is_not_there() {
    const AREAS: [&str; 22] = [
        "anchor",
        "chain",
        "config",
        "database",
        "db",
        "demo",
        "destination",
        "engine",
        "format",
        "generation",
        "key",
        "manifest",
        "object",
        "output",
        "prune",
        "replica",
        "replicate",
        "restore",
        "retention",
        "state",
        "storage",
        "usage",
    ];
    let is_code = |text: &str| {
        let word =
            |word: &str| !word.is_empty() && word.bytes().all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
        text.split_once('.').is_some_and(|(area, name)| (AREAS.contains(&area) || area == "sync") && word(name))
            && !text.ends_with(".json")
            && !text.ends_with(".db")
    };
    let in_code: BTreeSet<String> = literals().into_iter().filter(|text| is_code(text)).collect();
    let dir = tempfile::tempdir().unwrap();
    waloy(dir.path(), &["man", "--dir", "."]).ok();
    let page = std::fs::read_to_string(dir.path().join("waloy-errors.7")).unwrap();
    let terms = page.lines().filter_map(|line| line.strip_prefix("\\fB")?.split_once("\\fR (").map(|(code, _)| code));
    let listed: Vec<String> = terms.map(str::to_owned).collect();
    let in_manual: BTreeSet<String> = listed.iter().cloned().collect();
    let missing: Vec<_> = in_code.difference(&in_manual).collect();
    let unknown: Vec<_> = in_manual.difference(&in_code).collect();
    assert!(missing.is_empty() && unknown.is_empty(), "not in the manual: {missing:?}; not in the code: {unknown:?}");
    assert!(listed.is_sorted() && listed.len() > 80, "{listed:?}");
}

#[test]
fn every_variable_that_is_read_is_in_the_manual() {
    let is_variable = |text: &str| {
        text.bytes().all(|byte| byte.is_ascii_uppercase() || byte.is_ascii_digit() || byte == b'_')
            && (text.starts_with("WALOY_") || text.starts_with("AWS_") || text.contains("COLOR") || text == "TERM")
    };
    let mut read: BTreeSet<String> = literals().into_iter().filter(|text| is_variable(text)).collect();
    read.extend(["WALOY_S3_ACCESS_KEY_FILE", "WALOY_S3_SECRET_KEY_FILE"].map(str::to_owned));
    let dir = tempfile::tempdir().unwrap();
    let page = waloy(dir.path(), &["man"]).ok().out;
    let section = page.split(".SH ENVIRONMENT").nth(1).unwrap().split(".SH FILES").next().unwrap();
    let section = section.replace("\\fB", "").replace("\\fR", "");
    let words = section.split(|c: char| !(c.is_ascii_uppercase() || c.is_ascii_digit() || c == '_'));
    let listed: BTreeSet<String> =
        words.filter(|word| is_variable(word) && !word.is_empty()).map(str::to_owned).collect();
    let missing: Vec<_> = read.difference(&listed).collect();
    assert!(missing.is_empty(), "{missing:?}");
    // Those of AWS are read by its SDK.
    let unknown: Vec<_> = listed.difference(&read).filter(|name| name.starts_with("WALOY_")).collect();
    assert!(unknown.is_empty(), "{unknown:?}");
    for section in ["EXIT STATUS", "FILES", "SEE ALSO", "EXAMPLES"] {
        assert!(page.contains(&format!(".SH {section}")) || page.contains(&format!(".SH \"{section}\"")), "{section}");
    }
}
