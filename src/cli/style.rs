//! Colours, where they are wanted.

use std::fmt;

/// Whether a stream is painted.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
pub struct Paint(pub bool);

impl Paint {
    /// Errors.
    pub fn red(self, text: &str) -> Painted<'_> {
        self.with("31;1", text)
    }

    /// Warnings.
    pub fn yellow(self, text: &str) -> Painted<'_> {
        self.with("33;1", text)
    }

    /// What went well.
    pub fn green(self, text: &str) -> Painted<'_> {
        self.with("32", text)
    }

    /// Hints.
    pub fn cyan(self, text: &str) -> Painted<'_> {
        self.with("36", text)
    }

    /// What is being told of.
    pub fn bold(self, text: &str) -> Painted<'_> {
        self.with("1", text)
    }

    /// What matters less.
    pub fn dim(self, text: &str) -> Painted<'_> {
        self.with("2", text)
    }

    fn with<'a>(self, code: &'static str, text: &'a str) -> Painted<'a> {
        Painted { code: self.0.then_some(code), text }
    }
}

/// A text with its colour. Padding is the caller's: escape sequences have no width.
#[derive(Clone, Copy, Debug)]
pub struct Painted<'a> {
    code: Option<&'static str>,
    text: &'a str,
}

impl fmt::Display for Painted<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.code {
            Some(code) => write!(f, "\x1b[{code}m{}\x1b[0m", self.text),
            None => f.write_str(self.text),
        }
    }
}

/// Whether to colour a stream: the flag decides, then the conventions of the environment, then the terminal.
///
/// Source: <https://no-color.org>, <https://bixense.com/clicolors/>.
pub fn wants_color(choice: Choice, variable: impl Fn(&str) -> Option<String>, is_terminal: bool) -> bool {
    let set = |name: &str| variable(name).filter(|value| !value.is_empty());
    let forced = |name: &str| set(name).is_some_and(|value| value != "0");
    match choice {
        Choice::Always => true,
        Choice::Never => false,
        Choice::Auto if set("NO_COLOR").is_some() => false,
        Choice::Auto if forced("CLICOLOR_FORCE") || forced("FORCE_COLOR") => true,
        Choice::Auto => {
            is_terminal && set("CLICOLOR").as_deref() != Some("0") && set("TERM").as_deref() != Some("dumb")
        }
    }
}

/// When to do something that only a terminal shows well.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, clap::ValueEnum)]
pub enum Choice {
    /// On a terminal.
    #[default]
    Auto,
    /// Also in a pipe.
    Always,
    /// Not at all.
    Never,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flag_then_environment_then_terminal_decide_on_colour() {
        let env = |pairs: &'static [(&str, &str)]| {
            move |name: &str| pairs.iter().find(|(key, _)| *key == name).map(|(_, value)| (*value).to_owned())
        };
        for (choice, pairs, terminal, expected) in [
            (Choice::Auto, &[] as &[_], true, true),
            (Choice::Auto, &[], false, false),
            (Choice::Always, &[("NO_COLOR", "1")], false, true),
            (Choice::Never, &[("CLICOLOR_FORCE", "1")], true, false),
            (Choice::Auto, &[("NO_COLOR", "1")], true, false),
            (Choice::Auto, &[("NO_COLOR", "")], true, true),
            (Choice::Auto, &[("NO_COLOR", "1"), ("FORCE_COLOR", "1")], true, false),
            (Choice::Auto, &[("CLICOLOR_FORCE", "1")], false, true),
            (Choice::Auto, &[("CLICOLOR_FORCE", "0")], false, false),
            (Choice::Auto, &[("FORCE_COLOR", "3")], false, true),
            (Choice::Auto, &[("CLICOLOR", "0")], true, false),
            (Choice::Auto, &[("TERM", "dumb")], true, false),
        ] {
            assert_eq!(wants_color(choice, env(pairs), terminal), expected, "{choice:?} {pairs:?} {terminal}");
        }
    }
}
