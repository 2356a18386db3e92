//! The databases of a command, and where each of them goes.

use std::collections::HashMap;
use std::ffi::{OsStr, OsString};
use std::path::{Path, PathBuf};

use super::args::Global;
use super::destination::{Destination, Origin, built_in, followed, is_url, quoted, resolve, variable};
use crate::engine::{Options, default_state_dir};
use crate::error::{Error, Kind, Result};
use crate::storage::Location;

/// Databases, and a destination.
#[derive(Clone, Debug, clap::Args)]
pub struct Databases {
    /// A database, or DB=URL with a destination of its own; a URL alone is the destination. A directory as destination
    /// is given with --to
    #[arg(value_name = "DB [URL]", required = true, value_hint = clap::ValueHint::AnyPath)]
    words: Vec<OsString>,
}

/// A database, and where it goes.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Database {
    /// The path as it was given.
    pub path: PathBuf,
    /// Where its replica is.
    pub destination: Destination,
    /// Where its local state is.
    pub state_dir: PathBuf,
}

/// What a word of the command line stands for.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Word {
    Url(String),
    Database(PathBuf),
    Pair(PathBuf, String),
}

impl Word {
    /// A pair is split at the last `=` that a scheme follows, since paths may have one.
    fn of(word: &OsStr) -> Word {
        let Some(text) = word.to_str().filter(|_| is_url(word)) else { return Word::Database(word.into()) };
        let scheme = |url: &str| {
            url.split_once("://").is_some_and(|(scheme, _)| {
                scheme.starts_with(|c: char| c.is_ascii_alphabetic())
                    && scheme.chars().all(|c| c.is_ascii_alphanumeric() || "+-.".contains(c))
            })
        };
        let split = text.rmatch_indices('=').find(|&(at, _)| scheme(&text[at + 1..]));
        match split {
            Some((at, _)) if !scheme(text) => Word::Pair(text[..at].into(), text[at + 1..].to_owned()),
            _ => Word::Url(text.to_owned()),
        }
    }
}

impl Databases {
    /// The databases in the order in which they were given, each with its destination.
    ///
    /// # Errors
    ///
    /// No database, two destinations for one, one destination for two.
    pub fn resolve(&self, global: &Global) -> Result<Vec<Database>> {
        plan(&self.words, global.to.as_deref(), global.state_dir.as_deref(), variable)
    }
}

fn plan(
    words: &[OsString],
    to: Option<&str>,
    state_dir: Option<&Path>,
    variable: impl Fn(&str) -> Option<String>,
) -> Result<Vec<Database>> {
    let (mut shared, mut given) = (None::<String>, Vec::new());
    for word in words {
        match Word::of(word) {
            Word::Url(url) => match &shared {
                Some(first) => return Err(two_destinations(first, &url)),
                None => shared = Some(url),
            },
            Word::Database(path) => given.push((path, None)),
            Word::Pair(path, url) => given.push((path, Some(url))),
        }
    }
    if given.is_empty() {
        let url = shared.unwrap_or_default();
        let message = format!("{url} is a URL, and no database was given");
        return Err(
            Error::new(Kind::Usage, "usage.no_database", message).hint(format!("waloy replicate DB {}", quoted(&url)))
        );
    }
    let several = given.len() > 1;
    if let (Some(dir), true) = (state_dir, several) {
        let message = format!("one state directory, {}, for several databases", dir.display());
        return Err(Error::new(Kind::Usage, "usage.one_state_dir", message)
            .hint("leave --state-dir and WALOY_STATE_DIR away: each database keeps its state beside itself"));
    }
    let (mut databases, mut files) = (Vec::<Database>::new(), HashMap::<PathBuf, PathBuf>::new());
    for (path, own) in given {
        if let Some(text) = path.to_str().filter(|_| !path.exists()) {
            Location::check_slashes(text)?;
            if own.is_none() {
                require_no_folder(text)?;
            }
        }
        // What was written for one database is not meant for the others.
        let (url, to) = match &own {
            Some(own) => (Some(own.as_str()), None),
            None => (shared.as_deref(), to),
        };
        let destination = resolve(Some(&path), url, to, state_dir, &variable)?;
        let state_dir = state_dir.map_or_else(|| default_state_dir(&followed(&path)), Path::to_owned);
        let database = Database { path, destination, state_dir };
        if let Some(other) = files.insert(followed(&database.path), database.path.clone()) {
            let (first, second) = (other.display(), database.path.display());
            let message = format!("{first} and {second} are the same file");
            return Err(Error::new(Kind::Usage, "usage.same_database", message).hint("give each database once"));
        }
        for other in &databases {
            require_apart(other, &database)?;
        }
        databases.push(database);
    }
    Ok(databases)
}

/// A folder has no scheme by itself, and the whole would be taken for the path of a database that is not there.
fn require_no_folder(text: &str) -> Result<()> {
    let mut pairs = text.match_indices('=').map(|(at, _)| (&text[..at], &text[at + 1..]));
    let Some((database, folder)) = pairs.find(|(database, _)| Path::new(database).is_file()) else { return Ok(()) };
    Location::check_slashes(folder)?;
    let message = format!("{text} does not exist, and {database} does: a folder as its destination needs a scheme");
    let (pair, alone) = (quoted(&format!("{database}=file:///path")), quoted(database));
    Err(Error::new(Kind::Usage, "usage.folder", message)
        .hint(format!("write {pair}, with the whole path of the folder"))
        .hint(format!("or, for one database, {alone} --to {}", quoted(folder))))
}

fn two_destinations(first: &str, second: &str) -> Error {
    Error::new(Kind::Usage, "usage.two_destinations", format!("two destinations: {first} and {second}"))
        .hint("give one of them, or each database its own: waloy replicate a.db=URL b.db=URL")
}

fn require_apart(one: &Database, other: &Database) -> Result<()> {
    let (here, there) = (&one.destination.location, &other.destination.location);
    if !meet(here, there) {
        return Ok(());
    }
    let (first, second) = (one.path.display(), other.path.display());
    let message = match here == there {
        true => format!("{first} and {second} would meet at {here}"),
        false => format!("{first} and {second} would meet: {here} and {there} are one within the other"),
    };
    let mut error = Error::new(Kind::Usage, "usage.destinations_meet", message);
    if here == there {
        let origin = match one.destination.origin {
            Origin::Environment(name) => format!(" in {name}"),
            _ => String::new(),
        };
        error = error.hint(format!("write {{db}} where the name of each belongs{origin}: s3://bucket/prefix/{{db}}"));
    }
    Err(error.hint("or give each its own: waloy replicate a.db=s3://bucket/a b.db=s3://bucket/b"))
}

/// Whether two replicas would be in each other's way.
fn meet(one: &Location, other: &Location) -> bool {
    match (one, other) {
        (Location::S3 { bucket: a, prefix: b }, Location::S3 { bucket: c, prefix: d }) => {
            a == c && (Path::new(b).starts_with(d) || Path::new(d).starts_with(b))
        }
        (Location::Directory(a), Location::Directory(b)) => a.starts_with(b) || b.starts_with(a),
        _ => false,
    }
}

impl Database {
    /// How this database is replicated unless flags say otherwise.
    ///
    /// A replica beside the database is what one begins with, and may be left for a better place.
    pub fn options(&self, global: &Global) -> Options {
        let asked = !matches!(self.destination.origin, Origin::BuiltIn | Origin::Recorded);
        Options {
            state_dir: Some(self.state_dir.clone()),
            allow_other_user: global.allow_other_user,
            may_leave: built_in(&self.path).ok().filter(|_| asked).map(|location| location.to_string()),
            ..Options::new(&self.path)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn planned(words: &[&str], to: Option<&str>, dest: Option<&str>) -> Result<Vec<(String, String)>> {
        let words: Vec<OsString> = words.iter().map(OsString::from).collect();
        let env = |name: &str| dest.filter(|_| name == "WALOY_DEST").map(str::to_owned);
        let planned = plan(&words, to, None, env)?;
        let shown = |one: Database| (one.path.display().to_string(), one.destination.location.to_string());
        Ok(planned.into_iter().map(shown).collect())
    }

    #[test]
    fn a_word_is_a_database_or_a_url_or_both() {
        for (word, expected) in [
            ("app.db", Word::Database("app.db".into())),
            ("a=b.db", Word::Database("a=b.db".into())),
            ("s3://b/x", Word::Url("s3://b/x".into())),
            ("s3://b/k=v", Word::Url("s3://b/k=v".into())),
            ("a.db=s3://b/x", Word::Pair("a.db".into(), "s3://b/x".into())),
            ("/k=v/a.db=s3://b/x", Word::Pair("/k=v/a.db".into(), "s3://b/x".into())),
            ("a.db=s3://b/k=v", Word::Pair("a.db".into(), "s3://b/k=v".into())),
            ("a.db=file:///mnt/x", Word::Pair("a.db".into(), "file:///mnt/x".into())),
        ] {
            assert_eq!(Word::of(OsStr::new(word)), expected, "{word}");
        }
    }

    #[test]
    fn each_database_goes_to_its_own_place() {
        let pair = |path: &str, place: &str| (path.to_owned(), place.to_owned());
        for (words, to, dest, expected) in [
            (vec!["a.db", "s3://b/x"], None, None, vec![pair("a.db", "s3://b/x")]),
            (vec!["s3://b/x", "a.db"], None, Some("s3://other"), vec![pair("a.db", "s3://b/x")]),
            (vec!["d/a.db", "s3://b/{db}"], None, None, vec![pair("d/a.db", "s3://b/a.db")]),
            (
                vec!["a.db", "b.db", "s3://b/{db}"],
                None,
                None,
                vec![pair("a.db", "s3://b/a.db"), pair("b.db", "s3://b/b.db")],
            ),
            (vec!["a.db", "b.db"], Some("/r/{db}"), None, vec![pair("a.db", "/r/a.db"), pair("b.db", "/r/b.db")]),
            (
                vec!["a.db", "b.db"],
                None,
                Some("s3://b/p/{db}"),
                vec![pair("a.db", "s3://b/p/a.db"), pair("b.db", "s3://b/p/b.db")],
            ),
            (
                vec!["a.db=s3://b/1", "b.db", "s3://b/2"],
                None,
                None,
                vec![pair("a.db", "s3://b/1"), pair("b.db", "s3://b/2")],
            ),
            (vec!["per cent%.db", "s3://b/{db}"], None, None, vec![pair("per cent%.db", "s3://b/per cent%25.db")]),
        ] {
            assert_eq!(planned(&words, to, dest).unwrap(), expected, "{words:?}");
        }
    }

    #[test]
    fn what_would_meet_is_refused() {
        for (words, to, dest, code) in [
            (vec!["s3://b/x"], None, None, "usage.no_database"),
            (vec!["a.db", "s3://b/x", "s3://b/y"], None, None, "usage.two_destinations"),
            (vec!["a.db", "s3://b/x"], Some("/r"), None, "usage.two_destinations"),
            (vec!["a.db", "b.db", "s3://b/x"], None, None, "usage.destinations_meet"),
            (vec!["a.db", "b.db"], None, Some("s3://b/x"), "usage.destinations_meet"),
            (vec!["a.db=s3://b/x", "b.db=s3://b/x/y"], None, None, "usage.destinations_meet"),
            (vec!["a.db=s3://b", "b.db=s3://b/y"], None, None, "usage.destinations_meet"),
            (vec!["a.db=file:///r", "b.db=file:///r/y"], None, None, "usage.destinations_meet"),
            (vec!["1/a.db", "2/a.db", "s3://b/{db}"], None, None, "usage.destinations_meet"),
            (vec!["a.db", "./a.db", "s3://b/{db}"], None, None, "usage.same_database"),
            (vec!["a.db", "s3://b/{dbname}"], None, None, "usage.placeholder"),
        ] {
            assert_eq!(planned(&words, to, dest).unwrap_err().code(), code, "{words:?}");
        }
        assert!(planned(&["a.db=s3://b/x", "b.db=s3://b/xy"], None, None).is_ok(), "a longer name is another");
    }

    #[test]
    fn one_state_directory_serves_one_database() {
        let words = ["a.db", "b.db"].map(OsString::from);
        let error = plan(&words, Some("/r/{db}"), Some(Path::new("/s")), |_| None).unwrap_err();
        assert_eq!(error.code(), "usage.one_state_dir");
    }
}
