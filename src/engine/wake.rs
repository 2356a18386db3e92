//! Being woken when the WAL is written to, so that a lone commit need not wait for the next tick.
//!
//! A poll stands behind it: whatever is missed here is found at most a quarter of a second later.

use std::path::Path;

/// Tells that the WAL was written to.
#[derive(Debug)]
pub(super) struct Wake {
    #[cfg(target_os = "linux")]
    inotify: Option<linux::Watch>,
}

impl Wake {
    /// Watches the WAL of this database.
    pub(super) fn new(wal: &Path) -> Wake {
        #[cfg(target_os = "linux")]
        {
            let inotify = linux::Watch::new(wal)
                .inspect_err(|error| tracing::debug!(%error, "cannot watch the WAL; its end is asked for instead"))
                .ok();
            Wake { inotify }
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = wal;
            Wake {}
        }
    }

    /// Returns when the WAL was written to since the last call; never, where the system does not tell.
    pub(super) async fn written(&mut self) {
        #[cfg(target_os = "linux")]
        if let Some(watch) = &mut self.inotify {
            match watch.written().await {
                Ok(()) => return,
                Err(error) => {
                    tracing::debug!(%error, "can no longer watch the WAL");
                    self.inotify = None;
                }
            }
        }
        std::future::pending().await
    }
}

#[cfg(target_os = "linux")]
mod linux {
    use std::io;
    use std::os::fd::OwnedFd;
    use std::path::{Path, PathBuf};

    use rustix::fs::inotify::{CreateFlags, WatchFlags, add_watch, init};
    use tokio::io::unix::AsyncFd;

    #[derive(Debug)]
    pub(super) struct Watch {
        events: AsyncFd<OwnedFd>,
        wal: PathBuf,
    }

    /// Written to, or no longer the file under its name.
    fn flags() -> WatchFlags {
        WatchFlags::MODIFY | WatchFlags::DELETE_SELF | WatchFlags::MOVE_SELF
    }

    impl Watch {
        pub(super) fn new(wal: &Path) -> io::Result<Watch> {
            let events = init(CreateFlags::CLOEXEC | CreateFlags::NONBLOCK)?;
            add_watch(&events, wal, flags())?;
            #[expect(deprecated, reason = "its successor is unsafe, for types that may give their descriptor away")]
            let events = AsyncFd::new(events)?;
            Ok(Watch { events, wal: wal.to_owned() })
        }

        pub(super) async fn written(&mut self) -> io::Result<()> {
            // Which events they are does not matter; all that are waiting are taken at once.
            let mut buffer = [0; 4096];
            loop {
                let mut ready = self.events.readable().await?;
                let read = ready.try_io(|events| {
                    let mut any = false;
                    loop {
                        match rustix::io::read(events, &mut buffer[..]) {
                            Ok(_) => any = true,
                            Err(rustix::io::Errno::WOULDBLOCK) if any => return Ok(()),
                            Err(error) => return Err(error.into()),
                        }
                    }
                });
                if let Ok(read) = read {
                    read?;
                    // The WAL may be another file by now; asking for the same one again changes nothing.
                    let _ = add_watch(self.events.get_ref(), &self.wal, flags());
                    return Ok(());
                }
            }
        }
    }
}
