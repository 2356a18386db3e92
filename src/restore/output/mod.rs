//! Where a restored database goes.
//!
//! Nothing of the target changes before the new file is whole, proven and synced beside it. Then, in this order:
//!
//! 1. An old database is locked exclusively, and its WAL checkpointed into it: with the WAL moved apart and then a crash,
//!    the file alone would open without its last commits.
//! 2. The old file gets a second name; stale `-wal`, `-shm` and `-journal` are moved beside that. SQLite would play
//!    them back into the restored file. The directory is synced.
//! 3. The new file is renamed into place, over nothing but what was locked. The directory is synced.
//!
//! A failure undoes 2.

mod aside;
mod holder;
mod owner;
mod temp;

use std::fs;
use std::path::{Path, PathBuf};

use super::Error;
use crate::units::Timestamp;

pub(super) use aside::Placed;
pub use owner::{Owner, OwnerError};
pub(super) use temp::TempFile;

/// What happens to a file that is there already.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub enum Existing {
    /// The restore is refused.
    #[default]
    Refuse,
    /// It is kept as `FILE.pre-restore-<time>`, unless somebody has it open: then the restore is refused.
    PutAside,
    /// It is put aside in the same way, and deleted once the new file is in its place.
    Discard,
}

/// Where a restored database goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Output {
    /// The file. Its directory must exist.
    pub path: PathBuf,
    /// What happens to a file that is there already.
    pub existing: Existing,
    /// The mode of the new file; by default that of the file it replaces, or 0600.
    pub mode: Option<u32>,
    /// The owner of the new file; by default that of the file it replaces where that can be kept, or who restores.
    pub owner: Option<Owner>,
}

impl Output {
    /// A file that must not exist yet.
    pub fn new(path: impl Into<PathBuf>) -> Output {
        Output { path: path.into(), existing: Existing::Refuse, mode: None, owner: None }
    }
}

/// A target that was looked at, and can take a database.
#[derive(Clone, Debug)]
pub(super) struct Prepared {
    /// As [`resolve`] made it.
    path: PathBuf,
    existing: Existing,
    mode: Option<u32>,
    owner: Option<Owner>,
}

impl Prepared {
    /// Looks at the target, so that what can be refused is refused before anything is downloaded.
    pub(super) async fn new(output: &Output) -> Result<Prepared, Error> {
        let output = output.clone();
        blocking(move || {
            let path = resolve(&output.path)?;
            if occupied(&path)? {
                match output.existing {
                    Existing::Refuse => return Err(Error::TargetExists(output.path)),
                    Existing::PutAside | Existing::Discard => drop(aside::lock(&path)?),
                }
            } else if let Some(process) = holder::holder(&path) {
                // It goes on with a file that was deleted, and would not meet the new one.
                return Err(Error::TargetInUse { path: output.path, by: Some(process) });
            }
            Ok(Prepared { path, existing: output.existing, mode: output.mode, owner: output.owner })
        })
        .await
    }

    /// For a file without a name in this directory.
    pub(super) fn unnamed(directory: &Path) -> Result<Prepared, Error> {
        let path = directory.canonicalize().map_err(Error::io("find the directory", directory))?.join("waloy-restore");
        Ok(Prepared { path, existing: Existing::Refuse, mode: None, owner: None })
    }

    /// Refuses a database of more bytes than there is room for.
    pub(super) fn room(&self, bytes: u64) -> Result<(), Error> {
        temp::room(directory(&self.path), bytes)
    }

    /// A temporary file beside the target, for so many bytes.
    pub(super) async fn temp(&self, bytes: u64) -> Result<TempFile, Error> {
        let (path, owner) = (self.path.clone(), self.owner);
        blocking(move || TempFile::new(&path, bytes, owner)).await
    }

    /// Puts the temporary file in its place; says what became of what was there.
    pub(super) async fn commit(&self, temp: TempFile, now: Timestamp) -> Result<Placed, Error> {
        let prepared = self.clone();
        blocking(move || {
            let Prepared { path, existing, mode, owner } = prepared;
            let there = occupied(&path)?;
            let old = fs::metadata(&path).ok().filter(|_| there);
            temp.dress(mode, owner, old.as_ref())?;
            match (there, existing) {
                (true, Existing::Refuse) => Err(Error::TargetExists(path)),
                (true, Existing::PutAside) => aside::replace(&path, temp, now),
                (true, Existing::Discard) => aside::replace(&path, temp, now).map(Placed::discard),
                (false, _) => aside::create(&path, temp, now),
            }
        })
        .await
    }

    pub(super) fn into_path(self) -> PathBuf {
        self.path
    }
}

/// The absolute path, with links resolved where they lead to something: a database behind a link is replaced, not
/// the link.
fn resolve(path: &Path) -> Result<PathBuf, Error> {
    let no_target = |why| Error::NoTarget { path: path.to_owned(), why };
    match fs::metadata(path) {
        Ok(meta) if meta.is_dir() => return Err(no_target("it is a directory")),
        Ok(meta) if !meta.is_file() => return Err(no_target("it is not a regular file")),
        _ => {}
    }
    if let Ok(path) = path.canonicalize() {
        return Ok(path);
    }
    let absolute = std::path::absolute(path).map_err(Error::io("find", path))?;
    match (absolute.parent(), absolute.file_name()) {
        (Some(parent), Some(name)) => {
            let parent = parent.canonicalize().map_err(Error::io("find the directory", parent))?;
            Ok(parent.join(name))
        }
        _ => Err(no_target("it is not a file's name")),
    }
}

/// There is something under this name, be it a link that leads nowhere.
fn occupied(path: &Path) -> Result<bool, Error> {
    match fs::symlink_metadata(path) {
        Ok(_) => Ok(true),
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(Error::io("look at", path)(error)),
    }
}

/// The path with something appended, as SQLite names the files beside a database.
fn beside(path: &Path, suffix: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(suffix);
    name.into()
}

/// The directory of a path that [`resolve`] made.
fn directory(path: &Path) -> &Path {
    path.parent().unwrap_or(Path::new("/"))
}

pub(super) async fn blocking<T: Send + 'static>(
    work: impl FnOnce() -> Result<T, Error> + Send + 'static,
) -> Result<T, Error> {
    match crate::task::blocking(work).await {
        Ok(done) => done,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => unreachable!("nobody cancels the task: {error}"),
        },
    }
}
