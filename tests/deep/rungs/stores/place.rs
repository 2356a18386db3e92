//! Where a store of each kind is.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use anyhow::Context as _;
use waloy::storage::{DirStore, Location, MemoryStore, S3Options, Store, list_all};

use crate::s3_server::S3Server;

/// A kind of store.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Kind {
    Memory,
    Directory,
    InProcess,
    /// Whatever the environment names.
    External,
}

impl Kind {
    pub(super) const ALL: [Kind; 4] = [Kind::Memory, Kind::Directory, Kind::InProcess, Kind::External];
}

/// A place for stores side by side, each below a prefix of its own.
pub(super) enum Place {
    Memory(Mutex<HashMap<String, MemoryStore>>),
    Directory(tempfile::TempDir),
    InProcess(S3Server),
    External { url: String, options: Box<S3Options> },
}

impl Place {
    /// `None`: there is none of this kind.
    pub(super) fn of(kind: Kind) -> anyhow::Result<Option<Place>> {
        let variable = |name: &str| std::env::var(name).ok().filter(|value| !value.is_empty());
        Ok(Some(match kind {
            Kind::Memory => Place::Memory(Mutex::default()),
            Kind::Directory => Place::Directory(tempfile::tempdir()?),
            Kind::InProcess => Place::InProcess(S3Server::start()),
            Kind::External => {
                let Some(url) = variable("WALOY_TEST_S3_URL") else { return Ok(None) };
                let endpoint = variable("WALOY_TEST_S3_ENDPOINT");
                let options = S3Options { endpoint, region: variable("WALOY_TEST_S3_REGION"), ..S3Options::default() };
                Place::External { url: url.trim_end_matches('/').to_owned(), options: Box::new(options) }
            }
        }))
    }

    pub(super) fn kind(&self) -> Kind {
        match self {
            Place::Memory(_) => Kind::Memory,
            Place::Directory(_) => Kind::Directory,
            Place::InProcess(_) => Kind::InProcess,
            Place::External { .. } => Kind::External,
        }
    }

    /// The store below a prefix, the same each time.
    pub(super) async fn open(&self, prefix: &str) -> anyhow::Result<Arc<dyn Store>> {
        let s3 = async |url: String, options: &S3Options| -> anyhow::Result<Arc<dyn Store>> {
            Ok(Location::parse(&url)?.open(options).await?)
        };
        match self {
            Place::Memory(stores) => {
                let mut stores = stores.lock().unwrap_or_else(PoisonError::into_inner);
                Ok(Arc::new(stores.entry(prefix.to_owned()).or_default().clone()))
            }
            Place::Directory(dir) => Ok(Arc::new(DirStore::new(dir.path().join(prefix)))),
            Place::InProcess(server) => s3(format!("s3://{}/{prefix}", server.bucket), &server.options()).await,
            Place::External { url, options } => s3(format!("{url}/{prefix}"), options).await,
        }
    }

    /// The same, with nothing in it.
    pub(super) async fn empty(&self, prefix: &str) -> anyhow::Result<Arc<dyn Store>> {
        let store = self.open(prefix).await?;
        let keys: Vec<String> = list_all(&*store, "", None).await?.into_iter().map(|meta| meta.key).collect();
        for key in &keys {
            store.delete(key).await.with_context(|| format!("empty {prefix}"))?;
        }
        Ok(store)
    }
}
