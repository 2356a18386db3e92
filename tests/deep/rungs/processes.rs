//! The directory of a seed: the database, and beside it what the processes agree by.

use std::fs::File;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use rusqlite::{Connection, OpenFlags};

/// How long a process of the application waits for a lock.
const BUSY: Duration = Duration::from_secs(5);
/// How long a process may take to begin, or to end when asked to.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where a seed works: on a disk, whose syncs take their time, or in memory, where a kill more often hits what comes
/// between them.
pub(crate) fn root(seed: u64) -> PathBuf {
    let memory = Path::new("/dev/shm");
    if seed.is_multiple_of(2) && memory.is_dir() { memory.to_owned() } else { std::env::temp_dir() }
}

pub(crate) struct Place(PathBuf);

impl Place {
    pub(crate) fn new(dir: &Path) -> Place {
        Place(dir.to_owned())
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.0.join(name)
    }

    pub(crate) fn database(&self) -> PathBuf {
        self.path("app.db")
    }

    /// A connection of the application.
    pub(crate) fn open(&self, psow: bool) -> anyhow::Result<Connection> {
        let uri = format!("file:{}?psow={}", self.database().display(), u32::from(psow));
        let flags = OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_URI;
        let connection = Connection::open_with_flags(uri, flags)?;
        connection.busy_timeout(BUSY)?;
        Ok(connection)
    }

    /// Starts this program again, in a role.
    pub(crate) fn spawn(&self, role: &'static str, seed: u64) -> anyhow::Result<Process> {
        let errors = File::options().create(true).append(true).open(self.path("errors"))?;
        let child = Command::new(std::env::current_exe()?)
            .args(["role", role])
            .arg(&self.0)
            .arg(seed.to_string())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(errors)
            .spawn()?;
        Ok(Process { role, ready: self.ready(child.id()), child })
    }

    fn ready(&self, pid: u32) -> PathBuf {
        self.path(&format!("ready-{pid}"))
    }

    /// Said by a process that is at work.
    pub(crate) fn say_ready(&self) -> anyhow::Result<()> {
        File::create(self.ready(std::process::id()))?;
        Ok(())
    }

    /// Whether the processes of this kind are to end: `writers`, `replicator`.
    pub(crate) fn is_over(&self, whom: &str) -> bool {
        self.path(&format!("stop-{whom}")).exists()
    }

    /// Asks them to.
    pub(crate) fn stop(&self, whom: &str) -> anyhow::Result<()> {
        File::create(self.path(&format!("stop-{whom}")))?;
        Ok(())
    }

    /// Nobody said anything on standard error.
    pub(crate) fn expect_no_errors(&self) -> anyhow::Result<()> {
        let errors = std::fs::read_to_string(self.path("errors")).unwrap_or_default();
        ensure!(errors.is_empty(), "a process got an error: {errors}");
        Ok(())
    }

    /// Adds a line to a file that several processes write, in one write: each is there or not, but for the first part
    /// of one that was cut off by a kill where a page of the file ends. The next one then begins a line of its own.
    pub(crate) fn note(&self, file: &str, line: &str) -> anyhow::Result<()> {
        let mut file = File::options().create(true).append(true).open(self.path(file))?;
        file.write_all(format!("\n{line} .\n").as_bytes())?;
        Ok(())
    }

    /// The lines of such a file, those that are whole.
    pub(crate) fn notes(&self, file: &str) -> Vec<Vec<String>> {
        let text = std::fs::read(self.path(file)).unwrap_or_default();
        let text = String::from_utf8_lossy(&text);
        let whole = text.lines().filter_map(|line| line.strip_suffix(" ."));
        whole.map(|line| line.split(' ').map(str::to_owned).collect()).collect()
    }

    /// Grows with each line.
    pub(crate) fn len(&self, file: &str) -> u64 {
        std::fs::metadata(self.path(file)).map_or(0, |metadata| metadata.len())
    }
}

/// A process that was started.
pub(crate) struct Process {
    role: &'static str,
    ready: PathBuf,
    child: Child,
}

impl Process {
    /// Waits until it is at work.
    pub(crate) fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        while !self.ready.exists() {
            if let Some(status) = self.child.try_wait()? {
                bail!("the {} ended before it was ready: {status}", self.role);
            }
            ensure!(began.elapsed() < PATIENCE, "the {} is not ready after {PATIENCE:?}", self.role);
            std::thread::sleep(Duration::from_micros(200));
        }
        Ok(())
    }

    /// Kills it. It must have lived until then.
    pub(crate) fn kill(mut self) -> anyhow::Result<()> {
        self.child.kill()?;
        let status = self.child.wait()?;
        let killed = std::os::unix::process::ExitStatusExt::signal(&status) == Some(9);
        ensure!(killed, "the {} had ended by itself: {status}", self.role);
        Ok(())
    }

    /// Waits for its end, once it was asked for it.
    pub(crate) fn finish(mut self) -> anyhow::Result<()> {
        let began = Instant::now();
        let status: ExitStatus = loop {
            if let Some(status) = self.child.try_wait()? {
                break status;
            }
            ensure!(began.elapsed() < PATIENCE, "the {} has not ended after {PATIENCE:?}", self.role);
            std::thread::sleep(Duration::from_millis(2));
        };
        ensure!(status.success(), "the {} failed: {status}", self.role);
        Ok(())
    }
}

impl Drop for Process {
    /// None is left behind by a scene that fails.
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// The commit that a copy of the database stands for: the last row of `chain`.
pub(crate) type Commit = (i64, String);

/// The newest commit that a connection sees.
pub(crate) fn last_commit(connection: &Connection) -> anyhow::Result<Commit> {
    let sql = "SELECT i, h FROM chain ORDER BY i DESC LIMIT 1";
    connection.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).context("no row of chain")
}
