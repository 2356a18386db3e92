//! Whom a restored file is to belong to, as people write it.

use std::fmt;
use std::str::FromStr;

/// A user and a group, by their numbers. What is `None` stays as it is.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Owner {
    /// The user.
    pub user: Option<u32>,
    /// The group.
    pub group: Option<u32>,
}

/// The text names no owner.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum OwnerError {
    /// No such user in `/etc/passwd`.
    #[error("no user `{0}` on this machine")]
    NoUser(String),
    /// No such group in `/etc/group`.
    #[error("no group `{0}` on this machine")]
    NoGroup(String),
    /// Not `USER`, `USER:GROUP` or `:GROUP`.
    #[error("`{0}` is not an owner")]
    Invalid(String),
}

impl Owner {
    /// Reads `USER`, `USER:GROUP` or `:GROUP`, names or numbers, by these files in the format of `/etc/passwd` and
    /// `/etc/group`. A user that is named alone brings its login group.
    ///
    /// # Errors
    ///
    /// A name that is in neither, or no name at all.
    pub fn find(text: &str, passwd: &str, groups: &str) -> Result<Owner, OwnerError> {
        let (user, group) = match text.split_once(':') {
            Some((user, group)) if !group.is_empty() => (user, Some(group)),
            Some(_) => return Err(OwnerError::Invalid(text.to_owned())),
            None => (text, None),
        };
        if user.is_empty() && group.is_none() {
            return Err(OwnerError::Invalid(text.to_owned()));
        }
        let login = || Some((field(passwd, user, 2)?, field(passwd, user, 3)?));
        let (uid, login_group) = match (user.is_empty(), user.parse(), login()) {
            (true, ..) => (None, None),
            (_, Ok(number), _) => (Some(number), None),
            (_, Err(_), Some((number, group))) => (Some(number), Some(group)),
            _ => return Err(OwnerError::NoUser(user.to_owned())),
        };
        let gid = match group {
            None => login_group,
            Some(group) => match group.parse().ok().or_else(|| field(groups, group, 2)) {
                Some(number) => Some(number),
                None => return Err(OwnerError::NoGroup(group.to_owned())),
            },
        };
        Ok(Owner { user: uid, group: gid })
    }
}

/// A number in the line that begins with this name.
fn field(lines: &str, name: &str, at: usize) -> Option<u32> {
    let mut fields = lines.lines().map(|line| line.split(':')).find(|fields| fields.clone().next() == Some(name))?;
    fields.nth(at)?.parse().ok()
}

/// By the users and groups of this machine, those in files.
impl FromStr for Owner {
    type Err = OwnerError;

    fn from_str(text: &str) -> Result<Owner, OwnerError> {
        let read = |path: &str| std::fs::read_to_string(path).unwrap_or_default();
        Owner::find(text, &read("/etc/passwd"), &read("/etc/group"))
    }
}

/// As `chown` takes it.
impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(user) = self.user {
            write!(f, "{user}")?;
        }
        self.group.map_or(Ok(()), |group| write!(f, ":{group}"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn owners_are_names_or_numbers() {
        let passwd = "root:x:0:0:root:/root:/bin/sh\napp:x:1001:1002::/srv:/bin/false\n";
        let groups = "root:x:0:\nwww:x:33:app\n";
        let owner = |user, group| Ok(Owner { user, group });
        for (text, expected) in [
            ("app", owner(Some(1001), Some(1002))),
            ("app:www", owner(Some(1001), Some(33))),
            ("app:7", owner(Some(1001), Some(7))),
            ("12:34", owner(Some(12), Some(34))),
            ("12", owner(Some(12), None)),
            (":www", owner(None, Some(33))),
            ("ap", Err(OwnerError::NoUser("ap".into()))),
            ("-1", Err(OwnerError::NoUser("-1".into()))),
            ("app:x", Err(OwnerError::NoGroup("x".into()))),
            ("app:", Err(OwnerError::Invalid("app:".into()))),
            (":", Err(OwnerError::Invalid(":".into()))),
            ("", Err(OwnerError::Invalid(String::new()))),
        ] {
            assert_eq!(Owner::find(text, passwd, groups), expected, "{text}");
        }
        assert_eq!(Owner { user: Some(1), group: Some(2) }.to_string(), "1:2");
    }
}
