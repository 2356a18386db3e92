//! T2: one seed drives an application, waloy, a store, the clock and every accident.

mod accidents;
mod rival;
mod settings;
mod world;

use anyhow::{Context as _, bail, ensure};

use crate::door;
use crate::ladder::Tally;
use world::{Theme, World};

/// One run in so many is made twice: the same seed has to give the same calls in the same order.
const TWICE: u64 = 50;

/// Everything may befall a world.
pub(crate) fn run(seed: u64) -> anyhow::Result<Tally> {
    live(seed, Theme::All)
}

/// T9: the store above all.
pub(crate) fn run_store(seed: u64) -> anyhow::Result<Tally> {
    live(seed, Theme::Store)
}

fn live(seed: u64, theme: Theme) -> anyhow::Result<Tally> {
    let twice = seed.is_multiple_of(TWICE);
    let (mut tally, log) = once(seed, theme, twice)?;
    if twice {
        let (_, again) = once(seed, theme, twice).context("the second time")?;
        if let Some((at, (first, second))) = log.iter().zip(&again).enumerate().find(|(_, (one, two))| one != two) {
            bail!("the same seed, another trace, at call {at}: {first:?} and {second:?}");
        }
        ensure!(log.len() == again.len(), "the same seed, and {} calls instead of {}", again.len(), log.len());
        tally.add("made twice", 1);
    }
    Ok(tally)
}

fn once(seed: u64, theme: Theme, keeps_log: bool) -> anyhow::Result<(Tally, Vec<String>)> {
    let mut world = World::begin(seed, theme)?;
    if keeps_log {
        world.keep_log();
    }
    let lived = world.live();
    let log = door::plan(door::Plan::take_log);
    let last = world.last_words();
    lived.with_context(|| last)?;
    Ok((world.tally, log))
}
