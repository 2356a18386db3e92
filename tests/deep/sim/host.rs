//! A machine: the application on it, and the life and death of waloy.

use std::path::PathBuf;
use std::rc::Rc;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, bail};
use tokio::runtime::Runtime;
use tokio::time::Instant;
use waloy::engine::{Event, Hooks, Options, Replicator, default_state_dir};
use waloy::replica::Replica;
use waloy::storage::{DirStore, Retry, Retrying, Store};

use super::app::App;
use super::log;
use super::store::Bucket;
use super::time::{Time, WallClock};
use crate::door::{self, Loss, Who, acting};

/// How long a start is waited for.
const PATIENCE: Duration = Duration::from_secs(300);

/// One machine.
pub(crate) struct Host {
    pub(crate) who: Who,
    pub(crate) app: Rc<std::cell::RefCell<App>>,
    pub(crate) options: Options,
    pub(crate) clock: WallClock,
    pub(crate) bucket: Bucket,
    /// The replica is in this directory, and not in the bucket.
    pub(crate) directory: Option<PathBuf>,
    time: Time,
    process: Option<Process>,
    /// The newest state that waloy said is durable.
    pub(crate) acked: Option<usize>,
    /// What waloy told, in words.
    pub(crate) told: Arc<Mutex<Vec<String>>>,
}

/// A process of waloy's: everything of it goes with its runtime.
struct Process {
    replicator: Option<Replicator>,
    runtime: Runtime,
    began: (Instant, i64),
}

impl Host {
    pub(crate) fn new(number: u8, app: App, options: Options, time: Time, bucket: &Bucket) -> Host {
        let who = Who::Waloy(number);
        Host {
            who,
            app: Rc::new(std::cell::RefCell::new(app)),
            options,
            clock: WallClock::new(time.clone()),
            bucket: bucket.seen_by(who),
            directory: None,
            time,
            process: None,
            acked: None,
            told: Arc::default(),
        }
    }

    pub(crate) fn runs(&self) -> bool {
        self.process.as_ref().is_some_and(|process| process.replicator.is_some())
    }

    pub(crate) fn state_dir(&self) -> PathBuf {
        default_state_dir(&self.options.db_path)
    }

    fn hooks(&self) -> Hooks {
        let told = self.told.clone();
        let events = Arc::new(move |event: Event| {
            if let Event::Retry { error, .. } | Event::Degraded { error, .. } = event {
                told.lock().unwrap_or_else(PoisonError::into_inner).push(error);
            }
        });
        Hooks { clock: Arc::new(self.clock.clone()), events, ..Hooks::default() }
    }

    /// Starts waloy. An error is what it says to whoever starts it.
    pub(crate) fn start(&mut self) -> Result<(), waloy::Error> {
        door::plan(|plan| plan.revive(self.who));
        let store: Arc<dyn Store> = match &self.directory {
            Some(directory) => Arc::new(DirStore::new(directory)),
            None => Arc::new(Retrying::new(Arc::new(self.bucket.clone()), Retry::default())),
        };
        let (options, hooks) = (self.options.clone(), self.hooks());
        let mut process = Process::new(&self.time);
        let starting = async {
            let starting = Replicator::start(options, Replica::plain(store), hooks);
            // One that waits for its store is given up, as by an operator.
            tokio::time::timeout(PATIENCE, starting).await.unwrap_or_else(|_| {
                Err(waloy::Error::new(waloy::error::Kind::Failure, "sim.given_up", "it waits, and is given up"))
            })
        };
        let started = process.run(self.who, &self.time, starting);
        match started {
            Ok(replicator) => {
                process.replicator = Some(replicator);
                self.process = Some(process);
                Ok(())
            }
            Err(error) => Err(error),
        }
    }

    /// Waloy has not had to give up a snapshot or a merge that was not what its segments came to: a fault of its own
    /// that it noticed in time.
    pub(crate) fn expect_consistent(&self) -> anyhow::Result<()> {
        let told = self.told.lock().unwrap_or_else(PoisonError::into_inner);
        let snapshot = told.iter().find(|error| error.contains("is not the database that its segments give"));
        match snapshot.cloned().or_else(log::first_error) {
            Some(error) => bail!("I1: {error}"),
            None => Ok(()),
        }
    }

    /// Asks waloy, and lets everything happen that happens meanwhile.
    pub(crate) fn ask<T>(
        &mut self,
        request: impl AsyncFnOnce(&Replicator) -> Result<T, waloy::Error>,
    ) -> Option<Result<T, waloy::Error>> {
        let process = self.process.as_mut()?;
        let replicator = process.replicator.take()?;
        let answer = process.run(self.who, &self.time, request(&replicator));
        process.replicator = Some(replicator);
        Some(answer)
    }

    /// Lets time pass.
    pub(crate) fn pass(&mut self, time: Duration) {
        match &mut self.process {
            Some(process) => process.run(self.who, &self.time, async { tokio::time::sleep(time).await }),
            None => Process::new(&self.time).run(self.who, &self.time, async { tokio::time::sleep(time).await }),
        }
    }

    /// Catches up with a world in which more time has passed.
    pub(crate) fn catch_up(&mut self) {
        if let Some(process) = &mut self.process {
            let behind = self.time.elapsed() - process.shows();
            if behind > 0 {
                let behind = Duration::from_millis(behind as u64);
                process.run(self.who, &self.time, async { tokio::time::sleep(behind).await });
            }
        }
    }

    /// Stops waloy as an operator does.
    pub(crate) fn stop(&mut self) -> Option<Result<waloy::engine::Report, waloy::Error>> {
        let mut process = self.process.take()?;
        let mut replicator = process.replicator.take()?;
        let report = process.run(self.who, &self.time, replicator.shutdown());
        acting(self.who, || drop((replicator, process)));
        Some(report)
    }

    /// The process ends, in the middle of whatever it does.
    pub(crate) fn kill(&mut self) {
        door::plan(|plan| plan.kill(self.who));
        let process = self.process.take();
        acting(self.who, || drop(process));
    }

    /// Whether the plan has ended the process; then everything of it goes.
    pub(crate) fn is_dead(&mut self) -> bool {
        let dead = door::plan(|plan| plan.is_dead(self.who));
        if dead && self.process.is_some() {
            self.kill();
        }
        dead
    }

    /// The machine loses power: the application and waloy end, and what was not durable is lost.
    pub(crate) fn lose_power(&mut self, loss: Loss) -> anyhow::Result<()> {
        door::plan(|plan| plan.kill(Who::Application));
        self.app.borrow_mut().close();
        self.kill();
        door::lose_power(loss);
        door::plan(|plan| plan.revive(Who::Application));
        self.app.borrow_mut().reopen().context("after a loss of power")
    }

    /// Waloy and the application are killed, and the application is started again.
    pub(crate) fn kill_all(&mut self) -> anyhow::Result<()> {
        door::plan(|plan| plan.kill(Who::Application));
        self.app.borrow_mut().close();
        self.kill();
        door::plan(|plan| plan.revive(Who::Application));
        self.app.borrow_mut().reopen().context("after everything was killed")
    }
}

impl Process {
    fn new(time: &Time) -> Process {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .start_paused(true)
            .build()
            .expect("a runtime of one thread");
        let (before, _entered) = (time.elapsed(), runtime.enter());
        let began = (Instant::now(), before);
        drop(_entered);
        Process { replicator: None, runtime, began }
    }

    /// What the world's clock shows for this process.
    fn shows(&self) -> i64 {
        let _entered = self.runtime.enter();
        self.began.1 + self.began.0.elapsed().as_millis() as i64
    }

    fn run<T>(&mut self, who: Who, time: &Time, work: impl Future<Output = T>) -> T {
        time.follow(Some(self.began));
        let done = acting(who, || self.runtime.block_on(work));
        {
            let _entered = self.runtime.enter();
            time.elapsed();
        }
        time.follow(None);
        done
    }
}
