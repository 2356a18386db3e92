//! The run from its beginning to its end.

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context as _, ensure};
use rusqlite::Connection;
use waloy::testing::dice::Dice;
use waloy::units::Timestamp;

use super::application;
use super::copy::Copy;
use super::faults::Faults;
use super::tool::{Running, Tool};
use super::usage::Usage;
use crate::ladder::Tally;
use crate::rungs::processes::{Place, Process};
use crate::s3_server::S3Server;

/// How long, and how often.
pub(super) struct Pace {
    whole: Duration,
    /// Between two rounds of verify and restore.
    round: Duration,
    /// Between two samples of memory and open files.
    sample: Duration,
    /// Between two faults, about, and how long they take at most.
    fault: (Duration, Duration),
    /// Of the replicator.
    snapshots: &'static str,
    retention: [&'static str; 4],
}

impl Pace {
    pub(super) fn of(whole: Duration) -> Pace {
        Pace {
            whole,
            round: Duration::from_secs(60),
            sample: Duration::from_secs(10),
            fault: (Duration::from_secs(25), Duration::from_secs(8)),
            snapshots: "5m",
            retention: ["--retention", "8m", "--grace", "2m"],
        }
    }

    /// The same in some seconds.
    pub(super) fn short() -> Pace {
        let millis = Duration::from_millis;
        Pace {
            whole: millis(5000),
            round: millis(2000),
            sample: millis(500),
            fault: (millis(800), millis(600)),
            snapshots: "2s",
            retention: ["--retention", "30s", "--grace", "20s"],
        }
    }
}

/// A moment, and the last commit right after it.
type Moment = (Timestamp, i64);

struct Soak {
    place: Place,
    tool: Tool,
    source: Connection,
    replicator: Running,
    /// Gone when it is dropped.
    _server: Arc<S3Server>,
    dice: Dice,
    began: Instant,
    moments: Vec<Moment>,
    usage: Usage,
    tally: Tally,
}

pub(super) fn run(dir: &Path, seed: u64, pace: &Pace) -> anyhow::Result<Tally> {
    let place = Place::new(dir);
    application::create(&place)?;
    let source = place.open(true)?;
    let server = Arc::new(S3Server::start());
    let tool = Tool::new(dir, &server);
    let mut options = vec!["--snapshot-interval", pace.snapshots];
    options.extend(pace.retention);
    let replicator = tool.replicate(&options)?;
    let mut writers = Vec::new();
    for (role, n) in [("soak writer", 1), ("soak writer", 2), ("soak operator", 3)] {
        writers.push(place.spawn(role, seed.wrapping_mul(10) + n)?);
    }
    let mut soak = Soak {
        place,
        tool,
        source,
        replicator,
        _server: server.clone(),
        dice: Dice::new(seed),
        began: Instant::now(),
        moments: Vec::new(),
        usage: Usage::default(),
        tally: Tally::default(),
    };
    // The first generation comes in peace.
    let began = Instant::now();
    while soak.tool.told("generation")? == 0 {
        soak.replicator.expect_alive()?;
        ensure!(began.elapsed() < Duration::from_secs(60), "no generation within a minute");
        std::thread::sleep(Duration::from_millis(20));
    }
    let faults = Faults::begin(server, seed, pace.fault.0, pace.fault.1);
    soak.go_on(pace)?;
    soak.tally.add("faults", faults.end());
    soak.end(writers)
}

impl Soak {
    fn go_on(&mut self, pace: &Pace) -> anyhow::Result<()> {
        let (mut sampled, mut round) = (Instant::now(), Instant::now());
        let began = Instant::now();
        while began.elapsed() < pace.whole {
            std::thread::sleep(pace.sample.saturating_sub(sampled.elapsed()).min(Duration::from_millis(200)));
            self.replicator.expect_alive()?;
            if sampled.elapsed() >= pace.sample {
                sampled = Instant::now();
                self.usage.sample(self.replicator.pid())?;
                let now = now()?;
                let last = self.last()?;
                self.moments.push((now, last));
            }
            if round.elapsed() >= pace.round {
                round = Instant::now();
                self.round()?;
            }
        }
        Ok(())
    }

    /// What an operator does from cron, and more often.
    fn round(&mut self) -> anyhow::Result<()> {
        self.place.expect_no_errors()?;
        self.tool.run(&["verify", "app.db", "--restore=full"])?;
        self.tally.add("verifies", 1);

        let synced = self.sync()?;
        let copy = self.restore(&[])?;
        ensure!(copy.i >= synced, "{synced} was synced, and a restore ends with {}", copy.i);
        copy.is_of(&self.source)?;
        let (at, last) = self.moments[self.dice.below(self.moments.len() as u64) as usize];
        // Its row must still be there when the restore is done.
        if at.0 > now()?.0 - 5 * 60_000 && last > self.first()? + application::KEPT / 3 {
            let copy = self.restore(&["--time", &at.rfc3339()])?;
            ensure!(copy.i <= last, "a restore of {} ends with {}, and there was {last}", at.rfc3339(), copy.i);
            copy.is_of(&self.source)?;
            self.tally.add("restores of earlier moments", 1);
        }
        eprintln!("soak: {} s, {} commits, restored {}", self.began.elapsed().as_secs(), self.last()?, copy.i);
        Ok(())
    }

    /// Has everything committed so far acknowledged: which commit that is at least.
    fn sync(&mut self) -> anyhow::Result<i64> {
        let last = self.last()?;
        self.tool.run(&["sync", "app.db", "--timeout", "60s"])?;
        self.tally.add("syncs", 1);
        Ok(last)
    }

    fn restore(&mut self, target: &[&str]) -> anyhow::Result<Copy> {
        let path = self.place.path("copy.db");
        self.tool.run(&[&["restore", "app.db", "-o", "copy.db"], target].concat())?;
        let copy = Copy::of(&path)?;
        std::fs::remove_file(path)?;
        self.tally.add("restores", 1);
        Ok(copy)
    }

    fn last(&self) -> anyhow::Result<i64> {
        Ok(self.source.query_row("SELECT max(i) FROM chain", [], |row| row.get(0))?)
    }

    fn first(&self) -> anyhow::Result<i64> {
        Ok(self.source.query_row("SELECT min(i) FROM chain", [], |row| row.get(0))?)
    }

    /// Everybody stops in order, and the replica is the database.
    fn end(mut self, writers: Vec<Process>) -> anyhow::Result<Tally> {
        self.place.stop("writers")?;
        writers.into_iter().try_for_each(Process::finish)?;
        self.place.expect_no_errors()?;
        let last = self.last()?;
        self.replicator.stop()?;
        for (event, what) in [
            ("sync", "segments"),
            ("generation", "snapshots"),
            ("prune", "prunes"),
            ("retry", "retries"),
            ("degraded", "times behind"),
        ] {
            self.tally.add(what, self.tool.told(event)?);
        }
        self.tool.run(&["restore", "app.db", "-o", "last.db"])?;
        let restored = std::fs::read(self.place.path("last.db"))?;
        let pages = self.source.serialize("main").context("the database's pages")?;
        ensure!(restored == *pages, "the last restore is not the database");
        self.tool.run(&["verify", "app.db", "--read-data=all"])?;
        self.tally.add("commits", last as u64);
        self.usage.judge(&mut self.tally)?;
        Ok(self.tally)
    }
}

fn now() -> anyhow::Result<Timestamp> {
    let since = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH)?;
    Ok(Timestamp(i64::try_from(since.as_millis())?))
}
