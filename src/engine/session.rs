//! One stretch of replication: a live database on one side, a replica that holds a state of it on the other.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::collect::Closed;
use super::collector::{Collector, Next, joined};
use super::context::Context;
use super::error::Error;
use super::event::{Event, Synced};
use super::hint::show;
use super::merging::{Merging, Part};
use super::observer::{Batch, Watched};
use super::parcel::{Body, Change, Parcel, ParcelKind};
use super::pending::{Boundary, Pages, Span, Tracker};
use super::resume::manifest;
use super::rival::{Lookout, Seen};
use super::segment::{self, Joint, Unwatched};
use super::settle;
use crate::db;
use crate::format::{Manifest, ManifestSegment, Reason, Unobserved};
use crate::planted;
use crate::replica::{self, Name};
use crate::state::{Acknowledged, Intent, PageHashes, Restored, StateDir};
use crate::task::blocking;
use crate::units::{PageNo, SegmentIndex, Timestamp};

/// After how many segments the manifest is written again.
const MANIFEST_EVERY: u64 = 256;

/// A session is dropped whole when anything in it no longer counts, and opened anew from disk and store.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) observer: Watched,
    /// What the replica holds for certain; `None` before the first snapshot.
    pub(super) replica: Option<Acknowledged>,
    /// The page hashes of that.
    pub(super) table: Option<PageHashes>,
    /// Why a new generation has to begin before anything else can be uploaded.
    pub(super) wanted: Option<Reason>,
    /// The generation ends with what is in the outbox, or with its newest segment: a snapshot that was read stands for that
    /// commit. What is captured since belongs to the next one.
    pub(super) ended: bool,
    /// The next segment has what came together while the store was out of reach.
    pub(super) outage: bool,
    /// A time in which nobody watched the database: the next segment has what changed in it.
    pub(super) unwatched: Option<Unwatched>,
    /// The newest object is the difference that a restart found.
    pub(super) caught_up: bool,
    /// The newest object of the generation is ours: another writer's next put fails.
    pub(super) is_ours: bool,
    /// Whether somebody else writes to the replica.
    pub(super) lookout: Lookout,
    /// The object on its way.
    pub(super) outbox: Option<Outbound>,
    /// What is merged next.
    pub(super) merging: Merging,
    pub(super) manifest: Option<Manifest>,
    /// Segments that the manifest in the store does not have.
    pub(super) unlisted: u64,
    /// The hint at the current generation could not be written.
    pub(super) latest_is_due: bool,
    /// Something was lost that only opening everything anew brings back.
    pub(super) broken: bool,
}

#[derive(Debug)]
pub(super) struct Outbound {
    pub(super) parcel: Parcel,
    /// Its intent is on disk.
    is_intended: bool,
}

impl Outbound {
    /// With its intent on disk, unless that fails: it is tried again before the object is put.
    fn intended(parcel: Parcel, state: &StateDir) -> Outbound {
        let (intent, payload) = parcel.intent();
        let saved = intent.save(state, &payload);
        if let Err(error) = &saved {
            tracing::warn!(%error, "cannot keep what is about to be put; it is tried again");
        }
        Outbound { parcel, is_intended: saved.is_ok() }
    }
}

impl Session {
    /// Brings everything committed before the call to the store. When this returns, it is durable there.
    pub(super) async fn sync(&mut self, context: &Context) -> Result<Option<Synced>, Error> {
        let first = self.deliver(context).await?;
        if !self.goes_on() || self.ended {
            return Ok(first);
        }
        if self.outage && first.is_none() {
            // Nothing is read, sealed or begun before the store is known to be back.
            match context.replica.head(replica::REPLICA).await {
                Err(error) if error.is_not_found() => {
                    return Err(Error::Lost { location: context.replica.location() });
                }
                answer => drop(answer?),
            }
        }
        match self.observer.call(|observer| observer.take()).await?? {
            None => {
                context.status.send_modify(|status| status.unsent = None);
                return Ok(first);
            }
            Some(Batch::Images { pages: Pages::Images(images), span, boundary }) => {
                context.sending(span.first);
                self.seal(context, images, span, boundary).await?;
            }
            Some(Batch::Images { .. }) => unreachable!("a batch of images has images"),
            Some(Batch::Collecting { first, wal }) => {
                context.sending(first);
                self.collect_segment(context, first, wal).await?;
            }
        }
        self.deliver(context).await
    }

    /// Whether segments can be added to the generation: there is one, and capture has gone on since its last object.
    pub(super) fn goes_on(&self) -> bool {
        self.replica.is_some() && self.wanted.is_none()
    }

    /// Makes the newest object of the generation ours, with an empty segment if nothing was committed: whoever wrote to
    /// it before and still lives is told by its next put.
    pub(super) async fn close_to_others(&mut self, context: &Context) -> Result<(), Error> {
        while !self.is_ours {
            self.sync(context).await?;
            let level = self.observer.call(|observer| observer.level()).await??;
            if let (false, Some(boundary)) = (self.is_ours, level) {
                let now = context.now();
                let span = Span { transactions: 0, wal_bytes: 0, first: now, last: now };
                self.seal(context, BTreeMap::new(), span, boundary).await?;
                self.deliver(context).await?;
            }
        }
        Ok(())
    }

    /// Seals a batch of images and puts it into the outbox.
    pub(super) async fn seal(
        &mut self,
        context: &Context,
        images: BTreeMap<PageNo, Box<[u8]>>,
        span: Span,
        boundary: Boundary,
    ) -> Result<(), Error> {
        let sealed = self.try_seal(context, images, span, boundary).await;
        // The images are gone, and the next segment must not be made without them: the WAL may still have them.
        self.broken |= sealed.is_err();
        self.outbox = Some(sealed?);
        self.outage = false;
        Ok(())
    }

    async fn try_seal(
        &mut self,
        context: &Context,
        images: BTreeMap<PageNo, Box<[u8]>>,
        span: Span,
        boundary: Boundary,
    ) -> Result<Outbound, Error> {
        let began = Instant::now();
        let joint = self.joint(context)?;
        let (hasher, sealing) = (context.hasher.clone(), context.replica.sealing(joint.name()).await?);
        let state = Arc::clone(&context.state);
        let table = self.table.take().expect("a session with a replica has its table");
        let done = blocking(move || {
            let sealed = segment::seal(&images, span, boundary, &joint, &table, &hasher, sealing);
            drop(images);
            // On the same thread: a small segment costs little more than the changes from one to the other.
            let outbound = sealed.map(|sealed| Outbound::intended(sealed.into_parcel(&joint, span, began), &state));
            Ok::<_, Error>((outbound, table))
        });
        let (outbound, table) = joined(done.await)?;
        self.table = Some(table);
        outbound
    }

    /// Streams a segment too large for memory into the store, up to the step that makes it visible.
    async fn collect_segment(&mut self, context: &Context, first: Timestamp, wal: PathBuf) -> Result<(), Error> {
        // The disk takes the log while it is read. That it has all of it is made sure of when everything was read.
        let ahead = db::sync_ahead(wal);
        let collected = self.try_collect_segment(context, first).await;
        // Nothing of ours is open when the database is let go of.
        if let Some(ahead) = ahead {
            drop(ahead.await);
        }
        match collected {
            Ok(parcel) => {
                self.send(parcel);
                self.outage = false;
                Ok(self.observer.call(|observer| observer.collect_end(Tracker::Segment)).await?)
            }
            Err(error) => {
                self.observer.call(|observer| observer.collect_put_back()).await?;
                Err(error)
            }
        }
    }

    async fn try_collect_segment(&self, context: &Context, first: Timestamp) -> Result<Parcel, Error> {
        let began = Instant::now();
        let joint = self.joint(context)?;
        let table = self.table.as_ref().expect("a session with a replica has its table").fork(&context.state)?;
        let mut collector = Collector::begin(
            context,
            Tracker::Segment,
            joint.name(),
            &joint.header(first),
            context.options.compression,
            table,
        )
        .await?;
        let closed = match self.collect_to_a_commit(context, &mut collector).await {
            Ok(closed) => closed,
            Err(error) => {
                // Capture may stand still for it: that must not wait for the store.
                self.observer.call(|observer| observer.collect_put_back()).await?;
                collector.abort(context).await;
                return Err(error);
            }
        };
        let pages = self.observer.call(|observer| observer.collects.all(Tracker::Segment)).await?;
        let checksum = collector.checksum(closed.boundary.pages)?;
        let summary = joint.summary(closed.span, closed.boundary, checksum);
        let collected = collector.finish(context, &summary).await?;
        let digest = collected.digest;
        Ok(Parcel {
            name: joint.name(),
            digest,
            next: joint.before.followed_by(&summary, digest, pages.len() as u64, collected.stored_bytes),
            body: Body::Upload(collected.upload),
            change: Change::Table(collected.table),
            part: Some(Part::of(&joint, &summary, closed.span, pages)),
            kind: ParcelKind::Segment { span: closed.span, unobserved: segment::unobserved(&summary) },
            began,
        })
    }

    async fn collect_to_a_commit(&self, context: &Context, collector: &mut Collector) -> Result<Closed, Error> {
        loop {
            while collector.step(context, &self.observer).await? {}
            if collector.next(&self.observer).await? == Next::Freeze {
                let closed = collector.freeze(context, &self.observer, false).await?;
                collector.flush(context).await?;
                return Ok(closed.expect("a segment can end at any commit"));
            }
        }
    }

    /// Puts what is in the outbox, and takes note of it.
    pub(super) async fn deliver(&mut self, context: &Context) -> Result<Option<Synced>, Error> {
        let Some(outbound) = &mut self.outbox else { return Ok(None) };
        if !outbound.is_intended {
            let (intent, payload) = outbound.parcel.intent();
            context.intend(intent, payload).await?;
            outbound.is_intended = true;
        }
        if let Name::Segment(generation, index) = outbound.parcel.name {
            let seen = self.lookout.before_segment(context, generation, index, self.latest_is_due).await?;
            self.latest_is_due |= seen == Seen::NoHint;
            if let (Seen::CloserLook | Seen::NoHint, Some(known)) = (seen, &self.replica) {
                settle::require_there(context, known).await?;
                look_after_keys(context).await?;
            }
        }
        match outbound.parcel.put(context).await {
            Ok(shown) => self.latest_is_due |= !shown,
            Err(_) if planted::is("what failed is acknowledged") => {}
            Err(error) => return Err(self.undelivered(error)),
        }
        self.lookout.has_put(context);
        let Outbound { parcel, .. } = self.outbox.take().expect("it was there a line ago");
        self.acknowledge(context, parcel).await
    }

    /// What becomes of an object that cannot be put, if trying again with the same bytes does not help.
    fn undelivered(&mut self, error: Error) -> Error {
        if error.is_transient() {
            return error;
        }
        // Its parts may be gone, or it may be visible all the same: if a snapshot is, no restore looks at the generation
        // before any more. The intent tells, when everything is opened anew; the WAL may still have the pages.
        // Credentials that expired are another matter: with new ones the same upload can be finished.
        let upload = self.outbox.as_ref().is_some_and(|outbound| matches!(outbound.parcel.body, Body::Upload(_)));
        self.broken |= upload && !error.is_refusal();
        error
    }

    /// Puts an object into the outbox.
    pub(super) fn send(&mut self, parcel: Parcel) {
        self.outbox = Some(Outbound { parcel, is_intended: false });
    }

    /// The store has it: hashes first, then the position, then the intent goes. A process that ends in between finds
    /// the object in the store and does the rest.
    async fn acknowledge(&mut self, context: &Context, parcel: Parcel) -> Result<Option<Synced>, Error> {
        let duration = parcel.elapsed();
        let Parcel { name, change, next, kind, part, .. } = parcel;
        let (generation, objects) = (next.generation, next.objects());
        let (state, noted, is_segment) =
            (Arc::clone(&context.state), next.clone(), matches!(kind, ParcelKind::Segment { .. }));
        let note = move |table: PageHashes| {
            assert_eq!(table.checksum().to_string(), noted.checksum, "the table stands for what was sealed");
            let saved = if is_segment { noted.save(&state) } else { noted.save_durably(&state) };
            saved?;
            Intent::clear(&state)?;
            Ok::<_, crate::state::Error>(table)
        };
        let table = match change {
            Change::Table(table) => {
                let state = Arc::clone(&context.state);
                joined(blocking(move || note(table.install(&state, generation, objects)?)).await)?
            }
            // A few bytes that are not synced.
            Change::Pages(changes) => {
                let mut table = self.table.take().expect("a session with a replica has its table");
                table.apply(&context.state, generation, objects, &changes, next.pages)?;
                note(table)?
            }
        };
        let checksum = table.checksum();
        let before = self.replica.replace(next.clone());
        self.table = Some(table);
        let stored_bytes = match (&kind, &before) {
            (ParcelKind::Segment { .. }, Some(before)) => next.segment_bytes - before.segment_bytes,
            _ => next.snapshot_bytes,
        };
        tracing::debug!(object = %name, bytes = stored_bytes, "acknowledged");
        let now = context.now();
        context.status.send_modify(|status| {
            status.report.objects += 1;
            status.report.stored_bytes += stored_bytes;
            status.synced = Some(now);
        });
        let synced = match kind {
            ParcelKind::Segment { span, unobserved } => {
                part.iter().for_each(|part| self.merging.add(part, &next));
                context.count(|report| report.commits += span.transactions);
                context.status.send_modify(|status| {
                    status.segments += 1;
                    status.unsent = None;
                });
                let synced =
                    self.segment_acknowledged(context, &next, (span, unobserved), stored_bytes, duration).await;
                context.tell(Event::Synced(synced));
                Some(synced)
            }
            ParcelKind::Snapshot { reason, previous, db_bytes, .. } => {
                // What the generation before has at its end is told for the last time.
                if before.is_some() && self.wanted.is_none() && self.unlisted > 0 {
                    self.publish(context).await;
                }
                self.lookout.has_begun(context, reason);
                (self.wanted, self.ended) = (None, false);
                self.merging.reset(context.options.merge.clone());
                context.status.send_modify(|status| status.snapshots += 1);
                (self.unwatched, self.is_ours, self.caught_up) = (None, true, false);
                Restored::done(&context.state);
                if reason == Reason::Overtaken {
                    context.taken_back();
                }
                self.manifest = Some(manifest(context, &next, reason, previous, self.observer.page_size, checksum));
                self.unlisted = 0;
                self.publish(context).await;
                context.tell(Event::Generation { generation, reason, db_bytes, stored_bytes, duration });
                None
            }
        };
        context.show(self.replica.as_ref());
        Ok(synced)
    }

    async fn segment_acknowledged(
        &mut self,
        context: &Context,
        next: &Acknowledged,
        (span, unobserved): (Span, Option<Unobserved>),
        stored_bytes: u64,
        duration: Duration,
    ) -> Synced {
        let index = next.index.and_then(SegmentIndex::new).unwrap_or_default();
        self.is_ours = true;
        self.caught_up = self.unwatched.take().is_some_and(|unwatched| unwatched.compared);
        if self.caught_up {
            Restored::done(&context.state);
        }
        if let Some(manifest) = &mut self.manifest {
            manifest.push(ManifestSegment {
                index,
                at: next.at(),
                bytes: stored_bytes,
                transactions: span.transactions,
                digest: next.digest,
                unobserved,
            });
            self.unlisted += 1;
            if self.unlisted >= MANIFEST_EVERY {
                self.publish(context).await;
            }
        }
        if self.latest_is_due {
            self.latest_is_due = !show(context, next.generation).await;
        }
        let lag = context.now().0 - span.first.0;
        Synced {
            generation: next.generation,
            index,
            commits: span.transactions,
            wal_bytes: span.wal_bytes,
            stored_bytes,
            at: next.at(),
            duration,
            lag: Duration::from_millis(u64::try_from(lag).unwrap_or(0)),
        }
    }

    /// Writes the manifest. It is a hint: a failure is told, and mended by the next time.
    pub(super) async fn publish(&mut self, context: &Context) {
        let Some(manifest) = &mut self.manifest else { return };
        match replica::write_manifest(&context.replica, manifest).await {
            Ok(()) => {
                manifest.counter += 1;
                self.unlisted = 0;
            }
            Err(error) => tracing::warn!(%error, "cannot write the manifest"),
        }
    }

    /// What the next segment joins.
    pub(super) fn joint(&self, context: &Context) -> Result<Joint, Error> {
        let before = self.replica.clone().expect("a segment joins a generation");
        let index = before.next_index().ok_or(Error::Full(before.generation))?;
        let table = self.table.as_ref().expect("a session with a replica has its table");
        Ok(Joint {
            index,
            page_size: self.observer.page_size,
            checksum_before: table.checksum(),
            writer: context.writer,
            compression: context.options.compression,
            outage: self.outage,
            unwatched: self.unwatched,
            before,
        })
    }

    /// Why a new generation is due by itself, if one is.
    pub(super) fn due(&self, context: &Context) -> Option<Reason> {
        let replica = match (&self.replica, self.wanted) {
            (_, Some(reason)) => return Some(reason),
            (None, None) => return Some(Reason::First),
            (Some(replica), None) => replica,
        };
        // A restart costs the difference, however large it is; the next commits may cost a snapshot.
        if replica.is_outweighed() && !self.caught_up {
            return Some(Reason::Outweighed);
        }
        let interval = context.options.snapshot_interval?;
        let since = context.now().0 - Timestamp(replica.snapshot_at_ms).0;
        let over = u128::try_from(since).is_ok_and(|since| since >= interval.as_millis());
        (over && replica.index.is_some()).then_some(Reason::Interval)
    }

    /// Transactions captured and not durable in the replica.
    pub(super) async fn pending(&self) -> u64 {
        let sealed = match self.outbox.as_ref().map(|outbound| &outbound.parcel.kind) {
            Some(ParcelKind::Segment { span, .. }) => span.transactions,
            _ => 0,
        };
        sealed + self.observer.call(|observer| observer.pending.transactions()).await.unwrap_or(0)
    }
}

/// Looks whether the keys of a sealed replica are where they belong, once an hour. What is wrong with them is told, and ends
/// nothing but for a changed root key.
async fn look_after_keys(context: &Context) -> Result<(), Error> {
    match context.replica.look_after_keys().await.map_err(Error::from) {
        Err(error) if error.is_of_old_root() => Err(error),
        Err(error) => {
            tracing::warn!(%error, "cannot look whether the keys of the replica are where they belong");
            Ok(())
        }
        Ok(()) => Ok(()),
    }
}
