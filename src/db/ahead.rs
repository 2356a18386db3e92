//! Having the disk begin before it has to end.

use std::fs::OpenOptions;
use std::io;
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;

use rustix::fs::OFlags;

use crate::planted;
use crate::task::{Blocking, blocking};

/// Has the disk begin to take a WAL, by its path: to make it durable later, through the handle of a connection, takes less
/// time then. Nothing where simulations go: there it is to be durable at the last moment.
pub(crate) fn sync_ahead(wal: PathBuf) -> Option<Blocking<io::Result<()>>> {
    #[cfg(feature = "testing")]
    if crate::task::one_thread::is_wanted() {
        return None;
    }
    let flags = (OFlags::NOFOLLOW | OFlags::NONBLOCK).bits() as i32;
    let open = move || OpenOptions::new().read(true).custom_flags(flags).open(wal);
    (!planted::is("the WAL is not synced")).then(|| blocking(move || open()?.sync_data()))
}
