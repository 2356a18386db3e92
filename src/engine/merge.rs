//! Merging from the live database, without reading anything from the store.
//!
//! The newest image of every page that changed in a range is in the database itself, as long as nothing was committed
//! after the range's end: so the range ends where its pages were read. Its pages are collected as for a snapshot, and in
//! the last round, under one pin, the current segment is closed at the same commit. Only when the store has acknowledged
//! that segment is the merged one put, by a task of its own: no sync waits for it.
//!
//! A page that is no longer in the WAL comes from the database file, and nothing proves what a file gives. So every one
//! is held against the table of page hashes, which stands for the commit at which the range ends: of a file that is
//! damaged no merged segment is made, and its segments, which have what was committed, are what counts.

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use tokio_util::task::AbortOnDropHandle;

use super::collect::Step;
use super::collector::joined;
use super::context::Context;
use super::error::Error;
use super::observer::Observer;
use super::page_set::PageSet;
use super::pending::{Boundary, Pages, Span, Tracker};
use super::reopen::reopen;
use super::segment::mark;
use super::session::Session;
use super::spool::{Spool, SpoolFile, Spooled};
use super::turns::Turn;
use crate::compact::{Found, read_back, read_back_or_delete, settle};
use crate::db::{self, Room};
use crate::format::{Header, Kind, ManifestMerged, PageFileWriter, PageHasher, Summary, Times};
use crate::ids::Digest;
use crate::planted;
use crate::replica::{Name, Replica};
use crate::state::PageHashes;
use crate::storage::Put;
use crate::units::{PageHash, PageNo, SegmentIndex};

/// When this much is left, or less, capture may be held still while it is read.
const SMALL: usize = 8 << 20;
/// What is longer is given up, and left to `compact`: the disk of the application is not ours to fill.
const LONGEST: u64 = 256 << 20;
/// What has more pages is given up, too: as many as that has of the smallest. Their hashes are held, in some 14 MiB.
const MOST_PAGES: usize = (LONGEST / 512) as usize;
/// Bytes that are sent at a time.
const PIECE: usize = 4 << 20;
/// How often an object is put before that is given up, and the pause after the first time. The store tries by itself.
const TRIES: u32 = 4;
const PAUSE: Duration = Duration::from_secs(1);

/// A merged segment that is being made.
#[derive(Debug)]
pub(super) struct Merge {
    /// Held while it lasts.
    _turn: Turn,
    level: usize,
    first: SegmentIndex,
    /// What the writing thread works on; out of here only while it does.
    work: Option<Work>,
    page_len: usize,
    /// How many pages the last round had.
    round: usize,
}

#[derive(Debug)]
struct Work {
    file: PageFileWriter,
    /// The page file so far.
    spool: Spool,
    /// The hash of every page in it; of one that was read several times, the last one counts.
    hashes: BTreeMap<PageNo, PageHash>,
}

/// How long a merge waits for its turn: replication waits meanwhile.
const PATIENCE: Duration = Duration::from_millis(100);

/// How far a merge is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// There is more to read.
    Reading,
    /// Everything was read; the newest segment ends at the same commit, and the store has it.
    Read,
    /// There is more than may be held.
    TooLong,
}

impl Merge {
    /// Begins the merge that is due, if one is.
    pub(super) async fn begin(session: &mut Session, context: &Context) -> Result<Option<Merge>, Error> {
        // A merge ends with a segment, which a generation that has ended must not get.
        let ended = session.ended && !planted::is("a segment is added behind the end of a generation");
        if !session.goes_on() || ended || session.broken || session.outbox.is_some() {
            return Ok(None);
        }
        if session.merging.due(context.now()).is_some()
            && session.merging.is_to_be_reopened()
            && let Err(error) = reopen(session, context).await
        {
            tracing::debug!(%error, "what was open before is left to `compact`");
        }
        while let Some(level) = session.merging.due(context.now()) {
            if session.merging.is_worth(level) {
                return Merge::of(session, context, level).await;
            }
            // One object stands for it already.
            session.merging.close(level);
        }
        Ok(None)
    }

    async fn of(session: &Session, context: &Context, level: usize) -> Result<Option<Merge>, Error> {
        let (Some((first, range)), Some(known)) = (session.merging.open(level), &session.replica) else {
            return Ok(None);
        };
        let page_size = session.observer.page_size;
        let header = Header {
            kind: Kind::Merged,
            codec: context.options.compression.codec(),
            page_size,
            generation: known.generation,
            first,
            first_time: range.first_time,
            checksum_before: range.checksum_before,
            predecessor: range.predecessor,
            writer: context.writer,
            previous: None,
        };
        let turn = Turn::to_collect_soon(PATIENCE).await;
        let file = PageFileWriter::new(&header, context.options.compression)?;
        let spool = Spool::new(context.state.file("merge"), context.replica.is_sealed());
        let pages = range.pages.clone();
        session.observer.call(move |observer| observer.collect_changed(pages)).await??;
        let work = Some(Work { file, spool, hashes: BTreeMap::new() });
        Ok(Some(Merge { _turn: turn, level, first, work, page_len: page_size.len(), round: usize::MAX }))
    }

    /// Goes on a little: so that segments can be uploaded in between.
    pub(super) async fn step(&mut self, session: &mut Session, context: &Context) -> Result<Progress, Error> {
        let step = session.observer.call(|observer| observer.collect_step(Tracker::Merge, Room::default())).await??;
        if !step.pages.is_empty() {
            return self.process(context, vec![step]).await;
        }
        self.work().file.flush()?;
        let changed = session.observer.call(|observer| observer.collect_again(Tracker::Merge)).await??;
        let again = changed * self.page_len > SMALL && changed < self.round;
        self.round = changed;
        if again { Ok(Progress::Reading) } else { self.end(session, context).await }
    }

    /// The last round: capture stops at a commit until the rest is read, and the current segment ends there.
    async fn end(&mut self, session: &mut Session, context: &Context) -> Result<Progress, Error> {
        // Nothing else may be on its way when the range ends.
        let synced = session.deliver(context).await?;
        session.merging.synced = synced.or(session.merging.synced);
        if !session.observer.call(|observer| observer.collect_freeze(Tracker::Merge, true)).await?? {
            // More was captured than a segment may have in memory: that goes first.
            let synced = session.sync(context).await?;
            session.merging.synced = synced.or(session.merging.synced);
            return Ok(Progress::Reading);
        }
        let mut held = Vec::new();
        loop {
            let step =
                session.observer.call(|observer| observer.collect_step(Tracker::Merge, Room::default())).await??;
            if step.pages.is_empty() {
                break;
            }
            if !planted::is("a merge leaves its last round out") {
                held.push(step);
            }
            // What does not fit into memory is written while capture stands still.
            if held.iter().map(|step| step.images.len()).sum::<usize>() > 2 * SMALL
                && self.process(context, std::mem::take(&mut held)).await? == Progress::TooLong
            {
                return Ok(Progress::TooLong);
            }
        }
        let closed = session.observer.call(|observer| observer.collect_close(Tracker::Merge)).await?;
        if let (false, Pages::Images(images)) = (closed.span.is_empty(), closed.pages) {
            session.seal(context, images, closed.span, closed.boundary).await?;
            let synced = session.deliver(context).await?;
            session.merging.synced = synced.or(session.merging.synced);
        }
        match self.process(context, held).await? {
            Progress::TooLong => Ok(Progress::TooLong),
            _ => Ok(Progress::Read),
        }
    }

    /// Everything was read: the object is finished and put, while replication goes on.
    pub(super) async fn finish(mut self, session: &mut Session, context: &Context) -> Result<(), Error> {
        session.observer.call(|observer| observer.collect_end(Tracker::Merge)).await?;
        // It took so long that the range began anew.
        if session.merging.open(self.level).is_none_or(|(first, _)| first != self.first) {
            return Ok(());
        }
        let Some(((closed, range), known)) = session.merging.close(self.level).zip(session.replica.clone()) else {
            return Ok(());
        };
        let Work { file, mut spool, hashes } = self.work.take().expect("the writing thread has given its work back");
        if let Some(page) = session.read_wrongly(hashes).await? {
            let (generation, first, last) = (known.generation, closed.first, closed.last);
            // The range is closed: what closes next is another one, so that the same is not tried again and again.
            tracing::error!(
                %generation, %first, %last, %page,
                "the database file is damaged: it has another page than was committed; these segments are not merged"
            );
            return Ok(());
        }
        let table = session.table.as_ref().expect("a session with a replica has its table");
        let position = known.wal.position().unwrap_or_default();
        let summary = Summary {
            flags: range.flags,
            pages_after: known.pages,
            last: closed.last,
            last_time: known.at(),
            unobserved: range.unobserved,
            transactions: range.transactions,
            transactions_since_snapshot: known.transactions,
            wal_bytes: range.wal_bytes,
            checksum_after: table.checksum(),
            wal: mark(Boundary { pages: known.pages, position, at: known.at() }),
            joins: Some(known.digest),
        };
        let times = Times { level: closed.level, points: closed.points };
        let name = Name::Merged(known.generation, closed.first, closed.last);
        let done = crate::task::blocking(move || {
            let finished = file.finish_merged(&summary, &times)?;
            spool.write(&finished.bytes).map_err(spooling)?;
            let spooled = spool.finish().map_err(spooling)?;
            Ok::<_, Error>((spooled, finished.digest, summary, times.level))
        });
        let (spooled, digest, summary, level) = joined(done.await)?;
        let made = Made { name, digest, spooled };
        let (replica, hasher, conditional) = (context.replica.clone(), context.hasher.clone(), context.conditional);
        let putting = tokio::spawn(async move {
            let stored = made.put(&replica, &hasher, conditional).await?;
            let (first, last, at) = (closed.first, closed.last, summary.last_time);
            Ok(stored.map(|bytes| (known.generation, ManifestMerged { first, last, level, at, bytes, digest })))
        });
        session.merging.putting = Some(AbortOnDropHandle::new(putting));
        Ok(())
    }

    /// Gives it up; the range stays open.
    pub(super) async fn abandon(self, session: &Session) -> Result<(), Error> {
        Ok(session.observer.call(|observer| observer.collect_end(Tracker::Merge)).await?)
    }

    /// Gives it up for good: what is in the range is left to `compact`.
    pub(super) async fn leave(self, session: &mut Session) -> Result<(), Error> {
        tracing::warn!(first = %self.first, "more changed than can be merged here: `waloy compact` does it");
        session.merging.close(self.level);
        self.abandon(session).await
    }

    /// Hashes, compresses and keeps pages that were read.
    async fn process(&mut self, context: &Context, steps: Vec<Step>) -> Result<Progress, Error> {
        let mut work = self.work.take().expect("the writing thread has given its work back");
        let (hasher, page_len) = (context.hasher.clone(), self.page_len);
        let done = crate::task::blocking(move || {
            let done = steps.iter().try_for_each(|step| work.add(step, &hasher, page_len));
            Ok::<_, Error>((work, done))
        });
        let (work, done) = joined(done.await)?;
        let long = work.spool.len() > LONGEST || work.hashes.len() > MOST_PAGES;
        self.work = Some(work);
        done?;
        Ok(if long { Progress::TooLong } else { Progress::Reading })
    }

    fn work(&mut self) -> &mut Work {
        self.work.as_mut().expect("the writing thread has given its work back")
    }
}

impl Work {
    fn add(&mut self, step: &Step, hasher: &PageHasher, page_len: usize) -> Result<(), Error> {
        let images = step.images.chunks_exact(page_len);
        let pages: Vec<(PageNo, PageHash)> =
            step.pages.iter().zip(images).map(|(&page, image)| (page, hasher.hash(page, image))).collect();
        self.file.add(&pages, &step.images)?;
        self.hashes.extend(pages);
        self.spool.write(&self.file.take()).map_err(spooling)
    }
}

/// The first of these pages that the table has otherwise. Those beyond its end do not count: they were read when the
/// database was longer. The lock page is never read.
fn differing(hashes: &BTreeMap<PageNo, PageHash>, table: &PageHashes) -> Result<Option<PageNo>, Error> {
    for (&page, &hash) in hashes.iter().take_while(|(page, _)| page.get() <= table.pages()) {
        if table.get(page)? != hash {
            return Ok(Some(page));
        }
    }
    Ok(None)
}

/// The disk of the state directory is full, or worse.
fn spooling(source: std::io::Error) -> Error {
    db::Error::Io { what: "write a merged segment to", source }.into()
}

/// A merged segment that only has to be put.
///
/// It is sealed on its way out of the spool, as its name is not known before its end is: each try seals it anew, and the
/// digest tells whether what is there is ours.
#[derive(Debug)]
struct Made {
    name: Name,
    digest: Digest,
    /// Its page file.
    spooled: Spooled,
}

impl Made {
    /// Puts it where there is none, and reads it back. Says its size in the store; `None` if another one is there.
    async fn put(&self, replica: &Replica, hasher: &PageHasher, conditional: bool) -> Result<Option<u64>, Error> {
        let (mut attempt, mut created) = (1, None);
        loop {
            match self.try_put(replica, hasher, conditional, &mut created).await {
                Err(error) if error.is_transient() && attempt < TRIES => {
                    tracing::debug!(object = %self.name, %error, attempt, "cannot put a merged segment");
                    tokio::time::sleep(PAUSE * 2u32.pow(attempt)).await;
                    attempt += 1;
                }
                done => return done,
            }
        }
    }

    /// `created` is its size, once a try has created it: what is there since then is ours.
    async fn try_put(
        &self,
        replica: &Replica,
        hasher: &PageHasher,
        conditional: bool,
        created: &mut Option<u64>,
    ) -> Result<Option<u64>, Error> {
        let size = match *created {
            Some(size) => size,
            None => match self.create(replica, conditional).await? {
                (Put::Created, size) => *created.insert(size),
                (Put::Exists, _) => return self.look(replica, hasher).await,
            },
        };
        read_back_or_delete(replica, self.name, size, self.digest, hasher).await?;
        Ok(Some(size))
    }

    /// Puts it where there is none, and says how many bytes that were.
    async fn create(&self, replica: &Replica, conditional: bool) -> Result<(Put, u64), Error> {
        let key = self.name.key();
        if !conditional && replica.is_taken(&key).await? {
            return Ok((Put::Exists, 0));
        }
        match &self.spooled {
            Spooled::Memory(content) => {
                let bytes = Bytes::from(replica.sealing(self.name).await?.finish(content.clone()));
                let size = bytes.len() as u64;
                Ok((replica.put_if_absent(&key, bytes).await?, size))
            }
            Spooled::File(file) => self.upload(replica, &key, file).await,
        }
    }

    /// One is there already: ours from a try whose answer was lost, which is read back, or another one.
    async fn look(&self, replica: &Replica, hasher: &PageHasher) -> Result<Option<u64>, Error> {
        let (found, size) = settle(replica, self.name, self.digest).await?;
        if found == Found::Other {
            tracing::warn!(object = %self.name, "another merged segment is there already, and stays");
            return Ok(None);
        }
        read_back(replica, self.name, size, self.digest, hasher).await?;
        Ok(Some(size))
    }

    /// Sends it in parts, and says how many bytes that were.
    async fn upload(&self, replica: &Replica, key: &str, file: &SpoolFile) -> Result<(Put, u64), Error> {
        let mut sealing = replica.sealing(self.name).await?;
        let mut upload = replica.upload(key).await?;
        let sent = async {
            let (mut at, mut size) = (0, 0);
            loop {
                let len = PIECE.min(usize::try_from(file.len() - at).unwrap_or(PIECE));
                let (file, last) = (file.clone(), at + len as u64 == file.len());
                let done = crate::task::blocking(move || {
                    let content = file.read(at, len).map_err(spooling)?;
                    Ok::<_, Error>(if last {
                        (sealing.finish(content), None)
                    } else {
                        (sealing.add(content), Some(sealing))
                    })
                });
                let (bytes, goes_on) = joined(done.await)?;
                (at, size) = (at + len as u64, size + bytes.len() as u64);
                upload.write(Bytes::from(bytes)).await?;
                match goes_on {
                    Some(goes_on) => sealing = goes_on,
                    None => return Ok((upload.finish_if_absent().await?, size)),
                }
            }
        };
        let sent = sent.await;
        if !matches!(sent, Ok((Put::Created, _)))
            && let Err(error) = upload.abort().await
        {
            tracing::debug!(object = %self.name, %error, "cannot give an upload up");
        }
        sent
    }
}

impl Session {
    /// The first page of a merge that was read otherwise than it was committed. The merge has just ended: the segment
    /// that was closed for it is acknowledged, and nothing came after that.
    async fn read_wrongly(&mut self, hashes: BTreeMap<PageNo, PageHash>) -> Result<Option<PageNo>, Error> {
        let table = self.table.take().expect("a session with a replica has its table");
        let done = crate::task::blocking(move || {
            let found = differing(&hashes, &table);
            Ok::<_, Error>((found, table))
        });
        let (found, table) = joined(done.await)?;
        self.table = Some(table);
        found
    }

    /// Takes note of a merged segment that was put; with `wait`, waits for that.
    pub(super) async fn note_merged(&mut self, context: &Context, wait: bool) {
        let Some(putting) = self.merging.putting.take_if(|putting| wait || putting.is_finished()) else { return };
        match joined(putting.await) {
            Ok(Some((generation, merged))) => {
                tracing::debug!(first = %merged.first, last = %merged.last, bytes = merged.bytes, "merged");
                context.count(|report| {
                    report.objects += 1;
                    report.stored_bytes += merged.bytes;
                });
                self.merging.done();
                // Another generation may have begun meanwhile, in which the same indices are other segments.
                if let Some(manifest) = self.manifest.as_mut().filter(|manifest| manifest.generation == generation) {
                    manifest.merge(merged);
                }
            }
            Ok(None) => self.merging.done(),
            Err(error) => self.merging.failed(&error),
        }
    }
}

impl Observer {
    /// Begins to collect these pages, those that were captured and not taken, and those that change from now on.
    pub(super) fn collect_changed(&mut self, mut pages: PageSet) -> Result<(), db::Error> {
        self.capture()?;
        pages.merge(&self.pending.numbers());
        self.pending.track(Tracker::Merge);
        self.collects.begin(Tracker::Merge, pages, Span::default());
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::GenerationId;
    use crate::state::StateDir;
    use crate::units::Timestamp;

    #[test]
    fn a_page_that_was_read_otherwise_is_told_and_one_behind_the_end_is_not() {
        let temporary = tempfile::tempdir().unwrap();
        let dir = StateDir::lock(temporary.path(), Timestamp(0)).unwrap();
        let page = |number| PageNo::new(number).unwrap();
        let mut table = PageHashes::begin(&dir).unwrap();
        let committed: Vec<PageHash> = (1..=9).map(PageHash).collect();
        table.set_run(page(1), &committed).unwrap();
        let table = table.install(&dir, GenerationId::new(Timestamp(1), [1; 10]), 0).unwrap();
        let mut read = BTreeMap::new();
        read.extend([(page(4), PageHash(5)), (page(7), PageHash(7)), (page(10), PageHash(3))]);
        assert_eq!(differing(&read, &table).unwrap(), Some(page(4)));
        // Read again in a later round, it is as it was committed.
        read.extend([(page(4), PageHash(4))]);
        assert_eq!(differing(&read, &table).unwrap(), None);
    }
}
