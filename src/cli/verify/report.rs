//! What a check found, for people, for cron and for programs.

use std::time::Duration;

use serde::Serialize;

use crate::cli::destination::{Source, is_same_device};
use crate::cli::exit::Exit;
use crate::cli::render::json::text_or_null;
use crate::cli::render::{count, seconds, short_checksum, table, took};
use crate::cli::ui::Ui;
use crate::clock::{Clock, SystemClock};
use crate::config::duration;
use crate::error::{Error, Result};
use crate::replica::Name;
use crate::restore::Interval;
use crate::state::Owner;
use crate::units::Timestamp;
use crate::verify::{Check, Finding, Level, Report, Severity, Subset, TIMES_AHEAD};

/// A source that was checked, or why it could not be.
#[derive(Debug)]
pub(super) struct Outcome {
    /// As it was given.
    pub(super) argument: String,
    /// What that means, if it means anything.
    pub(super) source: Option<Source>,
    pub(super) checked: Result<Checked>,
}

/// What a check found, and what it went by.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) report: Report,
    pub(super) max_age: Option<Duration>,
    /// Whether the replica is level with the database, if that was asked.
    pub(super) is_level: Option<bool>,
    /// Who replicates the database on this machine.
    pub(super) replicator: Option<Owner>,
}

impl Outcome {
    pub(super) fn exit(&self) -> Exit {
        match &self.checked {
            Ok(checked) => checked.report.kind().map_or(Exit::Ok, Exit::Kind),
            Err(error) => Exit::Kind(error.kind()),
        }
    }

    /// How people call the source.
    pub(super) fn name(&self) -> String {
        self.source.as_ref().map_or_else(|| self.argument.clone(), Source::name)
    }
}

#[derive(Serialize)]
struct Json<'a> {
    level: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    subset: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    check: Option<&'static str>,
    ok: bool,
    exit_code: u8,
    sources: Vec<SourceJson<'a>>,
    duration_seconds: f64,
}

#[derive(Serialize)]
struct SourceJson<'a> {
    source: String,
    ok: bool,
    #[serde(flatten)]
    details: Option<Details<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorJson<'a>>,
    warnings: Vec<Warning>,
}

#[derive(Serialize)]
struct Details<'a> {
    #[serde(serialize_with = "text_or_null")]
    newest_confirmation_at: Option<Timestamp>,
    age_seconds: Option<f64>,
    max_age_seconds: Option<f64>,
    stale: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    level_with_database: Option<bool>,
    generations: usize,
    objects_checked: u64,
    bytes_read: u64,
    #[serde(serialize_with = "text_or_null")]
    checksum: Option<crate::units::DbChecksum>,
    restorable: Option<Interval>,
    problems: &'a [Finding],
}

#[derive(Serialize)]
struct ErrorJson<'a> {
    code: &'a str,
    message: String,
}

#[derive(Serialize)]
struct Warning {
    code: &'static str,
}

/// Prints everything: nothing on success if nobody is there to read it.
pub(super) fn show(ui: &Ui, outcomes: &[Outcome], level: Level, exit: Exit, elapsed: Duration) {
    if ui.mode.json {
        let sources = outcomes.iter().map(source_json).collect();
        let (ok, duration_seconds) = (exit == Exit::Ok, seconds(elapsed));
        let (level, subset, check) = words(level);
        let json = Json { level, subset, check, ok, exit_code: exit.code(), sources, duration_seconds };
        ui.json("verify", &json);
        return;
    }
    let watched = (ui.out_is_terminal && !ui.mode.quiet) || ui.mode.verbose > 0;
    let (mut damaged, mut stale, mut failed) = (0, 0, 0);
    for outcome in outcomes {
        match &outcome.checked {
            Ok(checked) => {
                for finding in &checked.report.findings {
                    damaged += usize::from(finding.severity == Severity::Damaged);
                    stale += usize::from(finding.severity == Severity::Stale);
                }
                show_checked(ui, &outcome.name(), checked, watched);
            }
            Err(error) => {
                failed += 1;
                ui.error(error);
            }
        }
        if watched && outcome.source.as_ref().is_some_and(is_on_same_device) {
            let message = format!("the replica of {} is on the same disk as the database", outcome.name());
            ui.warn("destination.same_device", &message, &[]);
        }
    }
    if exit != Exit::Ok {
        let counts = [(damaged, "damaged"), (stale, "stale"), (failed, "not checked")];
        let counts = counts.iter().filter(|(count, _)| *count > 0).map(|(count, what)| format!("{count} {what}"));
        let counts = counts.collect::<Vec<_>>().join(", ");
        ui.problem(format_args!("verify failed: {counts} (exit {})", exit.code()));
    }
}

fn show_checked(ui: &Ui, name: &str, checked: &Checked, watched: bool) {
    let report = &checked.report;
    for finding in &report.findings {
        let label = match finding.severity {
            Severity::Damaged => ui.err.red("damaged "),
            Severity::Stale => ui.err.yellow("stale   "),
            Severity::Warning if ui.mode.quiet => continue,
            Severity::Warning => ui.err.yellow("warning "),
        };
        ui.problem(format_args!("{label} {name}: {}", problem(finding, checked, ui)));
    }
    if report.ok() && watched {
        let mut facts = vec![
            count(report.generations as u64, "generation"),
            count(report.objects_checked, "object"),
            newest(checked),
            proven(report, ui),
        ];
        facts.extend(report.checksum.map(|sum| format!("database checksum {} matches", short_checksum(sum))));
        facts.push(took(report.duration));
        ui.line(format_args!("{}  {name}: {}", ui.out.green("ok"), facts.join(", ")));
    }
    if ui.mode.verbose > 0 {
        match report.restorable {
            Some((from, to)) => ui.line(format_args!("    restorable: {} … {}", ui.time(from), ui.time(to))),
            None => ui.line("    restorable: nothing"),
        }
        ui.line(format_args!("    checked: {}, at {}", proven(report, ui), report.source));
    }
}

/// A finding in one line, in the words of people: what is wrong, and what that takes away.
pub(super) fn problem(finding: &Finding, checked: &Checked, ui: &Ui) -> String {
    if let (Severity::Stale, Some(age), Some(limit)) = (finding.severity, age(&checked.report), checked.max_age)
        && finding.code != TIMES_AHEAD
    {
        let replicator = match &checked.replicator {
            Some(owner) => format!("; the replicator on {} (pid {}) is running", owner.host, owner.pid),
            None => String::new(),
        };
        let (age, limit) = (duration::format(age), duration::format(limit));
        let last = checked.report.newest_at.map(|at| format!(", of {}", ui.time(at))).unwrap_or_default();
        return format!("newest confirmation is {age} old (limit {limit}){last}{replicator}");
    }
    let mut text = finding.message.clone();
    if let Some(name) = finding.object.as_deref().and_then(Name::parse) {
        let generation = name.generation().short();
        let words = match name {
            Name::Snapshot(_) => format!("generation {generation} snapshot"),
            Name::Manifest(_) => format!("generation {generation} manifest"),
            Name::Segment(_, index) => format!("generation {generation} segment {}", table::count(index.get())),
            Name::Merged(_, first, last) => format!("generation {generation} segments {first}-{last} (merged)"),
        };
        text = text.replace(&name.key(), &words).replace(&name.generation().to_string(), &generation);
    }
    match finding.lost {
        Some(lost) if lost.from == lost.to => format!("{text} -> cannot restore {}", ui.time(lost.to)),
        Some(lost) => format!("{text} -> cannot restore {} … {}", ui.time(lost.from), ui.time(lost.to)),
        None => text,
    }
}

pub(super) fn newest(checked: &Checked) -> String {
    match (checked.is_level, age(&checked.report)) {
        (Some(true), _) => "level with the database".into(),
        (_, Some(age)) => format!("newest {} old", duration::format(age)),
        (_, None) => "nothing restorable".into(),
    }
}

pub(super) fn age(report: &Report) -> Option<Duration> {
    let age = SystemClock.now().0.saturating_sub(report.newest_at?.0);
    Some(Duration::from_millis(age.max(0).unsigned_abs()))
}

fn is_on_same_device(source: &Source) -> bool {
    source.db.as_deref().is_some_and(|db| is_same_device(db, &source.destination.location))
}

fn source_json(outcome: &Outcome) -> SourceJson<'_> {
    let same_device = outcome.source.as_ref().is_some_and(is_on_same_device);
    let (details, error) = match &outcome.checked {
        Ok(checked) => (Some(details(checked)), None),
        Err(error) => (None, Some(error_json(error))),
    };
    let location = outcome.source.as_ref().map(|source| source.destination.location.to_string());
    SourceJson {
        source: location.unwrap_or_else(|| outcome.argument.clone()),
        ok: outcome.exit() == Exit::Ok,
        details,
        error,
        warnings: same_device.then_some(Warning { code: "destination.same_device" }).into_iter().collect(),
    }
}

fn details(checked: &Checked) -> Details<'_> {
    let report = &checked.report;
    Details {
        newest_confirmation_at: report.newest_at,
        age_seconds: age(report).map(seconds),
        max_age_seconds: checked.max_age.map(seconds),
        stale: report.findings.iter().any(|finding| finding.severity == Severity::Stale),
        level_with_database: checked.is_level,
        generations: report.generations,
        objects_checked: report.objects_checked,
        bytes_read: report.bytes_read,
        checksum: report.checksum,
        restorable: report.restorable.map(|(from, to)| Interval { from, to }),
        problems: &report.findings,
    }
}

fn error_json(error: &Error) -> ErrorJson<'_> {
    ErrorJson { code: error.code(), message: error.to_string() }
}

/// The level for programs: its name, which part is read, what SQLite checks.
fn words(level: Level) -> (&'static str, Option<String>, Option<&'static str>) {
    match level {
        Level::Quick => ("quick", None, None),
        Level::Default => ("default", None, None),
        Level::ReadData(Subset::All) => ("read_data", Some("all".into()), None),
        Level::ReadData(Subset::Part { part, of }) => ("read_data", Some(format!("{part}/{of}")), None),
        Level::Restore(check) => ("restore", None, Some(check_word(check))),
        Level::ReadDataAndRestore(subset, check) => {
            let (_, subset, _) = words(Level::ReadData(subset));
            ("restore", subset, Some(check_word(check)))
        }
    }
}

fn check_word(check: Check) -> &'static str {
    match check {
        Check::Quick => "quick",
        Check::Full => "full",
    }
}

/// Which check of SQLite was passed.
fn passed(check: Check, report: &Report) -> String {
    let pragma = if check == Check::Quick { "quick_check" } else { "integrity_check" };
    format!("{pragma}{}", if report.ok() { " ok" } else { "" })
}

/// What the level looked at, for people.
fn proven(report: &Report, ui: &Ui) -> String {
    let read = ui.size(report.bytes_read);
    match report.level {
        Level::Quick => "listing and newest object only".into(),
        Level::Default => format!("latest state read ({read})"),
        Level::ReadData(Subset::All) => format!("every object read ({read})"),
        Level::ReadData(Subset::Part { part, of }) => format!("latest state and part {part} of {of} read ({read})"),
        Level::Restore(check) => format!("latest state restored ({read}), {}", passed(check, report)),
        Level::ReadDataAndRestore(Subset::All, check) => {
            format!("every object read, latest state restored ({read}), {}", passed(check, report))
        }
        Level::ReadDataAndRestore(Subset::Part { part, of }, check) => {
            let passed = passed(check, report);
            format!("part {part} of {of} read, latest state read and restored ({read}), {passed}")
        }
    }
}
