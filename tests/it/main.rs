//! The integration tests, in one binary: the SDK takes long to link.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on stops where it is")]

mod capture;
mod format;
mod handmade;
mod restore;
mod s3_server;
mod stores;
mod verify;
mod watched;
