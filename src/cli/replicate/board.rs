//! The lines at the bottom of a terminal that change: one a database.

use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};

use crate::cli::ui::Ui;

/// The lines of all databases of a command, drawn together: drawn apart, one that ends would leave its line behind.
#[derive(Debug)]
pub struct Board {
    bar: ProgressBar,
    width: usize,
    lines: Mutex<Vec<Option<String>>>,
}

impl Board {
    /// A board for so many databases; hidden where there is no terminal.
    pub fn new(ui: &Ui, databases: usize) -> Board {
        let style = ProgressStyle::with_template("{spinner} {msg}");
        let style = style.unwrap_or_else(|_| ProgressStyle::default_spinner());
        let style = if ui.unicode { style } else { style.tick_chars("-\\|/ ") };
        let bar = match ui.bars().is_hidden() {
            true => ProgressBar::hidden(),
            false => ui.bars().add(ProgressBar::new_spinner().with_style(style)),
        };
        Board { bar, width: ui.width.saturating_sub(3), lines: Mutex::new(vec![None; databases]) }
    }

    /// Whether anything can be drawn.
    pub fn draws(&self) -> bool {
        !self.bar.is_hidden()
    }

    /// Whether there is more than one database.
    pub fn is_shared(&self) -> bool {
        self.lines.lock().unwrap_or_else(PoisonError::into_inner).len() > 1
    }

    /// Shows this line for a database, or none any more.
    pub fn set(&self, database: usize, line: Option<String>) {
        let mut lines = self.lines.lock().unwrap_or_else(PoisonError::into_inner);
        let cut = |line: String| line.chars().take(self.width).collect();
        if let Some(place) = lines.get_mut(database) {
            *place = line.map(cut);
        }
        let shown: Vec<&str> = lines.iter().flatten().map(String::as_str).collect();
        if shown.is_empty() {
            self.bar.finish_and_clear();
        } else {
            self.bar.set_message(shown.join("\n  "));
            self.bar.tick();
        }
    }
}
