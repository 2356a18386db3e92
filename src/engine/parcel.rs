//! An object on its way: sealed, its bytes fixed, its intent on disk.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::context::Context;
use super::error::Error;
use super::hint;
use super::merging::Part;
use super::pending::Span;
use super::rival::{require_newest, require_none_begun};
use super::turns::Turn;
use crate::format::{Reason, Unobserved};
use crate::ids::{Digest, GenerationId};
use crate::planted;
use crate::replica::{Name, ObjectReader};
use crate::state::{Acknowledged, Intent, PageHashes};
use crate::storage::{Put, Upload};
use crate::units::{PageHash, PageNo};

/// An object that is only waiting to be put.
#[derive(Debug)]
pub(super) struct Parcel {
    pub(super) name: Name,
    pub(super) digest: Digest,
    pub(super) body: Body,
    pub(super) change: Change,
    /// What the replica holds once this is acknowledged.
    pub(super) next: Acknowledged,
    pub(super) kind: ParcelKind,
    /// Of a segment, what it adds to the ranges that are merged.
    pub(super) part: Option<Part>,
    /// When sealing began.
    pub(super) began: Instant,
}

/// What it is.
#[derive(Debug)]
pub(super) enum ParcelKind {
    Segment {
        span: Span,
        unobserved: Option<Unobserved>,
    },
    Snapshot {
        reason: Reason,
        previous: Option<GenerationId>,
        db_bytes: u64,
        /// The newest generation when it was begun; every one after that is another writer's.
        after: Option<GenerationId>,
        /// The turn to collect, which is over once the store has it: until then what is sent takes memory.
        turn: Turn,
        /// It was tried to put it.
        is_tried: bool,
    },
}

/// Where its bytes are.
#[derive(Debug)]
pub(super) enum Body {
    /// In memory, and with the intent.
    Bytes(Bytes),
    /// In the store already, in parts; only the step that makes them visible is left.
    Upload(Box<dyn Upload>),
}

/// What it does to the table of page hashes.
#[derive(Debug)]
pub(super) enum Change {
    /// These pages change, ascending.
    Pages(Vec<(PageNo, PageHash)>),
    /// This table takes its place.
    Table(PageHashes),
}

impl Parcel {
    /// What is to be kept before it is put.
    pub(super) fn intent(&self) -> (Intent, Bytes) {
        let (generation, index) = place(self.name);
        let (upload, payload) = match &self.body {
            Body::Bytes(bytes) => (None, bytes.clone()),
            Body::Upload(upload) => (Some(upload.id().to_owned()), Bytes::new()),
        };
        let reason = match self.kind {
            ParcelKind::Snapshot { reason, .. } => Some(reason),
            ParcelKind::Segment { .. } => None,
        };
        (Intent { generation, index, digest: Some(self.digest), upload, reason }, payload)
    }

    /// Puts the object. When this returns, it is durable and ours, and a snapshot the newest. `false`: the hint at it could
    /// not be written.
    ///
    /// After any error it may be called again, and may have succeeded all the same.
    pub(super) async fn put(&mut self, context: &Context) -> Result<bool, Error> {
        let ParcelKind::Snapshot { after, turn, is_tried, .. } = &mut self.kind else {
            put(context, self.name, self.digest, &mut self.body).await?;
            return Ok(true);
        };
        let generation = self.name.generation();
        // It may have waited long for the store: whoever has begun another one meanwhile goes on there.
        require_none_begun(context, *after, generation).await?;
        // Of a generation that was begun here a moment ago nobody else has the name, which has 80 random bits.
        match !std::mem::replace(is_tried, true) && after.is_none() && context.is_first() {
            true => put_untaken(context, self.name, self.digest, &mut self.body).await?,
            false => put(context, self.name, self.digest, &mut self.body).await?,
        }
        turn.end();
        let shown = match hint::write(context, generation).await {
            // Who begins in the same moment has nothing else to see ours by.
            Err(error) if after.is_none() && error.is_transient() => return Err(error),
            Err(error) => {
                tracing::warn!(%error, "cannot write the hint at the current generation");
                false
            }
            Ok(()) => true,
        };
        // Of two that are put in the same moment the younger one counts: one of the writers sees both.
        require_newest(context, generation).await?;
        context.keep_ids(Some(generation)).await?;
        Ok(shown)
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

/// Puts an object where there is none. When this returns, it is durable and ours.
pub(super) async fn put(context: &Context, name: Name, digest: Digest, body: &mut Body) -> Result<(), Error> {
    let key = name.key();
    // What completes an upload in parts may know no condition although a put does.
    let unsure = !context.conditional || matches!(body, Body::Upload(_)) || !context.replica.is_conditional();
    if unsure && context.replica.is_taken(&key).await? {
        return require_ours(context, name, digest).await;
    }
    put_untaken(context, name, digest, body).await
}

/// The same, where a store that knows no condition need not be asked whether the name is taken.
async fn put_untaken(context: &Context, name: Name, digest: Digest, body: &mut Body) -> Result<(), Error> {
    let key = name.key();
    let put = match body {
        Body::Bytes(bytes) => context.told_if_late(context.replica.put_if_absent(&key, bytes.clone())).await?,
        Body::Upload(upload) => upload.finish_if_absent().await?,
    };
    match put {
        Put::Created => Ok(()),
        Put::Exists => require_ours(context, name, digest).await,
    }
}

/// An object is there already: ours from a try whose answer was lost, or somebody else's. When this returns, it is durable.
pub(super) async fn require_ours(context: &Context, name: Name, digest: Digest) -> Result<(), Error> {
    let size = context.replica.head(&name.key()).await?.size;
    let found = ObjectReader::open(&context.replica, name, size).await?.outline().digest;
    if planted::is("another's object is taken for ours") {
        return Ok(());
    }
    if found == digest && !planted::is("our own object is taken for another's") {
        tracing::info!(object = %name, "the store had it already, from a try whose answer was lost");
        context.replica.make_durable(&name.key()).await?;
        return Ok(());
    }
    Err(Error::Overtaken { object: format!("{}/{name}", context.replica.location()) })
}

/// Generation and index of a snapshot or segment as an intent has them.
pub(super) fn place(name: Name) -> (GenerationId, Option<u64>) {
    match name {
        Name::Segment(generation, index) | Name::Merged(generation, index, _) => (generation, Some(index.get())),
        Name::Snapshot(generation) | Name::Manifest(generation) => (generation, None),
    }
}
