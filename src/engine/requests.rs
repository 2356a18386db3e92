//! Asking a replicator, from anywhere in the process.

use tokio::sync::{mpsc, oneshot, watch};

use super::actor::{Command, Reply};
use super::event::{Report, Synced};
use super::status::Status;
use crate::db::Reclaimed;
use crate::error::{Error, Kind, Result};
use crate::format::Reason;

/// What a replicator can be asked. Clones are cheap, and each keeps it at work.
///
/// A request whose future is dropped is carried out all the same.
#[derive(Clone, Debug)]
pub struct Requests {
    commands: mpsc::Sender<Command>,
    status: watch::Receiver<Status>,
}

impl Requests {
    pub(super) fn new(commands: mpsc::Sender<Command>, status: watch::Receiver<Status>) -> Requests {
        Requests { commands, status }
    }

    /// To wait for changes.
    pub(super) fn watch(&self) -> watch::Receiver<Status> {
        self.status.clone()
    }

    /// Brings everything committed before the call to the store, with a snapshot first if there is none. When this
    /// returns, all of it is durable there. `None`: it was already.
    ///
    /// Of many that ask at a time, one upload answers all that asked before it began.
    ///
    /// # Errors
    ///
    /// Those of database, state directory and store. What could not be brought there is tried again by the next call.
    pub async fn sync(&self) -> Result<Option<Synced>> {
        self.ask(Command::Sync).await
    }

    /// Begins a new generation now. When this returns, its snapshot is durable.
    ///
    /// # Errors
    ///
    /// As [`Requests::sync`].
    pub async fn snapshot(&self) -> Result<()> {
        self.ask(|reply| Command::Snapshot(Some(Reason::Requested), reply)).await.map(drop)
    }

    /// Begins a new generation if one is due: there is none, the segments outweigh the snapshot, or the snapshot
    /// interval is over. Says whether it did.
    ///
    /// # Errors
    ///
    /// As [`Requests::sync`].
    pub async fn rollover_if_due(&self) -> Result<bool> {
        self.ask(|reply| Command::Snapshot(None, reply)).await
    }

    /// Copies the WAL into the database file now, as far as the application's readers allow.
    ///
    /// # Errors
    ///
    /// Those of the database.
    pub async fn checkpoint(&self) -> Result<Reclaimed> {
        self.ask(Command::Checkpoint).await
    }

    /// From now on it uploads by itself, as with [`super::Options::automatic`].
    ///
    /// # Errors
    ///
    /// It has ended.
    pub async fn automate(&self) -> Result<()> {
        self.ask(Command::Automate).await
    }

    /// How it is doing.
    pub fn status(&self) -> Status {
        self.status.borrow().clone()
    }

    /// A part of that, without a copy of the whole. The closure should return at once: the replicator waits for it.
    pub fn look<T>(&self, at: impl FnOnce(&Status) -> T) -> T {
        at(&self.status.borrow())
    }

    /// No longer keeps it at work.
    pub(super) fn close(&mut self) {
        self.commands = mpsc::channel(1).0;
    }

    pub(super) async fn shutdown(&self) -> Result<Report> {
        self.ask(Command::Shutdown).await
    }

    async fn ask<T>(&self, command: impl FnOnce(Reply<T>) -> Command) -> Result<T> {
        let (reply, answer) = oneshot::channel();
        self.commands.send(command(reply)).await.map_err(|_| gone())?;
        answer.await.map_err(|_| gone())?
    }
}

/// The code of an error that says that the replicator has ended before it answered.
pub const ENDED: &str = "engine.ended";

pub(super) fn gone() -> Error {
    Error::new(Kind::Failure, ENDED, "the replicator has ended")
}
