//! The tool itself for a long time: `waloy replicate` as people run it, an S3 server that fails now and then, writers
//! under load, checkpoints of every kind, and each minute a `waloy verify --restore=full` and a restore.
//!
//! A deep run takes `WALOY_SOAK_MINUTES`, or 45. Its numbers are those of memory and open files of the one process of
//! waloy: what the first quarter of the time had, and the last.

mod application;
mod copy;
mod faults;
mod run;
mod tool;
mod usage;

use std::time::Duration;

use anyhow::Context as _;

use crate::ladder::{Role, Rung, Tally, is_deep};

/// See the module.
pub(crate) const RUNG: Rung = Rung {
    name: "soak",
    what: "the tool under load and faults, verified and restored each minute: memory and descriptors stay flat",
    quick: 1,
    deep: 1,
    // Whatever it waits for has limits of its own.
    patience: Duration::from_secs(4 * 3600),
    run: soak,
};

/// The application.
pub(crate) const ROLES: &[Role] = &[
    Role { name: "soak writer", play: application::write },
    Role { name: "soak operator", play: application::operate },
];

fn soak(seed: u64) -> anyhow::Result<Tally> {
    let minutes = std::env::var("WALOY_SOAK_MINUTES").ok();
    let minutes = minutes.map(|text| text.parse::<u64>()).transpose().context("WALOY_SOAK_MINUTES")?;
    let pace = match minutes.or(is_deep().then_some(45)) {
        Some(minutes) => run::Pace::of(Duration::from_secs(60 * minutes)),
        None => run::Pace::short(),
    };
    let dir = tempfile::Builder::new().prefix("waloy-soak-").tempdir()?;
    let soaked = run::run(dir.path(), seed, &pace);
    soaked.map_err(|error| error.context(format!("see {}", dir.keep().display())))
}
