//! waloy: continuous backup of a running SQLite database.

pub mod backup;
#[cfg(feature = "cli")]
pub mod cli;
pub mod clock;
pub mod compress;
pub mod config;
pub mod db;
pub mod engine;
pub mod error;
pub mod format;
pub mod ids;
pub mod progress;
pub mod replica;
pub mod restore;
pub mod seal;
pub mod state;
pub mod storage;
#[cfg(feature = "testing")]
pub mod testing;
pub mod units;
pub mod verify;
pub mod wal;
