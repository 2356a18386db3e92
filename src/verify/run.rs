//! The check itself.

use std::collections::HashMap;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use tokio::time::Instant;

use super::data::{Read, Reading, page_files};
#[cfg(feature = "encryption")]
use super::keys;
use super::lost::{self, Times};
use super::{Check, Finding, Level, Report, Severity, Subset, integrity, listing, since};
use crate::clock::{self, Clock};
use crate::format::{Manifest, PageHasher};
use crate::ids::GenerationId;
use crate::progress::{During, Phase, Progress, Silent};
use crate::replica::{Inventory, LATEST, Name, Objects, REPLICA, Replica, read_latest, read_manifest};
use crate::restore::{Anchor, Error, cover, ends, hash_key};
use crate::units::{SegmentIndex, Timestamp};

/// What it means that `latest` or a manifest is not as it should be.
const A_HINT: &str = "it is only a hint: a restore does without it";

/// How far two clocks may be apart.
const AHEAD: Duration = Duration::from_secs(300);

/// The code of a finding: the newest state is of a time that is still to come.
pub const TIMES_AHEAD: &str = "generation.times_ahead";

/// How a check is done.
#[derive(Clone, Debug)]
pub struct Options {
    /// Requests at a time, at least 1.
    pub concurrency: usize,
    /// Is told how far it is.
    pub progress: Arc<dyn Progress>,
    /// Tells the age of the newest state.
    pub clock: Arc<dyn Clock>,
    /// The age beyond which the newest state is stale.
    pub max_age: Option<Duration>,
    /// What the replica must reach.
    pub anchor: Option<Anchor>,
    /// Where [`Level::Restore`] makes its temporary directory.
    pub scratch: PathBuf,
}

impl Default for Options {
    /// Eight requests at a time; any age; the system's directory for temporary files.
    fn default() -> Options {
        Options {
            concurrency: 8,
            progress: Arc::new(Silent),
            clock: clock::system(),
            max_age: None,
            anchor: None,
            scratch: std::env::temp_dir(),
        }
    }
}

/// Checks a replica. It is only read.
///
/// # Errors
///
/// What keeps it from being checked: [`Error::NoBackup`], a store that fails, a missing key. What is wrong with the
/// replica is not an error, but a finding in the report.
pub async fn verify(replica: &Replica, level: Level, options: &Options) -> Result<Report, Error> {
    let began = Instant::now();
    let inventory = Inventory::list(&**replica).await?;
    if inventory.generations.iter().all(|objects| objects.snapshot.is_none() && objects.last().is_none()) {
        return Err(Error::NoBackup { location: replica.location() });
    }
    let total = to_read(&inventory, level).map(|names| names.iter().map(|&(_, size)| size).sum());
    let bar = During::begin(&*options.progress, Phase::Verify, total);
    let mut checking = Checking::new(replica, level, options, inventory);
    checking.run().await?;
    drop(bar);
    let mut report = checking.report;
    report.duration = began.elapsed();
    Ok(report)
}

/// The objects that are read at this level; a restore tells of its own.
fn to_read(inventory: &Inventory, level: Level) -> Option<Vec<(Name, u64)>> {
    let newest = || {
        let newest = inventory.generations.iter().rev().find(|objects| objects.snapshot.is_some());
        newest.and_then(|objects| cover(objects, objects.last().into()).ok()).unwrap_or_default()
    };
    let all = inventory.generations.iter().flat_map(page_files);
    match level {
        Level::Quick | Level::Restore(_) => None,
        Level::Default => Some(newest()),
        Level::ReadData(Subset::All) | Level::ReadDataAndRestore(Subset::All, _) => Some(all.collect()),
        Level::ReadData(subset) | Level::ReadDataAndRestore(subset, _) => {
            Some(newest().into_iter().chain(all.filter(|&(name, _)| subset.has(name))).collect())
        }
    }
}

struct Checking<'a> {
    replica: &'a Replica,
    options: &'a Options,
    inventory: Inventory,
    times: Times<'a>,
    /// Up to when the manifests know of segments.
    promised: HashMap<GenerationId, Timestamp>,
    report: Report,
}

impl Checking<'_> {
    fn new<'a>(replica: &'a Replica, level: Level, options: &'a Options, inventory: Inventory) -> Checking<'a> {
        let small = u64::from(inventory.replica.is_some()) + u64::from(inventory.latest.is_some());
        let report = Report {
            source: replica.location(),
            level,
            findings: Vec::new(),
            generations: inventory.generations.iter().filter(|objects| objects.snapshot.is_some()).count(),
            objects_checked: small
                + inventory.generations.iter().map(|objects| objects.names().len() as u64).sum::<u64>(),
            bytes_read: 0,
            newest_at: None,
            restorable: None,
            checksum: None,
            duration: Duration::ZERO,
        };
        Checking { replica, options, inventory, times: Times::new(replica), promised: HashMap::new(), report }
    }

    async fn run(&mut self) -> Result<(), Error> {
        let generations = std::mem::take(&mut self.inventory.generations);
        let hasher = match hash_key(self.replica).await {
            Ok(ids) => Some(PageHasher::new(&ids.hash_key)),
            Err(error) => {
                let told =
                    |text| format!("{text}; nothing can be restored without it: it has the key that proves the pages");
                self.finding(error, |code, text| Finding::at(REPLICA, code, Severity::Damaged, told(text)))?;
                None
            }
        };
        self.latest(&generations).await?;
        let newest = generations.iter().rev().find(|objects| objects.snapshot.is_some()).map(|it| it.generation);
        let is_deleted = |objects: &Objects| objects.is_remnant() && Some(objects.generation) < newest;
        let (deleted, generations): (Vec<Objects>, Vec<Objects>) = generations.into_iter().partition(is_deleted);
        deleted.iter().filter_map(listing::remnant).for_each(|finding| self.add(finding));
        for objects in &generations {
            listing::holes(objects).into_iter().for_each(|finding| self.add(finding));
        }
        #[cfg(feature = "encryption")]
        self.keys(&generations).await?;
        self.newest_at(&generations).await?;
        if let Some(anchor) = &self.options.anchor
            && let Err(error) = anchor.check(self.replica).await
        {
            self.finding(error, |code, text| Finding::general(code, Severity::Damaged, text))?;
        }
        let restores = hasher.is_some();
        self.proof(&generations, hasher).await?;
        let findings = &mut self.report.findings;
        since::take_back(&**self.replica, &generations, findings).await?;
        let restorable = lost::weigh(&mut self.times, &generations, &self.promised, findings).await?;
        self.report.restorable = restorable.filter(|_| restores);
        self.report.bytes_read += self.times.bytes_read;
        self.age();
        Ok(())
    }

    /// What the replica is sealed with.
    #[cfg(feature = "encryption")]
    async fn keys(&mut self, generations: &[Objects]) -> Result<(), Error> {
        let (findings, checked) = keys::check(self.replica).await?;
        self.report.objects_checked += checked;
        findings.into_iter().for_each(|finding| self.add(finding));
        keys::order(self.replica, generations).await?.into_iter().for_each(|finding| self.add(finding));
        Ok(())
    }

    /// What is read beyond the listing.
    async fn proof(&mut self, generations: &[Objects], hasher: Option<PageHasher>) -> Result<(), Error> {
        let newest = generations.iter().rev().find(|objects| objects.snapshot.is_some());
        if let Some(newest) = newest.filter(|_| self.report.level.subset() != Some(Subset::All)) {
            self.manifest(newest).await?;
        }
        // Whatever is missing, what is there is read.
        self.read(newest, generations, hasher).await
    }

    /// What the level reads.
    async fn read(
        &mut self,
        newest: Option<&Objects>,
        generations: &[Objects],
        hasher: Option<PageHasher>,
    ) -> Result<(), Error> {
        let level = self.report.level;
        match level.subset() {
            None if level == Level::Default => self.newest(newest, generations, hasher.clone()).await?,
            None => {}
            Some(Subset::All) => self.everything(newest, generations, hasher.clone()).await?,
            Some(subset) => {
                self.newest(newest, generations, hasher.clone()).await?;
                let names = generations.iter().flat_map(page_files).filter(|&(name, _)| subset.has(name)).collect();
                let mut reading = Reading::new(self.replica, hasher.clone(), self.options);
                reading.some(names).await?;
                self.take(reading);
            }
        }
        // Without a snapshot the listing told it already.
        if let (Some(check), Some(newest)) = (level.check(), newest) {
            self.restored(newest, check, hasher).await?;
        }
        Ok(())
    }

    /// Restores the newest state, and has SQLite check it.
    async fn restored(&mut self, newest: &Objects, check: Check, hasher: Option<PageHasher>) -> Result<(), Error> {
        match integrity::restored(self.replica, check, self.options).await {
            Ok((restored, findings)) => {
                findings.into_iter().for_each(|finding| self.add(finding));
                self.report.bytes_read += restored.downloaded_bytes;
                self.report.checksum = Some(restored.checksum);
            }
            // The restore stops at the first problem; reading goes on to the last.
            Err(error) if error.is_damage() => {
                if self.report.level.subset().is_none() {
                    self.newest(Some(newest), &[], hasher).await?;
                }
                if self.report.ok() {
                    self.finding(error, |code, text| Finding::general(code, Severity::Damaged, text))?;
                }
            }
            Err(error) => return Err(error),
        }
        Ok(())
    }

    /// Reads the newest state, and looks whether the generation before, if it is one of these, ends where it begins.
    async fn newest(
        &mut self,
        newest: Option<&Objects>,
        generations: &[Objects],
        hasher: Option<PageHasher>,
    ) -> Result<(), Error> {
        let Some(newest) = newest else { return Ok(()) };
        let mut reading = Reading::new(self.replica, hasher, self.options);
        let read = reading.newest(newest).await?;
        reading.follows_the_last(generations, &read).await?;
        self.report.checksum = read.checksum;
        self.take(reading);
        Ok(())
    }

    async fn everything(
        &mut self,
        newest: Option<&Objects>,
        all: &[Objects],
        hasher: Option<PageHasher>,
    ) -> Result<(), Error> {
        let mut before: Option<(GenerationId, Read)> = None;
        for objects in all {
            let manifest = self.manifest(objects).await?;
            let mut reading = Reading::new(self.replica, hasher.clone(), self.options);
            let read = reading.everything(objects).await?;
            if let Some(before) = &before {
                reading.follows(before, &read);
            }
            if let Some(manifest) = manifest {
                reading.agrees(&manifest, objects, &read);
            }
            if newest.is_some_and(|newest| newest.generation == objects.generation) {
                self.report.checksum = read.checksum;
            }
            self.take(reading);
            before = Some((objects.generation, read));
        }
        Ok(())
    }

    fn take(&mut self, reading: Reading<'_>) {
        self.report.bytes_read += reading.bytes_read;
        reading.findings.into_iter().for_each(|finding| self.add(finding));
    }

    /// Tells of a finding. What is wrong with one object is one problem, whichever steps meet it.
    fn add(&mut self, finding: Finding) {
        let same = |other: &Finding| other.object == finding.object && other.severity == finding.severity;
        if finding.object.is_none() || !self.report.findings.iter().any(same) {
            self.report.findings.push(finding);
        }
    }

    /// `latest` is whole, and the generation that it names is there.
    async fn latest(&mut self, generations: &[Objects]) -> Result<(), Error> {
        let latest = match read_latest(self.replica).await {
            Ok(latest) => latest,
            Err(error) => {
                return self.finding(error.into(), |code, text| {
                    Finding::at(LATEST, code, Severity::Damaged, format!("{text}; {A_HINT}"))
                });
            }
        };
        let Some(latest) = latest else {
            let message = format!("latest is missing; {A_HINT}");
            self.add(Finding::at(LATEST, "object.missing", Severity::Warning, message));
            return Ok(());
        };
        let name = Name::Snapshot(latest.generation);
        let listed =
            generations.iter().any(|objects| objects.generation == latest.generation && objects.snapshot.is_some());
        // It may have been begun since the listing.
        if !listed && self.is_missing(name).await? {
            let message = format!("{name} is missing, which latest names");
            self.add(Finding::of(name, "object.missing", Severity::Damaged, message));
        }
        Ok(())
    }

    /// The manifest is whole, and every segment that it knows of is there.
    async fn manifest(&mut self, objects: &Objects) -> Result<Option<Manifest>, Error> {
        let name = Name::Manifest(objects.generation);
        let manifest = match read_manifest(self.replica, objects.generation).await {
            Ok(Some(manifest)) => manifest,
            Ok(None) => {
                if objects.snapshot.is_some() {
                    let message = format!("{name} is missing; {A_HINT}");
                    self.add(Finding::of(name, "object.missing", Severity::Warning, message));
                }
                return Ok(None);
            }
            Err(error) => {
                self.finding(error.into(), |code, text| {
                    Finding::of(name, code, Severity::Damaged, format!("{text}; {A_HINT}"))
                })?;
                return Ok(None);
            }
        };
        self.promised.extend(manifest.segments.last().map(|segment| (objects.generation, segment.at)));
        let next = objects.last().map_or(0, |last| last.get() + 1);
        if let Some(index) = SegmentIndex::new(next).filter(|_| next < manifest.next_index) {
            // They may have been written since the listing.
            let now = Objects::list(&**self.replica, objects.generation, objects.last()).await?;
            let reached = now.last().max(objects.last()).map_or(0, |last| last.get() + 1);
            if reached < manifest.next_index || now.segments.first().is_none_or(|&(first, _)| first != index) {
                let name = Name::Segment(objects.generation, index);
                let message = format!("{name} is missing, which the manifest knows of");
                self.add(Finding::of(name, "object.missing", Severity::Damaged, message));
            }
        }
        Ok(Some(manifest))
    }

    /// The newest object opens, and says when the newest transaction was.
    async fn newest_at(&mut self, generations: &[Objects]) -> Result<(), Error> {
        let Some(newest) = generations.iter().rev().find(|objects| objects.snapshot.is_some()) else { return Ok(()) };
        let Some(&(_, name, size)) = ends(newest).last() else { return Ok(()) };
        match self.times.open(name, size).await {
            Ok(at) => self.report.newest_at = Some(at),
            Err(error) => self.finding(error.into(), |code, text| Finding::of(name, code, Severity::Damaged, text))?,
        }
        Ok(())
    }

    async fn is_missing(&self, name: Name) -> Result<bool, Error> {
        match self.replica.head(&name.key()).await {
            Ok(_) => Ok(false),
            Err(error) if error.is_not_found() => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// The newest state is not older than asked for, nor of a time that is still to come: how old it is, nobody could tell
    /// then.
    fn age(&mut self) {
        let Some(newest) = self.report.newest_at else { return };
        let ahead = Duration::from_millis(newest.0.saturating_sub(self.options.clock.now().0).max(0) as u64);
        if ahead > AHEAD {
            let severity = if self.options.max_age.is_some() { Severity::Stale } else { Severity::Warning };
            let message = format!(
                "the newest state is of {newest}, {} s from now: a clock was ahead, and how old it is cannot be told",
                ahead.as_secs()
            );
            self.report.findings.push(Finding::general(TIMES_AHEAD, severity, message));
        }
        let Some(limit) = self.options.max_age else { return };
        let age = Duration::from_millis(self.options.clock.now().0.saturating_sub(newest.0).max(0) as u64);
        if age > limit {
            let message = format!("the newest state is {} s old (limit {} s)", age.as_secs(), limit.as_secs());
            self.report.findings.push(Finding::general("stale", Severity::Stale, message));
        }
    }

    /// Damage is a finding; everything else stops the check.
    fn finding(&mut self, error: Error, finding: impl FnOnce(&'static str, String) -> Finding) -> Result<(), Error> {
        if !error.is_damage() {
            return Err(error);
        }
        let message = error.one_line(&**self.replica);
        self.add(finding(error.code(), message));
        Ok(())
    }
}
