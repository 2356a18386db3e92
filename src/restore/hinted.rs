//! What a manifest tells spares listings: of a generation that is merged as it grows, only the end is listed, and what is
//! around the moment asked for.

use crate::format::{Manifest, ManifestMerged};
use crate::replica::Objects;
use crate::storage::{self, Store};
use crate::units::{SegmentIndex, Timestamp};

/// A generation with fewer segments is listed whole.
const FEW: u64 = 1000;
/// Between merged segments, so many stretches are listed one by one.
const HOLES: usize = 4;

/// The objects of a generation as far as they matter, and the range of indices within which all are known.
pub(super) struct Hinted {
    pub(super) objects: Objects,
    pub(super) whole: (SegmentIndex, SegmentIndex),
}

/// Lists what the manifest does not tell, in few requests; around this moment, everything. `None` if it tells too little.
pub(super) async fn list(
    store: &dyn Store,
    manifest: &Manifest,
    moment: Option<Timestamp>,
) -> Result<Option<Hinted>, storage::Error> {
    let Some(asked) = asked(manifest, moment) else { return Ok(None) };
    let mut objects = Objects { snapshot: Some(manifest.snapshot.bytes), ..Objects::none(manifest.generation) };
    objects.merged = asked.told.iter().map(|merged| (merged.first, merged.last, merged.bytes)).collect();
    for (first, last) in asked.listed {
        objects.extend(Objects::list_range(store, manifest.generation, first, last).await?);
    }
    Ok(Some(Hinted { objects, whole: asked.whole }))
}

/// What is taken from the manifest, and what is listed.
#[derive(PartialEq, Eq, Debug)]
struct Asked<'a> {
    told: &'a [ManifestMerged],
    listed: Vec<(SegmentIndex, SegmentIndex)>,
    whole: (SegmentIndex, SegmentIndex),
}

fn asked(manifest: &Manifest, moment: Option<Timestamp>) -> Option<Asked<'_>> {
    if manifest.next_index < FEW {
        return None;
    }
    let told = &manifest.merged[..];
    let (mut listed, mut next) = (Vec::new(), SegmentIndex::ZERO);
    for merged in told {
        if merged.first > next {
            listed.push((next, SegmentIndex::new(merged.first.get() - 1)?));
        }
        next = merged.last.next()?;
    }
    if listed.len() > HOLES || told.is_empty() {
        return None;
    }
    let tail = (next, SegmentIndex::MAX);
    listed.push(tail);
    // A merged segment has the moment if it is the first that ends at it or later.
    let within = moment.and_then(|moment| told.get(told.partition_point(|merged| merged.at < moment)));
    let whole = within.map_or(tail, |merged| (merged.first, merged.last));
    if within.is_some() {
        listed.push(whole);
    }
    Some(Asked { told, listed, whole })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::{ManifestSnapshot, Reason};
    use crate::ids::{Digest, GenerationId, WriterId};
    use crate::units::{DbChecksum, PageSize};

    fn index(index: u64) -> SegmentIndex {
        SegmentIndex::new(index).unwrap()
    }

    fn manifest(next_index: u64, merged: &[(u64, u64)]) -> Manifest {
        Manifest {
            generation: GenerationId::new(Timestamp(1), [7; 10]),
            counter: 2,
            reason: Reason::First,
            previous: None,
            writer: WriterId([4; 16]),
            page_size: PageSize::new(4096).unwrap(),
            snapshot: ManifestSnapshot {
                at: Timestamp(0),
                bytes: 1,
                digest: Digest([8; 32]),
                pages: 7,
                checksum: DbChecksum(1),
            },
            next_index,
            merged: merged
                .iter()
                .map(|&(first, last)| ManifestMerged {
                    first: index(first),
                    last: index(last),
                    level: 3,
                    at: Timestamp(last as i64),
                    bytes: 5,
                    digest: Digest([1; 32]),
                })
                .collect(),
            segments: Vec::new(),
        }
    }

    #[test]
    fn only_the_end_is_listed_and_what_is_around_the_moment() {
        let merged = manifest(5000, &[(0, 999), (1000, 1999), (2000, 3999), (4000, 4900)]);
        let latest = asked(&merged, None).unwrap();
        assert_eq!((latest.told.len(), latest.listed), (4, vec![(index(4901), SegmentIndex::MAX)]));
        let past = asked(&merged, Some(Timestamp(1000))).unwrap();
        assert_eq!(past.listed[1..], [(index(1000), index(1999))]);
        assert_eq!(asked(&merged, Some(Timestamp(999))).unwrap().whole, (index(0), index(999)));
        assert_eq!(asked(&merged, Some(Timestamp(9999))).unwrap().whole, (index(4901), SegmentIndex::MAX));
    }

    #[test]
    fn what_was_not_merged_is_listed_if_there_is_little_of_it() {
        let holes = manifest(5000, &[(0, 999), (1500, 1999), (3000, 3999)]);
        let listed = asked(&holes, None).unwrap().listed;
        assert_eq!(listed, [(index(1000), index(1499)), (index(2000), index(2999)), (index(4000), SegmentIndex::MAX)]);
        let many: Vec<(u64, u64)> = (0..6).map(|at| (at * 100 + 10, at * 100 + 90)).collect();
        assert_eq!(asked(&manifest(5000, &many), None), None);
        assert_eq!(asked(&manifest(5000, &[]), None), None);
        assert_eq!(asked(&manifest(900, &[(0, 100)]), None), None);
    }
}
