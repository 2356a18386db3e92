//! Whether a replica is level with the database itself: then it is fresh, however long ago the last commit was.

use std::path::PathBuf;

use crate::db::{self, Ignore, Live};
use crate::format::PageHasher;
use crate::replica::Replica;
use crate::restore::{Error, Plan, Target, hash_key, plan};
use crate::state::Acknowledged;
use crate::units::{DbChecksum, PageNo};

/// Pages read at a time.
const CHUNK: u32 = 64;

/// A database that can be read here.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Database {
    /// The file.
    pub path: PathBuf,
    /// Where its replicator keeps its state.
    pub state_dir: PathBuf,
    /// Open it although it belongs to another user.
    pub allow_other_user: bool,
}

impl Database {
    /// Whether the newest state of the replica is the present state of the database, page for page.
    ///
    /// If its replicator's own notes say so, little is read, otherwise the whole database. A database that cannot be
    /// opened is not known to be level.
    ///
    /// # Errors
    ///
    /// Those of the replica: there is no newest state.
    pub async fn is_level(&self, replica: &Replica) -> Result<bool, Error> {
        let newest = plan(replica, Target::Latest).await?;
        let ids = hash_key(replica).await?;
        let noted = Acknowledged::read(&self.state_dir).filter(|noted| {
            noted.replica == ids.replica
                && noted.generation == newest.generation
                && noted.index == newest.point.index().map(|index| index.get())
        });
        let (database, hasher) = (self.clone(), PageHasher::new(&ids.hash_key));
        let compared = crate::task::blocking(move || database.compare(&newest, noted.as_ref(), &hasher)).await;
        match compared {
            Ok(Ok(level)) => Ok(level),
            Ok(Err(error)) => {
                tracing::debug!(%error, "cannot compare the replica with the database");
                Ok(false)
            }
            Err(panic) => std::panic::resume_unwind(panic.into_panic()),
        }
    }

    fn compare(&self, newest: &Plan, noted: Option<&Acknowledged>, hasher: &PageHasher) -> Result<bool, db::Error> {
        let options = db::Options { allow_other_user: self.allow_other_user, ..db::Options::default() };
        let mut live = Live::open(&self.path, options, None, &mut Ignore)?;
        // The place in an empty WAL says nothing: every WAL was empty once.
        let position = live.position();
        let noted = noted.and_then(|noted| noted.wal.position());
        if position.frame.0 > 0 && noted == Some(position) {
            return Ok(true);
        }
        if (live.page_size(), live.pages()) != (newest.page_size, newest.pages) {
            return Ok(false);
        }
        Ok(checksum(&mut live, hasher)? == newest.checksum)
    }
}

/// The checksum of the database at the commit that `live` is held at.
fn checksum(live: &mut Live, hasher: &PageHasher) -> Result<DbChecksum, db::Error> {
    let (page_size, pages) = (live.page_size(), live.pages());
    let lock_page = page_size.lock_page();
    let mut checksum = DbChecksum::default();
    let mut images = db::Room::default();
    let mut first = 1;
    while first <= pages {
        let last = first.saturating_add(CHUNK - 1).min(pages);
        let chunk: Vec<PageNo> = (first..=last).filter_map(PageNo::new).filter(|&number| number != lock_page).collect();
        live.read_pages(&chunk, &mut images)?;
        for (&number, image) in chunk.iter().zip(images.chunks_exact(page_size.len())) {
            checksum.toggle(hasher.hash(number, image));
        }
        let Some(next) = last.checked_add(1) else { break };
        first = next;
    }
    Ok(checksum)
}
