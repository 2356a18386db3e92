//! How to reach a bucket.

use std::fmt;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::str::FromStr;

use super::{Connections, PartSize};
use crate::storage::Retry;

/// How to reach a bucket. What is not said here is asked of the environment, as every tool of AWS does.
#[derive(Clone)]
pub struct S3Options {
    /// The server's URL; `None` for AWS itself, or what `AWS_ENDPOINT_URL_S3` or the profile says.
    pub endpoint: Option<String>,
    /// The region; `None` for what the environment or the profile says, else `us-east-1`.
    pub region: Option<String>,
    /// The profile of the AWS configuration files.
    pub profile: Option<String>,
    /// The bucket in the path of the URL and not in its host; `None`: so for every endpoint but those of AWS.
    pub path_style: Option<bool>,
    /// The access key, past the credential chain; only together with `secret_key`.
    pub access_key: Option<String>,
    /// The secret key. Never printed.
    pub secret_key: Option<String>,
    /// Goes with temporary keys only.
    pub session_token: Option<String>,
    /// Send requests unsigned, for buckets open to everybody.
    pub no_sign_request: bool,
    /// A file with the certificates to trust, in PEM, instead of the system's; `None` for what `AWS_CA_BUNDLE` says.
    pub ca_bundle: Option<PathBuf>,
    /// How the store encrypts what it keeps; `None` for what the bucket says.
    pub sse: Option<Sse>,
    /// The storage class of new objects; `None` for what the bucket says. It must be one that answers reads at once.
    pub storage_class: Option<String>,
    /// Requests at the same time, of all stores that share their connections; at least 1.
    pub concurrency: usize,
    /// Bytes a second that the bodies of requests may have, of all stores that share their connections, and those of
    /// answers as many; `None`: as fast as it goes.
    pub bandwidth: Option<NonZeroU64>,
    /// How often to try again.
    pub retry: Retry,
    /// How large the parts of a multipart upload are.
    pub part_size: PartSize,
    /// The directory for parts that are larger than 8 MiB; `None` for that of the system.
    pub spool: Option<PathBuf>,
    /// With whom connections are shared: clones of these options do it with each other.
    pub connections: Connections,
}

/// How the store encrypts what it keeps, with keys of its own: whoever may read the bucket may still read the objects.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sse {
    /// With a key of the store.
    Aes256,
    /// With a key of the key management service.
    Kms {
        /// Its id, alias or ARN; `None` for the one that AWS manages.
        key: Option<String>,
    },
}

/// The text is no mode of encryption.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[error("`{0}` is not a mode of encryption: write AES256, aws:kms or aws:kms:KEY")]
pub struct SseError(String);

impl FromStr for Sse {
    type Err = SseError;

    fn from_str(text: &str) -> Result<Sse, SseError> {
        match text.strip_prefix("aws:kms") {
            Some("") => Ok(Sse::Kms { key: None }),
            Some(key) if key.len() > 1 && key.starts_with(':') => Ok(Sse::Kms { key: Some(key[1..].to_owned()) }),
            None if text == "AES256" => Ok(Sse::Aes256),
            _ => Err(SseError(text.to_owned())),
        }
    }
}

impl Default for S3Options {
    fn default() -> S3Options {
        S3Options {
            endpoint: None,
            region: None,
            profile: None,
            path_style: None,
            access_key: None,
            secret_key: None,
            session_token: None,
            no_sign_request: false,
            ca_bundle: None,
            sse: None,
            storage_class: None,
            concurrency: 8,
            bandwidth: None,
            retry: Retry::default(),
            part_size: PartSize::default(),
            spool: None,
            connections: Connections::default(),
        }
    }
}

impl fmt::Debug for S3Options {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = |secret: &Option<String>| secret.as_ref().map(|_| "(hidden)");
        f.debug_struct("S3Options")
            .field("endpoint", &self.endpoint)
            .field("region", &self.region)
            .field("profile", &self.profile)
            .field("path_style", &self.path_style)
            .field("access_key", &hidden(&self.access_key))
            .field("secret_key", &hidden(&self.secret_key))
            .field("session_token", &hidden(&self.session_token))
            .field("no_sign_request", &self.no_sign_request)
            .field("ca_bundle", &self.ca_bundle)
            .field("sse", &self.sse)
            .field("storage_class", &self.storage_class)
            .field("concurrency", &self.concurrency)
            .field("bandwidth", &self.bandwidth)
            .field("retry", &self.retry)
            .field("part_size", &self.part_size)
            .field("spool", &self.spool)
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_never_printed() {
        let options = S3Options {
            access_key: Some("AKIAEXAMPLE".into()),
            secret_key: Some("s3cr3t".into()),
            session_token: Some("t0k3n".into()),
            ..S3Options::default()
        };
        let text = format!("{options:?}");
        assert!(!text.contains("AKIA") && !text.contains("s3cr3t") && !text.contains("t0k3n"), "{text}");
    }

    #[test]
    fn modes_of_encryption_are_read_as_aws_writes_them() {
        let kms = |key: &str| Ok(Sse::Kms { key: Some(key.to_owned()) });
        assert_eq!("AES256".parse(), Ok(Sse::Aes256));
        assert_eq!("aws:kms".parse(), Ok(Sse::Kms { key: None }));
        assert_eq!("aws:kms:1234-abcd".parse(), kms("1234-abcd"));
        assert_eq!("aws:kms:arn:aws:kms:eu-west-3:1:key/2".parse(), kms("arn:aws:kms:eu-west-3:1:key/2"));
        for bad in ["", "aes256", "aws:kms:", "aws:kmsx", "aws"] {
            assert_eq!(bad.parse::<Sse>(), Err(SseError(bad.into())));
        }
    }
}
