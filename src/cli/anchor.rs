//! `--anchor`: what was noted of a replica, as a line or in a file.

use std::path::Path;

use crate::restore::Anchor;

/// The anchor in an argument: the line itself, or a file whose last line that is not empty is one, so that a file to
/// which anchors are appended will do.
pub(super) fn parse(argument: &str) -> Result<Anchor, String> {
    let given: Result<Anchor, _> = argument.parse();
    if let (Err(_), false) = (&given, argument.trim_start().starts_with("waloy-anchor:")) {
        let text = std::fs::read_to_string(Path::new(argument)).map_err(|error| format!("cannot read it: {error}"))?;
        let last = text.lines().rfind(|line| !line.trim().is_empty()).ok_or("the file is empty")?;
        return last.parse().map_err(|error| format!("the last line of the file is {error}"));
    }
    given.map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_anchor_is_given_as_a_line_or_in_a_file() {
        let line = format!("waloy-anchor:1:{}:01kc000000000000000000000a:37:{}", "ab".repeat(16), "cd".repeat(32));
        let anchor = parse(&line).unwrap();
        assert_eq!(anchor.to_string(), line);
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("anchor");
        std::fs::write(&file, format!("an older one\n{line}\n\n")).unwrap();
        assert_eq!(parse(file.to_str().unwrap()), Ok(anchor));
        std::fs::write(&file, "\n").unwrap();
        assert!(parse(file.to_str().unwrap()).is_err());
        std::fs::write(&file, "waloy").unwrap();
        assert!(parse(file.to_str().unwrap()).unwrap_err().contains("last line"));
        assert!(parse(&line[..line.len() - 1]).unwrap_err().starts_with("not an anchor"));
        assert!(parse("no such file").unwrap_err().starts_with("cannot read it"));
    }
}
