//! Retention, by itself: after each new generation, and once an hour if anything was uploaded.
//!
//! A task of its own, which nothing waits for: an upload never does. Ended in the middle, what it was doing is done by
//! the next run.

use std::time::Duration;

use tokio::sync::watch;
use tokio::time::{Instant, sleep_until};

use super::event::Event;
use super::options::Hooks;
use super::status::Status;
use crate::replica::Replica;
use crate::retention::{self, Policy};

/// How long after the start the first run is: a process that is started again and again does not list each time.
const FIRST: Duration = Duration::from_secs(60);
/// How often, if no generation begins.
const EVERY: Duration = Duration::from_secs(60 * 60);
/// How often it is looked for uploads in parts that nobody has finished.
const UPLOADS_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Enforces a policy.
#[derive(Clone, Debug)]
pub(super) struct Pruner {
    pub(super) replica: Replica,
    pub(super) policy: Policy,
    pub(super) hooks: Hooks,
}

impl Pruner {
    /// Enforces it once.
    pub(super) async fn enforce(&self) -> Result<retention::Report, retention::Error> {
        let report = retention::enforce(&self.replica, &self.policy, self.hooks.clock.now()).await?;
        if report != (retention::Report { duration: report.duration, ..retention::Report::default() }) {
            (self.hooks.events)(Event::Pruned(report.clone()));
        }
        Ok(report)
    }

    /// Enforces it until the replicator has ended.
    pub(super) async fn run(self, mut status: watch::Receiver<Status>) {
        let (mut due, mut snapshots, mut objects) = (Instant::now() + FIRST, 0, 0);
        let mut uploads_due = Instant::now();
        loop {
            // A backup ages by what is added to it: an idle database asks the store for nothing.
            if status.wait_for(|status| status.report.objects > objects).await.is_err() {
                return;
            }
            let begun = status.wait_for(|status| status.snapshots > snapshots);
            tokio::select! {
                biased;
                ended = begun => match ended {
                    Ok(status) => snapshots = status.snapshots,
                    Err(_) => return,
                },
                () = sleep_until(due) => {}
            }
            objects = status.borrow().report.objects;
            if status.borrow().generation.is_some() {
                // Boxed: a thousand that wait take no room for what they do once an hour.
                Box::pin(self.enforce_and_tell()).await;
                if Instant::now() >= uploads_due {
                    Box::pin(self.abort_uploads()).await;
                    uploads_due = Instant::now() + UPLOADS_EVERY;
                }
            }
            due = Instant::now() + EVERY;
        }
    }

    /// Not every store knows of them, and not every key may ask.
    async fn abort_uploads(&self) {
        if let Err(error) = retention::abort_uploads(&self.replica, self.hooks.clock.now()).await {
            tracing::debug!(%error, "it is not known whether uploads in parts are left");
        }
    }

    /// A failure is told: the next run makes up for it.
    async fn enforce_and_tell(&self) {
        if let Err(error) = self.enforce().await {
            let error = crate::error::Error::from(error);
            let why = error.causes().join(": ");
            let colon = if why.is_empty() { "" } else { ": " };
            tracing::warn!(code = error.code(), "nothing was let go of, until the next time: {error}{colon}{why}");
        }
    }
}
