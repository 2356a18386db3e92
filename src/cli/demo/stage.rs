//! The directory where the demo plays.

use std::fs;
use std::io;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use crate::clock;
use crate::error::{Error, Kind, Result};

/// The directory, and what is in it. A temporary one goes with this value.
#[derive(Debug)]
pub(super) struct Stage {
    dir: PathBuf,
    kept: bool,
}

impl Stage {
    /// A directory that is given must be empty or absent; otherwise a new temporary one is made.
    pub(super) fn new(given: Option<&Path>) -> Result<Stage> {
        let Some(given) = given else {
            let name = format!("waloy-demo-{:08x}", u32::from_le_bytes(clock::random()));
            let dir = std::env::temp_dir().join(name);
            // Made here and not found here: what is in it later is ours.
            fs::DirBuilder::new().mode(0o700).create(&dir).map_err(failed("make", &dir))?;
            return Ok(Stage { dir, kept: false });
        };
        fs::create_dir_all(given).map_err(failed("make", given))?;
        let mut entries = fs::read_dir(given).map_err(failed("read", given))?;
        if entries.next().is_some() {
            let message = format!("{} is not empty", given.display());
            return Err(Error::new(Kind::TargetExists, "demo.not_empty", message)
                .hint("give a directory that is empty or does not exist, or none"));
        }
        Ok(Stage { dir: given.canonicalize().map_err(failed("find", given))?, kept: true })
    }

    pub(super) fn dir(&self) -> &Path {
        &self.dir
    }

    pub(super) fn is_kept(&self) -> bool {
        self.kept
    }

    pub(super) fn database(&self) -> PathBuf {
        self.dir.join("shop.db")
    }

    pub(super) fn before_mistake(&self) -> PathBuf {
        self.dir.join("before-mistake.db")
    }

    pub(super) fn replica(&self) -> PathBuf {
        self.dir.join("replica")
    }

    /// Removes the sample database and what SQLite keeps beside it.
    pub(super) fn destroy_database(&self) -> Result<()> {
        for name in ["shop.db", "shop.db-wal", "shop.db-shm"] {
            let path = self.dir.join(name);
            match fs::remove_file(&path) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(failed("remove", &path)(error)),
                _ => {}
            }
        }
        Ok(())
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if !self.kept {
            let _ = fs::remove_dir_all(&self.dir);
        }
    }
}

fn failed(what: &str, path: &Path) -> impl FnOnce(io::Error) -> Error {
    let message = format!("cannot {what} {}", path.display());
    move |error| Error::new(Kind::Database, "demo.io", message).because(error)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_directory_with_something_in_it_is_left_alone() {
        let dir = tempfile::tempdir().unwrap();
        fs::write(dir.path().join("precious"), b"x").unwrap();
        assert_eq!(Stage::new(Some(dir.path())).unwrap_err().code(), "demo.not_empty");
        assert!(dir.path().join("precious").exists());
    }

    #[test]
    fn a_given_directory_stays_and_a_temporary_one_goes() {
        let dir = tempfile::tempdir().unwrap();
        let given = dir.path().join("new/dir");
        drop(Stage::new(Some(&given)).unwrap());
        assert!(given.is_dir());
        let temporary = Stage::new(None).unwrap();
        let path = temporary.dir().to_owned();
        assert!(path.is_dir());
        drop(temporary);
        assert!(!path.exists());
    }
}
