//! Reading objects, and whether they join.

use std::collections::{HashMap, HashSet};
use std::sync::Arc;

use super::{Finding, Options, Severity};
use crate::format::{Kind, Manifest, PageHasher};
use crate::ids::{Digest, GenerationId};
use crate::replica::chain::{Link, breaks};
use crate::replica::{Name, ObjectReader, Objects, Replica};
use crate::restore::{Error, Opening, Pages, Take, Walk, cover, ends, lacks_its_end};
use crate::units::{DbChecksum, PageNo, SegmentIndex};

/// Takes pages and forgets them: that they are right is seen before.
struct Nowhere;

impl Pages for Nowhere {
    fn write(&self, _first: PageNo, _images: &[u8]) -> Result<(), Error> {
        Ok(())
    }
}

/// Reads objects, and collects what is wrong with them.
pub(super) struct Reading<'a> {
    replica: &'a Replica,
    /// Without it, it is only proven that objects are as they were written.
    hasher: Option<PageHasher>,
    options: &'a Options,
    pub(super) findings: Vec<Finding>,
    pub(super) bytes_read: u64,
}

/// The objects of one generation that were read and are whole by themselves.
#[derive(Default)]
pub(super) struct Read {
    links: Vec<(Name, Link)>,
    /// Every object that was to be read could be.
    whole: bool,
    /// The checksum that was reached, if it is the replicator's.
    pub(super) checksum: Option<DbChecksum>,
}

impl<'a> Reading<'a> {
    pub(super) fn new(replica: &'a Replica, hasher: Option<PageHasher>, options: &'a Options) -> Reading<'a> {
        Reading { replica, hasher, options, findings: Vec::new(), bytes_read: 0 }
    }

    /// Reads what a restore of the newest state of a generation reads.
    pub(super) async fn newest(&mut self, objects: &Objects) -> Result<Read, Error> {
        match cover(objects, objects.last().into()) {
            Ok(chain) => self.read(chain, Vec::new(), Take::Wanted).await,
            // The listing told it already.
            Err(_) => Ok(Read::default()),
        }
    }

    /// Reads every byte of every object of a generation.
    pub(super) async fn everything(&mut self, objects: &Objects) -> Result<Read, Error> {
        let chain = cover(objects, objects.last().into()).unwrap_or_default();
        let taken: HashSet<Name> = chain.iter().map(|&(name, _)| name).collect();
        let rest = page_files(objects).filter(|(name, _)| !taken.contains(name)).collect();
        self.read(chain, rest, Take::Everything).await
    }

    /// Reads every byte of some objects, whatever is around them.
    pub(super) async fn some(&mut self, names: Vec<(Name, u64)>) -> Result<(), Error> {
        self.read(Vec::new(), names, Take::Prove).await.map(drop)
    }

    /// Reads a chain, given oldest first, so that its database checksum is reached, then the rest by itself.
    async fn read(&mut self, chain: Vec<(Name, u64)>, rest: Vec<(Name, u64)>, take: Take) -> Result<Read, Error> {
        let (concurrency, progress) = (self.options.concurrency, self.options.progress.clone());
        let mut walk = Walk::new(self.hasher.clone(), Arc::new(Nowhere), concurrency, progress);
        let (length, newest) = (chain.len(), chain.last().map(|&(name, _)| name));
        let names: Vec<(Name, u64)> = chain.into_iter().rev().chain(rest).collect();
        let (mut read, mut failed, mut expected) = (Read::default(), HashSet::new(), None);
        let mut opening = Opening::new(self.replica, names, &walk);
        let mut place = 0;
        while let Some((name, reader)) = opening.next().await {
            let in_chain = place < length;
            place += 1;
            match reader {
                Ok(reader) => {
                    read.links.push((name, Link::of(reader.outline())));
                    if Some(name) == newest {
                        expected = Some(reader.outline().summary.checksum_after);
                        walk.begin(reader.outline());
                    }
                    walk.object(reader, if in_chain { take } else { Take::Prove }).await;
                }
                Err(error) => self.failed(name, error.into(), &mut failed)?,
            }
            for failure in walk.failures() {
                self.failed(failure.name, failure.error, &mut failed)?;
            }
        }
        walk.drain().await;
        for failure in walk.failures() {
            self.failed(failure.name, failure.error, &mut failed)?;
        }
        self.bytes_read += walk.fetched();
        read.links.retain(|(name, _)| !failed.contains(name));
        read.whole = failed.is_empty();
        self.joins(&read.links);
        if let (true, Some(name), Some(taken), Some(expected)) = (read.whole, newest, walk.taken(), expected) {
            if let Some(page) = taken.first_missing {
                let message = format!("no object has page {page} of the database, and {} in all", taken.missing);
                self.findings.push(Finding::of(name, "chain.incomplete", Severity::Damaged, message));
            } else if taken.checksum != expected {
                let message = format!("database checksum {} is not the replicator's, {expected}", taken.checksum);
                self.findings.push(Finding::of(name, "chain.checksum", Severity::Damaged, message));
            } else if self.hasher.is_some() {
                read.checksum = Some(expected);
            }
        }
        Ok(read)
    }

    /// An object cannot be read: once a finding, unless that says nothing about the object.
    fn failed(&mut self, name: Name, error: Error, failed: &mut HashSet<Name>) -> Result<(), Error> {
        if !error.is_damage() {
            return Err(error);
        }
        if failed.insert(name) {
            self.findings.push(Finding::of(name, error.code(), Severity::Damaged, error.one_line(&**self.replica)));
        }
        Ok(())
    }

    /// Whether every object follows those of its generation that end where it begins.
    fn joins(&mut self, links: &[(Name, Link)]) {
        type Place = (GenerationId, Option<SegmentIndex>);
        let mut ends: HashMap<Place, Vec<&Link>> = HashMap::new();
        for (_, link) in links {
            ends.entry((link.generation, link.next)).or_default().push(link);
        }
        let at = |place: Place| ends.get(&place).map_or(&[][..], Vec::as_slice);
        for (name, link) in links.iter().filter(|(_, link)| link.kind != Kind::Snapshot) {
            let mut before = at((link.generation, Some(link.first))).iter();
            if let Some(why) = before.find_map(|earlier| breaks(earlier, link).first().copied()) {
                self.findings.push(broken(*name, format!("{name} does not follow the object before it: {why}")));
            }
            let mut beside = at((link.generation, link.next)).iter();
            let differs = |other: &&Link| (other.end, other.checksum_after) != (link.end, link.checksum_after);
            if link.kind == Kind::Merged && beside.any(differs) {
                self.findings.push(broken(*name, format!("{name} does not end as the segments that it stands for")));
            }
        }
    }

    /// Whether a generation begins where the one before it was.
    pub(super) fn follows(&mut self, before: &(GenerationId, Read), read: &Read) {
        let Some((name, snapshot)) = read.snapshot() else { return };
        let Some(joins) = snapshot.joins.filter(|_| snapshot.previous == Some(before.0)) else { return };
        let what = match before.1.links.iter().find(|(_, link)| link.end == joins) {
            Some((_, link)) if link.checksum_after == snapshot.checksum_after => return,
            Some((joined, _)) => format!("{name} is not the database that {joined}, at the same commit, left"),
            None if before.1.whole => without_its_end(name, joins, before.0),
            None => return,
        };
        self.findings.push(broken(name, what));
    }

    /// The same where nothing of the generation before was read: of that, the last object alone is opened, to see
    /// whether it was the last.
    pub(super) async fn follows_the_last(&mut self, generations: &[Objects], read: &Read) -> Result<(), Error> {
        let Some((name, snapshot)) = read.snapshot() else { return Ok(()) };
        let (Some(joins), Some(previous)) = (snapshot.joins, snapshot.previous) else { return Ok(()) };
        let before = generations.iter().find(|objects| objects.generation == previous && objects.snapshot.is_some());
        let Some(before) = before else { return Ok(()) };
        if !self.is_cut_off(before, snapshot).await? {
            return Ok(());
        }
        // Both may have come between two requests of the listing.
        let now = Objects::list(&**self.replica, previous, None).await?;
        if now.snapshot.is_some() && self.is_cut_off(&now, snapshot).await? {
            self.findings.push(broken(name, without_its_end(name, joins, previous)));
        }
        Ok(())
    }

    async fn is_cut_off(&mut self, objects: &Objects, next: &Link) -> Result<bool, Error> {
        let Some(&(_, name, size)) = ends(objects).last() else { return Ok(false) };
        match ObjectReader::open(self.replica, name, size).await {
            Ok(reader) => {
                self.bytes_read += reader.fetched();
                Ok(lacks_its_end(&Link::of(reader.outline()), next))
            }
            // That it cannot be read is for the levels to tell that read it.
            Err(error) if error.is_damage() || error.is_bad_key() => Ok(false),
            Err(error) => Err(error.into()),
        }
    }

    /// Whether the manifest tells of the objects that are there.
    pub(super) fn agrees(&mut self, manifest: &Manifest, objects: &Objects, read: &Read) {
        let name = Name::Manifest(manifest.generation);
        let mut told: HashMap<Name, (Digest, u64)> = HashMap::new();
        told.insert(Name::Snapshot(manifest.generation), (manifest.snapshot.digest, manifest.snapshot.bytes));
        for segment in &manifest.segments {
            told.insert(Name::Segment(manifest.generation, segment.index), (segment.digest, segment.bytes));
        }
        let sizes: HashMap<Name, u64> = objects.names().into_iter().collect();
        for (object, link) in read.links.iter().filter(|(_, link)| link.kind != Kind::Merged) {
            let differs =
                |&(digest, bytes): &(Digest, u64)| (digest, Some(bytes)) != (link.end, sizes.get(object).copied());
            if told.get(object).is_some_and(differs) {
                let message = format!("{name} tells of another object than {object}");
                self.findings.push(Finding::of(*object, "manifest.mismatch", Severity::Damaged, message));
            }
        }
    }
}

impl Read {
    fn snapshot(&self) -> Option<(Name, &Link)> {
        self.links.iter().find(|(_, link)| link.kind == Kind::Snapshot).map(|(name, link)| (*name, link))
    }
}

/// Snapshot and segments of a generation, without the manifest.
pub(super) fn page_files(objects: &Objects) -> impl Iterator<Item = (Name, u64)> + use<> {
    objects.names().into_iter().filter(|(name, _)| !matches!(name, Name::Manifest(_)))
}

fn without_its_end(snapshot: Name, joins: Digest, before: GenerationId) -> String {
    format!("{snapshot} was taken where an object ({joins}) ended that generation {before} does not have")
}

fn broken(name: Name, message: String) -> Finding {
    Finding::of(name, "chain.broken", Severity::Damaged, message)
}
