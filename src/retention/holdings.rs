//! What a replica holds, as far as retention wants to know.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

use futures_util::{StreamExt, TryStreamExt, stream};

use super::ladder::millis;
use super::{Error, Ladder, Policy};
use crate::format::Reason;
use crate::ids::GenerationId;
use crate::replica::{self, LATEST, Name, ObjectReader, Objects, REPLICA, Replica, confirmation, read_manifest};
use crate::restore::{self, Interval};
use crate::storage::{Store, list_all};
use crate::units::Timestamp;

/// Requests at the same time: half of what a store is asked at a time, so that no upload has to wait.
pub(super) const CONCURRENCY: usize = 4;

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// So many reads are prepared at a time.
const AT_A_TIME: usize = 256;

/// What a replica holds.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Holdings {
    /// The location of the replica.
    pub source: String,
    /// Now, as far as ages go: the newest modification time that the store tells, or our own time if that is earlier or
    /// the store tells none.
    pub now: Timestamp,
    /// Now, by our own clock.
    pub clock: Timestamp,
    /// Its generations, oldest first.
    pub generations: Vec<Held>,
    /// Keys that are not waloy's.
    pub unknown: Vec<String>,
}

/// One generation.
#[derive(Clone, PartialEq, Debug)]
pub struct Held {
    /// What the listing has of it.
    pub objects: Objects,
    /// What its manifest says of its beginning.
    pub began: Began,
    /// How many segments its manifest knows of.
    pub promised: u64,
    /// Somebody has confirmed that the database which was replaced here may go.
    pub confirmed: bool,
    /// When the store took each object, if it tells.
    pub modified: HashMap<Name, Timestamp>,
    /// The times of the first and the last transaction in those merged segments whose outlines were read.
    pub spans: HashMap<Name, Interval>,
}

/// What a manifest says of the beginning of its generation.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Began {
    /// Why, and the time of the snapshot's state.
    Read(Reason, Timestamp),
    /// There is no manifest.
    Missing,
    /// It cannot be read.
    Unreadable,
}

impl Held {
    /// Nothing yet, of this generation.
    pub fn none(generation: GenerationId) -> Held {
        Held {
            objects: Objects::none(generation),
            began: Began::Missing,
            promised: 0,
            confirmed: false,
            modified: HashMap::new(),
            spans: HashMap::new(),
        }
    }

    /// The generation.
    pub fn id(&self) -> GenerationId {
        self.objects.generation
    }

    /// There is a snapshot: something of it can be restored.
    pub fn has_snapshot(&self) -> bool {
        self.objects.snapshot.is_some()
    }

    /// When its snapshot was there, at the latest: of all that speaks of it, the latest time. What its writer says does not
    /// count where it is later than our own `clock`, and the store knows: that of the writer was ahead, and what comes after
    /// has times from there on until it is that late.
    pub fn begun(&self, clock: Timestamp) -> Timestamp {
        let told = match self.began {
            Began::Read(_, at) => at.max(self.id().at()),
            Began::Missing | Began::Unreadable => self.id().at(),
        };
        match self.modified.get(&Name::Snapshot(self.id())) {
            Some(&modified) if told > clock => modified,
            Some(&modified) => modified.max(told),
            None => told,
        }
    }

    /// When its newest object was written, as far as that is known.
    pub fn newest(&self, clock: Timestamp) -> Timestamp {
        let begun = self.begun(clock);
        self.modified.values().copied().max().map_or(begun, |newest| newest.max(begun))
    }

    /// It was begun because another database took the place of the one before, or may have been, and nobody has
    /// confirmed that.
    pub fn may_replace(&self) -> bool {
        !self.confirmed
            && match self.began {
                Began::Read(reason, _) => matches!(reason, Reason::Replaced | Reason::Other),
                Began::Missing | Began::Unreadable => true,
            }
    }
}

impl Holdings {
    /// Lists everything, reads every manifest, and the outlines of merged segments that smaller objects might go for.
    ///
    /// # Errors
    ///
    /// Those of the store. Damage is no error: what cannot be read counts as not there to stand for anything else.
    pub async fn gather(replica: &Replica, policy: &Policy, now: Timestamp) -> Result<Holdings, Error> {
        let mut holdings = Holdings::list(&**replica, policy, now).await?;
        let manifests: Vec<_> = holdings.generations.iter().map(|held| manifest(replica, held.id())).collect();
        let manifests: Vec<(Began, u64)> = stream::iter(manifests).buffered(CONCURRENCY).try_collect().await?;
        for (held, (began, promised)) in holdings.generations.iter_mut().zip(manifests) {
            (held.began, held.promised) = (began, promised);
        }
        let Some(ladder) = Ladder::of(policy, holdings.now) else { return Ok(holdings) };
        for held in &mut holdings.generations {
            for some in ladder.substitutes(held).chunks(AT_A_TIME) {
                let some: Vec<_> = some.iter().map(|&(name, size)| span(replica, name, size)).collect();
                let spans: Vec<_> = stream::iter(some).buffer_unordered(CONCURRENCY).try_collect().await?;
                held.spans.extend(spans.into_iter().flatten());
            }
        }
        Ok(holdings)
    }

    /// What the listing alone tells.
    async fn list(store: &dyn Store, policy: &Policy, now: Timestamp) -> Result<Holdings, Error> {
        let mut generations: BTreeMap<GenerationId, Held> = BTreeMap::new();
        let (mut unknown, mut times) = (Vec::new(), BTreeSet::new());
        for meta in list_all(store, "", None).await? {
            times.extend(meta.modified);
            if let Some(name) = Name::parse(&meta.key) {
                let held = generations.entry(name.generation()).or_insert_with(|| Held::none(name.generation()));
                held.objects.add(name, meta.size);
                held.modified.extend(meta.modified.map(|at| (name, at)));
            } else if let Some(id) = confirmed(&meta.key) {
                generations.entry(id).or_insert_with(|| Held::none(id)).confirmed = true;
            } else if ![REPLICA, LATEST].contains(&meta.key.as_str()) && !meta.key.starts_with("keys/") {
                unknown.push(meta.key);
            }
        }
        let newest = if store.has_our_clock() { believed(&times, policy) } else { times.last().copied() };
        let (now, clock) = (newest.map_or(now, |newest| now.min(newest)), now);
        let generations = generations.into_values().collect();
        Ok(Holdings { source: store.location(), now, clock, generations, unknown })
    }
}

/// The newest of times that no other clock stands behind. A jump ahead is believed when there is as much behind it as the
/// grace, or a day: until then it may be the clock of this machine that was wrong for a moment.
fn believed(times: &BTreeSet<Timestamp>, policy: &Policy) -> Option<Timestamp> {
    let newest = *times.last()?;
    let far = millis(policy.grace.max(DAY)) as i64;
    let first = *times.range(Timestamp(newest.0.saturating_sub(far))..).next()?;
    match times.range(..first).next_back() {
        Some(&before) if first.0 - before.0 > far => Some(before),
        _ => Some(newest),
    }
}

/// The generation that this key confirms to have replaced another database rightly.
fn confirmed(key: &str) -> Option<GenerationId> {
    let id: GenerationId = key.split_once('/')?.0.parse().ok()?;
    (confirmation(id) == key).then_some(id)
}

/// What a manifest says, and how many segments it knows of.
async fn manifest(replica: &Replica, id: GenerationId) -> Result<(Began, u64), Error> {
    match read_manifest(replica, id).await {
        Ok(Some(manifest)) => Ok((Began::Read(manifest.reason, manifest.snapshot.at), manifest.next_index)),
        Ok(None) => Ok((Began::Missing, 0)),
        Err(replica::Error::Store(error)) if !error.is_not_found() => Err(error.into()),
        Err(error) if error.is_bad_key() => Err(restore::Error::from(error).into()),
        Err(error) => {
            tracing::warn!(%error, "a manifest cannot be read: its generation is kept");
            Ok((Began::Unreadable, 0))
        }
    }
}

/// The times of a merged segment; `None` if it is not whole.
async fn span(replica: &Replica, name: Name, size: u64) -> Result<Option<(Name, Interval)>, Error> {
    match ObjectReader::open(replica, name, size).await {
        Ok(reader) => {
            let outline = reader.outline();
            Ok(Some((name, Interval { from: outline.header.first_time, to: outline.summary.last_time })))
        }
        Err(replica::Error::Store(error)) if !error.is_not_found() => Err(error.into()),
        Err(error) if error.is_bad_key() => Err(restore::Error::from(error).into()),
        Err(error) => {
            tracing::warn!(%error, "a merged segment cannot be read: what it stands for is kept");
            Ok(None)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_jump_of_our_own_clock_is_believed_when_a_day_has_passed_behind_it() {
        let policy = Policy::new(Some(30 * DAY));
        let hours = |hours: &[i64]| hours.iter().map(|hour| Timestamp(hour * 3_600_000)).collect::<BTreeSet<_>>();
        let told = |times: &[i64]| believed(&hours(times), &policy).map(|at| at.0 / 3_600_000);
        assert_eq!(told(&[]), None);
        assert_eq!(told(&[5]), Some(5));
        assert_eq!(told(&[0, 10, 30, 50]), Some(50), "no jump");
        // Sixty days ahead for an hour, then for a day and an hour.
        assert_eq!(told(&[0, 10, 1450, 1451]), Some(10));
        assert_eq!(told(&[0, 10, 1450, 1460, 1474]), Some(10));
        assert_eq!(told(&[0, 10, 1450, 1460, 1475]), Some(1475));
    }
}
