//! What people do with a replica, on one store.

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rusqlite::Connection;
use waloy::compact::{self, Level, Levels};
use waloy::engine::{Hooks, Options, Replicator, Synced};
use waloy::replica::{Key, Replica};
use waloy::restore::{self, Output, Point, Target};
use waloy::retention::{self, Policy};
use waloy::seal::{Cost, Secret};
use waloy::storage::Store;
use waloy::verify::{self, Severity, Subset};

use super::place::Place;
use crate::ladder::Tally;

/// A database, and the store of its replica.
struct Bench {
    dir: tempfile::TempDir,
    store: Arc<dyn Store>,
    key: Option<Key>,
    /// Of one value in the database.
    bytes: u32,
}

/// Everything, in the clear and sealed. With `large`, a snapshot takes several requests.
pub(super) async fn all(place: &Place, large: bool, tally: &mut Tally) -> anyhow::Result<()> {
    let cost = Cost { memory_kib: 19 << 10, passes: 1, lanes: 1 };
    let key = Key::new(Secret::from_passphrase(b"correct horse")?).with_cost(cost);
    let bytes = if large { 20 << 20 } else { 100_000 };
    for (name, key) in [("clear", None), ("sealed", Some(key))] {
        let bench = Bench { dir: tempfile::tempdir()?, store: place.empty(name).await?, key, bytes };
        bench.live(tally).await.with_context(|| format!("a replica, {name}"))?;
        let name = format!("{name}-rival");
        let bench = Bench { dir: tempfile::tempdir()?, store: place.empty(&name).await?, key: bench.key, bytes };
        bench.rival(tally).await.with_context(|| name.clone())?;
        place.empty(&name).await?;
    }
    Ok(())
}

impl Bench {
    /// A replica's life: snapshots in parts, segments, a restart, restores of then and now, merges, retention.
    async fn live(&self, tally: &mut Tally) -> anyhow::Result<()> {
        let app = self.application("app.db")?;
        app.execute("INSERT INTO t(x) VALUES (randomblob(?1))", [self.bytes])?;
        let mut replicator = self.start("app.db").await?;
        replicator.sync().await.context("the first snapshot")?;
        let mut last = None;
        for round in 0..12 {
            last = Some(commit(&app, &replicator).await?);
            if round == 6 {
                replicator.shutdown().await.context("a stop")?;
                replicator = self.start("app.db").await.context("a restart")?;
            }
        }
        tally.add("segments", 12);
        let (synced, pages_then) = (last.context("a commit")?, pages(&app)?);
        self.expect(Target::Latest, &pages_then).await?;
        self.verify().await.context("verify after the first segments")?;

        let replica = self.replica().await?;
        let levels = Levels::new([Level { window: Duration::from_secs(3600), parts: 4 }]);
        let options = compact::Options { levels, ..compact::Options::default() };
        let plan = compact::plan(&replica, &options).await.context("plan a merge")?;
        let merged = compact::compact(&replica, &plan, &options).await.context("merge")?;
        ensure!(!merged.merged.is_empty(), "nothing was merged");
        tally.add("merges", merged.merged.len() as u64);
        self.expect(Target::Latest, &pages_then).await?;

        replicator.snapshot().await.context("a second generation")?;
        commit(&app, &replicator).await?;
        let point = Target::Generation(synced.generation, Some(Point::Index(synced.index)));
        self.expect(point, &pages_then).await.context("an earlier point")?;
        self.expect(Target::Latest, &pages(&app)?).await?;
        self.verify().await.context("verify of two generations")?;

        // By the clock of the store, which may count in seconds.
        tokio::time::sleep(Duration::from_millis(2100)).await;
        commit(&app, &replicator).await?;
        let policy = Policy { grace: Duration::ZERO, ..Policy::new(Some(Duration::ZERO)) };
        let now = waloy::clock::system().now();
        let pruned = retention::enforce(&replica, &policy, now).await.context("prune")?;
        ensure!(pruned.is_complete() && pruned.generations == 1, "pruned: {pruned:?}");
        tally.add("objects pruned", pruned.objects);
        ensure!(self.restore(point).await.is_err(), "a generation that was let go of is still there");
        self.expect(Target::Latest, &pages(&app)?).await?;
        self.verify().await.context("verify after the prune")?;
        replicator.shutdown().await.context("the end")?;
        Ok(())
    }

    /// Another host takes the prefix over: the first one is told, overwrites nothing, and does not go on.
    async fn rival(&self, tally: &mut Tally) -> anyhow::Result<()> {
        let app = self.application("app.db")?;
        let first = self.start("app.db").await?;
        first.sync().await?;
        commit(&app, &first).await?;
        let other = self.dir.path().join("other.db");
        std::fs::write(&other, pages(&app)?)?;
        let other_app = open(&other)?;
        let second = self.start("other.db").await.context("take over")?;
        commit(&other_app, &second).await?;
        commit(&other_app, &second).await?;
        app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", [])?;
        for _ in 0..2 {
            match first.sync().await {
                Err(error) if error.code() == "replica.overtaken" => {
                    tally.add("writers told that they were overtaken", 1)
                }
                Err(error) => return Err(error).context("the writer that was overtaken"),
                Ok(_) => bail!("a writer that was overtaken goes on"),
            }
        }
        commit(&other_app, &second).await?;
        self.expect(Target::Latest, &pages(&other_app)?).await?;
        self.verify().await
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn application(&self, name: &str) -> anyhow::Result<Connection> {
        let app = open(&self.path(name))?;
        app.execute_batch("CREATE TABLE t(id INTEGER PRIMARY KEY, x BLOB)")?;
        for _ in 0..40 {
            app.execute("INSERT INTO t(x) VALUES (randomblob(5000))", [])?;
        }
        Ok(app)
    }

    async fn start(&self, name: &str) -> anyhow::Result<Replicator> {
        let mut options = Options::new(self.path(name));
        options.automatic = false;
        options.quiet = Duration::from_millis(200);
        options.sync_interval = Duration::from_millis(20);
        options.merge = None;
        options.key.clone_from(&self.key);
        Ok(Replicator::start(options, Replica::plain(self.store.clone()), Hooks::default()).await?)
    }

    /// Opened as by another process.
    async fn replica(&self) -> anyhow::Result<Replica> {
        Ok(Replica::with(self.store.clone(), self.key.as_ref()).await?)
    }

    async fn restore(&self, target: Target) -> anyhow::Result<Vec<u8>> {
        let path = self.path("restored.db");
        let output = Output::new(&path);
        restore::restore(&self.replica().await?, target, &output, &restore::Options::default()).await?;
        let pages = std::fs::read(&path)?;
        std::fs::remove_file(path)?;
        Ok(pages)
    }

    async fn expect(&self, target: Target, pages: &[u8]) -> anyhow::Result<()> {
        let restored = self.restore(target).await.with_context(|| format!("restore {target:?}"))?;
        ensure!(restored == pages, "a restore of {target:?} is not what was there");
        Ok(())
    }

    async fn verify(&self) -> anyhow::Result<()> {
        let level = verify::Level::ReadData(Subset::All);
        let report = verify::verify(&self.replica().await?, level, &verify::Options::default()).await?;
        let bad: Vec<_> = report.findings.iter().filter(|finding| finding.severity > Severity::Warning).collect();
        ensure!(bad.is_empty(), "{bad:?}");
        Ok(())
    }
}

fn open(path: &Path) -> anyhow::Result<Connection> {
    let app = Connection::open(path)?;
    app.busy_timeout(Duration::from_secs(10))?;
    app.execute_batch("PRAGMA journal_mode = WAL")?;
    Ok(app)
}

/// Commits, and has it acknowledged.
async fn commit(app: &Connection, replicator: &Replicator) -> anyhow::Result<Synced> {
    app.execute("INSERT INTO t(x) VALUES (randomblob(9000))", [])?;
    replicator.sync().await.context("sync")?.context("something was committed")
}

fn pages(app: &Connection) -> anyhow::Result<Vec<u8>> {
    Ok(app.serialize("main")?.to_vec())
}
