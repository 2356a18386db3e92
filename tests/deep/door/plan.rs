//! What is to happen at which call.

use std::collections::{BTreeMap, HashSet};
use std::path::Path;

use waloy::testing::dice::Dice;

use super::{Act, Verdict, Who};

/// What happens to a call.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Fault {
    /// It fails with this error of the system, once.
    Fail(i32),
    /// Half of what is written arrives; then it fails with this error, once.
    Short(i32),
    /// The process ends before it.
    End,
    /// The process ends in the middle of it: half of what is written arrives.
    EndTorn,
}

/// Faults by number and by chance, and the count of calls.
pub(crate) struct Plan {
    /// At the n-th call of somebody, from 1.
    at: BTreeMap<(Who, u64), Fault>,
    /// Once in so many calls of somebody's, one of these.
    rate: BTreeMap<Who, (u64, Vec<Fault>)>,
    /// At the n-th call of anybody, from 1: who ends by it, or what fails.
    once: Option<(u64, Vec<Who>, Fault)>,
    /// Calls of anybody so far.
    total: u64,
    /// Others act in the middle of a call of waloy's once in so many.
    others: Option<u64>,
    counts: BTreeMap<Who, u64>,
    dead: HashSet<Who>,
    dice: Dice,
    /// Every call so far, what was asked of the store as well, in words; if it is kept.
    log: Option<Vec<String>>,
    faults: u64,
    interleaved: u64,
}

impl Plan {
    /// Nothing happens by itself.
    pub(crate) fn new(dice: Dice) -> Plan {
        Plan {
            at: BTreeMap::new(),
            rate: BTreeMap::new(),
            once: None,
            total: 0,
            others: None,
            counts: BTreeMap::new(),
            dead: HashSet::new(),
            dice,
            log: None,
            faults: 0,
            interleaved: 0,
        }
    }

    /// The n-th call from now of somebody's, from 1.
    pub(crate) fn at(&mut self, who: Who, n: u64, fault: Fault) {
        self.at.insert((who, self.count(who) + n), fault);
    }

    /// At the n-th call of anybody from now, from 1: these end, in the middle of it or before; nobody, and it fails.
    pub(crate) fn once(&mut self, n: u64, ends: Vec<Who>, fault: Fault) {
        self.once = Some((self.total + n, ends, fault));
    }

    /// What is to happen at a call of anybody has not happened.
    pub(crate) fn is_pending(&self) -> bool {
        self.once.is_some()
    }

    /// Once in so many calls of somebody's, one of these happens.
    pub(crate) fn often(&mut self, who: Who, times: u64, faults: &[Fault]) {
        self.rate.insert(who, (times, faults.to_vec()));
    }

    /// Others act once in so many calls of waloy's.
    pub(crate) fn others_once_in(&mut self, times: Option<u64>) {
        self.others = times;
    }

    /// What was to happen does not.
    pub(crate) fn calm(&mut self) {
        self.at.clear();
        self.rate.clear();
        self.once = None;
    }

    /// Whether calls of somebody's may fail.
    pub(crate) fn afflicts(&self, who: Who) -> bool {
        self.rate.contains_key(&who)
    }

    /// Calls of somebody's so far.
    pub(crate) fn count(&self, who: Who) -> u64 {
        self.counts.get(&who).copied().unwrap_or(0)
    }

    /// Somebody's process ends: nothing that it does has an effect any more.
    pub(crate) fn kill(&mut self, who: Who) {
        self.dead.insert(who);
    }

    /// Its process has ended.
    pub(crate) fn is_dead(&self, who: Who) -> bool {
        self.dead.contains(&who)
    }

    /// A new process of somebody's.
    pub(crate) fn revive(&mut self, who: Who) {
        self.dead.remove(&who);
    }

    /// Faults so far, and how often others acted in the middle of a call.
    pub(crate) fn happened(&self) -> (u64, u64) {
        (self.faults, self.interleaved)
    }

    /// What becomes of a call, and whether others act before.
    pub(super) fn decide(&mut self, who: Who, act: Act, path: Option<&Path>, len: usize) -> (Verdict, bool) {
        let others = self.others_act(who, act, path);
        if act == Act::Read {
            return (Verdict::GoOn, others);
        }
        if self.is_dead(who) {
            return (Verdict::Fail(libc::EIO), false);
        }
        let what = |n| {
            let name = path.map(plain).unwrap_or_default();
            // How long other files are depends on the salts of the WAL, which SQLite takes from the system.
            let len = if name.ends_with(".db") || name.ends_with("-wal") { len } else { 0 };
            format!("{who:?} {n} {act:?} {name} {len}")
        };
        let fault = self.next(who, Some(what));
        let verdict = match fault {
            None => Verdict::GoOn,
            // SQLite takes no notice of it (`unixSync`): a loss of power may then bring back a log that it had deleted, over
            // a newer database, whatever waloy does (`sim 222019`).
            Some(Fault::Fail(_) | Fault::Short(_))
                if who == Who::Application && act == Act::Sync && path.is_some_and(Path::is_dir) =>
            {
                Verdict::GoOn
            }
            Some(Fault::Fail(error)) => Verdict::Fail(error),
            Some(Fault::Short(error)) if act == Act::Write => Verdict::CutShort(len / 2, error),
            Some(Fault::Short(error)) => Verdict::Fail(error),
            Some(Fault::EndTorn) if act == Act::Write => {
                self.kill(who);
                Verdict::CutShort(len / 2, libc::EIO)
            }
            Some(Fault::End | Fault::EndTorn) => {
                self.kill(who);
                Verdict::Fail(libc::EIO)
            }
        };
        (verdict, others)
    }

    /// What becomes of a request to a store, which is a call like any other.
    pub(crate) fn request(&mut self, who: Who) -> Option<Fault> {
        let fault = self.next(who, None::<fn(u64) -> String>);
        if matches!(fault, Some(Fault::End | Fault::EndTorn)) {
            self.kill(who);
        }
        fault
    }

    /// Counts a call, and says what is to happen at it; `what` tells of one with a local file.
    fn next(&mut self, who: Who, what: Option<impl Fn(u64) -> String>) -> Option<Fault> {
        self.total += 1;
        let n = self.counts.entry(who).or_default();
        *n += 1;
        let n = *n;
        if let Some(what) = &what {
            self.note(|| what(n));
        }
        let mut fault = self.at.remove(&(who, n));
        if let Some((_, ends, then)) = self.once.take_if(|(n, _, _)| *n == self.total) {
            ends.iter().for_each(|who| self.kill(*who));
            // Whoever goes on is not disturbed by the end of others.
            fault = (ends.is_empty() || ends.contains(&who)).then_some(then);
        }
        let fault = fault.or_else(|| {
            let (times, faults) = self.rate.get(&who).filter(|_| what.is_some())?;
            self.dice.one_in(*times).then(|| *self.dice.pick(faults))
        });
        self.faults += u64::from(fault.is_some());
        fault
    }

    /// Only between the calls that SQLite and waloy make while they hold no lock of the process's own.
    fn others_act(&mut self, who: Who, act: Act, path: Option<&Path>) -> bool {
        let Some(times) = self.others.filter(|_| matches!(who, Who::Waloy(_)) && !self.is_dead(who)) else {
            return false;
        };
        let name = path.and_then(Path::to_str).unwrap_or_default();
        let quiet = matches!(act, Act::Read | Act::Write | Act::Sync) && !name.ends_with("-shm");
        let act = quiet && self.dice.one_in(times);
        self.interleaved += u64::from(act);
        act
    }

    /// Adds something to the trace.
    pub(crate) fn note(&mut self, what: impl FnOnce() -> String) {
        if self.log.is_none() && !super::tells() {
            return;
        }
        let what = what();
        if super::tells() {
            eprintln!("    {what}");
        }
        if let Some(log) = &mut self.log {
            log.push(what);
        }
    }

    /// From now on the trace is kept in words.
    pub(crate) fn keep_log(&mut self) {
        self.log = Some(Vec::new());
    }

    /// The trace in words, so far.
    pub(crate) fn take_log(&mut self) -> Vec<String> {
        self.log.take().unwrap_or_default()
    }
}

/// The name without what is random in it.
fn plain(path: &Path) -> String {
    let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    name.chars().filter(|character| !character.is_ascii_digit()).collect()
}
