//! What can be wrong with envelopes, sealed objects, keys and secrets.

use std::fmt;

use super::Epoch;
use crate::ids::ObjectKind;

/// What the bytes should have been.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub enum What {
    /// A snapshot, a segment, or another object with an envelope.
    Object,
    /// A key slot.
    Slot,
    /// A wrapped data key.
    DataKey,
    /// A recovery kit.
    Kit,
}

impl fmt::Display for What {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            What::Object => "object",
            What::Slot => "key slot",
            What::DataKey => "data key",
            What::Kit => "recovery kit",
        })
    }
}

/// Bytes or a secret that do not open what they should. No text has anything of a secret in it but its length.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are fewer or more bytes than it can have.
    #[error("{what} of a length that none has: {len}")]
    Cut {
        /// What was read.
        what: What,
        /// The bytes that there are; of a recovery kit, the characters.
        len: u64,
    },
    /// It begins otherwise, or is written with other characters.
    #[error("not a {what} of waloy")]
    NotOurs {
        /// What was expected.
        what: What,
    },
    /// The checksum is another one.
    #[error("{what} damaged: its checksum is another one")]
    Damaged {
        /// What was read.
        what: What,
    },
    /// A version, type or suite that this build does not know, or a zero field that is not zero.
    #[error("{what} that this version does not know: {field} is {value}")]
    Unsupported {
        /// What was read.
        what: What,
        /// The field.
        field: &'static str,
        /// What stands there.
        value: u64,
    },
    /// A whole object, key slot or data key under the name of another.
    #[error("{what} is another one than its name says: {field} is {found}, not {expected}")]
    Misplaced {
        /// What was read.
        what: What,
        /// The field in which they differ.
        field: &'static str,
        /// What the name says, or what is known.
        expected: String,
        /// What the bytes say.
        found: String,
    },
    /// The costs of a key slot are outside of the limits; nothing was computed.
    #[error(
        "key slot asks for Argon2id with m = {memory_kib} KiB, t = {passes}, p = {lanes}: allowed are 19456 to \
         {limit_kib} KiB, 1 to 16, 1 to 16"
    )]
    KdfCost {
        /// Memory in KiB.
        memory_kib: u32,
        /// Passes.
        passes: u32,
        /// Lanes.
        lanes: u32,
        /// The most memory that is allowed, in KiB.
        limit_kib: u32,
    },
    /// The memory that a key slot asks for, within the limits, is not to be had.
    #[error("no memory for Argon2id: {memory_kib} KiB")]
    Memory {
        /// Memory in KiB.
        memory_kib: u32,
    },
    /// The passphrase or key file is not this slot's, or not any slot's.
    #[error("wrong {0}")]
    WrongSecret(SecretKind),
    /// The object is sealed; this is not damage.
    #[error("object is encrypted, and no key is configured")]
    Sealed,
    /// The object is open, and encryption is configured: never passed through.
    #[error("object is not encrypted, and encryption is configured")]
    Open,
    /// No data key of this epoch is at hand.
    #[error("no data key of epoch {0}")]
    NoDataKey(Epoch),
    /// There is a data key of this epoch at hand, and it is another one.
    #[error("another data key of epoch {0} than before")]
    AnotherDataKey(Epoch),
    /// The object was not sealed with this key for this place: swapped, renamed, moved, replayed, or its head altered.
    #[error("object was not sealed with this key under this name: its commitment is another one")]
    Commitment,
    /// Ciphertext or what it is bound to was altered: its GCM tag is another one.
    #[error("{what} was tampered with: its tag is another one")]
    Tampered {
        /// What was opened.
        what: What,
    },
    /// A passphrase is too short.
    #[error("passphrase of {0} bytes: at least 8 are needed")]
    ShortPassphrase(usize),
    /// A label does not fit.
    #[error("label is not 0 to 32 bytes of UTF-8 without NUL")]
    Label,
    /// More content than one object can have: 2³² chunks.
    #[error("content too long for one object")]
    TooLong,
    /// A range beyond the content, or not the stored bytes of that range.
    #[error("no such range of an object of {len} bytes: {start} to {end}")]
    Range {
        /// The first byte.
        start: u64,
        /// The byte behind the last.
        end: u64,
        /// The length of the content.
        len: u64,
    },
}

/// How a secret is called in messages.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SecretKind {
    /// A passphrase.
    Passphrase,
    /// A raw key of 32 bytes.
    KeyFile,
    /// A recovery kit.
    RecoveryKit,
}

impl fmt::Display for SecretKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            SecretKind::Passphrase => "passphrase",
            SecretKind::KeyFile => "key file",
            SecretKind::RecoveryKit => "recovery kit",
        })
    }
}

impl Error {
    /// A key is missing or wrong, as opposed to bytes that are.
    pub fn is_bad_key(&self) -> bool {
        matches!(self, Error::WrongSecret(_) | Error::Sealed)
    }

    pub(super) fn unsupported(what: What, field: &'static str, value: impl Into<u64>) -> Error {
        Error::Unsupported { what, field, value: value.into() }
    }

    pub(super) fn misplaced<T: fmt::Display>(what: What, field: &'static str, expected: T, found: T) -> Error {
        Error::Misplaced { what, field, expected: expected.to_string(), found: found.to_string() }
    }

    pub(super) fn kind(expected: ObjectKind, found: u8) -> Error {
        Error::misplaced(What::Object, "kind", expected as u8, found)
    }
}
