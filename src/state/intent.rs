//! The next object, fixed before its first PUT: every try, also after a restart, sends the same bytes.

use serde::{Deserialize, Serialize};

use super::{Error, StateDir};
use crate::format::Reason;
use crate::ids::{Digest, GenerationId};

const NAME: &str = "intent";

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
        let mut line = serde_json::to_vec(self).expect("plain fields become JSON");
        line.push(b'\n');
        let sum = crc32c::crc32c_append(crc32c::crc32c(&line), payload).to_le_bytes();
        dir.replace(NAME, &[&line, payload, &sum], true)
    }

    /// The intent of an earlier process, and the bytes kept with it. `None` if there is none, or one that was never
    /// whole: then nothing was sent.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn load(dir: &StateDir) -> Result<Option<(Intent, Vec<u8>)>, Error> {
        let Some(mut bytes) = dir.read(NAME)? else { return Ok(None) };
        let Some(at) = bytes.len().checked_sub(4) else { return Ok(None) };
        if crc32c::crc32c(&bytes[..at]).to_le_bytes() != bytes[at..] {
            tracing::warn!("the kept intent is damaged");
            return Ok(None);
        }
        let Some(line) = bytes.iter().position(|&byte| byte == b'\n') else { return Ok(None) };
        match serde_json::from_slice(&bytes[..line]) {
            Ok(intent) => {
                bytes.truncate(at);
                Ok(Some((intent, bytes.split_off(line + 1))))
            }
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
        dir.remove(NAME)
    }
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
        assert_eq!(Intent::load(&dir).unwrap(), Some((intent, b"page\nfile".to_vec())));
        let whole = std::fs::read(dir.file(NAME)).unwrap();
        for cut in 0..whole.len() {
            std::fs::write(dir.file(NAME), &whole[..cut]).unwrap();
            assert_eq!(Intent::load(&dir).unwrap(), None, "cut at {cut}");
        }
        Intent::clear(&dir).unwrap();
        Intent::clear(&dir).unwrap();
        assert_eq!(Intent::load(&dir).unwrap(), None);
    }
}
