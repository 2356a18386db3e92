//! What all parts of one replicator share.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use tokio::sync::watch;

use super::collector::joined;
use super::error::Error;
use super::event::{Event, Report};
use super::options::{Hooks, OnConflict, Options};
use super::rival::{Moment, require_newest};
use super::status::{Degraded, Status};
use crate::format::{PageHasher, ReplicaIds};
use crate::ids::{GenerationId, WriterId};
use crate::replica::{self, Replica};
use crate::state::{Acknowledged, Intent, StateDir};
use crate::task::blocking;
use crate::units::Timestamp;

/// An answer is not late before this, however often is uploaded.
const LATE: Duration = Duration::from_secs(1);

/// What does not change in the life of a replicator.
#[derive(Debug)]
pub(super) struct Context {
    pub(super) options: Arc<Options>,
    pub(super) hooks: Hooks,
    pub(super) replica: Replica,
    pub(super) state: Arc<StateDir>,
    pub(super) writer: WriterId,
    pub(super) hasher: PageHasher,
    /// What the store has under the name of the replica.
    pub(super) ids: ReplicaIds,
    pub(super) status: watch::Sender<Status>,
    /// The store keeps an object that is there when told to; otherwise it is looked for before each put, if anybody else
    /// may have put it.
    pub(super) conditional: bool,
    /// When it was known that there is no generation, and the ids were put here by us.
    pub(super) made: Option<Moment>,
}

/// For how long it counts that nobody was there. A snapshot that takes longer looks for others at each step.
pub(super) const FIRST: Duration = Duration::from_secs(10);

/// How often a replica that was taken over is taken back at most.
const TAKEN_BACK_AFTER_MS: i64 = 3_600_000;

/// When a replica was last taken back, in milliseconds since 1970: kept, as an operator's supervisor starts whatever ends.
const TAKEN_BACK: &str = "taken_back";

impl Context {
    /// Whether a new generation may be begun now because another writer has taken the old one over.
    pub(super) fn may_take_back(&self) -> Result<bool, Error> {
        if self.options.on_conflict == OnConflict::Stop {
            return Ok(false);
        }
        let last = self.state.read(TAKEN_BACK)?.and_then(|bytes| String::from_utf8(bytes).ok()?.trim().parse().ok());
        Ok(last.is_none_or(|last: i64| !(0..TAKEN_BACK_AFTER_MS).contains(&self.now().0.saturating_sub(last))))
    }

    /// For how long at least the name of an object that another writer has put stays taken: until it was merged, and the
    /// grace is over. Whoever lets go of things here knows how long that is; elsewhere it is seldom shorter than this.
    pub(super) fn names_stay(&self) -> Duration {
        let check = self.options.rival_check;
        self.options.retention.as_ref().map_or(check, |policy| check.min(policy.grace))
    }

    /// Such a generation was begun.
    pub(super) fn taken_back(&self) {
        let now = format!("{}\n", self.now().0);
        if let Err(error) = self.state.replace(TAKEN_BACK, &[now.as_bytes()], true) {
            tracing::warn!(%error, "cannot note that the replica was taken back");
        }
    }

    /// The ids are ours: with others, or without any, nothing of a generation of ours could be read. What somebody has
    /// deleted is put back. `ours`: the generation that is to be the newest, unless it is about to be left.
    ///
    /// On a store that replaces what is there, whoever began in the same moment may have put its own ids over ours; and ours
    /// is the newest generation, so that the other one is told.
    pub(super) async fn keep_ids(&self, ours: Option<GenerationId>) -> Result<(), Error> {
        if self.conditional {
            // Of a sealed one that is seen to with its keys.
            return if self.replica.is_sealed() { Ok(()) } else { self.claim_ids().await };
        }
        match replica::read_ids(&self.replica).await {
            Ok(Some(ids)) if ids == self.ids => return Ok(self.replica.keep_keys().await?),
            // Sealed with another root key.
            Err(replica::Error::Seal { .. }) => self.replica.require_root().await?,
            read => drop(read?),
        }
        tracing::warn!("another writer had put its ids in the place of ours");
        self.put_ids_over(ours).await?;
        Ok(self.replica.keep_keys().await?)
    }

    /// Puts the ids over those of somebody who has begun an older generation. That may take long: if a younger one has come
    /// meanwhile, which is taken to be read with what was there before, that is put back, unless somebody was faster.
    async fn put_ids_over(&self, ours: Option<GenerationId>) -> Result<(), Error> {
        if let Some(ours) = ours {
            require_newest(self, ours).await?;
        }
        let theirs = replica::replace_ids(&self.replica, &self.ids).await?;
        let Some(ours) = ours else { return Ok(()) };
        let newest = require_newest(self, ours).await;
        if let (Err(Error::Overtaken { .. }), Some(theirs)) = (&newest, theirs)
            && matches!(replica::read_ids(&self.replica).await, Ok(Some(ids)) if ids == self.ids)
        {
            tracing::warn!("a younger generation has come meanwhile: its ids are put back");
            self.replica.put(replica::REPLICA, theirs).await?;
        }
        newest
    }

    /// Puts the ids where there are none.
    ///
    /// # Errors
    ///
    /// [`Error::Overtaken`] if another writer has put its own there.
    pub(super) async fn claim_ids(&self) -> Result<(), Error> {
        let ids = match replica::read_ids(&self.replica).await? {
            Some(ids) => ids,
            None => {
                tracing::warn!("{} has no ids any more, which are put back", self.replica.location());
                replica::claim_ids(&self.replica, &self.ids).await?
            }
        };
        match ids == self.ids {
            true => Ok(()),
            false => Err(Error::Overtaken { object: replica::located(&*self.replica, replica::REPLICA) }),
        }
    }

    /// A moment ago nobody was there: whoever has begun since is seen by the hint at the current generation.
    pub(super) fn is_first(&self) -> bool {
        self.made.is_some_and(|made| !made.is_over(FIRST, &self.hooks))
    }

    /// Keeps what is about to be put, or may have been: on disk when this returns.
    pub(super) async fn intend(&self, intent: Intent, payload: Bytes) -> Result<(), Error> {
        // The directory stays locked until that is done, whoever waits for it.
        let state = Arc::clone(&self.state);
        joined(blocking(move || intent.save(&state, &payload)).await)
    }

    pub(super) fn now(&self) -> Timestamp {
        self.hooks.clock.now()
    }

    pub(super) fn tell(&self, event: Event) {
        (self.hooks.events)(event);
    }

    /// Changes what the replicator reports of its life.
    pub(super) fn count(&self, change: impl FnOnce(&mut Report)) {
        self.status.send_modify(|status| change(&mut status.report));
    }

    /// Shows what the replica holds now.
    pub(super) fn show(&self, replica: Option<&Acknowledged>) {
        self.status.send_modify(|status| {
            status.generation = replica.map(|replica| replica.generation);
            status.index = replica.and_then(|replica| crate::units::SegmentIndex::new(replica.index?));
            status.at = replica.map(Acknowledged::at);
        });
    }

    /// Says, once, that the replica is behind.
    pub(super) fn behind(&self, since: Timestamp, error: &str) {
        let told = self.status.send_if_modified(|status| {
            let told = status.degraded.is_none();
            status.degraded.get_or_insert_with(|| Degraded { since, error: error.to_owned() });
            told
        });
        if told {
            self.tell(Event::Degraded { since, error: error.to_owned() });
        }
    }

    /// Waits for an answer of the store. One that is late is told of: a store may hang for minutes before a request to
    /// it fails, let alone all the tries of it.
    pub(super) async fn told_if_late<T>(&self, answer: impl Future<Output = T>) -> T {
        let (since, patience) = (self.now(), (self.options.sync_interval * 3).max(LATE));
        let mut answer = std::pin::pin!(answer);
        tokio::select! {
            biased;
            answer = &mut answer => return answer,
            () = tokio::time::sleep(patience) => {}
        }
        self.behind(since, &format!("the store has not answered for {:.0} s", patience.as_secs_f64()));
        answer.await
    }

    /// Shows that a transaction captured at this time, and those after it, are on their way.
    pub(super) fn sending(&self, first: Timestamp) {
        self.status.send_modify(|status| status.unsent = Some(status.unsent.map_or(first, |known| known.min(first))));
    }
}
