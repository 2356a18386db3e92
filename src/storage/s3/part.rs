//! The parts of a multipart upload: how large, where they are kept, how many at once.

use std::fs::{File, OpenOptions};
use std::io::{self, Write as _};
use std::os::fd::AsRawFd as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};
use std::sync::{Arc, LazyLock};

use aws_sdk_s3::primitives::ByteStream;
use bytes::Bytes;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

/// How many parts an object may have. Source: the limits of Amazon S3, as the other two.
pub(super) const MAX_PARTS: u32 = 10_000;
const MIN_LEN: u64 = 5 * 1024 * 1024;
const MAX_LEN: u64 = 5 * 1024 * 1024 * 1024;

/// What one part may take in memory; a larger one is kept in a file.
const IN_MEMORY: u64 = 8 * 1024 * 1024;

/// What the parts of the whole process have in memory, from their first byte until they are sent: 24 MiB.
///
/// Nobody waits for it: an upload may hold a part that is half full while its writer waits for another upload, and two
/// such writers would wait for each other. A part that finds no room here, or no more, is kept in a file.
static MEMORY: LazyLock<Arc<Semaphore>> = LazyLock::new(|| Arc::new(Semaphore::new(3 * IN_MEMORY as usize / SLICE)));

/// Memory is taken in slices of this length, as a part grows: what is small takes little.
const SLICE: usize = 64 * 1024;

/// How large the parts of a multipart upload are. S3 takes at most 10,000 of them, so they must grow.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct PartSize {
    /// Bytes of the first parts, at least 5 MiB. Parts above 8 MiB are kept in a file until they are sent.
    pub first: u64,
    /// After so many parts the size doubles, again and again, up to 5 GiB.
    pub doubled_after: u32,
}

impl Default for PartSize {
    /// 8 MiB, doubled after 1,000 parts: in memory up to objects of 8 GiB, and enough for more than 5 TiB.
    fn default() -> PartSize {
        PartSize { first: IN_MEMORY, doubled_after: 1000 }
    }
}

impl PartSize {
    /// The length of a part, by its number from 1.
    pub(super) fn len(self, number: u32) -> u64 {
        let doublings = number.saturating_sub(1) / self.doubled_after.max(1);
        let factor = 1u64.checked_shl(doublings).unwrap_or(u64::MAX);
        self.first.saturating_mul(factor).clamp(MIN_LEN, MAX_LEN)
    }
}

/// A part being filled or sent.
#[derive(Debug)]
pub(super) struct Part {
    bytes: Kept,
    len: u64,
    room: u64,
    /// Of the memory that it takes.
    permit: Option<OwnedSemaphorePermit>,
    /// The directory for a file.
    spool: PathBuf,
}

#[derive(Debug)]
enum Kept {
    Memory(Vec<u8>),
    Sealed(Bytes),
    File(Spool),
}

impl Part {
    /// An empty part for so many bytes: in memory if it is not long, as far as the process may have more there.
    pub(super) fn begin(len: u64, spool: &Path) -> io::Result<Part> {
        let bytes = if len <= IN_MEMORY { Kept::Memory(Vec::new()) } else { Kept::File(Spool::create(spool)?) };
        Ok(Part { bytes, len: 0, room: len, permit: None, spool: spool.to_owned() })
    }

    pub(super) fn is_full(&self) -> bool {
        self.room == 0
    }

    /// Takes bytes from the front, as many as there is room for.
    pub(super) fn take(&mut self, bytes: &mut Bytes) -> io::Result<()> {
        let taken = bytes.split_to(bytes.len().min(usize::try_from(self.room).unwrap_or(usize::MAX)));
        if let Kept::Memory(kept) = &self.bytes
            && !has_room(&mut self.permit, kept.len() + taken.len(), kept.len() + self.room as usize)
        {
            let mut file = Spool::create(&self.spool)?;
            file.file.write_all(kept)?;
            (self.bytes, self.permit) = (Kept::File(file), None);
        }
        match &mut self.bytes {
            Kept::Memory(kept) => {
                // No more than was taken of the memory for all.
                kept.reserve_exact((permits(self.permit.as_ref()) * SLICE).saturating_sub(kept.len()));
                kept.extend_from_slice(&taken);
            }
            Kept::File(kept) => kept.file.write_all(&taken)?,
            Kept::Sealed(_) => return Err(io::Error::other("the part is closed")),
        }
        self.room -= taken.len() as u64;
        self.len += taken.len() as u64;
        Ok(())
    }

    /// Nothing more comes: from now on the bytes can be had any number of times.
    pub(super) fn seal(&mut self) {
        if let Kept::Memory(bytes) = &mut self.bytes {
            let mut bytes = std::mem::take(bytes);
            bytes.shrink_to_fit();
            let surplus = permits(self.permit.as_ref()) - bytes.len().div_ceil(SLICE);
            drop(self.permit.as_mut().and_then(|permit| permit.split(surplus)));
            self.bytes = Kept::Sealed(Bytes::from(bytes));
        }
        self.room = 0;
    }

    /// How many bytes it has.
    pub(super) fn len(&self) -> u64 {
        self.len
    }

    /// The body of a request.
    pub(super) async fn body(&self) -> io::Result<ByteStream> {
        match &self.bytes {
            Kept::Sealed(bytes) => Ok(ByteStream::from(bytes.clone())),
            Kept::Memory(_) => Err(io::Error::other("the part is open")),
            Kept::File(spool) => ByteStream::from_path(&spool.path).await.map_err(io::Error::other),
        }
    }
}

fn permits(permit: Option<&OwnedSemaphorePermit>) -> usize {
    permit.map_or(0, OwnedSemaphorePermit::num_permits)
}

/// Sees to memory for bytes of this length, `false` if there is none: for twice as many, of which there may be `most`, since
/// what grows by each slice is moved for each.
fn has_room(permit: &mut Option<OwnedSemaphorePermit>, len: usize, most: usize) -> bool {
    permits(permit.as_ref()) * SLICE >= len || grow(permit, (2 * len).min(most)) || grow(permit, len)
}

/// Takes as much more memory as bytes of this length need; `false` if there is none.
fn grow(permit: &mut Option<OwnedSemaphorePermit>, len: usize) -> bool {
    let more = len.div_ceil(SLICE).saturating_sub(permits(permit.as_ref()));
    let Ok(taken) = Arc::clone(&MEMORY).try_acquire_many_owned(more as u32) else { return false };
    match permit {
        Some(permit) => permit.merge(taken),
        None => *permit = Some(taken),
    }
    true
}

/// A temporary file of our own. It goes when it is dropped, and where the system can have files without a name, however the
/// process ends.
#[derive(Debug)]
struct Spool {
    file: File,
    /// Where it can be opened.
    path: PathBuf,
    has_name: bool,
}

impl Spool {
    fn create(folder: &Path) -> io::Result<Spool> {
        let random = u64::from_le_bytes(crate::clock::random());
        let path = folder.join(format!("waloy-part-{}-{random:016x}", std::process::id()));
        let file = OpenOptions::new().write(true).create_new(true).mode(0o600).open(&path)?;
        let nameless = PathBuf::from(format!("/proc/self/fd/{}", file.as_raw_fd()));
        if std::fs::metadata(&nameless).is_ok() && std::fs::remove_file(&path).is_ok() {
            return Ok(Spool { file, path: nameless, has_name: false });
        }
        Ok(Spool { file, path, has_name: true })
    }
}

impl Drop for Spool {
    fn drop(&mut self) {
        if self.has_name {
            let _ = std::fs::remove_file(&self.path);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ten_thousand_parts_are_enough_for_five_tebibytes() {
        let size = PartSize::default();
        assert_eq!(size.len(1), 8 << 20);
        assert_eq!(size.len(1000), 8 << 20);
        assert_eq!(size.len(1001), 16 << 20);
        let whole: u64 = (1..=MAX_PARTS).map(|number| size.len(number)).sum();
        assert!(whole > 5 << 40, "{whole}");
        assert!((1..=MAX_PARTS).all(|number| (MIN_LEN..=MAX_LEN).contains(&size.len(number))));
        assert_eq!(PartSize { first: 1, doubled_after: 0 }.len(u32::MAX), MAX_LEN);
    }

    #[tokio::test]
    async fn a_large_part_is_in_a_file_that_goes_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let mut part = Part::begin(9 << 20, folder.path()).unwrap();
        let mut bytes = Bytes::from(vec![7; 10 << 20]);
        part.take(&mut bytes).unwrap();
        assert!(part.is_full() && bytes.len() == 1 << 20);
        part.seal();
        for _ in 0..2 {
            let body = part.body().await.unwrap().collect().await.unwrap().into_bytes();
            assert!(body.len() == 9 << 20 && body.iter().all(|byte| *byte == 7));
        }
        #[cfg(target_os = "linux")]
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0, "it has no name");
        drop(part);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }

    /// A snapshot that was being uploaded held a part while a segment was uploaded in between: with three databases at
    /// that at once, all waited for ever.
    #[tokio::test]
    async fn a_part_that_finds_no_room_in_memory_is_kept_in_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut parts: Vec<Part> = (0..8).map(|_| Part::begin(5 << 20, folder.path()).unwrap()).collect();
        let content = Bytes::from_iter((0..5u32 << 20).map(|at| at as u8));
        // A little of each in turn, so that some have to leave memory half full.
        for from in (0..content.len()).step_by(1 << 20) {
            parts.iter_mut().for_each(|part| part.take(&mut content.slice(from..from + (1 << 20))).unwrap());
        }
        assert!(parts.iter().filter(|part| matches!(part.bytes, Kept::File(_))).count() >= 4);
        for part in &mut parts {
            part.seal();
            let kept = part.body().await.unwrap().collect().await.unwrap().into_bytes();
            assert!(kept == content);
        }
        drop(parts);
        assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 0);
    }
}
