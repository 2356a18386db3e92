//! The bucket of a sealed replica in the hands of somebody else, and what comes of it.

use bytes::Bytes;
use tokio::sync::OnceCell;
use waloy::error::{Error as PublicError, Kind};
use waloy::verify::{self, Level as Depth};

use super::super::*;
use super::{Objects, PASSPHRASE, Vault, opened, restored};

/// What is put under some keys, or taken away.
pub(super) type Changes = Vec<(String, Option<Bytes>)>;

/// The replica that is attacked: four generations, the last two with a second data key, and a second slot.
pub(super) async fn vault() -> &'static Vault {
    static VAULT: OnceCell<Vault> = OnceCell::const_new();
    VAULT.get_or_init(|| async { Vault::make(&key(PASSPHRASE), 4, 11).await }).await
}

/// What a check is asked for.
pub(super) const EVERY_BYTE: Depth = Depth::ReadData(verify::Subset::All);

/// What came of the attacks so far.
#[derive(Default, Debug)]
pub(super) struct Count {
    pub(super) attacks: usize,
    /// The newest state was not restored.
    pub(super) errors: usize,
    /// It was, or an older one.
    pub(super) true_states: usize,
    /// After so many of them, the replica was verified too.
    pub(super) verified: usize,
    /// That found fault with something.
    pub(super) noticed: usize,
}

impl std::fmt::Display for Count {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Count { attacks, errors, true_states, verified, noticed } = self;
        write!(f, "{attacks} attacks: {errors} errors, {true_states} true states, 0 others; ")?;
        write!(f, "verified {verified} times, {noticed} with findings")
    }
}

/// The bucket of a vault in the hands of somebody else.
pub(super) struct Bucket<'a> {
    pub(super) vault: &'a Vault,
    pub(super) memory: MemoryStore,
    /// Opened before anything was done to it.
    held: Replica,
    pub(super) count: Count,
}

impl<'a> Bucket<'a> {
    pub(super) async fn new(vault: &'a Vault) -> Bucket<'a> {
        let memory = MemoryStore::new();
        for (name, bytes) in &vault.objects {
            memory.put(name, bytes.clone()).await.unwrap();
        }
        let held = Replica::unlock(store(&memory), &vault.key).await.unwrap();
        let bucket = Bucket { vault, memory, held, count: Count::default() };
        let report = bucket.verified(&bucket.held, EVERY_BYTE).await.unwrap();
        assert!(report.findings.is_empty(), "{:?}", report.findings);
        bucket
    }

    async fn apply(&self, changes: &Changes) {
        for (name, bytes) in changes {
            match bytes {
                Some(bytes) => self.memory.put(name, bytes.clone()).await.unwrap(),
                None => self.memory.delete(name).await.unwrap(),
            }
        }
    }

    /// Serves the objects so changed, looks at what comes of it, and puts everything back. Says whether the newest state
    /// was restored, and whether verification found fault with anything.
    pub(super) async fn attack(&mut self, what: &str, changes: Changes) -> (bool, bool) {
        self.served(what, changes, false).await
    }

    /// The same, with objects that do not belong where they are put: none of them opens there.
    pub(super) async fn forge(&mut self, what: &str, changes: Changes) -> (bool, bool) {
        self.served(what, changes, true).await
    }

    async fn served(&mut self, what: &str, changes: Changes, forged: bool) -> (bool, bool) {
        self.apply(&changes).await;
        let outcome = self.judge(what, if forged { &changes } else { &[] }).await;
        let before = |name: String| (self.vault.objects.get(&name).cloned(), name);
        let back = changes.into_iter().map(|(name, _)| before(name)).map(|(bytes, name)| (name, bytes)).collect();
        self.apply(&back).await;
        outcome
    }

    /// The bucket with exactly these objects.
    pub(super) async fn serve(&mut self, what: &str, objects: &Objects) -> (bool, bool) {
        let gone = self.vault.objects.keys().filter(|name| !objects.contains_key(*name));
        let gone = gone.map(|name| (name.clone(), None));
        let put = objects.iter().map(|(name, bytes)| (name.clone(), Some(bytes.clone())));
        self.attack(what, gone.chain(put).collect()).await
    }

    async fn judge(&mut self, what: &str, forged: &[(String, Option<Bytes>)]) -> (bool, bool) {
        self.count.attacks += 1;
        let (unlocked, found) = match Replica::unlock(store(&self.memory), &self.vault.key).await {
            Ok(replica) => {
                for (name, _) in forged.iter().filter(|(_, bytes)| bytes.is_some()) {
                    let opened = opened(&replica, name).await;
                    assert!(opened.is_none_or(|opened| opened.is_err()), "{what}: {name} opens");
                }
                // Verification reads what a restore reads: of what is forged, every other time.
                let verified = forged.is_empty() || self.count.attacks.is_multiple_of(2);
                self.judge_opened(what, &replica, verified).await
            }
            Err(error) => {
                proper(what, error);
                (false, false)
            }
        };
        // Whoever opened it before has its keys, and is served the same.
        if self.count.attacks.is_multiple_of(19) {
            let held = self.held.clone();
            for target in [Target::Latest, self.some_target()] {
                self.restores(what, &held, target).await;
            }
        }
        self.count.errors += usize::from(!unlocked);
        self.count.true_states += usize::from(unlocked);
        self.count.noticed += usize::from(found);
        (unlocked, found)
    }

    async fn judge_opened(&mut self, what: &str, replica: &Replica, verified: bool) -> (bool, bool) {
        let latest = self.restores(what, replica, Target::Latest).await;
        if self.count.attacks.is_multiple_of(5) {
            self.restores(what, replica, self.some_target()).await;
        }
        if !verified {
            return (latest, false);
        }
        self.count.verified += 1;
        let depth = if self.count.attacks.is_multiple_of(20) { EVERY_BYTE } else { Depth::Default };
        match self.verified(replica, depth).await {
            Ok(report) => {
                assert!(!report.ok() || latest, "{what}: a check finds nothing wrong, and it does not restore");
                (latest, !report.findings.is_empty())
            }
            Err(error) => {
                assert!(!latest, "{what}: it restores, and cannot be checked: {error}");
                proper(what, error);
                (latest, true)
            }
        }
    }

    async fn verified(&self, replica: &Replica, depth: Depth) -> Result<verify::Report, restore::Error> {
        verify::verify(replica, depth, &verify::Options::default()).await
    }

    /// What is asked for besides the newest state: another one each time.
    fn some_target(&self) -> Target {
        let at = self.count.attacks * 7 % self.vault.truth.len();
        let (&(generation, point), state) = self.vault.truth.iter().nth(at).unwrap();
        match self.count.attacks / 5 % 3 {
            0 => Target::Generation(generation, Some(point)),
            1 => Target::Generation(generation, None),
            _ => Target::Time(state.at),
        }
    }

    /// A restore gives an error or a state that was, and if one was asked for, that one.
    async fn restores(&self, what: &str, replica: &Replica, target: Target) -> bool {
        let (report, pages) = match restored(replica, target).await {
            Ok(restored) => restored,
            Err(error) => {
                proper(what, error);
                return false;
            }
        };
        let place = (report.plan.generation, report.plan.point);
        let state = self.vault.truth.get(&place);
        let state = state.unwrap_or_else(|| panic!("{what}: {target:?} gives {place:?}, which never was"));
        assert!(pages == state.pages, "{what}: {target:?} gives another database as {place:?}");
        assert_eq!(report.plan.at, state.at, "{what}: {target:?} gives {place:?} of another time");
        match target {
            Target::Generation(generation, None) => assert_eq!(place.0, generation, "{what}"),
            Target::Generation(generation, Some(point)) => assert_eq!(place, (generation, point), "{what}"),
            Target::Time(time) => assert!(state.at <= time, "{what}: {place:?} is after the moment asked for"),
            _ => {}
        }
        true
    }
}

/// An error that tells what is wrong with the bucket, not with us.
fn proper(what: &str, error: impl Into<PublicError>) {
    let error = error.into();
    let expected = [Kind::Damaged, Kind::BadKey, Kind::NotCovered, Kind::NoBackup];
    // More pages than there is room for.
    let no_room = error.kind() == Kind::Database && error.to_string().contains("bytes free");
    assert!(expected.contains(&error.kind()) || no_room, "{what}: {:?} {error}", error.kind());
}
