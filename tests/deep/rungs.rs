//! The rungs.

mod chance;
mod crash;
mod found;
mod fuzz;
mod kills;
mod processes;
mod room;
mod sim;
mod soak;
mod stores;
mod wal;

use std::time::Duration;

use crate::ladder::{Role, Rung};

/// Every rung, in the order in which they run.
pub(crate) const RUNGS: &[Rung] = &[
    Rung {
        name: "found",
        what: "what was found once, and mended, stays so",
        quick: found::COUNT,
        deep: found::COUNT,
        patience: Duration::from_secs(60),
        run: found::run,
    },
    Rung {
        name: "crash",
        what: "a script is stopped at every call of files and store, in every way: nothing is lost, nothing is made up",
        quick: crash::POINTS,
        deep: crash::POINTS * 7 * 3,
        patience: Duration::from_secs(120),
        run: crash::run,
    },
    Rung {
        name: "directory",
        what: "the same with the replica in a directory, on the disk that loses power",
        quick: 200,
        deep: crash::POINTS_IN_A_DIRECTORY * 7,
        patience: Duration::from_secs(120),
        run: crash::run_in_a_directory,
    },
    Rung {
        name: "sim",
        what: "one seed drives application, waloy, store, clock and accidents: nothing is lost, nothing is made up",
        quick: 200,
        deep: 100_000,
        patience: Duration::from_secs(120),
        run: sim::run,
    },
    Rung {
        name: "store",
        what: "the same on sound machines, with every fault that a store can have",
        quick: 50,
        deep: 20_000,
        patience: Duration::from_secs(120),
        run: sim::run_store,
    },
    wal::RUNG,
    fuzz::RUNG,
    kills::RUNG,
    room::RUNG,
    stores::RUNG,
    soak::RUNG,
];

/// What the processes do that rungs start.
pub(crate) const ROLES: &[&[Role]] = &[kills::ROLES, room::ROLES, soak::ROLES];
