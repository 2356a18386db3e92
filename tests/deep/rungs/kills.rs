//! Real processes and `kill -9` at random microseconds: of writers with `synchronous=FULL` inside their commits while
//! waloy lives, of waloy while they write, of both.
//!
//! A seed is a scene of [`KILLS`] kills on one database. After each of them the newest state is restored: it must be
//! there, have what was acknowledged before, and be, page for page, the database after a commit that was (the
//! [`oracle`] knows each of them). At the end everybody stops in order, and the replica is the database.

mod oracle;
mod replicator;
mod scene;
mod writer;

use std::time::Duration;

use self::scene::Scene;
use super::processes;
use crate::ladder::{Role, Rung, Tally};

/// Kills in a seed.
const KILLS: u64 = 8;

/// See the module.
pub(crate) const RUNG: Rung = Rung {
    name: "kills",
    what: "kill -9 of writers in their commits, and of waloy: what was acknowledged is restored, page for page",
    quick: 3,
    deep: 260,
    patience: Duration::from_secs(180),
    run,
};

/// The processes that are killed.
pub(crate) const ROLES: &[Role] = &[
    Role { name: "writer", play: writer::write },
    Role { name: "hurried writer", play: writer::hurry },
    Role { name: "operator", play: writer::operate },
    Role { name: "checkpointer", play: writer::checkpoint },
    Role { name: "replicator", play: replicator::replicate },
];

/// Who is killed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Victims {
    Writers,
    Waloy,
    Both,
}

fn run(seed: u64) -> anyhow::Result<Tally> {
    let victims = [Victims::Writers, Victims::Waloy, Victims::Both][(seed % 3) as usize];
    let dir = tempfile::Builder::new().prefix("waloy-kills-").tempdir_in(processes::root(seed))?;
    let played = Scene::new(dir.path(), seed)?.play(victims);
    // What a failure leaves behind is the only trace of it: the same seed is not the same interleaving.
    played.map_err(|error| error.context(format!("{victims:?}, see {}", dir.keep().display())))
}
