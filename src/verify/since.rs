//! What was let go of while it was being looked at: a replicator or a prune at work beside the check is no damage.

use std::collections::{BTreeMap, HashSet};

use super::{Finding, Severity};
use crate::ids::GenerationId;
use crate::replica::{Name, Objects};
use crate::restore::{Error, cover};
use crate::storage::Store;
use crate::units::SegmentIndex;

/// Takes back what was found missing, where a second listing says that it was let go of: the whole generation was, or a
/// larger object stands for the one that is gone. A listing takes several requests, and may itself be overtaken.
pub(super) async fn take_back(store: &dyn Store, listed: &[Objects], findings: &mut Vec<Finding>) -> Result<(), Error> {
    let newest = listed.iter().rev().find(|objects| objects.snapshot.is_some()).map(|objects| objects.generation);
    let missing = |finding: &Finding| {
        let is_missing = finding.severity == Severity::Damaged && finding.code == "object.missing";
        Name::parse(finding.object.as_deref().filter(|_| is_missing)?)
    };
    let mut now: BTreeMap<GenerationId, Objects> = BTreeMap::new();
    for id in findings.iter().filter_map(missing).map(Name::generation).collect::<HashSet<_>>() {
        now.insert(id, Objects::list(store, id, None).await?);
    }
    findings.retain(|finding| {
        let Some(name) = missing(finding) else { return true };
        let Some(now) = now.get(&name.generation()) else { return true };
        let deleted = now.is_remnant() && Some(name.generation()) < newest;
        !deleted && !stands_for(now, name)
    });
    Ok(())
}

/// The object is gone, and a larger one takes its place in a generation that is whole.
fn stands_for(now: &Objects, name: Name) -> bool {
    let Some((first, last)) = range(name) else { return false };
    let is_gone = !now.names().iter().any(|&(listed, _)| listed == name);
    let is_held = now.merged.iter().any(|&(from, to, _)| from <= first && last <= to);
    is_gone && is_held && cover(now, now.last().into()).is_ok()
}

fn range(name: Name) -> Option<(SegmentIndex, SegmentIndex)> {
    match name {
        Name::Segment(_, index) => Some((index, index)),
        Name::Merged(_, first, last) => Some((first, last)),
        Name::Snapshot(_) | Name::Manifest(_) => None,
    }
}
