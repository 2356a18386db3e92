//! What a replicator tells, as JSON and as log lines.

use std::path::Path;

use serde::Serialize;

use crate::cli::render::json::text;
use crate::cli::render::seconds;
use crate::cli::ui::Ui;
use crate::db::Reclaimed;
use crate::engine::{Event, Report};
use crate::format::Reason;
use crate::ids::GenerationId;
use crate::restore::{self, Point};
use crate::retention;
use crate::units::Timestamp;

/// What every event says first.
#[derive(Serialize)]
struct About {
    #[serde(serialize_with = "text")]
    at: Timestamp,
    db: String,
}

#[derive(Serialize)]
struct Line<T: Serialize> {
    #[serde(flatten)]
    about: About,
    #[serde(flatten)]
    fields: T,
}

#[derive(Serialize)]
struct Start<'a> {
    destination: &'a str,
    origin: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    as_before: Option<&'a str>,
    db_bytes: u64,
    generation: Option<GenerationId>,
    compression: &'a str,
    encrypted: bool,
}

#[derive(Serialize)]
struct Generation {
    generation: GenerationId,
    reason: Reason,
    db_bytes: u64,
    stored_bytes: u64,
    duration_seconds: f64,
}

#[derive(Serialize)]
struct Compared {
    pages: u32,
    differing: u32,
    duration_seconds: f64,
}

#[derive(Serialize)]
struct Sync {
    generation: GenerationId,
    index: u64,
    commits: u64,
    wal_bytes: u64,
    stored_bytes: u64,
    duration_seconds: f64,
    lag_seconds: f64,
}

#[derive(Serialize)]
struct Checkpoint {
    frames: u32,
    outcome: &'static str,
    duration_seconds: f64,
}

#[derive(Serialize)]
struct Retry<'a> {
    error: &'a str,
    attempt: u32,
    delay_seconds: f64,
}

#[derive(Serialize)]
struct Degraded<'a> {
    #[serde(serialize_with = "text")]
    since: Timestamp,
    error: &'a str,
}

#[derive(Serialize)]
struct Recovered {
    after_seconds: f64,
}

#[derive(Serialize)]
struct Prune {
    generations: u64,
    objects: u64,
    freed_bytes: u64,
    refused_objects: u64,
    still_there_objects: u64,
    duration_seconds: f64,
}

#[derive(Serialize)]
struct Stop {
    commits: u64,
    objects: u64,
    stored_bytes: u64,
    pending: u64,
}

impl From<&Report> for Stop {
    fn from(report: &Report) -> Stop {
        let Report { commits, objects, stored_bytes, pending } = *report;
        Stop { commits, objects, stored_bytes, pending }
    }
}

/// What is said of the configuration at the start.
pub(super) struct Setup<'a> {
    pub(super) origin: &'a str,
    pub(super) as_before: Option<&'a str>,
    pub(super) compression: &'a str,
}

#[derive(Serialize)]
struct Restored {
    generation: GenerationId,
    index: Point,
    #[serde(serialize_with = "text")]
    restored_at: Timestamp,
    db_bytes: u64,
    duration_seconds: f64,
}

/// Writes, as a line of JSON, that a database which was not there was restored.
pub(super) fn restored(ui: &Ui, db: &Path, now: Timestamp, report: &restore::Report) {
    let plan = &report.plan;
    let fields = Restored {
        generation: plan.generation,
        index: plan.point,
        restored_at: plan.at,
        db_bytes: plan.db_bytes(),
        duration_seconds: seconds(report.duration),
    };
    let about = About { at: now, db: absolute(db) };
    ui.json("restored", &Line { about, fields });
}

/// Writes an event as a line of JSON.
pub(super) fn json(ui: &Ui, event: &Event, db: &Path, now: Timestamp, setup: &Setup<'_>) {
    let about = About { at: now, db: absolute(db) };
    match event {
        Event::Started { destination, db_bytes, generation, encrypted, .. } => {
            let (db_bytes, generation, encrypted) = (*db_bytes, *generation, *encrypted);
            let Setup { origin, as_before, compression } = *setup;
            let fields = Start { destination, origin, as_before, db_bytes, generation, compression, encrypted };
            ui.json("start", &Line { about, fields });
        }
        Event::Generation { generation, reason, db_bytes, stored_bytes, duration } => {
            let fields = Generation {
                generation: *generation,
                reason: *reason,
                db_bytes: *db_bytes,
                stored_bytes: *stored_bytes,
                duration_seconds: seconds(*duration),
            };
            ui.json("generation", &Line { about, fields });
        }
        Event::Compared { pages, differing, duration } => {
            let fields = Compared { pages: *pages, differing: *differing, duration_seconds: seconds(*duration) };
            ui.json("compared", &Line { about, fields });
        }
        Event::Synced(synced) => {
            let fields = Sync {
                generation: synced.generation,
                index: synced.index.get(),
                commits: synced.commits,
                wal_bytes: synced.wal_bytes,
                stored_bytes: synced.stored_bytes,
                duration_seconds: seconds(synced.duration),
                lag_seconds: seconds(synced.lag),
            };
            ui.json("sync", &Line { about, fields });
        }
        Event::Checkpoint { frames, outcome, duration } => {
            let fields =
                Checkpoint { frames: *frames, outcome: outcome_name(outcome), duration_seconds: seconds(*duration) };
            ui.json("checkpoint", &Line { about, fields });
        }
        Event::Retry { error, attempt, delay } => {
            let fields = Retry { error, attempt: *attempt, delay_seconds: seconds(*delay) };
            ui.json("retry", &Line { about, fields });
        }
        Event::Degraded { since, error } => {
            ui.json("degraded", &Line { about, fields: Degraded { since: *since, error } });
        }
        Event::Recovered { after } => {
            ui.json("recovered", &Line { about, fields: Recovered { after_seconds: seconds(*after) } });
        }
        Event::Pruned(report) => {
            let retention::Report { generations, objects, freed_bytes, refused_objects, still_there_objects, .. } =
                *report;
            let duration_seconds = seconds(report.duration);
            let fields =
                Prune { generations, objects, freed_bytes, refused_objects, still_there_objects, duration_seconds };
            ui.json("prune", &Line { about, fields });
        }
        Event::Stopped(report) => ui.json("stop", &Line { about, fields: Stop::from(report) }),
    }
}

/// Writes an event to the log.
pub(super) fn log(event: &Event, db: &Path, setup: &Setup<'_>) {
    let db = db.display();
    match event {
        Event::Started { destination, db_bytes, encrypted, .. } => {
            let Setup { origin, as_before, compression } = *setup;
            tracing::info!(%db, bytes = db_bytes, destination, origin, as_before, compression, encrypted, "replicating");
        }
        Event::Generation { generation, reason, db_bytes, stored_bytes, duration } => {
            let (reason, took_ms) = (reason.name(), duration.as_millis());
            tracing::info!(%db, %generation, reason, bytes = db_bytes, sent = stored_bytes, took_ms, "generation");
        }
        Event::Compared { pages, differing, duration } => {
            tracing::info!(%db, pages, differing, took_ms = duration.as_millis(), "compared every page with the replica");
        }
        Event::Synced(synced) => {
            let (segment, commits, bytes) = (synced.index.get(), synced.commits, synced.wal_bytes);
            let (sent, took_ms, lag_ms) = (synced.stored_bytes, synced.duration.as_millis(), synced.lag.as_millis());
            tracing::info!(%db, segment, commits, bytes, sent, took_ms, lag_ms, "sync");
        }
        Event::Checkpoint { frames, outcome, duration } => {
            tracing::debug!(%db, frames, outcome = outcome_name(outcome), took_ms = duration.as_millis(), "checkpoint");
        }
        Event::Retry { error, attempt, delay } => {
            tracing::warn!(%db, error, attempt, delay_ms = delay.as_millis(), "trying again");
        }
        Event::Degraded { since, error } => tracing::warn!(%db, %since, error, "degraded: the replica is behind"),
        Event::Recovered { after } => tracing::info!(%db, after_ms = after.as_millis(), "recovered"),
        Event::Pruned(report) => {
            let (generations, objects, bytes) = (report.generations, report.objects, report.freed_bytes);
            if objects > 0 {
                tracing::info!(%db, generations, objects, bytes, took_ms = report.duration.as_millis(), "prune");
            }
            if let Some(refused) = report.refused.first() {
                let (objects, key, why) = (report.refused_objects, &refused.key, &refused.why);
                tracing::warn!(%db, objects, key, why, "the store refuses to delete what need not be kept");
            }
            if let Some(key) = report.still_there.first() {
                let objects = report.still_there_objects;
                tracing::warn!(%db, objects, key, "the store says that it deleted what it still lists");
            }
        }
        Event::Stopped(report) => {
            let Report { commits, objects, stored_bytes, pending } = *report;
            tracing::info!(%db, commits, objects, sent = stored_bytes, pending, "stopped");
        }
    }
}

fn absolute(db: &Path) -> String {
    std::path::absolute(db).unwrap_or_else(|_| db.to_owned()).to_string_lossy().into_owned()
}

fn outcome_name(outcome: &Reclaimed) -> &'static str {
    match outcome {
        Reclaimed::All => "all",
        Reclaimed::Some => "some",
        Reclaimed::Busy => "busy",
    }
}
