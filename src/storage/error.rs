//! What can go wrong with a store.

use std::error::Error as StdError;

use crate::error::{Error as PublicError, Kind};

/// Why an operation failed, as far as it matters for what to do next.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no such object.
    NotFound,
    /// Credentials were refused, or a permission is missing.
    Denied,
    /// There is no such bucket, or a refusal that cannot be told from it.
    NoBucket,
    /// Not reachable, overloaded, timed out: trying again may help.
    Unavailable,
    /// The server's certificate is not trusted, or it does not speak TLS as it should: it stays so until somebody acts.
    Untrusted,
    /// The object is larger than the caller allows.
    TooLarge,
    /// The object itself ends before the range asked for. An answer that breaks off is [`ErrorKind::Unavailable`].
    Truncated,
    /// The local disk is full, read-only, or fails.
    Local,
    /// Anything else; trying again is not known to help.
    Other,
}

/// What is known of an error beyond its kind.
#[derive(Debug, Default)]
struct Advice {
    /// A code that says more: `storage.no_credentials`.
    code: Option<&'static str>,
    /// What might help.
    hints: Vec<String>,
}

/// An operation of a store failed. `Display` names operation and object; causes are in `source`.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {object}: {message}")]
pub struct Error {
    /// What to do about it.
    pub kind: ErrorKind,
    /// What was tried: `read`, `write`, `list`, `delete`.
    pub operation: &'static str,
    /// The object or prefix, with the store's location: `s3://bucket/prefix/key`.
    pub object: String,
    /// What happened, in a few words: `access denied`.
    pub message: String,
    /// What is known beyond the kind; apart, so that the error stays small.
    advice: Option<Box<Advice>>,
    /// Why: status, code and request id of S3, or the system's error.
    pub source: Option<Box<dyn StdError + Send + Sync>>,
}

impl Error {
    /// An error without a cause.
    pub fn new(
        kind: ErrorKind,
        operation: &'static str,
        object: impl Into<String>,
        message: impl Into<String>,
    ) -> Error {
        Error { kind, operation, object: object.into(), message: message.into(), advice: None, source: None }
    }

    /// The same with a code of its own.
    #[must_use]
    pub fn coded(mut self, code: &'static str) -> Error {
        self.advice.get_or_insert_default().code = Some(code);
        self
    }

    /// The same with a line that a person can act upon.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<String>) -> Error {
        self.advice.get_or_insert_default().hints.push(hint.into());
        self
    }

    /// The same with its cause.
    #[must_use]
    pub fn because(mut self, source: impl Into<Box<dyn StdError + Send + Sync>>) -> Error {
        self.source = Some(source.into());
        self
    }

    /// There is no such object; everything else is as it should be.
    pub fn is_not_found(&self) -> bool {
        self.kind == ErrorKind::NotFound
    }

    /// The same call may succeed later: in a moment, or once somebody has given new credentials, or the bucket back.
    pub fn may_pass(&self) -> bool {
        matches!(self.kind, ErrorKind::Unavailable | ErrorKind::Denied | ErrorKind::NoBucket)
    }

    /// The same call may succeed a moment later.
    pub fn is_transient(&self) -> bool {
        self.kind == ErrorKind::Unavailable
    }
}

/// What might help where nothing more is known than the kind.
fn hint(kind: ErrorKind) -> Option<&'static str> {
    match kind {
        ErrorKind::Denied => Some("what it needs: to get, put, list and delete objects of this prefix"),
        ErrorKind::NoBucket => Some("buckets are not made by waloy: create it, or correct the URL"),
        _ => None,
    }
}

impl From<Error> for PublicError {
    fn from(error: Error) -> PublicError {
        let (kind, code) = match error.kind {
            ErrorKind::NotFound => (Kind::Damaged, "object.missing"),
            ErrorKind::Denied => (Kind::Denied, "storage.denied"),
            ErrorKind::NoBucket => (Kind::Usage, "storage.no_such_bucket"),
            ErrorKind::Unavailable => (Kind::Unavailable, "storage.unavailable"),
            ErrorKind::Untrusted => (Kind::Unavailable, "storage.tls"),
            ErrorKind::TooLarge => (Kind::Damaged, "object.too_large"),
            ErrorKind::Truncated => (Kind::Damaged, "object.truncated"),
            ErrorKind::Local => (Kind::Database, "storage.local"),
            ErrorKind::Other => (Kind::Failure, "storage.failed"),
        };
        let advice = error.advice.as_deref();
        let hints = advice.map(|advice| advice.hints.as_slice()).unwrap_or_default();
        let public = PublicError::new(kind, advice.and_then(|advice| advice.code).unwrap_or(code), error.to_string());
        let public = match hints.is_empty() {
            true => hint(error.kind).into_iter().fold(public, PublicError::hint),
            false => hints.iter().fold(public, PublicError::hint),
        };
        match error.source {
            Some(source) => public.because(source),
            None => public,
        }
    }
}
