//! Errors: what failed in one line, the causes, what might help.

use std::fmt::Write as _;

use serde::Serialize;

use super::json;
use crate::cli::style::Paint;
use crate::error::Error;

/// For people: `error:`, `cause:` and `hint:` lines, the code in brackets.
pub fn human(error: &Error, paint: Paint) -> String {
    let code = format!("[{}]", error.code());
    let mut text = format!("{} {} {}\n", paint.red("error:"), one_line(&error.to_string()), paint.dim(&code));
    for cause in error.causes() {
        let _ = writeln!(text, "  cause: {}", one_line(&cause));
    }
    push_hints(&mut text, error.hints(), paint);
    text
}

/// For programs: one line of JSON.
pub fn json(error: &Error) -> String {
    #[derive(Serialize)]
    struct Fields<'a> {
        code: &'a str,
        exit_code: u8,
        message: String,
        causes: Vec<String>,
        hints: &'a [String],
    }
    let fields = Fields {
        code: error.code(),
        exit_code: error.kind().exit_code(),
        message: error.to_string(),
        causes: error.causes(),
        hints: error.hints(),
    };
    json::line("error", &fields)
}

/// A warning for people.
pub fn warning(message: &str, hints: &[String], paint: Paint) -> String {
    let mut text = format!("{} {message}\n", paint.yellow("warning:"));
    push_hints(&mut text, hints, paint);
    text
}

/// A warning for programs.
pub fn warning_json(code: &str, message: &str, hints: &[String]) -> String {
    #[derive(Serialize)]
    struct Fields<'a> {
        code: &'a str,
        message: String,
        hints: &'a [String],
    }
    json::line("warning", &Fields { code, message: one_line(message), hints })
}

fn push_hints(text: &mut String, hints: &[String], paint: Paint) {
    for hint in hints {
        let _ = writeln!(text, "  {}  {hint}", paint.cyan("hint:"));
    }
}

/// Line breaks of other people's messages would look like our own structure.
fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::Kind;

    #[test]
    fn an_error_is_a_line_with_its_code_then_causes_then_hints() {
        let error = Error::new(Kind::Denied, "storage.denied", "cannot write to s3://acme/app.db: access denied")
            .because(std::io::Error::other("403 AccessDenied\n(request id 8YJ2)"))
            .hint("look at the policy");
        assert_eq!(
            human(&error, Paint(false)),
            "error: cannot write to s3://acme/app.db: access denied [storage.denied]\n  \
             cause: 403 AccessDenied (request id 8YJ2)\n  hint:  look at the policy\n"
        );
        assert!(human(&error, Paint(true)).starts_with("\x1b[31;1merror:\x1b[0m "));
        let value: serde_json::Value = serde_json::from_str(&json(&error)).unwrap();
        assert_eq!(
            (value["type"].as_str(), value["exit_code"].as_u64(), value["hints"][0].as_str()),
            (Some("error"), Some(13), Some("look at the policy"))
        );
    }
}
