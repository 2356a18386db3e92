//! Walking objects newest first: every page is taken from the newest object that has it.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};

use bytes::Bytes;
use tokio::sync::Semaphore;
use tokio::task::{JoinError, JoinSet};
use tokio_util::task::AbortOnDropHandle;

use super::Error;
use crate::compress::Decompressor;
use crate::format::{self, ChunkEntry, Outline, PageHasher};
use crate::planted;
use crate::progress::Progress;
use crate::replica::{self, Claimed, Name, ObjectReader, Replica};
use crate::units::{DbChecksum, PageNo};

/// Neighbouring chunks are fetched in one request of up to this many bytes. With eight of them on their way, and as many
/// small objects opened ahead and worked on, some 24 MiB are in memory. Larger requests were not faster.
const GROUP: u64 = 1 << 20;
/// Chunks that nobody wants are fetched along if they are shorter than this: cheaper than another request.
const GAP: u64 = 128 << 10;

/// Where page images go. Called from several threads.
pub(crate) trait Pages: Send + Sync + 'static {
    /// Takes the images of consecutive pages, which are proven.
    fn write(&self, first: PageNo, images: &[u8]) -> Result<(), Error>;
}

/// What is read of an object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Take {
    /// The chunks with pages that no newer object had.
    Wanted,
    /// The same, and the other chunks only to prove them.
    Everything,
    /// Everything, without taking a page.
    Prove,
}

/// Decompressors that nobody uses at the moment: as many as ever worked at the same time.
#[derive(Default)]
struct Spares(Mutex<Vec<Decompressor>>);

impl Spares {
    fn take(&self) -> Decompressor {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).pop().unwrap_or_default()
    }

    fn put(&self, decompressor: Decompressor) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(decompressor);
    }
}

/// An object could not be read.
#[derive(Debug)]
pub(crate) struct Failed {
    pub(crate) name: Name,
    pub(crate) error: Error,
}

/// Opens objects in order, several ahead. Each is a task, so that they go on while earlier ones are worked on.
pub(crate) struct Opening {
    replica: Replica,
    lanes: Arc<Semaphore>,
    ahead: usize,
    names: std::vec::IntoIter<(Name, u64)>,
    queue: VecDeque<(Name, AbortOnDropHandle<Result<ObjectReader, replica::Error>>)>,
}

impl Opening {
    pub(crate) fn new(replica: &Replica, names: Vec<(Name, u64)>, walk: &Walk) -> Opening {
        Opening {
            replica: replica.clone(),
            lanes: walk.lanes.clone(),
            ahead: walk.concurrency,
            names: names.into_iter(),
            queue: VecDeque::new(),
        }
    }

    /// The next object; `None` after the last.
    pub(crate) async fn next(&mut self) -> Option<(Name, Result<ObjectReader, replica::Error>)> {
        while self.queue.len() < self.ahead {
            let Some((name, size)) = self.names.next() else { break };
            let (replica, lanes) = (self.replica.clone(), self.lanes.clone());
            let opening = tokio::spawn(async move {
                let _lane = lanes.acquire().await;
                ObjectReader::open(&replica, name, size).await
            });
            self.queue.push_back((name, AbortOnDropHandle::new(opening)));
        }
        let (name, opening) = self.queue.pop_front()?;
        Some((name, joined(opening.await)))
    }
}

/// One chunk, and what is wanted of it.
struct Piece {
    entry: ChunkEntry,
    spans: Vec<Span>,
}

/// Consecutive pages that stand one after the other in a chunk.
struct Span {
    /// The place of the first among the pages of the chunk.
    at: usize,
    first: PageNo,
    count: usize,
}

/// Reads objects, newest first, a bounded number of requests at a time.
pub(crate) struct Walk {
    /// Without it, bytes are proven and pages are not.
    hasher: Option<PageHasher>,
    pages: Arc<dyn Pages>,
    progress: Arc<dyn Progress>,
    concurrency: usize,
    lanes: Arc<Semaphore>,
    spares: Arc<Spares>,
    jobs: JoinSet<Result<(), Failed>>,
    failures: Vec<Failed>,
    claims: Option<Claims>,
    fetched: u64,
}

/// What has been taken for the database as it is after the newest object.
struct Claims {
    claimed: Claimed,
    /// Pages of the database where it was shortest, from the present object to the newest one.
    shortest: u32,
    lock_page: PageNo,
    checksum: DbChecksum,
}

/// What came out.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Taken {
    /// Pages that no object had, the lock page aside.
    pub(crate) missing: u32,
    /// The first of them.
    pub(crate) first_missing: Option<PageNo>,
    /// XOR of the hashes of all pages taken.
    pub(crate) checksum: DbChecksum,
}

impl Walk {
    pub(crate) fn new(
        hasher: impl Into<Option<PageHasher>>,
        pages: Arc<dyn Pages>,
        concurrency: usize,
        progress: Arc<dyn Progress>,
    ) -> Walk {
        let concurrency = concurrency.max(1);
        Walk {
            hasher: hasher.into(),
            pages,
            progress,
            concurrency,
            lanes: Arc::new(Semaphore::new(concurrency)),
            spares: Arc::default(),
            jobs: JoinSet::new(),
            failures: Vec::new(),
            claims: None,
            fetched: 0,
        }
    }

    /// From here on, pages are taken for the database as it is after this object.
    pub(crate) fn begin(&mut self, newest: &Outline) {
        let pages = newest.summary.pages_after;
        let lock_page = newest.header.page_size.lock_page();
        let mut claimed = Claimed::none(pages);
        claimed.claim(lock_page);
        self.claims = Some(Claims { claimed, shortest: pages, lock_page, checksum: DbChecksum::default() });
    }

    /// Reads one object; it is the next older one unless it is only to be proven. What is wrong with it, or with one
    /// before, is found in [`Walk::failures`], not necessarily when this returns.
    pub(crate) async fn object(&mut self, reader: ObjectReader, take: Take) {
        let reader = Arc::new(reader);
        tracing::debug!(object = %reader.name(), bytes = reader.size(), "reading");
        let (mut rest, mut images) = (reader.size(), 0);
        // Bytes passed over, before the present group and behind it: told with what is fetched next, lest progress jump.
        let (mut before, mut behind) = (0, 0);
        self.fetched += reader.fetched();
        if let (Some(claims), true) = (&mut self.claims, take != Take::Prove)
            && !planted::is("a page is taken from behind a shorter database")
        {
            claims.shortest = claims.shortest.min(reader.outline().summary.pages_after);
        }
        // From the end, so that the last occurrence of a page is met first.
        for place in reader.outline().index.iter().rev() {
            let lane = self.lanes.clone();
            let entries = {
                let _lane = lane.acquire().await;
                reader.index(place).await
            };
            let entries = match entries {
                Ok(entries) => entries,
                Err(error) => {
                    self.failures.push(Failed { name: reader.name(), error: error.into() });
                    return;
                }
            };
            images += entries.iter().map(|entry| entry.hashes.len() as u64).sum::<u64>();
            self.fetched += if reader.is_whole() { 0 } else { u64::from(place.len) };
            let mut group: Vec<Piece> = Vec::new();
            for entry in entries.into_iter().rev() {
                let spans = self.claim(&entry, take);
                if spans.is_empty() && take == Take::Wanted {
                    behind += u64::from(entry.len);
                    continue;
                }
                if let (Some(last), Some(first)) = (group.first(), group.last())
                    && (end(&last.entry) - entry.offset > GROUP || first.entry.offset - end(&entry) > GAP)
                {
                    rest -= self.fetch(&reader, std::mem::take(&mut group), std::mem::take(&mut before)).await;
                }
                // What lies between two pieces of one group is fetched along with them.
                let between = std::mem::take(&mut behind);
                before += if group.is_empty() { between } else { 0 };
                group.push(Piece { entry, spans });
            }
            if !group.is_empty() {
                rest -= self.fetch(&reader, group, std::mem::take(&mut before)).await;
            }
            before += std::mem::take(&mut behind);
        }
        if images != reader.outline().images {
            let error = reader.damaged(format::Error::Images { expected: reader.outline().images, found: images });
            self.failures.push(Failed { name: reader.name(), error: error.into() });
        }
        self.progress.advance(rest);
    }

    /// Takes the pages of a chunk that no newer one had.
    fn claim(&mut self, entry: &ChunkEntry, take: Take) -> Vec<Span> {
        let mut spans: Vec<Span> = Vec::new();
        let Some(claims) = self.claims.as_mut().filter(|_| take != Take::Prove) else { return spans };
        for (at, (page, hash)) in entry.pages().enumerate() {
            if page.get() > claims.shortest || page == claims.lock_page || !claims.claimed.claim(page) {
                continue;
            }
            claims.checksum.toggle(hash);
            match spans.last_mut() {
                Some(span)
                    if span.at + span.count == at && span.first.get() as usize + span.count == page.get() as usize =>
                {
                    span.count += 1;
                }
                _ => spans.push(Span { at, first: page, count: 1 }),
            }
        }
        spans
    }

    /// Fetches neighbouring chunks, given from the last to the first. Says of how many bytes progress is told: these
    /// and those that were passed over before them.
    async fn fetch(&mut self, reader: &Arc<ObjectReader>, group: Vec<Piece>, passed: u64) -> u64 {
        let (Some(last), Some(first)) = (group.first(), group.last()) else { return 0 };
        let range = first.entry.offset..end(&last.entry);
        let bytes = range.end - range.start;
        self.fetched += if reader.is_whole() { 0 } else { bytes };
        while self.jobs.len() >= self.concurrency {
            self.join().await;
        }
        let (reader, hasher, pages) = (reader.clone(), self.hasher.clone(), self.pages.clone());
        let (lanes, spares, progress) = (self.lanes.clone(), self.spares.clone(), self.progress.clone());
        self.jobs.spawn(async move {
            let name = reader.name();
            let fetched = match lanes.acquire().await {
                Ok(_lane) => reader.read(range.clone()).await,
                Err(_closed) => unreachable!("nobody closes the lanes"),
            };
            let fetched = fetched.map_err(|error| Failed { name, error: error.into() })?;
            let opened = crate::task::blocking(move || {
                let mut decompressor = spares.take();
                let opened = open(&reader, &group, &fetched, range.start, hasher.as_ref(), &mut decompressor, &*pages);
                spares.put(decompressor);
                opened
            });
            joined(opened.await).map_err(|error| Failed { name, error })?;
            progress.advance(bytes + passed);
            Ok(())
        });
        bytes + passed
    }

    async fn join(&mut self) {
        if let Some(job) = self.jobs.join_next().await
            && let Err(failed) = joined(job)
        {
            self.failures.push(failed);
        }
    }

    /// Waits for everything that is on its way.
    pub(crate) async fn drain(&mut self) {
        while !self.jobs.is_empty() {
            self.join().await;
        }
    }

    /// What has gone wrong since this was asked last.
    pub(crate) fn failures(&mut self) -> Vec<Failed> {
        std::mem::take(&mut self.failures)
    }

    /// What has been taken since [`Walk::begin`]. It is what it says only after [`Walk::drain`], without failures.
    pub(crate) fn taken(&self) -> Option<Taken> {
        self.claims.as_ref().map(|claims| Taken {
            missing: claims.claimed.left(),
            first_missing: claims.claimed.first_left(),
            checksum: claims.checksum,
        })
    }

    /// Bytes fetched, those on their way included.
    pub(crate) fn fetched(&self) -> u64 {
        self.fetched
    }
}

fn end(entry: &ChunkEntry) -> u64 {
    entry.offset + u64::from(entry.len)
}

/// Proves chunks and hands their wanted pages on. `bytes` begins at `base` of the page file.
fn open(
    reader: &ObjectReader,
    group: &[Piece],
    bytes: &Bytes,
    base: u64,
    hasher: Option<&PageHasher>,
    decompressor: &mut Decompressor,
    pages: &dyn Pages,
) -> Result<(), Error> {
    let header = &reader.outline().header;
    let len = header.page_size.len();
    for Piece { entry, spans } in group {
        let record = &bytes[(entry.offset - base) as usize..(end(entry) - base) as usize];
        let images = match hasher {
            Some(hasher) => entry.open(record, header, hasher, decompressor),
            None => entry.unhashed(record, header, decompressor),
        };
        let images = images.map_err(|source| reader.damaged(source))?;
        for span in spans {
            pages.write(span.first, &images[span.at * len..(span.at + span.count) * len])?;
        }
    }
    Ok(())
}

/// A task that panicked has broken an invariant: so has whoever waits for it.
fn joined<T>(joined: Result<T, JoinError>) -> T {
    match joined {
        Ok(value) => value,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => unreachable!("nobody cancels the task: {error}"),
        },
    }
}
