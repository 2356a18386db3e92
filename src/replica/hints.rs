//! The hints of a replica: `latest` and the manifests. Listing and chain decide; a hint that lags is no fault.

use bytes::Bytes;

use super::{Error, LATEST, Name};
use crate::format::{Latest, Manifest};
use crate::ids::{GenerationId, ObjectKind};
use crate::storage::Store;

/// What a manifest may be long at most: 1,024 segments of some 200 bytes.
const MANIFEST_LIMIT: u64 = 1 << 20;
/// What `latest` may be long at most.
const LATEST_LIMIT: u64 = 4096;

/// The current generation, by its writer; `None` if there is no such object.
///
/// # Errors
///
/// Those of the store, [`Error::Damaged`], [`Error::Sealed`].
pub async fn read_latest(store: &dyn Store) -> Result<Option<Latest>, Error> {
    let Some(bytes) = read(store, LATEST, ObjectKind::Latest, LATEST_LIMIT).await? else { return Ok(None) };
    Latest::parse(&bytes).map(Some).map_err(|source| Error::damaged(store, LATEST, source))
}

/// Writes `latest`, over the one that is there.
///
/// # Errors
///
/// Those of the store.
pub async fn write_latest(store: &dyn Store, latest: &Latest) -> Result<(), Error> {
    Ok(store.put(LATEST, Bytes::from(latest.encode())).await?)
}

/// The manifest of a generation; `None` if there is no such object.
///
/// # Errors
///
/// Those of the store, [`Error::Damaged`], [`Error::Sealed`], and [`Error::Misplaced`] if it is another generation's.
pub async fn read_manifest(store: &dyn Store, generation: GenerationId) -> Result<Option<Manifest>, Error> {
    let key = Name::Manifest(generation).key();
    let Some(bytes) = read(store, &key, ObjectKind::Manifest, MANIFEST_LIMIT).await? else { return Ok(None) };
    let manifest = Manifest::parse(&bytes).map_err(|source| Error::damaged(store, &key, source))?;
    if manifest.generation != generation {
        return Err(Error::misplaced(store, &key, format!("generation {}", manifest.generation)));
    }
    Ok(Some(manifest))
}

/// Writes the manifest of its generation, over the one that is there.
///
/// # Errors
///
/// Those of the store.
pub async fn write_manifest(store: &dyn Store, manifest: &Manifest) -> Result<(), Error> {
    Ok(store.put(&Name::Manifest(manifest.generation).key(), Bytes::from(manifest.encode())).await?)
}

async fn read(store: &dyn Store, key: &str, kind: ObjectKind, limit: u64) -> Result<Option<Bytes>, Error> {
    let bytes = match store.get(key, limit).await {
        Ok(bytes) => bytes,
        Err(error) if error.is_not_found() => return Ok(None),
        Err(error) => return Err(error.into()),
    };
    Error::refuse_sealed(store, key, kind, &bytes)?;
    Ok(Some(bytes))
}
