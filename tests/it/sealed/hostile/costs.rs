//! Slots that would have this machine work itself to death.

use std::process::Command;

use bytes::Bytes;
use waloy::error::{Error as PublicError, Kind};
use waloy::seal::{KdfLimit, KeyName, MAX_TRIES, Secret, SlotId, argon2_runs};

use super::super::*;
use super::*;

const CHILD: &str = "WALOY_TEST_COSTS";

/// A slot with other costs, whose checksum is right.
fn costly(slot: &[u8], memory_kib: u32, passes: u32, lanes: u32) -> Bytes {
    let mut slot = slot.to_vec();
    for (at, cost) in [(44, memory_kib), (48, passes), (52, lanes)] {
        slot[at..at + 4].copy_from_slice(&cost.to_be_bytes());
    }
    let checksum = crc32c::crc32c(&slot[..196]).to_be_bytes();
    slot[196..].copy_from_slice(&checksum);
    slot.into()
}

/// Counted in a process of its own: other tests run Argon2 too.
#[test]
fn hostile_costs_are_refused_before_any_work() {
    let child = Command::new(std::env::current_exe().unwrap())
        .args(["sealed::hostile::costs::in_a_process_of_its_own", "--exact", "--nocapture", "--test-threads=1"])
        .env(CHILD, "1")
        .output()
        .unwrap();
    let said = String::from_utf8_lossy(&child.stdout);
    assert!(child.status.success(), "{said}\n{}", String::from_utf8_lossy(&child.stderr));
    let line = said.lines().find_map(|line| line.find("costs: ").map(|at| &line[at..]));
    println!("{}", line.expect("the child told how much it tried"));
}

#[tokio::test(flavor = "multi_thread")]
async fn in_a_process_of_its_own() {
    if std::env::var_os(CHILD).is_none() {
        return;
    }
    let vault = vault().await;
    let mut bucket = Bucket::new(vault).await;
    let slots = vault.names(|name| name.starts_with("keys/slot"));
    assert_eq!(slots.len(), 2);
    let least = 19 << 10;
    let beyond = [
        (0, 1, 1),
        (least - 1, 1, 1),
        ((1 << 20) + 1, 1, 1),
        (4 << 20, 1, 1),
        ((4 << 20) + 1, 1, 1),
        (u32::MAX, 1, 1),
        (u32::MAX, u32::MAX, u32::MAX),
        (least, 0, 1),
        (least, 17, 1),
        (least, u32::MAX, 1),
        (least, 1, 0),
        (least, 1, 17),
        (least, 1, u32::MAX),
    ];
    // A new secret each time, of which nothing has been made: what runs is counted.
    let unlocked = async |bucket: &Bucket<'_>| {
        let (before, secret) = (argon2_runs(), Secret::from_passphrase(PASSPHRASE.as_bytes()).unwrap());
        let unlocked = Replica::unlock(store(&bucket.memory), &Key::new(secret)).await;
        (unlocked, argon2_runs() - before)
    };
    assert!(matches!(unlocked(&bucket).await, (Ok(_), 1 | 2)));
    for (memory, passes, lanes) in beyond {
        // Every slot.
        for name in &slots {
            bucket.memory.put(name, costly(&vault.objects[name], memory, passes, lanes)).await.unwrap();
        }
        let (refused, runs) = unlocked(&bucket).await;
        assert_eq!(runs, 0, "{memory} {passes} {lanes}: Argon2 ran");
        let refused = PublicError::from(refused.unwrap_err());
        assert_eq!((refused.kind(), refused.code()), (Kind::BadKey, "key.kdf_cost"));
        for name in &slots {
            bucket.memory.put(name, vault.objects[name].clone()).await.unwrap();
        }
        let all = |name: &String| (name.clone(), Some(costly(&vault.objects[name], memory, passes, lanes)));
        bucket.attack(&format!("slots that cost {memory} {passes} {lanes}"), slots.iter().map(all).collect()).await;
        // One of them, and one more: the others open.
        for name in &slots {
            bucket.attack(&format!("{name} costs {memory} {passes} {lanes}"), vec![all(name)]).await;
            let mut more = vault.objects[name].to_vec();
            more[28..36].fill(0);
            let more = costly(&more, memory, passes, lanes);
            let key = KeyName::Slot(SlotId([0; 8])).to_string();
            let (restored, _) = bucket.attack("one more slot", vec![(key, Some(more))]).await;
            assert!(restored, "{memory} {passes} {lanes}: a slot of somebody else's keeps ours from opening");
        }
    }
    // Within the limits, and too many of them: no more are tried than that.
    let ours = &vault.objects[&slots[0]];
    for id in 1..=40u8 {
        let mut slot = ours.to_vec();
        slot[28..36].fill(id);
        slot[56..72].fill(id);
        let slot = costly(&slot, least, 1, 1);
        bucket.memory.put(&KeyName::Slot(SlotId([id; 8])).to_string(), slot).await.unwrap();
    }
    let (_, runs) = unlocked(&bucket).await;
    assert!(runs as usize <= MAX_TRIES, "Argon2 ran {runs} times");
    // Costs that are allowed when somebody says so, and not otherwise.
    assert!(KdfLimit::Raised.memory_kib() > KdfLimit::Standard.memory_kib());
    told("costs", &bucket, 5 * beyond.len());
}
