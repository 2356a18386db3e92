//! The next object, fixed before its first PUT: every try, also after a restart, sends the same bytes.
//!
//! ```text
//! intent      magic 8 │ length u64 │ crc32c u32 │ the fields as JSON │ \n │ the bytes of the object       little-endian
//! ```
//!
//! It is written over in its place, and its file does not shrink: to have that on disk takes one write, where a file that
//! takes another's name takes two journals of the file system, some ten milliseconds. What was there before is of an object
//! that is acknowledged or given up, and may be lost; one that is torn was never sent.

use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;

use serde::{Deserialize, Serialize};

use super::{Error, StateDir, file};
use crate::format::Reason;
use crate::ids::{Digest, GenerationId};

const NAME: &str = "intent";
const MAGIC: &[u8; 8] = b"WALOYIN1";
const HEAD: usize = 20;

/// The length of the file from the beginning, in bytes.
const ROOM: u64 = 64 << 10;
/// A longer one does not stay so.
const LARGE: u64 = 1 << 20;

/// What is about to be put, or may have been.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Intent {
    /// Into which generation.
    pub generation: GenerationId,
    /// At which place; `None` for the snapshot.
    pub index: Option<u64>,
    /// The digest of the page file; `None` while an upload in parts has not ended, when nothing can be visible yet.
    pub digest: Option<Digest>,
    /// The id of the upload in parts, if it is one.
    pub upload: Option<String>,
    /// Of a snapshot, why its generation is begun.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reason: Option<Reason>,
}

impl Intent {
    /// Keeps the intent, with the object's bytes unless they are sent in parts. On disk when this returns.
    ///
    /// # Errors
    ///
    /// Those of the operating system; then nothing may be sent.
    pub fn save(&self, dir: &StateDir, payload: &[u8]) -> Result<(), Error> {
        let mut bytes = vec![0; HEAD];
        serde_json::to_writer(&mut bytes, self).expect("plain fields become JSON");
        bytes.push(b'\n');
        bytes.extend_from_slice(payload);
        let content = &bytes[HEAD..];
        let (len, sum) = (content.len() as u64, crc32c::crc32c(content));
        bytes[..8].copy_from_slice(MAGIC);
        bytes[8..16].copy_from_slice(&len.to_le_bytes());
        bytes[16..HEAD].copy_from_slice(&sum.to_le_bytes());
        let path = dir.file(NAME);
        let file = file::open(&path, true).map_err(Error::io("open", &path))?;
        let has = file.metadata().map_err(Error::io("look at", &path))?.len();
        let is_first = has < ROOM;
        if is_first {
            // Its name first, then, with the content, the room for most of those to come: the length tells that both are there.
            dir.sync()?;
            bytes.resize(bytes.len().max(ROOM as usize), 0);
        }
        file.write_all_at(&bytes, 0).map_err(Error::io("write", &path))?;
        let synced = if is_first { file.sync_all() } else { file.sync_data() };
        synced.map_err(Error::io("sync", &path))
    }

    /// The intent of an earlier process, and the bytes kept with it. `None` if there is none, or one that was never
    /// whole: then nothing was sent.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn load(dir: &StateDir) -> Result<Option<(Intent, Vec<u8>)>, Error> {
        let path = dir.file(NAME);
        let Some(file) = there(dir)? else { return Ok(None) };
        let Some(mut content) = read(&file).map_err(Error::io("read", &path))? else { return Ok(None) };
        let Some(line) = content.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
        match serde_json::from_slice(&content[..line]) {
            Ok(intent) => Ok(Some((intent, content.split_off(line + 1)))),
            Err(error) => {
                tracing::warn!(%error, "the kept intent cannot be read");
                Ok(None)
            }
        }
    }

    /// The object is acknowledged, or given up.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn clear(dir: &StateDir) -> Result<(), Error> {
        let path = dir.file(NAME);
        let Some(file) = there(dir)? else { return Ok(()) };
        file.write_all_at(&[0; HEAD], 0).map_err(Error::io("write", &path))?;
        if file.metadata().is_ok_and(|meta| meta.len() > LARGE) {
            file.set_len(ROOM).map_err(Error::io("shorten", &path))?;
        }
        Ok(())
    }

    /// It is to come to nothing, whatever becomes of the machine: durable with the next sync of the directory.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub(super) fn forget(dir: &StateDir) -> Result<(), Error> {
        dir.remove(NAME)
    }
}

fn there(dir: &StateDir) -> Result<Option<File>, Error> {
    let path = dir.file(NAME);
    match file::open(&path, false) {
        Ok(file) => Ok(Some(file)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(Error::io("open", path)(error)),
    }
}

/// What is kept, if it is whole.
fn read(file: &File) -> io::Result<Option<Vec<u8>>> {
    let (mut head, len) = ([0; HEAD], file.metadata()?.len());
    if len < HEAD as u64 {
        return Ok(None);
    }
    file.read_exact_at(&mut head, 0)?;
    let long = u64::from_le_bytes(head[8..16].try_into().expect("eight bytes"));
    if head[..8] != *MAGIC || long > len - HEAD as u64 {
        return Ok(None);
    }
    let mut content = vec![0; long as usize];
    file.read_exact_at(&mut content, HEAD as u64)?;
    if crc32c::crc32c(&content).to_le_bytes() != head[16..] {
        tracing::warn!("the kept intent is damaged");
        return Ok(None);
    }
    Ok(Some(content))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    #[test]
    fn an_intent_comes_back_with_its_bytes_or_not_at_all() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = StateDir::lock(temporary.path(), Timestamp(0)).unwrap();
        assert_eq!(Intent::load(&dir).unwrap(), None);
        let generation = GenerationId::new(Timestamp(1), [7; 10]);
        let intent = Intent { generation, index: Some(3), digest: Some(Digest([5; 32])), upload: None, reason: None };
        intent.save(&dir, b"page\nfile").unwrap();
        assert_eq!(Intent::load(&dir).unwrap(), Some((intent.clone(), b"page\nfile".to_vec())));
        // Written over one of before, and torn anywhere.
        let whole = std::fs::read(dir.file(NAME)).unwrap();
        let end = whole.iter().rposition(|byte| *byte != 0).unwrap() + 1;
        for cut in 0..end {
            let mut torn = vec![0xAA; whole.len()];
            torn[..cut].copy_from_slice(&whole[..cut]);
            for len in [cut, torn.len()] {
                std::fs::write(dir.file(NAME), &torn[..len]).unwrap();
                assert_eq!(Intent::load(&dir).unwrap(), None, "cut at {cut}");
            }
        }
        let large = vec![7; 2 << 20];
        intent.save(&dir, &large).unwrap();
        assert!(Intent::load(&dir).unwrap() == Some((intent.clone(), large)));
        Intent::clear(&dir).unwrap();
        assert_eq!(std::fs::metadata(dir.file(NAME)).unwrap().len(), ROOM);
        intent.save(&dir, b"").unwrap();
        assert_eq!(Intent::load(&dir).unwrap(), Some((intent, Vec::new())));
        Intent::clear(&dir).unwrap();
        Intent::clear(&dir).unwrap();
        assert_eq!(Intent::load(&dir).unwrap(), None);
    }
}
