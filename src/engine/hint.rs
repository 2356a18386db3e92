//! The hint at the current generation, by its writer: restores list all the same, and other writers look at it.
//!
//! Of two first generations that are begun in the same moment the younger one counts. Each writer looks for a hint, puts his
//! snapshot, writes the hint and lists, and only then are commits acknowledged. A listing that has not the other's snapshot
//! came before it: then the other one writes his hint later, too, and it is read before the next segments. Who dies before he
//! has written it is found by a listing when the generation is no longer fresh.

use super::context::Context;
use super::error::Error;
use crate::format::Latest;
use crate::ids::GenerationId;
use crate::replica;

/// Writes the hint at the current generation, unless it names a younger one. When this returns, it stands.
pub(super) async fn write(context: &Context, generation: GenerationId) -> Result<(), Error> {
    match replica::read_latest(&context.replica).await {
        Ok(Some(latest)) if latest.generation >= generation => return Ok(()),
        Err(replica::Error::Store(error)) => return Err(error.into()),
        // One before, none, or one that cannot be read.
        Ok(_) | Err(_) => {}
    }
    write_anew(context, generation).await
}

/// The same. A failure is told: then this is `false`, and the next segment is to mend it.
pub(super) async fn show(context: &Context, generation: GenerationId) -> bool {
    let written = write(context, generation).await;
    if let Err(error) = &written {
        tracing::warn!(%error, "cannot write the hint at the current generation");
    }
    written.is_ok()
}

/// The hint may name a generation before ours, or one whose objects are gone. Says whether it was written anew.
pub(super) async fn mend(context: &Context, generation: GenerationId) -> bool {
    let written = match replica::read_latest(&context.replica).await {
        Ok(Some(found)) if found.generation == generation => return false,
        Ok(_) => write_anew(context, generation).await,
        Err(error) => Err(error.into()),
    };
    if let Err(error) = &written {
        tracing::warn!(%error, "cannot put the hint at the current generation right");
    }
    written.is_ok()
}

async fn write_anew(context: &Context, generation: GenerationId) -> Result<(), Error> {
    let counter = u64::try_from(context.now().0).unwrap_or(0);
    Ok(replica::write_latest(&context.replica, &Latest { generation, counter }).await?)
}
