//! A second machine with a copy of the database, and a waloy that writes to the same prefix: somebody failed over while
//! the first one lived.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use waloy::engine::OnConflict;
use waloy::restore::Target;

use super::world::World;
use crate::sim::app::App;
use crate::sim::check::{Restored, told};
use crate::sim::host::Host;

impl World {
    /// The second machine comes, or does something.
    pub(super) fn rival_acts(&mut self) -> anyhow::Result<()> {
        if self.rival.is_none() {
            return self.rival_comes();
        }
        let what = self.dice.below(10);
        let time = Duration::from_millis(1 + self.dice.below(20_000));
        let rival = self.rival.as_mut().expect("it is there");
        rival.catch_up();
        match what {
            0..4 => drop(rival.app.borrow_mut().act()?),
            4 => rival.pass(time),
            5 if rival.runs() => rival.kill(),
            _ if rival.runs() => return self.rival_syncs(),
            _ => match rival.start() {
                Ok(()) => self.did("starts of a rival"),
                Err(error) => self.failed("starts of a rival that failed", &error),
            },
        }
        if self.rival.as_mut().is_some_and(Host::is_dead) {
            self.did("deaths of a rival");
        }
        Ok(())
    }

    fn rival_comes(&mut self) -> anyhow::Result<()> {
        let machine = self.machine("b");
        std::fs::create_dir_all(&machine)?;
        let db = machine.join("app.db");
        let (pages, history, manners) = {
            let mut app = self.host.app.borrow_mut();
            (app.pages()?, app.history.clone(), app.manners)
        };
        std::fs::write(&db, pages)?;
        let app = App::open(&db, manners, self.dice.fork(), history)?;
        let mut options = self.host.options.clone();
        options.db_path = db;
        options.adopt = self.dice.one_in(2);
        options.on_conflict = if self.dice.one_in(2) { OnConflict::Stop } else { OnConflict::NewGeneration };
        self.rival = Some(Host::new(1, app, options, self.time.clone(), &self.bucket));
        self.did("rivals");
        Ok(())
    }

    fn rival_syncs(&mut self) -> anyhow::Result<()> {
        let rival = self.rival.as_mut().expect("it is there");
        let before = rival.app.borrow().now;
        match rival.ask(async |replicator| replicator.sync().await) {
            // Without anything to upload nobody asks the store.
            Some(Ok(None)) => Ok(()),
            Some(Ok(Some(_))) => {
                self.did("syncs of a rival");
                self.acknowledged_beside_another(1, before)
            }
            Some(Err(error)) => {
                self.failed("syncs of a rival that failed", &error);
                Ok(())
            }
            None => Ok(()),
        }
    }

    /// Of two writers one has just said that a state is durable. Where the store keeps what is there, it is so, and it is
    /// what a restore gives: the other one has been left behind, and will be told. Only a generation that was begun since
    /// the last look for a rival goes before it.
    pub(super) fn acknowledged_beside_another(&mut self, who: u8, place: usize) -> anyhow::Result<()> {
        if self.rival.is_none() || !self.bucket.is_conditional() {
            return Ok(());
        }
        // That the other one has begun a generation is noticed at the next look.
        if self.bucket.newest_snapshot().is_some_and(|ago| ago < self.host.options.rival_check) {
            return Ok(());
        }
        let restored = self.inspector.restore(Target::Latest, false).context("I2: beside a second writer")?;
        let Restored::State(pages) = restored else { anyhow::bail!("I2: nothing to restore beside a second writer") };
        let (of_it, of_the_other) = {
            let rival = self.rival.as_ref().expect("it is there");
            let (first, second) = (&self.host.app.borrow().history, &rival.app.borrow().history);
            let places = (first.place(pages), second.place(pages));
            if who == 0 { places } else { (places.1, places.0) }
        };
        ensure!(
            of_it.is_some_and(|found| found >= place),
            "I7: writer {who} said that its state {place} is durable, a restore gives {of_it:?} of it, {of_the_other:?} of the other"
        );
        Ok(())
    }

    /// Whatever a restore gives is a state of one of the two.
    pub(super) fn restore_beside_another(&mut self) -> anyhow::Result<()> {
        if let Restored::State(pages) = self.inspector.restore(Target::Latest, false).context("I2: with two writers")? {
            let rival = self.rival.as_ref().expect("it is there");
            let known = self.host.app.borrow().history.place(pages).or(rival.app.borrow().history.place(pages));
            ensure!(known.is_some(), "I1: with two writers, the restored database is no state that ever was");
        }
        self.did("restores with two writers");
        Ok(())
    }

    /// The second machine goes, and the first one takes the prefix back.
    pub(super) fn rival_goes(&mut self) -> anyhow::Result<()> {
        let Some(mut rival) = self.rival.take() else { return Ok(()) };
        rival.kill();
        rival.app.borrow_mut().close();
        self.had_a_rival = true;
        self.host.kill();
        self.host.acked = None;
        self.points.clear();
        self.host.options.on_conflict = OnConflict::NewGeneration;
        self.host.options.adopt = true;
        // It is taken back once an hour at most.
        self.host.pass(Duration::from_secs(2 * 3600));
        let started = self.host.start().map_err(told).context("the first writer takes the prefix back");
        started?;
        self.host.pass(Duration::from_secs(2 * 3600));
        let synced = self.host.ask(async |replicator| replicator.sync().await.map(drop));
        synced.context("it runs")?.map_err(told).context("the first writer is level again")
    }
}
