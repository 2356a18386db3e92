//! What is in the bucket.

use std::collections::BTreeMap;

use bytes::Bytes;
use waloy::storage::{Depth, Error, ErrorKind, Listing, Meta, Put};
use waloy::units::Timestamp;

/// Objects, by their keys.
#[derive(Debug)]
pub(super) struct Objects {
    kept: BTreeMap<String, (Bytes, Timestamp)>,
    /// Conditions of a put hold.
    pub(super) conditional: bool,
    /// Keys of which the bytes must never change, and their first bytes.
    written: BTreeMap<String, Bytes>,
    /// The key of the first object that was put twice with other bytes.
    pub(super) changed: Option<String>,
    /// What arrives in the same moment as the next snapshot.
    pub(super) beside: Vec<(String, Bytes)>,
}

impl Objects {
    pub(super) fn new(conditional: bool) -> Objects {
        Objects { kept: BTreeMap::new(), conditional, written: BTreeMap::new(), changed: None, beside: Vec::new() }
    }

    pub(super) fn put(&mut self, key: &str, bytes: Bytes, now: Timestamp) {
        // Only hints may be written again: `latest`, manifests, and what says whose the replica is.
        let may_change =
            key == "latest" || key == "replica" || key.ends_with("manifest.json") || key.ends_with("confirmed");
        let first = self.written.entry(key.to_owned()).or_insert_with(|| bytes.clone());
        if !may_change && *first != bytes {
            self.changed.get_or_insert_with(|| key.to_owned());
        }
        self.kept.insert(key.to_owned(), (bytes, now));
        if key.ends_with("/snapshot") {
            for (key, bytes) in std::mem::take(&mut self.beside) {
                self.put(&key, bytes, now);
            }
        }
    }

    pub(super) fn put_if_absent(&mut self, key: &str, bytes: Bytes, now: Timestamp) -> Put {
        if self.conditional && self.has(key) {
            return Put::Exists;
        }
        self.put(key, bytes, now);
        Put::Created
    }

    pub(super) fn has(&self, key: &str) -> bool {
        self.kept.contains_key(key)
    }

    pub(super) fn get(&self, key: &str) -> Result<&Bytes, Error> {
        self.kept.get(key).map(|(bytes, _)| bytes).ok_or_else(|| missing(key))
    }

    pub(super) fn meta(&self, key: &str) -> Result<Meta, Error> {
        self.kept.get_key_value(key).map(meta).ok_or_else(|| missing(key))
    }

    pub(super) fn remove(&mut self, key: &str) {
        self.kept.remove(key);
        // A merged segment that seemed damaged when it was read back is deleted, and may be made anew from others
        // (`sim 204846`). No other name is free again.
        if key.contains("/wal/") && key.contains('-') {
            self.written.remove(key);
        }
    }

    pub(super) fn all(&self) -> impl Iterator<Item = Meta> {
        self.kept.iter().map(meta)
    }

    pub(super) fn list(&self, prefix: &str, after: Option<&str>, depth: Depth, most: usize) -> Listing {
        let found = self.kept.range(prefix.to_owned()..).take_while(|(key, _)| key.starts_with(prefix));
        Listing::of(found.map(meta), prefix, after, depth, most)
    }
}

fn meta((key, (bytes, at)): (&String, &(Bytes, Timestamp))) -> Meta {
    Meta { key: key.clone(), size: bytes.len() as u64, modified: Some(*at) }
}

fn missing(key: &str) -> Error {
    Error::new(ErrorKind::NotFound, "read", format!("bucket:/{key}"), "no such object")
}
