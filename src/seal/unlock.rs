//! From a secret and the slots of a replica to its root key.

use super::{Error, KdfLimit, RootKey, Secret, Slot, SlotId};

/// The most slots that a secret is tried on.
pub const MAX_TRIES: usize = 16;

/// Tries a secret on the slots of its type: the one that opened last time first, then the cheapest, at most
/// [`MAX_TRIES`]. Runs Argon2 once for every slot that it tries with a passphrase. `accept` says whether the root key of
/// a slot that opens is the right one: a slot from before a root key was changed opens too, to the one of then.
///
/// A recovery kit is no secret of a slot and opens none: see [`Secret::kit`].
///
/// A slot that is tampered with or too costly does not stop it: whoever writes to the bucket could put one there.
///
/// # Errors
///
/// If none opens: what `accept` said if it refused one; else [`Error::Tampered`] or [`Error::Memory`] if one failed so;
/// else [`Error::KdfCost`] if one was not tried for its cost; else [`Error::WrongSecret`].
pub fn unlock<T>(
    secret: &Secret,
    slots: &[Slot],
    last: Option<SlotId>,
    limit: KdfLimit,
    mut accept: impl FnMut(&Slot, &RootKey) -> Result<T, Error>,
) -> Result<(SlotId, RootKey, T), Error> {
    let mut candidates: Vec<&Slot> = slots.iter().filter(|slot| slot.secret_kind() == secret.kind()).collect();
    candidates.sort_by_key(|slot| {
        let refused = slot.check_cost(limit).is_err();
        (refused, Some(slot.id()) != last, slot.cost().map_or(0, |cost| cost.work()), slot.id())
    });
    let (mut failed, mut refused) = (Error::WrongSecret(secret.kind()), None);
    for slot in candidates.into_iter().take(MAX_TRIES) {
        match slot.stretch(secret, limit).and_then(|stretched| slot.open(&stretched)) {
            Ok(root) => match accept(slot, &root) {
                Ok(accepted) => return Ok((slot.id(), root, accepted)),
                Err(error) => refused = Some(error),
            },
            Err(Error::WrongSecret(_)) => (),
            // The costly ones come last, and do not hide that another was tampered with.
            Err(Error::KdfCost { .. }) if !matches!(failed, Error::WrongSecret(_)) => (),
            Err(error) => failed = error,
        }
    }
    Err(refused.unwrap_or(failed))
}
