//! Runs rungs: seeds over processes, times, sums.

mod arguments;
mod parent;
mod worker;

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use self::arguments::{Arguments, Command};

/// One kind of test that is run from seeds.
#[derive(Clone, Copy)]
pub(crate) struct Rung {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// What it proves.
    pub(crate) what: &'static str,
    /// Seeds in a quick run.
    pub(crate) quick: u64,
    /// Seeds in a deep run, unless another number is asked for.
    pub(crate) deep: u64,
    /// A seed that takes longer hangs.
    pub(crate) patience: Duration,
    /// Does one seed. It fails by a panic or an error.
    pub(crate) run: fn(u64) -> anyhow::Result<Tally>,
}

/// What a process of a rung does that is started, and killed, by a seed: it is this program again.
#[derive(Clone, Copy)]
pub(crate) struct Role {
    /// What it is called on the command line.
    pub(crate) name: &'static str,
    /// Does it, in this directory, from this seed.
    pub(crate) play: fn(&Path, u64) -> anyhow::Result<()>,
}

/// How often what happened in a seed, or in many.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(crate) struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// Counts something, `by` times.
    pub(crate) fn add(&mut self, what: &str, by: u64) {
        *self.0.entry(what.to_owned()).or_default() += by;
    }

    /// Adds what another one counted.
    pub(crate) fn join(&mut self, other: &Tally) {
        other.0.iter().for_each(|(what, by)| self.add(what, *by));
    }

    /// `what=3 other=4`, for a worker's line.
    fn encode(&self) -> String {
        self.0.iter().map(|(what, by)| format!("{}={by}", what.replace(' ', "_"))).collect::<Vec<_>>().join(" ")
    }

    fn decode(text: &str) -> Tally {
        let pair = |pair: &str| {
            let (what, by) = pair.split_once('=')?;
            Some((what.replace('_', " "), by.parse().ok()?))
        };
        Tally(text.split(' ').filter_map(pair).collect())
    }
}

/// The variable that tells a worker that the run is a deep one.
const DEEP: &str = "WALOY_DEEP";

/// Whether this seed is one of a deep run. Few rungs make a difference.
pub(crate) fn is_deep() -> bool {
    std::env::var_os(DEEP).is_some_and(|it| it == "1")
}

/// Does what the arguments say.
pub(crate) fn main(rungs: &'static [Rung], roles: &[&[Role]]) -> ExitCode {
    match Arguments::read(std::env::args().skip(1), rungs) {
        Ok(Arguments { command: Command::Role { name, dir, seed } }) => worker::play(roles, &name, &dir, seed),
        Ok(Arguments { command: Command::Worker { rung, seeds } }) => worker::run(rung, seeds),
        Ok(Arguments { command: Command::One { rung, seed } }) => worker::one(rung, seed),
        Ok(Arguments { command: Command::Climb(climb) }) => parent::climb(&climb),
        Err(problem) => {
            eprintln!("{problem}");
            ExitCode::from(2)
        }
    }
}
