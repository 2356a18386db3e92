//! What a restore did, for people and for programs.

use std::path::Path;

use serde::Serialize;

use super::trouble::Trouble;
use crate::cli::render;
use crate::cli::render::json::{text, text_or_null};
use crate::cli::ui::Ui;
use crate::config::time::Time;
use crate::error::Result;
use crate::ids::GenerationId;
use crate::restore::{Absence, Check, Gap, Interval, LeftOut, Plan, PlannedObject, Point, Report, Target};
use crate::units::Timestamp;

/// What was asked for, as it was written.
#[derive(Clone, Debug, Serialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub(super) enum Requested {
    Latest,
    Time {
        input: String,
        #[serde(serialize_with = "text")]
        at: Timestamp,
    },
    Generation {
        input: String,
    },
}

impl Requested {
    /// What a time asks for; `latest` is one, too.
    pub(super) fn time(input: &str, time: Time, strict: bool) -> Result<(Target, Requested)> {
        let target = if strict { Target::StrictTime } else { Target::Time };
        Ok(match time {
            Time::At(at) => (target(at), Requested::Time { input: input.to_owned(), at }),
            Time::Latest => (Target::Latest, Requested::Latest),
        })
    }

    pub(super) fn generation(input: &str) -> Requested {
        Requested::Generation { input: input.to_owned() }
    }

    fn why(&self) -> &'static str {
        match self {
            Requested::Latest => "the latest",
            Requested::Time { .. } => "the last upload before that time",
            Requested::Generation { .. } => "as requested",
        }
    }
}

#[derive(Serialize)]
struct Restored {
    #[serde(serialize_with = "text")]
    at: Timestamp,
    generation: GenerationId,
    index: Point,
}

impl Restored {
    fn of(plan: &Plan) -> Restored {
        Restored { at: plan.at, generation: plan.generation, index: plan.point }
    }
}

#[derive(Serialize)]
struct Checks {
    chain: &'static str,
    checksum: &'static str,
    integrity: &'static str,
}

#[derive(Serialize)]
struct Json<'a> {
    output: String,
    source: &'a str,
    requested: &'a Requested,
    restored: Restored,
    in_gap: bool,
    gap: Option<Gap>,
    merged: Option<Interval>,
    left_out: &'a [LeftOut],
    #[serde(serialize_with = "text_or_null")]
    kept: Option<String>,
    discarded: bool,
    moved_aside: Vec<String>,
    db_bytes: u64,
    page_size: u32,
    pages: u32,
    checksum: String,
    objects: usize,
    downloaded_bytes: u64,
    checks: Checks,
    encrypted: bool,
    duration_seconds: f64,
}

#[derive(Serialize)]
struct PlanJson<'a> {
    output: String,
    source: &'a str,
    requested: &'a Requested,
    restored: Restored,
    in_gap: bool,
    gap: Option<Gap>,
    merged: Option<Interval>,
    left_out: &'a [LeftOut],
    db_bytes: u64,
    page_size: u32,
    pages: u32,
    stored_bytes: u64,
    objects: &'a [PlannedObject],
}

#[derive(Serialize)]
struct Skipped<'a> {
    output: String,
    skipped: &'static str,
    message: &'a str,
}

/// Shows a restore on standard output, or on standard error where the database goes to standard output.
pub(super) struct Show<'a> {
    pub(super) ui: &'a Ui,
    pub(super) aside: bool,
}

impl Show<'_> {
    /// Why there was nothing to do.
    pub(super) fn skipped(&self, code: &'static str, message: &str, output: &Path) {
        self.json("restore", &Skipped { output: absolute(output), skipped: code, message });
        self.line(format_args!("{message}"));
    }

    /// What will be restored, before it is.
    pub(super) fn begin(&self, plan: &Plan, requested: &Requested, trouble: &Trouble<'_>) {
        if let Requested::Time { input, at } = requested {
            self.line(format_args!("requested  {}  ({input})", self.ui.time(*at)));
        }
        self.state("restoring", requested.why(), plan, trouble);
        self.left_out(&plan.left_out, trouble);
    }

    /// What was restored in the end, if that is another state than was shown before: something was let go of meanwhile.
    /// Says whether it is. What was found damaged since is shown in any case.
    pub(super) fn changed(&self, shown: &Plan, plan: &Plan, trouble: &Trouble<'_>) -> bool {
        let state = |plan: &Plan| (plan.generation, plan.point, plan.gap, plan.merged);
        let is_another = state(shown) != state(plan);
        if is_another {
            self.state("instead", "the replica has changed since", plan, trouble);
        }
        let is_new = |one: &&LeftOut| shown.left_out.iter().all(|known| known.name != one.name);
        self.left_out(plan.left_out.iter().filter(is_new), trouble);
        is_another
    }

    /// Merged segments that are damaged: nothing is lost by it yet.
    fn left_out<'b>(&self, left_out: impl IntoIterator<Item = &'b LeftOut>, trouble: &Trouble<'_>) {
        for LeftOut { message, .. } in left_out {
            let message = format!("{message}; what it was merged from is restored instead");
            self.ui.warn("restore.merged_damaged", &message, &[trouble.see()]);
        }
    }

    /// A state, what there is to know about it, and what it is made of.
    fn state(&self, what: &str, why: &str, plan: &Plan, trouble: &Trouble<'_>) {
        let (at, generation) = (self.ui.time(plan.at), plan.generation.short());
        let restoring = format!("{what:<11}{at}  generation {generation}:{}", plan.point);
        match restoring.chars().count() + why.chars().count() + 4 <= self.ui.width {
            true => self.line(format_args!("{restoring}  ({why})")),
            false => self.line(format_args!("{restoring}\n           ({why})")),
        }
        if let Some(gap) = plan.gap {
            let why = match gap.why {
                Absence::Outage => "the store was out of reach",
                Absence::Deleted => "retention let go of what was there",
                _ => "nobody watched the database",
            };
            let message = format!(
                "{why} from {} to {}: there may have been later commits before the time asked for",
                self.ui.time(gap.from),
                self.ui.time(gap.to)
            );
            let hints: Vec<String> = plan.after_gap.iter().map(|after| trouble.first_after(*after)).collect();
            self.ui.warn("restore.in_gap", &message, &hints);
        }
        if let Some(merged) = plan.merged {
            let message = format!(
                "the states between {} and {} were merged: this is the nearest before the time asked for",
                self.ui.time(merged.from),
                self.ui.time(merged.to)
            );
            self.ui.warn("restore.in_merged", &message, &[]);
        }
        let segments = plan.objects.len().saturating_sub(1) as u64;
        let (snapshot, rest) = (plan.snapshot_bytes(), plan.stored_bytes() - plan.snapshot_bytes());
        let rest = if segments == 0 { String::new() } else { format!(" {}", self.ui.size(rest)) };
        let (snapshot, segments) = (self.ui.size(snapshot), render::count(segments, "segment"));
        self.line(format_args!("from       snapshot {snapshot} + {segments}{rest}, {}", plan.source));
    }

    /// What would be restored.
    pub(super) fn plan(&self, plan: &Plan, requested: &Requested, output: &Path) {
        let json = PlanJson {
            output: absolute(output),
            source: &plan.source,
            requested,
            restored: Restored::of(plan),
            in_gap: plan.in_gap,
            gap: plan.gap,
            merged: plan.merged,
            left_out: &plan.left_out,
            db_bytes: plan.db_bytes(),
            page_size: plan.page_size.get(),
            pages: plan.pages,
            stored_bytes: plan.stored_bytes(),
            objects: &plan.objects,
        };
        self.json("restore_plan", &json);
        let (db, to) = (self.ui.size(plan.db_bytes()), output.display());
        self.line(format_args!("to         {to}  {db}; nothing was written (--dry-run)"));
    }

    /// What was restored.
    pub(super) fn restored(&self, report: &Report, requested: &Requested, output: &Path) {
        self.json("restore", &json(report, requested));
        let plan = &report.plan;
        let pages = render::count(u64::from(plan.pages), "page");
        let checksum = match report.check {
            Check::None => "the database checksum was not compared".into(),
            _ => format!("checksum {} matches the replicator's", render::short_checksum(report.checksum)),
        };
        let integrity = match report.check {
            Check::None | Check::Checksum => "",
            Check::Quick => ", quick_check ok",
            Check::Full => ", integrity_check ok",
        };
        self.line(format_args!("verified   {pages}, {checksum}{integrity}"));
        let output = if self.aside { "standard output".into() } else { output.display().to_string() };
        let (size, took) = (self.ui.size(plan.db_bytes()), render::took(report.duration));
        self.line(format_args!("restored   {output}  {size} in {took}"));
        if let Some(kept) = &report.kept {
            self.line(format_args!("kept       the old database, as {}", shown(kept)));
        }
        if report.discarded {
            self.line(format_args!("deleted    the old database"));
        }
        for moved in &report.moved {
            self.line(format_args!("moved      a stale file of SQLite, to {}", shown(moved)));
        }
    }

    fn line(&self, text: std::fmt::Arguments<'_>) {
        match (self.aside, self.ui.mode.quiet) {
            (_, true) => {}
            (true, false) => self.ui.note(text),
            (false, false) => self.ui.line(text),
        }
    }

    fn json(&self, kind: &str, value: &impl Serialize) {
        match (self.ui.mode.json, self.aside) {
            (false, _) => {}
            (true, false) => self.ui.json(kind, value),
            (true, true) => self.ui.json_aside(kind, value),
        }
    }
}

fn json<'a>(report: &'a Report, requested: &'a Requested) -> Json<'a> {
    let plan = &report.plan;
    let path = |path: &std::path::PathBuf| path.to_string_lossy().into_owned();
    Json {
        output: absolute(&report.output),
        source: &plan.source,
        requested,
        restored: Restored::of(plan),
        in_gap: plan.in_gap,
        gap: plan.gap,
        merged: plan.merged,
        left_out: &plan.left_out,
        kept: report.kept.as_ref().map(path),
        discarded: report.discarded,
        moved_aside: report.moved.iter().map(path).collect(),
        db_bytes: plan.db_bytes(),
        page_size: plan.page_size.get(),
        pages: plan.pages,
        checksum: report.checksum.to_string(),
        objects: plan.objects.len(),
        downloaded_bytes: report.downloaded_bytes,
        checks: Checks {
            chain: "ok",
            checksum: if report.check == Check::None { "skipped" } else { "ok" },
            integrity: if report.check >= Check::Quick { "ok" } else { "skipped" },
        },
        encrypted: plan.encrypted,
        duration_seconds: render::seconds(report.duration),
    }
}

/// The absolute path, for programs; `-` stays what it is.
fn absolute(path: &Path) -> String {
    if path == Path::new("-") {
        return "-".into();
    }
    std::path::absolute(path).unwrap_or_else(|_| path.to_owned()).to_string_lossy().into()
}

/// The path from here, if it is below.
fn shown(path: &Path) -> String {
    let here = std::env::current_dir().ok().and_then(|here| here.canonicalize().ok());
    let below = here.and_then(|here| path.strip_prefix(here).ok().map(Path::to_owned));
    below.as_deref().unwrap_or(path).display().to_string()
}
