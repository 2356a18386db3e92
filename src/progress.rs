//! Progress as a trait handed in: the library tells, the command line draws.

use std::fmt;

/// What is going on, as far as a person is concerned.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Phase {
    /// Reading every page of the database and uploading it.
    Snapshot,
    /// Comparing every page of the database with the replica's.
    Compare,
    /// Downloading what a restore needs.
    Restore,
    /// Making what was restored durable.
    Sync,
    /// Having SQLite check what was restored.
    Check,
    /// Reading a replica to prove it.
    Verify,
    /// Merging segments.
    Merge,
}

/// Is told how far a long operation is. All amounts are bytes.
///
/// Calls come from several threads, possibly often: an implementation should be cheap.
pub trait Progress: Send + Sync + fmt::Debug {
    /// A phase begins; `total` is what it will come to, if that is known.
    fn begin(&self, phase: Phase, total: Option<u64>);
    /// So much more is done.
    fn advance(&self, bytes: u64);
    /// The phase is over, well or not.
    fn end(&self);
}

/// Tells nobody.
#[derive(Clone, Copy, Debug, Default)]
pub struct Silent;

impl Progress for Silent {
    fn begin(&self, _phase: Phase, _total: Option<u64>) {}
    fn advance(&self, _bytes: u64) {}
    fn end(&self) {}
}

/// A phase that is over when this is dropped: also where an error or a dropped future ends it.
#[derive(Debug)]
pub(crate) struct During<'a>(&'a dyn Progress);

impl<'a> During<'a> {
    /// Begins a phase.
    pub(crate) fn begin(progress: &'a dyn Progress, phase: Phase, total: Option<u64>) -> During<'a> {
        progress.begin(phase, total);
        During(progress)
    }
}

impl Drop for During<'_> {
    fn drop(&mut self) {
        self.0.end();
    }
}
