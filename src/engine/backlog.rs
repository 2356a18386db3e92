//! What a collection has read and not sent: in memory while it is little, in a file beyond that.

use std::collections::VecDeque;
use std::fs::File;
use std::io::{Read as _, Seek as _, SeekFrom, Write as _};

use super::collect::Step;
use crate::state::{self, StateDir};

/// Bytes read back from the file at a time.
const BLOCK: usize = 1 << 20;

/// Bytes of the object, as they are stored, come before the pages that were read after them. Pages never go to the disk.
#[derive(Debug, Default)]
pub(super) struct Backlog {
    /// The next bytes of the object.
    bytes: Option<Vec<u8>>,
    /// The bytes of the object after those.
    file: Option<Spool>,
    /// Pages that are no bytes of the object yet.
    steps: VecDeque<Step>,
    /// Bytes of the images of these.
    images: usize,
}

/// A file without a name: it is gone when it is closed, also by `kill -9`.
#[derive(Debug)]
struct Spool {
    file: File,
    len: u64,
    read: u64,
}

impl Backlog {
    /// There is nothing to send.
    pub(super) fn is_empty(&self) -> bool {
        self.bytes.is_none() && self.file.is_none() && self.steps.is_empty()
    }

    /// Adds bytes of the object, after which nothing was read yet.
    pub(super) fn push_bytes(&mut self, bytes: Vec<u8>) {
        debug_assert!(self.is_empty(), "bytes are made once everything before them was sent");
        self.bytes = Some(bytes).filter(|bytes| !bytes.is_empty());
    }

    /// Adds pages that were read.
    pub(super) fn push_step(&mut self, step: Step) {
        if !step.pages.is_empty() {
            self.images += step.images.len();
            self.steps.push_back(step);
        }
    }

    /// Bytes of page images in memory.
    pub(super) fn image_bytes(&self) -> usize {
        self.images
    }

    /// The pages that were read first.
    pub(super) fn next_step(&mut self) -> Option<Step> {
        let step = self.steps.pop_front()?;
        self.images -= step.images.len();
        Some(step)
    }

    /// The next bytes of the object, before any pages.
    pub(super) fn next_bytes(&mut self) -> Result<Option<Vec<u8>>, state::Error> {
        if let Some(bytes) = self.bytes.take() {
            return Ok(Some(bytes));
        }
        let Some(spool) = &mut self.file else { return Ok(None) };
        let mut bytes = vec![0; usize::try_from(spool.len - spool.read).unwrap_or(BLOCK).min(BLOCK)];
        let read = spool.file.seek(SeekFrom::Start(spool.read)).and_then(|_| spool.file.read_exact(&mut bytes));
        read.map_err(state::Error::io("read", NAME))?;
        spool.read += bytes.len() as u64;
        if spool.read == spool.len {
            self.file = None;
        }
        Ok(Some(bytes).filter(|bytes| !bytes.is_empty()))
    }

    /// Puts bytes of the object, made of the pages that were read first, into the file.
    pub(super) fn spool(&mut self, state: &StateDir, bytes: &[u8]) -> Result<(), state::Error> {
        let spool = match &mut self.file {
            Some(spool) => spool,
            None => self.file.insert(Spool { file: state.unnamed(NAME)?, len: 0, read: 0 }),
        };
        let written = spool.file.seek(SeekFrom::Start(spool.len)).and_then(|_| spool.file.write_all(bytes));
        written.map_err(state::Error::io("write", NAME))?;
        spool.len += bytes.len() as u64;
        Ok(())
    }
}

const NAME: &str = "spool";
