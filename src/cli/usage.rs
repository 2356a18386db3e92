//! Errors of the command line in the house's style.

use std::error::Error as StdError;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::config::{duration, size};
use crate::error::{Error, Kind};

/// Turns what the parser says into an error like any other.
pub fn error(error: &clap::Error) -> Error {
    let code = match error.kind() {
        ErrorKind::UnknownArgument => "usage.unknown_argument",
        ErrorKind::InvalidSubcommand => "usage.unknown_command",
        ErrorKind::InvalidValue | ErrorKind::ValueValidation => "usage.invalid_value",
        ErrorKind::MissingRequiredArgument | ErrorKind::MissingSubcommand => "usage.missing_argument",
        ErrorKind::ArgumentConflict => "usage.conflict",
        _ => "usage.arguments",
    };
    let text = error.render().to_string();
    let mut message = String::new();
    let mut hints = Vec::new();
    let mut help = "waloy --help".to_owned();
    for line in text.lines().map(str::trim) {
        if let Some(usage) = line.strip_prefix("Usage:") {
            let words = usage.split_whitespace().take_while(|word| !word.starts_with(['[', '<', '-']));
            help = format!("{} --help", words.collect::<Vec<_>>().join(" "));
        } else if let Some(tip) = line.strip_prefix("tip:") {
            hints.push(tip.trim().replace('\'', "`"));
        } else if !line.is_empty() && !line.starts_with("For more information") {
            let line = line.strip_prefix("error: ").unwrap_or(line);
            message.push_str(if message.is_empty() { "" } else { " " });
            message.push_str(line);
        }
    }
    if help == "waloy restore --help" && error.get(ContextKind::InvalidArg).is_some_and(is_latest) {
        hints = vec!["the latest state is the default: leave `--latest` out".into()];
    }
    hints.extend(of_value(error));
    hints.push(format!("see `{help}`"));
    hints.into_iter().fold(Error::new(Kind::Usage, code, message), Error::hint)
}

fn is_latest(argument: &ContextValue) -> bool {
    matches!(argument, ContextValue::String(argument) if argument == "--latest")
}

/// What the parser of a value knows better.
fn of_value(error: &clap::Error) -> Option<String> {
    let source = error.source()?;
    let duration = source.downcast_ref::<duration::Error>().map(duration::Error::hint);
    duration.or_else(|| source.downcast_ref::<size::Error>().map(size::Error::hint))
}
