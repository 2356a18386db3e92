//! The directory and its lock.

use std::fmt;
use std::fs::{self, File};
use std::io::{Read, Seek, Write};
use std::os::unix::fs::{DirBuilderExt, FileExt};
use std::path::{Path, PathBuf};

use rustix::fs::{FlockOperation, flock};
use serde::{Deserialize, Serialize};

use super::{Error, file};
use crate::planted;
use crate::units::Timestamp;

/// How long to wait until a lock is tried again, and how often: one that somebody has alone may be let go of just now;
/// what this process had begun to write, and nobody waits for any more, is written to its end; and [`StateDir::owner`] shares
/// it for an instant, which is long where the machine has much else to do.
const AGAIN: std::time::Duration = std::time::Duration::from_millis(5);
const TRIES: u32 = 10;
const TRIES_IF_OURS: u32 = 200;
const TRIES_IF_SHARED: u32 = 1000;

/// Bytes by which a file that is written over may be longer than what is in it.
const SURPLUS: u64 = 1 << 20;

/// Who holds the lock.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Owner {
    /// Process id.
    pub pid: u32,
    /// Host name.
    pub host: String,
    /// Since when, RFC 3339.
    pub since: String,
}

impl Owner {
    fn is_this_process(&self) -> bool {
        self.pid == std::process::id() && self.host == host()
    }
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "process {} on {} since {}", self.pid, self.host, self.since)
    }
}

/// The state directory of one database, locked for as long as this lives.
///
/// The lock is `flock`: it belongs to the open file, so that two managers in one process meet it too, and it goes with
/// the process however that ends.
#[derive(Debug)]
pub struct StateDir {
    path: PathBuf,
    lock: File,
    is_new: bool,
}

impl StateDir {
    /// Makes the directory if need be, and locks it.
    ///
    /// # Errors
    ///
    /// [`Error::Locked`] if somebody else has it.
    pub fn lock(path: &Path, now: Timestamp) -> Result<StateDir, Error> {
        let is_new = make(path)?;
        let name = path.join("lock");
        let mut lock = file::open(&name, true).map_err(Error::io("open", &name))?;
        let (mut attempt, mut is_ours) = (0, false);
        let locked = loop {
            match flock(&lock, FlockOperation::NonBlockingLockExclusive) {
                Err(rustix::io::Errno::WOULDBLOCK) => {
                    let tries = if is_shared(&lock) {
                        TRIES_IF_SHARED
                    } else {
                        // Whoever lets go of it takes his name away first.
                        is_ours |= read_owner(&mut lock).is_this_process();
                        if is_ours { TRIES_IF_OURS } else { TRIES }
                    };
                    if attempt >= tries {
                        break Err(rustix::io::Errno::WOULDBLOCK);
                    }
                    attempt += 1;
                    std::thread::sleep(AGAIN);
                }
                other => break other,
            }
        };
        match locked {
            Ok(()) => {}
            Err(rustix::io::Errno::WOULDBLOCK) => return Err(Error::Locked(read_owner(&mut lock))),
            Err(error) => return Err(Error::io("lock", &name)(error.into())),
        }
        let owner = Owner { pid: std::process::id(), host: host(), since: now.rfc3339() };
        let text = serde_json::to_string(&owner).unwrap_or_default() + "\n";
        lock.set_len(0)
            .and_then(|()| lock.rewind())
            .and_then(|()| lock.write_all(text.as_bytes()))
            .map_err(Error::io("write", &name))?;
        Ok(StateDir { path: path.to_owned(), lock, is_new })
    }

    /// It was made when it was locked: nothing of an earlier one is in it, nor comes back after a loss of power.
    pub fn is_new(&self) -> bool {
        self.is_new
    }

    /// Who holds the lock of this directory now, if anybody does.
    pub fn owner(path: &Path) -> Option<Owner> {
        let mut lock = File::open(path.join("lock")).ok()?;
        match flock(&lock, FlockOperation::NonBlockingLockShared) {
            Err(rustix::io::Errno::WOULDBLOCK) => Some(read_owner(&mut lock)),
            _ => None,
        }
    }

    /// The path of a file in the directory.
    pub fn file(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Replaces a file in one step: whoever reads it sees the old or the new one, whole.
    ///
    /// With `durable` it is on disk when this returns; otherwise it survives the process, not the machine.
    ///
    /// # Errors
    ///
    /// Those of the operating system; the old file is still there then.
    pub fn replace(&self, name: &str, parts: &[&[u8]], durable: bool) -> Result<(), Error> {
        replace(&self.path, name, parts, durable)
    }

    /// Writes a file over in its place, which costs the file system next to nothing. It survives the process, not the machine;
    /// whoever reads it, at that moment or after a loss of power, may meet a mixture of old and new. What an older one had
    /// beyond the end stays there, unless it is more than a MiB.
    ///
    /// # Errors
    ///
    /// Those of the operating system; what is in the file then nobody knows.
    pub(super) fn write_over(&self, name: &str, bytes: &[u8]) -> Result<(), Error> {
        let path = self.file(name);
        let file = file::open_ours(&path).map_err(Error::io("open", &path))?;
        file.write_all_at(bytes, 0).map_err(Error::io("write", &path))?;
        let len = file.metadata().map_err(Error::io("look at", &path))?.len();
        if len.saturating_sub(bytes.len() as u64) > SURPLUS {
            file.set_len(bytes.len() as u64).map_err(Error::io("shorten", &path))?;
        }
        Ok(())
    }

    /// A new file that nobody else can open: it is gone when it is closed, however the process ends.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn unnamed(&self, name: &str) -> Result<File, Error> {
        let path = self.file(name);
        let file = file::anew(&path).map_err(Error::io("create", &path))?;
        self.remove(name)?;
        Ok(file)
    }

    /// Reads a file whole; `None` if there is none.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn read(&self, name: &str) -> Result<Option<Vec<u8>>, Error> {
        match fs::read(self.file(name)) {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(Error::io("read", self.file(name))(error)),
        }
    }

    /// Removes a file, if it is there.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn remove(&self, name: &str) -> Result<(), Error> {
        match fs::remove_file(self.file(name)) {
            Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                Err(Error::io("remove", self.file(name))(error))
            }
            _ => Ok(()),
        }
    }

    /// Makes durable which files there are.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn sync(&self) -> Result<(), Error> {
        sync(&self.path)
    }
}

impl Drop for StateDir {
    fn drop(&mut self) {
        // So that nobody is named who is gone; the lock itself goes with the file.
        let _ = self.lock.set_len(0);
    }
}

/// Makes a directory and those above it that are missing. When this returns, their names are durable, too: what is synced
/// in a directory that a loss of power takes away is lost with it. `false`: it was there.
fn make(path: &Path) -> Result<bool, Error> {
    // It, or `{db}.waloy` in which it is.
    if let Some(path) = path.ancestors().take(2).find(|path| file::is_strange_link(path)) {
        return Err(Error::StrangeLink { path: path.to_owned() });
    }
    let missing = path.ancestors().take_while(|ancestor| !ancestor.exists()).count();
    let create = |path: &Path, recursive| fs::DirBuilder::new().recursive(recursive).mode(0o700).create(path);
    let above = path.parent().filter(|above| !above.as_os_str().is_empty());
    let is_new = match above.map_or(Ok(()), |above| create(above, true)).and_then(|()| create(path, false)) {
        Ok(()) => true,
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists && path.is_dir() => false,
        Err(error) => return Err(Error::io("create", path)(error)),
    };
    if planted::is("the name of the state directory is not synced") {
        return Ok(is_new);
    }
    for (made, above) in path.ancestors().skip(1).take(missing.max(2)).enumerate() {
        let above = if above.as_os_str().is_empty() { Path::new(".") } else { above };
        match File::open(above).and_then(|above| above.sync_all()) {
            // One that is there was made by a process that may have ended before it synced it: that is made up for where
            // it is allowed.
            Err(error) if made < missing => return Err(Error::io("sync", above)(error)),
            _ => {}
        }
    }
    Ok(is_new)
}

/// [`StateDir::replace`], for who knows that the lock is held.
pub(super) fn replace(dir: &Path, name: &str, parts: &[&[u8]], durable: bool) -> Result<(), Error> {
    let (path, temporary) = (dir.join(name), dir.join(format!("{name}.tmp")));
    let mut file = file::anew(&temporary).map_err(Error::io("create", &temporary))?;
    parts.iter().try_for_each(|part| file.write_all(part)).map_err(Error::io("write", &temporary))?;
    if durable {
        file.sync_all().map_err(Error::io("sync", &temporary))?;
    }
    fs::rename(&temporary, &path).map_err(Error::io("rename", &temporary))?;
    if durable {
        sync(dir)?;
    }
    Ok(())
}

fn sync(dir: &Path) -> Result<(), Error> {
    File::open(dir).and_then(|dir| dir.sync_all()).map_err(Error::io("sync", dir))
}

/// Whether a lock that cannot be had alone can be shared. It is let go of again.
fn is_shared(lock: &File) -> bool {
    let shared = flock(lock, FlockOperation::NonBlockingLockShared).is_ok();
    shared && flock(lock, FlockOperation::Unlock).is_ok()
}

fn read_owner(lock: &mut File) -> Owner {
    let mut text = String::new();
    let _ = lock.rewind().and_then(|()| lock.take(4096).read_to_string(&mut text));
    serde_json::from_str(&text).unwrap_or(Owner { pid: 0, host: "unknown host".into(), since: "unknown".into() })
}

fn host() -> String {
    rustix::system::uname().nodename().to_string_lossy().into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Whoever asked for the status in a loop kept a replicator from starting: "another waloy owns this database".
    #[test]
    fn looking_who_has_the_lock_keeps_nobody_from_taking_it() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        drop(StateDir::lock(&path, Timestamp(0)).unwrap());
        std::thread::scope(|scope| {
            let lookers: Vec<_> =
                (0..2).map(|_| scope.spawn(|| (0..20_000).for_each(|_| drop(StateDir::owner(&path))))).collect();
            while lookers.iter().any(|looker| !looker.is_finished()) {
                drop(StateDir::lock(&path, Timestamp(1)).expect("nobody has it"));
            }
        });
    }

    #[test]
    fn a_second_manager_is_told_who_has_the_lock() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let first = StateDir::lock(&path, Timestamp(0)).unwrap();
        let Err(Error::Locked(owner)) = StateDir::lock(&path, Timestamp(1)) else { panic!("locked twice") };
        assert_eq!((owner.pid, owner.since.as_str()), (std::process::id(), "1970-01-01T00:00:00.000Z"));
        assert_eq!(StateDir::owner(&path), Some(owner));
        drop(first);
        assert_eq!(StateDir::owner(&path), None);
        StateDir::lock(&path, Timestamp(2)).unwrap();
    }

    #[test]
    fn a_directory_is_new_once() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.db.waloy/state");
        assert!(StateDir::lock(&path, Timestamp(0)).unwrap().is_new());
        assert!(!StateDir::lock(&path, Timestamp(1)).unwrap().is_new());
        fs::remove_dir_all(&path).unwrap();
        assert!(StateDir::lock(&path, Timestamp(2)).unwrap().is_new());
        fs::write(dir.path().join("file"), "").unwrap();
        assert!(matches!(StateDir::lock(&dir.path().join("file"), Timestamp(3)), Err(Error::Io { .. })));
    }

    /// A start that was dropped while it wrote, and is tried again at once.
    #[test]
    fn what_this_process_still_writes_is_waited_for() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("state");
        let first = StateDir::lock(&path, Timestamp(0)).unwrap();
        let writing = std::thread::spawn(move || {
            std::thread::sleep(AGAIN * TRIES * 3);
            drop(first);
        });
        StateDir::lock(&path, Timestamp(1)).unwrap();
        writing.join().unwrap();
    }
}
