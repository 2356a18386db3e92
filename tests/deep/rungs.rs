//! The rungs.

use crate::ladder::Rung;

/// Every rung, in the order in which they run.
pub(crate) const RUNGS: &[Rung] = &[];
