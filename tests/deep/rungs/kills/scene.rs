//! A seed: who is killed, when, and what must hold afterwards.

use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rusqlite::Connection;
use waloy::replica::{Name, Replica};
use waloy::restore::{self, Output, Point, Target};
use waloy::storage::list_all;
use waloy::testing::dice::Dice;
use waloy::units::SegmentIndex;
use waloy::verify::{self, Level, Severity, Subset};

use super::oracle::{Copy, LINES, Oracle, digest_of};
use super::replicator::{ACKED, POINTS, Setup};
use super::writer;
use super::{KILLS, Victims};
use crate::ladder::Tally;
use crate::rungs::processes::{Place, Process, last_commit};

pub(super) struct Scene {
    place: Place,
    seed: u64,
    dice: Dice,
    setup: Setup,
    runtime: tokio::runtime::Runtime,
    copies: Vec<Copy>,
    tally: Tally,
    /// Processes so far: each has a seed of its own.
    processes: u64,
}

impl Scene {
    pub(super) fn new(dir: &Path, seed: u64) -> anyhow::Result<Scene> {
        let (place, mut dice) = (Place::new(dir), Dice::new(seed));
        let setup = Setup::new(&place, seed)?;
        writer::create(&place, *dice.pick(&[512, 4096, 4096, 16_384]))?;
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        Ok(Scene { place, seed, dice, setup, runtime, copies: Vec::new(), tally: Tally::default(), processes: 0 })
    }

    pub(super) fn play(mut self, victims: Victims) -> anyhow::Result<Tally> {
        // A connection that is there all the time keeps the index of the WAL alive. Without one, when everybody is dead,
        // the next to open the database recovers it from the WAL.
        let held = match self.dice.one_in(2) {
            true => Some(self.place.open(true)?),
            false => None,
        };
        let played = match victims {
            Victims::Writers => self.kill_writers(),
            Victims::Waloy => self.kill_waloy(),
            Victims::Both => self.kill_both(),
        };
        let (writers, replicator) = played?;
        let connection = held.map_or_else(|| self.place.open(true), Ok)?;
        self.end(writers, replicator, &connection)?;
        Ok(self.tally)
    }

    /// Writers die inside their commits, and waloy sees what they leave.
    fn kill_writers(&mut self) -> anyhow::Result<(Vec<Process>, Process)> {
        let mut replicator = self.replicator()?;
        let mut others = self.company("operator")?;
        replicator.wait_until_ready()?;
        for _ in 0..KILLS {
            let mut victim = self.start("hurried writer")?;
            victim.wait_until_ready()?;
            self.wait_for_a_commit();
            victim.kill()?;
            self.tally.add("kills of writers", 1);
            // Sometimes the next one comes at once, and waloy has seen nothing of it all.
            if self.dice.one_in(2) {
                std::thread::sleep(Duration::from_micros(self.dice.below(100_000)));
            }
            self.check_newest("after a writer's death")?;
        }
        others.push(self.start("writer")?);
        Ok((others, replicator))
    }

    /// waloy dies anywhere, and the writers go on.
    fn kill_waloy(&mut self) -> anyhow::Result<(Vec<Process>, Process)> {
        let others = self.company("operator")?;
        for _ in 0..KILLS {
            let mut replicator = self.replicator()?;
            self.let_work(&mut replicator)?;
            replicator.kill()?;
            self.tally.add("kills of waloy", 1);
            self.check_newest("after waloy's death")?;
            // Meanwhile the WAL goes on, is checkpointed, and starts over.
            if self.dice.one_in(2) {
                std::thread::sleep(Duration::from_millis(self.dice.below(150)));
            }
        }
        Ok((others, self.replicator()?))
    }

    /// Both die: one after the other, or all in the same moment.
    fn kill_both(&mut self) -> anyhow::Result<(Vec<Process>, Process)> {
        for _ in 0..KILLS / 2 {
            let mut writers = self.company("checkpointer")?;
            writers.push(self.start("hurried writer")?);
            let mut replicator = self.replicator()?;
            self.let_work(&mut replicator)?;
            for writer in &mut writers {
                writer.wait_until_ready()?;
            }
            if self.dice.one_in(2) {
                self.wait_for_a_commit();
            }
            let mut waloy = Some(replicator);
            let first = self.dice.below(writers.len() as u64 + 1) as usize;
            let apart = if self.dice.one_in(2) { self.dice.below(20_000) } else { 0 };
            self.tally.add("kills of waloy", 1);
            self.tally.add("kills of writers", writers.len() as u64);
            for (n, writer) in writers.into_iter().enumerate() {
                if n == first {
                    waloy.take().map(Process::kill).transpose()?;
                }
                writer.kill()?;
                std::thread::sleep(Duration::from_micros(apart));
            }
            waloy.take().map(Process::kill).transpose()?;
            self.check_newest("after everybody's death")?;
        }
        Ok((self.company("operator")?, self.replicator()?))
    }

    /// Those who live on, or die with the others.
    fn company(&mut self, operator: &'static str) -> anyhow::Result<Vec<Process>> {
        let mut company = Vec::new();
        if !self.dice.one_in(3) {
            company.push(self.start(operator)?);
        }
        if company.is_empty() || self.dice.one_in(2) {
            company.push(self.start("writer")?);
        }
        Ok(company)
    }

    fn start(&mut self, role: &'static str) -> anyhow::Result<Process> {
        self.processes += 1;
        self.place.spawn(role, self.seed.wrapping_mul(1000) + self.processes)
    }

    /// Each waloy of a seed is set up in the same way.
    fn replicator(&mut self) -> anyhow::Result<Process> {
        self.place.spawn("replicator", self.seed)
    }

    /// Until a transaction was announced, and a moment more: two in three times.
    fn wait_for_a_commit(&mut self) {
        if self.dice.one_in(3) {
            std::thread::sleep(Duration::from_micros(self.dice.below(8000)));
            return;
        }
        self.wait_for(LINES, Duration::from_secs(2));
        let at_most = *self.dice.pick(&[50, 300, 1500]);
        std::thread::sleep(Duration::from_micros(self.dice.below(at_most)));
    }

    /// Until it is to die: while it starts, at any moment, or when it has just uploaded something.
    fn let_work(&mut self, replicator: &mut Process) -> anyhow::Result<()> {
        match self.dice.below(4) {
            0 => std::thread::sleep(Duration::from_micros(self.dice.below(150_000))),
            1 => {
                replicator.wait_until_ready()?;
                std::thread::sleep(Duration::from_micros(self.dice.below(30_000)));
            }
            2 => {
                replicator.wait_until_ready()?;
                std::thread::sleep(Duration::from_micros(self.dice.below(900_000)));
            }
            _ => {
                replicator.wait_until_ready()?;
                std::thread::sleep(Duration::from_micros(self.dice.below(200_000)));
                self.wait_for(POINTS, Duration::from_secs(1));
                std::thread::sleep(Duration::from_micros(self.dice.below(20_000)));
            }
        }
        Ok(())
    }

    /// Until the file grows.
    fn wait_for(&self, file: &str, at_most: Duration) {
        let (len, began) = (self.place.len(file), Instant::now());
        while self.place.len(file) == len && began.elapsed() < at_most {
            std::thread::yield_now();
        }
    }

    /// The newest state is there and has what was acknowledged; whether it is one will be seen at the end.
    fn check_newest(&mut self, when: &str) -> anyhow::Result<()> {
        self.place.expect_no_errors()?;
        let acked = self.place.notes(ACKED).last().map(|words| words[0].parse::<i64>()).transpose()?;
        let what = format!("restore {} {when}", self.copies.len());
        match self.restore(Target::Latest, &what)? {
            Some(copy) => {
                let i = copy.commit.0;
                ensure!(
                    acked.is_none_or(|acked| i >= acked),
                    "{what}: {acked:?} was acknowledged, and it ends with {i}"
                );
                self.copies.push(copy);
                self.tally.add("restores", 1);
                self.verify(Level::Default, &what)
            }
            None => {
                ensure!(acked.is_none(), "{what}: {acked:?} was acknowledged, and there is no backup");
                self.tally.add("kills before there was a backup", 1);
                Ok(())
            }
        }
    }

    /// `None`: there is no backup.
    fn restore(&self, target: Target, what: &str) -> anyhow::Result<Option<Copy>> {
        let path = self.place.path("restored.db");
        let output = Output::new(&path);
        let restored = self.runtime.block_on(async {
            let Some(replica) = self.replica().await? else { return Ok(None) };
            match restore::restore(&replica, target, &output, &restore::Options::default()).await {
                Ok(report) => Ok(Some(report)),
                Err(restore::Error::NoBackup { .. }) => Ok(None),
                Err(error) => Err(anyhow::Error::from(error)),
            }
        });
        if restored.with_context(|| what.to_owned())?.is_none() {
            return Ok(None);
        }
        let copy = Copy::of(&path, what.to_owned())?;
        std::fs::remove_file(path)?;
        Ok(Some(copy))
    }

    /// Opened as whoever restores does it. `None`: nothing is there yet that could be opened.
    async fn replica(&self) -> anyhow::Result<Option<Replica>> {
        let store = Setup::store(&self.place);
        if list_all(&*store, "", None).await?.is_empty() {
            return Ok(None);
        }
        Ok(Some(Replica::with(store, self.setup.key.as_ref()).await.context("unlock")?))
    }

    fn verify(&mut self, level: Level, what: &str) -> anyhow::Result<()> {
        let report = self.runtime.block_on(async {
            let replica = self.replica().await?.context("there is no replica")?;
            anyhow::Ok(verify::verify(&replica, level, &verify::Options::default()).await?)
        });
        let report = report.with_context(|| format!("verify, {what}"))?;
        let bad: Vec<_> = report.findings.iter().filter(|finding| finding.severity > Severity::Warning).collect();
        ensure!(bad.is_empty(), "verify, {what}: {bad:?}");
        self.tally.add("verifies", 1);
        Ok(())
    }

    /// Everybody stops in order; the replica is the database, and every copy was the database once.
    fn end(&mut self, writers: Vec<Process>, mut waloy: Process, source: &Connection) -> anyhow::Result<()> {
        waloy.wait_until_ready()?;
        std::thread::sleep(Duration::from_millis(self.dice.below(300)));
        self.place.stop("writers")?;
        writers.into_iter().try_for_each(Process::finish)?;
        self.place.stop("replicator")?;
        waloy.finish()?;
        self.place.expect_no_errors()?;

        let check: String = source.query_row("PRAGMA integrity_check", [], |row| row.get(0))?;
        ensure!(check == "ok", "the database itself: {check}");
        let oracle = Oracle::consult(&self.place, source)?;
        let last = self.restore(Target::Latest, "the last restore")?.context("there is no backup at the end")?;
        let newest = last_commit(source)?;
        ensure!(last.commit == newest, "{newest:?} is the last commit, and the replica ends with {:?}", last.commit);
        ensure!(last.digest == digest_of(source)?, "a page of the replica is not the database's");
        self.copies.push(last);
        self.verify(Level::ReadData(Subset::All), "at the end")?;
        self.restore_points()?;
        self.copies.iter().try_for_each(|copy| oracle.check(copy))?;
        self.tally.add("commits", oracle.commits() as u64);
        self.tally.add("transactions cut off", oracle.cut_off as u64);
        self.count()
    }

    /// Points that were told of, if all are kept.
    fn restore_points(&mut self) -> anyhow::Result<()> {
        let points = self.place.notes(POINTS);
        self.tally.add("segments", points.len() as u64);
        if self.setup.retention || points.is_empty() {
            return Ok(());
        }
        for _ in 0..4 {
            let at = self.dice.below(points.len() as u64) as usize;
            let [generation, index] = &points[at][..] else { anyhow::bail!("no point: {:?}", points[at]) };
            let index = SegmentIndex::new(index.parse()?).context("an index")?;
            let target = Target::Generation(generation.parse()?, Some(Point::Index(index)));
            let what = format!("restore of {generation}:{}", index.get());
            let copy = self.restore(target, &what)?.with_context(|| what.clone())?;
            self.copies.push(copy);
            self.tally.add("restores of earlier points", 1);
        }
        Ok(())
    }

    fn count(&mut self) -> anyhow::Result<()> {
        let all = self.runtime.block_on(async { list_all(&*Setup::store(&self.place), "", None).await })?;
        for meta in all {
            match Name::parse(&meta.key) {
                Some(Name::Snapshot(_)) => self.tally.add("snapshots at the end", 1),
                Some(Name::Merged(..)) => self.tally.add("merged segments at the end", 1),
                _ => {}
            }
        }
        self.tally.add("sealed replicas", u64::from(self.setup.key.is_some()));
        self.tally.add("replicas with retention", u64::from(self.setup.retention));
        Ok(())
    }
}
