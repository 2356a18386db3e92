//! Any bytes, given to whatever reads bytes: the targets of `fuzz/`, from seeds and without a tool.
//!
//! A seed goes through all targets, each with good inputs that were changed a little, and with some that were not.

use std::time::Duration;

use anyhow::bail;

use super::chance::Chance;
use crate::ladder::{Rung, Tally};

#[path = "../../../fuzz/src/lib.rs"]
#[expect(unreachable_pub, dead_code, reason = "the programs of libFuzzer use it too")]
mod targets;

/// Counts what each input takes.
#[global_allocator]
static MEMORY: targets::memory::Counting = targets::memory::Counting;

pub(super) const RUNG: Rung = Rung {
    name: "fuzz",
    what: "any bytes are read or refused, what was read keeps its rules, and memory is in proportion to the input",
    quick: 40,
    deep: 20_000,
    patience: Duration::from_secs(60),
    run,
};

/// Inputs for each target.
const INPUTS: usize = 40;

/// An input does not grow beyond that.
const LONGEST: usize = 64 << 10;

fn run(seed: u64) -> anyhow::Result<Tally> {
    let (mut chance, mut tally) = (Chance::new(seed), Tally::default());
    for target in targets::TARGETS {
        let seeds = (target.seeds)();
        for number in 0..INPUTS {
            let mut input = seeds[chance.below(seeds.len())].clone();
            for _ in 0..chance.below(6) {
                mutate(&mut chance, &mut input, &seeds);
            }
            let input = &input;
            if let Err(panic) = std::panic::catch_unwind(|| target.run(input)) {
                bail!("{}, input {number}: {}; the input: {}", target.name, text(&*panic), hex(input));
            }
        }
        tally.add(target.name, INPUTS as u64);
    }
    Ok(tally)
}

fn mutate(chance: &mut Chance, input: &mut Vec<u8>, seeds: &[Vec<u8>]) {
    let at = chance.below(input.len());
    let end = (at + 1 + chance.below(32)).min(input.len());
    match chance.below(8) {
        0 => input.get_mut(at).into_iter().for_each(|byte| *byte ^= 1 << chance.below(8)),
        1 => input.get_mut(at).into_iter().for_each(|byte| *byte = chance.word() as u8),
        2 => input.truncate(at),
        3 => drop(input.drain(at.min(end)..end)),
        4 => {
            let len = 1 + chance.below(16);
            let bytes = chance.bytes(len);
            input.splice(at..at, bytes);
        }
        5 => {
            let piece = input[at.min(end)..end].to_vec();
            let to = chance.below(input.len() + 1);
            input.splice(to..to, piece);
        }
        6 => {
            // A number at its ends.
            let number = chance.pick(&[0, 1, 0x7fff_ffff, 0x8000_0000, u32::MAX]).to_le_bytes();
            input.iter_mut().skip(at).zip(number).for_each(|(byte, number)| *byte = number);
        }
        _ => {
            let other = &seeds[chance.below(seeds.len())];
            let from = chance.below(other.len());
            input.truncate(at);
            input.extend(&other[from..]);
        }
    }
    input.truncate(LONGEST);
}

fn text(panic: &(dyn std::any::Any + Send)) -> String {
    let text = panic.downcast_ref::<String>().map(String::as_str);
    text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text").to_owned()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
