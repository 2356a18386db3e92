//! Listing a tree of files in the order in which a flat store lists its keys.
//!
//! The order is that of the bytes of whole keys, in which `/` is a byte like others: `a-b`, then `a/b`, then `a0`. So
//! a directory sorts among its neighbours as its name with a `/` behind it.

use std::cmp::Ordering;
use std::io;
use std::path::Path;

use super::file::modified;
use super::{Inner, TEMPORARY};
use crate::storage::listing::PAGE;
use crate::storage::{Depth, Error, Listing, Meta, key};

impl Inner {
    pub(super) fn list(&self, prefix: &str, after: Option<&str>, depth: Depth) -> Result<Listing, Error> {
        key::check_prefix(&self.location, prefix)?;
        self.list_by(prefix, || {
            let mut walk = Walk { prefix, after, depth, found: Listing::default(), last: None };
            let folder = prefix.rfind('/').map_or("", |at| &prefix[..=at]);
            walk.directory(&self.root.join(folder), folder).map(|_| walk.found)
        })
    }

    /// At home before the walk and after it: what was unmounted in between is not empty.
    fn list_by(&self, prefix: &str, walk: impl FnOnce() -> io::Result<Listing>) -> Result<Listing, Error> {
        self.at_home("list", prefix)?;
        let walked = walk();
        self.at_home("list", prefix)?;
        walked.map_err(|error| self.error("list", prefix, error))
    }
}

struct Walk<'a> {
    prefix: &'a str,
    after: Option<&'a str>,
    depth: Depth,
    found: Listing,
    last: Option<String>,
}

/// The page is full.
struct Full;

impl Walk<'_> {
    /// Walks a directory, the keys of whose files begin with `folder` (empty, or ending in `/`).
    fn directory(&mut self, path: &Path, folder: &str) -> io::Result<Result<(), Full>> {
        for (name, is_directory) in entries(path, folder)? {
            let key = format!("{folder}{name}");
            if !self.may_be_in(&key, is_directory) {
                continue;
            }
            let path = path.join(name.trim_end_matches('/'));
            let full = match (is_directory, self.depth) {
                (false, _) => self.file(&path, key)?,
                (true, Depth::Folder) if key.len() > self.prefix.len() => self.folder(&path, key)?,
                (true, _) => self.directory(&path, &key)?,
            };
            if full.is_err() {
                return Ok(Err(Full));
            }
        }
        Ok(Ok(()))
    }

    /// Whether this key, or one below this directory, begins with the prefix and comes after the last page.
    fn may_be_in(&self, key: &str, is_directory: bool) -> bool {
        let below_prefix = key.starts_with(self.prefix) || (is_directory && self.prefix.starts_with(key));
        let as_folder = self.depth == Depth::Folder && key.len() > self.prefix.len();
        below_prefix
            && self.after.is_none_or(|after| match key.cmp(after) {
                Ordering::Greater => true,
                // What is below a directory may still come after a key that is below it too.
                _ => is_directory && !as_folder && after.starts_with(key),
            })
    }

    fn file(&mut self, path: &Path, key: String) -> io::Result<Result<(), Full>> {
        let metadata = match std::fs::metadata(path) {
            Ok(metadata) => metadata,
            // Deleted meanwhile, or a link to nowhere.
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Ok(())),
            Err(error) => return Err(error),
        };
        if let Err(full) = self.room(&key) {
            return Ok(Err(full));
        }
        self.found.objects.push(Meta { size: metadata.len(), modified: modified(&metadata), key });
        Ok(Ok(()))
    }

    fn folder(&mut self, path: &Path, key: String) -> io::Result<Result<(), Full>> {
        // A flat store knows no empty folders.
        if !has_file(path, &key)? {
            return Ok(Ok(()));
        }
        if let Err(full) = self.room(&key) {
            return Ok(Err(full));
        }
        self.found.folders.push(key);
        Ok(Ok(()))
    }

    /// Makes sure that there is room for one more entry.
    fn room(&mut self, key: &str) -> Result<(), Full> {
        if self.found.objects.len() + self.found.folders.len() == PAGE {
            self.found.next = self.last.take();
            return Err(Full);
        }
        self.last = Some(key.to_owned());
        Ok(())
    }
}

/// Whether there is a file anywhere below a directory.
fn has_file(path: &Path, folder: &str) -> io::Result<bool> {
    for (name, is_directory) in entries(path, folder)? {
        let below = path.join(name.trim_end_matches('/'));
        if !is_directory || has_file(&below, &format!("{folder}{name}"))? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// What is in a directory, in the order of keys; names of directories have a `/` behind them. `true`: a directory.
///
/// One that is not there, or not any more, is empty.
fn entries(path: &Path, folder: &str) -> io::Result<Vec<(String, bool)>> {
    let mut entries = Vec::new();
    let directory = match std::fs::read_dir(path) {
        Ok(directory) => directory,
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => {
            return Ok(entries);
        }
        // Made by `mkfs`, for root alone.
        Err(error) if error.kind() == io::ErrorKind::PermissionDenied && folder == "lost+found/" => return Ok(entries),
        Err(error) => return Err(error),
    };
    for entry in directory {
        let entry = entry?;
        let Ok(mut name) = entry.file_name().into_string() else {
            tracing::debug!(path = %entry.path().display(), "a name that is not UTF-8 is not listed");
            continue;
        };
        if folder.is_empty() && name == TEMPORARY {
            continue;
        }
        let mut kind = entry.file_type()?;
        if kind.is_symlink() {
            match std::fs::metadata(entry.path()) {
                Ok(metadata) => kind = metadata.file_type(),
                Err(error) if error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => return Err(error),
            }
        }
        if kind.is_dir() {
            name.push('/');
        }
        if kind.is_dir() || kind.is_file() {
            entries.push((name, kind.is_dir()));
        }
    }
    entries.sort_unstable();
    Ok(entries)
}

#[cfg(test)]
mod tests {
    use super::super::DirStore;
    use super::*;
    use crate::storage::ErrorKind;

    #[test]
    fn a_root_that_goes_away_during_a_listing_is_not_empty() {
        let dir = tempfile::tempdir().unwrap();
        let (root, away) = (dir.path().join("root"), dir.path().join("away"));
        let store = DirStore::new(&root);
        store.inner.put("a", b"", true).unwrap();
        let listed = store.inner.list_by("", || {
            std::fs::rename(&root, &away)?;
            let found = entries(&root, "")?;
            assert!(found.is_empty());
            Ok(Listing::default())
        });
        assert_eq!(listed.map(|it| it.objects).unwrap_err().kind, ErrorKind::NoBucket);
        std::fs::rename(&away, &root).unwrap();
        assert_eq!(store.inner.list("", None, Depth::All).unwrap().objects.len(), 1);
    }
}
