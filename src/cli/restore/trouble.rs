//! What to do about a restore that failed, as commands that can be pasted.

use std::path::Path;

use super::args::What;
use crate::cli::destination::{Source, quoted};
use crate::cli::ui::Ui;
use crate::clock::{Clock, SystemClock};
use crate::config::time::{self, Time};
use crate::error::{Error, Kind};
use crate::ids::GenerationId;
use crate::replica::Replica;
use crate::restore::{self, Absence, Point, Survivor, survivor};
use crate::units::Timestamp;

/// Explains errors to who gave this source and these options.
pub(super) struct Trouble<'a> {
    pub(super) source: &'a Source,
    pub(super) ui: &'a Ui,
    /// The options of this call that say which state: ` --time …`, ` --generation …`.
    pub(super) state: &'a str,
    /// What this call was given.
    pub(super) what: &'a What,
}

impl Trouble<'_> {
    /// The error of the command line for an error of the library; for damage, with what can still be restored.
    pub(super) async fn explain(&self, replica: &Replica, error: restore::Error) -> Error {
        match &error {
            restore::Error::Merged { generation, before, .. } => {
                let command = self.command(*generation, *before);
                Error::new(Kind::NotCovered, error.code(), error.to_string())
                    .hint(format!("the point before it:  {command}"))
            }
            restore::Error::Beyond { generation, last, .. } => {
                let command = self.command(*generation, *last);
                Error::new(Kind::NotCovered, error.code(), error.to_string())
                    .hint(format!("its last point:  {command}"))
            }
            restore::Error::BeforeAll { earliest, .. } => {
                let state = format!(" --time {}", earliest.rfc3339());
                let command = self.at(&state, &self.what.repeated());
                self.source.explain(error, self.ui).hint(format!("the first moment that is covered:  {command}"))
            }
            restore::Error::InGap { asked, around, .. } => {
                let restore::Around { gap, before, after } = &**around;
                let (asked, from, to) = (self.ui.time(*asked), self.ui.time(gap.from), self.ui.time(gap.to));
                let why = match gap.why {
                    Absence::Outage => "the store was out of reach",
                    Absence::Deleted => "retention let go of what was there",
                    _ => "no replicator ran",
                };
                let message = format!("no state of {} at {asked}: {why} from {from} to {to}", self.source.name());
                let command = self.command(before.generation, before.point);
                Error::new(Kind::NotCovered, error.code(), message)
                    .hint(format!("the last state before it, of {}:  {command}", self.ui.time(before.at)))
                    .hint(self.first_after(*after))
            }
            restore::Error::TargetExists(path) => {
                let replace = match &self.source.db {
                    Some(db) if db == path => String::new(),
                    _ => format!(" -o {}", quoted(&path.to_string_lossy())),
                };
                let replace = self.at(self.state, &format!("{replace} --force"));
                Error::new(Kind::TargetExists, error.code(), error.to_string())
                    .hint(format!("restore beside it:  {}", self.beside(path)))
                    .hint(format!(
                        "or replace it (the old file is kept as {}.pre-restore-…):  {replace}",
                        path.display()
                    ))
            }
            restore::Error::TargetInUse { path, by } => {
                let stop = match by {
                    Some(process) => format!("stop it first; what it is:  ps -fp {process}"),
                    None => "stop the programs that have it open".into(),
                };
                Error::new(Kind::TargetExists, error.code(), error.to_string())
                    .hint(stop)
                    .hint(format!("or restore beside it:  {}", self.beside(path)))
            }
            restore::Error::NoSpace { path, free, needed } => {
                let (needed, free) = (self.ui.size(*needed), self.ui.size(*free));
                let message = format!("no room in {}: {needed} are needed, {free} are free", path.display());
                Error::new(Kind::Database, error.code(), message)
                    .hint(format!("restore to another disk:  {}", self.at(self.state, " -o FILE")))
            }
            _ if error.is_damage() => self.damage(replica, error).await,
            _ => self.source.explain(error, self.ui),
        }
    }

    /// How to restore the first state behind a gap.
    pub(super) fn first_after(&self, state: Survivor) -> String {
        let command = self.command(state.generation, state.point);
        format!("the first state after it, of {}:  {command}", self.ui.time(state.at))
    }

    async fn damage(&self, replica: &Replica, error: restore::Error) -> Error {
        let survivor = survivor(replica, &error).await;
        let about = error.about();
        let public = match error {
            restore::Error::Replica(error) => Error::from(error),
            error => Error::from(error),
        };
        let argument = self.source.argument();
        let public = match (survivor, about) {
            (Ok(Some(state)), _) => {
                let command = self.command(state.generation, state.point);
                public.hint(format!("the last good state before it, of {}:  {command}", self.ui.time(state.at)))
            }
            (Ok(None), Some(_)) => {
                public.hint(format!("nothing before it can be restored; see what can:  waloy generations {argument}"))
            }
            (Ok(None), None) => public.hint(format!("see what can be restored:  waloy generations {argument}")),
            (Err(_), _) => public,
        };
        public.hint(self.see())
    }

    /// How to see everything that is wrong with the replica.
    pub(super) fn see(&self) -> String {
        format!("see everything that is wrong:  waloy verify {} --read-data", self.source.argument())
    }

    fn command(&self, generation: GenerationId, point: Point) -> String {
        self.at(&format!(" --generation {generation}:{point}"), &self.what.repeated())
    }

    /// The command that restores what was asked for, beside this file.
    pub(super) fn beside(&self, path: &Path) -> String {
        self.at(self.state, &format!(" -o {}", beside(path)))
    }

    /// The command that restores this state to this place.
    pub(super) fn at(&self, state: &str, place: &str) -> String {
        format!("waloy restore {}{state}{}{place}", self.source.argument(), self.what.kept())
    }
}

/// The option that asks for the same state again, whenever that is: what is told from now on is told as the moment that
/// it was.
pub(super) fn state(time: Option<(&str, Time)>, generation: Option<&str>, strict: bool, ui: &Ui) -> String {
    match (time, generation) {
        (Some((input, Time::At(at))), _) => {
            let same = !ui.mode.utc && is_absolute(input, at);
            let moment = if same { quoted(input) } else { at.rfc3339() };
            format!(" --time {moment}{}", if strict { " --strict-time" } else { "" })
        }
        (_, Some(generation)) => format!(" --generation {}", quoted(generation)),
        _ => String::new(),
    }
}

/// Read on another day, it is the same moment.
fn is_absolute(input: &str, at: Timestamp) -> bool {
    let later = Timestamp(SystemClock.now().0 + 36 * 3_600_000);
    time::parse(input, later, &chrono::Local) == Ok(Time::At(at))
}

/// `app.restored.db` for `app.db`, as a word of a command.
fn beside(path: &Path) -> String {
    let extension = path.extension().map_or("restored".into(), |ext| format!("restored.{}", ext.to_string_lossy()));
    quoted(&path.with_extension(extension).to_string_lossy())
}
