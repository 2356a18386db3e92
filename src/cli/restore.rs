//! `waloy restore` and `waloy restore-to-time`

use std::ffi::OsStr;
use std::io::{self, Seek};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::context::Context;
use super::destination::{Source, followed, is_url, quoted, resolve, source, variable};
use super::exit::Exit;
use super::render::parse_time;
use super::ui::Ui;
use crate::clock::{Clock, SystemClock};
use crate::engine::default_state_dir;
use crate::error::{Error, Kind, Result};
use crate::replica::Replica;
use crate::restore::{Existing, Options, Output, Owner, Plan, Point, Restore, Target, resolve_generation};
use crate::state::{Acknowledged, StateDir};
use crate::storage::Location;
use crate::units::SegmentIndex;

mod args;
mod show;
mod trouble;

use args::What;
pub use args::{Args, ToTimeArgs};
use show::{Requested, Show};
use trouble::Trouble;

/// Where the database goes.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Goal {
    File(PathBuf),
    Stdout,
}

/// Runs the command.
///
/// # Errors
///
/// Those of the library, and times that are none.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let ui = &context.ui;
    let what = &args.what;
    let time = match &args.time {
        Some(input) => {
            Some((input.as_str(), parse_time(input, ui).map_err(|error| exchanged(error, input, what, ui))?))
        }
        None => None,
    };
    let state = trouble::state(time, args.generation.as_deref(), what.strict_time, ui);
    let source = sources(what, &state, context)?;
    let goal = goal(what, &source, &state)?;
    let trouble = Trouble { source: &source, ui, state: &state, what };
    let time = time.map(|(input, time)| Requested::time(input, time, what.strict_time)).transpose()?;
    let show = Show { ui, aside: goal == Goal::Stdout };
    if let Goal::File(path) = &goal {
        if what.if_missing && path.symlink_metadata().is_ok() {
            show.skipped("restore.target_exists", &format!("{} exists: nothing to restore", path.display()), path);
            return Ok(Exit::Ok);
        }
        refuse_replicated(context, &trouble, path)?;
    } else if ui.out_is_terminal {
        return Err(Error::new(Kind::Usage, "usage.terminal", "a database is not written to a terminal")
            .hint(trouble.at(&state, " -o - > FILE")));
    }
    let output = output(what, &goal)?;
    let replica = context.open(&source.destination).await?;
    let planned = async {
        let (target, requested) = match (time, &args.generation) {
            (Some((target, requested)), _) => (target, requested),
            (None, Some(input)) => (generation(&replica, input, &trouble).await?, Requested::generation(input)),
            (None, None) => (Target::Latest, Requested::Latest),
        };
        if let Some(anchor) = &what.anchor
            && let Err(error) = anchor.check(&replica).await
        {
            return Err(trouble.explain(&replica, error).await);
        }
        let planned = match &output {
            Some(output) => Restore::prepare(&replica, target, output).await,
            None => Restore::prepare_unnamed(&replica, target, &std::env::temp_dir()).await,
        };
        match planned {
            Ok(planned) => Ok((planned, requested)),
            Err(error) => Err(trouble.explain(&replica, error).await),
        }
    };
    let (planned, requested) = match planned.await {
        // With an anchor there was one.
        Err(error) if what.if_backup_exists && what.anchor.is_none() && error.kind() == Kind::NoBackup => {
            let path = output.as_ref().map_or(Path::new("-"), |output| &output.path);
            show.skipped("restore.no_backup", &format!("{error}: nothing to restore"), path);
            return Ok(Exit::Ok);
        }
        planned => planned?,
    };
    let (target, shown) = (planned.target(), planned.plan().clone());
    warn_if_behind(context, &source, target, &shown);
    let path = output.as_ref().map_or(Path::new("-"), |output| &output.path);
    warn_if_ahead(context, &shown);
    show.begin(&shown, &requested, &trouble);
    if what.dry_run {
        show.plan(&shown, &requested, path);
        return Ok(Exit::Ok);
    }
    let options = Options {
        concurrency: usize::from(context.global.s3.concurrency),
        progress: context.progress(),
        check: what.check.into(),
        state_dir: in_its_place(context, &source, &goal),
        anchor: what.anchor,
        ..Options::default()
    };
    let restored = match &output {
        Some(_) => planned.run(&options).await.map(|report| (report, None)),
        None => planned.run_unnamed(&options).await.map(|(report, file)| (report, Some(file))),
    };
    let (report, file) = match restored {
        Ok(restored) => restored,
        Err(error) => return Err(trouble.explain(&replica, error).await),
    };
    if show.changed(&shown, &report.plan, &trouble) {
        warn_if_behind(context, &source, target, &report.plan);
    }
    if let Some(file) = file {
        stream(file).await?;
    }
    show.restored(&report, &requested, path);
    Ok(Exit::Ok)
}

/// A time that is none, where the source would be one.
fn exchanged(error: Error, input: &str, what: &What, ui: &Ui) -> Error {
    match what.source.as_deref().and_then(OsStr::to_str) {
        Some(source) if parse_time(source, ui).is_ok() => {
            let command = format!("{} {}{}", quoted(source), quoted(input), what.kept() + &what.repeated());
            Error::new(error.kind(), error.code(), error.to_string())
                .hint(format!("the time comes first:  waloy restore-to-time {command}"))
        }
        _ => error,
    }
}

/// What is restored: `DB`, `URL`, or both in either order.
fn sources(what: &What, state: &str, context: &Context) -> Result<Source> {
    let (first, second) = match (&what.source, &what.url) {
        (Some(first), Some(second)) => (first, second),
        (first, _) => return source(first.as_deref(), &context.global),
    };
    let (db, url) = match (is_url(first), is_url(second)) {
        (false, true) => (first, second),
        (true, false) => (second, first),
        (both_urls, _) => {
            let (first, second) = (first.to_string_lossy(), second.to_string_lossy());
            let kind = if both_urls { "URLs" } else { "paths" };
            let error = Error::new(
                Kind::Usage,
                "usage.two_sources",
                format!("{first} and {second} are two {kind}, and one replica is restored"),
            );
            return Err(match both_urls {
                true => error.hint("give one of them"),
                false if Path::new(second.as_ref()).is_dir() => {
                    error.hint(format!("waloy restore {} --to {}{state}", quoted(&first), quoted(&second)))
                }
                false => error.hint(format!("waloy restore {}{state} -o {}", quoted(&first), quoted(&second))),
            });
        }
    };
    let state_dir = context.global.state_dir.as_deref();
    // Checked as any other source would be.
    let db = source(Some(db), &context.global)?.db;
    let destination = resolve(db.as_deref(), url.to_str(), context.global.to.as_deref(), state_dir, variable)?;
    Ok(Source { db, destination })
}

/// Where to restore to if nothing was said: where the database was, or a file that is named as the replica.
fn goal(what: &What, source: &Source, state: &str) -> Result<Goal> {
    if what.output.as_deref() == Some(Path::new("-")) {
        return Ok(Goal::Stdout);
    }
    if let Some(path) = what.output.clone().or_else(|| source.db.clone()) {
        return Ok(Goal::File(path));
    }
    let name = match &source.destination.location {
        Location::S3 { bucket, prefix } => prefix.rsplit('/').next().filter(|name| !name.is_empty()).unwrap_or(bucket),
        Location::Directory(_) => {
            return Err(Error::new(Kind::Usage, "usage.no_output", "where to restore to was not said")
                .hint(format!("waloy restore {}{state} -o FILE", source.argument())));
        }
    };
    Ok(Goal::File(PathBuf::from(name)))
}

/// The file as the library takes it; `None` for standard output.
fn output(what: &What, goal: &Goal) -> Result<Option<Output>> {
    let owner = what.owner.as_deref().map(str::parse::<Owner>).transpose().map_err(|error| {
        Error::new(Kind::Usage, "usage.owner", error.to_string())
            .hint("write USER, USER:GROUP or :GROUP, or their numbers, as in 1000:1000")
    })?;
    let Goal::File(path) = goal else {
        if what.mode.is_some() || owner.is_some() || what.force || what.if_missing {
            let message = "standard output is no file: it has no mode, no owner, and nothing to replace";
            return Err(Error::new(Kind::Usage, "usage.conflict", message)
                .hint("leave --mode, --owner, --force and --if-missing out, or give -o FILE"));
        }
        return Ok(None);
    };
    let existing = match (what.force, what.discard_old) {
        (false, _) => Existing::Refuse,
        (true, false) => Existing::PutAside,
        (true, true) => Existing::Discard,
    };
    Ok(Some(Output { existing, mode: what.mode, owner, ..Output::new(path) }))
}

/// Where the replicator of the database keeps its state, if the database is put back where it was.
fn in_its_place(context: &Context, source: &Source, goal: &Goal) -> Option<PathBuf> {
    let (Some(db), Goal::File(path)) = (&source.db, goal) else { return None };
    let told = context.global.state_dir.clone();
    (db == path).then(|| told.unwrap_or_else(|| default_state_dir(&followed(path))))
}

/// The replicator of a database goes on with the file that it has open, whatever gets its name.
fn refuse_replicated(context: &Context, trouble: &Trouble<'_>, path: &Path) -> Result<()> {
    let (source, force) = (trouble.source, trouble.what.force);
    let told = context.global.state_dir.clone().filter(|_| source.db.as_deref() == Some(path));
    let state_dir = told.unwrap_or_else(|| default_state_dir(&followed(path)));
    match StateDir::owner(&state_dir) {
        // An existing file is refused for what it is.
        Some(owner) if force || path.symlink_metadata().is_err() => {
            let message = format!("{} is being replicated by {owner}", path.display());
            Err(Error::new(Kind::TargetExists, "restore.target_in_use", message)
                .hint(format!("stop it first:  kill {}", owner.pid))
                .hint(format!("or restore beside it:  {}", trouble.beside(path))))
        }
        _ => Ok(()),
    }
}

/// What this machine's replicator was told to be durable is in the replica, or somebody took it away.
fn warn_if_behind(context: &Context, source: &Source, target: Target, plan: &Plan) {
    let (Some(db), Target::Latest) = (&source.db, target) else { return };
    let state_dir = context.global.state_dir.clone().unwrap_or_else(|| default_state_dir(&followed(db)));
    let noted = Acknowledged::read(&state_dir).filter(|noted| {
        let point = Point::from(noted.index.and_then(SegmentIndex::new));
        noted.destination == plan.source && (noted.generation, point) > (plan.generation, plan.point)
    });
    if let Some(noted) = noted {
        let (at, name) = (context.ui.time(noted.at()), source.name());
        context.ui.warn(
            "restore.behind",
            &format!("the replica ends before {at}, up to which {name} was backed up from this machine"),
            &[format!("see what is missing:  waloy verify {}", source.argument())],
        );
    }
}

/// How far two clocks may be apart, in milliseconds.
const AHEAD_MS: i64 = 300_000;

/// A clock that was ahead has given its times to all states since: none of them is found by the time at which it was.
fn warn_if_ahead(context: &Context, plan: &Plan) {
    let later = plan.next_at.filter(|next| next.0.saturating_sub(SystemClock.now().0) > AHEAD_MS);
    if let Some(next) = later {
        let message = format!(
            "the state behind this one is of {}, which is still to come: a clock was ahead, and states of the time asked \
             for may be behind it",
            context.ui.time(next)
        );
        context.ui.warn("restore.times_ahead", &message, &["see what there is:  waloy generations".into()]);
    }
}

/// `G`, `G:37` or `G:snapshot`, where G is `latest`, the beginning of an id, or an id in short.
async fn generation(replica: &Replica, input: &str, trouble: &Trouble<'_>) -> Result<Target> {
    let (id, point) = match input.split_once(':') {
        None => (input, None),
        Some((id, "snapshot")) => (id, Some(Point::Snapshot)),
        Some((id, index)) => {
            let index = index.parse().ok().and_then(SegmentIndex::new).ok_or_else(|| {
                Error::new(Kind::Usage, "usage.generation", format!("`{index}` is not a point of a generation"))
                    .hint("write G, G:INDEX or G:snapshot")
            })?;
            (id, Some(Point::Index(index)))
        }
    };
    match resolve_generation(&**replica, id).await {
        Ok(id) => Ok(Target::Generation(id, point)),
        Err(error) => Err(trouble.explain(replica, error).await),
    }
}

/// Copies a proven database to standard output.
async fn stream(file: Arc<std::fs::File>) -> Result<()> {
    let copying = tokio::task::spawn_blocking(move || -> io::Result<()> {
        let mut file = &*file;
        file.rewind()?;
        let mut stdout = std::fs::File::from(io::stdout().as_fd().try_clone_to_owned()?);
        io::copy(&mut file, &mut stdout).map(drop)
    });
    match copying.await {
        Ok(Ok(())) => Ok(()),
        // A reader that went away has read enough.
        Ok(Err(error)) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        Ok(Err(error)) => {
            Err(Error::new(Kind::Failure, "output.failed", "cannot write to standard output").because(error))
        }
        Err(error) => std::panic::resume_unwind(error.into_panic()),
    }
}
