//! The hints of a replica: `latest` and the manifests. Listing and chain decide; a hint that lags is no fault.

use super::{Document, Error, LATEST, Replica};
use crate::format::{Latest, Manifest};
use crate::ids::GenerationId;

/// The current generation, by its writer; `None` if there is no such object.
///
/// # Errors
///
/// Those of the store, [`Error::Damaged`], [`Error::Sealed`].
pub async fn read_latest(replica: &Replica) -> Result<Option<Latest>, Error> {
    let Some(bytes) = Document::Latest.read(replica).await? else { return Ok(None) };
    Latest::parse(&bytes).map(Some).map_err(|source| Error::damaged(&**replica, LATEST, source))
}

/// Writes `latest`, over the one that is there.
///
/// # Errors
///
/// Those of the store.
pub async fn write_latest(replica: &Replica, latest: &Latest) -> Result<(), Error> {
    Document::Latest.put(replica, latest.encode()).await
}

/// The manifest of a generation; `None` if there is no such object.
///
/// # Errors
///
/// Those of the store, [`Error::Damaged`], [`Error::Sealed`], and [`Error::Misplaced`] if it is another generation's.
pub async fn read_manifest(replica: &Replica, generation: GenerationId) -> Result<Option<Manifest>, Error> {
    let document = Document::Manifest(generation);
    let Some(bytes) = document.read(replica).await? else { return Ok(None) };
    let manifest = Manifest::parse(&bytes).map_err(|source| Error::damaged(&**replica, &document.key(), source))?;
    if manifest.generation != generation {
        let says = format!("generation {}", manifest.generation);
        return Err(Error::misplaced(&**replica, &document.key(), says));
    }
    Ok(Some(manifest))
}

/// Writes the manifest of its generation, over the one that is there.
///
/// # Errors
///
/// Those of the store.
pub async fn write_manifest(replica: &Replica, manifest: &Manifest) -> Result<(), Error> {
    Document::Manifest(manifest.generation).put(replica, manifest.encode()).await
}
