//! A prefix of a bucket, in plain strings.

use std::fmt;
use std::sync::Arc;

use crate::error::{Error, Kind, Result};
use crate::storage::{Location, LocationError, S3Options, Store};

/// A prefix of a bucket of an S3-compatible store, and how to reach it.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct S3Config {
    /// The server's URL; empty for AWS itself, or what the environment says.
    pub endpoint: String,
    /// The region; empty for what the environment says, else `us-east-1`.
    pub region: String,
    /// The bucket.
    pub bucket: String,
    /// The access key; empty, together with the secret key, for the whole credential chain of AWS.
    pub access_key: String,
    /// The secret key. Never printed.
    pub secret_key: String,
    /// The prefix of all keys; may be empty. One prefix is the backup of one database.
    pub prefix: String,
}

impl fmt::Debug for S3Config {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let S3Config { endpoint, region, bucket, prefix, .. } = self;
        f.debug_struct("S3Config")
            .field("endpoint", endpoint)
            .field("region", region)
            .field("bucket", bucket)
            .field("prefix", prefix)
            .finish_non_exhaustive()
    }
}

impl S3Config {
    /// The store. No request is sent yet.
    pub(super) async fn open(&self) -> Result<Arc<dyn Store>> {
        let given = |text: &str| Some(text.to_owned()).filter(|text| !text.is_empty());
        if self.access_key.is_empty() != self.secret_key.is_empty() {
            return Err(Error::new(Kind::Usage, "config.keys", "access key and secret key go together")
                .hint("set both `access_key` and `secret_key`, or neither for the credential chain of AWS"));
        }
        let options = S3Options {
            endpoint: given(&self.endpoint),
            region: given(&self.region),
            access_key: given(&self.access_key),
            secret_key: given(&self.secret_key),
            ..S3Options::default()
        };
        self.location()?.open(&options).await
    }

    /// What could not be written as a URL, and read back, is no bucket or no prefix.
    fn location(&self) -> Result<Location> {
        if self.bucket.is_empty() {
            return Err(Error::new(Kind::Usage, "config.destination", "no bucket is given").hint("set `s3.bucket`"));
        }
        let prefix = self.prefix.trim_matches('/').to_owned();
        let location = Location::S3 { bucket: self.bucket.clone(), prefix };
        match Location::parse(&location.to_string()) {
            Ok(read) if read == location => Ok(location),
            Ok(_) => Err(LocationError::InvalidBucket(self.bucket.clone()).into()),
            Err(error) => Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn location(bucket: &str, prefix: &str) -> Result<String> {
        let s3 = S3Config { bucket: bucket.into(), prefix: prefix.into(), ..S3Config::default() };
        s3.location().map(|location| location.to_string())
    }

    #[test]
    fn buckets_and_prefixes_are_held_to_the_rules_of_urls() {
        assert_eq!(location("acme", "/prod/app/").unwrap(), "s3://acme/prod/app");
        assert_eq!(location("acme", "").unwrap(), "s3://acme");
        assert_eq!(location("acme", "a %?#+é").unwrap(), location("acme", "a %?#+é/").unwrap());
        for (bucket, prefix, code) in [
            ("", "app", "config.destination"),
            ("acme/prod", "app", "storage.invalid_bucket"),
            ("acme:9000", "app", "storage.invalid_bucket"),
            ("key@acme", "app", "storage.credentials_in_url"),
            ("acme", "a//b", "storage.invalid_prefix"),
            ("acme", "../b", "storage.invalid_prefix"),
        ] {
            let error = location(bucket, prefix).unwrap_err();
            assert_eq!((error.code(), error.kind(), error.hints().len()), (code, Kind::Usage, 1), "{bucket} {prefix}");
        }
    }

    #[test]
    fn keys_are_never_printed() {
        let s3 = S3Config { access_key: "AKIAEXAMPLE".into(), secret_key: "s3cr3t".into(), ..S3Config::default() };
        let text = format!("{s3:?}");
        assert!(!text.contains("AKIA") && !text.contains("s3cr3t"), "{text}");
    }
}
