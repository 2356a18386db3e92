//! A database that was replaced by another one: the last state of before stays until somebody says that it may go.

use waloy::format::Reason;
use waloy::replica::{Name, Replica};
use waloy::retention::{Error, Fate, Kept, Plan, confirm_replacement, enforce, replacement};
use waloy::units::Timestamp;

use super::*;

const NOW: Timestamp = Timestamp(BEGIN + 10_000 * DAY);

/// Eight days, and on the fourth another database took the place of the one before.
async fn replaced(reason: Reason) -> (Handmade, Vec<GenerationId>, Replica) {
    let mut made = Handmade::new(512, waloy::compress::Compression::None).await;
    let (mut ids, mut rng) = (Vec::new(), crate::handmade::Rng(7));
    for day in 0..8 {
        ids.push(made.begin_again(rng.page(512)).await);
        if day == 3 {
            made.reason(reason).await;
        }
        made.commit(rng.page(512)).await;
        made.wait(DAY - 2 * SECOND);
    }
    let store = Replica::plain(Dated::of(&made, &made.replica));
    (made, ids, store)
}

#[tokio::test]
async fn the_last_state_before_a_replacement_stays_until_that_is_confirmed() {
    let (made, ids, store) = replaced(Reason::Replaced).await;
    let policy = policy(days(1), days(1));
    let plan = Plan::of(&store, &policy, NOW).await.unwrap();
    assert_eq!(gone(&plan), [ids[0], ids[1], ids[4]]);
    assert_eq!(plan.generations[2].fate, Fate::Kept(Kept::BeforeReplacement(ids[3])));
    assert_eq!(plan.generations[3].fate, Fate::Kept(Kept::Replacement));
    enforce(&store, &policy, NOW).await.unwrap();
    // However often it runs, and however much time goes by.
    assert!(Plan::of(&store, &policy, NOW).await.unwrap().is_empty());
    let good = made.states.iter().rfind(|state| state.generation == ids[2]).unwrap();
    assert_eq!(planned(&made, &store, good.at).await.unwrap().point, good.point);
    let found = confirm_replacement(&store, ids[3]).await.unwrap();
    assert_eq!((found.before, found.confirmed), (ids[2], true));
    assert!(replacement(&store, ids[3]).await.unwrap().confirmed);
    confirm_replacement(&store, ids[3]).await.unwrap();
    let report = enforce(&store, &policy, NOW).await.unwrap();
    assert_eq!((report.generations, report.is_complete()), (2, true));
    let left = store.list(&format!("{}/", ids[3]), None, Depth::All).await.unwrap();
    assert!(left.objects.is_empty(), "the confirmation goes with its generation: {left:?}");
}

#[tokio::test]
async fn what_might_be_a_replacement_counts_as_one() {
    for unreadable in [false, true] {
        let (made, ids, store) = replaced(Reason::Outweighed).await;
        let policy = policy(days(1), days(1));
        assert_eq!(gone(&Plan::of(&store, &policy, NOW).await.unwrap()), ids[..5]);
        let manifest = Name::Manifest(ids[3]).key();
        match unreadable {
            true => made.replica.put(&manifest, "{".into()).await.unwrap(),
            false => made.replica.delete(&manifest).await.unwrap(),
        }
        let plan = Plan::of(&store, &policy, NOW).await.unwrap();
        assert_eq!(gone(&plan), [ids[0], ids[1], ids[4]]);
        confirm_replacement(&store, ids[3]).await.unwrap();
        assert_eq!(gone(&Plan::of(&store, &policy, NOW).await.unwrap()), ids[..5]);
    }
}

#[tokio::test]
async fn what_replaced_nothing_cannot_be_confirmed() {
    let (_, ids, store) = replaced(Reason::Replaced).await;
    let error = confirm_replacement(&store, ids[4]).await.unwrap_err();
    assert!(matches!(error, Error::NotReplaced { .. }), "{error}");
    let nobody = GenerationId::new(Timestamp(BEGIN), [9; 10]);
    let error = waloy::Error::from(confirm_replacement(&store, nobody).await.unwrap_err());
    assert_eq!(error.code(), "restore.no_such_generation");
    let (mut made, ids) = a_generation_a_day(1).await;
    made.reason(Reason::Replaced).await;
    let error = confirm_replacement(&made.replica, ids[0]).await.unwrap_err();
    assert!(matches!(error, Error::NothingBefore { .. }), "{error}");
}
