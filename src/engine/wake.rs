//! Being woken when the WAL is written to, so that a lone commit need not wait for the next tick; or the database, so that a
//! checkpoint that truncates the WAL does not wait for it either.
//!
//! Only the first write after somebody began to wait is told: an application that writes all the time costs nothing more.
//! A poll stands behind it: whatever is missed here is found a quarter of a second later, or two seconds after it was idle.

use std::path::{Path, PathBuf};

use crate::db::beside;

/// Tells that a database or its WAL was written to.
#[derive(Debug)]
pub(super) struct Wake {
    wal: PathBuf,
    db: PathBuf,
    #[cfg(target_os = "linux")]
    armed: Option<linux::Armed>,
}

impl Wake {
    /// For this database. Nothing is watched yet.
    pub(super) fn new(db: &Path) -> Wake {
        Wake {
            wal: beside(db, "-wal"),
            db: db.to_owned(),
            #[cfg(target_os = "linux")]
            armed: None,
        }
    }

    /// From now on the next write is told by [`Wake::written`]. Says whether it was not so before: what was written until
    /// then is to be looked for.
    pub(super) fn arm(&mut self) -> bool {
        #[cfg(target_os = "linux")]
        if self.armed.is_none() {
            #[cfg(feature = "testing")]
            if crate::task::one_thread::is_wanted() {
                return false;
            }
            self.armed = linux::arm(&self.wal, &self.db)
                .inspect_err(|error| tracing::debug!(%error, "cannot watch the WAL; its end is asked for instead"))
                .ok();
            return self.armed.is_some();
        }
        let _ = (&self.wal, &self.db);
        false
    }

    /// Whether the next write is told.
    pub(super) fn is_armed(&self) -> bool {
        #[cfg(target_os = "linux")]
        return self.armed.is_some();
        #[cfg(not(target_os = "linux"))]
        false
    }

    /// Returns when one of them was written to since it was armed; never, where the system does not tell.
    pub(super) async fn written(&mut self) {
        #[cfg(target_os = "linux")]
        if let Some(armed) = &self.armed {
            armed.fired().await;
            self.armed = None;
            return;
        }
        std::future::pending().await
    }
}

#[cfg(target_os = "linux")]
mod linux {
    //! One instance of inotify for the whole process, of which there are 128 a user, and the thread that reads it. Both are
    //! there as long as somebody waits.

    use std::collections::HashMap;
    use std::io;
    use std::mem::MaybeUninit;
    use std::os::fd::OwnedFd;
    use std::path::Path;
    use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

    use rustix::event::{EventfdFlags, PollFd, PollFlags, eventfd, poll};
    use rustix::fs::inotify::{CreateFlags, Reader, WatchFlags, add_watch, init, remove_watch};
    use tokio::sync::Notify;

    /// Who waits, if anybody does.
    static WATCHED: Mutex<Option<Watched>> = Mutex::new(None);

    #[derive(Debug)]
    struct Watched {
        inotify: Arc<OwnedFd>,
        /// Ends the thread.
        end: Arc<OwnedFd>,
        /// By watch descriptor: two may wait for the same file.
        waiting: HashMap<i32, Vec<Arc<Notify>>>,
        armed: usize,
    }

    /// Somebody who waits for a write to one of two files.
    #[derive(Debug)]
    pub(super) struct Armed {
        inotify: Arc<OwnedFd>,
        watches: Vec<i32>,
        fired: Arc<Notify>,
    }

    /// Written to, or no longer the file under its name; told once.
    fn flags() -> WatchFlags {
        WatchFlags::MODIFY | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF | WatchFlags::ONESHOT
    }

    fn watched() -> MutexGuard<'static, Option<Watched>> {
        WATCHED.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The other file may be missing, or one too many.
    pub(super) fn arm(path: &Path, other: &Path) -> io::Result<Armed> {
        let mut all = watched();
        if all.is_none() {
            *all = Some(Watched::begin()?);
        }
        let some = all.as_mut().expect("it was begun");
        let mut watches = match add_watch(&some.inotify, path, flags()) {
            Ok(watch) => vec![watch],
            Err(error) => {
                Watched::end_if_idle(&mut all);
                return Err(error.into());
            }
        };
        watches.extend(add_watch(&some.inotify, other, flags()));
        let fired = Arc::new(Notify::new());
        for &watch in &watches {
            some.waiting.entry(watch).or_default().push(Arc::clone(&fired));
        }
        some.armed += 1;
        Ok(Armed { inotify: Arc::clone(&some.inotify), watches, fired })
    }

    impl Armed {
        pub(super) async fn fired(&self) {
            self.fired.notified().await;
        }
    }

    impl Drop for Armed {
        fn drop(&mut self) {
            let mut all = watched();
            let Some(some) = all.as_mut().filter(|some| Arc::ptr_eq(&some.inotify, &self.inotify)) else { return };
            some.armed -= 1;
            for &watch in &self.watches {
                if let Some(waiting) = some.waiting.get_mut(&watch) {
                    waiting.retain(|other| !Arc::ptr_eq(other, &self.fired));
                    if waiting.is_empty() {
                        some.waiting.remove(&watch);
                        // It may have fired just now.
                        let _ = remove_watch(&some.inotify, watch);
                    }
                }
            }
            Watched::end_if_idle(&mut all);
        }
    }

    impl Watched {
        fn begin() -> io::Result<Watched> {
            let inotify = Arc::new(init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?);
            let end = Arc::new(eventfd(0, EventfdFlags::CLOEXEC)?);
            let (events, ended) = (Arc::clone(&inotify), Arc::clone(&end));
            std::thread::Builder::new().name("waloy-wake".into()).spawn(move || read(&events, &ended))?;
            Ok(Watched { inotify, end, waiting: HashMap::new(), armed: 0 })
        }

        /// Nobody waits: the thread ends.
        fn end_if_idle(all: &mut Option<Watched>) {
            if let Some(idle) = all.take_if(|some| some.armed == 0) {
                let _ = rustix::io::write(&idle.end, &1u64.to_ne_bytes());
            }
        }

        /// Tells those who wait for this watch, which is over; of an overflow, all.
        fn fire(&mut self, watch: i32) {
            let fired = if watch < 0 {
                self.waiting.drain().flat_map(|(_, all)| all).collect()
            } else {
                self.waiting.remove(&watch).unwrap_or_default()
            };
            fired.iter().for_each(|one| one.notify_one());
        }
    }

    /// What the thread does until it is told to end.
    fn read(inotify: &Arc<OwnedFd>, end: &OwnedFd) {
        let mut buffer = [MaybeUninit::uninit(); 4096];
        loop {
            let mut both = [PollFd::new(inotify, PollFlags::IN), PollFd::new(end, PollFlags::IN)];
            match poll(&mut both, None) {
                Ok(_) | Err(rustix::io::Errno::INTR) => {}
                Err(error) => {
                    tracing::warn!(%error, "the WAL is no longer watched");
                    if let Some(some) = watched().take_if(|some| Arc::ptr_eq(&some.inotify, inotify)).as_mut() {
                        some.fire(-1);
                    }
                    return;
                }
            }
            if !both[1].revents().is_empty() {
                return;
            }
            let mut events = Reader::new(inotify, &mut buffer);
            let mut fired = Vec::new();
            while let Ok(event) = events.next() {
                // Also that a watch is over, which is told of each: who was armed just before that would wait for ever.
                fired.push(event.wd());
            }
            if let Some(some) = watched().as_mut().filter(|some| Arc::ptr_eq(&some.inotify, inotify)) {
                fired.into_iter().for_each(|watch| some.fire(watch));
            }
        }
    }

    #[cfg(test)]
    mod tests {
        use std::io::Write as _;
        use std::time::Duration;

        use super::super::Wake;

        #[tokio::test]
        async fn a_write_is_told_once_to_everybody_who_waits_for_it() {
            let dir = tempfile::tempdir().unwrap();
            let (path, wal) = (dir.path().join("a.db"), dir.path().join("a.db-wal"));
            let mut db = std::fs::File::create(&path).unwrap();
            let mut none = Wake::new(&path);
            assert!(!none.arm(), "there is no WAL");
            let mut file = std::fs::File::create(&wal).unwrap();
            let mut wakes = [Wake::new(&path), Wake::new(&path)];
            for n in 0..4 {
                assert!(wakes.iter_mut().all(Wake::arm));
                assert!(!wakes.iter_mut().any(Wake::arm), "they are");
                let written = if n % 2 == 0 { &mut file } else { &mut db };
                written.write_all(b"x").unwrap();
                for wake in &mut wakes {
                    tokio::time::timeout(Duration::from_secs(10), wake.written()).await.unwrap();
                }
            }
            assert!(tokio::time::timeout(Duration::from_millis(20), wakes[0].written()).await.is_err());
            // One goes away; the other is still told.
            assert!(wakes.iter_mut().all(Wake::arm));
            let [first, mut second] = wakes;
            drop(first);
            std::fs::remove_file(&wal).unwrap();
            drop(file);
            tokio::time::timeout(Duration::from_secs(10), second.written()).await.unwrap();
        }
    }
}
