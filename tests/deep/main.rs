//! The ladder that finds what nobody has thought of: rungs that run by the thousand, each from a seed.
//!
//! ```text
//! cargo test --all-features --test deep                                     a little of every rung, as in CI
//! cargo test --release --all-features --test deep -- deep                   every rung, as far as it goes
//! cargo test --release --all-features --test deep -- deep sim --from 1 --count 20000 --minutes 60
//! cargo test --release --all-features --test deep -- one sim 4711           one seed again, and what it says
//! ```
//!
//! `soak` goes on for `WALOY_SOAK_MINUTES` in a deep run (45), and says each minute where it is. With `WALOY_TELL=1` the
//! rungs of one process tell what they do, step by step.
//!
//! Beside this file: `stores.sh` runs the rung of stores against rclone and Garage, `planted.sh` shows that planted faults
//! are found, `coverage.sh` says what no test passes by.
//!
//! A seed is done in a process of its own kind (a worker, one for each core), so that one that hangs or takes the
//! process with it is a failure with a seed like any other. `LEDGER.md` beside this file keeps the sums.

#![expect(clippy::print_stdout, clippy::print_stderr, clippy::exit, reason = "it is a program of its own")]

mod door;
mod ladder;
mod rungs;
#[path = "../it/s3_server.rs"]
#[expect(clippy::unwrap_used, dead_code, reason = "it is made for tests that stop where they fail, and more of them")]
mod s3_server;
mod sim;

use std::process::ExitCode;

fn main() -> ExitCode {
    ladder::main(rungs::RUNGS, rungs::ROLES)
}
