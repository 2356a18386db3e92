//! Temporary files: written whole before they get a name that counts.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, RenameFlags};
use rustix::io::Errno;

use crate::storage::Put;

/// A file without a reader yet. Dropped, it is deleted.
#[derive(Debug)]
pub(super) struct Temporary {
    /// Locked: the sign that its writer lives.
    file: File,
    path: PathBuf,
    name: String,
    exists: bool,
}

impl Temporary {
    pub(super) fn create(folder: &Path) -> io::Result<Temporary> {
        let random = u64::from_le_bytes(crate::clock::random());
        let name = format!("{}-{random:016x}", std::process::id());
        let path = folder.join(&name);
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        // Where locks are not to be had, the age alone tells.
        let _ = rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive);
        Ok(Temporary { file, path, name, exists: true })
    }

    pub(super) fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.file.write_all(bytes)
    }

    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.sync_all()
    }

    /// Takes the name, whoever has it.
    pub(super) fn rename(&mut self, to: &Path) -> io::Result<Put> {
        std::fs::rename(&self.path, to)?;
        self.exists = false;
        Ok(Put::Created)
    }

    /// Takes the name unless it is taken.
    pub(super) fn link(&mut self, to: &Path) -> io::Result<Put> {
        let error = match std::fs::hard_link(&self.path, to) {
            Ok(()) => return Ok(Put::Created),
            Err(error) => error,
        };
        match error.raw_os_error().map(Errno::from_raw_os_error) {
            // With two names, it is ours: over NFS the reply to a link that was made can get lost, and the repeated
            // request then finds the name taken; and a call before this one may have failed after the link.
            Some(Errno::EXIST) if self.file.metadata().is_ok_and(|metadata| metadata.nlink() > 1) => Ok(Put::Created),
            Some(Errno::EXIST) => Ok(Put::Exists),
            // File systems without hard links (FAT, some of FUSE and SMB).
            Some(Errno::PERM | Errno::NOTSUP | Errno::NOSYS | Errno::MLINK) => self.rename_if_absent(to),
            _ => Err(error),
        }
    }

    fn rename_if_absent(&mut self, to: &Path) -> io::Result<Put> {
        let here = rustix::fs::CWD;
        match rustix::fs::renameat_with(here, &self.path, here, to, RenameFlags::NOREPLACE) {
            Ok(()) => {
                self.exists = false;
                Ok(Put::Created)
            }
            Err(Errno::EXIST) => Ok(Put::Exists),
            Err(error) => Err(error.into()),
        }
    }

    /// Deletes the temporary name; an object that was made of it stays. If that fails, a later process cleans up.
    pub(super) fn remove(&mut self) {
        if std::mem::take(&mut self.exists) {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

impl Drop for Temporary {
    fn drop(&mut self) {
        self.remove();
    }
}

/// How much older than a new one a temporary file must be to be taken for left over.
const AGE: Duration = Duration::from_secs(3600);

/// Deletes temporary files whose writers are dead. The age is told by the file system's own clock.
///
/// It is a courtesy: what cannot be deleted now may be so next time.
pub(super) fn clean(folder: &Path, new: &Temporary) {
    let Ok(now) = new.file.metadata().and_then(|metadata| metadata.modified()) else { return };
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        // Opened for writing: NFS makes a lock of `flock` that needs it.
        let Ok(file) = OpenOptions::new().write(true).open(&path) else { continue };
        let modified = file.metadata().and_then(|metadata| metadata.modified());
        let old = modified.is_ok_and(|modified| now.duration_since(modified).is_ok_and(|age| age > AGE));
        if old && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok() {
            tracing::debug!(path = %path.display(), "deleting a temporary file left by a process that is gone");
            let _ = std::fs::remove_file(path);
        }
    }
}
