//! How the bucket of the replica was reached: nothing of it is secret, and keys are never kept.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use super::{Error, dir};

const NAME: &str = "reach.json";
const FORMAT: u32 = 1;

/// What is needed to reach a bucket beside its name and keys.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
pub struct Reach {
    /// The server; `None` for AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub endpoint: Option<String>,
    /// The region.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub region: Option<String>,
    /// The name of the profile that has the keys.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub profile: Option<String>,
    /// Whether the bucket is in the path of the URL; `None`: so for every server but AWS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub path_style: Option<bool>,
    /// Requests are not signed.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_sign_request: bool,
    /// The file with the certificates to trust.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ca_bundle: Option<PathBuf>,
}

/// The file.
#[derive(Serialize, Deserialize)]
struct Kept {
    format: u32,
    destination: String,
    #[serde(flatten)]
    reach: Reach,
}

impl Reach {
    /// How this destination was reached; `None` if that was not kept, cannot be read, or is of another destination.
    pub fn read(state_dir: &Path, destination: &str) -> Option<Reach> {
        let file = state_dir.join(NAME);
        let bytes = match std::fs::read(&file) {
            Ok(bytes) => bytes,
            Err(error) => {
                if !matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory) {
                    tracing::warn!(%error, file = %file.display(), "cannot read how the bucket was reached");
                }
                return None;
            }
        };
        // Another format may have other fields.
        #[derive(Deserialize)]
        struct Begin {
            format: u32,
        }
        let kept = serde_json::from_slice::<Begin>(&bytes).and_then(|begin| match begin.format {
            FORMAT => serde_json::from_slice::<Kept>(&bytes),
            format => Err(serde::de::Error::custom(format_args!("format {format} is of another version"))),
        });
        match kept {
            Ok(kept) => Some(kept.reach).filter(|_| kept.destination == destination).map(Reach::without_what_is_gone),
            Err(error) => {
                tracing::warn!(%error, file = %file.display(), "what was kept of how the bucket was reached is ignored");
                None
            }
        }
    }

    /// Certificates that are gone would keep a replica from being read that may not need them.
    fn without_what_is_gone(mut self) -> Reach {
        if let Some(gone) = self.ca_bundle.take_if(|path| !path.exists()) {
            tracing::warn!(file = %gone.display(), "the certificates of before are gone; those of the system are used");
        }
        self
    }

    /// Keeps it with the destination that it belongs to. Whoever calls this holds the lock of the directory.
    ///
    /// It survives the process, not a loss of power.
    ///
    /// # Errors
    ///
    /// Those of the operating system.
    pub fn save(&self, state_dir: &Path, destination: &str) -> Result<(), Error> {
        let kept = Kept { format: FORMAT, destination: destination.to_owned(), reach: self.clone() };
        // Only a path that is not UTF-8 cannot be written.
        let mut text = serde_json::to_vec_pretty(&kept)
            .map_err(|error| Error::io("write", state_dir.join(NAME))(std::io::Error::other(error)))?;
        text.push(b'\n');
        dir::replace(state_dir, NAME, &[&text], false)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn what_was_kept_is_read_for_its_destination_and_for_no_other() {
        let dir = tempfile::tempdir().unwrap();
        assert_eq!(Reach::read(dir.path(), "s3://b/x"), None);
        let whole = Reach {
            endpoint: Some("http://127.0.0.1:9000".into()),
            region: Some("eu-west-3".into()),
            profile: Some("backup".into()),
            path_style: Some(false),
            no_sign_request: true,
            ca_bundle: Some(dir.path().join("ca.pem")),
        };
        std::fs::write(dir.path().join("ca.pem"), "").unwrap();
        for reach in [Reach::default(), whole.clone()] {
            reach.save(dir.path(), "s3://b/x").unwrap();
            assert_eq!(Reach::read(dir.path(), "s3://b/x"), Some(reach));
            assert_eq!(Reach::read(dir.path(), "s3://b/xy"), None);
        }
        let mode = std::fs::metadata(dir.path().join(NAME)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        std::fs::remove_file(dir.path().join("ca.pem")).unwrap();
        assert_eq!(Reach::read(dir.path(), "s3://b/x"), Some(Reach { ca_bundle: None, ..whole }));
    }

    #[test]
    fn what_cannot_be_understood_counts_as_nothing() {
        let dir = tempfile::tempdir().unwrap();
        for text in [
            "",
            "[]",
            "\u{0}",
            r#"{"format":2,"destination":"s3://b/x"}"#,
            r#"{"destination":"s3://b/x","endpoint":"http://a"}"#,
            r#"{"format":1,"endpoint":"http://a"}"#,
            r#"{"format":1,"destination":"s3://b/x","endpoint":7}"#,
        ] {
            std::fs::write(dir.path().join(NAME), text).unwrap();
            assert_eq!(Reach::read(dir.path(), "s3://b/x"), None, "{text}");
        }
        std::fs::write(dir.path().join(NAME), r#"{"format":1,"destination":"s3://b/x","later":1}"#).unwrap();
        assert_eq!(Reach::read(dir.path(), "s3://b/x"), Some(Reach::default()));
    }
}
