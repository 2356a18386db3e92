//! The thread, and how it is asked.

use std::sync::Arc;
use std::sync::mpsc::{Receiver, RecvTimeoutError, Sender, channel};
use std::thread::JoinHandle;

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::{Observer, Pulse, TICK};
use crate::db;
use crate::engine::options::{Hooks, Options};
use crate::engine::status::Status;
use crate::units::PageSize;

type Job = Box<dyn FnOnce(&mut Observer) + Send>;

/// The thread, from outside. Dropped, it ends the thread and waits for it: the pins are released then.
#[derive(Debug)]
pub(in crate::engine) struct ObserverThread {
    asked: Asked,
    pulse: watch::Receiver<Pulse>,
    /// The page size of the database.
    pub(in crate::engine) page_size: PageSize,
    /// The pages of the database when it was opened.
    pub(in crate::engine) pages: u32,
}

/// Who does what is asked.
#[derive(Debug)]
enum Asked {
    Thread {
        jobs: Option<Sender<Job>>,
        thread: Option<JoinHandle<()>>,
    },
    /// In a simulation, whoever asks.
    #[cfg(feature = "testing")]
    Here(here::Here),
}

/// The thread ended: a bug, since it ends only when nobody can ask it any more.
#[derive(Debug, thiserror::Error)]
#[error("the thread that watches the database has ended")]
pub(in crate::engine) struct Ended;

impl ObserverThread {
    /// Opens the database on a thread of its own.
    pub(in crate::engine) async fn start(
        options: Arc<Options>,
        hooks: Hooks,
        status: watch::Sender<Status>,
        resume: Option<db::Place>,
    ) -> Result<ObserverThread, db::Error> {
        let (pulses, pulse) = watch::channel(Pulse::default());
        #[cfg(feature = "testing")]
        if crate::task::one_thread::is_wanted() {
            let watch = Watch::begin(&options, hooks, status, pulses, resume.as_ref())?;
            let (page_size, pages) = watch.facts();
            let asked = Asked::Here(here::Here::new(watch));
            return Ok(ObserverThread { asked, pulse, page_size, pages });
        }
        let (jobs, receiver) = channel::<Job>();
        let (ready, opened) = oneshot::channel();
        let spawned = std::thread::Builder::new().name("waloy-observer".into()).spawn(move || {
            match Watch::begin(&options, hooks, status, pulses, resume.as_ref()) {
                Ok(watch) => {
                    if ready.send(Ok(watch.facts())).is_ok() {
                        watch.run(&receiver);
                    }
                }
                Err(error) => drop(ready.send(Err(error))),
            }
        });
        let thread = spawned.map_err(|source| db::Error::Io { what: "start a thread", source })?;
        match opened.await {
            Ok(Ok((page_size, pages))) => {
                let asked = Asked::Thread { jobs: Some(jobs), thread: Some(thread) };
                Ok(ObserverThread { asked, pulse, page_size, pages })
            }
            Ok(Err(error)) => Err(error),
            Err(_) => panic!("the thread that opens the database says how that went"),
        }
    }

    /// Runs a closure on the thread.
    pub(in crate::engine) async fn call<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Observer) -> R + Send + 'static,
    ) -> Result<R, Ended> {
        match &self.asked {
            Asked::Thread { jobs, .. } => {
                let (reply, answer) = oneshot::channel();
                let job: Job = Box::new(move |observer| drop(reply.send(job(observer))));
                jobs.as_ref().ok_or(Ended)?.send(job).map_err(|_| Ended)?;
                answer.await.map_err(|_| Ended)
            }
            #[cfg(feature = "testing")]
            Asked::Here(here) => {
                here.tick_at_times();
                Ok(here.watch().serve(job))
            }
        }
    }

    /// Has it look at the WAL now, without waiting for that.
    pub(in crate::engine) fn nudge(&self) {
        match &self.asked {
            Asked::Thread { jobs, .. } => {
                if let Some(jobs) = jobs {
                    let _ = jobs.send(Box::new(Observer::look));
                }
            }
            #[cfg(feature = "testing")]
            Asked::Here(here) => here.watch().serve(Observer::look),
        }
    }

    /// What it tells without being asked.
    pub(in crate::engine) fn pulse(&self) -> watch::Receiver<Pulse> {
        self.pulse.clone()
    }
}

impl Drop for Asked {
    fn drop(&mut self) {
        match self {
            Asked::Thread { jobs, thread } => {
                *jobs = None;
                if let Some(thread) = thread.take()
                    && thread.join().is_err()
                {
                    tracing::error!("the thread that watches the database has panicked");
                }
            }
            #[cfg(feature = "testing")]
            Asked::Here(_) => {}
        }
    }
}

/// What goes on in the thread.
#[derive(Debug)]
struct Watch {
    observer: Observer,
    pulses: watch::Sender<Pulse>,
    status: watch::Sender<Status>,
    /// When the next tick is due.
    next: Instant,
}

impl Watch {
    fn begin(
        options: &Options,
        hooks: Hooks,
        status: watch::Sender<Status>,
        pulses: watch::Sender<Pulse>,
        resume: Option<&db::Place>,
    ) -> Result<Watch, db::Error> {
        let observer = Observer::open(options, hooks, resume)?;
        pulses.send_replace(observer.pulse());
        Ok(Watch { observer, pulses, status, next: Instant::now() + TICK })
    }

    fn facts(&self) -> (PageSize, u32) {
        (self.observer.live.page_size(), self.observer.live.pages())
    }

    fn run(mut self, jobs: &Receiver<Job>) {
        loop {
            match jobs.recv_timeout(self.next.saturating_duration_since(Instant::now())) {
                Ok(job) => self.serve(job),
                Err(RecvTimeoutError::Timeout) => self.serve(|_| ()),
                Err(RecvTimeoutError::Disconnected) => return,
            }
        }
    }

    /// Does a job, and the tick if it is due; then tells what has changed.
    fn serve<R>(&mut self, job: impl FnOnce(&mut Observer) -> R) -> R {
        let done = job(&mut self.observer);
        if Instant::now() >= self.next {
            let pause = self.observer.tick();
            self.next = Instant::now() + pause;
        }
        let pulse = self.observer.pulse();
        self.pulses.send_if_modified(|last| std::mem::replace(last, pulse) != pulse);
        let (unsealed, wal_bytes) = (self.observer.pending.oldest(), self.observer.wal_bytes());
        self.status.send_if_modified(|status| {
            let changed = (status.unsealed, status.wal_bytes) != (unsealed, wal_bytes);
            (status.unsealed, status.wal_bytes) = (unsealed, wal_bytes);
            changed
        });
        done
    }
}

/// The same without a thread.
#[cfg(feature = "testing")]
mod here {
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use tokio_util::task::AbortOnDropHandle;

    use super::{Observer, Watch};

    #[derive(Debug)]
    pub(super) struct Here {
        watch: Arc<Mutex<Watch>>,
        /// Sees to the ticks.
        _ticks: AbortOnDropHandle<()>,
    }

    impl Here {
        pub(super) fn new(watch: Watch) -> Here {
            let watch = Arc::new(Mutex::new(watch));
            // Held weakly: the pins are released with the one who asks.
            let watched = Arc::downgrade(&watch);
            let ticks = tokio::spawn(async move {
                while let Some(next) = watched.upgrade().map(|watch| lock(&watch).next) {
                    tokio::time::sleep_until(next).await;
                    let Some(watch) = watched.upgrade() else { return };
                    lock(&watch).serve(|_| ());
                }
            });
            Here { watch, _ticks: AbortOnDropHandle::new(ticks) }
        }

        /// A thread may tick between any two things that it is asked.
        pub(super) fn tick_at_times(&self) {
            let [dice] = crate::clock::random();
            if dice < 32 {
                self.watch().serve(Observer::look);
            }
        }

        pub(super) fn watch(&self) -> MutexGuard<'_, Watch> {
            lock(&self.watch)
        }
    }

    fn lock(watch: &Mutex<Watch>) -> MutexGuard<'_, Watch> {
        watch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
