//! The two streams, and how they like to be written to.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, PoisonError};

use chrono::Local;
use indicatif::{MultiProgress, ProgressDrawTarget};
use serde::Serialize;

use super::log::{self, LogFormat};
use super::render;
use super::secret;
use super::style::{Choice, Paint, wants_color};
use crate::config::{size, time};
use crate::error::{Error, Kind};
use crate::units::Timestamp;

/// How to write.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Mode {
    /// JSON for programs, one object a line.
    pub json: bool,
    /// No colours, no characters beyond ASCII, no progress.
    pub plain: bool,
    /// How to write the log.
    pub log_format: LogFormat,
    /// Only errors.
    pub quiet: bool,
    /// More than usual: how often `-v` was given.
    pub verbose: u8,
    /// When to colour.
    pub color: Choice,
    /// When to draw progress.
    pub progress: Choice,
    /// Times in UTC instead of the local zone.
    pub utc: bool,
    /// Sizes in bytes instead of units.
    pub bytes: bool,
    /// Nobody is asked anything.
    pub no_input: bool,
}

/// Everything that is printed goes through this.
pub struct Ui {
    /// How to write.
    pub mode: Mode,
    /// Colours of standard output.
    pub out: Paint,
    /// Colours of standard error.
    pub err: Paint,
    /// Characters beyond ASCII do no harm.
    pub unicode: bool,
    /// Standard output is a terminal.
    pub out_is_terminal: bool,
    /// Standard error is for people: it is a terminal, unless `--log-format` says otherwise.
    pub err_is_terminal: bool,
    /// How the log is written; never [`LogFormat::Auto`].
    pub log_format: LogFormat,
    /// Columns of standard output: those of the terminal, else what `COLUMNS` says, else 80.
    pub width: usize,
    bars: MultiProgress,
    stdout: Mutex<Output>,
}

/// Standard output, until nobody reads it any more.
struct Output {
    stream: Box<dyn Write + Send>,
    failure: Option<io::Error>,
}

impl fmt::Debug for Ui {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Ui").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Ui {
    /// Looks at the streams and the environment once.
    pub fn new(mode: Mode) -> Ui {
        let variable = |name: &str| std::env::var(name).ok();
        let (out_is_terminal, err_is_terminal) = (io::stdout().is_terminal(), io::stderr().is_terminal());
        let dumb = variable("TERM").is_some_and(|term| term == "dumb");
        let draws = match mode.progress {
            _ if mode.plain => false,
            Choice::Auto => err_is_terminal && !dumb && !mode.json && !mode.quiet,
            Choice::Always => !mode.json,
            Choice::Never => false,
        };
        let target = if draws { ProgressDrawTarget::stderr() } else { ProgressDrawTarget::hidden() };
        let log_format = mode.log_format.resolved(mode.json, err_is_terminal);
        let color = if mode.plain { Choice::Never } else { mode.color };
        Ui {
            mode,
            out: Paint(wants_color(color, variable, out_is_terminal)),
            err: Paint(wants_color(color, variable, err_is_terminal)),
            unicode: !mode.plain && is_unicode(variable),
            out_is_terminal,
            err_is_terminal: log_format == LogFormat::Pretty,
            log_format,
            width: width(out_is_terminal, variable),
            bars: MultiProgress::with_draw_target(target),
            stdout: Mutex::new(Output { stream: Box::new(io::stdout()), failure: None }),
        }
    }

    /// Bars that are drawn together; hidden where there is no terminal.
    pub fn bars(&self) -> &MultiProgress {
        &self.bars
    }

    /// A line for people on standard output; nothing with `--json`.
    pub fn line(&self, text: impl fmt::Display) {
        if !self.mode.json {
            self.write(&self.spelled(format!("{text}\n")));
        }
    }

    /// Text for programs on standard output, as it is.
    pub fn raw(&self, text: &str) {
        self.write(text);
    }

    /// A line for people on standard error, about what goes on; nothing with `--json` or `-q`.
    pub fn note(&self, text: impl fmt::Display) {
        if !self.mode.json && !self.mode.quiet {
            let text = text.to_string();
            self.write_err(&if self.err_is_json() { log::line(&text) } else { self.spelled(text + "\n") });
        }
    }

    /// A line for people on standard error, about what is wrong: also with `-q`.
    pub fn problem(&self, text: impl fmt::Display) {
        if !self.mode.json {
            self.write_err(&self.spelled(format!("{text}\n")));
        }
    }

    /// A question on standard error, which is answered on the same line.
    pub fn ask(&self, question: &str) {
        self.write_err(question);
    }

    /// A warning with hints on standard error; nothing with `-q`. With `--json`, or a log in JSON, it is a line of JSON.
    pub fn warn(&self, code: &'static str, message: &str, hints: &[String]) {
        match (self.err_is_json(), self.mode.quiet && !self.mode.json) {
            (_, true) => {}
            (true, false) => self.write_err(&render::error::warning_json(code, message, hints)),
            (false, false) => self.write_err(&self.spelled(render::error::warning(message, hints, self.err))),
        }
    }

    /// One object of JSON on standard output, with `schema_version` and `type` in front.
    pub fn json(&self, kind: &str, value: &impl Serialize) {
        self.write(&render::json::line(kind, value));
    }

    /// The same on standard error, where standard output has something else to carry.
    pub fn json_aside(&self, kind: &str, value: &impl Serialize) {
        self.write_err(&render::json::line(kind, value));
    }

    /// An error, as people or programs read it.
    pub fn error(&self, error: &Error) {
        let error = &secret::named(error);
        let text = match self.err_is_json() {
            true => render::error::json(error),
            false => self.spelled(render::error::human(error, self.err)),
        };
        self.write_err(&text);
    }

    /// A text for people, with `--plain` without the characters beyond ASCII that waloy itself writes.
    fn spelled(&self, text: String) -> String {
        if self.mode.plain { text.replace('…', "..").replace(['·', '—', '–'], "-") } else { text }
    }

    /// What goes to standard error are lines of JSON.
    fn err_is_json(&self) -> bool {
        self.mode.json || self.log_format == LogFormat::Json
    }

    /// A moment as people read it.
    pub fn time(&self, at: Timestamp) -> String {
        if self.mode.utc { time::show(at, &chrono::Utc) } else { time::show(at, &Local) }
    }

    /// Moments for one table: without their offset from UTC if all have the same, which is then told as well.
    pub fn times(&self, moments: &[Timestamp]) -> (Vec<String>, Option<String>) {
        let shown = moments.iter().map(|&at| self.time(at));
        let (times, offsets): (Vec<String>, Vec<String>) = shown
            .map(|text| {
                text.rsplit_once(' ').map_or((text.clone(), String::new()), |(at, zone)| (at.into(), zone.into()))
            })
            .unzip();
        match offsets.windows(2).all(|pair| pair[0] == pair[1]) {
            true => (times, offsets.into_iter().next()),
            false => (times.into_iter().zip(offsets).map(|(at, zone)| format!("{at} {zone}")).collect(), None),
        }
    }

    /// A size as people read it.
    pub fn size(&self, bytes: u64) -> String {
        if self.mode.bytes { bytes.to_string() } else { size::format(bytes) }
    }

    /// `✓`, where that can be shown.
    pub fn tick(&self) -> &'static str {
        if self.unicode { "✓" } else { "ok" }
    }

    /// Ends the output.
    ///
    /// # Errors
    ///
    /// If something could not be written. A reader that went away is no error: it had read enough.
    pub fn finish(&self) -> Result<(), Error> {
        let mut output = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
        let flushed = output.stream.flush();
        let failure = output.failure.take().or(flushed.err());
        match failure {
            Some(failure) if failure.kind() != io::ErrorKind::BrokenPipe => {
                Err(Error::new(Kind::Failure, "output.failed", "cannot write to standard output").because(failure))
            }
            _ => Ok(()),
        }
    }

    fn write(&self, text: &str) {
        self.bars.suspend(|| {
            let mut output = self.stdout.lock().unwrap_or_else(PoisonError::into_inner);
            if output.failure.is_none()
                && let Err(failure) = output.stream.write_all(text.as_bytes()).and_then(|()| output.stream.flush())
            {
                output.failure = Some(failure);
            }
        });
    }

    fn write_err(&self, text: &str) {
        // Whoever cannot be told of an error is told by the exit code.
        self.bars.suspend(|| drop(io::stderr().lock().write_all(text.as_bytes())));
    }
}

fn width(is_terminal: bool, variable: impl Fn(&str) -> Option<String>) -> usize {
    let terminal = || rustix::termios::tcgetwinsize(io::stdout()).ok().map(|size| usize::from(size.ws_col));
    let told = || variable("COLUMNS").and_then(|text| text.trim().parse().ok());
    let known = if is_terminal { terminal() } else { None };
    known.filter(|&columns| columns > 0).or_else(told).filter(|&columns| columns > 0).unwrap_or(80)
}

fn is_unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let locale = set("LC_ALL").or_else(|| set("LC_CTYPE")).or_else(|| set("LANG"));
    locale.is_some_and(|locale| {
        let locale = locale.to_ascii_lowercase();
        locale.contains("utf-8") || locale.contains("utf8")
    })
}
