//! The integration tests, in one binary: the SDK takes long to link.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops where it is")]

mod backup;
mod capture;
mod catch_up;
mod cli;
mod clock;
mod compact;
mod embedded;
mod engine;
mod engine_faults;
mod fake_s3;
mod format;
mod handmade;
mod large;
mod locks;
mod merging;
mod metered;
mod model;
mod old_bugs;
mod outage;
mod pages;
mod restarts;
mod restore;
mod retention;
mod retrying;
mod s3_server;
mod seal;
mod sealed;
mod stores;
mod stress;
mod stress_replica;
mod verify;
mod watched;
mod workload;
mod writers;
