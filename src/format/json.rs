//! What the JSON objects of a replica have in common: they end with the hash of their bytes.

use std::fmt;

use sha2::{Digest as _, Sha256};

use super::Error;
use crate::ids::Digest;

/// The format number that each of them begins with.
pub(super) const FORMAT: u64 = 1;

/// The length of the end: `"sha256":"`, 64 hex digits, `"}` and a newline.
const TAIL_LEN: usize = 77;

const BEFORE: &[u8] = b"\"sha256\":\"";
const AFTER: &[u8] = b"\"}\n";

/// Ends an object of which everything else is written, the last comma included.
pub(super) fn end(mut text: String) -> Vec<u8> {
    let digest = Digest(Sha256::digest(text.as_bytes()).into());
    text.push_str(&format!("\"sha256\":\"{digest}\"}}\n"));
    text.into_bytes()
}

/// Checks the end of an object, and reads it.
pub(super) fn parse<T: serde::de::DeserializeOwned>(object: &'static str, bytes: &[u8]) -> Result<T, Error> {
    #[derive(serde::Deserialize)]
    struct Version {
        format: u64,
    }

    let tail = Error::JsonTail(object);
    let (content, end) = bytes.len().checked_sub(TAIL_LEN).map(|at| bytes.split_at(at)).ok_or(tail.clone())?;
    let hex = end.strip_prefix(BEFORE).and_then(|end| end.strip_suffix(AFTER)).ok_or(tail.clone())?;
    let found: Digest = std::str::from_utf8(hex).ok().and_then(|hex| hex.parse().ok()).ok_or(tail)?;
    let computed: [u8; 32] = Sha256::digest(content).into();
    if found.0 != computed {
        return Err(Error::JsonDigest(object));
    }
    let Version { format } = serde_json::from_slice(bytes).map_err(|error| invalid(object, error))?;
    if format != FORMAT {
        return Err(Error::JsonFormat { object, format });
    }
    serde_json::from_slice(bytes).map_err(|error| invalid(object, error))
}

pub(super) fn invalid(object: &'static str, problem: impl fmt::Display) -> Error {
    Error::Json { object, problem: problem.to_string() }
}
