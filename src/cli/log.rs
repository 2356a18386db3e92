//! The library's log on standard error: short for people on a terminal, logfmt elsewhere.

use std::fmt::{self, Write as _};
use std::io::{self, Write};
use std::sync::Arc;

use tracing::field::{Field, Visit};
use tracing::{Event, Level, Subscriber};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::{FmtContext, FormatEvent, FormatFields, MakeWriter};
use tracing_subscriber::registry::LookupSpan;

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

/// Begins to log. `WALOY_LOG` decides what, if it is set: `debug`, or directives as `waloy::engine=trace,warn`.
pub fn start(ui: &Arc<Ui>) {
    let filter = match std::env::var("WALOY_LOG") {
        Ok(directives) if !directives.is_empty() => EnvFilter::new(directives),
        _ => EnvFilter::new(default_filter(ui)),
    };
    let subscriber = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .event_format(Format { pretty: ui.err_is_terminal.then_some(ui.err) })
        .with_writer(Stderr(Arc::clone(ui)))
        .finish();
    // In a test that runs commands in one process there is one already.
    let _ = tracing::subscriber::set_global_default(subscriber);
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
    pretty: Option<Paint>,
}

impl<S, N> FormatEvent<S, N> for Format
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(&self, _: &FmtContext<'_, S, N>, mut writer: Writer<'_>, event: &Event<'_>) -> fmt::Result {
        let mut fields = Fields::default();
        event.record(&mut fields);
        let level = *event.metadata().level();
        match self.pretty {
            Some(paint) => writeln!(writer, "{} {}{}", pretty_level(level, paint), fields.message, fields.rest),
            None => {
                let level = level.as_str().to_ascii_lowercase();
                let at = SystemClock.now();
                writeln!(writer, "ts={at} level={level} msg={}{}", Value(&fields.message), fields.rest)
            }
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
    rest: String,
}

impl Fields {
    fn push(&mut self, field: &Field, text: &str) {
        if field.name() == "message" {
            self.message.push_str(text);
        } else {
            let _ = write!(self.rest, " {}={}", field.name(), Value(text));
        }
    }
}

impl Visit for Fields {
    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.push(field, &format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.push(field, value);
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
