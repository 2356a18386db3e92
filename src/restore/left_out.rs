//! Merged segments that are damaged: a restore does without them where what they were merged from is still there.

use serde::Serialize;

use super::cover::cover;
use super::survey::text;
use super::{Error, Point};
use crate::replica::{Name, Objects};
use crate::storage::Store;

/// So many are done without at most: each costs another plan, and whoever writes to the store can make up any number.
const MOST: usize = 100;

/// A merged segment that is damaged, or does not join, and that others stand for.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct LeftOut {
    /// Its name.
    #[serde(rename = "key", serialize_with = "text")]
    pub name: Name,
    /// The stable code of what is wrong with it.
    pub code: &'static str,
    /// What is wrong with it, in one line, without the location of the store.
    pub message: String,
}

impl LeftOut {
    /// The merged segments that may be at fault for this error, without those that are known to be; none if it is not
    /// about what is in one. One that is gone is not damaged.
    pub(super) fn suspects(store: &dyn Store, error: &Error, known: &[LeftOut]) -> Vec<LeftOut> {
        if known.len() >= MOST {
            return Vec::new();
        }
        let names = match error {
            // Which of the two is another one than it was, nothing tells.
            Error::Broken { before, .. } => [error.about(), Some(**before)],
            Error::Replica(_) if error.is_damage() && !error.is_missing() => [error.about(), None],
            _ => [None, None],
        };
        let is_new = |name: &Name| known.iter().all(|other| other.name != *name);
        let merged = names.into_iter().flatten().filter(|name| matches!(name, Name::Merged(..)) && is_new(name));
        merged.map(|name| LeftOut { name, code: error.code(), message: error.one_line(store) }).collect()
    }
}

/// Takes merged segments out of what is listed, each only if others lead to where it ends: every point that could be
/// reached still can be, the last one too. Says which were taken out.
pub(super) fn leave_out(objects: &mut Objects, damaged: &[LeftOut]) -> Vec<LeftOut> {
    let mut left_out = Vec::new();
    for one in damaged {
        let Name::Merged(generation, first, last) = one.name else { continue };
        let mut rest = objects.clone();
        rest.merged.retain(|&(a, b, _)| (a, b) != (first, last));
        let is_listed = generation == objects.generation && rest.merged.len() < objects.merged.len();
        if is_listed && cover(&rest, Point::Index(last)).is_ok() {
            *objects = rest;
            left_out.push(one.clone());
        }
    }
    left_out
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ids::GenerationId;
    use crate::restore::ends;
    use crate::units::{SegmentIndex, Timestamp};

    fn at(index: u64) -> SegmentIndex {
        SegmentIndex::new(index).unwrap()
    }

    fn id(ms: i64) -> GenerationId {
        GenerationId::new(Timestamp(ms), [1; 10])
    }

    fn damaged(generation: GenerationId, first: u64, last: u64) -> LeftOut {
        let name = Name::Merged(generation, at(first), at(last));
        LeftOut { name, code: "object.damaged", message: format!("{name} is damaged") }
    }

    /// What is left out of these when this is damaged, in this order.
    fn left_out(segments: &[u64], merged: &[(u64, u64)], bad: &[(u64, u64)]) -> Vec<(u64, u64)> {
        let mut objects = Objects {
            snapshot: Some(100),
            segments: segments.iter().map(|&index| (at(index), 10)).collect(),
            merged: merged.iter().map(|&(first, last)| (at(first), at(last), 50)).collect(),
            ..Objects::none(id(1))
        };
        let (before, points) = (objects.clone(), |objects: &Objects| ends(objects).last().map(|end| end.0));
        let bad: Vec<LeftOut> = bad.iter().map(|&(first, last)| damaged(id(1), first, last)).collect();
        let left_out = leave_out(&mut objects, &bad);
        assert_eq!(points(&objects), points(&before));
        assert_eq!(objects.merged.len() + left_out.len(), before.merged.len());
        let range = |it: &LeftOut| match it.name {
            Name::Merged(_, first, last) => (first.get(), last.get()),
            other => panic!("{other}"),
        };
        left_out.iter().map(range).collect()
    }

    #[test]
    fn only_what_others_stand_for_is_left_out() {
        let small = [0, 1, 2, 3, 4];
        assert_eq!(left_out(&small, &[(0, 3)], &[(0, 3)]), [(0, 3)]);
        assert_eq!(left_out(&[4], &[(0, 3), (0, 1), (2, 3)], &[(0, 3)]), [(0, 3)]);
        assert_eq!(left_out(&[0, 1, 4], &[(0, 3), (0, 1), (2, 3)], &[(0, 3), (0, 1)]), [(0, 3), (0, 1)]);
        // A hole, the end, nothing at all.
        assert_eq!(left_out(&[0, 1, 3, 4], &[(0, 3)], &[(0, 3)]), []);
        assert_eq!(left_out(&[0, 1, 2], &[(0, 3)], &[(0, 3)]), []);
        assert_eq!(left_out(&[4], &[(0, 3), (0, 1), (2, 3)], &[(0, 3), (0, 1)]), [(0, 3)]);
        assert_eq!(left_out(&small, &[(0, 3)], &[(0, 2)]), []);
    }

    #[test]
    fn what_is_damaged_in_another_generation_stays_where_it_is_whole() {
        let mut objects = Objects { snapshot: Some(1), ..Objects::none(id(1)) };
        objects.segments = vec![(at(0), 1), (at(1), 1)];
        objects.merged = vec![(at(0), at(1), 1)];
        assert_eq!(leave_out(&mut objects, &[damaged(id(2), 0, 1)]), []);
        assert_eq!(objects.merged.len(), 1);
    }
}
