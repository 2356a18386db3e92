//! Whether the root is still the directory that it was.
//!
//! A file system can be unmounted below a process that has no file open, and another one mounted. What is written then
//! goes to the bare mount point, is durable there, and is missing for ever where it belongs. So the root is known by its
//! device and inode, and where those are others, by an object that was there.

use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, SystemTime};

/// What is known of the root.
#[derive(Debug, Default)]
pub(super) struct Home {
    known: Mutex<Known>,
}

#[derive(Debug, Default)]
struct Known {
    /// None before it was there.
    root: Option<Identity>,
    /// An object that was put there, or read, last.
    object: Option<Mark>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
struct Identity {
    device: u64,
    inode: u64,
}

/// An object by which a root is known again, whatever its device is called by now.
#[derive(Debug)]
struct Mark {
    path: PathBuf,
    size: u64,
    modified: Option<SystemTime>,
}

/// Some file systems keep times no better than this (FAT).
const TIMES: Duration = Duration::from_secs(2);

/// What has become of a root.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Strange {
    /// It was deleted, moved away, or replaced. The next call finds what is there now.
    Gone,
    /// Another file system is there, or none is mounted. It stays so until the right one is back.
    Elsewhere,
}

impl Home {
    /// The root is the one that it was, or there has been none.
    pub(super) fn require(&self, root: &Path) -> io::Result<Result<(), Strange>> {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        let now = identity(root)?;
        let before = match (known.root, now) {
            (None, now) => {
                known.root = now;
                return Ok(Ok(()));
            }
            (Some(before), Some(now)) if before == now => return Ok(Ok(())),
            (Some(before), _) => before,
        };
        if now.is_some() && known.object.as_ref().is_some_and(Mark::is_there) {
            known.root = now;
            return Ok(Ok(()));
        }
        if device_of(root)? != Some(before.device) {
            return Ok(Err(Strange::Elsewhere));
        }
        *known = Known::default();
        Ok(Err(Strange::Gone))
    }

    /// This object is there.
    pub(super) fn saw(&self, path: &Path, metadata: &std::fs::Metadata) {
        let mark = Mark { path: path.to_owned(), size: metadata.len(), modified: metadata.modified().ok() };
        self.known.lock().unwrap_or_else(PoisonError::into_inner).object = Some(mark);
    }

    /// This object was read: better than nothing to know the root by.
    pub(super) fn read(&self, path: &Path, metadata: &std::fs::Metadata) {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner).object.is_some();
        if !known {
            self.saw(path, metadata);
        }
    }
}

impl Mark {
    fn is_there(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|found| {
            let apart = match (self.modified, found.modified().ok()) {
                (Some(then), Some(now)) => now.duration_since(then).unwrap_or_else(|error| error.duration()),
                _ => Duration::ZERO,
            };
            found.is_file() && found.len() == self.size && apart <= TIMES
        })
    }
}

fn identity(path: &Path) -> io::Result<Option<Identity>> {
    match std::fs::metadata(path) {
        Ok(metadata) => Ok(Some(Identity { device: metadata.dev(), inode: metadata.ino() })),
        Err(error) if matches!(error.kind(), io::ErrorKind::NotFound | io::ErrorKind::NotADirectory) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The device of a path, or of the nearest directory above that is there.
fn device_of(path: &Path) -> io::Result<Option<u64>> {
    for path in path.ancestors() {
        if let Some(found) = identity(path)? {
            return Ok(Some(found.device));
        }
    }
    Ok(None)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A root that was there, with one object in it.
    fn known(root: &Path) -> Home {
        let (home, object) = (Home::default(), root.join("object"));
        std::fs::create_dir(root).unwrap();
        std::fs::write(&object, "a state").unwrap();
        assert_eq!(home.require(root).unwrap(), Ok(()));
        home.saw(&object, &std::fs::metadata(&object).unwrap());
        home
    }

    fn is_on_another_device(home: &Home) {
        home.known.lock().unwrap().root.as_mut().unwrap().device ^= 1;
    }

    #[test]
    fn a_root_that_was_deleted_is_told_of_once() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let home = known(&root);
        std::fs::rename(&root, dir.path().join("away")).unwrap();
        assert_eq!(home.require(&root).unwrap(), Err(Strange::Gone));
        assert_eq!(home.require(&root).unwrap(), Ok(()), "there is none");
        std::fs::create_dir(&root).unwrap();
        assert_eq!(home.require(&root).unwrap(), Ok(()));
    }

    #[test]
    fn a_root_that_was_replaced_is_told_of_once() {
        let dir = tempfile::tempdir().unwrap();
        let root = dir.path().join("root");
        let home = known(&root);
        std::fs::rename(&root, dir.path().join("away")).unwrap();
        std::fs::create_dir(&root).unwrap();
        assert_eq!(home.require(&root).unwrap(), Err(Strange::Gone));
        assert_eq!(home.require(&root).unwrap(), Ok(()));
    }

    #[test]
    fn a_root_on_another_file_system_is_strange_until_the_right_one_is_back() {
        let dir = tempfile::tempdir().unwrap();
        let (root, away) = (dir.path().join("root"), dir.path().join("away"));
        let home = known(&root);
        std::fs::rename(&root, &away).unwrap();
        is_on_another_device(&home);
        for _ in 0..2 {
            assert_eq!(home.require(&root).unwrap(), Err(Strange::Elsewhere), "not mounted");
        }
        std::fs::create_dir(&root).unwrap();
        std::fs::write(root.join("object"), "another state").unwrap();
        for _ in 0..2 {
            assert_eq!(home.require(&root).unwrap(), Err(Strange::Elsewhere), "another one");
        }
        std::fs::remove_dir_all(&root).unwrap();
        std::fs::rename(&away, &root).unwrap();
        assert_eq!(home.require(&root).unwrap(), Ok(()), "mounted again, with another number");
        assert_eq!(home.require(&root).unwrap(), Ok(()));
    }

    #[test]
    fn a_root_is_known_by_the_content_that_was_moved_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let (root, copy) = (dir.path().join("root"), dir.path().join("copy"));
        let home = known(&root);
        std::fs::create_dir(&copy).unwrap();
        std::fs::rename(root.join("object"), copy.join("object")).unwrap();
        std::fs::remove_dir(&root).unwrap();
        std::fs::rename(&copy, &root).unwrap();
        assert_eq!(home.require(&root).unwrap(), Ok(()));
    }
}
