//! Hands seeds to workers, and sums up.

use std::io::{BufRead as _, BufReader, IsTerminal as _, Write as _};
use std::process::{Child, Command, ExitCode, Stdio};
use std::sync::mpsc::{RecvTimeoutError, Sender, channel};
use std::time::{Duration, Instant};

use super::arguments::Climb;
use super::{DEEP, Rung, Tally};

/// What came of a rung.
struct Outcome {
    rung: &'static Rung,
    done: u64,
    tally: Tally,
    failures: Vec<(u64, String)>,
    /// The first seed that was not begun, if time ran out.
    left_at: Option<u64>,
    elapsed: Duration,
}

/// What a worker says.
enum Line {
    Begun(u64),
    Done(Tally),
    Failed(u64, String),
    Ended,
}

/// Runs the rungs one after the other, then says what came of them all.
pub(super) fn climb(climb: &Climb) -> ExitCode {
    let began = Instant::now();
    let mut outcomes = Vec::new();
    for &rung in &climb.rungs {
        let count = climb.count.unwrap_or(if climb.deep { rung.deep } else { rung.quick });
        let left = climb.budget.map(|budget| budget.saturating_sub(began.elapsed()));
        let outcome = run(rung, climb, count, left);
        println!("{}", line(&outcome));
        outcomes.push(outcome);
    }
    summary(&outcomes, climb.deep, began.elapsed());
    let failed = outcomes.iter().any(|outcome| !outcome.failures.is_empty());
    if failed { ExitCode::FAILURE } else { ExitCode::SUCCESS }
}

fn run(rung: &'static Rung, climb: &Climb, count: u64, left: Option<Duration>) -> Outcome {
    let began = Instant::now();
    let (from, deep) = (climb.from, climb.deep);
    let jobs = climb.jobs.min(usize::try_from(count).unwrap_or(usize::MAX)).max(1) as u64;
    let end = from.saturating_add(count);
    let mut outcome = Outcome {
        rung,
        done: 0,
        tally: Tally::default(),
        failures: Vec::new(),
        left_at: None,
        elapsed: Duration::ZERO,
    };
    let (sender, lines) = channel();
    let mut workers: Vec<Worker> =
        (0..jobs).map(|job| Worker::start(rung, deep, (from + job, jobs, end), &sender)).collect();
    while workers.iter().any(|worker| worker.child.is_some()) {
        match lines.recv_timeout(Duration::from_millis(200)) {
            Ok((pid, line)) => {
                // Of one that was ended, the last words do not count.
                let Some(worker) = workers.iter_mut().find(|worker| worker.pid() == Some(pid)) else { continue };
                match line {
                    Line::Begun(seed) => worker.at = Some((seed, Instant::now())),
                    Line::Done(tally) => {
                        worker.at = None;
                        outcome.done += 1;
                        outcome.tally.join(&tally);
                    }
                    Line::Failed(seed, why) => {
                        worker.at = None;
                        outcome.failures.push((seed, why));
                    }
                    Line::Ended => {
                        // It ended in the middle of a seed: that one took the process with it.
                        if let Some(seed) = worker.end() {
                            let why = "the process ended".to_owned();
                            outcome.failures.push((seed, why));
                            *worker = Worker::start(rung, deep, (seed + jobs, jobs, end), &sender);
                        }
                    }
                }
            }
            Err(RecvTimeoutError::Timeout | RecvTimeoutError::Disconnected) => {}
        }
        for worker in &mut workers {
            if let Some((seed, since)) = worker.at
                && since.elapsed() > rung.patience
            {
                outcome.failures.push((seed, "hangs".to_owned()));
                worker.kill();
                *worker = Worker::start(rung, deep, (seed + jobs, jobs, end), &sender);
            }
        }
        let late = left.is_some_and(|left| began.elapsed() >= left);
        if late || outcome.failures.len() >= climb.enough {
            outcome.left_at = workers.iter().filter_map(|worker| worker.at).map(|(seed, _)| seed).min();
            workers.iter_mut().for_each(Worker::kill);
        }
        show(&outcome, count, began);
    }
    outcome.elapsed = began.elapsed();
    outcome
}

/// One worker process.
struct Worker {
    child: Option<Child>,
    /// The seed that it does, and since when.
    at: Option<(u64, Instant)>,
}

impl Worker {
    fn start(rung: &Rung, deep: bool, (from, step, end): (u64, u64, u64), lines: &Sender<(u32, Line)>) -> Worker {
        if from >= end {
            return Worker { child: None, at: None };
        }
        let arguments = ["worker", rung.name].map(str::to_owned);
        let numbers = [from, step, end].map(|number| number.to_string());
        let program = std::env::current_exe().expect("a program knows where it is");
        let mut child = Command::new(program)
            .args(arguments.iter().chain(&numbers))
            .env(DEEP, if deep { "1" } else { "0" })
            .stdout(Stdio::piped())
            .stdin(Stdio::null())
            .spawn()
            .expect("a worker starts");
        let output = BufReader::new(child.stdout.take().expect("it is piped"));
        let (lines, pid) = (lines.clone(), child.id());
        std::thread::spawn(move || {
            for line in output.lines().map_while(Result::ok) {
                if let Some(line) = parse(&line) {
                    let _ = lines.send((pid, line));
                }
            }
            let _ = lines.send((pid, Line::Ended));
        });
        Worker { child: Some(child), at: None }
    }

    fn pid(&self) -> Option<u32> {
        self.child.as_ref().map(Child::id)
    }

    /// It has ended: the seed that it was at, if it did not finish.
    fn end(&mut self) -> Option<u64> {
        let mut child = self.child.take()?;
        let _ = child.wait();
        self.at.take().map(|(seed, _)| seed)
    }

    fn kill(&mut self) {
        if let Some(mut child) = self.child.take() {
            let _ = child.kill();
            let _ = child.wait();
        }
        self.at = None;
    }
}

fn parse(line: &str) -> Option<Line> {
    let (kind, rest) = line.split_once(' ')?;
    let (seed, text) = rest.split_once(' ').unwrap_or((rest, ""));
    let seed = seed.parse().ok()?;
    match kind {
        "begin" => Some(Line::Begun(seed)),
        "done" => Some(Line::Done(Tally::decode(text))),
        "failed" => Some(Line::Failed(seed, text.to_owned())),
        _ => None,
    }
}

/// Overwritten again and again, on a terminal.
fn show(outcome: &Outcome, count: u64, began: Instant) {
    let mut out = std::io::stderr().lock();
    if out.is_terminal() {
        let (name, done, failed) = (outcome.rung.name, outcome.done, outcome.failures.len());
        let _ = write!(out, "\r{name}: {done} of {count}, {failed} failed, {} s ", began.elapsed().as_secs());
        let _ = out.flush();
    }
}

fn line(outcome: &Outcome) -> String {
    let Outcome { rung, done, failures, elapsed, .. } = outcome;
    let verdict = if failures.is_empty() { "ok" } else { "FAILED" };
    format!("{verdict:6} {:10} {done} seeds, {} failed, {:.1} s", rung.name, failures.len(), elapsed.as_secs_f64())
}

fn summary(outcomes: &[Outcome], deep: bool, elapsed: Duration) {
    println!("\nthe ladder, {}, {:.1} s", if deep { "deep" } else { "quick" }, elapsed.as_secs_f64());
    for outcome in outcomes {
        println!("\n{}\n       {}", line(outcome), outcome.rung.what);
        let counts: Vec<_> = outcome.tally.0.iter().map(|(what, by)| format!("{by} {what}")).collect();
        if !counts.is_empty() {
            println!("       {}", counts.join(", "));
        }
        if let Some(seed) = outcome.left_at {
            println!("       ended before all were done; go on with --from {seed}");
        }
        for (seed, why) in &outcome.failures {
            println!("       seed {seed}: {why}");
        }
        if let Some((seed, _)) = outcome.failures.first() {
            let profile = if cfg!(debug_assertions) { "" } else { "--release " };
            let name = outcome.rung.name;
            println!("       again: cargo test {profile}--all-features --test deep -- one {name} {seed}");
        }
    }
}
