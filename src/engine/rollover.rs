//! Beginning a generation: every page of the database, collected while it lives on, as a snapshot.
//!
//! Segments of the generation before go on being uploaded meanwhile. The two meet at one commit: the last segment of
//! the one ends there, and the snapshot of the other stands for it.

use tokio::time::Instant;

use super::adopt;
use super::collector::{Collector, Next};
use super::context::Context;
use super::error::Error;
use super::parcel::{Body, Change, Parcel, ParcelKind};
use super::pending::{Boundary, Pages, Tracker};
use super::resume::first;
use super::rival::{require_newest, require_none_after, require_none_of};
use super::segment::mark;
use super::session::Session;
use super::turns::Turn;
use crate::clock;
use crate::format::{Flags, Header, Kind, Reason, Summary};
use crate::ids::{Digest, GenerationId};
use crate::planted;
use crate::progress::Phase;
use crate::replica::{self, Name, ObjectReader, Objects};
use crate::restore::ends;
use crate::state::{Acknowledged, PageHashes};
use crate::units::{DbChecksum, SegmentIndex, Timestamp};

/// A generation that is being begun.
#[derive(Debug)]
pub(super) struct Rollover {
    collector: Collector,
    turn: Turn,
    generation: GenerationId,
    /// The generation before, if this state directory knows it.
    previous: Option<GenerationId>,
    reason: Reason,
    /// Every generation after this one, which was the newest, is another writer's.
    after: Option<GenerationId>,
    began: Instant,
    first_time: Timestamp,
    /// The commit that the snapshot stands for, once everything was read.
    end: Option<Boundary>,
}

/// How far a rollover is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Progress {
    /// There is more to read.
    Reading,
    /// Everything was read; the generation before has ended at the same commit.
    Read,
}

impl Rollover {
    /// `turn`: that to collect.
    pub(super) async fn begin(
        session: &mut Session,
        context: &Context,
        reason: Reason,
        turn: Turn,
    ) -> Result<Rollover, Error> {
        let began = Instant::now();
        if let Some(replica) = session.replica.as_ref().filter(|_| session.goes_on()) {
            // Ours would take it back without a word.
            require_newest(context, replica.generation).await?;
            session.close_to_others(context).await?;
        } else if matches!(reason, Reason::Overtaken | Reason::Replaced) {
            adopt::close_the_newest(context).await?;
        }
        // Before the snapshot is there: with another's ids nobody could read it, and it would be the newest.
        if let Some(replica) = &session.replica {
            context.keep_ids(session.goes_on().then_some(replica.generation)).await?;
        }
        let nobody = reason == Reason::First && session.replica.is_none() && context.is_first();
        let listed = if nobody { Vec::new() } else { replica::generations(&*context.replica).await? };
        let newest = listed.last().copied().max(session.replica.as_ref().map(|replica| replica.generation));
        let after = match (reason, &session.replica) {
            (Reason::First, _) => None,
            (Reason::Overtaken | Reason::Replaced, _) | (_, None) => newest,
            (_, Some(replica)) => Some(replica.generation),
        };
        // Later than every other, whatever the clock says: the greatest id is the newest.
        let at = newest.map_or(context.now(), |newest| context.now().max(Timestamp(newest.at().0 + 1)));
        let at = if planted::is("a generation's id goes back with the clock") { context.now() } else { at };
        let generation = GenerationId::new(at, clock::random());
        // Before anything is sealed: a data key of ours would take the place of the other's where no condition holds.
        require_none_of(context, listed, after, generation).await?;
        let previous = session.replica.as_ref().map(|replica| replica.generation);
        // Times never go back from one generation to the next. Of one that is not gone on with, what is noted may be of a
        // time before its end, which is asked for then.
        let noted = session.replica.as_ref().map(Acknowledged::at);
        let asked = match newest.filter(|_| !session.goes_on()) {
            Some(newest) => Some(last_time(context, newest).await?),
            None => None,
        };
        let first_time = noted.max(asked).map_or(context.now(), |earliest| context.now().max(earliest));
        let header = Header {
            kind: Kind::Snapshot,
            codec: context.options.compression.codec(),
            page_size: session.observer.page_size,
            generation,
            first: SegmentIndex::ZERO,
            first_time,
            checksum_before: DbChecksum::default(),
            predecessor: Digest::NONE,
            writer: context.writer,
            previous,
        };
        let pages = session.observer.call(|observer| observer.collect_all().map(|()| observer.live.pages())).await??;
        let total = u64::from(pages) * u64::from(session.observer.page_size.get());
        context.hooks.progress.begin(Phase::Snapshot, Some(total));
        let begun = async {
            let table = PageHashes::begin(&context.state)?;
            let (name, compression) = (Name::Snapshot(generation), context.options.compression);
            Collector::begin(context, Tracker::Snapshot, name, &header, compression, table).await
        };
        match begun.await {
            Ok(collector) => {
                Ok(Rollover { collector, turn, generation, previous, reason, after, began, first_time, end: None })
            }
            Err(error) => {
                end_of_phase(session, context).await?;
                Err(error)
            }
        }
    }

    /// It waits for the store: others may collect meanwhile.
    pub(super) fn park(mut self) -> Rollover {
        self.turn.end();
        self
    }

    /// Why it is begun.
    pub(super) fn reason(&self) -> Reason {
        self.reason
    }

    /// Everything was read, up to a commit at which the generation before ends: nothing may be added to that one.
    pub(super) fn is_read(&self) -> bool {
        self.end.is_some()
    }

    /// Goes on a little: so that segments can be uploaded in between.
    ///
    /// After an error of the store that [may pass](Error::may_pass) it can be called again, however much later: what
    /// was uploaded stays, and capture goes on meanwhile.
    pub(super) async fn step(&mut self, session: &mut Session, context: &Context) -> Result<Progress, Error> {
        if self.is_read() {
            return self.end(session, context).await;
        }
        // What was sealed meanwhile may have been put although nobody answered: its intent is not to be written over.
        session.deliver(context).await?;
        self.collector.keep_intent(context).await?;
        if self.collector.step(context, &session.observer).await? {
            return Ok(Progress::Reading);
        }
        if self.collector.next(&session.observer).await? == Next::Round {
            return Ok(Progress::Reading);
        }
        // Nothing else may be on its way when the generation before ends.
        session.deliver(context).await?;
        let goes_on = session.goes_on();
        let Some(closed) = self.collector.freeze(context, &session.observer, goes_on).await? else {
            // More was captured than the last segment of the generation before may have in memory: that goes first.
            session.sync(context).await?;
            return Ok(Progress::Reading);
        };
        (self.end, session.ended) = (Some(closed.boundary), true);
        if let (true, false, Pages::Images(images)) = (goes_on, closed.span.is_empty(), closed.pages) {
            session.seal(context, images, closed.span, closed.boundary).await?;
        }
        self.end(session, context).await
    }

    /// Sends what is left: of the generation before, and of the snapshot.
    async fn end(&mut self, session: &mut Session, context: &Context) -> Result<Progress, Error> {
        session.deliver(context).await?;
        self.collector.keep_intent(context).await?;
        self.collector.flush(context).await?;
        // It may have taken long, and waited for the store: whoever has begun another one meanwhile goes on there.
        if self.after.is_some() || !context.is_first() {
            require_none_after(context, self.after, self.generation).await?;
        }
        Ok(Progress::Read)
    }

    /// Seals the snapshot and puts it into the outbox.
    pub(super) async fn finish(self, session: &mut Session, context: &Context) -> Result<(), Error> {
        let sealed = self.seal(session, context).await;
        session.ended &= sealed.is_ok();
        end_of_phase(session, context).await?;
        session.send(sealed?);
        Ok(())
    }

    async fn seal(mut self, session: &mut Session, context: &Context) -> Result<Parcel, Error> {
        let end = self.end.expect("a snapshot is sealed after everything was read");
        let before = session.replica.clone().filter(|_| session.goes_on());
        let checksum = self.collector.checksum(end.pages)?;
        if before.is_some() && session.table.as_ref().is_some_and(|table| table.checksum() != checksum) {
            // Two independent ways to the same commit: which of them went wrong, nothing tells.
            session.wanted = Some(Reason::StateLost);
            self.collector.abort(context).await;
            return Err(Error::Differs(self.generation));
        }
        let summary = Summary {
            flags: Flags::default(),
            pages_after: end.pages,
            last: SegmentIndex::ZERO,
            // Nor before its own id, which is later than every other's.
            last_time: end
                .at
                .max(self.first_time)
                .max(self.generation.at())
                .max(session.replica.as_ref().map_or(end.at, Acknowledged::at)),
            unobserved: None,
            transactions: 0,
            transactions_since_snapshot: 0,
            wal_bytes: 0,
            checksum_after: checksum,
            wal: mark(end),
            joins: before.map(|before| before.digest),
        };
        let collected = self.collector.finish(context, &summary).await?;
        let (digest, page_size) = (collected.digest, session.observer.page_size);
        let next = first(context, self.generation, page_size, &summary, digest, collected.stored_bytes);
        let db_bytes = u64::from(end.pages) * u64::from(page_size.get());
        Ok(Parcel {
            name: Name::Snapshot(self.generation),
            digest,
            body: Body::Upload(collected.upload),
            change: Change::Table(collected.table),
            next,
            part: None,
            kind: ParcelKind::Snapshot {
                reason: self.reason,
                previous: self.previous,
                db_bytes,
                after: self.after,
                turn: self.turn,
                is_tried: false,
            },
            began: self.began,
        })
    }

    /// Gives the snapshot up; the generation before goes on as if nothing had been.
    pub(super) async fn abandon(self, session: &mut Session, context: &Context) -> Result<(), Error> {
        session.ended = false;
        // Capture may stand still for it: that must not wait for the store.
        let ended = end_of_phase(session, context).await;
        self.collector.abort(context).await;
        ended
    }
}

/// How many objects are asked at most for the time of the last one that can be read.
const ASKED: usize = 8;

/// The time of the last state of a generation, as far as its last objects can be read.
async fn last_time(context: &Context, generation: GenerationId) -> Result<Timestamp, Error> {
    let objects = Objects::list(&*context.replica, generation, None).await?;
    for (_, name, size) in ends(&objects).into_iter().rev().take(ASKED) {
        match ObjectReader::open(&context.replica, name, size).await {
            Ok(reader) => return Ok(reader.outline().summary.last_time),
            Err(error) if error.is_damage() || error.is_bad_key() => tracing::debug!(%error, "asked for its time"),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(generation.at())
}

async fn end_of_phase(session: &Session, context: &Context) -> Result<(), Error> {
    context.hooks.progress.end();
    Ok(session.observer.call(|observer| observer.collect_end(Tracker::Snapshot)).await?)
}
