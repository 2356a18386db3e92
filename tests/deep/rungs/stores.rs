//! Every kind of store, and any S3 server: the conformance suite, and what people do with a replica.
//!
//! Memory, a directory and a server in this process are tried always. Another server is, when the environment names it:
//!
//! ```text
//! WALOY_TEST_S3_URL=s3://bucket/prefix WALOY_TEST_S3_ENDPOINT=http://127.0.0.1:3900 WALOY_TEST_S3_REGION=garage
//! AWS_ACCESS_KEY_ID=… AWS_SECRET_ACCESS_KEY=…
//! cargo test --all-features --test deep -- one stores 4
//! ```
//!
//! Everything below the prefix is deleted. `stores.sh` beside `main.rs` starts rclone and Garage for it. A promise that
//! such a server breaks is told and does not fail the seed: waloy works, as far as it can, on stores that break some.
//! That it does is what the operations show, and they must succeed.

mod features;
mod operations;
mod place;

use std::time::Duration;

use anyhow::ensure;
use waloy::testing::conformance;

use self::place::{Kind, Place};
use crate::ladder::{Rung, Tally, is_deep};

/// See the module.
pub(crate) const RUNG: Rung = Rung {
    name: "stores",
    what: "stores of every kind: the conformance suite, replicate, restart, restore, verify, merge, prune, a rival",
    quick: 3,
    deep: 4,
    patience: Duration::from_secs(1200),
    run,
};

fn run(seed: u64) -> anyhow::Result<Tally> {
    let mut tally = Tally::default();
    let Some(place) = Place::of(Kind::ALL[((seed + 3) % 4) as usize])? else {
        tally.add("no server named by WALOY_TEST_S3_URL", 1);
        return Ok(tally);
    };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    runtime.block_on(async {
        let external = place.kind() == Kind::External;
        if external {
            features::probe(&*place.open("features").await?, &mut tally).await?;
        }
        // The suite is among the other tests, too.
        if external || is_deep() {
            let outcomes = conformance::survey(&*place.open("conformance").await?).await;
            for outcome in outcomes {
                match outcome.broken {
                    None => tally.add("promises kept", 1),
                    Some(why) => {
                        ensure!(external, "{}: {why}", outcome.check);
                        tally.add(&format!("not kept: {}", outcome.check.replace('_', " ")), 1);
                    }
                }
            }
        }
        operations::all(&place, external || is_deep(), &mut tally).await
    })?;
    Ok(tally)
}
