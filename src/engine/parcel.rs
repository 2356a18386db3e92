//! An object on its way: sealed, its bytes fixed, its intent on disk.

use std::time::Duration;

use bytes::Bytes;
use tokio::time::Instant;

use super::context::Context;
use super::error::Error;
use super::merging::Part;
use super::pending::Span;
use crate::format::{Reason, Unobserved};
use crate::ids::{Digest, GenerationId};
use crate::planted;
use crate::replica::{self, Name, ObjectReader, Objects};
use crate::state::{Acknowledged, Intent, PageHashes};
use crate::storage::{Put, Store, Upload};
use crate::units::{PageHash, PageNo, SegmentIndex};

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
    Segment { span: Span, unobserved: Option<Unobserved> },
    Snapshot { reason: Reason, previous: Option<GenerationId>, db_bytes: u64 },
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
    /// Keeps the intent, on disk when this returns.
    pub(super) fn intend(&self, context: &Context) -> Result<(), Error> {
        let (generation, index) = place(self.name);
        let (upload, payload) = match &self.body {
            Body::Bytes(bytes) => (None, &bytes[..]),
            Body::Upload(upload) => (Some(upload.id().to_owned()), &[][..]),
        };
        let reason = match self.kind {
            ParcelKind::Snapshot { reason, .. } => Some(reason),
            ParcelKind::Segment { .. } => None,
        };
        Ok(Intent { generation, index, digest: Some(self.digest), upload, reason }.save(&context.state, payload)?)
    }

    /// Puts the object. When this returns, it is durable and ours.
    ///
    /// After any error it may be called again, and may have succeeded all the same.
    pub(super) async fn put(&mut self, context: &Context) -> Result<(), Error> {
        put(context, self.name, self.digest, &mut self.body).await
    }

    /// No other writer has begun a younger generation: no restore would look at ours any more. Told by a hint, so that
    /// it costs one small request; what cannot be read tells nothing.
    pub(super) async fn look_for_a_rival(&self, context: &Context) -> Result<(), Error> {
        let ours = self.name.generation();
        match replica::read_latest(&context.replica).await {
            Ok(Some(latest)) if latest.generation > ours => {
                if is_there(context, &Name::Snapshot(latest.generation).key()).await? {
                    return Err(overtaken_by(context, latest.generation));
                }
            }
            Ok(_) => {}
            Err(error) => tracing::debug!(%error, "cannot look at the current generation"),
        }
        Ok(())
    }

    pub(super) fn elapsed(&self) -> Duration {
        self.began.elapsed()
    }
}

/// No younger generation has a snapshot: whoever has begun one goes on there.
pub(super) async fn require_newest(context: &Context, ours: GenerationId) -> Result<(), Error> {
    if planted::is("nobody looks for another generation") {
        return Ok(());
    }
    let listed = replica::generations(&*context.replica).await?;
    for generation in listed.into_iter().rev().take_while(|&generation| generation > ours) {
        if is_there(context, &Name::Snapshot(generation).key()).await? {
            return Err(overtaken_by(context, generation));
        }
    }
    Ok(())
}

/// Puts an object where there is none. When this returns, it is durable and ours.
pub(super) async fn put(context: &Context, name: Name, digest: Digest, body: &mut Body) -> Result<(), Error> {
    let key = name.key();
    // What completes an upload in parts may know no condition although a put does.
    let unsure = !context.conditional || matches!(body, Body::Upload(_)) || !context.replica.is_conditional();
    if unsure && is_there(context, &key).await? {
        return require_ours(context, name, digest).await;
    }
    let put = match body {
        Body::Bytes(bytes) => context.told_if_late(context.replica.put_if_absent(&key, bytes.clone())).await?,
        Body::Upload(upload) => upload.finish_if_absent().await?,
    };
    match put {
        Put::Created => Ok(()),
        Put::Exists => require_ours(context, name, digest).await,
    }
}

/// Another writer has begun this generation.
/// Nobody else has gone on behind this segment. That its name is taken would be noticed; but what another writer has
/// put there long ago may have been merged and let go of since, so that the name is free again.
pub(super) async fn require_last(
    context: &Context,
    generation: GenerationId,
    index: SegmentIndex,
) -> Result<(), Error> {
    let before = index.get().checked_sub(1).and_then(SegmentIndex::new);
    let objects = Objects::list(&*context.replica, generation, before).await?;
    match objects.last().filter(|&last| last > index) {
        Some(last) => {
            let object = replica::located(&*context.replica, &Name::Segment(generation, last).key());
            Err(Error::Overtaken { object })
        }
        None => Ok(()),
    }
}

pub(super) fn overtaken_by(context: &Context, generation: GenerationId) -> Error {
    Error::Overtaken { object: format!("{} with generation {generation}", context.replica.location()) }
}

pub(super) async fn is_there(context: &Context, key: &str) -> Result<bool, Error> {
    is_there_in(&*context.replica, key).await
}

pub(super) async fn is_there_in(store: &dyn Store, key: &str) -> Result<bool, Error> {
    match store.head(key).await {
        Ok(_) => Ok(true),
        Err(error) if error.is_not_found() => Ok(false),
        Err(error) => Err(error.into()),
    }
}

/// An object is there already: ours from a try whose answer was lost, or somebody else's.
pub(super) async fn require_ours(context: &Context, name: Name, digest: Digest) -> Result<(), Error> {
    let size = context.replica.head(&name.key()).await?.size;
    let found = ObjectReader::open(&context.replica, name, size).await?.outline().digest;
    if planted::is("another's object is taken for ours") {
        return Ok(());
    }
    if found == digest && !planted::is("our own object is taken for another's") {
        tracing::info!(object = %name, "the store had it already, from a try whose answer was lost");
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
