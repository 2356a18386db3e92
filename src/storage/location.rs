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

mod error;

pub use error::LocationError;

use super::{DirStore, Retry, Retrying, S3Options, S3Store, Store, Trouble};
use crate::error::Error;

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

impl Location {
    /// The location that a URL stands for.
    ///
    /// # Errors
    ///
    /// It is not the URL of something that waloy can write to.
    pub fn parse(url: &str) -> Result<Location, LocationError> {
        let Some((scheme, rest)) = url.split_once("://") else {
            return Err(if begins_like_url(url) { LocationError::Slashes } else { LocationError::NotAUrl }(
                url.to_owned(),
            ));
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
        if let Some(variable) = variable(rest) {
            return Err(LocationError::Variable { variable: variable.to_owned(), url: url.to_owned() });
        }
        if known == "s3" { parse_s3(url, authority, path) } else { parse_file(url, authority, path) }
    }

    /// The location that a person or a script wrote: a URL, or the path of a directory.
    ///
    /// # Errors
    ///
    /// Those of both; a path that begins like a URL.
    pub fn written(text: &str) -> Result<Location, LocationError> {
        Location::check_slashes(text)?;
        if text.contains("://") { Location::parse(text) } else { Location::directory(text) }
    }

    /// Refuses what is meant as a URL and would be taken for a path.
    ///
    /// # Errors
    ///
    /// [`LocationError::Slashes`].
    pub fn check_slashes(text: &str) -> Result<(), LocationError> {
        match !text.contains("://") && begins_like_url(text) {
            true => Err(LocationError::Slashes(text.to_owned())),
            false => Ok(()),
        }
    }

    /// Refuses a path with a variable in it that nobody put the value of there. URLs are refused when they are parsed.
    ///
    /// # Errors
    ///
    /// [`LocationError::Variable`].
    pub fn check_path(text: &str) -> Result<(), LocationError> {
        match variable(text).filter(|_| !text.contains("://")) {
            Some(variable) => Err(LocationError::Variable { variable: variable.to_owned(), url: text.to_owned() }),
            None => Ok(()),
        }
    }

    /// The directory at a path, which need not exist.
    ///
    /// # Errors
    ///
    /// The path is empty or the root, or relative while the current directory is gone.
    pub fn directory(path: impl AsRef<Path>) -> Result<Location, LocationError> {
        let path = path.as_ref();
        if path.as_os_str().is_empty() {
            return Err(LocationError::Empty);
        }
        let absolute = std::path::absolute(path).map_err(|_| LocationError::InvalidPath(path.to_owned()))?;
        let absolute: PathBuf = absolute.components().collect();
        if absolute.parent().is_none() { Err(LocationError::Root) } else { Ok(Location::Directory(absolute)) }
    }

    /// The store at this place, which tries again when a request fails for a moment. No request is sent yet.
    ///
    /// # Errors
    ///
    /// The options make no sense.
    pub async fn open(&self, options: &S3Options) -> Result<Arc<dyn Store>, Error> {
        self.open_telling(options, Trouble::default()).await
    }

    /// The same, and while the store is tried again the reason can be seen there.
    ///
    /// # Errors
    ///
    /// As [`Location::open`].
    pub async fn open_telling(&self, options: &S3Options, trouble: Trouble) -> Result<Arc<dyn Store>, Error> {
        let (store, retry): (Arc<dyn Store>, Retry) = match self {
            Location::S3 { bucket, prefix } => (Arc::new(S3Store::open(bucket, prefix, options).await?), options.retry),
            Location::Directory(path) => (Arc::new(DirStore::new(path)), Retry::default()),
        };
        Ok(Arc::new(Retrying::new(store, retry).telling(trouble)))
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
                    '%' | '?' | '#' | '$' => write!(f, "%{:02X}", u32::from(character)),
                    _ => write!(f, "{character}"),
                })
            }
            Location::Directory(path) => path.display().fmt(f),
        }
    }
}

/// `s3:bucket`, `s3:/bucket`, `file:/path`: the name of a directory only by mistake.
fn begins_like_url(text: &str) -> bool {
    let scheme = text.split_once(':').map(|(scheme, _)| scheme.to_ascii_lowercase());
    scheme.is_some_and(|scheme| ["s3", "file"].contains(&scheme.as_str()))
}

/// The first variable of a shell, of compose files or of Kubernetes in a text: `$X`, `${X}`, `$(X)`.
fn variable(text: &str) -> Option<&str> {
    let begins = |at: usize| {
        let rest = &text[at + 1..];
        rest.starts_with(|c: char| c.is_ascii_alphabetic() || matches!(c, '_' | '{' | '('))
    };
    let start = text.match_indices('$').map(|(at, _)| at).find(|&at| begins(at))?;
    let text = &text[start..];
    let len = match text.as_bytes()[1] {
        b'{' => text.find('}').map_or(text.len(), |end| end + 1),
        b'(' => text.find(')').map_or(text.len(), |end| end + 1),
        _ => 1 + text[1..].find(|c: char| !c.is_ascii_alphanumeric() && c != '_').unwrap_or(text.len() - 1),
    };
    Some(&text[..len])
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
    if path.starts_with("//") || !prefix.is_empty() && prefix.split('/').any(|part| matches!(part, "" | "." | "..")) {
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
    use crate::error::Kind;

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
        assert_eq!(Location::directory(""), Err(LocationError::Empty));
    }

    #[test]
    fn what_is_no_location_is_refused_with_a_code_and_a_hint() {
        for (url, code) in [
            ("app.db", "storage.not_a_url"),
            ("s3:acme/app", "storage.not_a_url"),
            ("S3:/acme/app", "storage.not_a_url"),
            ("file:/var/backups", "storage.not_a_url"),
            ("s3://$BUCKET/app", "storage.unset_variable"),
            ("s3://acme/${APP}/db", "storage.unset_variable"),
            ("s3://acme/$(APP)", "storage.unset_variable"),
            ("file:///$DIR", "storage.unset_variable"),
            ("file:///", "storage.invalid_path"),
            ("https://s3.example/acme", "storage.unknown_scheme"),
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
            ("s3://acme//b", "storage.invalid_prefix"),
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
