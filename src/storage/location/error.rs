//! Why a text is no location, and what was perhaps meant.

use std::path::PathBuf;

use crate::error::{Error, Kind};

/// The text is no location.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LocationError {
    /// There is no `scheme://`.
    #[error("not a URL: {0}")]
    NotAUrl(String),
    /// A scheme that no store has.
    #[error("unknown scheme `{0}` in a destination")]
    UnknownScheme(String),
    /// A scheme with too few slashes: it is not the name of a directory.
    #[error("{0} is not a URL")]
    Slashes(String),
    /// A variable that nobody put a value in the place of.
    #[error("the variable {variable} has no value in {url}")]
    Variable {
        /// The variable as it is written.
        variable: String,
        /// The whole.
        url: String,
    },
    /// No bucket.
    #[error("no bucket in {0}")]
    NoBucket(String),
    /// A bucket that cannot be one.
    #[error("not the name of a bucket: {0}")]
    InvalidBucket(String),
    /// A user, a password or a key where everybody reads it.
    #[error("credentials in a destination URL are refused")]
    Credentials,
    /// `?` or `#`.
    #[error("`{0}` in a destination URL is refused")]
    QueryOrFragment(char),
    /// An empty part, `.` or `..`.
    #[error("the prefix of {0} has an empty part, `.` or `..`")]
    InvalidPrefix(String),
    /// `%` without two hexadecimal digits, or what they stand for is not text.
    #[error("not percent-encoded text: {0}")]
    InvalidEncoding(String),
    /// `file://` with a host, or without an absolute path.
    #[error("not the URL of a directory on this machine: {0}")]
    InvalidFileUrl(String),
    /// Nothing.
    #[error("the destination is empty")]
    Empty,
    /// The root of the file system.
    #[error("the root directory is no place for a replica")]
    Root,
    /// A path that has no place.
    #[error("not the path of a directory: {}", .0.display())]
    InvalidPath(PathBuf),
}

/// What people meant who wrote a part of a URL from a variable that had no value.
const UNSET: &str = "is a variable empty or not set?";

impl From<LocationError> for Error {
    fn from(error: LocationError) -> Error {
        let (code, hint) = match &error {
            LocationError::Slashes(text) => ("storage.not_a_url", slashes_hint(text)),
            LocationError::Variable { .. } => (
                "storage.unset_variable",
                "whoever starts waloy has to put its value there: a shell does so in double quotes, not in single ones; \
                 a `$` itself is written %24 in a URL"
                    .into(),
            ),
            LocationError::Empty => ("storage.invalid_path", UNSET.into()),
            LocationError::Root => ("storage.invalid_path", UNSET.into()),
            LocationError::NotAUrl(text) => ("storage.not_a_url", format!("a directory is given as `--to {text}`")),
            LocationError::UnknownScheme(scheme) if scheme.starts_with("http") => (
                "storage.unknown_scheme",
                "a bucket is s3://bucket/prefix, and its server is given with --endpoint".into(),
            ),
            LocationError::UnknownScheme(_) => {
                ("storage.unknown_scheme", "known are s3://bucket/prefix and file:///absolute/path".into())
            }
            LocationError::NoBucket(_) => {
                ("storage.invalid_bucket", format!("a destination in S3 is s3://bucket/prefix; {UNSET}"))
            }
            LocationError::InvalidBucket(_) => {
                ("storage.invalid_bucket", "a destination in S3 is s3://bucket/prefix; a server is named by --endpoint".into())
            }
            LocationError::Credentials => (
                "storage.credentials_in_url",
                "credentials come from the AWS chain: environment, profile, role; the server's address from `--endpoint`"
                    .into(),
            ),
            LocationError::QueryOrFragment(character) => (
                "storage.invalid_url",
                format!("as part of a prefix it is written %{:02X}", u32::from(*character)),
            ),
            LocationError::InvalidPrefix(_) => {
                ("storage.invalid_prefix", format!("a prefix is names with one `/` between; {UNSET}"))
            }
            LocationError::InvalidEncoding(_) => ("storage.invalid_url", "a `%` itself is written %25".into()),
            LocationError::InvalidFileUrl(_) => {
                ("storage.invalid_url", "the URL of a directory is file:///absolute/path, with three slashes".into())
            }
            LocationError::InvalidPath(_) => ("storage.invalid_path", "give the path of a directory".into()),
        };
        Error::new(Kind::Usage, code, error.to_string()).hint(hint)
    }
}

fn slashes_hint(text: &str) -> String {
    let rest = text.split_once(':').map_or("", |(_, rest)| rest).trim_start_matches('/');
    match text.as_bytes().first() {
        Some(b's' | b'S') => format!("write s3://{rest}"),
        _ => format!("write file:///{rest}"),
    }
}
