//! The layout of keys in a replica: one object has one name.
//!
//! ```text
//! replica                         ids and hash key
//! latest                          id of the current generation
//! {gen}/snapshot                  every page at the start of the generation
//! {gen}/manifest.json             what it is, why it began
//! {gen}/wal/{index}               segments 0, 1, 2 …, 12 decimal digits
//! {gen}/wal/{first}-{last}        merged segments
//! {gen}/confirmed                 that it replaced another database was confirmed
//! ```

use std::fmt;

use crate::ids::{GenerationId, ObjectKind};
use crate::units::SegmentIndex;

/// The key of the object with the ids of the replica.
pub const REPLICA: &str = "replica";
/// The key of the hint at the current generation.
pub const LATEST: &str = "latest";

/// The key of the mark that somebody has confirmed: this generation rightly replaced another database, and what was
/// before it need not be kept for that. That it is there counts; what is in it is for people.
pub fn confirmation(generation: GenerationId) -> String {
    format!("{generation}/confirmed")
}

/// An object of a generation; `Display` is its key.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub enum Name {
    /// Every page at the start.
    Snapshot(GenerationId),
    /// What the generation is.
    Manifest(GenerationId),
    /// The pages changed by some transactions.
    Segment(GenerationId, SegmentIndex),
    /// Several segments in one.
    Merged(GenerationId, SegmentIndex, SegmentIndex),
}

impl Name {
    /// The object with this key; `None` if the key is not written exactly as ours are.
    pub fn parse(key: &str) -> Option<Name> {
        let (generation, rest) = key.split_once('/')?;
        let id: GenerationId = generation.parse().ok()?;
        if id.to_string() != generation {
            return None;
        }
        match rest {
            "snapshot" => Some(Name::Snapshot(id)),
            "manifest.json" => Some(Name::Manifest(id)),
            _ => {
                let range = rest.strip_prefix("wal/")?;
                match range.split_once('-') {
                    None => Some(Name::Segment(id, index(range)?)),
                    Some((first, last)) => {
                        let (first, last) = (index(first)?, index(last)?);
                        (first <= last).then_some(Name::Merged(id, first, last))
                    }
                }
            }
        }
    }

    /// The object whose key stands at the end of a text, behind the location of a store: as objects are called in
    /// errors.
    pub fn at_end_of(located: &str) -> Option<Name> {
        let mut slashes = located.rmatch_indices(['/', ':']).map(|(at, _)| at);
        let begins = [slashes.nth(1), slashes.next()].map(|at| at.map_or(0, |at| at + 1));
        begins.into_iter().find_map(|begin| Name::parse(&located[begin..]))
    }

    /// The kind that its envelope must say.
    pub fn kind(self) -> ObjectKind {
        match self {
            Name::Snapshot(_) => ObjectKind::Snapshot,
            Name::Manifest(_) => ObjectKind::Manifest,
            Name::Segment(..) => ObjectKind::Segment,
            Name::Merged(..) => ObjectKind::Merged,
        }
    }

    /// The generation that it belongs to.
    pub fn generation(self) -> GenerationId {
        match self {
            Name::Snapshot(id) | Name::Manifest(id) | Name::Segment(id, _) | Name::Merged(id, ..) => id,
        }
    }

    /// The key.
    pub fn key(self) -> String {
        self.to_string()
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Name::Snapshot(id) => write!(f, "{id}/snapshot"),
            Name::Manifest(id) => write!(f, "{id}/manifest.json"),
            Name::Segment(id, index) => write!(f, "{id}/wal/{:012}", index.get()),
            Name::Merged(id, first, last) => write!(f, "{id}/wal/{:012}-{:012}", first.get(), last.get()),
        }
    }
}

fn index(digits: &str) -> Option<SegmentIndex> {
    if digits.len() != 12 || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    SegmentIndex::new(digits.parse().ok()?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    #[test]
    fn one_object_has_one_name() {
        let id = GenerationId::new(Timestamp(1_795_341_600_000), [3; 10]);
        let place = |n| SegmentIndex::new(n).unwrap();
        for name in [
            Name::Snapshot(id),
            Name::Manifest(id),
            Name::Segment(id, place(7)),
            Name::Segment(id, SegmentIndex::MAX),
            Name::Merged(id, place(0), place(31)),
        ] {
            assert_eq!(Name::parse(&name.key()), Some(name));
            assert_eq!(Name::parse(&name.key().to_uppercase()), None);
            assert_eq!(Name::parse(&format!("{name}0")), None);
            assert_eq!(Name::parse(&format!("x/{name}")), None);
            for located in [format!("{name}"), format!("s3://b/{name}"), format!("/srv/a/wal/b/{name}")] {
                assert_eq!(Name::at_end_of(&located), Some(name));
            }
        }
        for bad in ["", "latest", "replica", "wal/000000000001"] {
            assert_eq!(Name::parse(bad), None, "{bad}");
        }
        assert_eq!(Name::parse(&format!("{id}/wal/7")), None);
        for located in ["", "latest", "s3://bucket/latest", "/srv/wal/000000000001"] {
            assert_eq!(Name::at_end_of(located), None, "{located}");
        }
        assert_eq!(Name::parse(&format!("{id}/wal/000000000002-000000000001")), None);
    }
}
