//! Where a replica is: what people write, parsed.
//!
//! ```text
//! s3://bucket/some/prefix      a prefix of a bucket; without one, the whole bucket
//! file:///var/backups/app      a directory
//! /var/backups/app             a directory, where the context says that a path is meant
//! ```
//!
//! In URLs `%20` stands for a space, and so on; a `%` is written `%25`. Queries, fragments, users and passwords are
//! refused: nothing in a location is secret, and it is printed everywhere.

use std::fmt;
use std::path::{Component, Path, PathBuf};
use std::str::FromStr;
use std::sync::Arc;

use super::{DirStore, Retry, Retrying, S3Options, S3Store, Store};
use crate::error::{Error, Kind};

/// Where a replica is.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub enum Location {
    /// A prefix of a bucket.
    S3 {
        /// The bucket.
        bucket: String,
        /// The prefix, without `/` at either end; may be empty.
        prefix: String,
    },
    /// A directory, by its absolute path.
    Directory(PathBuf),
}

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
    /// A path that has no place.
    #[error("not the path of a directory: {0:?}")]
    InvalidPath(PathBuf),
}

impl From<LocationError> for Error {
    fn from(error: LocationError) -> Error {
        let (code, hint) = match &error {
            LocationError::NotAUrl(text) => ("storage.not_a_url", format!("a directory is given as `--to {text}`")),
            LocationError::UnknownScheme(_) => {
                ("storage.unknown_scheme", "known are s3://bucket/prefix and file:///absolute/path".into())
            }
            LocationError::NoBucket(_) | LocationError::InvalidBucket(_) => {
                ("storage.invalid_bucket", "a destination in S3 is s3://bucket/prefix".into())
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
            LocationError::InvalidPrefix(_) => ("storage.invalid_prefix", "a prefix is names with one `/` between".into()),
            LocationError::InvalidEncoding(_) => ("storage.invalid_url", "a `%` itself is written %25".into()),
            LocationError::InvalidFileUrl(_) => {
                ("storage.invalid_url", "the URL of a directory is file:///absolute/path, with three slashes".into())
            }
            LocationError::InvalidPath(_) => ("storage.invalid_path", "give the path of a directory".into()),
        };
        Error::new(Kind::Usage, code, error.to_string()).hint(hint)
    }
}

impl Location {
    /// The location that a URL stands for.
    ///
    /// # Errors
    ///
    /// It is not the URL of something that waloy can write to.
    pub fn parse(url: &str) -> Result<Location, LocationError> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(LocationError::NotAUrl(url.to_owned()));
        };
        let known = ["s3", "file"].into_iter().find(|known| scheme.eq_ignore_ascii_case(known));
        let Some(known) = known else {
            return Err(LocationError::UnknownScheme(scheme.to_owned()));
        };
        if let Some(character) = rest.chars().find(|character| matches!(character, '?' | '#')) {
            return Err(LocationError::QueryOrFragment(character));
        }
        let (authority, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
        if authority.contains('@') {
            return Err(LocationError::Credentials);
        }
        if known == "s3" { parse_s3(url, authority, path) } else { parse_file(url, authority, path) }
    }

    /// The directory at a path, which need not exist.
    ///
    /// # Errors
    ///
    /// The path is empty, or relative while the current directory is gone.
    pub fn directory(path: impl AsRef<Path>) -> Result<Location, LocationError> {
        let path = path.as_ref();
        let absolute = std::path::absolute(path).map_err(|_| LocationError::InvalidPath(path.to_owned()))?;
        Ok(Location::Directory(absolute.components().collect()))
    }

    /// The store at this place, which tries again when a request fails for a moment. No request is sent yet.
    ///
    /// # Errors
    ///
    /// The options make no sense.
    pub async fn open(&self, options: &S3Options) -> Result<Arc<dyn Store>, Error> {
        match self {
            Location::S3 { bucket, prefix } => {
                let store = S3Store::open(bucket, prefix, options).await?;
                Ok(Arc::new(Retrying::new(Arc::new(store), options.retry)))
            }
            Location::Directory(path) => Ok(Arc::new(Retrying::new(Arc::new(DirStore::new(path)), Retry::default()))),
        }
    }
}

impl FromStr for Location {
    type Err = LocationError;

    fn from_str(url: &str) -> Result<Location, LocationError> {
        Location::parse(url)
    }
}

/// The URL, or the path of a directory. For S3 it can be parsed again.
impl fmt::Display for Location {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Location::S3 { bucket, prefix } => {
                write!(f, "s3://{bucket}")?;
                if !prefix.is_empty() {
                    f.write_str("/")?;
                }
                prefix.chars().try_for_each(|character| match character {
                    '%' | '?' | '#' => write!(f, "%{:02X}", u32::from(character)),
                    _ => write!(f, "{character}"),
                })
            }
            Location::Directory(path) => path.display().fmt(f),
        }
    }
}

fn parse_s3(url: &str, bucket: &str, path: &str) -> Result<Location, LocationError> {
    if bucket.is_empty() {
        return Err(LocationError::NoBucket(url.to_owned()));
    }
    // Stores other than AWS allow capitals and `_`; none allows what could end the host or begin a port.
    if !bucket.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_')) {
        return Err(LocationError::InvalidBucket(bucket.to_owned()));
    }
    let invalid = || LocationError::InvalidEncoding(url.to_owned());
    let prefix =
        decode_percent(path.trim_matches('/')).and_then(|bytes| String::from_utf8(bytes).ok()).ok_or_else(invalid)?;
    if prefix.chars().any(char::is_control) {
        return Err(invalid());
    }
    if !prefix.is_empty() && prefix.split('/').any(|part| matches!(part, "" | "." | "..")) {
        return Err(LocationError::InvalidPrefix(url.to_owned()));
    }
    Ok(Location::S3 { bucket: bucket.to_owned(), prefix })
}

fn parse_file(url: &str, host: &str, path: &str) -> Result<Location, LocationError> {
    use std::os::unix::ffi::OsStringExt as _;

    if !(host.is_empty() || host == "localhost") || path.is_empty() {
        return Err(LocationError::InvalidFileUrl(url.to_owned()));
    }
    let bytes = decode_percent(path).filter(|bytes| !bytes.contains(&0));
    let bytes = bytes.ok_or_else(|| LocationError::InvalidEncoding(url.to_owned()))?;
    let path = PathBuf::from(std::ffi::OsString::from_vec(bytes));
    if path.components().any(|part| part == Component::ParentDir) {
        return Err(LocationError::InvalidFileUrl(url.to_owned()));
    }
    Location::directory(path)
}

fn decode_percent(text: &str) -> Option<Vec<u8>> {
    let mut bytes = text.bytes();
    let mut decoded = Vec::with_capacity(text.len());
    while let Some(byte) = bytes.next() {
        if byte != b'%' {
            decoded.push(byte);
            continue;
        }
        let mut digit = || char::from(bytes.next()?).to_digit(16);
        let (high, low) = (digit()?, digit()?);
        decoded.push((high * 16 + low) as u8);
    }
    Some(decoded)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn s3(bucket: &str, prefix: &str) -> Location {
        Location::S3 { bucket: bucket.into(), prefix: prefix.into() }
    }

    #[test]
    fn urls_of_buckets_are_read() {
        for (url, location) in [
            ("s3://acme", s3("acme", "")),
            ("s3://acme/", s3("acme", "")),
            ("S3://acme/app.db", s3("acme", "app.db")),
            ("s3://acme/prod/app//", s3("acme", "prod/app")),
            ("s3://acme/a%20b", s3("acme", "a b")),
            ("s3://acme/a b", s3("acme", "a b")),
            ("s3://acme/100%25+%C3%A9", s3("acme", "100%+é")),
            ("s3://My_Bucket.1-x/a", s3("My_Bucket.1-x", "a")),
        ] {
            assert_eq!(Location::parse(url), Ok(location), "{url}");
        }
    }

    #[test]
    fn what_a_location_says_of_itself_is_read_back() {
        for location in [s3("acme", ""), s3("acme", "a/b"), s3("acme", "a %?#+é")] {
            assert_eq!(Location::parse(&location.to_string()), Ok(location));
        }
    }

    #[test]
    fn directories_are_read() {
        let directory = |path: &str| Location::Directory(path.into());
        assert_eq!(Location::parse("file:///var/backups/"), Ok(directory("/var/backups")));
        assert_eq!(Location::parse("file://localhost/a%20b"), Ok(directory("/a b")));
        assert_eq!(Location::directory("/a//b/"), Ok(directory("/a/b")));
        assert!(matches!(Location::directory("a"), Ok(Location::Directory(path)) if path.is_absolute()));
        assert!(Location::directory("").is_err());
    }

    #[test]
    fn what_is_no_location_is_refused_with_a_code_and_a_hint() {
        for (url, code) in [
            ("app.db", "storage.not_a_url"),
            ("s3:acme/app", "storage.not_a_url"),
            ("gs://acme/app", "storage.unknown_scheme"),
            ("://acme", "storage.unknown_scheme"),
            ("s3://", "storage.invalid_bucket"),
            ("s3:///app", "storage.invalid_bucket"),
            ("s3://acme:9000/app", "storage.invalid_bucket"),
            ("s3://key:secret@acme/app", "storage.credentials_in_url"),
            ("s3://acme/app?x=1", "storage.invalid_url"),
            ("s3://acme/app#1", "storage.invalid_url"),
            ("s3://acme/a%2", "storage.invalid_url"),
            ("s3://acme/a%zz", "storage.invalid_url"),
            ("s3://acme/%FF", "storage.invalid_url"),
            ("s3://acme/a%0Ab", "storage.invalid_url"),
            ("s3://acme/a//b", "storage.invalid_prefix"),
            ("s3://acme/../b", "storage.invalid_prefix"),
            ("s3://acme/a/%2E%2E", "storage.invalid_prefix"),
            ("file://host/a", "storage.invalid_url"),
            ("file://", "storage.invalid_url"),
            ("file:///a/../b", "storage.invalid_url"),
            ("file:///a%00b", "storage.invalid_url"),
        ] {
            let error = Error::from(Location::parse(url).expect_err(url));
            assert_eq!((error.code(), error.kind()), (code, Kind::Usage), "{url}");
            assert_eq!(error.hints().len(), 1, "{url}");
            assert!(!error.to_string().contains("secret"), "{error}");
        }
    }
}
