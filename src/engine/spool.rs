//! Bytes that wait to be put: in memory while they are few, beyond that in a file without a name.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::PathBuf;
use std::sync::Arc;

/// Bytes that are held in memory.
const IN_MEMORY: usize = 8 << 20;

/// What was written so far. Dropped, it is gone; so too when the process ends.
#[derive(Debug)]
pub(super) struct Spool {
    /// The name that the file has for a moment.
    path: PathBuf,
    memory: Vec<u8>,
    file: Option<Arc<File>>,
    len: u64,
}

impl Spool {
    pub(super) fn new(path: PathBuf) -> Spool {
        Spool { path, memory: Vec::new(), file: None, len: 0 }
    }

    /// Adds bytes. May write to the disk.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.len += bytes.len() as u64;
        if let Some(file) = &self.file {
            return (&**file).write_all(bytes);
        }
        self.memory.extend_from_slice(bytes);
        if self.memory.len() > IN_MEMORY {
            let file = self.nameless()?;
            (&file).write_all(&std::mem::take(&mut self.memory))?;
            self.file = Some(Arc::new(file));
        }
        Ok(())
    }

    fn nameless(&self) -> io::Result<File> {
        let file =
            OpenOptions::new().read(true).write(true).create(true).truncate(true).mode(0o600).open(&self.path)?;
        fs::remove_file(&self.path)?;
        Ok(file)
    }

    /// How many bytes there are.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// All bytes, if they are in memory.
    pub(super) fn whole(&self) -> Option<Vec<u8>> {
        self.file.is_none().then(|| self.memory.clone())
    }

    /// Reads bytes back from the file. Blocks.
    pub(super) fn read(file: &File, at: u64, len: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; len];
        file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }

    /// The file, if there are too many for memory.
    pub(super) fn file(&self) -> Option<Arc<File>> {
        self.file.clone()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_read_back_from_memory_or_from_a_file_without_a_name() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(dir.path().join("spool"));
        spool.write(b"abc").unwrap();
        assert_eq!(spool.whole().as_deref(), Some(&b"abc"[..]));
        spool.write(&vec![7; IN_MEMORY]).unwrap();
        spool.write(b"end").unwrap();
        assert_eq!((spool.len(), spool.whole()), (IN_MEMORY as u64 + 6, None));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
        let file = spool.file().unwrap();
        assert_eq!(Spool::read(&file, 0, 4).unwrap(), b"abc\x07"[..]);
        assert_eq!(Spool::read(&file, spool.len() - 4, 4).unwrap(), b"\x07end"[..]);
        assert!(Spool::read(&file, spool.len(), 1).is_err());
    }
}
