//! The world of one seed, and its life.

use std::cell::{Cell, RefCell};
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use waloy::restore::Target;
use waloy::testing::dice::Dice;
use waloy::units::Timestamp;

use super::settings;
use crate::door::{self, Plan, Who, acting};
use crate::ladder::Tally;
use crate::sim::Ground;
use crate::sim::app::Manners;
use crate::sim::check::{Inspector, Restored, judge, told};
use crate::sim::host::Host;
use crate::sim::store::Bucket;
use crate::sim::time::Time;

/// How often the application may act in the middle of what waloy does, in one step.
const ACTS: u32 = 100;

/// What befalls a world.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Theme {
    /// Everything.
    All,
    /// Faults of the store above all; the machines and their disks are sound.
    Store,
}

/// Everything there is in a run.
pub(super) struct World {
    pub(super) theme: Theme,
    pub(super) dice: Dice,
    pub(super) host: Host,
    /// A second machine that writes to the same prefix.
    pub(super) rival: Option<Host>,
    pub(super) had_a_rival: bool,
    /// Whether there may be one.
    pub(super) may_have_a_rival: bool,
    pub(super) time: Time,
    pub(super) bucket: Bucket,
    pub(super) inspector: Inspector,
    pub(super) tally: Tally,
    /// What happened, for whoever reads of a failure.
    steps: Vec<String>,
    /// The pages of the database as they were, to go back to, and the state's place.
    pub(super) kept: Option<(Vec<u8>, usize)>,
    /// Moments that a restore may ask for: the time that waloy told, and the state.
    pub(super) points: Vec<(Timestamp, usize)>,
    /// Something may have been let go of since, so that a point may be gone.
    pub(super) may_be_gone: bool,
    /// What waloy keeps beside the database was lost once.
    pub(super) lost_state: bool,
    /// What went wrong while nobody could be told.
    trouble: Rc<RefCell<Option<anyhow::Error>>>,
    /// How often the application may still act in the middle of what waloy does, in this step.
    acts: Rc<Cell<u32>>,
    /// Last, so that it goes last.
    ground: Ground,
}

impl World {
    pub(super) fn begin(seed: u64, theme: Theme) -> anyhow::Result<World> {
        let ground = Ground::new(seed);
        let mut dice = Dice::new(seed);
        let manners = Manners::any(&mut dice);
        let app = ground.application(manners, &mut dice)?;
        let time = Time::default();
        let bucket = Bucket::new(time.clone(), dice.fork(), !dice.one_in(5));
        let key = dice.one_in(4).then(|| settings::key(&mut dice));
        let options = settings::options(&ground.database(), &mut dice, key.as_ref());
        if door::tells() {
            eprintln!("{manners:?}\n{options:?}\nconditional: {}", bucket.is_conditional());
        }
        let may_be_gone = options.retention.is_some();
        let host = Host::new(0, app, options, time.clone(), &bucket);
        let may_have_a_rival = dice.one_in(6);
        let inspector = Inspector { bucket: bucket.clone(), directory: None, key, scratch: ground.scratch() };
        let mut world = World {
            theme,
            dice,
            host,
            rival: None,
            had_a_rival: false,
            may_have_a_rival,
            time,
            bucket,
            inspector,
            tally: Tally::default(),
            steps: Vec::new(),
            kept: None,
            points: Vec::new(),
            may_be_gone,
            lost_state: false,
            trouble: Rc::default(),
            acts: Rc::default(),
            ground,
        };
        world.let_others_act();
        Ok(world)
    }

    /// The application may act in the middle of what waloy does.
    fn let_others_act(&mut self) {
        let (app, trouble, left) = (self.host.app.clone(), self.trouble.clone(), self.acts.clone());
        door::meanwhile(move || {
            // A commit in the middle of a checkpoint makes it longer, and room for more commits: with no end to it (`sim 124526`).
            if left.get() == 0 {
                return;
            }
            left.set(left.get() - 1);
            if let Ok(mut app) = app.try_borrow_mut()
                // It may meet a lock that waloy holds for an instant; that is all.
                && let Err(error) = app.act()
            {
                trouble
                    .borrow_mut()
                    .get_or_insert(error.context("the application, in the middle of a call of waloy's"));
            }
        });
        let times = *self.dice.pick(&[20, 100, 1000]);
        let others = self.dice.one_in(2).then_some(times);
        door::plan(|plan| plan.others_once_in(others));
    }

    /// The directory of a machine.
    pub(super) fn machine(&self, name: &str) -> PathBuf {
        self.ground.watched().join(name)
    }

    /// Keeps what happens in words, to be compared.
    pub(super) fn keep_log(&self) {
        door::plan(Plan::keep_log);
    }

    /// The whole life.
    pub(super) fn live(&mut self) -> anyhow::Result<()> {
        let steps = 20 + self.dice.below(100);
        for _ in 0..steps {
            self.acts.set(ACTS);
            self.step()?;
            if let Some(trouble) = self.trouble.take() {
                return Err(trouble);
            }
            self.host.expect_consistent()?;
            if self.host.is_dead() {
                self.after_a_death()?;
            }
        }
        self.end()
    }

    pub(super) fn did(&mut self, what: &str) {
        self.tally.add(what, 1);
        if door::tells() {
            eprintln!("-- {what}");
        }
        self.steps.push(what.to_owned());
    }

    pub(super) fn failed(&mut self, what: &str, error: &waloy::Error) {
        self.did(what);
        if door::tells() {
            eprintln!("   {:#}", told(error.clone()));
        }
    }

    /// The application commits, or does something else.
    pub(super) fn application_acts(&mut self) -> anyhow::Result<()> {
        let what = self.host.app.borrow_mut().act()?;
        // Between two calls of waloy's nobody is in the way.
        ensure!(what != "busy", "I12: the application got SQLITE_BUSY");
        self.did(what);
        Ok(())
    }

    /// Everything committed by now is to be durable.
    pub(super) fn sync(&mut self) -> anyhow::Result<()> {
        let before = self.host.app.borrow().now;
        match self.host.ask(async |replicator| replicator.sync().await) {
            Some(Ok(synced)) => {
                self.acknowledged(before);
                let at = self.host.ask(async |replicator| Ok(replicator.status().at));
                let now = self.host.app.borrow().now;
                if let Some(Ok(Some(at))) = at
                    && now == before
                {
                    if door::tells() {
                        eprintln!("   state {before} is at {at}");
                    }
                    self.points.push((at, before));
                }
                self.did("syncs");
                if synced.is_some() {
                    self.acknowledged_beside_another(0, before)?;
                }
            }
            Some(Err(error)) => self.failed("syncs that failed", &error),
            None => {}
        }
        Ok(())
    }

    /// A state that waloy says is durable. What was said before holds, too.
    pub(super) fn acknowledged(&mut self, place: usize) {
        let acked = self.host.acked.get_or_insert(place);
        *acked = (*acked).max(place);
    }

    /// What a restore gives is what it must be.
    pub(super) fn restore(&mut self) -> anyhow::Result<()> {
        if self.rival.is_some() {
            return self.restore_beside_another();
        }
        let certify = self.dice.one_in(4);
        let restored = self.inspector.restore(Target::Latest, certify).context("I2: a restore fails")?;
        let found = {
            let app = self.host.app.borrow();
            judge(restored, |pages| app.history.place(pages), self.host.acked, app.history_len() - 1)?
        };
        if let Some(found) = found {
            let first = self.host.app.borrow().history.first(found);
            self.acknowledged(first);
        }
        self.did("restores");
        Ok(())
    }

    /// The end: the weather is fine, everything runs, and everything is proven.
    fn end(&mut self) -> anyhow::Result<()> {
        self.did("the end");
        self.calm();
        // It may have ended in the start that came last.
        let _ = self.host.is_dead();
        self.rival_goes()?;
        self.settle()?;
        let pages = {
            let mut app = self.host.app.borrow_mut();
            app.certify()?;
            crate::sim::app::digest(&app.pages()?)
        };
        match self.inspector.restore(Target::Latest, true).context("I2: the last restore fails")? {
            Restored::State(restored) => {
                let place = self.host.app.borrow().history.place(restored);
                ensure!(restored == pages, "I13: at the end a restore gives {place:?}, not the database as it is");
            }
            Restored::Nothing => bail!("I2: at the end there is nothing to restore"),
        }
        self.inspector.verify().context("I8: at the end")?;
        self.restore_times()?;
        if let Some(key) = self.bucket.changed().filter(|_| self.bucket.is_conditional()) {
            bail!("I6: the bytes of {key} were changed");
        }
        if let Some(Err(error)) = self.host.stop() {
            return Err(told(error)).context("the last stop");
        }
        self.restart_for_nothing()?;
        self.tally.add("commits", self.host.app.borrow().commits);
        self.tally.add("requests", self.bucket.requests());
        self.tally.add("faults of the store", self.bucket.faults());
        let (faults, interleaved) = door::plan(|plan| plan.happened());
        self.tally.add("faults of local files", faults);
        self.tally.add("acts in the middle of a call", interleaved);
        Ok(())
    }

    /// No faults any more.
    pub(super) fn calm(&mut self) {
        self.bucket.calm();
        door::plan(|plan| {
            plan.calm();
            plan.others_once_in(None);
        });
    }

    /// With faults over, waloy becomes level by itself, or when asked.
    fn settle(&mut self) -> anyhow::Result<()> {
        // What has failed for long is tried again every 15 s only.
        let soon = Duration::from_secs(40) + 3 * self.host.options.sync_interval;
        if self.host.runs() {
            self.host.pass(soon);
        }
        if self.ended() {
            self.start_surely()?;
            self.host.pass(soon);
        }
        if !self.host.options.automatic || self.lost_state {
            let synced = self.host.ask(async |replicator| {
                replicator.sync().await?;
                replicator.rollover_if_due().await
            });
            match synced.context("it runs")? {
                Err(error) if error.code() == "replica.replaced" && self.lost_state => {
                    self.host.kill();
                    self.start_surely()?;
                    self.host.pass(soon);
                    let synced = self.host.ask(async |replicator| replicator.sync().await.map(drop));
                    synced.context("it runs")?.map_err(told).context("I13: a sync of what was adopted")?;
                }
                synced => drop(synced.map_err(told).context("I13: a sync in good weather")?),
            }
        }
        Ok(())
    }

    /// Whether replication has ended by itself.
    pub(super) fn ended(&mut self) -> bool {
        match self.host.ask(async |replicator| replicator.rollover_if_due().await) {
            None => true,
            Some(Err(error)) if error.code() == waloy::engine::ENDED => {
                self.host.kill();
                true
            }
            Some(_) => false,
        }
    }

    /// In good weather waloy starts.
    fn start_surely(&mut self) -> anyhow::Result<()> {
        match self.host.start() {
            // Without its state it goes on only where it can tell that the replica is this database's.
            Err(error)
                if matches!(error.code(), "replica.another_database" | "replica.replaced" | "replica.cannot_tell")
                    && self.lost_state =>
            {
                self.host.options.adopt = true;
                self.host.start().map_err(told).context("I13: a start that may adopt")
            }
            started => started.map_err(told).context("I13: a start in good weather"),
        }
    }

    /// A stop and a start upload nothing where nothing was committed.
    fn restart_for_nothing(&mut self) -> anyhow::Result<()> {
        let objects = |world: &World| {
            let is_data = |key: &str| key.ends_with("/snapshot") || key.contains("/wal/");
            world.bucket.listing().iter().filter(|(key, _)| is_data(key)).count()
        };
        let before = objects(self);
        self.host.options.merge = None;
        self.host.options.retention = None;
        self.host.options.snapshot_interval = None;
        self.start_surely()?;
        let synced = self.host.ask(async |replicator| replicator.sync().await);
        synced.context("it runs")?.map_err(told).context("a sync of nothing")?;
        let after = objects(self);
        ensure!(after == before, "I14: a restart of an unchanged database left {after} objects, not {before}");
        acting(Who::Nobody, || self.host.stop());
        Ok(())
    }

    /// What is asked for by its time is the newest state that is not newer.
    fn restore_times(&mut self) -> anyhow::Result<()> {
        for _ in 0..3 {
            if self.points.is_empty() {
                return Ok(());
            }
            let (at, _) = *self.dice.pick(&self.points);
            let expected = self.points.iter().filter(|(point, _)| *point <= at).map(|(_, place)| *place).max();
            let pages = match self.inspector.restore(Target::Time(at), false) {
                Ok(Restored::State(pages)) => pages,
                _ if self.may_be_gone => continue,
                Ok(Restored::Nothing) => bail!("I4: nothing at {at}"),
                Err(error) => return Err(error).context("I4: a restore by time"),
            };
            let found = self.host.app.borrow().history.place(pages);
            ensure!(found.is_some(), "I1: by time, a state that never was");
            // Uploads that nobody asked for made points of their own in between.
            let next = self.points.iter().filter(|(point, _)| *point > at).map(|(_, place)| *place).min();
            let is_old = found < expected && !self.may_be_gone;
            let is_new = found > expected && next.is_some() && found > next;
            ensure!(!is_old && !is_new, "I4: at {at} state {found:?}, expected was {expected:?}, next is {next:?}");
            self.tally.add("restores by time", 1);
        }
        Ok(())
    }

    /// The end of the story, for whoever reads of a failure.
    pub(super) fn last_words(&self) -> String {
        let from = self.steps.len().saturating_sub(12);
        let told = self.host.told.lock().map(|told| told.last().cloned().unwrap_or_default()).unwrap_or_default();
        let told = if told.is_empty() { String::new() } else { format!("; waloy said: {told}") };
        format!("after {} steps, the last: {}{told}", self.steps.len(), self.steps[from..].join(", "))
    }
}
