//! Joins what people leave unquoted: `--time 5m ago app.db` says what it means.
//!
//! Runs before the arguments are parsed. A time that takes several words becomes one, and is attached to its option
//! (`--time=5m ago`), so that `--time -5m` is a value and not an option. Stops at `--`.

use std::ffi::OsString;

use crate::config::duration;

/// Options that take a time.
const TIME_OPTIONS: [&str; 3] = ["--time", "--since", "--until"];

/// The command that takes a time as its first argument.
const TIME_COMMAND: &str = "restore-to-time";

/// No time has more words: `1 week 2 days 3 hours 4 minutes 5 seconds ago`.
const MAX_WORDS: usize = 11;

/// The arguments with times in one piece. The first argument is the name of the program.
pub fn normalize(args: impl IntoIterator<Item = OsString>) -> Vec<OsString> {
    let args: Vec<OsString> = args.into_iter().collect();
    let end = args.iter().position(|arg| arg == "--").unwrap_or(args.len());
    let mut out = Vec::with_capacity(args.len());
    let mut at = 0;
    let mut expects_time = false;
    while at < end {
        let arg = args[at].to_str();
        let rest = &args[at + 1..end];
        if let Some(option) = arg.and_then(|arg| TIME_OPTIONS.iter().find(|option| arg == **option))
            && let Some((value, words)) = take_time(rest)
        {
            out.push(format!("{option}={value}").into());
            at += 1 + words;
        } else if let Some((option, first)) = arg.and_then(split_time_option) {
            let words = more_words(first, rest);
            out.push(format!("{option}={}", join(first, &rest[..words])).into());
            at += 1 + words;
        } else if expects_time
            && let Some((value, words)) = take_time(&args[at..end])
            && (words > 1 || value.starts_with('-') && relative(&value))
        {
            // An argument that begins with a hyphen would be taken for an option.
            out.push(value.strip_prefix('-').map_or(value.clone(), |past| format!("{past} ago")).into());
            expects_time = false;
            at += words;
        } else {
            expects_time |= arg == Some(TIME_COMMAND);
            out.push(args[at].clone());
            at += 1;
        }
    }
    out.extend_from_slice(&args[end..]);
    out
}

/// `--time=VALUE`, apart.
fn split_time_option(arg: &str) -> Option<(&str, &str)> {
    arg.split_once('=').filter(|(option, _)| TIME_OPTIONS.contains(option))
}

/// The time at the beginning of these arguments, and how many of them it takes. One word is taken as it is.
fn take_time(args: &[OsString]) -> Option<(String, usize)> {
    let first = args.first()?.to_str()?;
    if first.starts_with('-') && !relative(first) {
        return None;
    }
    let words = more_words(first, &args[1..]);
    Some((join(first, &args[1..=words]), 1 + words))
}

/// `-5m`, also when its unit is wrong.
fn relative(word: &str) -> bool {
    word.strip_prefix('-').is_some_and(|past| past.starts_with(|c: char| c.is_ascii_digit()))
}

/// How many of the arguments after the first word of a time belong to it.
fn more_words(first: &str, rest: &[OsString]) -> usize {
    let word = |at: usize| rest.get(at).and_then(|word| word.to_str());
    if is_duration_word(first) {
        let ago = (0..MAX_WORDS).take_while(|&at| at == 0 || word(at - 1).is_some_and(is_duration_word));
        if let Some(at) = ago.into_iter().find(|&at| word(at) == Some("ago")) {
            return at + 1;
        }
    }
    // Not a time, and refused as a whole.
    if first.eq_ignore_ascii_case("in") {
        let length = (0..MAX_WORDS).take_while(|&at| word(at).is_some_and(is_duration_word)).count();
        return length;
    }
    let wrong = first.bytes().all(|byte| byte.is_ascii_alphabetic());
    let day = wrong || is_day(first);
    let zoned = |word: &str| word.len() == 6 && word.starts_with(['+', '-']) && is_clock(&word[1..]);
    match (word(0), word(1)) {
        (Some(clock), Some(zone)) if day && is_clock(clock) && zoned(zone) => 2,
        (Some(clock), _) if day && is_clock(clock) => 1,
        _ => 0,
    }
}

/// `5`, `minutes`, `5m`, `1h30m`.
fn is_duration_word(word: &str) -> bool {
    let number = !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
    let compound =
        word.starts_with(|c: char| c.is_ascii_digit()) && word.bytes().all(|byte| byte.is_ascii_alphanumeric());
    number || compound || duration::is_unit(word)
}

/// `2026-11-22`; and dates in another order, so that they are refused as a whole.
fn is_day(word: &str) -> bool {
    (8..=10).contains(&word.len())
        && ['-', '.', '/'].into_iter().any(|between| {
            let parts = word.split(between);
            parts.clone().count() == 3
                && parts.into_iter().all(|part| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit()))
        })
}

/// `HH:MM…`
fn is_clock(word: &str) -> bool {
    let bytes = word.as_bytes();
    bytes.len() >= 5
        && bytes[2] == b':'
        && [0, 1, 3, 4].iter().all(|&at| bytes[at].is_ascii_digit())
        && bytes[5..].iter().all(|byte| byte.is_ascii_digit() || b":.+-Zz".contains(byte))
}

fn join(first: &str, rest: &[OsString]) -> String {
    let mut joined = first.to_owned();
    for word in rest.iter().filter_map(|word| word.to_str()) {
        joined.push(' ');
        joined.push_str(word);
    }
    joined
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Splits at spaces, as a shell does, except within `'…'`.
    fn words(line: &str) -> Vec<OsString> {
        let quoted = line.split('\'').enumerate();
        quoted
            .flat_map(|(at, part)| match at % 2 {
                0 => part.split_whitespace().map(OsString::from).collect::<Vec<_>>(),
                _ => vec![part.into()],
            })
            .collect()
    }

    #[test]
    fn a_time_in_several_words_becomes_one() {
        for (given, expected) in [
            ("w restore --time 5m ago app.db", "w restore '--time=5m ago' app.db"),
            ("w restore --time 5 minutes ago app.db", "w restore '--time=5 minutes ago' app.db"),
            ("w restore --time 1 hour 30 minutes ago app.db", "w restore '--time=1 hour 30 minutes ago' app.db"),
            ("w restore --time 2026-11-22 10:00 app.db", "w restore '--time=2026-11-22 10:00' app.db"),
            ("w restore --time 2026-11-22 10:00:05.5Z a", "w restore '--time=2026-11-22 10:00:05.5Z' a"),
            (
                "w restore --time 2026-11-22 10:54:58.213 +01:00 a",
                "w restore '--time=2026-11-22 10:54:58.213 +01:00' a",
            ),
            ("w restore --time 25.11.2026 20:54 app.db", "w restore '--time=25.11.2026 20:54' app.db"),
            ("w generations app.db --since 2 days ago", "w generations app.db '--since=2 days ago'"),
            ("w restore --time yesterday 18:30 app.db", "w restore '--time=yesterday 18:30' app.db"),
            ("w restore app.db --time yesterdya 18:30", "w restore app.db '--time=yesterdya 18:30'"),
            ("w restore app.db --time in 5 minutes", "w restore app.db '--time=in 5 minutes'"),
            ("w restore-to-time app.db 10s ago", "w restore-to-time app.db '10s ago'"),
            ("w restore --time=5m ago app.db", "w restore '--time=5m ago' app.db"),
            ("w restore --time=2026-11-22 10:00", "w restore '--time=2026-11-22 10:00'"),
            ("w restore --time '5m ago' app.db", "w restore '--time=5m ago' app.db"),
            ("w restore app.db --time -5m", "w restore app.db --time=-5m"),
            ("w restore --time latest app.db", "w restore --time=latest app.db"),
            ("w restore-to-time 5m ago app.db", "w restore-to-time '5m ago' app.db"),
            ("w restore-to-time -5m app.db", "w restore-to-time '5m ago' app.db"),
            ("w --json restore-to-time yesterday 18:30", "w --json restore-to-time 'yesterday 18:30'"),
            ("w restore-to-time -o x.db 5m ago", "w restore-to-time -o x.db '5m ago'"),
        ] {
            assert_eq!(normalize(words(given)), words(expected), "{given}");
        }
    }

    #[test]
    fn everything_else_stays_as_it_is() {
        for line in [
            "w",
            "w replicate app.db s3://bucket/5m ago",
            "w restore --time",
            "w restore --time --force app.db",
            "w restore -- --time 5m ago",
            "w restore-to-time latest app.db",
            "w restore-to-time 10:00 app.db",
            "w verify --max-age 5m ago",
        ] {
            assert_eq!(normalize(words(line)), words(line), "{line}");
        }
        // Words that only look alike are not taken.
        assert_eq!(normalize(words("w restore --time 5m app.db ago")), words("w restore --time=5m app.db ago"));
        assert_eq!(normalize(words("w restore --time today app.db")), words("w restore --time=today app.db"));
        assert_eq!(normalize(words("w restore --time 10:00 11:00")), words("w restore --time=10:00 11:00"));
    }

    #[test]
    #[cfg(unix)]
    fn bytes_that_are_no_text_pass() {
        use std::os::unix::ffi::OsStringExt;
        let odd = OsString::from_vec(vec![0xff, b'5']);
        let args = vec!["w".into(), "restore".into(), "--time".into(), odd];
        assert_eq!(normalize(args.clone()), args);
    }
}
