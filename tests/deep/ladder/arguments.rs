//! What is asked for.

use std::path::PathBuf;
use std::time::Duration;

use super::Rung;

/// The command line.
pub(super) struct Arguments {
    pub(super) command: Command,
}

pub(super) enum Command {
    /// Some rungs, each with many seeds.
    Climb(Climb),
    /// One seed, in this process.
    One { rung: &'static Rung, seed: u64 },
    /// Part of a rung's seeds, in this process; what happens is told line by line.
    Worker { rung: &'static Rung, seeds: Seeds },
    /// Not for people: what a seed starts in a process of its own.
    Role { name: String, dir: PathBuf, seed: u64 },
}

/// Many seeds of some rungs.
pub(super) struct Climb {
    pub(super) rungs: Vec<&'static Rung>,
    pub(super) deep: bool,
    pub(super) from: u64,
    /// Instead of the rungs' own numbers.
    pub(super) count: Option<u64>,
    /// No new seed after this long.
    pub(super) budget: Option<Duration>,
    pub(super) jobs: usize,
    /// Failures of a rung after which the rest of its seeds is left alone.
    pub(super) enough: usize,
}

/// Failures of a rung after which one has seen enough.
const ENOUGH: usize = 20;

/// `from`, `from + step`, … below `end`.
#[derive(Clone, Copy)]
pub(super) struct Seeds {
    pub(super) from: u64,
    pub(super) step: u64,
    pub(super) end: u64,
}

impl Arguments {
    /// Words that a test runner adds for all test programs (a filter, `--nocapture`) are no mistake: a filter that fits
    /// no rung leaves none to run.
    pub(super) fn read(arguments: impl Iterator<Item = String>, rungs: &'static [Rung]) -> Result<Arguments, String> {
        let arguments: Vec<String> = arguments.collect();
        let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
        let rung = |name: &str| {
            let names: Vec<_> = rungs.iter().map(|rung| rung.name).collect();
            let found = rungs.iter().find(|rung| rung.name == name);
            found.ok_or_else(|| format!("there is no rung {name:?}; there are: {}", names.join(", ")))
        };
        let command = match words[..] {
            ["one", name, seed] => Command::One { rung: rung(name)?, seed: number(seed)? },
            ["worker", name, from, step, end] => Command::Worker {
                rung: rung(name)?,
                seeds: Seeds { from: number(from)?, step: number(step)?, end: number(end)? },
            },
            ["role", name, dir, seed] => Command::Role { name: name.into(), dir: dir.into(), seed: number(seed)? },
            ["deep", ..] => Command::Climb(deep(&words[1..], rungs, rung)?),
            _ => {
                let filters: Vec<_> = words.iter().filter(|word| !word.starts_with('-')).collect();
                let fits = |rung: &&Rung| filters.is_empty() || filters.iter().any(|word| rung.name.contains(**word));
                let listing = words.contains(&"--list");
                let rungs = if listing { Vec::new() } else { rungs.iter().filter(fits).collect() };
                Command::Climb(Climb {
                    rungs,
                    deep: false,
                    from: 1,
                    count: None,
                    budget: None,
                    jobs: cores(),
                    enough: ENOUGH,
                })
            }
        };
        Ok(Arguments { command })
    }
}

fn deep(
    words: &[&str],
    rungs: &'static [Rung],
    rung: impl Fn(&str) -> Result<&'static Rung, String>,
) -> Result<Climb, String> {
    let mut climb =
        Climb { rungs: Vec::new(), deep: true, from: 1, count: None, budget: None, jobs: cores(), enough: ENOUGH };
    let mut words = words.iter();
    while let Some(&word) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{word} needs a number"));
        match word {
            "--from" => climb.from = number(value()?)?,
            "--count" => climb.count = Some(number(value()?)?),
            "--minutes" => climb.budget = Some(Duration::from_secs(60 * number(value()?)?)),
            "--first" => climb.enough = 1,
            "--jobs" => climb.jobs = number(value()?)?.clamp(1, 64) as usize,
            name => climb.rungs.push(rung(name)?),
        }
    }
    if climb.rungs.is_empty() {
        climb.rungs = rungs.iter().collect();
    }
    Ok(climb)
}

fn number(word: &str) -> Result<u64, String> {
    word.parse().map_err(|_| format!("{word:?} is no number"))
}

fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, |cores| cores.get())
}
