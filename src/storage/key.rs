//! Which keys there can be.

use super::{Error, ErrorKind};

/// Refuses a key that some store could not hold, or that could lead out of one.
///
/// A key is printable ASCII, its parts are not empty, not `.` and not `..`, and have one `/` between them.
pub(super) fn check(operation: &'static str, location: &str, key: &str) -> Result<(), Error> {
    let printable = key.bytes().all(|byte| matches!(byte, b' '..=b'~'));
    if printable && key.split('/').all(is_name) {
        return Ok(());
    }
    Err(refuse(operation, location, key, "not a valid key"))
}

/// Refuses the beginning of a key in whose place no valid key can be: only the last part may be incomplete.
pub(super) fn check_prefix(location: &str, prefix: &str) -> Result<(), Error> {
    let parents = prefix.rsplit_once('/').map(|(parents, _)| parents);
    if !prefix.contains('\0') && parents.is_none_or(|parents| parents.split('/').all(is_name)) {
        return Ok(());
    }
    Err(refuse("list", location, prefix, "not a valid prefix of keys"))
}

fn is_name(part: &str) -> bool {
    !matches!(part, "" | "." | "..")
}

fn refuse(operation: &'static str, location: &str, key: &str, message: &str) -> Error {
    Error::new(ErrorKind::Other, operation, format!("{location}/{}", key.escape_debug()), message)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_that_lead_elsewhere_are_refused() {
        for good in ["a", "a/b", "a b+c%20/~", "...", "a/.b"] {
            assert!(check("read", "x", good).is_ok(), "{good}");
        }
        for bad in ["", "/", "/a", "a/", "a//b", ".", "..", "a/../b", "a/.", "é", "a\n", "a\0b"] {
            assert!(check("read", "x", bad).is_err(), "{bad:?}");
        }
    }

    #[test]
    fn only_the_last_part_of_a_prefix_may_be_incomplete() {
        for good in ["", "a", "a/", "a/b", "..", "a/.", "é"] {
            assert!(check_prefix("x", good).is_ok(), "{good}");
        }
        for bad in ["/", "/a", "../", "a//", "a/../b", "a\0"] {
            assert!(check_prefix("x", bad).is_err(), "{bad:?}");
        }
    }
}
