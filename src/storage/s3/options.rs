//! How to reach a bucket.

use std::fmt;
use std::path::PathBuf;

use super::PartSize;
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
    /// Requests at the same time, of one store and its clones; at least 1.
    pub concurrency: usize,
    /// How often to try again.
    pub retry: Retry,
    /// How large the parts of a multipart upload are.
    pub part_size: PartSize,
    /// The directory for parts that are larger than 8 MiB; `None` for that of the system.
    pub spool: Option<PathBuf>,
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
            concurrency: 8,
            retry: Retry::default(),
            part_size: PartSize::default(),
            spool: None,
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
            .field("concurrency", &self.concurrency)
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
}
