//! The error of the public surface: what to do next, what failed, why, and what might help.
//!
//! Each module has an enum of its own that says what is wrong with the input in front of it. Here they become one
//! type, whose [`Kind`] tells a caller whether to retry, to configure, to stop, and maps to an exit code one to one.

use std::error::Error as StdError;
use std::fmt;
use std::sync::Arc;

/// What the caller can do about an error.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
#[non_exhaustive]
pub enum Kind {
    /// None of the others.
    Failure,
    /// What was asked for makes no sense: correct the call or the configuration.
    Usage,
    /// Data in the replica is missing, corrupt or unreadable: act, do not retry.
    Damaged,
    /// The data is good, but older than asked for.
    Stale,
    /// Of several databases some failed.
    Partial,
    /// The target of a restore exists or is in use.
    TargetExists,
    /// The time or generation asked for is outside of what exists.
    NotCovered,
    /// The local database or disk: not SQLite, not in WAL mode, locked, full.
    Database,
    /// The store could not be reached: retry later.
    Unavailable,
    /// There is no backup at the source.
    NoBackup,
    /// Another waloy owns this database or generation.
    Locked,
    /// The passphrase or key is wrong or missing.
    BadKey,
    /// Credentials were refused or a permission is missing.
    Denied,
    /// A broken invariant of waloy's own: report it.
    Internal,
}

impl Kind {
    /// The kind with this exit code; [`Kind::Failure`] for a code that none has.
    pub fn from_exit_code(code: u8) -> Kind {
        Kind::ALL.into_iter().find(|kind| kind.exit_code() == code).unwrap_or(Kind::Failure)
    }

    const ALL: [Kind; 14] = [
        Kind::Failure,
        Kind::Usage,
        Kind::Damaged,
        Kind::Stale,
        Kind::Partial,
        Kind::TargetExists,
        Kind::NotCovered,
        Kind::Database,
        Kind::Unavailable,
        Kind::NoBackup,
        Kind::Locked,
        Kind::BadKey,
        Kind::Denied,
        Kind::Internal,
    ];

    /// The exit code of the command line.
    pub const fn exit_code(self) -> u8 {
        match self {
            Kind::Failure => 1,
            Kind::Usage => 2,
            Kind::Damaged => 3,
            Kind::Stale => 4,
            Kind::Partial => 5,
            Kind::TargetExists => 6,
            Kind::NotCovered => 7,
            Kind::Database => 8,
            Kind::Unavailable => 9,
            Kind::NoBackup => 10,
            Kind::Locked => 11,
            Kind::BadKey => 12,
            Kind::Denied => 13,
            Kind::Internal => 70,
        }
    }
}

/// An error of the public surface. `Display` is one line, lower case, with the object of the failure.
///
/// A clone is the same error: one failure may be the answer to several callers.
#[derive(Clone)]
pub struct Error(Box<Inner>);

#[derive(Clone)]
struct Inner {
    kind: Kind,
    code: &'static str,
    message: String,
    hints: Vec<String>,
    source: Option<Arc<dyn StdError + Send + Sync>>,
}

/// The result of a call of the public surface.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of this kind. `code` is stable and dotted (`restore.target_exists`); `message` is one line, lower case.
    pub fn new(kind: Kind, code: &'static str, message: impl Into<String>) -> Error {
        Error(Box::new(Inner { kind, code, message: message.into(), hints: Vec::new(), source: None }))
    }

    /// The same error with a line that a person can act upon.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.0.hints.push(hint.into());
        self
    }

    /// The same error with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        self.0.source = Some(source.into().into());
        self
    }

    /// What the caller can do about it.
    pub fn kind(&self) -> Kind {
        self.0.kind
    }

    /// The stable code, for programs: `restore.target_exists`.
    pub fn code(&self) -> &'static str {
        self.0.code
    }

    /// Lines that a person can act upon.
    pub fn hints(&self) -> &[String] {
        &self.0.hints
    }

    /// The causes, the nearest first, each a line.
    pub fn causes(&self) -> Vec<String> {
        let mut causes = Vec::new();
        let mut next = self.source();
        while let Some(cause) = next {
            let text = cause.to_string();
            if causes.last() != Some(&text) {
                causes.push(text);
            }
            next = cause.source();
        }
        causes
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.message)
    }
}

impl fmt::Debug for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} [{}]", self.0.message, self.0.code)?;
        self.causes().iter().try_for_each(|cause| write!(f, ": {cause}"))
    }
}

impl StdError for Error {
    fn source(&self) -> Option<&(dyn StdError + 'static)> {
        self.0.source.as_deref().map(|source| source as &(dyn StdError + 'static))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_error_carries_its_kind_code_causes_and_hints() {
        let cause = std::io::Error::other("disk on fire");
        let error = Error::new(Kind::Database, "db.io", "cannot read app.db").because(cause).hint("look at the disk");
        assert_eq!(error.kind().exit_code(), 8);
        assert_eq!(error.code(), "db.io");
        assert_eq!(error.to_string(), "cannot read app.db");
        assert_eq!(error.causes(), ["disk on fire"]);
        assert_eq!(error.hints(), ["look at the disk"]);
    }
}
