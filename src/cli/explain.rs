//! What the library says of a replica, in the terms of the command line: names as they were given, local times,
//! commands that can be pasted.

use super::destination::{Origin, Source};
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
