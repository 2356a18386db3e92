//! Bytes that wait to be put: in memory while they are few, beyond that in a file without a name.

use std::fs::{self, File};
use std::io::{self, Write};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::sync::Arc;

#[cfg(feature = "encryption")]
use crate::seal::{Content, HEAD_LEN, ScratchKey, Sealer, stored_len};

/// Bytes that are held in memory.
const IN_MEMORY: usize = 8 << 20;

/// What was written so far. Dropped, it is gone; so too when the process ends.
#[derive(Debug)]
pub(super) struct Spool {
    /// The name that the file has for a moment.
    path: PathBuf,
    memory: Vec<u8>,
    file: Option<File>,
    len: u64,
    /// Nothing gets to the disk in the clear: the key is in memory alone.
    #[cfg(feature = "encryption")]
    seal: Option<(ScratchKey, Sealer)>,
}

/// All that was written.
#[derive(Clone, Debug)]
pub(super) enum Spooled {
    /// It is in memory.
    Memory(Vec<u8>),
    /// It was too much for that.
    File(SpoolFile),
}

/// A file to read from.
#[derive(Clone, Debug)]
pub(super) struct SpoolFile {
    file: Arc<File>,
    len: u64,
    #[cfg(feature = "encryption")]
    content: Option<Arc<Content>>,
}

impl Spool {
    /// `sealed` if what is written must not lie on the disk in the clear.
    pub(super) fn new(path: PathBuf, sealed: bool) -> Spool {
        #[cfg(not(feature = "encryption"))]
        debug_assert!(!sealed, "there is nothing to seal with");
        Spool {
            path,
            memory: Vec::new(),
            file: None,
            len: 0,
            #[cfg(feature = "encryption")]
            seal: sealed.then(|| {
                let key = ScratchKey::generate();
                let sealer = key.sealer();
                (key, sealer)
            }),
        }
    }

    /// Adds bytes. May write to the disk.
    pub(super) fn write(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.len += bytes.len() as u64;
        if let Some(file) = self.file.take() {
            self.append(&file, bytes)?;
            self.file = Some(file);
            return Ok(());
        }
        self.memory.extend_from_slice(bytes);
        if self.memory.len() > IN_MEMORY {
            let (file, bytes) = (self.nameless()?, std::mem::take(&mut self.memory));
            self.append(&file, &bytes)?;
            self.file = Some(file);
        }
        Ok(())
    }

    fn append(&mut self, mut file: &File, bytes: &[u8]) -> io::Result<()> {
        #[cfg(feature = "encryption")]
        if let Some((_, sealer)) = &mut self.seal {
            let mut sealed = Vec::new();
            sealer.update(bytes, &mut sealed).map_err(io::Error::other)?;
            return file.write_all(&sealed);
        }
        file.write_all(bytes)
    }

    fn nameless(&self) -> io::Result<File> {
        let file = crate::state::anew(&self.path)?;
        fs::remove_file(&self.path)?;
        Ok(file)
    }

    /// How many bytes were written.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Nothing more is written. May write to the disk, and reads from it.
    pub(super) fn finish(self) -> io::Result<Spooled> {
        let Spool { memory, file, len, .. } = self;
        let Some(file) = file else { return Ok(Spooled::Memory(memory)) };
        #[cfg(feature = "encryption")]
        let content = match self.seal {
            Some((key, sealer)) => {
                let mut end = Vec::new();
                sealer.finish(&mut end).map_err(io::Error::other)?;
                (&file).write_all(&end)?;
                let mut head = [0; HEAD_LEN];
                file.read_exact_at(&mut head, 0)?;
                let stored = stored_len(len).map_err(io::Error::other)?;
                let opener = key.opener(&head, stored).map_err(io::Error::other)?;
                let last = opener.last_chunk();
                let mut chunk = vec![0; (last.end - last.start) as usize];
                file.read_exact_at(&mut chunk, last.start)?;
                Some(Arc::new(opener.prove(&chunk).map_err(io::Error::other)?))
            }
            None => None,
        };
        Ok(Spooled::File(SpoolFile {
            file: Arc::new(file),
            len,
            #[cfg(feature = "encryption")]
            content,
        }))
    }
}

impl SpoolFile {
    /// How many bytes there are.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// Reads bytes. Blocks.
    pub(super) fn read(&self, at: u64, len: usize) -> io::Result<Vec<u8>> {
        #[cfg(feature = "encryption")]
        if let Some(content) = &self.content {
            let range = at..at + len as u64;
            let stored = content.stored(&range).map_err(io::Error::other)?;
            let mut bytes = vec![0; (stored.end - stored.start) as usize];
            self.file.read_exact_at(&mut bytes, stored.start)?;
            return content.open(range, bytes).map_err(io::Error::other);
        }
        let mut bytes = vec![0; len];
        self.file.read_exact_at(&mut bytes, at)?;
        Ok(bytes)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_little_stays_in_memory() {
        let dir = tempfile::tempdir().unwrap();
        let mut spool = Spool::new(dir.path().join("spool"), false);
        spool.write(b"abc").unwrap();
        assert!(matches!(spool.finish().unwrap(), Spooled::Memory(bytes) if bytes == b"abc"));
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
    }

    #[test]
    fn what_was_written_is_read_back_from_a_file_without_a_name_sealed_or_not() {
        for sealed in [false, cfg!(feature = "encryption")] {
            let dir = tempfile::tempdir().unwrap();
            let mut spool = Spool::new(dir.path().join("spool"), sealed);
            spool.write(b"abc").unwrap();
            spool.write(&vec![7; IN_MEMORY]).unwrap();
            spool.write(b"end").unwrap();
            assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 0);
            let Spooled::File(file) = spool.finish().unwrap() else { panic!("in memory") };
            assert_eq!(file.len(), IN_MEMORY as u64 + 6);
            assert_eq!(file.read(0, 4).unwrap(), b"abc\x07"[..]);
            assert_eq!(file.read(file.len() - 4, 4).unwrap(), b"\x07end"[..]);
            assert!(file.read(file.len(), 1).is_err());
            let mut on_disk = vec![0; IN_MEMORY];
            file.file.read_exact_at(&mut on_disk, 0).unwrap();
            assert_eq!(on_disk.windows(8).any(|window| window == [7; 8]), !sealed);
        }
    }
}
