//! What a listing says there is.

use super::{LATEST, Name, REPLICA};
use crate::ids::GenerationId;
use crate::storage::{self, Depth, Meta, Store, list_all};
use crate::units::SegmentIndex;

/// Whether anything can be restored: a generation has a snapshot. One listing, and from the newest on a HEAD for each
/// generation without one.
///
/// # Errors
///
/// Those of [`Store::list`] and [`Store::head`].
pub async fn has_snapshot(store: &dyn Store) -> Result<bool, storage::Error> {
    for generation in generations(store).await?.into_iter().rev() {
        if storage::is_there(store, &Name::Snapshot(generation).key()).await? {
            return Ok(true);
        }
    }
    Ok(false)
}

/// The generations that have any object, oldest first. One listing, whatever they hold.
///
/// # Errors
///
/// Those of [`Store::list`].
pub async fn generations(store: &dyn Store) -> Result<Vec<GenerationId>, storage::Error> {
    let mut found = Vec::new();
    let mut after: Option<String> = None;
    loop {
        let listing = store.list("", after.as_deref(), Depth::Folder).await?;
        found.extend(listing.folders.iter().filter_map(|folder| generation(folder.strip_suffix('/')?)));
        match listing.next {
            Some(next) => after = Some(next),
            None => return Ok(found),
        }
    }
}

/// Ids are written in one way only, here as in [`Name::parse`].
fn generation(text: &str) -> Option<GenerationId> {
    let id: GenerationId = text.parse().ok()?;
    (id.to_string() == text).then_some(id)
}

/// What one generation has, with sizes in bytes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Objects {
    /// The generation.
    pub generation: GenerationId,
    /// The size of its snapshot, if it is there.
    pub snapshot: Option<u64>,
    /// The size of its manifest, if it is there.
    pub manifest: Option<u64>,
    /// Its segments, in order.
    pub segments: Vec<(SegmentIndex, u64)>,
    /// Its merged segments by first index, then last.
    pub merged: Vec<(SegmentIndex, SegmentIndex, u64)>,
}

impl Objects {
    /// Nothing, of this generation.
    pub fn none(generation: GenerationId) -> Objects {
        Objects { generation, snapshot: None, manifest: None, segments: Vec::new(), merged: Vec::new() }
    }

    /// Lists the objects of a generation; `after` a segment, only what has a key behind that segment's: segments with
    /// a greater index, and merged ones that do not begin before it. Keys that are not ours are passed over.
    ///
    /// # Errors
    ///
    /// Those of [`Store::list`].
    pub async fn list(
        store: &dyn Store,
        generation: GenerationId,
        after: Option<SegmentIndex>,
    ) -> Result<Objects, storage::Error> {
        let after = after.map(|index| Name::Segment(generation, index).key());
        let mut objects = Objects::none(generation);
        for meta in list_all(store, &format!("{generation}/"), after.as_deref()).await? {
            if let Some(name) = Name::parse(&meta.key) {
                objects.add(name, meta.size);
            }
        }
        Ok(objects)
    }

    /// Only the rest of a generation that was deleted looks so: a snapshot comes before every segment, and both it and the
    /// manifest go before any of them.
    pub fn is_remnant(&self) -> bool {
        self.snapshot.is_none() && self.manifest.is_none()
    }

    /// Lists the segments and merged segments that begin with one of these indices: as many requests as that takes, and none
    /// beyond. Both ends belong to it.
    ///
    /// # Errors
    ///
    /// Those of [`Store::list`].
    pub async fn list_range(
        store: &dyn Store,
        generation: GenerationId,
        first: SegmentIndex,
        last: SegmentIndex,
    ) -> Result<Objects, storage::Error> {
        // The key of a merged segment is behind that of the segment where it begins: the last of those before `first`.
        let before = first.get().checked_sub(1).and_then(SegmentIndex::new);
        let mut after = before.map(|before| Name::Merged(generation, before, SegmentIndex::MAX).key());
        let prefix = format!("{generation}/wal/");
        let mut objects = Objects::none(generation);
        loop {
            let listing = store.list(&prefix, after.as_deref(), Depth::All).await?;
            for Meta { key, size, .. } in &listing.objects {
                match Name::parse(key) {
                    Some(Name::Segment(_, begins) | Name::Merged(_, begins, _)) if begins > last => return Ok(objects),
                    Some(name) => objects.add(name, *size),
                    None => {}
                }
            }
            match listing.next {
                Some(next) => after = Some(next),
                None => return Ok(objects),
            }
        }
    }

    /// Adds what another listing of the same generation found.
    pub fn extend(&mut self, other: Objects) {
        self.snapshot = self.snapshot.or(other.snapshot);
        self.manifest = self.manifest.or(other.manifest);
        self.segments.extend(other.segments);
        self.segments.sort_unstable();
        self.segments.dedup();
        self.merged.extend(other.merged);
        self.merged.sort_unstable();
        self.merged.dedup();
    }

    /// Adds an object, in the order of keys.
    pub(crate) fn add(&mut self, name: Name, size: u64) {
        match name {
            Name::Snapshot(_) => self.snapshot = Some(size),
            Name::Manifest(_) => self.manifest = Some(size),
            Name::Segment(_, index) => self.segments.push((index, size)),
            Name::Merged(_, first, last) => self.merged.push((first, last, size)),
        }
    }

    /// The greatest index that any segment has, merged or not.
    pub fn last(&self) -> Option<SegmentIndex> {
        let segment = self.segments.last().map(|&(index, _)| index);
        segment.max(self.merged.iter().map(|&(_, last, _)| last).max())
    }

    /// The names of all its objects with their sizes, the manifest's too, in the order of keys.
    pub fn names(&self) -> Vec<(Name, u64)> {
        let id = self.generation;
        let mut names: Vec<(Name, u64)> = Vec::with_capacity(self.segments.len() + self.merged.len() + 2);
        names.extend(self.manifest.map(|size| (Name::Manifest(id), size)));
        names.extend(self.snapshot.map(|size| (Name::Snapshot(id), size)));
        names.extend(self.segments.iter().map(|&(index, size)| (Name::Segment(id, index), size)));
        names.extend(self.merged.iter().map(|&(first, last, size)| (Name::Merged(id, first, last), size)));
        names
    }

    /// Bytes of all its objects.
    pub fn stored_bytes(&self) -> u64 {
        self.names().iter().map(|&(_, size)| size).sum()
    }
}

/// Everything under one prefix.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Inventory {
    /// The size of the object with the ids, if it is there.
    pub replica: Option<u64>,
    /// The size of `latest`, if it is there.
    pub latest: Option<u64>,
    /// There is something under `keys/`: the replica is encrypted.
    pub keys: bool,
    /// The generations that have any object, oldest first.
    pub generations: Vec<Objects>,
}

impl Inventory {
    /// Lists the whole prefix: a request for each 1,000 objects.
    ///
    /// # Errors
    ///
    /// Those of [`Store::list`].
    pub async fn list(store: &dyn Store) -> Result<Inventory, storage::Error> {
        let mut inventory = Inventory::default();
        for Meta { key, size, .. } in list_all(store, "", None).await? {
            match (key.as_str(), Name::parse(&key)) {
                (REPLICA, _) => inventory.replica = Some(size),
                (LATEST, _) => inventory.latest = Some(size),
                (_, Some(name)) => inventory.generation(name.generation()).add(name, size),
                (key, None) => inventory.keys |= key.starts_with("keys/"),
            }
        }
        Ok(inventory)
    }

    /// Keys come in order, so that a generation's come together.
    fn generation(&mut self, id: GenerationId) -> &mut Objects {
        if self.generations.last().is_none_or(|last| last.generation != id) {
            self.generations.push(Objects::none(id));
        }
        let last = self.generations.len() - 1;
        &mut self.generations[last]
    }
}
