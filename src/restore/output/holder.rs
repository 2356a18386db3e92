//! Who else has a file open.
//!
//! SQLite's locks tell of connections in WAL mode and of transactions, not of an idle connection in another journal
//! mode, nor of a program that goes on with a file whose name is gone. Both would write to what nobody sees any more.

use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::time::Duration;

/// A process that is being started has the files of its parent for a moment, ours too: who has one is looked at twice.
const MOMENT: Duration = Duration::from_millis(20);

/// A process other than this one that has the file open, or had it open under this name before it was deleted.
/// Only of processes whose files this one may see, and only where there is `/proc`.
pub(super) fn holder(path: &Path) -> Option<u32> {
    find(|process| has_open(process, path, true))
}

/// The same, of the file that has this name now.
pub(super) fn holder_now(path: &Path) -> Option<u32> {
    find(|process| has_open(process, path, false))
}

fn find(has: impl Fn(u32) -> bool) -> Option<u32> {
    let own = std::process::id();
    let processes = fs::read_dir("/proc").ok()?.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    processes.filter(|&process| process != own && has(process)).find(|&process| {
        std::thread::sleep(MOMENT);
        has(process)
    })
}

fn has_open(process: u32, path: &Path, by_name: bool) -> bool {
    let inode = |path: &Path| fs::metadata(path).ok().map(|meta| (meta.dev(), meta.ino()));
    let wanted = inode(path);
    let mut deleted = path.as_os_str().to_owned();
    deleted.push(" (deleted)");
    let Ok(files) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
    files.flatten().map(|file| file.path()).any(|file| match fs::read_link(&file) {
        Ok(target) if by_name && (target == path || target.as_os_str() == deleted) => true,
        // Under another name, the same file; sockets and pipes have no path.
        Ok(target) => target.is_absolute() && wanted.is_some() && inode(&file) == wanted,
        Err(_) => false,
    })
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use std::io::Read;
    use std::process::{Command, Stdio};

    use super::*;

    #[test]
    fn who_has_a_file_open_is_known_also_when_its_name_is_gone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().canonicalize().unwrap().join("app.db");
        fs::write(&path, "x").unwrap();
        let own = fs::File::open(&path).unwrap();
        assert_eq!(holder(&path), None, "this process is not another");
        let mut child = Command::new("sh")
            .args(["-c", "exec 3<app.db; echo; read line"])
            .current_dir(dir.path())
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        child.stdout.as_mut().unwrap().read_exact(&mut [0]).unwrap();
        assert_eq!(holder(&path), Some(child.id()));
        fs::hard_link(&path, dir.path().join("other.db")).unwrap();
        assert_eq!(holder(&dir.path().join("other.db")), Some(child.id()));
        fs::remove_file(dir.path().join("other.db")).unwrap();
        assert_eq!(holder_now(&path), Some(child.id()));
        fs::remove_file(&path).unwrap();
        fs::write(&path, "another").unwrap();
        assert_eq!((holder(&path), holder_now(&path)), (Some(child.id()), None));
        drop(child.stdin.take());
        child.wait().unwrap();
        assert_eq!(holder(&path), None);
        drop(own);
    }
}
