//! Keeping the WAL short while nothing else can be done: the store is out of reach, and without it nobody knows where
//! the replica ends.
//!
//! An application that leaves checkpoints to waloy would otherwise fill its disk. What is checkpointed meanwhile is
//! found later, by comparing pages; a WAL below the threshold is left as it is, and gone on from.

use std::sync::Arc;

use tokio::sync::watch;

use super::observer::Watched;
use super::options::{Hooks, Options};
use super::status::Status;

/// Watches the database for as long as it is told to.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    observer: Option<Watched>,
    /// Something else than SQLite wrote to the database meanwhile.
    overwritten: bool,
}

impl Keeper {
    /// From now on the WAL is kept short. A database that cannot be opened is left alone.
    pub(super) async fn watch(&mut self, options: &Arc<Options>, hooks: &Hooks) {
        if self.observer.as_ref().is_some_and(|observer| observer.pulse().borrow().lost) {
            self.let_go().await;
        }
        if self.observer.is_none() {
            // What it sees is nobody's status.
            let (status, _) = watch::channel(Status::new(hooks.clock.now(), String::new()));
            let opened = Watched::start(options.clone(), hooks.clone(), status, None).await;
            self.observer = opened.inspect_err(|error| tracing::debug!(%error, "cannot keep the WAL short")).ok();
        }
    }

    /// Whether something else than SQLite wrote to the database since this was asked last.
    pub(super) fn saw_overwriting(&mut self) -> bool {
        let seen = self.observer.as_ref().is_some_and(|observer| observer.pulse().borrow().overwritten);
        std::mem::take(&mut self.overwritten) || seen
    }

    /// The database is somebody else's concern again.
    pub(super) async fn let_go(&mut self) {
        let observer = self.observer.take();
        self.overwritten |= observer.as_ref().is_some_and(|observer| observer.pulse().borrow().overwritten);
        if let Err(error) = crate::task::blocking(move || drop(observer)).await {
            tracing::debug!(%error, "the WAL is no longer kept short by a thread that has panicked");
        }
    }
}
