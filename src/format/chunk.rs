//! Making the records of chunks: one after the other, or on several cores where there are many.

use std::borrow::Cow;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{LazyLock, Mutex, MutexGuard, OnceLock, PoisonError};
use std::thread;

use sha2::{Digest as _, Sha256};

use super::record::{self, FRAME_LEN, kind};
use crate::compress::{self, Compression, Compressor};
use crate::ids::Digest;
use crate::units::{PageHash, PageNo};

/// Threads of the process that help at the same time, at most.
static HELPERS: LazyLock<usize> =
    LazyLock::new(|| thread::available_parallelism().map_or(0, |cores| cores.get().min(8) - 1));

/// How many help at the moment.
static HELPING: AtomicUsize = AtomicUsize::new(0);

/// Compressors that nobody uses at the moment, as many as there may be helpers, and one: each has some memory.
static SPARE: Mutex<Vec<Compressor>> = Mutex::new(Vec::new());

/// Pages that go into one chunk, ascending.
#[derive(Debug)]
pub(super) struct Chunk<'a> {
    pub(super) pages: Cow<'a, [(PageNo, PageHash)]>,
    /// Their images, one after the other.
    pub(super) images: Cow<'a, [u8]>,
}

/// A chunk as it is stored.
#[derive(Debug)]
pub(super) struct Record {
    pub(super) bytes: Vec<u8>,
    /// The runs of its pages, as the index has them, too.
    pub(super) runs: Vec<u8>,
    pub(super) digest: Digest,
}

/// Makes records: the same ones, however many help.
#[derive(Debug)]
pub(super) struct Chunks {
    compression: Compression,
    /// In place as long as this lives.
    compressor: Option<Compressor>,
    /// What records were written to before.
    rooms: Vec<Vec<u8>>,
}

impl Chunks {
    pub(super) fn new(compression: Compression) -> Result<Chunks, compress::Error> {
        Ok(Chunks { compression, compressor: Some(compressor(compression)?), rooms: Vec::new() })
    }

    /// The records of these chunks, in their order.
    ///
    /// # Errors
    ///
    /// If a compressor finds no memory.
    pub(super) fn records(&mut self, chunks: &[Chunk<'_>]) -> Result<Vec<Record>, compress::Error> {
        let records: Vec<OnceLock<_>> = chunks.iter().map(|_| OnceLock::new()).collect();
        let rooms: Vec<Mutex<Vec<u8>>> = chunks.iter().map(|_| self.rooms.pop().unwrap_or_default().into()).collect();
        let next = AtomicUsize::new(0);
        let work = |compressor: &mut Compressor| {
            while let Some(((chunk, record), room)) = {
                let at = next.fetch_add(1, Ordering::Relaxed);
                chunks.get(at).zip(records.get(at)).zip(rooms.get(at))
            } {
                let room = std::mem::take(&mut *room.lock().unwrap_or_else(PoisonError::into_inner));
                let _ = record.set(encode(compressor, chunk, room));
            }
        };
        let helpers = Helpers::take(chunks.len().saturating_sub(1));
        thread::scope(|scope| {
            for _ in 0..helpers.0 {
                let help = || {
                    if let Ok(mut compressor) = compressor(self.compression) {
                        work(&mut compressor);
                        spare(compressor);
                    }
                };
                // Who cannot be had leaves more to the others.
                let _ = thread::Builder::new().name("waloy-compress".into()).spawn_scoped(scope, help);
            }
            if let Some(compressor) = &mut self.compressor {
                work(compressor);
            }
        });
        records.into_iter().map(|record| record.into_inner().expect("every one was taken by somebody")).collect()
    }

    /// Takes the room of a record back, to be used again.
    pub(super) fn done(&mut self, record: Record) {
        self.rooms.push(record.bytes);
    }
}

impl Drop for Chunks {
    fn drop(&mut self) {
        self.compressor.take().into_iter().for_each(spare);
    }
}

/// Threads that may help until this is dropped.
struct Helpers(usize);

impl Helpers {
    fn take(most: usize) -> Helpers {
        let mut taken = 0;
        let _ = HELPING.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |helping| {
            taken = most.min(HELPERS.saturating_sub(helping));
            Some(helping + taken)
        });
        Helpers(taken)
    }
}

impl Drop for Helpers {
    fn drop(&mut self) {
        HELPING.fetch_sub(self.0, Ordering::Relaxed);
    }
}

fn spares() -> MutexGuard<'static, Vec<Compressor>> {
    SPARE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// One that is spare, or a new one.
fn compressor(compression: Compression) -> Result<Compressor, compress::Error> {
    let mut spares = spares();
    match spares.iter().position(|spare| spare.compression() == compression) {
        Some(at) => Ok(spares.swap_remove(at)),
        None => {
            drop(spares);
            Compressor::new(compression)
        }
    }
}

fn spare(compressor: Compressor) {
    let mut spares = spares();
    if spares.len() > *HELPERS {
        // The oldest are of a compression that is used no more.
        spares.remove(0);
    }
    spares.push(compressor);
}

fn encode(compressor: &mut Compressor, chunk: &Chunk<'_>, mut bytes: Vec<u8>) -> Result<Record, compress::Error> {
    let runs = encode_runs(&chunk.pages);
    bytes.clear();
    bytes.extend_from_slice(&[0; FRAME_LEN]);
    bytes.extend_from_slice(&((runs.len() / 8) as u32).to_le_bytes());
    bytes.extend_from_slice(&runs);
    compressor.compress(&chunk.images, &mut bytes)?;
    let frame = record::frame(kind::CHUNK, bytes.len() - FRAME_LEN);
    bytes[..FRAME_LEN].copy_from_slice(&frame);
    let digest = Digest(Sha256::digest(&bytes).into());
    Ok(Record { bytes, runs, digest })
}

/// The runs of these ascending pages: as few as there can be.
fn encode_runs(pages: &[(PageNo, PageHash)]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for run in pages.chunk_by(|(a, _), (b, _)| a.get() + 1 == b.get()) {
        bytes.extend_from_slice(&run[0].0.get().to_le_bytes());
        bytes.extend_from_slice(&(run.len() as u32).to_le_bytes());
    }
    bytes
}
