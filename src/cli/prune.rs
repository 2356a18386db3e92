//! `waloy prune`

use std::ffi::OsString;
use std::io::{BufRead, IsTerminal, stdin};
use std::time::Duration;

use super::context::Context;
use super::destination::{Source, source};
use super::exit::Exit;
use super::ui::Ui;
use crate::clock::{Clock, SystemClock};
use crate::config::duration;
use crate::error::{Error, Kind, Result};
use crate::replica::Replica;
use crate::restore::resolve_generation;
use crate::retention::{self, Keep, Plan, Policy, confirm_replacement, execute, replacement};

mod show;

pub(super) use show::warn;

/// Let go of what need not be kept any longer
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy prune app.db -n                       what would go, and why
  waloy prune app.db --retention 14d          it is shown, and you are asked
  waloy prune app.db --keep daily=90,monthly=24 --yes
  waloy prune app.db --confirm-replacement 01JD9Q

What stays is verified before anything is deleted (exit 3 if it cannot be restored).
Run beside a replicator, from anywhere, with a key that may delete.
")]
pub struct Args {
    /// The database whose replica to prune, or the URL of a replica
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    source: Option<OsString>,
    /// Every moment of the last so long stays restorable; `off` keeps all
    #[arg(
        long, value_name = "DUR", default_value = "30d", env = "WALOY_RETENTION", value_parser = duration::parse_or_off
    )]
    retention: Retention,
    /// Beyond that, the generation with the last point of so many days, weeks, months: daily=90,weekly=8,monthly=24
    #[arg(long, value_name = "POINTS")]
    keep: Option<Keep>,
    /// So many generations that can be restored stay in any case
    #[arg(long, value_name = "N", default_value_t = 1, value_parser = clap::value_parser!(u32).range(1..))]
    min_keep: u32,
    /// How long every single upload stays, and what is no longer needed for those who read it; nothing younger goes
    #[arg(long, value_name = "DUR", default_value = "24h", value_parser = duration::parse)]
    grace: Duration,
    /// Also delete what is left of generations that have no snapshot
    #[arg(long)]
    orphans: bool,
    /// Say that this generation rightly replaced another database: what was before it may go. Deletes nothing yet
    // Not with `retention`: that may come from the environment.
    #[arg(long, value_name = "GEN", conflicts_with_all = ["keep", "min_keep", "grace", "orphans"])]
    confirm_replacement: Option<String>,
    /// Say what would be deleted, and delete nothing
    #[arg(short = 'n', long)]
    dry_run: bool,
    /// Do not ask
    #[arg(short, long)]
    yes: bool,
}

/// How long, or for ever.
type Retention = Option<Duration>;

impl Args {
    fn policy(&self) -> Policy {
        Policy {
            keep: self.keep.unwrap_or_default(),
            min_keep: self.min_keep as usize,
            grace: self.grace,
            orphans: self.orphans,
            ..Policy::new(self.retention)
        }
    }
}

/// Runs the command.
///
/// # Errors
///
/// Those of the library; something is to be deleted, and nobody has agreed to that.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let source = source(args.source.as_deref(), &context.global)?;
    let replica = context.open(&source.destination).await?;
    if let Some(generation) = &args.confirm_replacement {
        return confirm(context, &source, &replica, generation, &args).await;
    }
    let ui = &context.ui;
    let explain = |error| explained(&source, error, ui);
    let plan = Plan::of(&replica, &args.policy(), SystemClock.now()).await.map_err(explain)?;
    show::plan(ui, &source, &plan);
    if plan.is_empty() || args.dry_run {
        show::ended(ui, &plan, args.dry_run, None);
        return Ok(Exit::Ok);
    }
    if !args.yes {
        let question = show::question(ui, &plan);
        if !agreed(ui, &source, &question, "")? {
            ui.note("nothing was deleted");
            return Ok(Exit::Ok);
        }
    }
    let report = execute(&replica, &plan).await.map_err(explain)?;
    show::ended(ui, &plan, false, Some(&report));
    match report.still_there_objects {
        0 => Ok(Exit::Ok),
        _ => Ok(Exit::Kind(Kind::Failure)),
    }
}

/// Asks on a terminal; elsewhere somebody has to have agreed before.
fn agreed(ui: &Ui, source: &Source, question: &str, flags: &str) -> Result<bool> {
    if !stdin().is_terminal() || !ui.err_is_terminal || ui.mode.json || ui.mode.no_input {
        let message = format!("{question}: nobody is there to be asked");
        let again = format!("waloy prune {}{flags}", source.argument());
        return Err(Error::new(Kind::Usage, "prune.unconfirmed", message)
            .hint(format!("look at what it does:  {again} -n"))
            .hint(format!("then do it:  {again} --yes")));
    }
    ui.problem(format_args!("{question}? [y/N]"));
    let mut answer = String::new();
    stdin()
        .lock()
        .read_line(&mut answer)
        .map_err(|error| Error::new(Kind::Failure, "prune.unconfirmed", "cannot read the answer").because(error))?;
    Ok(matches!(answer.trim().to_ascii_lowercase().as_str(), "y" | "yes"))
}

async fn confirm(context: &Context, source: &Source, replica: &Replica, generation: &str, args: &Args) -> Result<Exit> {
    let ui = &context.ui;
    let explain = |error| explained(source, error, ui);
    let id = resolve_generation(&**replica, generation).await.map_err(|error| source.explain(error, ui))?;
    let found = replacement(replica, id).await.map_err(explain)?;
    if found.confirmed || args.dry_run {
        show::replacement(ui, &found);
        return Ok(Exit::Ok);
    }
    if !args.yes {
        let question = format!("let go of generation {}, the database before it was replaced", found.before.short());
        if !agreed(ui, source, &question, &format!(" --confirm-replacement {generation}"))? {
            ui.note("nothing was confirmed");
            return Ok(Exit::Ok);
        }
    }
    let confirmed = confirm_replacement(replica, id).await.map_err(explain)?;
    show::replacement(ui, &confirmed);
    Ok(Exit::Ok)
}

fn explained(source: &Source, error: retention::Error, ui: &Ui) -> Error {
    match error {
        retention::Error::Restore(error) => source.explain(error, ui),
        error @ retention::Error::Unverified { .. } => {
            let argument = source.argument();
            Error::from(error)
                .hint(format!("see everything that is wrong:  waloy verify {argument} --read-data"))
                .hint(format!("see what can be restored:  waloy generations {argument} --all"))
        }
        error => error.into(),
    }
}
