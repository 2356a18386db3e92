//! How the process ends.

use std::process::ExitCode;

use super::signal::Asked;
use crate::error::Kind;

/// How a command ended that has already reported what there was to report.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Exit {
    /// Done.
    Ok,
    /// Not well, for this reason.
    Kind(Kind),
    /// Somebody asked it to.
    Signal(Asked),
    /// As monitoring systems have it: 0 ok, 1 warning, 2 critical, 3 unknown.
    Monitoring(u8),
}

impl Exit {
    /// The number.
    pub fn code(self) -> u8 {
        match self {
            Exit::Ok => 0,
            Exit::Kind(kind) => kind.exit_code(),
            Exit::Signal(asked) => asked.exit_code(),
            Exit::Monitoring(code) => code,
        }
    }

    /// One exit for several sources: what must not be overlooked first; else partial, if any is well; else the first
    /// of a fixed order.
    pub fn of_several(exits: &[Exit]) -> Exit {
        const NOT_OVERLOOKED: [Kind; 4] = [Kind::Internal, Kind::Damaged, Kind::BadKey, Kind::Denied];
        const ORDER: [Kind; 8] = [
            Kind::Locked,
            Kind::Unavailable,
            Kind::Database,
            Kind::NoBackup,
            Kind::NotCovered,
            Kind::TargetExists,
            Kind::Stale,
            Kind::Failure,
        ];
        if let [only] = exits {
            return *only;
        }
        let first_of = |kinds: &[Kind]| kinds.iter().map(|kind| Exit::Kind(*kind)).find(|exit| exits.contains(exit));
        if let Some(exit) = first_of(&NOT_OVERLOOKED) {
            return exit;
        }
        match exits.iter().filter(|exit| **exit == Exit::Ok).count() {
            well if well == exits.len() => Exit::Ok,
            0 => first_of(&ORDER).or(exits.first().copied()).unwrap_or(Exit::Ok),
            _ => Exit::Kind(Kind::Partial),
        }
    }
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> ExitCode {
        ExitCode::from(exit.code())
    }
}

/// The table at the end of every long help text.
pub const HELP: &str = "Exit codes:
    0  done; for replicate: stopped cleanly, and everything is durable
    1  failure of another kind
    2  usage: bad flags, impossible time
    3  damaged: data in the replica is missing or corrupt
    4  stale: the data is good, but older than --max-age
    5  partial: of several sources some failed
    6  the target of a restore exists or is in use
    7  the time or generation asked for is not covered
    8  the database: not SQLite, not in WAL mode, locked, disk full
    9  the storage cannot be reached: retry later
   10  there is no backup at the source
   11  another waloy owns this database
   12  wrong or missing key
   13  access denied
   70  internal error: report it
  130  interrupted by Ctrl-C (143: by SIGTERM)";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_exits_become_one() {
        let kind = Exit::Kind;
        for (exits, expected) in [
            (vec![Exit::Ok], Exit::Ok),
            (vec![kind(Kind::Stale)], kind(Kind::Stale)),
            (vec![Exit::Ok, Exit::Ok], Exit::Ok),
            (vec![Exit::Ok, kind(Kind::Stale)], kind(Kind::Partial)),
            (vec![Exit::Ok, kind(Kind::Damaged)], kind(Kind::Damaged)),
            (vec![kind(Kind::Denied), kind(Kind::Internal)], kind(Kind::Internal)),
            (vec![kind(Kind::Stale), kind(Kind::NoBackup)], kind(Kind::NoBackup)),
            (vec![kind(Kind::Usage), kind(Kind::Usage)], kind(Kind::Usage)),
        ] {
            assert_eq!(Exit::of_several(&exits), expected, "{exits:?}");
        }
    }

    #[test]
    fn the_help_lists_every_code() {
        for code in [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 70, 130] {
            assert!(HELP.lines().any(|line| line.trim_start().starts_with(&format!("{code} "))), "{code}");
        }
    }
}
