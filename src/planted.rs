//! Faults planted on purpose, to prove that the tests find them.
//!
//! They are only in a build with `--cfg planted`, and there only the one that the environment names: `PLANTED_FAULT`. In
//! any other build each is a constant `false`. `tests/deep/planted.sh` plants them one after the other.

/// This fault is to be made.
#[cfg(planted)]
pub(crate) fn is(fault: &str) -> bool {
    static WANTED: std::sync::OnceLock<Option<String>> = std::sync::OnceLock::new();
    WANTED.get_or_init(|| std::env::var("PLANTED_FAULT").ok()).as_deref() == Some(fault)
}

/// No fault is ever made.
#[cfg(not(planted))]
pub(crate) const fn is(_fault: &str) -> bool {
    false
}
