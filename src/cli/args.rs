//! The command line: what every command takes, and which commands there are.

use std::ffi::OsStr;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::time::Duration;

use clap::builder::FalseyValueParser;
use clap::{ArgAction, Args, CommandFactory, Parser, Subcommand};

use super::log::LogFormat;
use super::secret::SecretArgs;
use super::style::Choice;
use super::ui::Mode;
use super::{
    compact, demo, exit, generated, generations, inspect, prune, replicate, restore, status, sync, verify, version,
};
use crate::config::{duration, size};
use crate::storage::Sse;

/// Bytes a second; `None`: as many as go. An alias, so that clap sees one value and no optional one.
pub(super) type Rate = Option<NonZeroU64>;

const GLOBAL: &str = "Global options";
const S3: &str = "S3 options";

const TEMPLATE: &str = "{about}\n\n{before-help}{usage-heading} {usage}\n\n{all-args}{after-help}";

/// Continuous backup of a running SQLite database to S3 or a directory
#[derive(Debug, Parser)]
#[command(
    name = "waloy",
    version,
    propagate_version = true,
    arg_required_else_help = true,
    before_help = "Examples:
  waloy replicate app.db s3://bucket/app         back up, continuously
  waloy restore app.db --time 5m ago -o old.db   get a past state back, beside the present one
  waloy generations app.db                       what can be restored
  waloy verify app.db                            prove it
  waloy demo                                     see the whole story in ten seconds
"
)]
pub(super) struct Cli {
    #[command(flatten)]
    pub(super) global: Global,
    #[command(subcommand)]
    pub(super) command: Command,
}

/// The commands.
#[derive(Debug, Subcommand)]
pub(super) enum Command {
    Replicate(replicate::Args),
    Restore(restore::Args),
    RestoreToTime(restore::ToTimeArgs),
    Generations(generations::Args),
    Inspect(inspect::Args),
    Verify(verify::Args),
    Compact(compact::Args),
    Status(status::Args),
    Sync(sync::Args),
    Prune(prune::Args),
    #[cfg(feature = "encryption")]
    Key(super::key::Args),
    Demo(demo::Args),
    Version(version::Args),
    Completions(generated::CompletionsArgs),
    #[command(hide = true)]
    Man(generated::ManArgs),
}

/// What every command takes.
#[derive(Clone, Debug, Args)]
pub struct Global {
    /// The replica: s3://bucket/prefix, file:///path, or the path of a directory [env: WALOY_DEST, or
    /// WALOY_S3_BUCKET and WALOY_S3_PREFIX] [default: DB.waloy/replica, beside the database]
    #[arg(long, global = true, value_name = "URL", help_heading = GLOBAL, value_hint = clap::ValueHint::AnyPath)]
    pub to: Option<String>,
    /// Write JSON, one object a line
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub json: bool,
    /// No colours, nothing but ASCII of waloy's own, no progress
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub plain: bool,
    /// Say nothing but errors
    #[arg(short, long, global = true, conflicts_with = "verbose", help_heading = GLOBAL)]
    pub quiet: bool,
    /// Say more; twice: still more [env: WALOY_LOG]
    #[arg(short, long, global = true, action = ArgAction::Count, help_heading = GLOBAL)]
    pub verbose: u8,
    /// When to use colours (NO_COLOR and CLICOLOR_FORCE are respected)
    #[arg(long, global = true, value_name = "WHEN", default_value = "auto", env = "WALOY_COLOR", help_heading = GLOBAL)]
    pub color: Choice,
    /// When to draw progress
    #[arg(
        long, global = true, value_name = "WHEN", default_value = "auto", env = "WALOY_PROGRESS", help_heading = GLOBAL
    )]
    pub progress: Choice,
    /// How to write the log on standard error
    #[arg(
        long, global = true, value_name = "FORMAT", default_value = "auto", env = "WALOY_LOG_FORMAT",
        help_heading = GLOBAL
    )]
    pub log_format: LogFormat,
    /// Show times in UTC, not in the local zone
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub utc: bool,
    /// Show sizes in bytes
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub bytes: bool,
    /// Give up after this long (exit 9) [default: none; sync: 30s]
    #[arg(long, global = true, value_name = "DUR", value_parser = duration::parse, help_heading = GLOBAL)]
    pub timeout: Option<Duration>,
    /// Where local state is kept [default: DB.waloy/state, beside the database]
    #[arg(
        long, global = true, value_name = "DIR", env = "WALOY_STATE_DIR", value_hint = clap::ValueHint::DirPath,
        help_heading = GLOBAL
    )]
    pub state_dir: Option<PathBuf>,
    /// Open a database that belongs to another user
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub allow_other_user: bool,
    /// Never ask: what would be asked is an error, or answered by a flag
    #[arg(long, global = true, env = "WALOY_NO_INPUT", value_parser = FalseyValueParser::new(), help_heading = GLOBAL)]
    pub no_input: bool,
    #[command(flatten)]
    pub(super) secret: SecretArgs,
    #[command(flatten)]
    pub(super) s3: S3Args,
}

/// How to reach a bucket. Keys come from the environment (AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY), a profile, a
/// container's or instance's role.
#[derive(Clone, Debug, Args)]
pub struct S3Args {
    /// The server, if it is not AWS [env: AWS_ENDPOINT_URL_S3] [default: as before, or AWS]
    #[arg(long, global = true, value_name = "URL", env = "WALOY_S3_ENDPOINT", help_heading = S3)]
    pub endpoint: Option<String>,
    /// The region [env: AWS_REGION]
    #[arg(long, global = true, value_name = "REGION", env = "WALOY_S3_REGION", help_heading = S3)]
    pub region: Option<String>,
    /// The profile of the AWS configuration files; its keys then, and no others [env: AWS_PROFILE]
    #[arg(long, global = true, value_name = "NAME", help_heading = S3)]
    pub profile: Option<String>,
    /// Put the bucket in the path of the URL [default: for every server but AWS]
    #[arg(
        long, global = true, env = "WALOY_S3_PATH_STYLE", value_parser = FalseyValueParser::new(), help_heading = S3
    )]
    pub path_style: bool,
    /// Send requests unsigned, for public buckets
    #[arg(long, global = true, help_heading = S3)]
    pub no_sign_request: bool,
    /// Trust the certificates of this file (PEM) instead of the system's [env: AWS_CA_BUNDLE]
    #[arg(
        long, global = true, value_name = "FILE", env = "WALOY_S3_CA_BUNDLE", value_hint = clap::ValueHint::FilePath,
        help_heading = S3
    )]
    pub ca_bundle: Option<PathBuf>,
    /// How the store encrypts what it keeps: AES256, aws:kms or aws:kms:KEY
    #[arg(long, global = true, value_name = "MODE", env = "WALOY_S3_SSE", help_heading = S3)]
    pub sse: Option<Sse>,
    /// The storage class of new objects; not an archive
    #[arg(long, global = true, value_name = "CLASS", env = "WALOY_S3_STORAGE_CLASS", help_heading = S3)]
    pub storage_class: Option<String>,
    /// Requests at the same time
    #[arg(
        long, global = true, value_name = "N", default_value_t = 8,
        value_parser = clap::value_parser!(u16).range(1..=256), help_heading = S3
    )]
    pub concurrency: u16,
    /// Bytes a second at most that are sent, and as many received: 10MiB/s, or off
    #[arg(
        long, global = true, value_name = "RATE", default_value = "off", value_parser = size::parse_rate_or_off,
        help_heading = S3
    )]
    pub bwlimit: Rate,
    /// How often a request is tried
    #[arg(
        long, global = true, value_name = "N", default_value_t = 10,
        value_parser = clap::value_parser!(u32).range(1..=1000), help_heading = S3
    )]
    pub retries: u32,
}

impl Global {
    /// How to write.
    pub fn mode(&self) -> Mode {
        Mode {
            json: self.json,
            plain: self.plain,
            log_format: self.log_format,
            quiet: self.quiet,
            verbose: self.verbose,
            color: self.color,
            progress: self.progress,
            utc: self.utc,
            bytes: self.bytes,
            no_input: self.no_input,
        }
    }
}

/// The command line with its help in the house's shape: what it does, examples, then the options.
pub fn command() -> clap::Command {
    fn dress(command: clap::Command) -> clap::Command {
        let command = command.help_template(TEMPLATE).after_long_help(exit::HELP);
        command.mut_args(|arg| arg.hide_env_values(true)).mut_subcommands(dress)
    }
    dress(Cli::command())
}

/// The same without the variables that are set to nothing: they count as unset.
pub fn command_here() -> clap::Command {
    fn forget(command: clap::Command) -> clap::Command {
        let is_empty = |name: &OsStr| std::env::var_os(name).is_some_and(|value| value.is_empty());
        let forget_value = |arg: clap::Arg| match arg.get_env().is_some_and(is_empty) {
            true => arg.env(None::<&str>),
            false => arg,
        };
        command.mut_args(forget_value).mut_subcommands(forget)
    }
    forget(command())
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_command_line_is_consistent() {
        super::command().debug_assert();
    }

    #[test]
    fn examples_of_the_commands_that_read_fit_a_terminal() {
        for name in ["restore", "restore-to-time", "generations", "inspect", "verify"] {
            let command = super::command();
            let text = command.find_subcommand(name).and_then(|it| it.get_before_help()).unwrap().to_string();
            assert!(text.lines().all(|line| line.chars().count() <= 80), "{text}");
        }
    }

    #[test]
    fn every_visible_command_begins_its_help_with_examples() {
        for command in super::command().get_subcommands().filter(|command| !command.is_hide_set()) {
            let text = command.get_before_help().map(ToString::to_string).unwrap_or_default();
            assert!(text.starts_with("Examples:\n  waloy "), "{}", command.get_name());
        }
    }
}
