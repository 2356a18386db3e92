//! What a loss of power takes back.
//!
//! Of a file: every byte that was written since its last `fsync`, in sectors, and its length. Of a directory: every
//! name that was given or taken since its last `fsync`. Before a call changes something, what was there is kept here;
//! `fsync` lets it go. A loss of power puts it back: all of it, or, torn, a part that chance picks.
//!
//! Stricter than the file systems in use: a file that is new loses its name although its bytes were synced, as long as
//! its directory was not.

use std::collections::BTreeMap;
use std::ffi::OsString;
use std::fs::{self, File};
use std::os::fd::BorrowedFd;
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use waloy::testing::dice::Dice;

/// Bytes that are written whole or not at all.
const SECTOR: u64 = 512;

/// How much of what was not synced is lost.
#[derive(Debug)]
pub(crate) enum Loss {
    /// All.
    Everything,
    /// Some sectors and some of the newest names, by chance.
    Torn(Dice),
}

/// What is not durable.
pub(super) struct Disk {
    /// Where files stay that lost their name, until that is durable.
    grave: PathBuf,
    graves: u64,
    files: BTreeMap<u64, Unsynced>,
    /// Changes of names, the oldest first, with the directory in which they are to be synced.
    names: Vec<(PathBuf, Change)>,
}

/// A file with bytes that are not durable.
#[derive(Default)]
struct Unsynced {
    /// What is durable of the sectors written since.
    before: BTreeMap<u64, Vec<u8>>,
    /// The durable length.
    len: u64,
}

enum Change {
    New(OsString),
    NewDirectory(OsString),
    Gone { name: OsString, grave: PathBuf },
    Renamed { from: PathBuf, to: OsString, replaced: Option<PathBuf> },
}

impl Disk {
    pub(super) fn new(grave: PathBuf) -> Disk {
        Disk { grave, graves: 0, files: BTreeMap::new(), names: Vec::new() }
    }

    /// Bytes of a file are about to be written.
    pub(super) fn writes(&mut self, fd: BorrowedFd<'_>, at: u64, len: u64) {
        let Some((inode, now)) = look(fd) else { return };
        self.changes(fd, inode, now, at / SECTOR..(at + len).div_ceil(SECTOR));
    }

    /// A file is about to get another length.
    pub(super) fn truncates(&mut self, fd: BorrowedFd<'_>, to: u64) {
        let Some((inode, now)) = look(fd) else { return };
        self.changes(fd, inode, now, to / SECTOR..now.div_ceil(SECTOR));
    }

    fn changes(&mut self, fd: BorrowedFd<'_>, inode: u64, now: u64, sectors: std::ops::Range<u64>) {
        let unsynced = self.files.entry(inode).or_insert_with(|| Unsynced { before: BTreeMap::new(), len: now });
        let end = sectors.end.min(unsynced.len.div_ceil(SECTOR));
        for sector in sectors.start..end {
            unsynced.before.entry(sector).or_insert_with(|| {
                let mut bytes = vec![0; (unsynced.len - sector * SECTOR).min(SECTOR) as usize];
                let _ = rustix::io::pread(fd, &mut bytes, sector * SECTOR);
                bytes
            });
        }
    }

    /// A file was created in this moment: nothing of it is durable.
    pub(super) fn creates(&mut self, fd: BorrowedFd<'_>, path: &Path) {
        let Some((inode, _)) = look(fd) else { return };
        self.files.insert(inode, Unsynced::default());
        self.name(path, Change::New);
    }

    /// A file or a directory was made durable.
    pub(super) fn synced(&mut self, fd: BorrowedFd<'_>, directory: Option<&Path>) {
        match directory {
            Some(directory) => self.names.retain(|(of, _)| of != directory),
            None => {
                if let Some((inode, now)) = look(fd) {
                    self.files.insert(inode, Unsynced { before: BTreeMap::new(), len: now });
                }
            }
        }
    }

    /// A directory was made.
    pub(super) fn makes(&mut self, path: &Path) {
        self.name(path, Change::NewDirectory);
    }

    /// A name is about to go.
    pub(super) fn unlinks(&mut self, path: &Path) {
        if let Some(grave) = self.bury(path) {
            self.name(path, |name| Change::Gone { name, grave });
        }
    }

    /// A file gets a second name.
    pub(super) fn links(&mut self, to: &Path) {
        self.name(to, Change::New);
    }

    /// A name is about to be changed.
    pub(super) fn renames(&mut self, from: &Path, to: &Path) {
        let replaced = self.bury(to);
        self.name(to, |to| Change::Renamed { from: from.to_owned(), to, replaced });
    }

    fn name(&mut self, path: &Path, change: impl FnOnce(OsString) -> Change) {
        if let (Some(directory), Some(name)) = (path.parent(), path.file_name()) {
            self.names.push((directory.to_owned(), change(name.to_owned())));
        }
    }

    /// Gives a file another name, so that it can come back.
    fn bury(&mut self, path: &Path) -> Option<PathBuf> {
        let grave = self.grave.join(self.graves.to_string());
        fs::hard_link(path, &grave).ok()?;
        self.graves += 1;
        Some(grave)
    }

    pub(super) fn lose_power(&mut self, loss: Loss) {
        let mut dice = match loss {
            Loss::Everything => None,
            Loss::Torn(dice) => Some(dice),
        };
        // Files first: some will lose their names.
        let files = std::mem::take(&mut self.files);
        let mut paths = BTreeMap::new();
        self.find(self.grave.parent().expect("the root"), &mut paths);
        for (inode, unsynced) in files {
            if let Some(path) = paths.get(&inode) {
                put_back(path, &unsynced, dice.as_mut());
            }
        }
        // A journal of names is written in order: the newest are lost.
        let keep = dice.map_or(0, |mut dice| dice.below(self.names.len() as u64 + 1) as usize);
        for (directory, change) in self.names.split_off(keep).into_iter().rev() {
            undo(&directory, change);
        }
        self.names.clear();
        let _ = fs::remove_dir_all(&self.grave);
        fs::create_dir_all(&self.grave).expect("a directory for files without a name");
    }

    fn find(&self, directory: &Path, paths: &mut BTreeMap<u64, PathBuf>) {
        use std::os::unix::fs::DirEntryExt as _;
        for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
            match entry.file_type() {
                Ok(kind) if kind.is_dir() => self.find(&entry.path(), paths),
                _ => drop(paths.insert(entry.ino(), entry.path())),
            }
        }
    }
}

/// Inode and length of a file that is open.
fn look(fd: BorrowedFd<'_>) -> Option<(u64, u64)> {
    let stat = rustix::fs::fstat(fd).ok()?;
    Some((stat.st_ino, stat.st_size as u64))
}

fn put_back(path: &Path, unsynced: &Unsynced, mut dice: Option<&mut Dice>) {
    let Ok(file) = File::options().write(true).open(path) else { return };
    let now = file.metadata().map_or(0, |metadata| metadata.len());
    let mut is_lost = || dice.as_mut().is_none_or(|dice| dice.one_in(2));
    let len = match is_lost() {
        true => unsynced.len,
        false => now,
    };
    // What is new at the end of the file and did not arrive is zeros.
    let new = unsynced.len.div_ceil(SECTOR)..now.div_ceil(SECTOR);
    let lost: Vec<u64> = new.filter(|_| is_lost()).collect();
    for sector in lost {
        let bytes = (now - sector * SECTOR).min(SECTOR) as usize;
        let _ = file.write_all_at(&vec![0; bytes], sector * SECTOR);
    }
    for (sector, bytes) in &unsynced.before {
        if is_lost() || now <= sector * SECTOR {
            let _ = file.write_all_at(bytes, sector * SECTOR);
        }
    }
    let _ = file.set_len(len);
}

fn undo(directory: &Path, change: Change) {
    match change {
        Change::New(name) => drop(fs::remove_file(directory.join(name))),
        Change::NewDirectory(name) => drop(fs::remove_dir_all(directory.join(name))),
        Change::Gone { name, grave } => drop(fs::rename(grave, directory.join(name))),
        Change::Renamed { from, to, replaced } => {
            let to = directory.join(to);
            let _ = fs::rename(&to, from);
            if let Some(replaced) = replaced {
                let _ = fs::rename(replaced, to);
            }
        }
    }
}
