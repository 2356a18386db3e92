//! Whether somebody else writes to the replica: a copy of this machine, or an operator who began it elsewhere.
//!
//! Two writers in one generation meet at the name of the next segment. What that does not show is looked for here: a
//! younger generation, of which alone restores take notice; and names that are free again, because what another writer
//! had put there was merged and let go of.

use std::time::Duration;

use tokio::time::Instant;

use super::context::Context;
use super::error::Error;
use super::options::Hooks;
use crate::format::Reason;
use crate::ids::GenerationId;
use crate::planted;
use crate::replica::{self, Name, Objects};
use crate::state::Acknowledged;
use crate::storage::is_there;
use crate::units::{SegmentIndex, Timestamp};

/// How long a generation is fresh that is the first of its replica: before each segment the hint tells whether another one
/// was begun in the same moment.
const FRESH: Duration = Duration::from_secs(30);

/// One look in so many lists the generations. The others read the hint at the current one: somebody may have written his
/// over that of a younger one.
const LISTINGS: u32 = 10;

/// How long it is watched at most whether a replica is quiet. A writer may have a longer interval than ours; one that
/// lives is told by its next upload.
const AT_MOST: Duration = Duration::from_secs(60);

/// What a look has shown.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Seen {
    /// Nothing that was not expected, as far as it was time to look.
    Nothing,
    /// It was time to look closer: whether what we have put there is there.
    CloserLook,
    /// The same, and the hint at the current generation does not name ours.
    NoHint,
}

/// Looks for others before a segment is put, as often as is needed.
#[derive(Debug)]
pub(super) struct Lookout {
    /// When the generations were last listed, to see whether another writer has begun one.
    listed: Option<Moment>,
    /// When that, or the hint at the current generation, was last looked at.
    looked: Moment,
    /// When an object was last put, or it was seen at the start that none has come.
    put: Moment,
    /// When the first generation of a replica was begun here: another one may have been begun in the same moment.
    begun: Option<Instant>,
}

/// A moment by two clocks: the one that never goes back stands still while the machine is suspended.
#[derive(Clone, Copy, Debug)]
pub(super) struct Moment {
    instant: Instant,
    at: Timestamp,
}

impl Moment {
    pub(super) fn now(hooks: &Hooks) -> Moment {
        Moment { instant: Instant::now(), at: hooks.clock.now() }
    }

    /// This much time is over since then, by either clock; or the clock was set back, and nobody knows.
    pub(super) fn is_over(self, time: Duration, hooks: &Hooks) -> bool {
        let passed = u64::try_from(hooks.clock.now().0.saturating_sub(self.at.0)).map(Duration::from_millis);
        self.instant.elapsed() >= time || passed.is_ok_and(|passed| passed >= time) || passed.is_err()
    }
}

impl Lookout {
    /// `known`: there was a replica, and it was seen just now that its newest generation is the one gone on with.
    pub(super) fn begin(context: &Context, known: bool) -> Lookout {
        let now = Moment::now(&context.hooks);
        Lookout { listed: known.then_some(now), looked: now, put: now, begun: None }
    }

    /// An object was put, and is ours.
    pub(super) fn has_put(&mut self, context: &Context) {
        self.put = Moment::now(&context.hooks);
    }

    /// A generation was begun: it was listed just now that it is the newest.
    pub(super) fn has_begun(&mut self, context: &Context, reason: Reason) {
        let now = Moment::now(&context.hooks);
        (self.listed, self.looked) = (Some(now), now);
        self.begun = (reason == Reason::First).then_some(now.instant);
    }

    /// This segment is the next one of the newest generation, as far as that was not seen lately. `hint_is_due`: what we have
    /// to say of the current generation could not be written.
    ///
    /// # Errors
    ///
    /// [`Error::Overtaken`] if it is not; the store's.
    pub(super) async fn before_segment(
        &mut self,
        context: &Context,
        generation: GenerationId,
        index: SegmentIndex,
        hint_is_due: bool,
    ) -> Result<Seen, Error> {
        let (check, hooks) = (context.options.rival_check, &context.hooks);
        let is_fresh = self.begun.is_some_and(|begun| begun.elapsed() < FRESH);
        let mut seen = Seen::Nothing;
        let mut is_alone = !self.put.is_over(context.names_stay(), hooks);
        // Who began in the same moment, and died before his hint, is to be found once.
        let is_fresh_no_more = self.begun.is_some() && !is_fresh;
        let is_long_ago = self.listed.is_none_or(|listed| listed.is_over(check * LISTINGS, hooks));
        if is_long_ago || is_fresh_no_more || (is_fresh && hint_is_due) {
            require_newest(context, generation).await?;
            if !is_fresh || !context.conditional {
                context.keep_ids(Some(generation)).await?;
            }
            let now = Moment::now(hooks);
            (self.listed, self.looked) = (Some(now), now);
            if !is_fresh {
                self.begun = None;
            }
            if is_long_ago {
                (seen, is_alone) = (Seen::CloserLook, false);
            }
        } else if is_fresh || self.looked.is_over(check, hooks) {
            seen = look_at_the_hint(context, generation).await?;
            if seen != Seen::Nothing || !context.conditional {
                context.keep_ids(Some(generation)).await?;
            }
            self.looked = Moment::now(hooks);
        }
        if !is_alone {
            require_last(context, generation, index).await?;
        }
        Ok(seen)
    }
}

/// No other writer has begun a younger generation. Told by the hint at the current one, so that it costs one small
/// request; where that is not ours, or cannot be read, the listing decides.
async fn look_at_the_hint(context: &Context, ours: GenerationId) -> Result<Seen, Error> {
    match replica::read_latest(&context.replica).await {
        Ok(Some(latest)) if latest.generation == ours => Ok(Seen::Nothing),
        Err(replica::Error::Store(error)) => Err(error.into()),
        found => {
            tracing::debug!(?found, "the hint at the current generation is not ours");
            require_newest(context, ours).await?;
            Ok(Seen::NoHint)
        }
    }
}

/// No younger generation has a snapshot: whoever has begun one goes on there.
pub(super) async fn require_newest(context: &Context, ours: GenerationId) -> Result<(), Error> {
    require_none_after(context, Some(ours), ours).await
}

/// No generation but ours has a snapshot that came after this one; with `None`, none at all has.
pub(super) async fn require_none_after(
    context: &Context,
    after: Option<GenerationId>,
    ours: GenerationId,
) -> Result<(), Error> {
    require_none_of(context, replica::generations(&*context.replica).await?, after, ours).await
}

/// The same. Where nobody was there a moment ago, the hint at the current generation tells: whoever has begun one since has
/// written it before he acknowledged anything.
pub(super) async fn require_none_begun(
    context: &Context,
    after: Option<GenerationId>,
    ours: GenerationId,
) -> Result<(), Error> {
    if after.is_none() && context.is_first() {
        match replica::read_latest(&context.replica).await {
            Ok(None) => return Ok(()),
            Err(replica::Error::Store(error)) => return Err(error.into()),
            found => tracing::debug!(?found, "somebody else has begun"),
        }
    }
    require_none_after(context, after, ours).await
}

/// The same of generations that were listed just now.
pub(super) async fn require_none_of(
    context: &Context,
    listed: Vec<GenerationId>,
    after: Option<GenerationId>,
    ours: GenerationId,
) -> Result<(), Error> {
    let others = listed.into_iter().rev().filter(|&generation| generation != ours);
    for generation in others.take_while(|&generation| Some(generation) > after) {
        if is_there(&*context.replica, &Name::Snapshot(generation).key()).await?
            && !planted::is("nobody looks for another generation")
        {
            return Err(overtaken_by(context, generation));
        }
    }
    Ok(())
}

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

/// Another writer has begun this generation.
pub(super) fn overtaken_by(context: &Context, generation: GenerationId) -> Error {
    Error::Overtaken { object: format!("{} with generation {generation}", context.replica.location()) }
}

/// Watches whether anybody else writes to the replica.
#[derive(Debug)]
pub(super) struct Quiet {
    generation: GenerationId,
    last: Option<SegmentIndex>,
    /// When it was listed.
    since: Instant,
}

impl Quiet {
    /// Begins with what was listed at this moment: the generation, and its last segment.
    pub(super) fn begin(generation: GenerationId, last: Option<SegmentIndex>, since: Instant) -> Quiet {
        Quiet { generation, last, since }
    }

    /// Begins with what we know, which was seen to be there at this moment.
    pub(super) fn since(known: &Acknowledged, since: Instant) -> Quiet {
        Quiet::begin(known.generation, known.index.and_then(SegmentIndex::new), since)
    }

    /// Waits until long enough after the first listing, lists again, and says whether nothing has come.
    pub(super) async fn holds(self, context: &Context) -> Result<bool, Error> {
        let enough = context.options.quiet.max(context.options.sync_interval * 3).min(AT_MOST);
        let rest = enough.saturating_sub(self.since.elapsed());
        if rest > Duration::from_millis(500) {
            let seconds = rest.as_secs_f64().ceil();
            tracing::info!(seconds, "waiting to see whether anybody else writes to {}", context.replica.location());
        }
        tokio::time::sleep(rest).await;
        match require_newest(context, self.generation).await {
            Ok(()) => {}
            Err(Error::Overtaken { .. }) => return Ok(false),
            Err(error) => return Err(error),
        }
        let objects = Objects::list(&*context.replica, self.generation, self.last).await?;
        Ok(objects.last() <= self.last)
    }
}
