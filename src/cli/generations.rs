//! `waloy generations`

use std::ffi::OsString;
use std::time::Duration;

use super::context::Context;
use super::destination::{Source, followed, source};
use super::exit::Exit;
use super::render::table::{self, Column};
use super::render::{count, parse_time};
use super::ui::Ui;
use crate::config::duration;
use crate::config::time::Time;
use crate::engine::default_state_dir;
use crate::error::{Error, Kind, Result};
use crate::restore::{self, Absence, Gap, Generation, Interval, State, Survey, Wanted, survey};
use crate::state::StateDir;
use crate::units::Timestamp;

/// List what can be restored
#[derive(Debug, clap::Args)]
#[command(before_help = "Examples:
  waloy generations app.db
  waloy generations s3://bucket/app --since 2 days ago
  waloy generations s3://bucket/app --json | jq -e '.generations | length > 0'
  waloy generations app.db --min-coverage 7d    fails if less can be restored

Exits with 0 if a generation that can be restored was listed, with 10 if none.
")]
pub struct Args {
    /// The database whose replica to read, or the URL of a replica
    #[arg(value_name = "SOURCE", value_hint = clap::ValueHint::AnyPath)]
    source: Option<OsString>,
    /// Only those that reach to this time or beyond, as in restore --time
    #[arg(long, value_name = "TIME")]
    since: Option<String>,
    /// Only those that begin at this time or before
    #[arg(long, value_name = "TIME")]
    until: Option<String>,
    /// At most so many, the newest
    #[arg(long, value_name = "N", value_parser = clap::value_parser!(u32).range(1..))]
    limit: Option<u32>,
    /// Also those of which nothing can be restored
    #[arg(long)]
    all: bool,
    /// Fail (exit 7) if the time from the first moment that can be restored to the last is shorter
    #[arg(long, value_name = "DUR", value_parser = duration::parse)]
    min_coverage: Option<Duration>,
}

const COLUMNS: [Column; 8] = [
    Column::text("GENERATION"),
    Column::text("FROM"),
    Column::text("TO"),
    Column::number("COMMITS").spare(2),
    Column::number("SNAPSHOT").spare(4),
    Column::number("SEGMENTS").spare(3),
    Column::number("STORED").spare(1),
    Column::text("STATE"),
];

/// What is known without a key.
const OUTER_COLUMNS: [Column; 6] = [
    Column::text("GENERATION"),
    Column::text("BEGUN"),
    Column::number("SNAPSHOT").spare(2),
    Column::number("SEGMENTS").spare(3),
    Column::number("STORED").spare(1),
    Column::number("DATA KEY").spare(4),
];

/// So many gaps within one generation are listed, the newest ones.
const GAPS: usize = 3;

/// Runs the command.
///
/// # Errors
///
/// Those of the library; there is no generation that can be restored, or too short a time.
pub async fn run(context: &Context, args: Args) -> Result<Exit> {
    let ui = &context.ui;
    let moment = |text: &Option<String>| match text.as_deref().map(|text| parse_time(text, ui)).transpose()? {
        Some(Time::At(at)) => Ok::<_, Error>(Some(at)),
        Some(Time::Latest) | None => Ok(None),
    };
    let wanted = Wanted {
        since: moment(&args.since)?,
        until: moment(&args.until)?,
        limit: args.limit.map(|limit| limit as usize),
        unrestorable: args.all,
    };
    let source = source(args.source.as_deref(), &context.global)?;
    let replica = context.open_as_it_is(&source.destination).await?;
    let whole = match survey(&replica).await {
        Ok(whole) => whole,
        Err(error) => {
            // A program that counts generations is to find none, and not no answer.
            if let (true, restore::Error::NoBackup { location }) = (ui.mode.json, &error) {
                ui.json("generations", &Survey::nothing(location));
            }
            return Err(source.explain(error, ui));
        }
    };
    let is_sealed = |generation: &Generation| generation.state == State::Sealed;
    if whole.generations.iter().any(is_sealed) {
        if args.min_coverage.is_some() || args.since.is_some() || args.until.is_some() {
            let message = format!("{} is encrypted: of which times it is, only its key tells", whole.source);
            return Err(Error::new(Kind::BadKey, "key.missing", message).hint(GIVE_A_KEY));
        }
        return Ok(without_a_key(&whole, ui));
    }
    let hidden = whole.generations.iter().filter(|generation| generation.covers.is_none()).count();
    let survey = whole.narrowed(&wanted);
    if ui.mode.json {
        ui.json("generations", &survey);
    } else if !survey.generations.is_empty() {
        human(&survey, is_live(&source, context), ui);
    }
    if hidden > 0 && !args.all {
        let message = format!("{} that cannot be restored not shown", count(hidden as u64, "generation"));
        ui.warn("generations.hidden", &message, &["show what cannot be restored, too: add `--all`".into()]);
    }
    if survey.restorable.is_none() {
        let what = if args.since.is_some() || args.until.is_some() { "nothing of that time" } else { "nothing" };
        let message = format!("{what} at {} can be restored", survey.source);
        return Err(Error::new(Kind::NoBackup, "restore.no_backup", message)
            .hint(format!("see everything that is there:  waloy generations {} --all", source.argument())));
    }
    match args.min_coverage {
        Some(asked) if survey.coverage() < asked => {
            let (name, covered, asked) = (source.name(), duration::format(survey.coverage()), duration::format(asked));
            Err(Error::new(
                Kind::NotCovered,
                "generations.coverage",
                format!("of {name} only {covered} can be restored, and {asked} are asked for"),
            ))
        }
        _ => Ok(Exit::Ok),
    }
}

const GIVE_A_KEY: &str = "what can be restored is told with its key: --passphrase-file FILE, --key-file FILE";

/// What the store shows of an encrypted replica to those who have no key: names, sizes, and when it was begun.
fn without_a_key(survey: &Survey, ui: &Ui) -> Exit {
    if ui.mode.json {
        ui.json("generations", survey);
    } else {
        let (mut times, zone) = ui.times(&survey.generations.iter().map(|it| it.id.at()).collect::<Vec<_>>());
        let begun = |generation: &Generation, time| {
            vec![
                generation.id.short(),
                time,
                ui.size(generation.snapshot_bytes),
                table::count(generation.segments),
                ui.size(generation.stored_bytes),
                generation.key_epoch.map(|epoch| epoch.to_string()).unwrap_or_default(),
            ]
        };
        let rows: Vec<Vec<String>> =
            survey.generations.iter().zip(times.drain(..)).map(|(it, time)| begun(it, time)).collect();
        for line in table::lines(&OUTER_COLUMNS, &rows, ui.width) {
            ui.line(line);
        }
        let (generations, stored) =
            (count(survey.generations.len() as u64, "generation"), ui.size(survey.stored_bytes));
        let zone = zone.map(|zone| format!(", times in {zone}")).unwrap_or_default();
        ui.line(format_args!("{generations}, {stored} stored, encrypted, {}{zone}", survey.source));
    }
    ui.warn(
        "key.not_given",
        "the replica is encrypted, and no key is given: only what the store shows of it is known",
        &[GIVE_A_KEY.into()],
    );
    Exit::Ok
}

/// Whether a replicator of this database is running on this machine.
fn is_live(source: &Source, context: &Context) -> bool {
    let Some(db) = &source.db else { return false };
    let state_dir = context.global.state_dir.clone().unwrap_or_else(|| default_state_dir(&followed(db)));
    StateDir::owner(&state_dir).is_some()
}

fn human(survey: &Survey, live: bool, ui: &Ui) {
    let covers = survey.generations.iter().filter_map(|generation| generation.covers);
    let ends = covers.chain(survey.restorable).map(whole_seconds).flat_map(|range| [range.from, range.to]);
    let (mut times, zone) = ui.times(&ends.collect::<Vec<_>>());
    let range = survey.restorable.map(|_| times.split_off(times.len() - 2));
    let mut times = times.into_iter();
    let rows: Vec<Vec<String>> = survey.generations.iter().map(|it| row(it, &mut times, live, ui)).collect();
    let mut lines = table::lines(&COLUMNS, &rows, ui.width).into_iter();
    ui.line(lines.next().unwrap_or_default());
    let mut before = State::Ok;
    for (generation, line) in survey.generations.iter().zip(lines) {
        let gap = generation.covers.and_then(|covers| survey.gaps.iter().find(|gap| gap.to == covers.from));
        if let Some(gap) = gap {
            let damage = if before == State::Ok { "" } else { "damage, or " };
            ui.line(format_args!("     — gap {}: {damage}{} —", clock(gap.length()), because(gap.why)));
        }
        before = generation.state;
        ui.line(line);
        let inside =
            |gap: &&Gap| generation.covers.is_some_and(|covers| covers.from <= gap.from && gap.to <= covers.to);
        let inside: Vec<&Gap> = survey.gaps.iter().filter(inside).collect();
        // Run from a timer it has one a run.
        for gap in inside.iter().rev().take(GAPS).rev() {
            ui.line(format_args!("     — gap {} in it: {} —", clock(gap.length()), because(gap.why)));
        }
        if inside.len() > GAPS {
            ui.line(format_args!("     — and {} before —", count((inside.len() - GAPS) as u64, "gap")));
        }
        if let Some(problem) = &generation.problem {
            ui.line(format_args!("     {problem}"));
        }
    }
    let generations = count(survey.generations.len() as u64, "generation");
    let gaps = match survey.gaps.len() as u64 {
        0 => String::new(),
        gaps => format!(", {}", count(gaps, "gap")),
    };
    let stored = ui.size(survey.stored_bytes);
    let sealed = if survey.encrypted { "encrypted" } else { "not encrypted" };
    let about = format!("{generations}{gaps}, {stored} stored, {sealed}, {}", survey.source);
    let zone = zone.map(|zone| format!(" {zone}")).unwrap_or_default();
    let range = match range.as_deref() {
        Some([from, to]) => format!("restorable: {from} … {to}{zone}"),
        _ => "restorable: nothing".into(),
    };
    match range.chars().count() + about.chars().count() + 3 <= ui.width {
        true => ui.line(format_args!("{range} ({about})")),
        false => ui.line(format_args!("{range}\n  {about}")),
    }
}

fn because(why: Absence) -> &'static str {
    match why {
        Absence::Outage => "the store was out of reach",
        Absence::Deleted => "let go of by retention",
        _ => "replicator was not running",
    }
}

/// From and to in whole seconds, so that lines stay short, and so that both can be restored as they are written.
fn whole_seconds(range: Interval) -> Interval {
    let second = |ms: i64| Timestamp(ms.div_euclid(1000) * 1000);
    let whole = Interval { from: second(range.from.0 + 999), to: second(range.to.0) };
    if whole.from <= whole.to { whole } else { range }
}

/// `00:14:09`, and days in front.
fn clock(duration: Duration) -> String {
    let seconds = duration.as_millis().div_ceil(1000);
    let days = match seconds / 86_400 {
        0 => String::new(),
        days => format!("{days}d "),
    };
    format!("{days}{:02}:{:02}:{:02}", seconds / 3600 % 24, seconds / 60 % 60, seconds % 60)
}

fn row(generation: &Generation, times: &mut impl Iterator<Item = String>, live: bool, ui: &Ui) -> Vec<String> {
    let mut time = || if generation.covers.is_some() { times.next() } else { None }.unwrap_or_else(|| "-".into());
    let state = match generation.state {
        State::Ok if generation.latest && live => "live",
        State::Ok if generation.latest => "latest",
        State::Ok => "ok",
        State::Partial => "partial",
        State::Sealed => "sealed",
        _ => "damaged",
    };
    vec![
        generation.id.short(),
        time(),
        time(),
        table::count(generation.commits),
        ui.size(generation.snapshot_bytes),
        table::count(generation.segments),
        ui.size(generation.stored_bytes),
        state.into(),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gaps_are_told_as_on_a_clock() {
        for (seconds, text) in [(0, "00:00:00"), (849, "00:14:09"), (86_399, "23:59:59"), (90_061, "1d 01:01:01")] {
            assert_eq!(clock(Duration::from_secs(seconds)), text);
        }
        assert_eq!(clock(Duration::from_millis(1)), "00:00:01");
    }
}
