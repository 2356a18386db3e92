//! The library's log on standard error: short for people on a terminal, logfmt elsewhere, JSON where it is asked for.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::Arc;

use serde::Serialize;
use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

use super::render::json;
use super::style::Paint;
use super::ui::Ui;
use crate::clock::{Clock, SystemClock};

/// What may be told when nobody asked for more: on a terminal the commands tell the rest themselves.
fn default_filter(ui: &Ui) -> &'static str {
    match (ui.mode.quiet, ui.mode.verbose) {
        (true, _) => "waloy=error",
        (_, 0) if ui.err_is_terminal || ui.mode.json => "waloy=warn",
        (_, 0) => "waloy=info",
        (_, 1) => "waloy=debug,warn",
        (_, _) => "waloy=trace,debug",
    }
}

/// How log lines are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum LogFormat {
    /// As `pretty` on a terminal, as `json` with --json, as `logfmt` otherwise
    #[default]
    Auto,
    /// Short lines for people
    Pretty,
    /// `ts=… level=… msg=… key=value`
    Logfmt,
    /// One object a line; warnings and errors too
    Json,
}

impl LogFormat {
    /// What `Auto` stands for here.
    pub fn resolved(self, json: bool, is_terminal: bool) -> LogFormat {
        match self {
            LogFormat::Auto if json => LogFormat::Json,
            LogFormat::Auto if is_terminal => LogFormat::Pretty,
            LogFormat::Auto => LogFormat::Logfmt,
            given => given,
        }
    }
}

/// Begins to log. `WALOY_LOG` decides what, if it is set: `debug`, or directives as `waloy::engine=trace,warn`.
pub fn start(ui: &Arc<Ui>) {
    let filter = match std::env::var("WALOY_LOG") {
        Ok(directives) if !directives.is_empty() => EnvFilter::new(directives),
        _ => EnvFilter::new(default_filter(ui)),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .event_format(Format { format: ui.log_format, paint: ui.err })
        .with_writer(Stderr(Arc::clone(ui)))
        .finish();
    // In a test that runs commands in one process there is one already.
    let _ = tracing::subscriber::set_global_default(subscriber);
}

/// What a command tells of itself, as a line of a log in JSON.
pub(super) fn line(message: &str) -> String {
    Fields { message: message.to_owned(), rest: Vec::new() }.json(Level::INFO, &SystemClock.now().rfc3339())
}

struct Stderr(Arc<Ui>);

impl MakeWriter<'_> for Stderr {
    type Writer = Between;

    fn make_writer(&self) -> Between {
        Between(Arc::clone(&self.0))
    }
}

/// Writes while the bars are away, so that neither tears the other.
struct Between(Arc<Ui>);

impl Write for Between {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.bars().suspend(|| io::stderr().lock().write(bytes))
    }

    fn flush(&mut self) -> io::Result<()> {
        io::stderr().lock().flush()
    }
}

/// One line an event.
struct Format {
    format: LogFormat,
    paint: Paint,
}

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let (level, at) = (*event.metadata().level(), SystemClock.now());
        match self.format {
            LogFormat::Pretty | LogFormat::Auto => {
                writeln!(writer, "{} {}{}", pretty_level(level, self.paint), fields.message, fields.logfmt())
            }
            LogFormat::Logfmt => {
                let level = level.as_str().to_ascii_lowercase();
                writeln!(writer, "ts={at} level={level} msg={}{}", Value(&fields.message), fields.logfmt())
            }
            LogFormat::Json => writer.write_str(&fields.json(level, &at.rfc3339())),
        }
    }
}

fn pretty_level(level: Level, paint: Paint) -> String {
    match level {
        Level::ERROR => paint.red("error:").to_string(),
        Level::WARN => paint.yellow("warning:").to_string(),
        Level::INFO => paint.bold("info:").to_string(),
        Level::DEBUG => paint.dim("debug:").to_string(),
        Level::TRACE => paint.dim("trace:").to_string(),
    }
}

#[derive(Default)]
struct Fields {
    message: String,
    rest: Vec<(&'static str, serde_json::Value)>,
}

#[derive(Serialize)]
struct Line<'a> {
    at: &'a str,
    level: String,
    message: &'a str,
    fields: serde_json::Map<String, serde_json::Value>,
}

impl Fields {
    fn push(&mut self, field: &Field, value: serde_json::Value) {
        match (field.name(), value) {
            ("message", serde_json::Value::String(text)) => self.message.push_str(&text),
            (name, value) => self.rest.push((name, value)),
        }
    }

    fn logfmt(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.rest {
            let _ = match value {
                serde_json::Value::String(value) => write!(text, " {name}={}", Value(value)),
                value => write!(text, " {name}={value}"),
            };
        }
        text
    }

    fn json(self, level: Level, at: &str) -> String {
        let fields = self.rest.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let level = level.as_str().to_ascii_lowercase();
        json::line("log", &Line { at, level, message: &self.message, fields })
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, format!("{value:?}").into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        self.push(field, value.into());
    }

    fn record_u128(&mut self, field: &Field, value: u128) {
        // How long something took: JSON has no numbers of that size, and nothing takes that long.
        self.push(field, u64::try_from(value).unwrap_or(u64::MAX).into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        self.push(field, value.into());
    }

    fn record_f64(&mut self, field: &Field, value: f64) {
        self.push(field, value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        self.push(field, value.into());
    }
}

/// A value of logfmt: in quotes if it would not be read as one word.
struct Value<'a>(&'a str);

impl fmt::Display for Value<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plain =
            !self.0.is_empty() && !self.0.contains(|c: char| c.is_whitespace() || c.is_control() || "\"=".contains(c));
        if plain { f.write_str(self.0) } else { write!(f, "{:?}", self.0) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_format_is_the_one_asked_for_or_the_one_that_suits() {
        use LogFormat::{Auto, Json, Logfmt, Pretty};
        for (asked, json, terminal, expected) in [
            (Auto, false, true, Pretty),
            (Auto, false, false, Logfmt),
            (Auto, true, true, Json),
            (Auto, true, false, Json),
            (Logfmt, false, true, Logfmt),
            (Pretty, false, false, Pretty),
            (Json, false, true, Json),
        ] {
            assert_eq!(asked.resolved(json, terminal), expected, "{asked:?} {json} {terminal}");
        }
    }

    #[test]
    fn values_of_several_words_are_quoted() {
        for (value, expected) in [
            ("sync", "sync"),
            ("cannot read", "\"cannot read\""),
            ("a=b", "\"a=b\""),
            ("", "\"\""),
            ("line\nbreak", "\"line\\nbreak\""),
            ("/srv/app.db", "/srv/app.db"),
        ] {
            assert_eq!(Value(value).to_string(), expected);
        }
    }
}
