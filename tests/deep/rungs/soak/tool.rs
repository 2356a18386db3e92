//! The program, as people run it.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use rustix::process::{Pid, Signal, kill_process};

use crate::s3_server::S3Server;

/// How long the program may take to end when it is asked to.
const PATIENCE: Duration = Duration::from_secs(120);

/// How it is called in one run.
pub(super) struct Tool {
    dir: PathBuf,
    endpoint: String,
    access_key: String,
    secret_key: String,
    url: String,
}

impl Tool {
    pub(super) fn new(dir: &Path, server: &S3Server) -> Tool {
        Tool {
            dir: dir.to_owned(),
            endpoint: server.endpoint.clone(),
            access_key: server.access_key.clone(),
            secret_key: server.secret_key.clone(),
            url: format!("s3://{}/app", server.bucket),
        }
    }

    fn command(&self, args: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_waloy"));
        command.args(args).current_dir(&self.dir).env_clear();
        for name in ["PATH", "HOME", "TMPDIR", "MALLOC_ARENA_MAX", "LLVM_PROFILE_FILE"] {
            if let Some(value) = std::env::var_os(name) {
                command.env(name, value);
            }
        }
        command.env("AWS_ACCESS_KEY_ID", &self.access_key).env("AWS_SECRET_ACCESS_KEY", &self.secret_key);
        command.env("AWS_EC2_METADATA_DISABLED", "true").stdin(Stdio::null());
        command
    }

    /// Starts `waloy replicate`; what it says goes to files.
    pub(super) fn replicate(&self, more: &[&str]) -> anyhow::Result<Running> {
        let args = ["replicate", "app.db", &self.url, "--endpoint", &self.endpoint, "--json"];
        let file = |name: &str| File::create(self.dir.join(name)).map(Stdio::from);
        let mut command = self.command(&[&args, more].concat());
        let child = command.stdout(file("replicate.out")?).stderr(file("replicate.err")?).spawn()?;
        Ok(Running { child, err: self.dir.join("replicate.err") })
    }

    /// A command that must succeed. The store may be away for a while meanwhile.
    pub(super) fn run(&self, args: &[&str]) -> anyhow::Result<String> {
        let output = self.command(&[args, &["--retries", "60"]].concat()).output()?;
        let (out, err) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "waloy {}: {}: {out} {err}", args.join(" "), output.status);
        Ok(out.into_owned())
    }

    /// How often the replicator told of an event of this type.
    pub(super) fn told(&self, event: &str) -> anyhow::Result<u64> {
        let needle = format!("\"type\":\"{event}\"");
        let text = std::fs::read_to_string(self.dir.join("replicate.out"))?;
        Ok(text.lines().filter(|line| line.contains(&needle)).count() as u64)
    }
}

/// The replicator. Dropped, it is killed.
pub(super) struct Running {
    child: Child,
    err: PathBuf,
}

impl Running {
    pub(super) fn pid(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn expect_alive(&mut self) -> anyhow::Result<()> {
        let ended = self.child.try_wait()?;
        let err = || std::fs::read_to_string(&self.err).unwrap_or_default();
        ensure!(ended.is_none(), "waloy replicate ended: {ended:?}: {}", err());
        Ok(())
    }

    /// As systemd does it.
    pub(super) fn stop(mut self) -> anyhow::Result<()> {
        kill_process(Pid::from_child(&self.child), Signal::TERM)?;
        let began = Instant::now();
        while began.elapsed() < PATIENCE {
            if let Some(status) = self.child.try_wait()? {
                let err = std::fs::read_to_string(&self.err).context("what it said")?;
                ensure!(status.success(), "waloy replicate ended with {status}: {err}");
                return Ok(());
            }
            std::thread::sleep(Duration::from_millis(20));
        }
        anyhow::bail!("waloy replicate has not ended after {PATIENCE:?}")
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
