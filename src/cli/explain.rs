//! What the library says of a replica, in the terms of the command line: names as they were given, local times,
//! commands that can be pasted.

use std::path::Path;

use super::destination::{Origin, Source, quoted};
use super::ui::Ui;
use crate::error::{Error, Kind};
use crate::restore;

impl Source {
    /// The same error, for people who gave this source.
    pub fn explain(&self, error: restore::Error, ui: &Ui) -> Error {
        let (name, argument, code) = (self.name(), self.argument(), error.code());
        let covered = format!("see what is covered:  waloy generations {argument}");
        match &error {
            restore::Error::BeforeAll { asked, earliest, .. } => {
                let (earliest, asked) = (ui.time(*earliest), ui.time(*asked));
                let message = format!("no backup of {name} before {earliest}; you asked for {asked}");
                Error::new(Kind::NotCovered, code, message).hint(covered)
            }
            restore::Error::NoBackup { location } => self.no_backup(&name, location, code),
            restore::Error::TargetExists(path) => {
                let shown = path.display();
                let beside = quoted(&path.with_extension(extension(path)).to_string_lossy());
                let replace = match &self.db {
                    Some(db) if db == path => String::new(),
                    _ => format!(" -o {}", quoted(&path.to_string_lossy())),
                };
                Error::new(Kind::TargetExists, code, error.to_string())
                    .hint(format!("restore beside it:  waloy restore {argument} -o {beside}"))
                    .hint(format!(
                        "or replace it (the old file is kept as {shown}.pre-restore-…):  \
                         waloy restore {argument}{replace} --force"
                    ))
            }
            restore::Error::TargetInUse { path, by } => {
                let stop = match by {
                    Some(process) => format!("stop it first; what it is:  ps -fp {process}"),
                    None => "stop the programs that have it open".into(),
                };
                let beside = quoted(&path.with_extension(extension(path)).to_string_lossy());
                Error::new(Kind::TargetExists, code, error.to_string())
                    .hint(stop)
                    .hint(format!("or restore beside it:  waloy restore {argument} -o {beside}"))
            }
            restore::Error::NoSpace { path, free, needed } => {
                let (needed, free) = (ui.size(*needed), ui.size(*free));
                let message = format!("no room in {}: {needed} are needed, {free} are free", path.display());
                Error::new(Kind::Database, code, message)
                    .hint(format!("restore to another disk:  waloy restore {argument} -o FILE"))
            }
            restore::Error::NoSuchGeneration { .. } => {
                Error::new(Kind::NotCovered, code, error.to_string()).hint(covered)
            }
            restore::Error::AmbiguousGeneration { .. } => {
                Error::new(Kind::Usage, code, error.to_string()).hint(covered)
            }
            _ => error.into(),
        }
    }

    fn no_backup(&self, name: &str, location: &str, code: &'static str) -> Error {
        let message = if name == location {
            format!("no backup at {location}")
        } else {
            format!("no backup of {name} at {location}")
        };
        let error = Error::new(Kind::NoBackup, code, message);
        match self.destination.origin {
            Origin::BuiltIn => {
                error.hint("this is the built-in default, beside the database; give another place with --to")
            }
            Origin::Recorded => error.hint("it was replicated there before; give another place with --to"),
            Origin::Environment(variable) => {
                error.hint(format!("the place comes from {variable}; give another with --to"))
            }
            Origin::CommandLine => error.hint("check bucket, prefix or path; `waloy replicate` makes a backup"),
        }
    }
}

/// `restored.db` for `app.db`.
fn extension(path: &Path) -> String {
    path.extension().map_or("restored".into(), |extension| format!("restored.{}", extension.to_string_lossy()))
}
