//! T1: a script of some sixty commits with checkpoints, new generations, merges and pruning, stopped at every call that
//! it makes: of local files, the application's as well as waloy's, and of the store.
//!
//! A seed is a point of the script, in one way of stopping there and with one page size. Over [`POINTS`] seeds in a row
//! every point is met, each in another way than its neighbours; over `POINTS` × 7 × 3 seeds in every way.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use waloy::compact::{Level, Levels};
use waloy::engine::{Options, Replicator};
use waloy::restore::Target;
use waloy::retention::Policy;
use waloy::testing::dice::Dice;
use waloy::testing::workload::Step;

use crate::door::{self, Fault, Loss, Plan, Who};
use crate::ladder::Tally;
use crate::sim::Ground;
use crate::sim::app::{Manners, digest};
use crate::sim::check::{Inspector, Restored, judge, told};
use crate::sim::host::Host;
use crate::sim::store::Bucket;
use crate::sim::time::Time;

/// More than the script has calls.
pub(crate) const POINTS: u64 = 2000;
/// The same where the replica is in a directory of the same machine, whose files are calls, too.
pub(crate) const POINTS_IN_A_DIRECTORY: u64 = 2600;

/// How the script is stopped.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Way {
    /// Waloy's process ends before the call.
    Killed,
    /// It ends in the middle of it: half a write, or a request whose answer nobody hears.
    KilledWithin,
    /// All processes end before the call.
    AllKilled,
    /// The machine loses power, and everything that was not synced.
    Power,
    /// It loses power, and what was not synced is torn.
    Torn,
    /// The call fails, and everything goes on.
    Fails,
    /// Half of the call is done when it fails, and everything goes on.
    FailsWithin,
}

const WAYS: [Way; 7] =
    [Way::Killed, Way::Power, Way::KilledWithin, Way::Torn, Way::Fails, Way::AllKilled, Way::FailsWithin];
const PAGE_SIZES: [u32; 3] = [512, 1024, 4096];

/// The replica is in a bucket.
pub(crate) fn run(seed: u64) -> anyhow::Result<Tally> {
    stop(seed, (seed - 1) % POINTS, POINTS, false)
}

/// The replica is in a directory, on the disk of the machine that loses power.
pub(crate) fn run_in_a_directory(seed: u64) -> anyhow::Result<Tally> {
    // A few seeds in a row are points from everywhere.
    const APART: u64 = 1597;
    stop(seed, (seed - 1) * APART % POINTS_IN_A_DIRECTORY, POINTS_IN_A_DIRECTORY, true)
}

fn stop(seed: u64, point: u64, points: u64, in_a_directory: bool) -> anyhow::Result<Tally> {
    let (n, round) = (1 + point, (seed - 1) / points);
    let way = WAYS[((n + round) % 7) as usize];
    let page_size = PAGE_SIZES[(round / 7 % 3) as usize];
    let mut script = Script::begin(page_size, seed, in_a_directory)?;
    let both = [Who::Application, Who::Waloy(0)];
    let (ends, fault) = match way {
        Way::Killed => (both[1..].to_vec(), Fault::End),
        Way::KilledWithin => (both[1..].to_vec(), Fault::EndTorn),
        Way::AllKilled | Way::Power => (both.to_vec(), Fault::End),
        Way::Torn => (both.to_vec(), Fault::EndTorn),
        Way::Fails => (Vec::new(), Fault::Fail(libc::EIO)),
        Way::FailsWithin => (Vec::new(), Fault::Short(libc::ENOSPC)),
    };
    door::plan(|plan| plan.once(n, ends, fault));
    let mut tally = Tally::default();
    let was_met = script.play(way).with_context(|| format!("{way:?} at call {n}, pages of {page_size} bytes"))?;
    if was_met {
        ensure!(n < points, "the script has more than {points} calls");
        tally.add("points", 1);
        tally.add(&format!("{way:?}"), 1);
    } else {
        tally.add("beyond the last point", 1);
    }
    Ok(tally)
}

struct Script {
    host: Host,
    inspector: Inspector,
    dice: Dice,
    _ground: Ground,
}

impl Script {
    fn begin(page_size: u32, seed: u64, in_a_directory: bool) -> anyhow::Result<Script> {
        let ground = Ground::new(1);
        // The same script for every seed; only what is torn differs.
        let (mut dice, time) = (Dice::new(7), Time::default());
        let manners = Manners { page_size, auto_vacuum: true, synchronous: "FULL", autocheckpoint: 0, cache: 20 };
        let app = ground.application(manners, &mut dice)?;
        let bucket = Bucket::new(time.clone(), dice.fork(), true);
        let mut options = Options::new(ground.database());
        options.automatic = false;
        options.checkpoint_threshold = 16 << 10;
        options.memory_budget = 16 << 10;
        options.merge = Some(Levels::new([Level { window: Duration::from_secs(5), parts: 3 }]));
        let mut policy = Policy::new(Some(Duration::from_secs(20)));
        policy.grace = Duration::from_secs(2);
        options.retention = Some(policy);
        let mut host = Host::new(0, app, options, time, &bucket);
        // What was not there when everything began is lost with the power, if nobody sees to it.
        host.directory = in_a_directory.then(|| ground.watched().join("backups/replica"));
        let inspector = Inspector { bucket, directory: host.directory.clone(), key: None, scratch: ground.scratch() };
        Ok(Script { host, inspector, dice: Dice::new(seed), _ground: ground })
    }

    /// The script up to its end, or to where it is stopped; then everything is taken up again and proven. Says whether it
    /// was stopped, or has no such call.
    fn play(&mut self, way: Way) -> anyhow::Result<bool> {
        for scene in 0..30 {
            let played = self.scene(scene);
            if self.is_over() {
                break;
            }
            played?;
        }
        let was_met = !door::plan(|plan| plan.is_pending());
        self.aftermath(way)?;
        door::plan(Plan::calm);
        self.prove()?;
        Ok(was_met)
    }

    /// Something has ended.
    fn is_over(&mut self) -> bool {
        door::plan(|plan| plan.is_dead(Who::Waloy(0)) || plan.is_dead(Who::Application))
    }

    fn scene(&mut self, scene: u32) -> anyhow::Result<()> {
        self.commits(2, Step::Small)?;
        match scene {
            0 => self.start(),
            4 | 13 => self.asks(async |replicator| replicator.checkpoint().await.map(drop)),
            7 => self.foreign_checkpoint(),
            9 => self.asks(async |replicator| replicator.snapshot().await),
            16 => self.large()?,
            19 => self.asks(async |replicator| replicator.enforce_retention().await.map(drop)),
            22 => {
                let _ = self.host.stop();
                self.commits(2, Step::Small)?;
                self.start();
            }
            25 => self.asks(async |replicator| replicator.snapshot().await),
            27 => self.asks(async |replicator| replicator.enforce_retention().await.map(drop)),
            _ => {}
        }
        self.sync()?;
        if !self.is_over() {
            self.host.pass(Duration::from_millis(1500));
        }
        Ok(())
    }

    /// A failure of the application's own is its own affair, as long as its database is in order.
    fn commits(&mut self, count: u32, step: Step) -> anyhow::Result<()> {
        for _ in 0..count {
            let mut app = self.host.app.borrow_mut();
            if let Err(error) = app.commit_step(0, step)
                && !door::plan(|plan| plan.is_dead(Who::Application))
            {
                app.recover().with_context(|| format!("after the application's {error:#}"))?;
            }
        }
        Ok(())
    }

    /// A commit of more than waloy holds in memory.
    fn large(&mut self) -> anyhow::Result<()> {
        self.commits(1, Step::Large)
    }

    fn foreign_checkpoint(&mut self) {
        let _ = self.host.app.borrow().checkpoint("TRUNCATE");
    }

    fn start(&mut self) {
        if !self.is_over() && self.host.start().is_err() {
            // Once more, as a supervisor does; what stays wrong is found at the end.
            let _ = self.host.start();
        }
    }

    fn asks(&mut self, request: impl AsyncFnOnce(&Replicator) -> Result<(), waloy::Error>) {
        if !self.is_over() {
            let _ = self.host.ask(request);
        }
    }

    fn sync(&mut self) -> anyhow::Result<()> {
        if self.is_over() {
            return Ok(());
        }
        let before = self.host.app.borrow().now;
        if let Some(Ok(_)) = self.host.ask(async |replicator| replicator.sync().await) {
            self.host.acked = Some(before);
        }
        Ok(())
    }

    /// What ends, ends; and what the bucket then has is right, before anything is started again.
    fn aftermath(&mut self, way: Way) -> anyhow::Result<()> {
        if !self.is_over() {
            return Ok(());
        }
        match way {
            Way::Killed | Way::KilledWithin => self.host.kill(),
            Way::AllKilled => self.host.kill_all()?,
            Way::Power => self.host.lose_power(Loss::Everything)?,
            Way::Torn => self.host.lose_power(Loss::Torn(self.dice.fork()))?,
            Way::Fails | Way::FailsWithin => {}
        }
        let restored = self.inspector.restore(Target::Latest, true).context("I2: right after the end")?;
        let app = self.host.app.borrow();
        judge(restored, |pages| app.history.place(pages), self.host.acked, app.now)?;
        Ok(())
    }

    /// Waloy is started again, the application goes on, and the replica is level with it.
    fn prove(&mut self) -> anyhow::Result<()> {
        if !self.host.runs() {
            self.host.start().map_err(told).context("I13: the start afterwards")?;
        }
        for _ in 0..2 {
            self.commits(3, Step::Small)?;
            let synced = self.host.ask(async |replicator| replicator.sync().await.map(drop));
            match synced.context("it runs")? {
                Ok(()) => {}
                // The session begins anew by the next call.
                Err(_) => {
                    let again = self.host.ask(async |replicator| replicator.sync().await.map(drop));
                    again.context("it runs")?.map_err(told).context("I13: a sync afterwards")?;
                }
            }
        }
        let pages = {
            let mut app = self.host.app.borrow_mut();
            app.certify()?;
            digest(&app.pages()?)
        };
        match self.inspector.restore(Target::Latest, true).context("I2: the last restore")? {
            Restored::State(restored) => ensure!(restored == pages, "I13: the replica is not level at the end"),
            Restored::Nothing => anyhow::bail!("I2: nothing to restore at the end"),
        }
        self.inspector.verify().context("I8")?;
        ensure!(self.inspector.bucket.changed().is_none(), "I6: the bytes of an object were changed");
        Ok(())
    }
}
