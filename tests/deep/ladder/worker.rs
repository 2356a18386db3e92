//! A process that does seeds, one after the other.

use std::io::Write as _;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;
use std::process::ExitCode;

use super::arguments::Seeds;
use super::{Role, Rung, Tally};

/// Tells of each seed when it begins, and what came of it: `begin 7`, `done 7 commits=3`, `failed 7 why`.
pub(super) fn run(rung: &Rung, seeds: Seeds) -> ExitCode {
    // A worker does not outlive whoever started it.
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let mut seed = seeds.from;
    while seed < seeds.end {
        say(&format!("begin {seed}"));
        match attempt(rung, seed) {
            Ok(tally) => say(&format!("done {seed} {}", tally.encode())),
            Err(why) => say(&format!("failed {seed} {}", why.replace('\n', " | "))),
        }
        seed += seeds.step;
    }
    ExitCode::SUCCESS
}

/// One seed, for a person.
pub(super) fn one(rung: &Rung, seed: u64) -> ExitCode {
    match attempt(rung, seed) {
        Ok(tally) => {
            println!("{} {seed}: {}", rung.name, tally.encode().replace('=', " "));
            ExitCode::SUCCESS
        }
        Err(why) => {
            eprintln!("{} {seed} failed: {why}", rung.name);
            ExitCode::FAILURE
        }
    }
}

/// A process that a seed has started.
pub(super) fn play(roles: &[&[Role]], name: &str, dir: &Path, seed: u64) -> ExitCode {
    let _ = rustix::process::set_parent_process_death_signal(Some(rustix::process::Signal::KILL));
    let Some(role) = roles.iter().copied().flatten().find(|role| role.name == name) else {
        eprintln!("there is no role {name:?}");
        return ExitCode::from(2);
    };
    match (role.play)(dir, seed) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("{name} failed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn attempt(rung: &Rung, seed: u64) -> Result<Tally, String> {
    match catch_unwind(AssertUnwindSafe(|| (rung.run)(seed))) {
        Ok(Ok(tally)) => Ok(tally),
        Ok(Err(error)) => Err(format!("{error:#}")),
        Err(panic) => {
            let text = panic.downcast_ref::<String>().map(String::as_str);
            Err(text.or(panic.downcast_ref::<&str>().copied()).unwrap_or("a panic without a text").to_owned())
        }
    }
}

fn say(line: &str) {
    let mut out = std::io::stdout().lock();
    // Whoever listened is gone: so is the reason to go on.
    if writeln!(out, "{line}").and_then(|()| out.flush()).is_err() {
        std::process::exit(1);
    }
}
