//! The keys of a sealed replica: every slot header, every data key, and that data keys never go back.

use super::{Finding, Severity};
use crate::replica::{KeyObjects, Name, Objects, Replica};
use crate::restore::Error;
use crate::seal::{self, Epoch, KeyName, Keyring};

/// What is wrong with them, and how many there are. Of a replica that is not sealed: nothing.
///
/// Whether a slot opens is not known without its secret: its header is checked, and that it is of this replica.
pub(super) async fn check(replica: &Replica) -> Result<(Vec<Finding>, u64), Error> {
    let Some(keys) = replica.keys() else { return Ok((Vec::new(), 0)) };
    let objects = KeyObjects::read(&**replica).await?;
    let mut findings = Vec::new();
    let mut damaged = |name: KeyName, error: &seal::Error, severity, then: &str| {
        let key = name.to_string();
        let code = match error {
            seal::Error::Misplaced { .. } => "object.misplaced",
            seal::Error::Unsupported { .. } => "format.unsupported",
            seal::Error::Cut { .. } => "object.truncated",
            seal::Error::Tampered { .. } => "object.tampered",
            _ => "object.damaged",
        };
        findings.push(Finding::at(&key, code, severity, format!("{key}: {error}{then}")));
    };
    for (id, error) in &objects.damaged {
        damaged(KeyName::Slot(*id), error, Severity::Damaged, "; its secret opens nothing");
    }
    for slot in &objects.slots {
        if slot.replica() != keys.ids().replica {
            let says = seal::Error::Misplaced {
                what: seal::What::Slot,
                field: "replica",
                expected: keys.ids().replica.to_string(),
                found: slot.replica().to_string(),
            };
            damaged(KeyName::Slot(slot.id()), &says, Severity::Warning, "");
        }
    }
    let mut keyring = Keyring::new(keys.root(), keys.ids().replica, keys.ids().database);
    for (epoch, bytes) in &objects.data_keys {
        if let Err(error) = keyring.add(bytes, *epoch) {
            let then = "; what is sealed with it cannot be opened";
            damaged(KeyName::DataKey(*epoch), &error, Severity::Damaged, then);
        }
    }
    if !objects.slots.iter().any(|slot| slot.replica() == keys.ids().replica) {
        let text = "no key slot is left: only the recovery kit opens the replica";
        findings.push(Finding::general("key.no_slot", Severity::Damaged, text));
    }
    let count = objects.slots.len() + objects.damaged.len() + objects.data_keys.len();
    Ok((findings, count as u64))
}

/// A generation with an older data key than one before it was not made by a writer of ours.
pub(super) async fn order(replica: &Replica, generations: &[Objects]) -> Result<Vec<Finding>, Error> {
    let Some(keys) = replica.keys() else { return Ok(Vec::new()) };
    let (mut findings, mut newest) = (Vec::new(), Epoch::NONE);
    for objects in generations.iter().filter(|objects| objects.snapshot.is_some()) {
        let (name, id) = (Name::Snapshot(objects.generation), objects.generation);
        match keys.epoch(&**replica, id).await {
            Ok(epoch) if epoch < newest => {
                let message = format!("{name} has data key {epoch}, and a generation before it has {newest}");
                findings.push(Finding::of(name, "object.misplaced", Severity::Damaged, message));
            }
            Ok(epoch) => newest = epoch,
            // Told by what reads it.
            Err(error) if error.is_missing() || error.is_damage() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(findings)
}
