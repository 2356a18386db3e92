//! Configuration: durations, sizes, places of stores, ids, and what else stands in flags and variables.

use std::fmt::{Debug, Display};
use std::str::FromStr;

use waloy::compress::Compression;
use waloy::config::{duration, size};
use waloy::ids::{DatabaseId, Digest, GenerationId, ReplicaId};
use waloy::restore::{Anchor, Owner};
use waloy::retention::Keep;
use waloy::storage::{Location, Sse};

pub(super) fn run(input: &[u8]) {
    let Ok(text) = std::str::from_utf8(input) else { return };
    durations(text);
    sizes(text);
    locations(text);
    again::<GenerationId>(text);
    again::<DatabaseId>(text);
    again::<ReplicaId>(text);
    again::<Digest>(text);
    again::<Anchor>(text);
    again::<Compression>(text);
    let _ = (text.parse::<Keep>(), text.parse::<Sse>(), Owner::find(text, "a:x:1:2:", "b:x:3:"));
}

/// What was read and is written is read again.
fn again<T: FromStr + Display + PartialEq + Debug>(text: &str) {
    if let Ok(value) = text.parse::<T>() {
        assert_eq!(value.to_string().parse().ok(), Some(value));
    }
}

fn durations(text: &str) {
    match duration::parse(text) {
        Ok(read) => {
            let shown = duration::format(read);
            let again = duration::parse(&shown).expect("what is shown is read");
            assert!(again <= read, "{shown} is more than {text}");
            assert_eq!(duration::format(again), shown);
            assert_eq!(duration::parse_or_off(text), Ok(Some(read)));
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
    }
}

fn sizes(text: &str) {
    match size::parse(text) {
        Ok(read) => {
            assert_eq!(size::parse(&format!("{read}B")), Ok(read));
            let shown = size::format(read);
            assert!(shown.contains('.') || size::parse(&shown).is_ok() || read > 1 << 60, "{shown}");
        }
        Err(error) => assert!(!error.to_string().is_empty() && !error.hint().is_empty()),
    }
}

fn locations(text: &str) {
    let _ = (Location::check_slashes(text), Location::check_path(text));
    for read in [Location::parse(text), Location::written(text)] {
        match read {
            Ok(Location::Directory(path)) => {
                assert!(path.is_absolute() && path.parent().is_some());
                assert_eq!(Location::directory(&path), Ok(Location::Directory(path)));
            }
            Ok(bucket) => {
                let shown = bucket.to_string();
                assert_eq!(Location::parse(&shown), Ok(bucket), "{shown} of {text}");
            }
            Err(error) => assert!(!error.to_string().is_empty()),
        }
    }
}

pub(super) fn seeds() -> Vec<Vec<u8>> {
    let texts = [
        "250ms",
        "1h30m",
        "1 hour 30 minutes",
        "off",
        "99999999999999999999s",
        "4MiB",
        "10 MB",
        "4M",
        "s3://acme/prod/app",
        "s3://acme/a%20b%25",
        "s3://$BUCKET/${APP}",
        "s3://key:secret@acme/app?x#y",
        "file:///var/backups/",
        "file://localhost/a%20b",
        "/srv/backups",
        "s3:acme",
        "01m81b5h803meht78x3meht78x",
        "daily=90,weekly=8,monthly=24",
        "aws:kms:key",
        "zstd:7",
        "app:www",
        "waloy-anchor:1:01010101010101010101010101010101:01m81b5h803meht78x3meht78x:7:\
         0202020202020202020202020202020202020202020202020202020202020202",
    ];
    texts.iter().map(|text| text.as_bytes().to_vec()).collect()
}
