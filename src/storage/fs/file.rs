//! Reading one object, and syncing a directory.

use std::fs::{File, OpenOptions};
use std::io;
use std::ops::Range;
use std::os::unix::fs::{FileExt as _, OpenOptionsExt as _};
use std::path::Path;
use std::time::UNIX_EPOCH;

use bytes::Bytes;

use super::Inner;
use crate::storage::{Error, ErrorKind, Meta};
use crate::units::Timestamp;

impl Inner {
    pub(super) fn get(&self, key: &str, limit: u64) -> Result<Bytes, Error> {
        let (file, len) = self.open(key)?;
        if len > limit {
            let message = format!("it has {len} bytes, more than {limit}");
            return Err(Error::new(ErrorKind::TooLarge, "read", self.object(key), message));
        }
        self.read(key, &file, len, 0..len)
    }

    pub(super) fn get_range(&self, key: &str, range: Range<u64>) -> Result<Bytes, Error> {
        let (file, len) = self.open(key)?;
        self.read(key, &file, len, range)
    }

    pub(super) fn head(&self, key: &str) -> Result<Meta, Error> {
        let path = self.path("read", key)?;
        self.at_home("read", key)?;
        let metadata = std::fs::metadata(path).map_err(|error| self.error("read", key, error))?;
        if !metadata.is_file() {
            return Err(self.missing(key));
        }
        Ok(Meta { key: key.to_owned(), size: metadata.len(), modified: modified(&metadata) })
    }

    pub(super) fn open(&self, key: &str) -> Result<(File, u64), Error> {
        let path = self.path("read", key)?;
        self.at_home("read", key)?;
        let open = || {
            // A pipe in the place of an object must not make us wait for its writer.
            let flags = rustix::fs::OFlags::NONBLOCK.bits() as i32;
            let file = OpenOptions::new().read(true).custom_flags(flags).open(&path)?;
            let metadata = file.metadata()?;
            Ok((file, metadata))
        };
        let (file, metadata) = open().map_err(|error| self.error("read", key, error))?;
        if !metadata.is_file() {
            return Err(self.missing(key));
        }
        self.home.read(&path, &metadata);
        Ok((file, metadata.len()))
    }

    fn read(&self, key: &str, file: &File, len: u64, range: Range<u64>) -> Result<Bytes, Error> {
        let shorter = |len: u64| {
            let message = format!("it has {len} bytes, not {}", range.end);
            Error::new(ErrorKind::Truncated, "read", self.object(key), message)
        };
        // Before any memory is taken for it: the range may come from a damaged index.
        if range.start > range.end || range.end > len {
            return Err(shorter(len));
        }
        let mut bytes = vec![0; (range.end - range.start) as usize];
        match file.read_exact_at(&mut bytes, range.start) {
            Ok(()) => Ok(bytes.into()),
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Err(shorter(range.start)),
            Err(error) => Err(self.error("read", key, error)),
        }
    }

    fn missing(&self, key: &str) -> Error {
        Error::new(ErrorKind::NotFound, "read", self.object(key), "no such object")
    }
}

/// When a file was written, by the clock of its file system.
pub(super) fn modified(metadata: &std::fs::Metadata) -> Option<Timestamp> {
    let modified = metadata.modified().ok()?;
    let milliseconds = match modified.duration_since(UNIX_EPOCH) {
        Ok(after) => i64::try_from(after.as_millis()).ok()?,
        Err(before) => -i64::try_from(before.duration().as_millis()).ok()?,
    };
    Some(Timestamp(milliseconds))
}

/// Makes the names in a directory durable.
pub(super) fn sync_directory(path: &Path) -> io::Result<()> {
    match File::open(path)?.sync_all() {
        // File systems that keep no names of their own to sync say so (some of FUSE and SMB).
        Err(error) if error.raw_os_error() == Some(rustix::io::Errno::INVAL.raw_os_error()) => Ok(()),
        synced => synced,
    }
}
