//! Tells of a replicator's life: lines and one that changes on a terminal, a log elsewhere, events for programs.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::board::Board;
use super::{events, shown};
use crate::cli::context::Context;
use crate::cli::databases::Database;
use crate::cli::destination::Origin;
use crate::cli::prune;
use crate::cli::render::{self, table};
use crate::cli::ui::Ui;
use crate::clock::{Clock, SystemClock};
use crate::config::duration;
use crate::engine::{Event, Options, Report, Status};
use crate::restore;
use crate::storage::Location;

/// Is told what happens.
#[derive(Debug)]
pub struct Reporter {
    ui: Arc<Ui>,
    db: PathBuf,
    /// What stands in front of a line where there are several databases.
    name: String,
    origin: String,
    /// How the bucket is reached, as far as it is as before.
    as_before: Option<String>,
    compression: String,
    destination: String,
    /// As long as the replica is not further behind, it counts as level.
    usual_lag: Duration,
    began: Instant,
    /// The lines of all databases, and which is ours.
    board: Arc<Board>,
    place: usize,
    seen: Mutex<Seen>,
}

/// What the line on a terminal shows.
#[derive(Debug, Default)]
struct Seen {
    commits: u64,
    sent: u64,
    behind: Option<String>,
    stopping: bool,
    summarized: Report,
}

impl Reporter {
    /// Tells of the replication of the database with this place on the board; with several, each line says of which.
    pub fn new(
        context: &Context,
        database: &Database,
        options: &Options,
        (board, place): (Arc<Board>, usize),
    ) -> Arc<Reporter> {
        let ui = Arc::clone(&context.ui);
        let Database { path: db, destination, .. } = database;
        Arc::new(Reporter {
            ui,
            name: if board.is_shared() { format!("{}: ", db.display()) } else { String::new() },
            db: db.clone(),
            origin: destination.origin.to_string(),
            as_before: context.reached(destination).as_before(),
            compression: options.compression.to_string(),
            usual_lag: options.sync_interval * 2,
            destination: match &destination.location {
                Location::Directory(path) => shown(path),
                location => location.to_string(),
            },
            began: Instant::now(),
            board,
            place,
            seen: Mutex::default(),
        })
    }

    /// Something happened. Called from several threads.
    pub fn tell(&self, event: &Event) {
        let as_before = self.as_before.as_deref();
        let setup = events::Setup { origin: &self.origin, as_before, compression: &self.compression };
        match (self.ui.mode.json, self.ui.err_is_terminal) {
            (true, _) => {
                events::json(&self.ui, event, &self.db, SystemClock.now(), &setup);
            }
            (false, false) => events::log(event, &self.db, &setup),
            (false, true) => self.tell_person(event),
        }
    }

    fn tell_person(&self, event: &Event) {
        let ui = &self.ui;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { db_bytes, encrypted, .. } => {
                ui.note(format_args!(
                    "replicating {} ({}, WAL) -> {}",
                    self.db.display(),
                    ui.size(*db_bytes),
                    self.destination
                ));
                let origin = match &self.as_before {
                    None => self.origin.clone(),
                    Some(how) if self.origin == Origin::Recorded.to_string() => format!("{}: {how}", self.origin),
                    Some(how) => format!("{}; as before: {how}", self.origin),
                };
                let sealed = if *encrypted { "encrypted" } else { "not encrypted" };
                ui.note(format_args!("  [{origin}]  {}, {sealed}", self.compression));
            }
            Event::Generation { generation, reason, db_bytes, stored_bytes, duration } => {
                seen.sent += stored_bytes;
                ui.note(format_args!(
                    "{}generation {} started ({}):\n  snapshot {} -> {} in {}",
                    self.name,
                    generation.short(),
                    reason.name(),
                    ui.size(*db_bytes),
                    ui.size(*stored_bytes),
                    render::took(*duration),
                ));
            }
            Event::Compared { pages, differing, duration } => ui.note(format_args!(
                "{}the WAL went on without waloy: {} compared in {}, {} differ",
                self.name,
                render::count(u64::from(*pages), "page"),
                render::took(*duration),
                table::count(u64::from(*differing)),
            )),
            Event::Synced(synced) => {
                seen.commits += synced.commits;
                seen.sent += synced.stored_bytes;
            }
            Event::Retry { error, .. } => seen.behind = Some(error.clone()),
            Event::Degraded { error, .. } => {
                seen.behind = Some(error.clone());
                ui.warn("replicate.degraded", &format!("{}the replica is behind: {error}", self.name), &[]);
            }
            Event::Recovered { after } => {
                seen.behind = None;
                ui.note(format_args!("{}level again after {}", self.name, duration::format(*after)));
            }
            Event::Pruned(report) => {
                if report.objects > 0 {
                    let (objects, freed) = (render::count(report.objects, "object"), ui.size(report.freed_bytes));
                    ui.note(format_args!("{}{objects} older than the retention deleted, {freed}", self.name));
                }
                prune::warn(ui, report);
            }
            Event::Checkpoint { .. } | Event::Stopped(_) => {}
        }
    }

    /// A database that was not there was restored.
    pub fn restored(&self, report: &restore::Report) {
        let plan = &report.plan;
        let db = self.db.display();
        match (self.ui.mode.json, self.ui.err_is_terminal) {
            (true, _) => events::restored(&self.ui, &self.db, SystemClock.now(), report),
            (false, false) => {
                let (generation, point, at) = (plan.generation, plan.point, plan.at);
                tracing::info!(%db, %generation, %point, %at, bytes = plan.db_bytes(), "restored");
            }
            (false, true) => self.ui.note(format_args!(
                "restored {db} ({}) as of {} from generation {}:{}",
                self.ui.size(plan.db_bytes()),
                self.ui.time(plan.at),
                plan.generation.short(),
                plan.point,
            )),
        }
    }

    /// There is neither a database nor a backup of it.
    pub fn waiting(&self, location: &str) {
        let db = self.db.display();
        match (self.ui.mode.json, self.ui.err_is_terminal) {
            (false, true) => self.ui.note(format_args!("no backup at {location}: waiting for {db} to be created")),
            _ => tracing::info!(%db, location, "no backup there: waiting for the database to be created"),
        }
    }

    /// Whether there is a line to draw.
    pub fn draws(&self) -> bool {
        self.board.draws()
    }

    /// Draws the line.
    pub fn draw(&self, status: &Status) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.stopping {
            return;
        }
        let dot = if self.ui.unicode { "·" } else { "-" };
        let up = self.began.elapsed().as_secs();
        let (hours, minutes, seconds) = (up / 3600, up / 60 % 60, up % 60);
        let state = match &seen.behind {
            None if status.generation.is_none() => "taking the first snapshot".to_owned(),
            None if status.is_level() => format!("in sync{}", idle(status, dot)),
            None => {
                // Between two uploads something is always on its way.
                let lag = status.lag(SystemClock.now());
                let word = if lag <= self.usual_lag { "in sync" } else { "syncing" };
                format!("{word} {dot} lag {}", render::took(lag))
            }
            Some(error) => format!("trying again: {error}"),
        };
        let commits = render::count(seen.commits, "commit");
        let sent = self.ui.size(seen.sent);
        let name = &self.name;
        let line =
            format!("{name}{state} {dot} {commits} {dot} {sent} sent {dot} up {hours:02}:{minutes:02}:{seconds:02}");
        self.board.set(self.place, Some(line));
    }

    /// Tells a log how much was done since the start, if that is more than the last time.
    pub fn summarize(&self, status: &Status) {
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        let Report { commits, objects, stored_bytes, .. } = status.report;
        if self.ui.mode.json || self.ui.err_is_terminal || seen.summarized == status.report {
            return;
        }
        seen.summarized = status.report;
        let up = duration::format(self.began.elapsed());
        tracing::info!(db = %self.db.display(), commits, objects, sent = stored_bytes, up, "in all");
    }

    /// Takes the line away.
    pub fn clear(&self) {
        self.board.set(self.place, None);
    }

    /// The last sync begins.
    pub fn stopping(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).stopping = true;
        self.clear();
        if self.ui.err_is_terminal {
            self.ui.note(format_args!("{}stopping: final sync… (Ctrl-C again to stop at once)", self.name));
        }
    }

    /// The end.
    pub fn done(&self, report: &Report, took: Duration) {
        self.clear();
        if self.ui.err_is_terminal {
            let commits = render::count(report.commits, "commit");
            let pending = match report.pending {
                0 => "nothing pending".to_owned(),
                pending => format!("{} pending", table::count(pending)),
            };
            self.ui.note(format_args!("{}done ({}). {commits} replicated, {pending}.", self.name, render::took(took)));
        }
    }
}

/// How long nothing had to be uploaded, once it is long.
fn idle(status: &Status, dot: &str) -> String {
    let Some(synced) = status.synced else { return String::new() };
    let idle = SystemClock.now().0.saturating_sub(synced.0).max(0).unsigned_abs();
    let idle = Duration::from_secs(idle / 1000);
    if idle < Duration::from_secs(10) {
        String::new()
    } else {
        format!(" {dot} last upload {} ago", duration::format(idle))
    }
}
