//! What `waloy restore` and `waloy restore-to-time` take.

use std::ffi::OsString;
use std::path::PathBuf;

use clap::ValueEnum;

use crate::cli::anchor;
use crate::cli::destination::quoted;
use crate::restore::{Anchor, Check};

/// Restore a database, to its latest state or to a past one
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy restore app.db                          the latest state, where it was
  waloy restore app.db --time 5m ago -o old.db  as it was, beside this one
  waloy restore app.db --time 2026-11-22 10:00 -o old.db
  waloy restore app.db s3://bucket/app          on another machine
  waloy restore app.db --time 10:00 --strict-time -o old.db
                                                not if nobody watched then
  waloy restore app.db --generation 01JD9Q:37 -o old.db
  waloy restore app.db --force --check full     the old file is kept
  waloy restore app.db --if-missing --if-backup-exists
                                                before an application starts
  waloy restore s3://bucket/app -o - | gzip > app.db.gz
")]
pub struct Args {
    #[command(flatten)]
    pub(super) what: What,
    /// The state at this time: `5m ago`, `10:00`, `yesterday 18:30`, `2026-11-22T10:00:00Z`, `@1795341600`
    #[arg(long, value_name = "TIME", conflicts_with = "generation")]
    pub(super) time: Option<String>,
    /// A generation by its id, the beginning of it, or `latest`; with :INDEX or :snapshot a point of it
    #[arg(long, value_name = "G[:INDEX]")]
    pub(super) generation: Option<String>,
}

/// Restore a database to a past state: the same as restore --time
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy restore-to-time 5m ago app.db -o old.db
  waloy restore-to-time 2026-11-22 10:00 app.db -o old.db
")]
pub struct ToTimeArgs {
    /// The time: `5m ago`, `10:00`, `yesterday 18:30`, `2026-11-22T10:00:00Z`, `@1795341600`
    #[arg(value_name = "TIME")]
    time: String,
    #[command(flatten)]
    pub(super) what: What,
}

/// What both commands take.
#[derive(Debug, clap::Args)]
pub(super) struct What {
    /// The database whose replica to restore, or the URL of a replica
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    pub(super) source: Option<OsString>,
    /// The URL of the replica, if SOURCE is a database
    #[arg(value_name = "URL", value_hint = clap::ValueHint::Url)]
    pub(super) url: Option<OsString>,
    /// Where to restore to; `-`: to standard output, once it is proven [default: the path of the database; for a URL,
    /// its last part]
    #[arg(short, long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub(super) output: Option<PathBuf>,
    /// Replace a database that is there; it is kept as FILE.pre-restore-TIME
    #[arg(long)]
    pub(super) force: bool,
    /// With --force: delete the old database once the new one is in its place
    #[arg(long, requires = "force")]
    pub(super) discard_old: bool,
    /// Do nothing, successfully, if there is a file already
    #[arg(long, conflicts_with = "force")]
    pub(super) if_missing: bool,
    /// Do nothing, successfully, if the storage answers that there is no backup
    #[arg(long)]
    pub(super) if_backup_exists: bool,
    /// What to check before the file is put in its place, beyond every object and every page
    #[arg(long, value_name = "WHAT", value_enum, default_value_t = CheckArg::Checksum)]
    pub(super) check: CheckArg,
    /// Refuse (exit 7) a time in a gap, in which no replicator ran or the store was out of reach, instead of taking the
    /// last state before it
    #[arg(long, requires = "time")]
    pub(super) strict_time: bool,
    /// What the replica must reach, as `waloy inspect --anchor` printed it once: the line, or a file with it
    #[arg(long, value_name = "LINE|FILE", value_parser = anchor::parse)]
    pub(super) anchor: Option<Anchor>,
    /// Say what would be restored, and write nothing
    #[arg(short = 'n', long)]
    pub(super) dry_run: bool,
    /// The mode of the file, octal [default: 0600, or that of the file it replaces]
    #[arg(long, value_name = "MODE", value_parser = mode)]
    pub(super) mode: Option<u32>,
    /// The owner of the file: USER, USER:GROUP or :GROUP, names or numbers [default: who restores, or that of the
    /// file it replaces]
    #[arg(long, value_name = "USER[:GROUP]")]
    pub(super) owner: Option<String>,
}

/// What is checked of a restored database.
#[derive(Clone, Copy, PartialEq, Eq, Debug, ValueEnum)]
pub(super) enum CheckArg {
    /// Nothing more, to save what can be saved
    None,
    /// That it is, as a whole, the database that was replicated
    Checksum,
    /// Also PRAGMA quick_check
    Quick,
    /// Also PRAGMA integrity_check
    Full,
}

impl From<CheckArg> for Check {
    fn from(check: CheckArg) -> Check {
        match check {
            CheckArg::None => Check::None,
            CheckArg::Checksum => Check::Checksum,
            CheckArg::Quick => Check::Quick,
            CheckArg::Full => Check::Full,
        }
    }
}

impl From<ToTimeArgs> for Args {
    fn from(args: ToTimeArgs) -> Args {
        Args { what: args.what, time: Some(args.time), generation: None }
    }
}

/// `0640`, in octal as `chmod` has it.
fn mode(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o777 && text.len() <= 4 => Ok(mode),
        _ => Err("a mode is three octal digits, as in 0640".into()),
    }
}

impl What {
    /// The options that say where to restore to, for commands in hints.
    pub(super) fn repeated(&self) -> String {
        let output = self.output.as_deref().map(|path| format!(" -o {}", quoted(&path.to_string_lossy())));
        let discard = if self.discard_old { " --discard-old" } else { "" };
        format!("{}{}{discard}", output.unwrap_or_default(), if self.force { " --force" } else { "" })
    }

    /// The options that say how the file is to be, wherever it goes.
    pub(super) fn kept(&self) -> String {
        let check = match self.check {
            CheckArg::None => " --check none",
            CheckArg::Checksum => "",
            CheckArg::Quick => " --check quick",
            CheckArg::Full => " --check full",
        };
        let mode = self.mode.map(|mode| format!(" --mode {mode:04o}")).unwrap_or_default();
        let owner = self.owner.as_deref().map(|owner| format!(" --owner {}", quoted(owner))).unwrap_or_default();
        format!("{check}{mode}{owner}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn modes_are_octal() {
        for (text, expected) in [("0600", Some(0o600)), ("640", Some(0o640)), ("0", Some(0))] {
            assert_eq!(mode(text).ok(), expected);
        }
        for text in ["", "0o600", "888", "1777", "00600", "rw", "-1"] {
            assert!(mode(text).is_err(), "{text}");
        }
    }
}
