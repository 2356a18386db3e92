//! Whether what stays can be restored: asked before anything is deleted.

use futures_util::{StreamExt, TryStreamExt, stream};

use super::Error;
use super::holdings::CONCURRENCY;
use super::plan::{GenerationPlan, Plan};
use crate::replica::{self, Name, ObjectReader, Objects, Replica, read_latest};
use crate::restore::{Point, Uncovered, cover, lacks_promised};
use crate::storage::Store;

/// Checks what stays: every generation joins from its snapshot to its end and has what its manifest knows of, its first
/// and its last object open, and `latest` names one that is there. Nothing else is read.
pub(super) async fn verify(replica: &Replica, plan: &Plan) -> Result<(), Error> {
    let stay = plan.generations.iter().filter(|it| it.has_snapshot && !it.fate.is_deleted());
    let looked: Vec<_> = stay.map(|generation| look(replica, generation)).collect();
    let found: Vec<Vec<String>> = stream::iter(looked).buffered(CONCURRENCY).try_collect().await?;
    let mut problems: Vec<String> = found.into_iter().flatten().collect();
    problems.extend(latest(replica, plan).await?);
    match problems.is_empty() {
        true => Ok(()),
        false => Err(Error::Unverified { location: replica.location(), problems }),
    }
}

/// What is wrong with a generation that stays.
async fn look(replica: &Replica, generation: &GenerationPlan) -> Result<Vec<String>, Error> {
    let (mut before, mut left) = (Objects::none(generation.generation), Objects::none(generation.generation));
    for object in &generation.objects {
        before.add(object.name, object.bytes);
        if !object.fate.is_deleted() {
            left.add(object.name, object.bytes);
        }
    }
    let end = Point::from(before.last());
    let missing = |index| format!("{} is missing", Name::Segment(generation.generation, index));
    let mut problems = Vec::new();
    if lacks_promised(&**replica, &before, generation.promised).await? {
        problems.push(format!("the manifest of {} knows of more segments than are there", generation.generation));
    }
    let chain = match cover(&left, end) {
        Ok(chain) => chain,
        Err(Uncovered::Gap(index)) => {
            problems.push(missing(index));
            return Ok(problems);
        }
        Err(_) => {
            problems.push(format!("generation {} does not join up to its end", generation.generation));
            return Ok(problems);
        }
    };
    let (first, last) = (chain.first().copied(), chain.last().copied().filter(|_| chain.len() > 1));
    for (name, size) in first.into_iter().chain(last) {
        match ObjectReader::open(replica, name, size).await {
            Ok(_) => {}
            Err(error) if error.is_damage() => problems.push(told(&**replica, &error)),
            Err(error) => return Err(error.into()),
        }
    }
    Ok(problems)
}

/// A generation that `latest` names was there: if it is not listed, the newest state is lost.
async fn latest(replica: &Replica, plan: &Plan) -> Result<Option<String>, Error> {
    let latest = match read_latest(replica).await {
        Ok(latest) => latest,
        // A hint: a restore does without it.
        Err(error) if error.is_damage() => None,
        Err(error) => return Err(error.into()),
    };
    let Some(latest) = latest else { return Ok(None) };
    let newest = plan.generations.iter().rev().find(|it| it.has_snapshot).map(|it| it.generation);
    if newest >= Some(latest.generation) {
        return Ok(None);
    }
    let name = Name::Snapshot(latest.generation);
    match replica.head(&name.key()).await {
        Ok(_) => Ok(None),
        Err(error) if error.is_not_found() => Ok(Some(format!("{name} is missing, which latest names"))),
        Err(error) => Err(error.into()),
    }
}

fn told(store: &dyn Store, error: &replica::Error) -> String {
    replica::without_location(store, &error.to_string())
}
