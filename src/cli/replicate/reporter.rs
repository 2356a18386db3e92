//! Tells of a replicator's life: lines and one that changes on a terminal, a log elsewhere, events for programs.

use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use indicatif::{ProgressBar, ProgressStyle};

use super::{events, shown};
use crate::cli::context::Context;
use crate::cli::destination::Destination;
use crate::cli::render::{self, table};
use crate::cli::ui::Ui;
use crate::clock::{Clock, SystemClock};
use crate::compress::Compression;
use crate::config::duration;
use crate::engine::{Event, Report, Status};
use crate::storage::Location;

/// Is told what happens.
#[derive(Debug)]
pub struct Reporter {
    ui: Arc<Ui>,
    db: PathBuf,
    origin: String,
    compression: String,
    destination: String,
    began: Instant,
    spinner: ProgressBar,
    seen: Mutex<Seen>,
}

/// What the line on a terminal shows.
#[derive(Debug, Default)]
struct Seen {
    commits: u64,
    sent: u64,
    lag: Duration,
    behind: Option<String>,
    stopping: bool,
    summarized: Report,
}

impl Reporter {
    /// Tells of the replication of one database.
    pub fn new(context: &Context, db: &Path, destination: &Destination, compression: Compression) -> Arc<Reporter> {
        let ui = Arc::clone(&context.ui);
        let spinner = match ui.bars().is_hidden() {
            true => ProgressBar::hidden(),
            false => ui.bars().add(ProgressBar::new_spinner().with_style(style(ui.unicode))),
        };
        Arc::new(Reporter {
            ui,
            db: db.to_owned(),
            origin: destination.origin.to_string(),
            compression: compression.to_string(),
            destination: match &destination.location {
                Location::Directory(path) => shown(path),
                location => location.to_string(),
            },
            began: Instant::now(),
            spinner,
            seen: Mutex::default(),
        })
    }

    /// Something happened. Called from several threads.
    pub fn tell(&self, event: &Event) {
        let setup = events::Setup { origin: &self.origin, compression: &self.compression };
        match (self.ui.mode.json, self.ui.err_is_terminal) {
            (true, _) => {
                let db = std::path::absolute(&self.db).unwrap_or_else(|_| self.db.clone());
                events::json(&self.ui, event, &db, SystemClock.now(), &setup);
            }
            (false, false) => events::log(event, &self.db, &setup),
            (false, true) => self.tell_person(event),
        }
    }

    fn tell_person(&self, event: &Event) {
        let ui = &self.ui;
        let mut seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        match event {
            Event::Started { db_bytes, .. } => ui.note(format_args!(
                "replicating {} ({}, WAL) -> {}   [{}]  {}, not encrypted",
                self.db.display(),
                ui.size(*db_bytes),
                self.destination,
                self.origin,
                self.compression,
            )),
            Event::Generation { generation, reason, db_bytes, stored_bytes, duration } => {
                seen.sent += stored_bytes;
                ui.note(format_args!(
                    "generation {} started ({}): snapshot {} -> {} in {}",
                    generation.short(),
                    events::reason_name(*reason),
                    ui.size(*db_bytes),
                    ui.size(*stored_bytes),
                    render::took(*duration),
                ));
            }
            Event::Synced(synced) => {
                seen.commits += synced.commits;
                seen.sent += synced.stored_bytes;
                seen.lag = synced.lag;
            }
            Event::Retry { error, .. } => seen.behind = Some(error.clone()),
            Event::Degraded { error, .. } => {
                seen.behind = Some(error.clone());
                ui.warn("replicate.degraded", &format!("the replica is behind: {error}"), &[]);
            }
            Event::Recovered { after } => {
                seen.behind = None;
                ui.note(format_args!("level again after {}", duration::format(*after)));
            }
            Event::Checkpoint { .. } | Event::Stopped(_) => {}
        }
    }

    /// Whether there is a line to draw.
    pub fn draws(&self) -> bool {
        !self.spinner.is_hidden()
    }

    /// Draws the line.
    pub fn draw(&self) {
        let seen = self.seen.lock().unwrap_or_else(PoisonError::into_inner);
        if seen.stopping {
            return;
        }
        let dot = if self.ui.unicode { "·" } else { "-" };
        let up = self.began.elapsed().as_secs();
        let (hours, minutes, seconds) = (up / 3600, up / 60 % 60, up % 60);
        let state = match &seen.behind {
            None => format!("in sync {dot} lag {}", render::took(seen.lag)),
            Some(error) => format!("trying again: {error}"),
        };
        let commits = render::count(seen.commits, "commit");
        let sent = self.ui.size(seen.sent);
        self.spinner.set_message(format!(
            "{state} {dot} {commits} {dot} {sent} sent {dot} up {hours:02}:{minutes:02}:{seconds:02}"
        ));
        self.spinner.tick();
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
        self.spinner.finish_and_clear();
    }

    /// The last sync begins.
    pub fn stopping(&self) {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner).stopping = true;
        self.clear();
        if self.ui.err_is_terminal {
            self.ui.note("stopping: final sync… (Ctrl-C again to stop at once)");
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
            self.ui.note(format_args!("done ({}). {commits} replicated, {pending}.", render::took(took)));
        }
    }
}

fn style(unicode: bool) -> ProgressStyle {
    let style =
        ProgressStyle::with_template("{spinner} {wide_msg}").unwrap_or_else(|_| ProgressStyle::default_spinner());
    if unicode { style } else { style.tick_chars("-\\|/ ") }
}
