//! The temporary file that a database is restored into.

use std::ffi::OsStr;
use std::fs::{self, File, Metadata, Permissions};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{FileExt, MetadataExt, OpenOptionsExt, PermissionsExt, fchown};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use rustix::fs::{FlockOperation, OFlags, flock};

use super::super::{Error, Pages};
use super::holder::holder;
use super::{Owner, beside, blocking, directory};
use crate::clock;
use crate::units::{PageNo, PageSize};

/// The mode of a restored file, unless another is asked for or there is one to keep.
const MODE: u32 = 0o600;

/// What comes behind the name of the target, before sixteen hex digits.
const SUFFIX: &str = ".waloy-tmp-";

/// How old one must be at least that is taken for left over.
const AGE: Duration = Duration::from_secs(120);

/// Bytes of a database that are written before they are synced.
const AHEAD: u64 = 64 << 20;

/// Deletes what restores to this target have left that were killed. It is a courtesy: what cannot be deleted stays.
fn clean(target: &Path) {
    let Some(name) = target.file_name() else { return };
    let is_one = |other: &OsStr| {
        let rest = other.as_bytes().strip_prefix(name.as_bytes()).and_then(|rest| rest.strip_prefix(SUFFIX.as_bytes()));
        rest.is_some_and(|rest| rest.len() == 16 && rest.iter().all(u8::is_ascii_hexdigit))
    };
    for entry in fs::read_dir(directory(target)).into_iter().flatten().flatten().filter(|it| is_one(&it.file_name())) {
        let path = entry.path();
        // Opened for writing: NFS makes a lock of `flock` that needs it. No link is followed.
        let flags = OFlags::NOFOLLOW | OFlags::NONBLOCK;
        let Ok(file) = fs::OpenOptions::new().write(true).custom_flags(flags.bits() as i32).open(&path) else {
            continue;
        };
        let Ok(metadata) = file.metadata() else { continue };
        let modified = metadata.modified().ok().filter(|_| metadata.is_file());
        let age = modified.and_then(|at| at.elapsed().ok());
        let is_free = || flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() && holder(&path).is_none();
        if age.is_some_and(|age| age > AGE) && is_free() && fs::remove_file(&path).is_ok() {
            tracing::info!(path = %path.display(), "deleted what a restore that was killed had left");
        }
    }
}

/// A file beside the target, for its owner only, that is gone when this is dropped.
///
/// Long work is done with clones of its handle, so that it is gone at once when the future that owns it is dropped.
#[derive(Debug)]
pub(in crate::restore) struct TempFile {
    path: PathBuf,
    file: Arc<File>,
    /// The file has another name now, or none.
    placed: bool,
}

/// Refuses a directory that has no room for so many bytes.
pub(super) fn room(directory: &Path, bytes: u64) -> Result<(), Error> {
    let space = rustix::fs::statvfs(directory).map_err(|error| Error::io("look at", directory)(error.into()))?;
    let free = space.f_bavail.saturating_mul(space.f_frsize);
    match free < bytes {
        true => Err(Error::NoSpace { path: directory.to_owned(), free, needed: bytes }),
        false => Ok(()),
    }
}

impl TempFile {
    /// Makes one for a database of so many bytes, if there is room for it, and gives it to its owner.
    pub(super) fn new(target: &Path, bytes: u64, owner: Option<Owner>) -> Result<TempFile, Error> {
        clean(target);
        room(directory(target), bytes)?;
        let random = u64::from_le_bytes(clock::random());
        let path = beside(target, &format!("{SUFFIX}{random:016x}"));
        let file = fs::OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(MODE)
            .open(&path)
            .map_err(Error::io("create", &path))?;
        // Not every file system can: then others tell by its age, and by who has it open.
        let _ = flock(&file, FlockOperation::NonBlockingLockExclusive);
        let temp = TempFile { path, file: Arc::new(file), placed: false };
        if let Some(owner) = owner {
            fchown(&*temp.file, owner.user, owner.group).map_err(|source| Error::Owner {
                path: target.to_owned(),
                owner,
                source,
            })?;
        }
        Ok(temp)
    }

    /// Takes pages into it.
    pub(in crate::restore) fn pages(&self, page_size: PageSize) -> impl Pages + use<> {
        PageFile { path: self.path.clone(), file: self.file.clone(), page_size, unsynced: AtomicU64::new(0) }
    }

    /// Gives it its exact length, which a lock page at the end would leave short, and makes it durable. From here on it is no
    /// longer held: over NFS that would be a lock that SQLite meets.
    pub(in crate::restore) async fn finish(&self, bytes: u64) -> Result<(), Error> {
        let (file, path) = (self.file.clone(), self.path.clone());
        blocking(move || {
            file.set_len(bytes).map_err(Error::io("write", &path))?;
            file.sync_all().map_err(Error::io("sync", &path))?;
            let _ = flock(&file, FlockOperation::Unlock);
            Ok(())
        })
        .await
    }

    /// Gives it the mode asked for; or, where it takes the place of another file, mode and owner of that.
    pub(super) fn dress(&self, mode: Option<u32>, owner: Option<Owner>, old: Option<&Metadata>) -> Result<(), Error> {
        let mut kept = MODE;
        if let Some(old) = old {
            let made = self.file.metadata().map_err(Error::io("look at", &self.path))?;
            let same = (old.uid(), old.gid()) == (made.uid(), made.gid());
            match if same || owner.is_some() { Ok(()) } else { fchown(&*self.file, Some(old.uid()), Some(old.gid())) } {
                Ok(()) => kept = old.mode() & 0o7777,
                // Whoever may read it by its mode would be somebody else now.
                Err(error) => tracing::warn!(%error, "cannot give the restored file to the owner of the old one"),
            }
        }
        let dressed = self.file.set_permissions(Permissions::from_mode(mode.unwrap_or(kept)));
        dressed.and_then(|()| self.file.sync_all()).map_err(Error::io("change the mode of", &self.path))
    }

    pub(in crate::restore) fn path(&self) -> &Path {
        &self.path
    }

    /// The file has been renamed.
    pub(super) fn placed(mut self) {
        self.placed = true;
    }

    /// The file without its name.
    pub(in crate::restore) fn into_unnamed(mut self) -> Result<Arc<File>, Error> {
        fs::remove_file(&self.path).map_err(Error::io("remove the name of", &self.path))?;
        self.placed = true;
        Ok(self.file.clone())
    }
}

impl Drop for TempFile {
    fn drop(&mut self) {
        if !self.placed
            && let Err(error) = fs::remove_file(&self.path)
            && error.kind() != io::ErrorKind::NotFound
        {
            tracing::warn!(path = %self.path.display(), %error, "cannot remove the temporary file");
        }
    }
}

/// The database that grows out of pages.
struct PageFile {
    path: PathBuf,
    file: Arc<File>,
    page_size: PageSize,
    /// Bytes written that nobody has begun to sync.
    unsynced: AtomicU64,
}

impl Pages for PageFile {
    /// Who makes [`AHEAD`] full has the disk take it, while the others go on: what is left for the sync at the end, and
    /// of memory that the kernel holds meanwhile, is a part of the database then.
    fn write(&self, first: PageNo, images: &[u8]) -> Result<(), Error> {
        self.file.write_all_at(images, first.offset(self.page_size)).map_err(Error::io("write", &self.path))?;
        let len = images.len() as u64;
        let before = self.unsynced.fetch_add(len, Ordering::Relaxed);
        if before + len < AHEAD || before >= AHEAD {
            return Ok(());
        }
        self.unsynced.store(0, Ordering::Relaxed);
        self.file.sync_data().map_err(Error::io("sync", &self.path))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Each restore that was killed left a file as large as the database, until none fitted any more.
    #[test]
    fn what_restores_have_left_that_were_killed_is_deleted_by_the_next_one() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("app.db");
        let old = std::time::SystemTime::now() - 2 * AGE;
        let left = |name: &str| {
            let path = dir.path().join(name);
            let file = File::create(&path).unwrap();
            file.set_modified(old).unwrap();
            (path, file)
        };
        let killed = left("app.db.waloy-tmp-0123456789abcdef").0;
        let others =
            ["app.db.waloy-tmp-0123456789abcdef.db", "app.db.waloy-tmp-012", "other.db.waloy-tmp-0123456789abcdef"];
        let others = others.map(|name| left(name).0);
        let (young, live) = (TempFile::new(&target, 0, None).unwrap(), TempFile::new(&target, 0, None).unwrap());
        live.file.set_modified(old).unwrap();
        assert!(!killed.exists());
        let next = TempFile::new(&target, 0, None).unwrap();
        assert!([&young, &live, &next].iter().all(|temp| temp.path.exists()));
        assert!(others.iter().all(|path| path.exists()));
    }

    /// The system tells of a write that failed once: the sync at the end would find nothing.
    #[test]
    fn what_was_written_is_synced_on_the_way_and_a_failure_of_that_is_one_of_the_write() {
        // Takes every byte, and cannot be synced.
        let path = PathBuf::from("/dev/null");
        let file = Arc::new(fs::OpenOptions::new().write(true).open(&path).unwrap());
        let pages = PageFile { path, file, page_size: PageSize::new(4096).unwrap(), unsynced: AtomicU64::new(0) };
        let images = vec![0; 1 << 20];
        let failed = (0..(2 * AHEAD) >> 20).filter(|_| pages.write(PageNo::FIRST, &images).is_err()).count();
        assert_eq!(failed, 2, "once for each {AHEAD} bytes");
    }
}
