//! Where the replica is: the first of command line, environment and built-in default that says so.

use std::ffi::OsStr;
use std::fmt;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use super::args::{Global, S3Args};
use crate::db::beside;
use crate::engine::default_state_dir;
use crate::error::{Error, Kind, Result};
use crate::state::{Acknowledged, Reach, SealedNote};
use crate::storage::{Location, Retry, S3Options};

/// Who said where the replica is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The command line.
    CommandLine,
    /// A variable of the environment.
    Environment(&'static str),
    /// Nobody, and this is where the database was replicated to last.
    Recorded,
    /// Nobody: it is beside the database.
    BuiltIn,
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Origin::CommandLine => f.write_str("command line"),
            Origin::Environment(name) => f.write_str(name),
            Origin::Recorded => f.write_str("as before"),
            Origin::BuiltIn => f.write_str("built-in default"),
        }
    }
}

/// Where the replica is, and who said so.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Destination {
    /// Where.
    pub location: Location,
    /// Who said so.
    pub origin: Origin,
    /// How it was reached when the database was replicated there last.
    pub reach: Option<Reach>,
    /// The state beside the database says that this replica is encrypted: one in the clear that is there is not it.
    pub sealed: bool,
}

/// What a command reads from: a replica, and its database if that is known.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Source {
    /// The database, which may be gone.
    pub db: Option<PathBuf>,
    /// The replica.
    pub destination: Destination,
}

impl Source {
    /// How the source is written on a command line, for hints.
    pub fn argument(&self) -> String {
        match &self.db {
            Some(db) if self.destination.origin == Origin::CommandLine => {
                format!("{} --to {}", quoted(&db.to_string_lossy()), quoted(&self.destination.location.to_string()))
            }
            Some(db) => quoted(&db.to_string_lossy()),
            None => match &self.destination.location {
                Location::S3 { .. } => quoted(&self.destination.location.to_string()),
                Location::Directory(path) => format!("--to {}", quoted(&path.to_string_lossy())),
            },
        }
    }

    /// How the source is called in reports: the database as it was given, or the replica.
    pub fn name(&self) -> String {
        match &self.db {
            Some(db) => db.display().to_string(),
            None => self.destination.location.to_string(),
        }
    }
}

/// Reads variables of the environment; empty ones count as unset.
pub fn variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// Whether an argument is a URL and not a path.
pub fn is_url(text: &OsStr) -> bool {
    text.to_str().is_some_and(|text| text.contains("://"))
}

/// Finds the replica of a database.
///
/// # Errors
///
/// What was written is no destination, or there are two.
pub fn resolve(
    db: Option<&Path>,
    url: Option<&str>,
    to: Option<&str>,
    state_dir: Option<&Path>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Destination> {
    let state_dir = match (state_dir, db) {
        (Some(dir), _) => Some(dir.to_owned()),
        (None, db) => db.map(|db| default_state_dir(&followed(db))),
    };
    let destination = |location: Location, origin| {
        let sealed = state_dir.as_deref().is_some_and(|dir| SealedNote::speaks_of(dir, &location.to_string()));
        let is_bucket = matches!(location, Location::S3 { .. });
        let state_dir = state_dir.as_deref().filter(|_| is_bucket);
        let reach = state_dir.and_then(|dir| Reach::read(dir, &location.to_string()));
        Destination { location, origin, reach, sealed }
    };
    let given = |text: &str, origin| {
        Location::check_path(text)?;
        Ok(destination(Location::written(&filled_in(text, db)?)?, origin))
    };
    match (url, to) {
        (Some(url), Some(to)) => {
            let message = format!("two destinations: {url} and --to {to}");
            return Err(Error::new(Kind::Usage, "usage.two_destinations", message).hint("give one of them"));
        }
        (Some(text), None) | (None, Some(text)) => return given(text, Origin::CommandLine),
        (None, None) => {}
    }
    if let Some(text) = variable("WALOY_DEST") {
        return given(&text, Origin::Environment("WALOY_DEST"));
    }
    if let Some(bucket) = variable("WALOY_S3_BUCKET") {
        let prefix = variable("WALOY_S3_PREFIX").unwrap_or_default();
        return given(&format!("s3://{bucket}/{}", prefix.trim_matches('/')), Origin::Environment("WALOY_S3_BUCKET"));
    }
    match db {
        Some(db) => {
            let beside_it = built_in(db)?;
            let noted = state_dir.as_deref().and_then(Acknowledged::read);
            match noted.and_then(|noted| recorded(&noted.destination)) {
                Some(location) if location != beside_it => Ok(destination(location, Origin::Recorded)),
                _ => Ok(destination(beside_it, Origin::BuiltIn)),
            }
        }
        None => Err(Error::new(Kind::Usage, "usage.no_source", "neither a database nor a replica was given")
            .hint("give the path of the database, or the URL of the replica: s3://bucket/prefix")
            .hint("or set WALOY_DEST")),
    }
}

/// Where a replica is if nobody says so: beside the database.
///
/// # Errors
///
/// A path that has no place.
pub fn built_in(db: &Path) -> Result<Location> {
    Ok(Location::directory(beside(&followed(db), ".waloy").join("replica"))?)
}

/// A destination with `{db}` for the name of the database's file and `{hostname}` for that of this machine.
fn filled_in(text: &str, db: Option<&Path>) -> Result<String> {
    let (mut filled, mut rest) = (String::new(), text);
    while let Some((before, name, after)) = placeholder(rest) {
        let value = match (name, db.and_then(Path::file_name)) {
            ("db", Some(file)) => file.to_string_lossy().into_owned(),
            ("db", None) => {
                return Err(Error::new(Kind::Usage, "usage.placeholder", format!("{{db}} in {text}, and no database"))
                    .hint("give the path of the database, or the whole URL of its replica"));
            }
            ("hostname", _) => rustix::system::uname().nodename().to_string_lossy().into_owned(),
            (other, _) => {
                let message = format!("unknown placeholder {{{other}}} in {text}");
                return Err(Error::new(Kind::Usage, "usage.placeholder", message)
                    .hint("known are {db}, the name of the database's file, and {hostname}"));
            }
        };
        filled.push_str(before);
        filled.push_str(&if is_url(OsStr::new(text)) { percent_encoded(&value) } else { value });
        rest = after;
    }
    Ok(filled + rest)
}

/// The first `{word}`: what is before it, the word, what is after it.
fn placeholder(text: &str) -> Option<(&str, &str, &str)> {
    // `${X}` is a variable that was left as it is, and refused as that.
    let begin = text.match_indices('{').map(|(at, _)| at).find(|&at| !text[..at].ends_with('$'))?;
    let (name, after) = text[begin + 1..].split_once('}')?;
    Some((&text[..begin], name, after))
}

/// A name as it stands in a URL.
fn percent_encoded(name: &str) -> String {
    let mut encoded = String::with_capacity(name.len());
    for byte in name.bytes() {
        match byte {
            b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => encoded.push(char::from(byte)),
            _ => encoded.push_str(&format!("%{byte:02X}")),
        }
    }
    encoded
}

/// Finds the replica that a command reads.
///
/// # Errors
///
/// Those of [`resolve`]; a directory where a database is meant.
pub fn source(argument: Option<&OsStr>, global: &Global) -> Result<Source> {
    let url = argument.filter(|text| is_url(text)).and_then(OsStr::to_str);
    let db = argument.filter(|text| !is_url(text)).map(PathBuf::from);
    if let Some(text) = argument.filter(|text| !Path::new(text).exists()).and_then(OsStr::to_str) {
        Location::check_slashes(text)?;
    }
    if let Some(directory) = db.as_deref().filter(|db| db.is_dir()) {
        let shown = directory.display();
        return Err(Error::new(Kind::Usage, "usage.source_is_a_directory", format!("{shown} is a directory"))
            .hint("give the path of the database file")
            .hint(format!("or, if this directory is the replica, --to {}", quoted(&directory.to_string_lossy()))));
    }
    let destination = resolve(db.as_deref(), url, global.to.as_deref(), global.state_dir.as_deref(), variable)?;
    Ok(Source { db, destination })
}

/// What was noted of a location: a URL, or the path of a directory, whatever is in its name.
fn recorded(text: &str) -> Option<Location> {
    if is_url(OsStr::new(text)) { Location::parse(text).ok() } else { Location::directory(text).ok() }
}

/// The file that a path leads to, also when the file itself is gone: its replica lies beside it.
pub fn followed(db: &Path) -> PathBuf {
    if let Ok(path) = db.canonicalize() {
        return path;
    }
    let target = match db.read_link() {
        Ok(target) => db.parent().unwrap_or(Path::new("")).join(target),
        Err(_) => db.to_owned(),
    };
    let parent = target.parent().filter(|parent| !parent.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match (parent.canonicalize(), target.file_name()) {
        (Ok(parent), Some(name)) => parent.join(name),
        _ => std::path::absolute(&target).unwrap_or(target),
    }
}

/// Whether the replica is on the disk that the database is on, so that both are lost together.
pub fn is_same_device(db: &Path, location: &Location) -> bool {
    let Location::Directory(directory) = location else { return false };
    let device = |path: &Path| path.metadata().ok().map(|meta| meta.dev());
    // What does not exist yet will be on the device of the directory it is made in.
    let nearest = |path: &Path| path.ancestors().find_map(device);
    match (nearest(&followed(db)), nearest(directory)) {
        (Some(db), Some(replica)) => db == replica,
        _ => false,
    }
}

/// What a store is opened with: how the bucket is reached, and the rest from flags and environment.
///
/// # Errors
///
/// Half a pair of keys, or a file with a key that cannot be read.
pub fn s3_options(args: &S3Args, reach: Reach, variable: impl Fn(&str) -> Option<String>) -> Result<S3Options> {
    let access_key = secret("WALOY_S3_ACCESS_KEY", &variable)?;
    let secret_key = secret("WALOY_S3_SECRET_KEY", &variable)?;
    if access_key.is_some() != secret_key.is_some() {
        let message = "of WALOY_S3_ACCESS_KEY and WALOY_S3_SECRET_KEY only one is set";
        return Err(Error::new(Kind::Usage, "storage.half_a_key", message)
            .hint("set both, or neither and leave it to the AWS chain: environment, profile, role"));
    }
    Ok(S3Options {
        endpoint: reach.endpoint,
        region: reach.region,
        profile: reach.profile,
        // Left alone it is the default, which depends on the server.
        path_style: reach.path_style.filter(|&path_style| path_style),
        access_key,
        secret_key,
        no_sign_request: reach.no_sign_request,
        ca_bundle: reach.ca_bundle,
        sse: args.sse.clone(),
        storage_class: args.storage_class.clone().filter(|class| !class.is_empty()),
        concurrency: usize::from(args.concurrency),
        bandwidth: args.bwlimit,
        retry: Retry { tries: args.retries, ..Retry::default() },
        ..S3Options::default()
    })
}

/// A variable, or what stands in the file that the variable with `_FILE` names.
fn secret(name: &str, variable: impl Fn(&str) -> Option<String>) -> Result<Option<String>> {
    let file = format!("{name}_FILE");
    match (variable(name), variable(&file)) {
        (Some(_), Some(_)) => {
            Err(Error::new(Kind::Usage, "usage.two_secrets", format!("{name} and {file} are both set"))
                .hint("unset one of them"))
        }
        (Some(value), None) => Ok(Some(value)),
        (None, Some(path)) => match std::fs::read_to_string(&path) {
            Ok(text) => Ok(Some(text.trim_end_matches(['\r', '\n']).to_owned())),
            Err(error) => {
                Err(Error::new(Kind::Usage, "usage.secret_file", format!("cannot read {path}, which {file} names"))
                    .because(error))
            }
        },
        (None, None) => Ok(None),
    }
}

/// A word as a shell takes it for one.
pub fn quoted(word: &str) -> String {
    let plain = !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "/._-:@%+=,".contains(c));
    if plain { word.to_owned() } else { format!("'{}'", word.replace('\'', "'\\''")) }
}

#[cfg(test)]
mod tests;
