//! How the files of a state directory are opened.
//!
//! Whoever owns the database owns the folder that it is in, and can put links there; and waloy may run as somebody who may
//! write everywhere. So no link is followed, and what is made anew is made anew.

use std::fs::{self, File, OpenOptions};
use std::io;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, fchown};
use std::path::Path;

use rustix::fs::OFlags;
use rustix::io::Errno;

/// Reads and writes a file that is there, or, if `create`, one that is made.
pub(super) fn open(path: &Path, create: bool) -> io::Result<File> {
    let mut options = OpenOptions::new();
    options.read(true).write(true).create(create).truncate(false).mode(0o600);
    options.custom_flags(OFlags::NOFOLLOW.bits() as i32).open(path)
}

/// A file that is there, or is made: in the place of a link, and of a file that has another name as well.
pub(super) fn open_ours(path: &Path) -> io::Result<File> {
    match open(path, true) {
        Ok(file) if file.metadata()?.nlink() == 1 => Ok(file),
        Err(error) if error.raw_os_error() != Some(Errno::LOOP.raw_os_error()) => Err(error),
        _ => anew(path),
    }
}

/// A new file, in the place of whatever is there.
pub(crate) fn anew(path: &Path) -> io::Result<File> {
    let create = || OpenOptions::new().read(true).write(true).create_new(true).mode(0o600).open(path);
    match create() {
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {
            fs::remove_file(path)?;
            create()
        }
        created => created,
    }
}

/// Gives a file or directory to somebody.
pub(super) fn give(path: &Path, user: u32, group: u32) -> io::Result<()> {
    let file = OpenOptions::new().read(true).custom_flags(OFlags::NOFOLLOW.bits() as i32).open(path)?;
    let is = file.metadata()?;
    if (is.uid(), is.gid()) == (user, group) { Ok(()) } else { fchown(&file, Some(user), Some(group)) }
}

/// Whether this is a link that somebody made who does not own what it leads to, and is not who runs this.
pub(super) fn is_strange_link(path: &Path) -> bool {
    let Ok(link) = fs::symlink_metadata(path) else { return false };
    let owns = |user: u32| user == link.uid();
    link.is_symlink()
        && !owns(rustix::process::geteuid().as_raw())
        && !fs::metadata(path).is_ok_and(|target| owns(target.uid()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_link_is_followed() {
        let dir = tempfile::tempdir().unwrap();
        let (precious, link) = (dir.path().join("precious"), dir.path().join("link"));
        fs::write(&precious, "x").unwrap();
        std::os::unix::fs::symlink(&precious, &link).unwrap();
        let (user, group) = (rustix::process::geteuid().as_raw(), rustix::process::getegid().as_raw());
        assert!(open(&link, false).is_err() && open(&link, true).is_err() && give(&link, user, group).is_err());
        assert!(!is_strange_link(&link), "our own");
        drop(anew(&link).unwrap());
        assert!(!fs::symlink_metadata(&link).unwrap().is_symlink());
        assert_eq!((fs::read(&precious).unwrap(), fs::read(&link).unwrap()), (b"x".to_vec(), Vec::new()));
        give(&link, user, group).unwrap();
    }

    #[test]
    fn what_is_ours_has_one_name() {
        let dir = tempfile::tempdir().unwrap();
        let [precious, symbolic, hard, fresh] =
            ["precious", "symbolic", "hard", "fresh"].map(|name| dir.path().join(name));
        fs::write(&precious, "x").unwrap();
        std::os::unix::fs::symlink(&precious, &symbolic).unwrap();
        fs::hard_link(&precious, &hard).unwrap();
        for path in [&symbolic, &hard, &fresh] {
            let inode = |file: &File| file.metadata().unwrap().ino();
            let made = open_ours(path).unwrap();
            assert_ne!(inode(&made), inode(&File::open(&precious).unwrap()));
            assert_eq!(inode(&made), inode(&open_ours(path).unwrap()), "it is written over from now on");
        }
        assert_eq!(fs::read(&precious).unwrap(), b"x");
    }
}
