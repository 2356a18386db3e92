//! Streaming collected pages into an object in parts: a snapshot, or a segment too large for memory.

use bytes::Bytes;

use super::backlog::Backlog;
use super::collect::{Closed, Step};
use super::context::Context;
use super::error::Error;
use super::observer::Watched;
use super::parcel::place;
use super::pending::Tracker;
use crate::compress::Compression;
use crate::db::Room;
use crate::format::{Header, PageFileWriter, PageHasher, Summary};
use crate::ids::Digest;
use crate::replica::{Name, Sealing};
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
    /// What was read or made while capture stood still, and has to be sent before anything else.
    backlog: Backlog,
    /// What pages were read into before, to be used again.
    room: Room,
    /// What was sent, of which the same is true.
    sent_from: Vec<u8>,
    /// The upload has bytes that it could not send.
    unsent: bool,
    /// How many pages the last round had.
    round: usize,
    /// Bytes given to the upload.
    pub(super) sent: u64,
}

#[derive(Debug)]
struct Work {
    file: PageFileWriter,
    sealing: Sealing,
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
        let sealing = context.replica.sealing(name).await?;
        context.note_keys()?;
        let upload = context.replica.upload(&name.key()).await?;
        let file = PageFileWriter::new(header, compression.in_bulk())?;
        let mut collector = Collector {
            tracker,
            name,
            page_size: header.page_size,
            intended: String::new(),
            upload,
            work: Some(Work { file, sealing, table }),
            backlog: Backlog::default(),
            room: Room::default(),
            sent_from: Vec::new(),
            unsent: false,
            round: usize::MAX,
            sent: 0,
        };
        collector.intend(context).await?;
        Ok(collector)
    }

    async fn intend(&mut self, context: &Context) -> Result<(), Error> {
        self.upload.id().clone_into(&mut self.intended);
        let (generation, index) = place(self.name);
        let upload = Some(self.intended.clone());
        context.intend(Intent { generation, index, digest: None, upload, reason: None }, Bytes::new()).await
    }

    /// Notes the upload again if a segment that was put meanwhile has taken its place: after `kill -9` the next start
    /// gives it up, and nobody pays for its parts.
    pub(super) async fn keep_intent(&mut self, context: &Context) -> Result<(), Error> {
        if Intent::load(&context.state)?.is_none() { self.intend(context).await } else { Ok(()) }
    }

    /// Reads the next pages while those before are hashed, compressed and sent; `false` when the round is over, and all of
    /// it was.
    ///
    /// After an error of the store that may pass, as of [`Collector::flush`], it can be called again and nothing is lost.
    pub(super) async fn step(&mut self, context: &Context, observer: &Watched) -> Result<bool, Error> {
        if self.unsent {
            // No more is read than can be sent.
            self.flush(context).await?;
        }
        let (tracker, room) = (self.tracker, std::mem::take(&mut self.room));
        let read = observer.call(move |observer| observer.collect_step(tracker, room));
        let (step, sent) = tokio::join!(read, self.flush(context));
        let sent = match sent {
            // What is wrong with the store for good tells more than a page that could not be read.
            Err(error) if !error.may_pass() => return Err(error),
            sent => sent,
        };
        let step = step??;
        let more = !step.pages.is_empty();
        self.backlog.push_step(step);
        sent?;
        Ok(more)
    }

    /// A round is over: whether another one is worth it.
    pub(super) async fn next(&mut self, observer: &Watched) -> Result<Next, Error> {
        self.work().file.flush()?;
        let tracker = self.tracker;
        let changed = observer.call(move |observer| observer.collect_again(tracker)).await??;
        let small = changed * self.page_size.len() <= SMALL;
        let shrinks = changed < self.round;
        self.round = changed;
        Ok(if small || !shrinks { Next::Freeze } else { Next::Round })
    }

    /// The last round: capture stops at a commit until the rest is read. `None` if it cannot end there. What was read
    /// still has to be [sent](Self::flush): while capture stands still nothing waits for the store.
    pub(super) async fn freeze(
        &mut self,
        context: &Context,
        observer: &Watched,
        needs_images: bool,
    ) -> Result<Option<Closed>, Error> {
        let tracker = self.tracker;
        if !observer.call(move |observer| observer.collect_freeze(tracker, needs_images)).await?? {
            return Ok(None);
        }
        loop {
            let step = observer.call(move |observer| observer.collect_step(tracker, Room::default())).await??;
            if step.pages.is_empty() {
                break;
            }
            self.backlog.push_step(step);
            if self.backlog.image_bytes() > 2 * SMALL {
                self.spool(context).await?;
            }
        }
        let closed = observer.call(move |observer| observer.collect_close(tracker)).await?;
        Ok(Some(closed))
    }

    /// What does not fit into memory goes into a file as the bytes of the object, sealed as in the store, until capture
    /// goes on.
    async fn spool(&mut self, context: &Context) -> Result<(), Error> {
        while let Some(step) = self.backlog.next_step() {
            let bytes = self.add(context, step).await?;
            self.backlog.spool(&context.state, &bytes)?;
        }
        Ok(())
    }

    /// The checksum of the database, of so many pages, as far as it was collected.
    pub(super) fn checksum(&mut self, pages: u32) -> Result<DbChecksum, Error> {
        let table = &mut self.work().table;
        table.resize(pages)?;
        Ok(table.checksum())
    }

    /// Sends the end of the object. Only the step that makes it visible is left.
    pub(super) async fn finish(mut self, context: &Context, summary: &Summary) -> Result<Collected, Error> {
        let Work { file, sealing, table } = self.work.take().expect("the writing thread has given its work back");
        let finished = file.finish(summary)?;
        self.backlog.push_bytes(sealing.finish(finished.bytes));
        match self.flush(context).await {
            // What could not be sent is sent with the step that makes it visible.
            Err(error) if error.may_pass() && self.backlog.is_empty() => {}
            flushed => flushed?,
        }
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

    /// Sends what was read: hashed, compressed and sealed, it goes to the upload.
    ///
    /// After an error of the store that may pass it can be called again: the upload keeps what it was given, and the
    /// rest is still here.
    pub(super) async fn flush(&mut self, context: &Context) -> Result<(), Error> {
        if self.unsent {
            self.write(context, Vec::new()).await?;
        }
        loop {
            let bytes = match self.backlog.next_bytes()? {
                Some(bytes) => bytes,
                None => match self.backlog.next_step() {
                    Some(step) => self.add(context, step).await?,
                    None => return Ok(()),
                },
            };
            if !bytes.is_empty() {
                self.write(context, bytes).await?;
            }
        }
    }

    /// Hashes, compresses and seals pages that were read: the bytes to store next.
    async fn add(&mut self, context: &Context, step: Step) -> Result<Vec<u8>, Error> {
        context.hooks.progress.advance(step.images.len() as u64);
        let mut work = self.work.take().expect("the writing thread has given its work back");
        work.file.reuse(std::mem::take(&mut self.sent_from));
        let (hasher, page_len) = (context.hasher.clone(), self.page_size.len());
        let done = crate::task::blocking(move || {
            let bytes = work.add(&step, &hasher, page_len);
            Ok::<_, Error>((work, bytes, step.images))
        });
        let (work, bytes, room) = joined(done.await)?;
        (self.work, self.room) = (Some(work), room);
        bytes
    }

    async fn write(&mut self, context: &Context, bytes: Vec<u8>) -> Result<(), Error> {
        self.sent += bytes.len() as u64;
        let bytes = Bytes::from(bytes);
        let written = self.upload.write(bytes.clone()).await;
        self.unsent = written.is_err();
        // An upload that has not kept them.
        if let Ok(mut room) = bytes.try_into_mut() {
            room.clear();
            self.sent_from = room.into();
        }
        // A store may begin an upload in parts only when there is more than one part.
        if self.upload.id() != self.intended {
            self.intend(context).await?;
        }
        Ok(written?)
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
        Ok(self.sealing.add(self.file.take()))
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
