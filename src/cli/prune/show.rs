//! What a plan, and what came of it, look like.

use serde::Serialize;

use crate::cli::destination::Source;
use crate::cli::render::json::text;
use crate::cli::render::table::{self, Column};
use crate::cli::render::{count, seconds, took};
use crate::cli::ui::Ui;
use crate::ids::GenerationId;
use crate::restore::Interval;
use crate::retention::{Deleted, Fate, GenerationPlan, Kept, Period, Plan, Refused, Replacement, Report};
use crate::units::Timestamp;

const COLUMNS: [Column; 6] = [
    Column::text("GENERATION"),
    Column::text("FROM"),
    Column::text("LAST UPLOAD"),
    Column::number("POINTS").spare(2),
    Column::number("STORED").spare(1),
    Column::text("FATE"),
];

/// So many keys are shown.
const SHOWN: usize = 5;

#[derive(Serialize)]
struct Json<'a> {
    source: &'a str,
    #[serde(serialize_with = "text")]
    now: Timestamp,
    dry_run: bool,
    generations: Vec<JsonGeneration>,
    unknown: &'a [String],
    delete_objects: u64,
    free_bytes: u64,
    restorable: Option<Interval>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deleted: Option<JsonReport<'a>>,
}

#[derive(Serialize)]
struct JsonGeneration {
    id: GenerationId,
    fate: &'static str,
    reason: &'static str,
    #[serde(flatten)]
    covers: Interval,
    points: u64,
    stored_bytes: u64,
    superseded_objects: u64,
    superseded_bytes: u64,
}

#[derive(Serialize)]
struct JsonReport<'a> {
    generations: u64,
    objects: u64,
    freed_bytes: u64,
    refused_objects: u64,
    refused: &'a [Refused],
    still_there_objects: u64,
    still_there: &'a [String],
    duration_seconds: f64,
}

/// Shows what stays and what goes, to people.
pub(super) fn plan(ui: &Ui, source: &Source, plan: &Plan) {
    if ui.mode.json {
        return;
    }
    let moments: Vec<Timestamp> =
        plan.generations.iter().flat_map(|it| [it.covers.from, it.covers.to]).map(whole_minute).collect();
    let (times, _) = ui.times(&moments);
    let times: Vec<String> = times.iter().map(|text| text.strip_suffix(":00").unwrap_or(text).to_owned()).collect();
    let rows: Vec<Vec<String>> =
        plan.generations.iter().zip(times.chunks_exact(2)).map(|(it, times)| row(it, times, ui)).collect();
    let mut lines = table::lines(&COLUMNS, &rows, ui.width).into_iter();
    ui.line(lines.next().unwrap_or_default());
    for (generation, line) in plan.generations.iter().zip(lines) {
        ui.line(line);
        let (objects, bytes) = superseded(generation);
        if objects > 0 {
            let objects = count(objects, "object");
            ui.line(format_args!("     {objects} of it go, {}: larger ones stand for them", ui.size(bytes)));
        }
        if let Fate::Kept(Kept::BeforeReplacement(by)) = generation.fate {
            let argument = source.argument();
            ui.line("     another database took its place; if that was right:");
            ui.line(format_args!("     waloy prune {argument} --confirm-replacement {}", by.short()));
        }
    }
    if !plan.unknown.is_empty() {
        let (some, more) = (plan.unknown.iter().take(SHOWN), plan.unknown.len().saturating_sub(SHOWN));
        let some = some.map(String::as_str).collect::<Vec<_>>().join(", ");
        let more = if more > 0 { format!(" and {more} more") } else { String::new() };
        ui.line(format_args!("not waloy's, and left alone: {some}{more}"));
    }
    match plan.restorable() {
        Some(range) if !plan.is_empty() => {
            let [from, to] = [range.from, range.to].map(|at| ui.time(Timestamp(at.0.div_euclid(1000) * 1000)));
            ui.line(format_args!("restorable afterwards: {from} … {to}"));
        }
        _ => {}
    }
}

fn row(generation: &GenerationPlan, times: &[String], ui: &Ui) -> Vec<String> {
    let [from, to] = times else { unreachable!("two moments a generation") };
    vec![
        generation.generation.short(),
        from.clone(),
        to.clone(),
        table::count(generation.points),
        ui.size(generation.stored_bytes()),
        fate(generation.fate).into(),
    ]
}

fn whole_minute(at: Timestamp) -> Timestamp {
    Timestamp(at.0.div_euclid(60_000) * 60_000)
}

fn superseded(generation: &GenerationPlan) -> (u64, u64) {
    generation.superseded().fold((0, 0), |(objects, bytes), object| (objects + 1, bytes + object.bytes))
}

/// What becomes of a generation, in words.
fn fate(fate: Fate) -> &'static str {
    match fate {
        Fate::Kept(Kept::Latest) => "kept: latest",
        Fate::Kept(Kept::AtLeast) => "kept: --min-keep",
        Fate::Kept(Kept::Forever) => "kept: forever",
        Fate::Kept(Kept::Retention) => "kept: retention",
        Fate::Kept(Kept::Point(Period::Daily)) => "kept: end of a day",
        Fate::Kept(Kept::Point(Period::Weekly)) => "kept: end of a week",
        Fate::Kept(Kept::Point(Period::Monthly)) => "kept: end of a month",
        Fate::Kept(Kept::BeforeReplacement(_)) => "kept: replaced",
        Fate::Kept(Kept::Replacement) => "kept: a replacement",
        Fate::Kept(Kept::Young) => "kept: young",
        Fate::Kept(Kept::Incomplete) => "kept: no snapshot",
        Fate::Deleted(Deleted::Expired) => "GOES: expired",
        Fate::Deleted(Deleted::Superseded(_)) => "GOES: merged",
        Fate::Deleted(Deleted::Remnant) => "GOES: a remnant",
        Fate::Deleted(Deleted::Orphan) => "GOES: no snapshot",
    }
}

/// The same for programs.
fn reason(fate: Fate) -> &'static str {
    match fate {
        Fate::Kept(kept) => kept.name(),
        Fate::Deleted(deleted) => deleted.name(),
    }
}

/// What is about to be done.
pub(super) fn question(ui: &Ui, plan: &Plan) -> String {
    let objects = count(plan.deleted().count() as u64, "object");
    format!("delete {objects}, {}", ui.size(plan.freed_bytes()))
}

/// Shows how it ended; `report` is `None` if nothing was to be done.
pub(super) fn ended(ui: &Ui, plan: &Plan, dry_run: bool, report: Option<&Report>) {
    if ui.mode.json {
        ui.json("prune", &json(plan, dry_run, report));
    }
    let Some(report) = report else {
        match plan.is_empty() {
            true => ui.note("nothing to delete"),
            false => ui.note(format_args!("would {}; nothing was deleted", question(ui, plan))),
        }
        return;
    };
    let objects = count(report.objects, "object");
    let generations = match report.generations {
        0 => String::new(),
        generations => format!(" and {}", count(generations, "generation")),
    };
    let freed = ui.size(report.freed_bytes);
    ui.note(format_args!("deleted {objects}{generations}, {freed}, in {}", took(report.duration)));
    warn(ui, report);
}

/// Warns of what the store did not delete.
pub(in crate::cli) fn warn(ui: &Ui, report: &Report) {
    if let Some(refused) = report.refused.first() {
        let (objects, Refused { key, why }) = (count(report.refused_objects, "object"), refused);
        let message = format!("the store refused to delete {objects}, as {key}: {why}");
        let hint = "deleting takes a key with that permission; an object lock keeps objects until it ends";
        ui.warn("retention.refused", &message, &[hint.to_owned()]);
    }
    if let Some(key) = report.still_there.first() {
        let objects = count(report.still_there_objects, "object");
        let message = format!("the store said that {objects} were deleted, as {key}, and still lists them");
        ui.warn("retention.still_there", &message, &[]);
    }
}

fn json<'a>(plan: &'a Plan, dry_run: bool, report: Option<&'a Report>) -> Json<'a> {
    let generation = |it: &GenerationPlan| {
        let (superseded_objects, superseded_bytes) = superseded(it);
        JsonGeneration {
            id: it.generation,
            fate: if it.fate.is_deleted() { "deleted" } else { "kept" },
            reason: reason(it.fate),
            covers: it.covers,
            points: it.points,
            stored_bytes: it.stored_bytes(),
            superseded_objects,
            superseded_bytes,
        }
    };
    Json {
        source: &plan.source,
        now: plan.now,
        dry_run,
        generations: plan.generations.iter().map(generation).collect(),
        unknown: &plan.unknown,
        delete_objects: plan.deleted().count() as u64,
        free_bytes: plan.freed_bytes(),
        restorable: plan.restorable(),
        deleted: report.map(|report| JsonReport {
            generations: report.generations,
            objects: report.objects,
            freed_bytes: report.freed_bytes,
            refused_objects: report.refused_objects,
            refused: &report.refused,
            still_there_objects: report.still_there_objects,
            still_there: &report.still_there,
            duration_seconds: seconds(report.duration),
        }),
    }
}

#[derive(Serialize)]
struct JsonReplacement {
    generation: GenerationId,
    before: GenerationId,
    confirmed: bool,
}

/// Shows a replacement, confirmed or not.
pub(super) fn replacement(ui: &Ui, found: &Replacement) {
    let Replacement { generation, before, confirmed } = *found;
    if ui.mode.json {
        ui.json("replacement", &JsonReplacement { generation, before, confirmed });
        return;
    }
    let (after, before) = (generation.short(), before.short());
    match confirmed {
        true => ui.note(format_args!(
            "confirmed: {after} rightly replaced the database of {before}, which goes when the retention is over"
        )),
        false => ui.note(format_args!("{after} replaced the database of {before}; nothing was confirmed")),
    }
}
