//! What the tests of this crate, of custom stores, and of applications that embed waloy are made of: feature `testing`.

pub mod conformance;
pub mod dice;
pub mod faulty;
pub mod simulation;
pub mod workload;
