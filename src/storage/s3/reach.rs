//! Which server is asked with whose keys: what hints speak of.

use std::fmt;

use super::S3Options;

/// How a bucket is reached, as far as it matters for what is said of a failure.
#[derive(Clone, Debug, Default)]
pub(super) struct Reach {
    /// The server that somebody named; `None` for AWS.
    pub(super) endpoint: Option<String>,
    pub(super) keys: Keys,
}

/// Where credentials come from.
#[derive(Clone, Debug, Default)]
pub(super) enum Keys {
    /// Wherever AWS looks for them.
    #[default]
    Chain,
    /// A profile that was named.
    Profile(String),
    /// They were given.
    Given,
    /// There are none, on purpose.
    None,
}

impl fmt::Display for Keys {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Keys::Chain => f.write_str("credentials come from the AWS chain (environment, profile, role)"),
            Keys::Profile(name) => write!(f, "credentials come from profile `{name}`"),
            Keys::Given => f.write_str("credentials are the access key and secret key that were given"),
            Keys::None => f.write_str("the request was not signed (--no-sign-request)"),
        }
    }
}

impl Reach {
    pub(super) fn new(options: &S3Options, endpoint: Option<String>) -> Reach {
        let keys = match (&options.access_key, &options.profile) {
            _ if options.no_sign_request => Keys::None,
            (Some(_), _) => Keys::Given,
            (None, Some(profile)) => Keys::Profile(profile.clone()),
            (None, None) => Keys::Chain,
        };
        Reach { endpoint, keys }
    }

    /// The server may not be the one that was meant.
    pub(super) fn server_hint(&self) -> String {
        match &self.endpoint {
            Some(endpoint) => format!("the server that was asked is {endpoint}"),
            None => {
                "AWS was asked: for MinIO, Garage, R2 or another store pass --endpoint URL (WALOY_S3_ENDPOINT)".into()
            }
        }
    }
}
