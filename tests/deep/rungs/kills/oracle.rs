//! What each commit leaves behind.
//!
//! A writer, just before it commits, adds a row to `chain` and takes a digest of every page as the commit will leave
//! it; both go to a file first. `chain` names the commit that a copy of the database stands for, and each line names
//! the commit before it: walked back from the last one, the lines tell which commits were. That of a transaction that
//! was rolled back, or whose writer was killed, is not on the way.

use std::collections::{BTreeSet, HashMap};
use std::fmt::Write as _;
use std::path::Path;

use anyhow::{Context as _, bail, ensure};
use rusqlite::{Connection, OpenFlags};
use sha2::{Digest as _, Sha256};

use crate::rungs::processes::{Commit, Place, last_commit};

/// The file of the lines.
pub(super) const LINES: &str = "oracle";

/// A transaction that is about to end.
pub(super) fn announce(place: &Place, commit: &Commit, before: &str, digest: &str, end: &str) -> anyhow::Result<()> {
    place.note(LINES, &format!("{} {} {before} {digest} {end}", commit.0, commit.1))
}

/// The digest of the database as this connection sees it, with what its transaction has changed so far.
pub(super) fn digest_of(connection: &Connection) -> anyhow::Result<String> {
    Ok(digest(&connection.serialize("main")?))
}

/// The digest of a database, without what the pager writes into page 1 at the commit itself: change counter,
/// version-valid-for, and the version of SQLite.
fn digest(database: &[u8]) -> String {
    let mut hash = Sha256::new();
    for part in [&database[..24], &database[28..92], &database[100..]] {
        hash.update(part);
    }
    hex(&hash.finalize())
}

pub(super) fn hex(bytes: &[u8]) -> String {
    bytes.iter().take(12).fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

/// What a restored file is, to be compared with the lines when every process has ended.
pub(super) struct Copy {
    what: String,
    pub(super) commit: Commit,
    pub(super) digest: String,
}

impl Copy {
    /// Looks at a file that nobody writes to.
    pub(super) fn of(path: &Path, what: String) -> anyhow::Result<Copy> {
        let uri = format!("file:{}?immutable=1", path.display());
        let flags = OpenFlags::SQLITE_OPEN_READ_ONLY | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(uri, flags)?;
        let check: String = connection.query_row("PRAGMA integrity_check(3)", [], |row| row.get(0))?;
        ensure!(check == "ok", "{what}: {check}");
        let commit = last_commit(&connection).with_context(|| what.clone())?;
        Ok(Copy { commit, digest: digest(&std::fs::read(path)?), what })
    }
}

/// Knows every commit that was, and each page of the database after it.
pub(super) struct Oracle {
    digests: HashMap<Commit, BTreeSet<String>>,
    /// Transactions announced whose writers died before they were commits.
    pub(super) cut_off: usize,
}

impl Oracle {
    /// Reads the lines, once nobody writes any more, and walks back from the last commit, which `connection` sees.
    pub(super) fn consult(place: &Place, connection: &Connection) -> anyhow::Result<Oracle> {
        let mut before = HashMap::new();
        let mut digests: HashMap<Commit, BTreeSet<String>> = HashMap::new();
        for words in place.notes(LINES) {
            let [i, h, previous, digest, end] = &words[..] else { bail!("no line of the oracle: {words:?}") };
            let commit = (i.parse()?, h.clone());
            if end == "commit" {
                before.insert(commit.clone(), previous.clone());
            }
            if end != "rollback" {
                digests.entry(commit).or_default().insert(digest.clone());
            }
        }
        let mut at = last_commit(connection)?;
        let mut real = HashMap::new();
        while let Some(previous) = before.get(&at) {
            let next = (at.0 - 1, previous.clone());
            let lines = digests.remove(&at).context("a commit without a digest")?;
            real.insert(at, lines);
            at = next;
        }
        ensure!(at.0 == 0, "the oracle's lines end at commit {}", at.0);
        Ok(Oracle { digests: real, cut_off: digests.len() })
    }

    pub(super) fn commits(&self) -> usize {
        self.digests.len()
    }

    /// The copy is, page for page, the database after a commit that was.
    pub(super) fn check(&self, copy: &Copy) -> anyhow::Result<()> {
        let Copy { what, commit, digest } = copy;
        let digests = self.digests.get(commit).with_context(|| format!("{what}: {commit:?} never was a commit"))?;
        ensure!(digests.contains(digest), "{what}: a page differs after {commit:?}");
        Ok(())
    }
}
