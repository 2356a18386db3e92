//! What happens, step by step.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use waloy::engine::Replicator;
use waloy::error::Kind;
use waloy::restore::Target;

use super::world::{Theme, World};
use crate::door::{self, Fault, Loss, Plan, Who};
use crate::sim::check::{judge, told};

/// How a process or a machine ends.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Death {
    /// Of waloy's process alone.
    Waloy,
    /// Of all processes.
    All,
    /// Of the machine.
    Power,
}

impl World {
    /// Something happens.
    pub(super) fn step(&mut self) -> anyhow::Result<()> {
        let what = self.dice.below(100);
        if self.theme == Theme::Store && matches!(what, 10..20 | 84..88 | 98..) {
            self.weather();
            return Ok(());
        }
        match what {
            0..12 if self.may_have_a_rival => self.rival_acts(),
            0..43 => self.application_acts(),
            43 => self.verify(),
            44 => self.compact(),
            45..55 => self.sync(),
            55..70 => {
                let most = *self.dice.pick(&[50, 500, 5000, 60_000]);
                let time = Duration::from_millis(1 + self.dice.below(most));
                self.host.pass(time);
                self.did("pauses");
                Ok(())
            }
            70..76 => {
                self.operator_acts();
                Ok(())
            }
            76..80 => self.restore(),
            80..84 => {
                self.weather();
                Ok(())
            }
            84..88 => {
                self.local_faults();
                Ok(())
            }
            88..94 => self.begin_or_end(),
            94..97 => {
                // One disk stands for all machines.
                let deaths = [Death::Waloy, Death::All, Death::Power];
                let alone = self.may_have_a_rival || self.theme == Theme::Store;
                let death = *self.dice.pick(if alone { &deaths[..1] } else { &deaths });
                // Now, or in the middle of what comes next.
                if self.dice.one_in(4) {
                    return self.die(death);
                }
                self.end_soon();
                Ok(())
            }
            97 => {
                self.clock();
                Ok(())
            }
            98 => {
                self.lose_state();
                Ok(())
            }
            _ if self.may_have_a_rival => Ok(()),
            _ => self.go_back(),
        }
    }

    /// Somebody reads every byte of the replica while it is in use.
    fn verify(&mut self) -> anyhow::Result<()> {
        if self.host.acked.is_some() && self.rival.is_none() {
            self.inspector.verify().context("I8: in the middle")?;
            self.did("verifies");
        }
        Ok(())
    }

    /// Somebody merges from the bucket while it is in use.
    fn compact(&mut self) -> anyhow::Result<()> {
        if self.host.acked.is_some() && self.rival.is_none() {
            let merged = self.inspector.compact().context("a merge from the bucket")?;
            self.did("merges from the bucket");
            self.tally.add("merged segments from the bucket", merged);
        }
        Ok(())
    }

    /// Waloy is asked for something besides uploads.
    fn operator_acts(&mut self) {
        match self.dice.below(5) {
            0 => self.asked("snapshots", async |replicator| replicator.snapshot().await),
            1 => self.asked("rollovers if due", async |replicator| replicator.rollover_if_due().await.map(drop)),
            2 => self.asked("prunes", async |replicator| replicator.enforce_retention().await.map(drop)),
            _ => self.asked("checkpoints", async |replicator| replicator.checkpoint().await.map(drop)),
        }
    }

    fn asked(&mut self, what: &str, request: impl AsyncFnOnce(&Replicator) -> Result<(), waloy::Error>) {
        match self.host.ask(request) {
            Some(Ok(())) => self.did(what),
            Some(Err(error)) => self.failed(&format!("{what} that failed"), &error),
            None => {}
        }
    }

    /// The store becomes worse, or better.
    fn weather(&mut self) {
        let (kind, faults) = (self.dice.below(9), *self.dice.pick(&[3, 10, 50]));
        let part = 1 + self.dice.below(4);
        let slow = Duration::from_millis(*self.dice.pick(&[0, 20, 300, 10_000]));
        let page = *self.dice.pick(&[0, 1, 3]);
        let mut name = "fine weather";
        self.bucket.weather(|weather| {
            *weather = Default::default();
            (weather.slow, weather.page) = (slow, page);
            name = match kind {
                0..3 => "fine weather",
                3..5 => {
                    (weather.faults, weather.flips) = (faults, kind == 4);
                    "faults of requests"
                }
                5 => {
                    weather.down = true;
                    "outages"
                }
                6 => {
                    weather.denied = true;
                    "expired credentials"
                }
                7 => {
                    weather.deletes_lie = true;
                    "deletes that lie"
                }
                // Of a snapshot or a large segment; all else goes on (`soak 1`).
                _ => {
                    weather.part_at = Some(part);
                    "parts that are not taken"
                }
            };
        });
        self.did(name);
    }

    /// Local files fail now and then, or no longer.
    fn local_faults(&mut self) {
        let (host, times) = (self.host.who, *self.dice.pick(&[5, 30, 200]));
        let faults =
            [Fault::Fail(libc::EIO), Fault::Fail(libc::ENOSPC), Fault::Short(libc::ENOSPC), Fault::Fail(libc::EMFILE)];
        match self.dice.below(4) {
            0 => door::plan(|plan| plan.often(host, times, &faults)),
            1 => door::plan(|plan| plan.often(Who::Application, times, &faults)),
            _ => door::plan(Plan::calm),
        }
        self.did("changes of local faults");
    }

    /// Waloy is started or stopped, as by an operator.
    fn begin_or_end(&mut self) -> anyhow::Result<()> {
        if self.host.runs() {
            if self.ended() {
                self.did("ends by itself");
                return Ok(());
            }
            match self.host.stop() {
                Some(Ok(_)) => self.did("stops"),
                Some(Err(error)) => self.failed("stops that failed", &error),
                None => {}
            }
            return Ok(());
        }
        match self.host.start() {
            Ok(()) => self.did("starts"),
            Err(error) => {
                self.failed("starts that failed", &error);
                ensure!(error.kind() != Kind::Internal, "a start: {:#}", told(error));
            }
        }
        Ok(())
    }

    /// The process ends at one of its next calls.
    fn end_soon(&mut self) {
        let (n, who) = (1 + self.dice.below(40), self.host.who);
        let fault = *self.dice.pick(&[Fault::End, Fault::EndTorn]);
        door::plan(|plan| plan.at(who, n, fault));
    }

    /// Waloy's process has ended: the rest of the machine goes, too, or not.
    pub(super) fn after_a_death(&mut self) -> anyhow::Result<()> {
        let death = *self.dice.pick(&[Death::Waloy, Death::Waloy, Death::All, Death::Power, Death::Power]);
        let alone = self.may_have_a_rival || self.theme == Theme::Store;
        self.die(if alone { Death::Waloy } else { death })?;
        if self.dice.one_in(2) { self.begin_or_end() } else { Ok(()) }
    }

    fn die(&mut self, death: Death) -> anyhow::Result<()> {
        match death {
            Death::Waloy => {
                self.host.kill();
                self.did("kills");
                if self.dice.one_in(2) {
                    self.restore()?;
                }
            }
            Death::All => {
                self.host.kill_all()?;
                self.did("kills of everything");
            }
            Death::Power => {
                let loss = if self.dice.one_in(2) { Loss::Everything } else { Loss::Torn(self.dice.fork()) };
                self.host.lose_power(loss)?;
                self.did("losses of power");
                // Nothing in the bucket is newer than what the machine still has.
                let restored = self.inspector.restore(Target::Latest, false).context("I2: after a loss of power")?;
                let app = self.host.app.borrow();
                judge(restored, |pages| app.history.place(pages), self.host.acked, app.now)?;
            }
        }
        Ok(())
    }

    fn clock(&mut self) {
        const HOUR: i64 = 3_600_000;
        let off = *self.dice.pick(&[0, HOUR, -HOUR, -24 * HOUR, 1000, -1000]);
        self.host.clock.turn(off);
        self.did("clock changes");
    }

    /// What waloy keeps beside the database is gone.
    fn lose_state(&mut self) {
        if !self.host.runs() {
            let _ = std::fs::remove_dir_all(self.host.state_dir());
            self.lost_state = true;
            self.did("lost state directories");
        }
    }

    /// The database is copied, and put back later.
    fn go_back(&mut self) -> anyhow::Result<()> {
        let Some((pages, _)) = self.kept.take() else {
            let mut app = self.host.app.borrow_mut();
            self.kept = Some((app.pages()?, app.now));
            drop(app);
            self.did("copies");
            return Ok(());
        };
        self.host.app.borrow_mut().replace(&pages).context("the database is put back")?;
        // What was acknowledged is still there by its time, and no longer the newest.
        self.host.acked = None;
        self.points.clear();
        // So little of a small database may be left that waloy asks whether it is still the same one.
        self.lost_state = true;
        self.did("earlier states put back");
        Ok(())
    }
}
