//! A world that follows from one seed: an application with a real database on real files, waloy as in production, a
//! store with weather, a clock, and every kind of accident.
//!
//! Everything happens on one thread, in virtual time: hours pass as soon as nothing is left to do. What is random in a
//! run comes from its seed, so that it can be repeated call by call; the digest of all calls, its trace, says so.
//!
//! - [`app`]: the application, and the history of its states, each known by the digest of all its pages.
//! - [`store`]: a bucket, whose requests fail, are late, break off, as the weather is.
//! - [`time`]: what clocks show.
//! - [`host`]: a machine with the application, and the life and death of waloy on it.
//! - [`log`]: what waloy logs as an error.
//! - [`check`]: what a restore must give, and everything else that must hold at the end.

pub(crate) mod app;
pub(crate) mod check;
pub(crate) mod host;
pub(crate) mod log;
pub(crate) mod store;
pub(crate) mod time;

use std::path::{Path, PathBuf};

use waloy::testing::dice::Dice;
use waloy::testing::simulation;

use crate::door::{self, Plan};

use app::{App, Manners};

/// The directory of one run, in memory where the system has such a place; it goes with this.
pub(crate) struct Ground {
    path: PathBuf,
}

impl Ground {
    pub(crate) fn new(seed: u64) -> Ground {
        let memory = Path::new("/dev/shm");
        let parent = if memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() };
        let path = parent.join(format!("waloy-deep-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::create_dir_all(&path).expect("a directory to work in");
        simulation::one_thread();
        simulation::seed(seed);
        log::keep_errors();
        Ground { path: path.canonicalize().expect("it is there") }
    }

    /// The database of the first machine.
    pub(crate) fn database(&self) -> PathBuf {
        self.watched().join("a/app.db")
    }

    /// An application on the first machine; the door looks at everything from here on.
    pub(crate) fn application(&self, manners: Manners, dice: &mut Dice) -> anyhow::Result<App> {
        let db = self.database();
        std::fs::create_dir_all(db.parent().expect("a machine"))?;
        let mut app = App::create(&db, manners, dice.fork())?;
        // What the door has not seen being opened, it does not know.
        app.close();
        door::open(&self.watched(), Plan::new(dice.fork()));
        app.reopen()?;
        Ok(app)
    }

    /// What the door looks at.
    pub(crate) fn watched(&self) -> PathBuf {
        let path = self.path.join("machines");
        std::fs::create_dir_all(&path).expect("a directory to work in");
        path
    }

    /// Where restores go.
    pub(crate) fn scratch(&self) -> PathBuf {
        let path = self.path.join("scratch");
        std::fs::create_dir_all(&path).expect("a directory to work in");
        path
    }
}

impl Drop for Ground {
    fn drop(&mut self) {
        door::close();
        let _ = std::fs::remove_dir_all(&self.path);
    }
}
