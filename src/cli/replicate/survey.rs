//! Which of many prefixes have nothing: one listing of what they are in, instead of one for each.

use std::collections::{BTreeMap, HashSet};
use std::time::Duration;

use tokio::time::{Instant, timeout};

use super::One;
use crate::cli::context::Context;
use crate::cli::destination::Destination;
use crate::error::Result;
use crate::storage::{Depth, Location};

/// With fewer databases in one place it is not worth a request.
const MANY: usize = 8;

/// Pages of a listing that are asked for at most: 1,000 prefixes each.
const PAGES: usize = 10;

/// How long it may take, all together: without it each database asks for itself.
const LIMIT: Duration = Duration::from_secs(10);

/// Notes for each database whose prefix was seen to be empty when that was. The others ask for themselves.
pub(super) async fn note_what_is_empty(context: &Context, all: &mut [One]) {
    let mut groups = BTreeMap::<(String, String), Vec<(usize, String)>>::new();
    for (at, one) in all.iter().enumerate() {
        if let Location::S3 { bucket, prefix } = &one.database.destination.location
            && let (above, name) = prefix.rsplit_once('/').unwrap_or(("", prefix))
            && !name.is_empty()
        {
            groups.entry((bucket.clone(), above.to_owned())).or_default().push((at, name.to_owned()));
        }
    }
    groups.retain(|_, group| group.len() >= MANY);
    let _ = timeout(LIMIT, async {
        for ((bucket, prefix), group) in groups {
            let destination = all[group[0].0].database.destination.clone();
            let (seen, reach) = (Instant::now(), destination.reach.clone());
            let location = Location::S3 { bucket, prefix };
            match folders(context, Destination { location, ..destination }).await {
                Ok(Some(there)) => {
                    for (at, _) in group.into_iter().filter(|(_, name)| !there.contains(name)) {
                        let one = &mut all[at];
                        one.options.nothing_there = (one.database.destination.reach == reach).then_some(seen);
                    }
                }
                Ok(None) => {}
                Err(error) => tracing::debug!(%error, "what is there already is asked for each database"),
            }
        }
    })
    .await;
}

/// The names of what is there at one level, if they are not too many.
async fn folders(context: &Context, destination: Destination) -> Result<Option<HashSet<String>>> {
    let store = context.store(&destination).await?;
    let (mut names, mut after) = (HashSet::new(), None::<String>);
    for _ in 0..PAGES {
        let listing = store.list("", after.as_deref(), Depth::Folder).await?;
        names.extend(listing.folders.iter().map(|folder| folder.trim_end_matches('/').to_owned()));
        match listing.next {
            Some(next) => after = Some(next),
            None => return Ok(Some(names)),
        }
    }
    Ok(None)
}
