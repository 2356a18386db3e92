//! One line and figures, as monitoring plugins write them.
//!
//! Source: <https://www.monitoring-plugins.org/doc/guidelines.html>.

use std::fmt;

use super::report::{Outcome, age, newest, problem};
use crate::cli::exit::Exit;
use crate::cli::render::count;
use crate::cli::ui::Ui;
use crate::error::Kind;
use crate::verify::Severity;

/// How it stands, the worst last.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
enum Status {
    Ok,
    Unknown,
    Warning,
    Critical,
}

impl Status {
    fn of(outcome: &Outcome) -> Status {
        let checked = match &outcome.checked {
            Ok(checked) => checked,
            Err(error) if matches!(error.kind(), Kind::Damaged | Kind::NoBackup) => return Status::Critical,
            Err(_) => return Status::Unknown,
        };
        match checked.report.kind() {
            None => Status::Ok,
            Some(Kind::Stale) => match (age(&checked.report), checked.max_age) {
                (Some(age), Some(limit)) if age > limit.saturating_mul(2) => Status::Critical,
                _ => Status::Warning,
            },
            Some(_) => Status::Critical,
        }
    }

    fn code(self) -> u8 {
        match self {
            Status::Ok => 0,
            Status::Warning => 1,
            Status::Critical => 2,
            Status::Unknown => 3,
        }
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Status::Ok => "OK",
            Status::Unknown => "UNKNOWN",
            Status::Warning => "WARNING",
            Status::Critical => "CRITICAL",
        })
    }
}

/// The line, and the exit that belongs to it.
pub(super) fn line(outcomes: &[Outcome], ui: &Ui) -> (String, Exit) {
    let worst = outcomes.iter().map(Status::of).max().unwrap_or(Status::Unknown);
    let told: Vec<String> = outcomes.iter().map(|outcome| told(outcome, ui)).collect();
    let alone = outcomes.len() == 1;
    let figures: Vec<String> = outcomes.iter().flat_map(|outcome| figures(outcome, alone)).collect();
    let figures = if figures.is_empty() { String::new() } else { format!(" | {}", figures.join(" ")) };
    (format!("WALOY {worst} - {}{figures}", told.join("; ")), Exit::Monitoring(worst.code()))
}

/// What is to be known of a source; what it has can have no line breaks, nor the sign that figures begin with.
fn told(outcome: &Outcome, ui: &Ui) -> String {
    let problems: Vec<String> = match &outcome.checked {
        Err(error) => vec![error.to_string()],
        Ok(checked) => {
            let findings = checked.report.findings.iter().filter(|finding| finding.severity > Severity::Warning);
            findings.map(|finding| problem(finding, checked, ui)).collect()
        }
    };
    let text = match (&outcome.checked, problems.split_first()) {
        (_, Some((first, []))) => first.clone(),
        (_, Some((first, rest))) => format!("{first} (and {})", count(rest.len() as u64, "more problem")),
        (Ok(checked), None) => {
            format!("{}, {}", count(checked.report.generations as u64, "generation"), newest(checked))
        }
        (Err(error), None) => error.to_string(),
    };
    format!("{}: {text}", outcome.name()).replace('|', "/").split_whitespace().collect::<Vec<_>>().join(" ")
}

fn figures(outcome: &Outcome, alone: bool) -> Vec<String> {
    let Ok(checked) = &outcome.checked else { return Vec::new() };
    let report = &checked.report;
    let label = |name: &str| match alone {
        true => name.to_owned(),
        false => format!("'{} {name}'", outcome.name().replace(['\'', '=', '|'], "_")),
    };
    let mut figures = Vec::new();
    if let Some(age) = age(report) {
        let limits = checked.max_age.map(|limit| format!("{};{}", limit.as_secs(), limit.as_secs().saturating_mul(2)));
        figures.push(format!("{}={}s;{};0", label("age"), age.as_secs(), limits.unwrap_or_else(|| ";".into())));
    }
    figures.push(format!("{}={};;;0", label("generations"), report.generations));
    figures.push(format!("{}={};;;0", label("objects"), report.objects_checked));
    figures.push(format!("{}={}B;;;0", label("read"), report.bytes_read));
    figures
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::verify::report::Checked;
    use crate::clock::{Clock, SystemClock};
    use crate::error::Error;
    use crate::units::Timestamp;
    use crate::verify::{Finding, Level, Report};

    /// A source whose newest state is this old, with a limit of an hour.
    fn outcome(minutes: i64, findings: Vec<Finding>) -> Outcome {
        let report = Report {
            source: "s3://bucket/app".into(),
            level: Level::Default,
            findings,
            generations: 1,
            objects_checked: 3,
            bytes_read: 4,
            newest_at: Some(Timestamp(SystemClock.now().0 - minutes * 60_000)),
            restorable: None,
            checksum: None,
            duration: Duration::ZERO,
        };
        let max_age = Some(Duration::from_secs(3600));
        let checked = Ok(Checked { report, max_age, is_level: None, replicator: None });
        Outcome { argument: "a|b\n.db".into(), source: None, checked }
    }

    fn finding(severity: Severity) -> Vec<Finding> {
        let (code, message) = ("code", "message".to_owned());
        vec![Finding { code, severity, generation: None, index: None, object: None, lost: None, message }]
    }

    #[test]
    fn an_old_state_warns_and_a_very_old_one_is_critical() {
        let failed =
            |kind| Outcome { argument: String::new(), source: None, checked: Err(Error::new(kind, "code", "message")) };
        for (outcome, expected) in [
            (outcome(1, vec![]), Status::Ok),
            (outcome(1, finding(Severity::Warning)), Status::Ok),
            (outcome(90, finding(Severity::Stale)), Status::Warning),
            (outcome(121, finding(Severity::Stale)), Status::Critical),
            (outcome(1, finding(Severity::Damaged)), Status::Critical),
            (failed(Kind::NoBackup), Status::Critical),
            (failed(Kind::Unavailable), Status::Unknown),
            (failed(Kind::BadKey), Status::Unknown),
        ] {
            assert_eq!(Status::of(&outcome), expected, "{outcome:?}");
        }
        assert_eq!([Status::Ok, Status::Warning, Status::Critical, Status::Unknown].map(Status::code), [0, 1, 2, 3]);
    }

    #[test]
    fn a_name_does_not_break_the_line() {
        assert_eq!(told(&outcome(1, finding(Severity::Damaged)), &Ui::new(Default::default())), "a/b .db: message");
        let figures = figures(&outcome(1, vec![]), true);
        assert_eq!(figures[1..], ["generations=1;;;0", "objects=3;;;0", "read=4B;;;0"]);
        assert_eq!(figures[0], "age=60s;3600;7200;0");
    }
}
