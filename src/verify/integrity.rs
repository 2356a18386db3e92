//! A restore into a temporary directory, for SQLite to look at.

use std::fs;
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use super::{Check, Finding, Options, Severity};
use crate::clock;
use crate::progress::{During, Phase};
use crate::replica::Replica;
use crate::restore::{self, Error, Output, Report, Target};

/// A directory for its owner only, gone when this is dropped.
struct Scratch(PathBuf);

impl Scratch {
    fn new(parent: &Path) -> Result<Scratch, Error> {
        let path = parent.join(format!("waloy-verify-{:016x}", u64::from_le_bytes(clock::random())));
        match fs::DirBuilder::new().mode(0o700).create(&path) {
            Ok(()) => Ok(Scratch(path)),
            Err(source) => Err(Error::Io { what: "create the directory", path, source }),
        }
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        if let Err(error) = fs::remove_dir_all(&self.0) {
            tracing::warn!(path = %self.0.display(), %error, "cannot remove the temporary directory");
        }
    }
}

/// Restores the newest state and has SQLite check it. What it was restored without is a finding, too.
pub(super) async fn restored(
    replica: &Replica,
    check: Check,
    options: &Options,
) -> Result<(Report, Vec<Finding>), Error> {
    let scratch = Scratch::new(&options.scratch)?;
    let restoring = restore::Options {
        concurrency: options.concurrency,
        progress: options.progress.clone(),
        clock: options.clock.clone(),
        ..restore::Options::default()
    };
    let output = Output::new(scratch.0.join("restored.db"));
    let report = restore::restore(replica, Target::Latest, &output, &restoring).await?;
    let _bar = During::begin(&*options.progress, Phase::Check, None);
    // The directory stays with this future, so that it goes with it.
    let checking = crate::task::blocking(move || restore::problems(&output.path, check == Check::Full));
    let problems = match checking.await {
        Ok(problems) => problems,
        Err(error) => match error.try_into_panic() {
            Ok(panic) => std::panic::resume_unwind(panic),
            Err(error) => unreachable!("nobody cancels the task: {error}"),
        },
    };
    let damaged =
        report.plan.left_out.iter().map(|it| Finding::of(it.name, it.code, Severity::Damaged, it.message.as_str()));
    let problems = problems.into_iter().map(|problem| {
        Finding::general("database.corrupt", Severity::Damaged, format!("the restored database: {problem}"))
    });
    let findings = damaged.chain(problems).collect();
    Ok((report, findings))
}
