//! Histories by chance: whatever a policy promises can be restored from what is left, after every single delete.

use waloy::compress::Compression;
use waloy::replica::Replica;
use waloy::restore::{Target, restore};
use waloy::retention::{Keep, Plan, Policy, enforce};
use waloy::units::Timestamp;

use super::*;
use crate::handmade::{Rng, objects, store_of};

/// What one object may stand for at most at an age, and the same again for what comes in late.
fn step(age: i64, retention: i64) -> i64 {
    let rung = if age > retention {
        HOUR
    } else if age > 7 * DAY {
        5 * MINUTE
    } else {
        30 * SECOND
    };
    rung + rung / 2
}

/// Some generations with segments at odd intervals, some of them merged, the merged ones merged again.
async fn history(rng: &mut Rng) -> Handmade {
    let mut made = Handmade::new(512, Compression::None).await;
    for _ in 0..2 + rng.below(4) {
        made.begin_again(rng.page(512)).await;
        let pause = [SECOND, 10 * SECOND, 2 * MINUTE, HOUR, 12 * HOUR][rng.below(5) as usize];
        let segments = rng.below(14);
        for _ in 0..segments {
            made.wait(rng.below(pause as u64) as i64);
            made.commit(rng.page(512)).await;
        }
        let (mut at, mut level) = (0, Vec::new());
        while at + 1 < segments {
            let last = (at + 1 + rng.below(3)).min(segments - 1);
            if rng.below(4) > 0 {
                made.merge(at, last).await;
                level.push((at, last));
            }
            at = last + 1;
        }
        for pair in level.chunks_exact(2) {
            if pair[0].1 + 1 == pair[1].0 && rng.below(3) > 0 {
                made.merge(pair[0].0, pair[1].1).await;
            }
        }
        made.wait(rng.below(3 * DAY as u64) as i64);
    }
    made
}

/// Everything that the policy promises at this time is what a restore gives.
async fn keeps_its_promise(made: &Handmade, store: &Replica, policy: &Policy, now: Timestamp, what: &str) {
    let millis = |duration: Duration| duration.as_millis() as i64;
    let (retention, grace) = (millis(policy.retention.unwrap()), millis(policy.grace));
    let begins = Timestamp(now.0 - retention);
    let moments = made.states.iter().flat_map(|state| [state.at, Timestamp(state.at.0 + 700)]);
    for at in moments.chain([begins, now]).filter(|&at| begins <= at && at <= now) {
        let Some(truth) = true_state(made, at) else { continue };
        let given = planned(made, store, at).await;
        let given = given.unwrap_or_else(|error| panic!("{what}: {at}: {error}"));
        assert!(given.at <= truth.at, "{what}: {at}");
        let place = |state: &State| {
            made.states.iter().position(|it| (it.generation, it.point) == (state.generation, state.point)).unwrap()
        };
        let (given_at, true_at) = (place(given), place(truth));
        if given_at == true_at {
            continue;
        }
        assert_eq!(given.generation, truth.generation, "{what}: {at}");
        // Young ones are given exactly; of others, what is passed over is no longer than a rung.
        let first_lost = &made.states[given_at + 1];
        assert!(now.0 - first_lost.at.0 >= grace, "{what}: {at} is younger than the grace");
        let lost = truth.at.0 - first_lost.at.0;
        assert!(lost <= step(now.0 - first_lost.at.0, retention), "{what}: {at}: {lost} ms");
    }
    let latest = restore::plan(store, Target::Latest).await.unwrap();
    assert_eq!((latest.generation, latest.point), (made.last().generation, made.last().point), "{what}");
}

#[tokio::test]
async fn whatever_was_promised_can_be_restored_after_every_single_delete() {
    let (mut deleted, mut superseded, mut generations) = (0, 0, 0);
    for seed in 1..=40 {
        let mut rng = Rng(seed * 7919);
        let made = history(&mut rng).await;
        let span = made.last().at.0 - BEGIN;
        let policy = Policy {
            retention: Some(Duration::from_millis(rng.below(span as u64 + 1))),
            grace: Duration::from_millis([0, 1000, HOUR as u64, DAY as u64][rng.below(4) as usize]),
            min_keep: rng.below(3) as usize,
            keep: Keep { daily: rng.below(3) as u32, ..Keep::default() },
            orphans: rng.below(2) == 0,
        };
        let now = Timestamp(made.last().at.0 + rng.below(10 * DAY as u64) as i64);
        let dated = Dated::of(&made, &made.copy().await);
        dated.now_is(now);
        let store = Replica::plain(dated.clone());
        let plan = Plan::of(&store, &policy, now).await.unwrap();
        let report = enforce(&store, &policy, now).await.unwrap();
        assert!(report.is_complete());
        assert_eq!(report.freed_bytes, plan.freed_bytes());
        let order = dated.deleted();
        assert_eq!(order.len(), plan.deleted().count());
        deleted += order.len();
        generations += gone(&plan).len();
        superseded += plan.generations.iter().map(|it| it.superseded().count()).sum::<usize>();
        // As if the process had died after each of them, and the next one had done the rest.
        let all = objects(&*made.replica).await;
        // A request for many deletes may have done any of them.
        let requests = order.iter().map(|(request, _)| *request).max().map_or(0, |last| last + 1);
        let some = (0..requests).map(|at| -> Vec<&String> {
            let done = order.iter().filter(|(request, _)| *request < at || (*request == at && rng.below(2) == 0));
            done.map(|(_, key)| key).collect()
        });
        let first: Vec<Vec<&String>> =
            (0..=order.len()).map(|done| order[..done].iter().map(|(_, key)| key).collect()).collect();
        for done in first.into_iter().chain(some.collect::<Vec<_>>()) {
            let what = format!("seed {seed}, {} of {} deleted", done.len(), order.len());
            let left = all.iter().filter(|(key, _)| !done.contains(&key)).cloned();
            let dated = Dated::of(&made, &store_of(left).await);
            dated.now_is(now);
            let store = Replica::plain(dated.clone());
            keeps_its_promise(&made, &store, &policy, now, &what).await;
            enforce(&store, &policy, now).await.unwrap_or_else(|error| panic!("{what}: {error}"));
            keeps_its_promise(&made, &store, &policy, now, &what).await;
            assert!(Plan::of(&store, &policy, now).await.unwrap().is_empty(), "{what}");
        }
        let complete = plan.generations.iter().filter(|it| !it.fate.is_deleted()).count();
        assert!(complete >= policy.min_keep.max(1).min(plan.generations.len()), "seed {seed}");
        if seed % 10 == 0 {
            restores_what_it_had(&made, &store).await;
        }
    }
    assert!(deleted > 100 && superseded > 30 && generations > 20, "{deleted} {superseded} {generations}");
}

/// Every point that is left, restored to a file.
async fn restores_what_it_had(made: &Handmade, store: &Replica) {
    let (dir, mut restored) = (tempfile::tempdir().unwrap(), 0);
    for (at, state) in made.states.iter().enumerate() {
        let path = dir.path().join(at.to_string());
        let target = Target::Generation(state.generation, Some(state.point));
        let output = restore::Output::new(&path);
        if restore(store, target, &output, &restore::Options::default()).await.is_ok() {
            assert_eq!(std::fs::read(&path).unwrap(), *state.bytes);
            restored += 1;
        }
    }
    assert!(restored > 0);
}
