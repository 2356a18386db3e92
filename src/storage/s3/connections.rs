//! What several stores share: a client, its connections, the number of its requests, and how fast they go.

use std::collections::HashMap;
use std::fmt;
use std::num::NonZeroU64;
use std::path::PathBuf;
use std::sync::{Arc, Mutex as StdMutex};

use aws_sdk_s3::Client;
use tokio::sync::{Mutex, Semaphore};

use super::pace::Pace;
use super::reach::Reach;
use super::{S3Options, client};
use crate::error::Error;

/// Stores whose options hold clones of this, and reach a server in the same way, share their connections and the limits
/// of requests at the same time and of bytes a second. A fresh one is shared with nobody.
///
/// Only within one Tokio runtime: connections end with that in which they were made.
#[derive(Clone, Default)]
pub struct Connections(Arc<Mutex<Vec<(Way, Shared)>>>);

impl fmt::Debug for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Connections").finish_non_exhaustive()
    }
}

/// What is shared.
#[derive(Clone, Debug)]
pub(super) struct Shared {
    pub(super) client: Client,
    pub(super) reach: Arc<Reach>,
    /// Requests that may be sent at the same time.
    pub(super) requests: Arc<Semaphore>,
    /// How many of them may be parts of large objects: what is small does not wait behind these alone.
    pub(super) parts: Arc<Semaphore>,
    /// Of each bucket, whether it keeps what is there when told to, once that was tried.
    pub(super) keeps: Arc<StdMutex<HashMap<String, bool>>>,
    /// How fast the bodies of requests and of answers may go.
    pub(super) sending: Pace,
    pub(super) receiving: Pace,
}

impl Connections {
    /// Those that are there, or new ones.
    ///
    /// # Errors
    ///
    /// Options that make no sense.
    pub(super) async fn to(&self, options: &S3Options) -> Result<Shared, Error> {
        let way = Way::of(options);
        let mut known = self.0.lock().await;
        if let Some((_, shared)) = known.iter().find(|(other, _)| *other == way) {
            return Ok(shared.clone());
        }
        let (client, reach) = client::client(options).await?;
        let requests = Arc::new(Semaphore::new(way.concurrency));
        let parts = Arc::new(Semaphore::new(way.concurrency.saturating_sub(2).max(1)));
        let (sending, receiving) = (Pace::new(way.bandwidth), Pace::new(way.bandwidth));
        let shared =
            Shared { client, reach: Arc::new(reach), requests, parts, keeps: Arc::default(), sending, receiving };
        known.push((way, shared.clone()));
        Ok(shared)
    }
}

/// The options that make the client.
#[derive(PartialEq, Eq)]
struct Way {
    endpoint: Option<String>,
    region: Option<String>,
    profile: Option<String>,
    path_style: Option<bool>,
    access_key: Option<String>,
    secret_key: Option<String>,
    session_token: Option<String>,
    no_sign_request: bool,
    ca_bundle: Option<PathBuf>,
    concurrency: usize,
    bandwidth: Option<NonZeroU64>,
}

impl Way {
    fn of(options: &S3Options) -> Way {
        let options = options.clone();
        Way {
            endpoint: options.endpoint,
            region: options.region,
            profile: options.profile,
            path_style: options.path_style,
            access_key: options.access_key,
            secret_key: options.secret_key,
            session_token: options.session_token,
            no_sign_request: options.no_sign_request,
            ca_bundle: options.ca_bundle,
            concurrency: options.concurrency.clamp(1, Semaphore::MAX_PERMITS),
            bandwidth: options.bandwidth,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn stores_that_reach_a_server_in_the_same_way_share_what_they_reach_it_by() {
        let keys = || (Some("a".to_owned()), Some("b".to_owned()));
        let (access_key, secret_key) = keys();
        let options = S3Options { access_key, secret_key, ..S3Options::default() };
        let other = S3Options { concurrency: 2, ..options.clone() };
        let classed = S3Options { storage_class: Some("STANDARD_IA".into()), ..options.clone() };
        let of = async |options: &S3Options| options.connections.to(options).await.unwrap().requests;
        let first = of(&options).await;
        assert!(Arc::ptr_eq(&first, &of(&classed).await), "the class is no matter of the connection");
        assert!(!Arc::ptr_eq(&first, &of(&other).await), "another limit");
        let fresh = S3Options { connections: Connections::default(), ..options.clone() };
        assert!(!Arc::ptr_eq(&first, &of(&fresh).await), "shared with nobody");
    }
}
