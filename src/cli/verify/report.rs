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
use crate::restore::Interval;
use crate::units::Timestamp;
use crate::verify::{Check, Finding, Level, Report, Severity, Subset};

/// A source that was checked, or why it could not be.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) source: Source,
    pub(super) checked: Result<Checked>,
}

/// What a check found, and what it went by.
#[derive(Debug)]
pub(super) struct Checked {
    pub(super) report: Report,
    pub(super) max_age: Option<Duration>,
    /// Whether the replica is level with the database, if that was asked.
    pub(super) is_level: Option<bool>,
}

impl Outcome {
    pub(super) fn exit(&self) -> Exit {
        match &self.checked {
            Ok(checked) => checked.report.kind().map_or(Exit::Ok, Exit::Kind),
            Err(error) => Exit::Kind(error.kind()),
        }
    }
}

#[derive(Serialize)]
struct Json<'a> {
    level: &'static str,
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
        let ok = exit == Exit::Ok;
        let duration_seconds = seconds(elapsed);
        ui.json("verify", &Json { level: name(level), ok, exit_code: exit.code(), sources, duration_seconds });
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
                show_checked(ui, &outcome.source, checked, watched);
            }
            Err(error) => {
                failed += 1;
                ui.error(error);
            }
        }
        if watched && is_on_same_device(&outcome.source) {
            let message = format!("the replica of {} is on the same disk as the database", outcome.source.name());
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

fn show_checked(ui: &Ui, source: &Source, checked: &Checked, watched: bool) {
    let (name, report) = (source.name(), &checked.report);
    for finding in &report.findings {
        let label = match finding.severity {
            Severity::Damaged => ui.err.red("damaged "),
            Severity::Stale => ui.err.yellow("stale   "),
            Severity::Warning if watched => ui.err.yellow("warning "),
            Severity::Warning => continue,
        };
        ui.problem(format_args!("{label} {name}: {}", finding.message));
    }
    if !report.ok() || !watched {
        return;
    }
    let mut facts =
        vec![count(report.generations as u64, "generation"), count(report.objects_checked, "object"), newest(checked)];
    facts.extend(report.checksum.map(|sum| format!("database checksum {} matches", short_checksum(sum))));
    facts.push(took(report.duration));
    ui.line(format_args!("{}  {name}: {}", ui.out.green("ok"), facts.join(", ")));
    if ui.mode.verbose > 0 {
        if let Some((from, to)) = report.restorable {
            ui.line(format_args!("    restorable: {} … {}", ui.time(from), ui.time(to)));
        }
        let (level, read) = (name_of(report.level), ui.size(report.bytes_read));
        ui.line(format_args!("    checked: {level}; {read} read from {}", report.source));
    }
}

fn newest(checked: &Checked) -> String {
    match (checked.is_level, age(&checked.report)) {
        (Some(true), _) => "level with the database".into(),
        (_, Some(age)) => format!("newest {} old", duration::format(age)),
        (_, None) => "nothing restorable".into(),
    }
}

fn age(report: &Report) -> Option<Duration> {
    let age = SystemClock.now().0.saturating_sub(report.newest_at?.0);
    Some(Duration::from_millis(age.max(0).unsigned_abs()))
}

fn is_on_same_device(source: &Source) -> bool {
    source.db.as_deref().is_some_and(|db| is_same_device(db, &source.destination.location))
}

fn source_json(outcome: &Outcome) -> SourceJson<'_> {
    let same_device = is_on_same_device(&outcome.source).then_some(Warning { code: "destination.same_device" });
    let (details, error) = match &outcome.checked {
        Ok(checked) => (Some(details(checked)), None),
        Err(error) => (None, Some(error_json(error))),
    };
    SourceJson {
        source: outcome.source.destination.location.to_string(),
        ok: outcome.exit() == Exit::Ok,
        details,
        error,
        warnings: same_device.into_iter().collect(),
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

/// The level for programs.
fn name(level: Level) -> &'static str {
    match level {
        Level::Quick => "quick",
        Level::Default => "default",
        Level::ReadData(_) => "read_data",
        Level::Restore(_) => "restore",
    }
}

/// The level for people.
fn name_of(level: Level) -> String {
    match level {
        Level::Quick => "what listings and the newest object tell".into(),
        Level::Default => "all that restoring the latest state needs".into(),
        Level::ReadData(Subset::All) => "every object".into(),
        Level::ReadData(Subset::Part { part, of }) => {
            format!("part {} of {} of all objects", table::count(part.into()), table::count(of.into()))
        }
        Level::Restore(Check::Quick) => "restored, and PRAGMA quick_check".into(),
        Level::Restore(Check::Full) => "restored, and PRAGMA integrity_check".into(),
    }
}
