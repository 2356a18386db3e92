//! Progress as a bar on standard error.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use indicatif::{ProgressBar, ProgressStyle};

use super::ui::Ui;
use crate::progress::{Phase, Progress};

/// Draws one bar a phase, where there is a terminal.
pub struct Bar {
    ui: Arc<Ui>,
    bar: Mutex<Option<ProgressBar>>,
}

impl Bar {
    /// A bar that is drawn with the others of this terminal.
    pub fn new(ui: &Arc<Ui>) -> Arc<Bar> {
        Arc::new(Bar { ui: Arc::clone(ui), bar: Mutex::new(None) })
    }

    fn replace(&self, new: Option<ProgressBar>) {
        let old = std::mem::replace(&mut *self.bar.lock().unwrap_or_else(PoisonError::into_inner), new);
        if let Some(old) = old {
            old.finish_and_clear();
        }
    }
}

impl fmt::Debug for Bar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Bar")
    }
}

impl Progress for Bar {
    fn begin(&self, phase: Phase, total: Option<u64>) {
        if self.ui.bars().is_hidden() {
            return;
        }
        let bar = match total {
            Some(total) => ProgressBar::new(total),
            None => ProgressBar::no_length(),
        };
        let bar = self.ui.bars().add(bar.with_style(style(phase, total, self.ui.unicode)).with_message(name(phase)));
        bar.enable_steady_tick(Duration::from_millis(100));
        self.replace(Some(bar));
    }

    fn advance(&self, bytes: u64) {
        if let Some(bar) = &*self.bar.lock().unwrap_or_else(PoisonError::into_inner) {
            bar.inc(bytes);
        }
    }

    fn end(&self) {
        self.replace(None);
    }
}

fn name(phase: Phase) -> &'static str {
    match phase {
        Phase::Snapshot => "snapshot",
        Phase::Restore => "restoring",
        Phase::Sync => "writing to disk",
        Phase::Check => "checking",
        Phase::Compare => "comparing",
        Phase::Verify => "verifying",
        Phase::Merge => "merging",
        #[expect(unreachable_patterns, reason = "phases may be added")]
        _ => "working",
    }
}

fn style(phase: Phase, total: Option<u64>, unicode: bool) -> ProgressStyle {
    let template = match (total, phase) {
        (Some(_), _) => "  {msg}  {bar:20}  {bytes}/{total_bytes}  {bytes_per_sec}  {eta}",
        (None, Phase::Snapshot | Phase::Merge) => "  {msg}  {spinner}  {bytes}  {bytes_per_sec}",
        // Nothing is counted in them.
        (None, _) => "  {msg}  {spinner}  {elapsed}",
    };
    let style = ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_bar());
    if unicode { style.progress_chars("━╸ ") } else { style.progress_chars("=> ").tick_chars("-\\|/ ") }
}
