//! No room for the index of the WAL to grow.
//!
//! `-shm` takes another 32 KiB when the WAL passes frame 4,062, and again each 4,096 frames. Where the file system is full
//! just then, SQLite has written the frames of a transaction, its commit frame too, and cannot publish them: the commit
//! fails. waloy must not take it for one, and must go on when there is room again.
//!
//! The file system is a small one in memory, mounted where only this process sees it. Whoever may not do that tests nothing.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use rusqlite::Connection;
use rustix::fs::{FallocateFlags, fallocate};
use waloy::engine::{Checkpoints, Hooks, Options, Replicator};
use waloy::replica::Replica;
use waloy::restore::{self, Output, Target};
use waloy::storage::DirStore;
use waloy::testing::dice::Dice;
use waloy::testing::workload::{self, State, Step};
use waloy::verify::{self, Level, Severity, Subset};

use crate::ladder::{Role, Rung, Tally};
use crate::rungs::processes::Place;

/// See the module.
pub(crate) const RUNG: Rung = Rung {
    name: "room",
    what: "a file system that is full when the index of the WAL has to grow: the commit that fails is none in the replica",
    quick: 2,
    deep: 100,
    patience: Duration::from_secs(120),
    run,
};

/// What happens where the file system is mounted.
pub(crate) const ROLES: &[Role] = &[Role { name: "no room", play }];

/// The file system, and what of it the WAL has for certain, in bytes.
const SIZE: &str = "size=56m";
const WAL: u64 = 40 << 20;

/// The frames that the first part of the index, and each further one, has room for (`HASHTABLE_NPAGE_ONE`).
const PARTS: [u64; 3] = [4062, 8158, 12_254];

/// `SQLITE_IOERR_SHMSIZE`
const NO_ROOM: i32 = 10 | (19 << 8);

const COUNTS: &str = "counts";

fn run(seed: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let dir = tempfile::Builder::new().prefix("waloy-room-").tempdir()?;
    std::fs::create_dir(dir.path().join("small"))?;
    let may = Command::new("unshare").args(["--mount", "mount", "-t", "tmpfs", "tmpfs"]).arg(dir.path()).output();
    if !may.is_ok_and(|may| may.status.success()) {
        tally.add("not allowed to mount", 1);
        return Ok(tally);
    }
    let mut scene = Command::new("unshare");
    scene.arg("--mount").arg(std::env::current_exe()?).args(["role", "no room"]).arg(dir.path()).arg(seed.to_string());
    let ran = scene.output()?;
    ensure!(ran.status.success(), "{}", String::from_utf8_lossy(&ran.stderr));
    for words in Place::new(dir.path()).notes(COUNTS) {
        tally.add(&words[1..].join(" "), words[0].parse()?);
    }
    Ok(tally)
}

fn play(dir: &Path, seed: u64) -> anyhow::Result<()> {
    let mounted = Command::new("mount").args(["-t", "tmpfs", "-o", SIZE, "tmpfs"]).arg(dir.join("small")).status()?;
    ensure!(mounted.success(), "mount: {mounted}");
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async { Scene::begin(dir, Dice::new(seed)).await?.play().await })
}

struct Scene {
    dir: PathBuf,
    app: Connection,
    frame: u64,
    replica: Replica,
    replicator: Replicator,
    dice: Dice,
    state: State,
}

impl Scene {
    async fn begin(dir: &Path, mut dice: Dice) -> anyhow::Result<Scene> {
        let db = dir.join("small/app.db");
        let page_size = *dice.pick(&[512, 1024, 2048]);
        let app = Connection::open(&db)?;
        app.busy_timeout(Duration::from_secs(5))?;
        app.execute_batch(&format!(
            "PRAGMA page_size = {page_size}; PRAGMA journal_mode = WAL; PRAGMA wal_autocheckpoint = 0;
             PRAGMA synchronous = FULL; PRAGMA cache_size = 20"
        ))?;
        let state = workload::create(&app)?;
        // The WAL itself always has room. Its locks are on other files: it can be opened as any.
        let wal = File::options().write(true).open(dir.join("small/app.db-wal"))?;
        fallocate(&wal, FallocateFlags::KEEP_SIZE, 0, WAL)?;
        let mut options = Options::new(&db);
        options.automatic = dice.one_in(2);
        options.sync_interval = Duration::from_millis(20);
        options.checkpoints = Checkpoints::Off;
        options.state_dir = Some(dir.join("state"));
        let replica = Replica::plain(Arc::new(DirStore::new(dir.join("replica"))));
        let replicator = Replicator::start(options, replica.clone(), Hooks::default()).await.context("start")?;
        replicator.sync().await.context("the first sync")?;
        let frame = page_size + 24;
        Ok(Scene { dir: dir.to_owned(), app, frame, replica, replicator, dice, state })
    }

    async fn play(mut self) -> anyhow::Result<()> {
        let (place, mut refused, mut cut_off) = (Place::new(&self.dir), 0, 0);
        for full in PARTS {
            let ballast = self.fill()?;
            while self.try_commit()? {}
            refused += 1;
            let frames = std::fs::metadata(self.dir.join("small/app.db-wal"))?.len() / self.frame;
            cut_off += u64::from(frames > full);
            self.expect("after a commit that failed").await?;
            // It goes on failing, whatever it tries, and what could not be published is overwritten.
            for _ in 0..self.dice.below(4) {
                if !self.try_commit()? {
                    refused += 1;
                }
            }
            self.expect("while there is no room").await?;
            std::fs::remove_file(ballast)?;
            for _ in 0..=self.dice.below(5) {
                ensure!(self.try_commit()?, "there is room, and a commit fails");
            }
            self.expect("with room again").await?;
        }
        place.note(COUNTS, &format!("{refused} commits without room"))?;
        place.note(COUNTS, &format!("{cut_off} of them with frames in the WAL"))?;
        place.note(COUNTS, &format!("{} commits", self.state.commit))?;
        self.end().await
    }

    /// Leaves no room for anything.
    fn fill(&self) -> anyhow::Result<PathBuf> {
        let path = self.dir.join("small/ballast");
        let mut file = File::create(&path)?;
        while file.write_all(&[0; 4096]).is_ok() {}
        Ok(path)
    }

    /// Whether there was room for it.
    fn try_commit(&mut self) -> anyhow::Result<bool> {
        let steps = [Step::Small, Step::Wide, Step::Large, Step::Shrink, Step::Savepoint];
        let step = *self.dice.pick(&steps);
        match workload::commit(&self.app, &mut self.dice, step) {
            Ok(state) => {
                self.state = state;
                Ok(true)
            }
            Err(error) => {
                let code = error.sqlite_error().map(|error| error.extended_code);
                ensure!(code == Some(NO_ROOM), "another error than that there is no room: {error} {code:?}");
                Ok(false)
            }
        }
    }

    /// A sync, and a restore: the last commit that succeeded, page for page.
    async fn expect(&self, when: &str) -> anyhow::Result<()> {
        self.replicator.sync().await.with_context(|| format!("sync, {when}"))?;
        let path = self.dir.join("restored.db");
        restore::restore(&self.replica, Target::Latest, &Output::new(&path), &restore::Options::default())
            .await
            .with_context(|| format!("restore, {when}"))?;
        let restored = std::fs::read(&path)?;
        let state = workload::certify(&Connection::open(&path)?).with_context(|| when.to_owned())?;
        ensure!(state == self.state, "{when}: {} was committed, and {} restored", self.state.commit, state.commit);
        ensure!(restored == *self.app.serialize("main")?, "{when}: a page differs");
        std::fs::remove_file(path)?;
        Ok(())
    }

    async fn end(mut self) -> anyhow::Result<()> {
        self.replicator.shutdown().await.context("shutdown")?;
        ensure!(workload::certify(&self.app)? == self.state, "the database itself");
        let report = verify::verify(&self.replica, Level::ReadData(Subset::All), &verify::Options::default()).await?;
        let bad: Vec<_> = report.findings.iter().filter(|finding| finding.severity > Severity::Warning).collect();
        ensure!(bad.is_empty(), "verify: {bad:?}");
        Ok(())
    }
}
