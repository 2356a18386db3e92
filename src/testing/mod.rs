//! What the tests of this crate, and of custom stores, are made of: feature `testing`.

pub mod conformance;
pub mod faulty;
