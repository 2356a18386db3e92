//! Streaming collected pages into an object in parts: a snapshot, or a segment too large for memory.

use bytes::Bytes;

use super::collect::{Closed, Step};
use super::context::Context;
use super::error::Error;
use super::observer::ObserverThread;
use super::parcel::place;
use super::pending::Tracker;
use crate::compress::Compression;
use crate::format::{Header, PageFileWriter, PageHasher, Summary};
use crate::ids::Digest;
use crate::replica::{Name, envelope};
use crate::state::{Intent, PageHashes};
use crate::storage::Upload;
use crate::units::{DbChecksum, PageHash, PageNo, PageSize};

/// When this much is left, or less, capture may be held still while it is read.
const SMALL: usize = 8 << 20;

/// An object that is being written while the database lives on.
#[derive(Debug)]
pub(super) struct Collector {
    tracker: Tracker,
    name: Name,
    page_size: PageSize,
    upload: Box<dyn Upload>,
    /// The id of the upload that the intent has.
    intended: String,
    /// What the writing thread works on; out of here only while it does.
    work: Option<Work>,
    /// How many pages the last round had.
    round: usize,
    /// Bytes given to the upload.
    pub(super) sent: u64,
}

#[derive(Debug)]
struct Work {
    file: PageFileWriter,
    table: PageHashes,
}

/// What a finished object leaves behind.
#[derive(Debug)]
pub(super) struct Collected {
    pub(super) upload: Box<dyn Upload>,
    pub(super) table: PageHashes,
    pub(super) digest: Digest,
    pub(super) stored_bytes: u64,
}

/// What comes after a round.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Next {
    /// One more.
    Round,
    /// The last one.
    Freeze,
}

impl Collector {
    /// Begins the object; its intent is on disk before its first byte is sent. `table` stands for what the replica
    /// holds: pages that are so already are left out.
    pub(super) async fn begin(
        context: &Context,
        tracker: Tracker,
        name: Name,
        header: &Header,
        compression: Compression,
        table: PageHashes,
    ) -> Result<Collector, Error> {
        let upload = context.store.upload(&name.key()).await?;
        let file = PageFileWriter::new(header, compression)?;
        let mut collector = Collector {
            tracker,
            name,
            page_size: header.page_size,
            intended: String::new(),
            upload,
            work: Some(Work { file, table }),
            round: usize::MAX,
            sent: 0,
        };
        collector.intend(context)?;
        collector.write(context, envelope(name).to_vec()).await?;
        Ok(collector)
    }

    fn intend(&mut self, context: &Context) -> Result<(), Error> {
        self.upload.id().clone_into(&mut self.intended);
        let (generation, index) = place(self.name);
        let upload = Some(self.intended.clone());
        Ok(Intent { generation, index, digest: None, upload }.save(&context.state, &[])?)
    }

    /// Reads, hashes, compresses and sends the next pages; `false` when the round is over.
    pub(super) async fn step(&mut self, context: &Context, observer: &ObserverThread) -> Result<bool, Error> {
        let tracker = self.tracker;
        let step = observer.call(move |observer| observer.collect_step(tracker)).await??;
        let more = !step.pages.is_empty();
        self.process(context, vec![step]).await?;
        Ok(more)
    }

    /// A round is over: whether another one is worth it.
    pub(super) async fn next(&mut self, observer: &ObserverThread) -> Result<Next, Error> {
        self.work().file.flush()?;
        let tracker = self.tracker;
        let changed = observer.call(move |observer| observer.collect_again(tracker)).await??;
        let small = changed * self.page_size.len() <= SMALL;
        let shrinks = changed < self.round;
        self.round = changed;
        Ok(if small || !shrinks { Next::Freeze } else { Next::Round })
    }

    /// The last round: capture stops at a commit until the rest is read. `None` if it cannot end there.
    ///
    /// The steps that come back are read, and still have to be [processed](Self::process).
    pub(super) async fn freeze(
        &mut self,
        context: &Context,
        observer: &ObserverThread,
        needs_images: bool,
    ) -> Result<Option<(Closed, Vec<Step>)>, Error> {
        let tracker = self.tracker;
        if !observer.call(move |observer| observer.collect_freeze(tracker, needs_images)).await?? {
            return Ok(None);
        }
        let mut held = Vec::new();
        let mut bytes = 0;
        loop {
            let step = observer.call(move |observer| observer.collect_step(tracker)).await??;
            if step.pages.is_empty() {
                break;
            }
            bytes += step.images.len();
            held.push(step);
            // What does not fit into memory is sent while capture stands still.
            if bytes > 2 * SMALL {
                bytes = 0;
                self.process(context, std::mem::take(&mut held)).await?;
            }
        }
        let closed = observer.call(move |observer| observer.collect_close(tracker)).await?;
        Ok(Some((closed, held)))
    }

    /// The checksum of the database, of so many pages, as far as it was collected.
    pub(super) fn checksum(&mut self, pages: u32) -> Result<DbChecksum, Error> {
        let table = &mut self.work().table;
        table.resize(pages)?;
        Ok(table.checksum())
    }

    /// Sends the end of the object. Only the step that makes it visible is left.
    pub(super) async fn finish(mut self, context: &Context, summary: &Summary) -> Result<Collected, Error> {
        let Work { file, table } = self.work.take().expect("the writing thread has given its work back");
        let finished = file.finish(summary)?;
        self.write(context, finished.bytes).await?;
        Ok(Collected { upload: self.upload, table, digest: finished.digest, stored_bytes: self.sent })
    }

    /// Gives the object up.
    pub(super) async fn abort(mut self, context: &Context) {
        match self.upload.abort().await {
            Ok(()) => {
                if let Err(error) = self.forget(context) {
                    tracing::warn!(%error, "cannot forget an upload that was given up");
                }
            }
            // The intent stays: the next start gives it up.
            Err(error) => tracing::warn!(%error, "cannot give an upload up"),
        }
    }

    /// Forgets the intent, unless it is that of a segment that was sent meanwhile: its fate may still be open.
    fn forget(&self, context: &Context) -> Result<(), Error> {
        match Intent::load(&context.state)? {
            Some((intent, _)) if (intent.generation, intent.index) == place(self.name) => {
                Ok(Intent::clear(&context.state)?)
            }
            _ => Ok(()),
        }
    }

    /// Hashes, compresses and sends pages that were read.
    pub(super) async fn process(&mut self, context: &Context, steps: Vec<Step>) -> Result<(), Error> {
        for step in steps.into_iter().filter(|step| !step.pages.is_empty()) {
            context.hooks.progress.advance(step.images.len() as u64);
            let mut work = self.work.take().expect("the writing thread has given its work back");
            let (hasher, page_len) = (context.hasher.clone(), self.page_size.len());
            let done = tokio::task::spawn_blocking(move || {
                let bytes = work.add(&step, &hasher, page_len);
                Ok::<_, Error>((work, bytes))
            });
            let (work, bytes) = joined(done.await)?;
            self.work = Some(work);
            self.write(context, bytes?).await?;
        }
        Ok(())
    }

    async fn write(&mut self, context: &Context, bytes: Vec<u8>) -> Result<(), Error> {
        if bytes.is_empty() {
            return Ok(());
        }
        self.sent += bytes.len() as u64;
        self.upload.write(Bytes::from(bytes)).await?;
        // A store may begin an upload in parts only when there is more than one part.
        if self.upload.id() != self.intended { self.intend(context) } else { Ok(()) }
    }

    fn work(&mut self) -> &mut Work {
        self.work.as_mut().expect("the writing thread has given its work back")
    }
}

impl Work {
    fn add(&mut self, step: &Step, hasher: &PageHasher, page_len: usize) -> Result<Vec<u8>, Error> {
        let mut images = &step.images[..];
        for run in step.pages.chunk_by(|a, b| a.get() + 1 == b.get()) {
            let (these, rest) = images.split_at(run.len() * page_len);
            images = rest;
            let hashes: Vec<PageHash> =
                run.iter().zip(these.chunks_exact(page_len)).map(|(&page, image)| hasher.hash(page, image)).collect();
            let mut known = vec![PageHash::default(); run.len()];
            self.table.get_run(run[0], &mut known)?;
            self.table.set_run(run[0], &hashes)?;
            let changed: Vec<usize> = (0..run.len()).filter(|&at| known[at] != hashes[at]).collect();
            for part in changed.chunk_by(|a, b| a + 1 == *b) {
                let (from, to) = (part[0], part[0] + part.len());
                let pages: Vec<(PageNo, PageHash)> = (from..to).map(|at| (run[at], hashes[at])).collect();
                self.file.add(&pages, &these[from * page_len..to * page_len])?;
            }
        }
        Ok(self.file.take())
    }
}

/// What a blocking task came to; its panics are ours.
pub(super) fn joined<T, E: Into<Error>>(result: Result<Result<T, E>, tokio::task::JoinError>) -> Result<T, Error> {
    match result {
        Ok(result) => result.map_err(Into::into),
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            // The runtime is shutting down.
            Err(_) => Err(Error::Ended(super::observer::Ended)),
        },
    }
}
