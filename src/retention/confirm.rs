//! Letting go of what was before a database that was replaced.

use bytes::Bytes;

use super::Error;
use super::holdings::Began;
use crate::format::Reason;
use crate::ids::GenerationId;
use crate::replica::{Objects, Replica, confirmation, generations, read_manifest};
use crate::restore;

/// A generation that replaced another database.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Replacement {
    /// The generation.
    pub generation: GenerationId,
    /// The one before it, whose last state is kept until the replacement is confirmed.
    pub before: GenerationId,
    /// Somebody has confirmed it already.
    pub confirmed: bool,
}

/// What there is to confirm about a generation.
///
/// # Errors
///
/// [`Error::NotReplaced`] for a generation that was begun for another reason, [`Error::NothingBefore`] for the oldest;
/// [`restore::Error::NoSuchGeneration`]; those of the store.
pub async fn replacement(replica: &Replica, generation: GenerationId) -> Result<Replacement, Error> {
    let no_such = || restore::Error::NoSuchGeneration { id: generation.to_string(), location: replica.location() };
    if Objects::list(&**replica, generation, None).await?.snapshot.is_none() {
        return Err(no_such().into());
    }
    let began = match read_manifest(replica, generation).await {
        Ok(Some(manifest)) => Began::Read(manifest.reason, manifest.snapshot.at),
        Ok(None) => Began::Missing,
        Err(error) if error.is_damage() => Began::Unreadable,
        Err(error) => return Err(error.into()),
    };
    match began {
        Began::Read(Reason::Replaced | Reason::Other, _) | Began::Missing | Began::Unreadable => {}
        Began::Read(reason, _) => return Err(Error::NotReplaced { generation, reason }),
    }
    let confirmed = match replica.head(&confirmation(generation)).await {
        Ok(_) => true,
        Err(error) if error.is_not_found() => false,
        Err(error) => return Err(error.into()),
    };
    for before in generations(&**replica).await?.into_iter().rev().filter(|&before| before < generation) {
        if Objects::list(&**replica, before, None).await?.snapshot.is_some() {
            return Ok(Replacement { generation, before, confirmed });
        }
    }
    Err(Error::NothingBefore { generation })
}

/// Confirms that a generation replaced another database rightly: the last state of before is let go of by the next run,
/// if nothing else keeps it. When this returns, the confirmation is durable. A second one is no error.
///
/// It is an object of its own, and not in the manifest: that is written whole, again and again, by a replicator that
/// does not know of it.
///
/// # Errors
///
/// Those of [`replacement`].
pub async fn confirm_replacement(replica: &Replica, generation: GenerationId) -> Result<Replacement, Error> {
    let found = replacement(replica, generation).await?;
    if !found.confirmed {
        let text = format!("generation {generation} rightly replaced {}\n", found.before);
        // Whoever was first has said the same.
        let _ = replica.put_if_absent(&confirmation(generation), Bytes::from(text)).await?;
    }
    Ok(Replacement { confirmed: true, ..found })
}
