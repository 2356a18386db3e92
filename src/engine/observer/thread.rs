//! A database under watch, and how it is asked.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use tokio::sync::{oneshot, watch};
use tokio::time::Instant;

use super::crew::{Job, Seat};
use super::{Observer, Pulse, TICK};
use crate::db;
use crate::engine::options::{Hooks, Options};
use crate::engine::status::Status;
use crate::units::PageSize;

/// The watch of a database, from outside. Dropped, it waits until the database is closed: the pins are released then.
#[derive(Debug)]
pub(in crate::engine) struct Watched {
    asked: Asked,
    pulse: watch::Receiver<Pulse>,
    /// As the observer's.
    is_told: Arc<AtomicBool>,
    /// The page size of the database.
    pub(in crate::engine) page_size: PageSize,
    /// The pages of the database when it was opened.
    pub(in crate::engine) pages: u32,
}

/// Somebody who hears of writes to the files, as long as he says so and this is there.
#[derive(Debug)]
pub(in crate::engine) struct Listening<'w>(&'w Watched);

impl Listening<'_> {
    pub(in crate::engine) fn set(&self, listens: bool) {
        self.0.is_told.store(listens, Ordering::Relaxed);
    }
}

impl Drop for Listening<'_> {
    fn drop(&mut self) {
        // From now on the ticks are to see what is written, and the next one may be far.
        if self.0.is_told.swap(false, Ordering::Relaxed) {
            self.0.nudge();
        }
    }
}

/// Who does what is asked.
#[derive(Debug)]
enum Asked {
    Thread(Seat),
    /// In a simulation, whoever asks.
    #[cfg(feature = "testing")]
    Here(here::Here),
}

/// The watch ended: a bug, since it ends only when nobody can ask it any more.
#[derive(Debug, thiserror::Error)]
#[error("the watch of the database has ended")]
pub(in crate::engine) struct Ended;

impl Watched {
    /// Opens the database, which may take long, and has it watched.
    pub(in crate::engine) async fn start(
        options: Arc<Options>,
        hooks: Hooks,
        status: watch::Sender<Status>,
        resume: Option<db::Place>,
    ) -> Result<Watched, db::Error> {
        let (pulses, pulse) = watch::channel(Pulse::default());
        let opened =
            crate::task::blocking(move || Watch::begin(&options, hooks, status, pulses, resume.as_ref())).await;
        // A panic about one database is none of the others that are opened by the same task.
        let failed = |error| db::Error::Io { what: "open the database", source: io::Error::other(error) };
        let watch = opened.map_err(failed)??;
        let (page_size, pages) = (watch.observer.live.page_size(), watch.observer.live.pages());
        let is_told = Arc::clone(&watch.observer.is_told);
        #[cfg(feature = "testing")]
        if crate::task::one_thread::is_wanted() {
            let asked = Asked::Here(here::Here::new(watch));
            return Ok(Watched { asked, pulse, is_told, page_size, pages });
        }
        let seat = Seat::take(watch).map_err(|source| db::Error::Io { what: "start a thread", source })?;
        Ok(Watched { asked: Asked::Thread(seat), pulse, is_told, page_size, pages })
    }

    /// Runs a closure on the thread.
    pub(in crate::engine) async fn call<R: Send + 'static>(
        &self,
        job: impl FnOnce(&mut Observer) -> R + Send + 'static,
    ) -> Result<R, Ended> {
        match &self.asked {
            Asked::Thread(seat) => {
                let (reply, answer) = oneshot::channel();
                let job: Job = Box::new(move |observer| drop(reply.send(job(observer))));
                seat.ask(job);
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
        self.have(Observer::look);
    }

    /// The same a moment after the files were written to; of those moments, the last one.
    pub(in crate::engine) fn written(&self, is_last: bool) {
        self.have(move |observer| observer.look_after_write(is_last));
    }

    fn have(&self, job: impl FnOnce(&mut Observer) + Send + 'static) {
        match &self.asked {
            Asked::Thread(seat) => seat.ask(Box::new(job)),
            #[cfg(feature = "testing")]
            Asked::Here(here) => here.watch().serve(job),
        }
    }

    /// To say whether writes to the files are heard of, so that it need not look by itself as often.
    pub(in crate::engine) fn listening(&self) -> Listening<'_> {
        Listening(self)
    }

    /// What it tells without being asked.
    pub(in crate::engine) fn pulse(&self) -> watch::Receiver<Pulse> {
        self.pulse.clone()
    }
}

/// What goes on about one database.
#[derive(Debug)]
pub(super) struct Watch {
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

    /// When the next tick is due.
    pub(super) fn due(&self) -> Instant {
        self.next
    }

    /// Looks at the WAL, due or not.
    pub(super) fn tick(&mut self) {
        self.next = Instant::now();
        self.serve(|_| ());
    }

    /// Does a job, and the tick if it is due; then tells what has changed.
    pub(super) fn serve<R>(&mut self, job: impl FnOnce(&mut Observer) -> R) -> R {
        let done = job(&mut self.observer);
        let is_due = Instant::now() >= self.next;
        if is_due {
            self.observer.tick();
        }
        let soonest = Instant::now() + self.observer.pause();
        self.next = if is_due { soonest } else { self.next.min(soonest) };
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

#[cfg(test)]
mod tests {
    use std::path::{Path, PathBuf};

    use super::super::{IDLE_AFTER, IDLE_TICK};
    use super::*;

    /// A database that an application has open, and its watch.
    fn watch_one(dir: &Path) -> (rusqlite::Connection, PathBuf, Watch) {
        let path = dir.join("app.db");
        let app = rusqlite::Connection::open(&path).unwrap();
        app.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE t (x)").unwrap();
        let hooks = Hooks::default();
        let (status, _) = watch::channel(Status::new(hooks.clock.now(), String::new()));
        let (pulses, _) = watch::channel(Pulse::default());
        let watch = Watch::begin(&Options::new(&path), hooks, status, pulses, None).unwrap();
        (app, path, watch)
    }

    #[test]
    fn ticks_are_few_only_while_somebody_hears_of_writes_and_there_are_none() {
        let dir = tempfile::tempdir().unwrap();
        let (_app, _, mut watch) = watch_one(dir.path());
        // When the tick was before, when the next one is due, and when that was known.
        let tick = |watch: &mut Watch| {
            watch.observer.changed = Instant::now() - IDLE_AFTER;
            let before = Instant::now();
            watch.tick();
            (before, watch.due(), Instant::now())
        };
        let (_, due, now) = tick(&mut watch);
        assert!(due <= now + TICK, "the first one moves the pin");
        let (_, due, now) = tick(&mut watch);
        assert!(due <= now + TICK, "nobody hears of writes");
        watch.observer.is_told.store(true, Ordering::Relaxed);
        let (before, due, _) = tick(&mut watch);
        assert!(due >= before + IDLE_TICK);
        watch.serve(|observer| observer.look_after_write(false));
        assert!(watch.due() <= Instant::now() + TICK, "what was written may be committed any time");
        let (before, due, _) = tick(&mut watch);
        assert!(due >= before + IDLE_TICK);
        watch.observer.is_told.store(false, Ordering::Relaxed);
        watch.serve(Observer::look);
        assert!(watch.due() <= Instant::now() + TICK, "nobody hears of writes any more");
    }

    #[cfg(feature = "testing")]
    #[tokio::test(start_paused = true)]
    async fn when_nobody_hears_of_writes_any_more_the_next_tick_is_near() {
        let dir = tempfile::tempdir().unwrap();
        let (_app, _, watch) = watch_one(dir.path());
        let (pulse, is_told) = (watch.pulses.subscribe(), Arc::clone(&watch.observer.is_told));
        let (page_size, pages) = (watch.observer.live.page_size(), watch.observer.live.pages());
        let watched = Watched { asked: Asked::Here(here::Here::new(watch)), pulse, is_told, page_size, pages };
        let is_near = || {
            let Asked::Here(here) = &watched.asked else { unreachable!("it was put there above") };
            here.watch().due() <= Instant::now() + TICK
        };
        let listening = watched.listening();
        listening.set(true);
        tokio::time::sleep(IDLE_AFTER).await;
        while is_near() {
            tokio::time::sleep(TICK).await;
        }
        drop(listening);
        assert!(is_near());
    }

    #[test]
    fn after_a_write_it_is_asked_whether_the_file_is_still_the_same() {
        let dir = tempfile::tempdir().unwrap();
        let (_app, path, mut watch) = watch_one(dir.path());
        watch.tick();
        watch.observer.live.ask_identity();
        watch.serve(Observer::look);
        std::fs::copy(&path, dir.path().join("other.db")).unwrap();
        std::fs::rename(dir.path().join("other.db"), &path).unwrap();
        watch.serve(|observer| observer.look_after_write(true));
        assert!(watch.observer.lost);
    }
}
