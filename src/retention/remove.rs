//! Deleting many objects, and not believing it.

use std::collections::{BTreeMap, BTreeSet};

use super::{Error, Report};
use crate::storage::{self, Depth, ErrorKind, Store};

/// Keys in one request.
const BATCH: usize = 1000;

/// Objects to delete: keys and sizes.
pub(super) type Objects = Vec<(String, u64)>;

/// Deletes objects, in this order of batches, and says which of them the store claims to be gone. What it refuses is
/// reported; when it refuses a whole batch, it is not asked for the rest.
pub(super) async fn remove(store: &dyn Store, objects: Objects, report: &mut Report) -> Result<Objects, Error> {
    let mut gone = Vec::with_capacity(objects.len());
    let mut refuses = None;
    for batch in objects.chunks(BATCH) {
        if let Some(why) = &refuses {
            batch.iter().for_each(|(key, _)| report.refuse(key.clone(), String::clone(why)));
            continue;
        }
        let keys: Vec<String> = batch.iter().map(|(key, _)| key.clone()).collect();
        let refused: BTreeMap<String, storage::Error> = match store.delete_many(&keys).await {
            Ok(refused) => refused.into_iter().collect(),
            Err(error) if is_refusal(&error) => {
                let why = why(&error);
                batch.iter().for_each(|(key, _)| report.refuse(key.clone(), why.clone()));
                refuses = Some(why);
                continue;
            }
            Err(error) => return Err(error.into()),
        };
        if refused.len() == batch.len() {
            refuses = refused.values().next().map(why);
        }
        for (key, size) in batch {
            match refused.get(key) {
                Some(error) => report.refuse(key.clone(), why(error)),
                None => gone.push((key.clone(), *size)),
            }
        }
    }
    Ok(gone)
}

/// The store could be reached, and says no.
fn is_refusal(error: &storage::Error) -> bool {
    matches!(error.kind, ErrorKind::Denied | ErrorKind::Other)
}

fn why(error: &storage::Error) -> String {
    match &error.source {
        Some(source) => format!("{}: {source}", error.message),
        None => error.message.clone(),
    }
}

/// Lists what should be gone. What is not is reported; the rest is counted.
pub(super) async fn confirm(store: &dyn Store, gone: Objects, report: &mut Report) -> Result<(), Error> {
    let asked: BTreeSet<&str> = gone.iter().map(|(key, _)| key.as_str()).collect();
    let there = still_there(store, &asked).await?;
    for (key, size) in &gone {
        if there.contains(key) {
            report.is_still_there(key.clone());
        } else {
            report.objects += 1;
            report.freed_bytes += size;
        }
    }
    Ok(())
}

/// Which of these keys are listed. Where there is nothing between two of them, one request tells of both.
async fn still_there(store: &dyn Store, asked: &BTreeSet<&str>) -> Result<BTreeSet<String>, Error> {
    let mut there = BTreeSet::new();
    let mut told = String::new();
    let mut next = asked.first().copied();
    while let Some(key) = next {
        // The key without its last character comes before it, and after every key before that.
        let (before, _) = key.split_at(key.len() - 1);
        let folder = key.rfind('/').map_or("", |at| &key[..=at]);
        // A short answer may have ended between the two.
        let after = before.max(&told);
        let after = Some(after).filter(|after| after.len() > folder.len() && after.starts_with(folder));
        let listing = store.list(folder, after, Depth::All).await?;
        there.extend(listing.objects.into_iter().map(|meta| meta.key).filter(|key| asked.contains(key.as_str())));
        // Up to here everything has been listed; without a `next`, all of the folder.
        told = listing.next.unwrap_or_else(|| format!("{folder}\u{10ffff}"));
        next = asked
            .range::<str, _>((std::ops::Bound::Excluded(told.as_str()), std::ops::Bound::Unbounded))
            .next()
            .copied();
    }
    Ok(there)
}
