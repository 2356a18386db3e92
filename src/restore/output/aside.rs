//! Putting an old database aside and the new one in its place.

use std::fs::{self, File};
use std::io;
use std::path::{Path, PathBuf};

use rusqlite::config::DbConfig;
use rusqlite::{Connection, ErrorCode, OpenFlags};

use super::super::Error;
use super::holder::{holder, holder_now};
use super::{TempFile, beside, directory, occupied};
use crate::units::Timestamp;

/// What SQLite keeps beside a database, and would play back into another one under its name.
const SIDE_FILES: [&str; 3] = ["-wal", "-shm", "-journal"];

/// Locks a database against everybody, without changing it; `None` if the file is not a database.
///
/// The lock is that of locking mode EXCLUSIVE, taken before the WAL is looked at: it is refused while any connection
/// has the database open in WAL mode, even an idle one. Closing the connection neither checkpoints nor deletes: by then
/// the names beside it are another database's.
pub(super) fn lock(path: &Path) -> Result<Option<Connection>, Error> {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_NO_MUTEX | OpenFlags::SQLITE_OPEN_PRIVATE_CACHE;
    let locked = || -> rusqlite::Result<Connection> {
        let connection = Connection::open_with_flags(path, flags)?;
        connection.set_db_config(DbConfig::SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, true)?;
        connection.busy_timeout(std::time::Duration::ZERO)?;
        connection.pragma_update_and_check(None, "locking_mode", "EXCLUSIVE", |_| Ok(()))?;
        connection.execute_batch("BEGIN EXCLUSIVE; COMMIT")?;
        Ok(connection)
    };
    // SQLite would make an empty file a database, which a plan must not.
    let is_empty = fs::metadata(path).is_ok_and(|meta| meta.len() == 0);
    let locked = if is_empty { Ok(None) } else { locked().map(Some) };
    // An idle connection in another journal mode holds no lock.
    if let Some(process) = holder(path) {
        return Err(Error::TargetInUse { path: path.to_owned(), by: Some(process) });
    }
    match locked {
        Ok(connection) => Ok(connection),
        Err(error) => match error.sqlite_error_code() {
            Some(ErrorCode::NotADatabase | ErrorCode::DatabaseCorrupt) => Ok(None),
            // A link that leads nowhere.
            Some(ErrorCode::CannotOpen) if fs::metadata(path).is_err() => Ok(None),
            Some(ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked) => Err(in_use(path)),
            _ => Err(Error::PutAside { path: path.to_owned(), source: error }),
        },
    }
}

fn in_use(path: &Path) -> Error {
    Error::TargetInUse { path: path.to_owned(), by: holder(path) }
}

/// Brings all of a locked database into its one file.
fn checkpoint(path: &Path, connection: &Connection) -> Result<(), Error> {
    let busy = connection
        .query_row("PRAGMA wal_checkpoint(TRUNCATE)", [], |row| row.get::<_, i64>(0))
        .map_err(|source| Error::PutAside { path: path.to_owned(), source })?;
    if busy == 0 { Ok(()) } else { Err(in_use(path)) }
}

/// What became of what was there.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(in crate::restore) struct Placed {
    /// The old database under its new name.
    pub(in crate::restore) kept: Option<PathBuf>,
    /// Files of SQLite that stood beside the target, under their new names.
    pub(in crate::restore) moved: Vec<PathBuf>,
    /// The old database was deleted.
    pub(in crate::restore) discarded: bool,
}

impl Placed {
    /// Deletes what was put aside. What cannot be deleted is still told of.
    pub(super) fn discard(mut self) -> Placed {
        let there = |path: &PathBuf| match fs::remove_file(path) {
            Ok(()) => false,
            Err(error) => {
                tracing::warn!(path = %path.display(), %error, "cannot delete the old database");
                true
            }
        };
        self.discarded = self.kept.is_some();
        self.kept = self.kept.filter(there);
        self.moved.retain(there);
        self.discarded &= self.kept.is_none();
        self
    }
}

/// Puts the new file in place of an old one.
pub(super) fn replace(target: &Path, temp: TempFile, now: Timestamp) -> Result<Placed, Error> {
    // Held to the end: whoever opens the old name meets the lock or the new file.
    let old = lock(target)?;
    if let Some(connection) = &old {
        checkpoint(target, connection)?;
    }
    exchange(target, temp, now, old.is_some())
}

/// Puts the new file in place of an old one, which `is_locked` if it is a database.
fn exchange(target: &Path, temp: TempFile, now: Timestamp, is_locked: bool) -> Result<Placed, Error> {
    let kept = free_name(target, now)?;
    let mut moved = Moved::default();
    moved.second_name(target, &kept)?;
    let mut sides = moved.side_files(target, &kept)?;
    sync(directory(target))?;
    fs::rename(temp.path(), target).map_err(Error::io("rename to", target))?;
    temp.placed();
    // Whoever has opened the old file by its name before waits for the lock, and would write a log beside the new one.
    if let Some(process) = holder(&kept) {
        // Not from somebody who is in the new one already: what he writes would be played into the old one.
        if side_files(target)?.next().is_none() && holder_now(target).is_none() {
            moved.give_back(&kept, target)?;
            sync(directory(target))?;
            return Err(Error::TargetInUse { path: target.to_owned(), by: Some(process) });
        }
        tracing::error!(process, "a process has the old database open, and may write beside the restored one: end it");
    }
    moved.stay();
    if is_locked {
        // All of the old database is in its file; an empty WAL and the index of it serve nobody.
        let (wal, index) = (beside(&kept, "-wal"), beside(&kept, "-shm"));
        sides.retain(|path| {
            let serves =
                if *path == wal { !fs::metadata(path).is_ok_and(|meta| meta.len() == 0) } else { *path != index };
            serves || fs::remove_file(path).is_err()
        });
    }
    sync(directory(target))?;
    Ok(Placed { kept: Some(kept), moved: sides, discarded: false })
}

/// Puts the new file where there is none, and nothing else if one appears at the last moment.
pub(super) fn create(target: &Path, temp: TempFile, now: Timestamp) -> Result<Placed, Error> {
    let mut moved = Moved::default();
    let mut sides = Vec::new();
    if side_files(target)?.next().is_some() {
        sides = moved.side_files(target, &free_name(target, now)?)?;
        sync(directory(target))?;
    }
    match rename_unless_exists(temp.path(), target) {
        Ok(()) => {}
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            return Err(Error::TargetExists(target.to_owned()));
        }
        Err(error) => return Err(Error::io("rename to", target)(error)),
    }
    temp.placed();
    moved.stay();
    sync(directory(target))?;
    Ok(Placed { moved: sides, ..Placed::default() })
}

/// The side files that are there.
fn side_files(target: &Path) -> Result<impl Iterator<Item = &'static str>, Error> {
    let mut found = Vec::new();
    for side in SIDE_FILES {
        if occupied(&beside(target, side))? {
            found.push(side);
        }
    }
    Ok(found.into_iter())
}

/// `FILE.pre-restore-20261122T100000Z`, or with a number if that is taken.
fn free_name(target: &Path, now: Timestamp) -> Result<PathBuf, Error> {
    let at = chrono::DateTime::from_timestamp_millis(now.0).unwrap_or_default().format("%Y%m%dT%H%M%SZ");
    for number in 0u32.. {
        let number = if number == 0 { String::new() } else { format!("-{number}") };
        let name = beside(target, &format!(".pre-restore-{at}{number}"));
        if !occupied(&name)? && side_files(&name)?.next().is_none() {
            return Ok(name);
        }
    }
    unreachable!("some name is free")
}

/// Names that were changed, and change back unless they are to stay.
#[derive(Default)]
struct Moved {
    undo: Vec<Undo>,
}

enum Undo {
    Remove(PathBuf),
    Rename { from: PathBuf, to: PathBuf },
}

impl Moved {
    /// Gives a file a second name; where there are no hard links, the second in place of the first.
    fn second_name(&mut self, path: &Path, name: &Path) -> Result<(), Error> {
        match fs::hard_link(path, name) {
            Ok(()) => self.undo.push(Undo::Remove(name.to_owned())),
            Err(_) => self.rename(path, name)?,
        }
        Ok(())
    }

    /// Moves the side files; says under which names they are now.
    fn side_files(&mut self, target: &Path, kept: &Path) -> Result<Vec<PathBuf>, Error> {
        let moved = side_files(target)?.map(|side| {
            let to = beside(kept, side);
            self.rename(&beside(target, side), &to).map(|()| to)
        });
        moved.collect()
    }

    fn rename(&mut self, from: &Path, to: &Path) -> Result<(), Error> {
        fs::rename(from, to).map_err(Error::io("rename", from))?;
        self.undo.push(Undo::Rename { from: to.to_owned(), to: from.to_owned() });
        Ok(())
    }

    /// Gives the first name back, from whatever has it now, and undoes the rest; or nothing, if that fails.
    fn give_back(mut self, name: &Path, path: &Path) -> Result<(), Error> {
        match fs::rename(name, path) {
            Ok(()) => drop(self.undo.remove(0)),
            Err(error) => {
                self.stay();
                return Err(Error::io("rename", name)(error));
            }
        }
        Ok(())
    }

    fn stay(mut self) {
        self.undo.clear();
    }
}

impl Drop for Moved {
    fn drop(&mut self) {
        for undo in self.undo.drain(..).rev() {
            let undone = match &undo {
                Undo::Remove(path) => fs::remove_file(path),
                Undo::Rename { from, to } => rename_unless_exists(from, to),
            };
            if let (Err(error), Undo::Remove(path) | Undo::Rename { from: path, .. }) = (undone, undo) {
                tracing::warn!(path = %path.display(), %error, "cannot undo what a failed restore began");
            }
        }
    }
}

/// Renames, and never over a file that is there.
fn rename_unless_exists(from: &Path, to: &Path) -> io::Result<()> {
    #[cfg(target_os = "linux")]
    {
        use rustix::fs::{CWD, RenameFlags, renameat_with};
        match renameat_with(CWD, from, CWD, to, RenameFlags::NOREPLACE) {
            // The file system cannot; a hard link never replaces either.
            Err(rustix::io::Errno::INVAL | rustix::io::Errno::NOSYS) => {}
            done => return done.map_err(io::Error::from),
        }
    }
    fs::hard_link(from, to)?;
    fs::remove_file(from)
}

fn sync(directory: &Path) -> Result<(), Error> {
    File::open(directory).and_then(|directory| directory.sync_all()).map_err(Error::io("sync", directory))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_that_appears_at_the_last_moment_is_not_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let target = dir.path().join("app.db");
        let temp = TempFile::new(&target, 0, None).unwrap();
        fs::write(&target, "somebody else's").unwrap();
        fs::write(beside(&target, "-wal"), "and its WAL").unwrap();
        let error = create(&target, temp, Timestamp(0)).unwrap_err();
        assert!(matches!(error, Error::TargetExists(_)), "{error}");
        assert_eq!(fs::read_to_string(&target).unwrap(), "somebody else's");
        assert_eq!(fs::read_to_string(beside(&target, "-wal")).unwrap(), "and its WAL");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 2);
    }
    /// It waited for the lock, and went on in the old file with a log under the name of the new one's.
    #[cfg(target_os = "linux")]
    #[test]
    fn a_program_that_opens_the_old_file_in_the_last_moment_keeps_it() {
        use std::io::Read;
        use std::process::{Command, Stdio};

        for sides in [false, true] {
            let dir = tempfile::tempdir().unwrap();
            let dir = dir.path().canonicalize().unwrap();
            let target = dir.join("app.db");
            fs::write(&target, "old").unwrap();
            if sides {
                fs::write(beside(&target, "-wal"), "").unwrap();
            }
            let temp = TempFile::new(&target, 0, None).unwrap();
            let mut child = Command::new("sh")
                .args(["-c", "exec 3<app.db; echo; read line"])
                .current_dir(&dir)
                .stdin(Stdio::piped())
                .stdout(Stdio::piped())
                .spawn()
                .unwrap();
            child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
            let error = exchange(&target, temp, Timestamp(0), true).unwrap_err();
            assert!(matches!(error, Error::TargetInUse { by: Some(process), .. } if process == child.id()), "{error}");
            assert_eq!(fs::read_to_string(&target).unwrap(), "old");
            assert_eq!(beside(&target, "-wal").exists(), sides);
            assert_eq!(fs::read_dir(&dir).unwrap().count(), 1 + usize::from(sides));
            drop(child.stdin.take());
            child.wait().unwrap();
            let temp = TempFile::new(&target, 0, None).unwrap();
            let placed = exchange(&target, temp, Timestamp(0), true).unwrap();
            assert_eq!(fs::read_to_string(placed.kept.unwrap()).unwrap(), "old");
        }
    }
}
