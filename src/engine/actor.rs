//! The task that drives a session: commands, timing, trying again.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, oneshot};
use tokio::time::{Instant, sleep};

use self::due::{due, wake};
use self::trouble::Trouble;
pub(super) use self::trouble::{one_line, pause};
use super::context::Context;
use super::error::Error;
use super::event::{Event, Report, Synced};
use super::keeper::Keeper;
use super::merge::{self, Merge};
use super::rollover::{Progress, Rollover};
use super::session::Session;
use super::turns::Turn;
use super::wake::Wake;
use crate::db::{self, Reclaimed};
use crate::error::Error as PublicError;
use crate::format::Reason;
use crate::state::Acknowledged;

mod bucket;
mod due;
mod trouble;

/// How often segments are uploaded while a turn is waited for.
const MEANWHILE: Duration = Duration::from_millis(100);

/// What the replicator is asked.
#[derive(Debug)]
pub(super) enum Command {
    /// Bring everything committed before to the store.
    Sync(Reply<Option<Synced>>),
    /// Begin a new generation; `None`: if one is due.
    Snapshot(Option<Reason>, Reply<bool>),
    /// Checkpoint now.
    Checkpoint(Reply<Reclaimed>),
    /// Upload by itself from now on.
    Automate(Reply<()>),
    /// A last sync, then end.
    Shutdown(Reply<Report>),
}

pub(super) type Reply<T> = oneshot::Sender<Result<T, PublicError>>;

/// The task.
#[derive(Debug)]
pub(super) struct Actor {
    context: Arc<Context>,
    session: Option<Session>,
    commands: mpsc::Receiver<Command>,
    /// Commands that came while something long was going on.
    waiting: VecDeque<Command>,
    wake: Wake,
    /// Upload without being asked.
    automatic: bool,
    /// No automatic upload before this.
    not_before: Instant,
    trouble: Option<Trouble>,
    /// A snapshot that waits for the store to be back.
    rollover: Option<Rollover>,
    /// The bucket was gone, or what we have put there: whether it is the same has to be asked.
    ask_for_bucket: bool,
    /// Something else than SQLite wrote to the database, and what it is now was not compared since.
    overwritten: bool,
    /// Is at work while there is no session, for want of a store.
    keeper: Keeper,
}

impl Actor {
    pub(super) fn new(context: Arc<Context>, session: Session, commands: mpsc::Receiver<Command>) -> Actor {
        let wake = wake(&context);
        Actor {
            automatic: context.options.automatic,
            context,
            session: Some(session),
            commands,
            waiting: VecDeque::new(),
            wake,
            not_before: Instant::now(),
            trouble: None,
            rollover: None,
            ask_for_bucket: false,
            overwritten: false,
            keeper: Keeper::default(),
        }
    }

    /// Runs until it is shut down, nobody can ask it any more, or another writer has taken over.
    /// The report is that of a shutdown.
    ///
    /// Of a box: a future has room for what it is given twice, as it was given and as it is used.
    pub(super) async fn run(mut self: Box<Self>) -> Result<Option<Report>, PublicError> {
        loop {
            let command = match self.waiting.pop_front() {
                Some(command) => Some(command),
                None => {
                    let automatic = self.automatic;
                    let (waits, now) = (self.rollover.is_some(), self.context.now());
                    let due = due(self.session.as_ref(), waits, &mut self.wake, self.not_before, now);
                    tokio::select! {
                        biased;
                        command = self.commands.recv() => match command {
                            Some(command) => Some(command),
                            // Dropped without a shutdown: what is not uploaded is found at the next start.
                            None => {
                                Box::pin(self.close()).await;
                                return Ok(None);
                            }
                        },
                        () = due, if automatic => None,
                    }
                }
            };
            match command {
                None => {
                    // Boxed, as the others: what waits, as a thousand idle databases do, takes no room for what it may do.
                    let outcome = Box::pin(self.cycle()).await.map(drop);
                    if let Err(error) = self.judge(outcome) {
                        return Err(error.into());
                    }
                    Box::pin(self.merge_if_due()).await;
                }
                Some(Command::Shutdown(reply)) => {
                    let report = Box::pin(self.last_sync()).await;
                    Box::pin(self.close()).await;
                    // Whoever asked may have gone away, and ask again.
                    let _ = reply.send(report.clone());
                    return report.map(Some);
                }
                Some(command) => Box::pin(self.serve(command)).await,
            }
        }
    }

    /// Everything that is due: the session, a generation, a segment.
    async fn cycle(&mut self) -> Result<Option<Synced>, Error> {
        self.require_session().await?;
        let first = self.ensure_generation().await?;
        let synced = self.sync().await?;
        self.roll_over_if_due().await?;
        Ok(synced.or(first))
    }

    async fn serve(&mut self, command: Command) {
        match command {
            Command::Sync(reply) => {
                let asked = self.all_who_wait(reply);
                let synced = self.sync_now().await;
                match &synced {
                    Ok(_) => self.recovered(),
                    Err(Error::Interrupted) => {}
                    Err(error) => drop(self.trouble(error)),
                }
                let synced = self.told(synced);
                answer(asked, &synced);
                self.merge_if_due().await;
            }
            Command::Snapshot(reason, reply) => {
                let done = self.snapshot(reason).await;
                let _ = reply.send(self.told(done));
            }
            Command::Checkpoint(reply) => {
                let done = self.checkpoint().await;
                let _ = reply.send(self.told(done));
            }
            Command::Automate(reply) => {
                self.automatic = true;
                let _ = reply.send(Ok(()));
            }
            Command::Shutdown(_) => unreachable!("the loop answers it"),
        }
    }

    /// This one, and everybody else who has asked for a sync by now: what they committed is there to be captured, and
    /// one upload answers them all. Who asks while it is under way needs another one.
    fn all_who_wait(&mut self, first: Reply<Option<Synced>>) -> Vec<Reply<Option<Synced>>> {
        while let Ok(command) = self.commands.try_recv() {
            self.waiting.push_back(command);
        }
        let mut asked = vec![first];
        for command in std::mem::take(&mut self.waiting) {
            match command {
                Command::Sync(reply) => asked.push(reply),
                other => self.waiting.push_back(other),
            }
        }
        asked
    }

    /// Like [`Actor::cycle`], without a generation that could wait.
    async fn sync_now(&mut self) -> Result<Option<Synced>, Error> {
        match self.sync_once().await {
            // What is asked is about the file that has the name now.
            Err(error @ Error::Db(db::Error::Replaced(_) | db::Error::Overwritten(_))) => {
                self.doubt(&error);
                self.sync_once().await
            }
            synced => synced,
        }
    }

    async fn sync_once(&mut self) -> Result<Option<Synced>, Error> {
        self.require_session().await?;
        let first = self.ensure_generation().await?;
        let synced = self.sync().await?.or(first);
        // Who asks for every upload is told of the one that a merge made, too.
        let merged = self.session().merging.synced.take().filter(|_| !self.automatic);
        Ok(synced.or(merged))
    }

    async fn snapshot(&mut self, reason: Option<Reason>) -> Result<bool, Error> {
        self.require_session().await?;
        match reason {
            Some(reason) => {
                // Where there is none to go on with, that is why.
                let context = self.context.clone();
                let session = self.session();
                let missing = session.due(&context).filter(|_| !session.goes_on());
                self.roll_over(missing.unwrap_or(reason)).await?;
                Ok(true)
            }
            None => {
                let context = self.context.clone();
                let wanted = self.session().due(&context);
                self.roll_over_if_due().await.map(|()| wanted.is_some())
            }
        }
    }

    async fn checkpoint(&mut self) -> Result<Reclaimed, Error> {
        self.require_session().await?;
        Ok(self.session().observer.call(|observer| observer.checkpoint()).await??)
    }

    async fn last_sync(&mut self) -> Result<Report, PublicError> {
        let synced = self.sync_now().await;
        let outcome = self.told(synced);
        let Some(session) = &mut self.session else {
            outcome?;
            return Ok(self.context.status.borrow().report);
        };
        session.note_merged(&self.context, true).await;
        if session.unlisted > 0 {
            session.publish(&self.context).await;
        }
        let pending = session.pending().await;
        self.context.count(|report| report.pending = pending);
        let report = self.context.status.borrow().report;
        self.context.tell(Event::Stopped(report));
        outcome.map(|_| report)
    }

    fn session(&mut self) -> &mut Session {
        self.session.as_mut().expect("a session is required before it is used")
    }

    async fn require_session(&mut self) -> Result<(), Error> {
        if self.ask_for_bucket {
            self.require_same_bucket().await?;
            self.ask_for_bucket = false;
        }
        if self.session.as_ref().is_some_and(|session| session.broken || session.observer.pulse().borrow().lost) {
            tracing::warn!("opening the database anew");
            self.close().await;
        }
        if self.session.is_none() {
            self.overwritten |= self.keeper.saw_overwriting();
            if self.overwritten {
                tracing::error!("something else than SQLite wrote to the database: every page is compared");
                Acknowledged::forget_place(&self.context.state)?;
            }
            self.session = match Session::open(&self.context, self.overwritten).await {
                Err(error) if error.is_not_of_database() => {
                    self.keeper.watch(&self.context.options, &self.context.hooks).await;
                    return Err(error);
                }
                opened => Some(opened?),
            };
            self.overwritten = false;
            self.keeper.let_go().await;
            self.wake = wake(&self.context);
        }
        Ok(())
    }

    /// Lets go of the database. A thread may have to end what it does: none of the runtime waits for that.
    async fn close(&mut self) {
        self.keeper.let_go().await;
        let mut session = self.session.take();
        self.overwritten |= session.as_ref().is_some_and(|session| session.observer.pulse().borrow().overwritten);
        if let (Some(rollover), Some(session)) = (self.rollover.take(), &mut session)
            && let Err(error) = rollover.abandon(session, &self.context).await
        {
            tracing::debug!(%error, "a snapshot was not given up");
        }
        if let Err(error) = crate::task::blocking(move || drop(session)).await {
            tracing::debug!(%error, "the session was not closed on a thread of its own");
        }
    }

    /// Without a generation, or after capture lost its thread, nothing can be uploaded before a snapshot is. What had
    /// failed to be uploaded is so first; says if that was a segment.
    async fn ensure_generation(&mut self) -> Result<Option<Synced>, Error> {
        let context = self.context.clone();
        let session = self.session();
        let synced = session.deliver(&context).await?;
        let reason = session.due(&context).filter(|_| !session.goes_on());
        // One that was read to its end is finished before anything else is made.
        match (reason, &self.rollover) {
            (Some(reason), _) => self.roll_over(reason).await?,
            (None, Some(rollover)) if rollover.is_read() => self.roll_over(rollover.reason()).await?,
            (None, _) => {}
        }
        Ok(synced)
    }

    async fn roll_over_if_due(&mut self) -> Result<(), Error> {
        let context = self.context.clone();
        let waits = self.rollover.as_ref().map(Rollover::reason);
        match waits.or(self.session().due(&context)) {
            Some(reason) => self.roll_over(reason).await,
            None => Ok(()),
        }
    }

    /// Begins a generation, or goes on with one whose snapshot waits for the store.
    async fn roll_over(&mut self, reason: Reason) -> Result<(), Error> {
        let context = self.context.clone();
        self.session().deliver(&context).await?;
        let mut rollover = match self.rollover.take() {
            Some(rollover) => rollover,
            None => {
                let turn = self.turn_to_collect().await?;
                Rollover::begin(self.session(), &context, reason, turn).await?
            }
        };
        loop {
            let stepped = match rollover.step(self.session(), &context).await {
                Ok(Progress::Reading) => self.meanwhile().await,
                Ok(Progress::Read) => break,
                Err(error) => Err(error),
            };
            if let Err(error) = stepped {
                // What was uploaded of a large database is not thrown away for an outage. Who only asks by calls may
                // never ask again, and a snapshot that waits costs an upload and a place in memory.
                if self.automatic && error.may_pass() && !self.session().broken {
                    self.rollover = Some(rollover.park());
                } else {
                    rollover.abandon(self.session(), &context).await?;
                }
                return Err(error);
            }
        }
        rollover.finish(self.session(), &context).await?;
        self.session().deliver(&context).await?;
        Ok(())
    }

    /// Waits for the turn to collect, as long as it takes.
    async fn turn_to_collect(&mut self) -> Result<Turn, Error> {
        let mut turn = std::pin::pin!(Turn::to_collect());
        loop {
            tokio::select! {
                biased;
                turn = &mut turn => return Ok(turn),
                () = sleep(MEANWHILE) => self.meanwhile().await?,
            }
        }
    }

    /// Merges what is due. That it fails is told, and nothing else: what is wrong with database or store, the next sync
    /// meets by itself.
    async fn merge_if_due(&mut self) {
        match self.merge().await {
            Ok(()) | Err(Error::Interrupted) => {}
            Err(error) => {
                self.doubt(&error);
                if let Some(session) = &mut self.session {
                    session.merging.failed(&error);
                }
            }
        }
    }

    async fn merge(&mut self) -> Result<(), Error> {
        let context = self.context.clone();
        // A merge for which nobody may wait any more is not begun.
        while self.waiting.is_empty()
            && let Some(session) = &mut self.session
        {
            session.note_merged(&context, false).await;
            let Some(mut merge) = Merge::begin(session, &context).await? else { return Ok(()) };
            let done = loop {
                match merge.step(self.session(), &context).await {
                    Ok(merge::Progress::Reading) => {}
                    done => break done,
                }
                if let Err(error) = self.meanwhile().await {
                    break Err(error);
                }
            };
            match done {
                Ok(merge::Progress::TooLong) => merge.leave(self.session()).await?,
                Ok(_) => merge.finish(self.session(), &context).await?,
                Err(error) => {
                    merge.abandon(self.session()).await?;
                    return Err(error);
                }
            }
        }
        Ok(())
    }

    /// Between two steps of something long: segments are uploaded as ever, and who asks for one is answered.
    async fn meanwhile(&mut self) -> Result<(), Error> {
        loop {
            match self.commands.try_recv() {
                Ok(Command::Sync(reply)) if self.session().goes_on() => {
                    let asked = self.all_who_wait(reply);
                    let synced = self.sync().await;
                    let synced = self.told(synced);
                    answer(asked, &synced);
                    if self.session().broken {
                        return Err(Error::Interrupted);
                    }
                }
                // Without a generation to go on with, the last sync needs this snapshot: it is made to its end.
                Ok(Command::Shutdown(reply)) if self.session().goes_on() => {
                    self.waiting.push_front(Command::Shutdown(reply));
                    return Err(Error::Interrupted);
                }
                Ok(command) => self.waiting.push_back(command),
                Err(mpsc::error::TryRecvError::Empty) => break,
                // Dropped: nobody waits for a snapshot any more.
                Err(mpsc::error::TryRecvError::Disconnected) => return Err(Error::Interrupted),
            }
        }
        let due = self.automatic && Instant::now() >= self.not_before && self.session().goes_on();
        if due && self.session().observer.pulse().borrow().pending {
            self.sync().await?;
        }
        Ok(())
    }

    async fn sync(&mut self) -> Result<Option<Synced>, Error> {
        let context = self.context.clone();
        let began = Instant::now();
        let synced = self.session().sync(&context).await?;
        if synced.is_some() {
            self.not_before = began + context.options.sync_interval;
        }
        Ok(synced)
    }
}

fn answer(asked: Vec<Reply<Option<Synced>>>, synced: &Result<Option<Synced>, PublicError>) {
    for reply in asked {
        let _ = reply.send(synced.clone());
    }
}
