//! The envelope: the 16 bytes in front of every snapshot and segment, and of every sealed object.
//!
//! Integers are big-endian.
//!
//! | offset | length | field |
//! |--:|--:|---|
//! | 0 | 4 | `WLO1` |
//! | 4 | 1 | suite: 0 open, 2 sealed with Cobblestone-256 |
//! | 5 | 1 | kind of the object, an [`ObjectKind`] |
//! | 6 | 2 | zero |
//! | 8 | 4 | epoch of the data key; 0 if open, and in `replica` |
//! | 12 | 4 | CRC-32C of bytes 0..12 |
//!
//! What follows an open envelope is the page file; its digest does not cover the envelope, so that a replica can be
//! sealed anew and keep its chain. Every bit of an open envelope is determined by the key of the object.

use std::fmt;

use super::{Error, What};
use crate::ids::ObjectKind;

/// The length of an envelope in bytes.
pub const ENVELOPE_LEN: usize = 16;

const MAGIC: [u8; 4] = *b"WLO1";
const OPEN: u8 = 0;
const SEALED: u8 = 2;

/// The number of a data key of a replica: 1 and up. Objects without one, `replica` among them, have 0.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
pub struct Epoch(pub u32);

impl Epoch {
    /// Not the number of a data key: what the envelope of `replica` has.
    pub const NONE: Epoch = Epoch(0);
    /// That of the first data key.
    pub const FIRST: Epoch = Epoch(1);

    /// The next one; `None` after the last.
    pub const fn next(self) -> Option<Epoch> {
        match self.0.checked_add(1) {
            Some(epoch) => Some(Epoch(epoch)),
            None => None,
        }
    }
}

impl fmt::Display for Epoch {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// Whether an object is sealed.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Suite {
    /// It is not: the content follows the envelope as it is.
    Open,
    /// It is, with Cobblestone-256 and the data key of this epoch.
    Sealed(Epoch),
}

/// The envelope of an open object.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The kind of the object.
    pub kind: ObjectKind,
}

impl Envelope {
    /// The bytes of an open envelope.
    pub fn encode(self) -> [u8; ENVELOPE_LEN] {
        encode(OPEN, self.kind, Epoch::NONE)
    }

    /// Reads and checks the first [`ENVELOPE_LEN`] bytes of an object of which the key says that it is of this kind,
    /// where no encryption is configured.
    ///
    /// # Errors
    ///
    /// [`Error::Sealed`] is told from all others: the object may be whole, but cannot be opened without its key.
    pub fn parse(bytes: &[u8], expected: ObjectKind) -> Result<Envelope, Error> {
        let fields = Fields::parse(bytes)?;
        if fields.suite == SEALED {
            return Err(Error::Sealed);
        }
        fields.open(expected)?;
        Ok(Envelope { kind: expected })
    }

    /// The same where encryption is configured: the epoch of the data key that opens the object.
    ///
    /// # Errors
    ///
    /// [`Error::Open`] for an open object, also one of JSON, which has no envelope; others for bytes that are no sealed
    /// envelope of this kind.
    pub fn parse_sealed(bytes: &[u8], expected: ObjectKind) -> Result<Epoch, Error> {
        let fields = Fields::parse(bytes).map_err(|error| match (error, expected) {
            (Error::NotOurs { .. }, ObjectKind::Manifest | ObjectKind::Latest | ObjectKind::Replica)
                if bytes.starts_with(b"{") =>
            {
                Error::Open
            }
            (error, _) => error,
        })?;
        if fields.suite == OPEN {
            return Err(Error::Open);
        }
        fields.sealed(expected)
    }

    /// The bytes of a sealed envelope.
    pub fn encode_sealed(kind: ObjectKind, epoch: Epoch) -> [u8; ENVELOPE_LEN] {
        encode(SEALED, kind, epoch)
    }
}

impl Suite {
    /// What the envelope says of itself, whatever is configured: for listings, which open nothing.
    ///
    /// # Errors
    ///
    /// For bytes that are no envelope of this kind.
    pub fn parse(bytes: &[u8], expected: ObjectKind) -> Result<Suite, Error> {
        let fields = Fields::parse(bytes)?;
        match fields.suite {
            OPEN => fields.open(expected).map(|()| Suite::Open),
            _ => fields.sealed(expected).map(Suite::Sealed),
        }
    }
}

fn encode(suite: u8, kind: ObjectKind, epoch: Epoch) -> [u8; ENVELOPE_LEN] {
    let mut bytes = [0; ENVELOPE_LEN];
    bytes[..4].copy_from_slice(&MAGIC);
    bytes[4] = suite;
    bytes[5] = kind as u8;
    bytes[8..12].copy_from_slice(&epoch.0.to_be_bytes());
    let checksum = crc32c::crc32c(&bytes[..12]);
    bytes[12..].copy_from_slice(&checksum.to_be_bytes());
    bytes
}

/// An envelope of a suite that is known; kind and epoch are not checked yet.
struct Fields {
    suite: u8,
    kind: u8,
    epoch: Epoch,
}

impl Fields {
    fn parse(bytes: &[u8]) -> Result<Fields, Error> {
        let Some(&bytes) = bytes.first_chunk::<ENVELOPE_LEN>() else {
            return Err(Error::Cut { what: What::Object, len: bytes.len() as u64 });
        };
        let [m0, m1, m2, m3, suite, kind, z0, z1, e0, e1, e2, e3, c0, c1, c2, c3] = bytes;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(Error::NotOurs { what: What::Object });
        }
        if u32::from_be_bytes([c0, c1, c2, c3]) != crc32c::crc32c(&bytes[..12]) {
            return Err(Error::Damaged { what: What::Object });
        }
        if [z0, z1] != [0, 0] {
            return Err(Error::unsupported(What::Object, "a zero field", u16::from_be_bytes([z0, z1])));
        }
        if suite != OPEN && suite != SEALED {
            return Err(Error::unsupported(What::Object, "suite", suite));
        }
        Ok(Fields { suite, kind, epoch: Epoch(u32::from_be_bytes([e0, e1, e2, e3])) })
    }

    fn is_of(&self, expected: ObjectKind) -> Result<(), Error> {
        if self.kind == expected as u8 { Ok(()) } else { Err(Error::kind(expected, self.kind)) }
    }

    fn open(&self, expected: ObjectKind) -> Result<(), Error> {
        self.is_of(expected)?;
        if self.epoch == Epoch::NONE { Ok(()) } else { Err(self.epoch_not_known()) }
    }

    fn sealed(&self, expected: ObjectKind) -> Result<Epoch, Error> {
        self.is_of(expected)?;
        // `replica` is what data keys are looked for with: it has none itself.
        let none = expected == ObjectKind::Replica;
        if none == (self.epoch == Epoch::NONE) { Ok(self.epoch) } else { Err(self.epoch_not_known()) }
    }

    fn epoch_not_known(&self) -> Error {
        Error::unsupported(What::Object, "epoch", self.epoch.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Changes bytes of an envelope and puts its checksum right.
    fn with(changes: &[(usize, u8)]) -> [u8; ENVELOPE_LEN] {
        let mut bytes = Envelope { kind: ObjectKind::Segment }.encode();
        for &(at, value) in changes {
            bytes[at] = value;
        }
        let checksum = crc32c::crc32c(&bytes[..12]);
        bytes[12..].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    #[test]
    fn an_open_envelope_is_these_bytes_for_ever() {
        let bytes = Envelope { kind: ObjectKind::Snapshot }.encode();
        assert_eq!(bytes, *b"WLO1\x00\x01\x00\x00\x00\x00\x00\x00\x4a\xbb\x6a\x09");
        assert_eq!(crc32c::crc32c(b"123456789"), 0xe306_9283);
    }

    #[test]
    fn an_envelope_says_what_its_key_says() {
        for kind in [ObjectKind::Snapshot, ObjectKind::Segment, ObjectKind::Merged] {
            let bytes = Envelope { kind }.encode();
            assert_eq!(Envelope::parse(&bytes, kind), Ok(Envelope { kind }));
            let other = if kind == ObjectKind::Merged { ObjectKind::Segment } else { ObjectKind::Merged };
            assert!(matches!(Envelope::parse(&bytes, other), Err(Error::Misplaced { .. })));
        }
    }

    #[test]
    fn a_sealed_object_is_told_from_a_damaged_one() {
        let parse = |changes: &[(usize, u8)]| Envelope::parse(&with(changes), ObjectKind::Segment);
        assert_eq!(parse(&[(4, 2), (11, 1)]), Err(Error::Sealed));
        let unsupported = |field, value: u32| Err(Error::unsupported(What::Object, field, value));
        assert_eq!(parse(&[(4, 1)]), unsupported("suite", 1));
        assert_eq!(parse(&[(4, 3)]), unsupported("suite", 3));
        assert_eq!(parse(&[(7, 1)]), unsupported("a zero field", 1));
        assert_eq!(parse(&[(11, 1)]), unsupported("epoch", 1));
        assert_eq!(parse(&[(0, b'X')]), Err(Error::NotOurs { what: What::Object }));
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let bytes = Envelope { kind: ObjectKind::Merged }.encode();
        for at in 0..ENVELOPE_LEN {
            assert_eq!(
                Envelope::parse(&bytes[..at], ObjectKind::Merged),
                Err(Error::Cut { what: What::Object, len: at as u64 })
            );
            for bit in 0..8 {
                let mut changed = bytes;
                changed[at] ^= 1 << bit;
                assert!(Envelope::parse(&changed, ObjectKind::Merged).is_err(), "byte {at}, bit {bit}");
            }
        }
    }

    #[test]
    fn an_open_object_is_refused_where_encryption_is_configured() {
        let open = Envelope { kind: ObjectKind::Segment }.encode();
        assert_eq!(Envelope::parse_sealed(&open, ObjectKind::Segment), Err(Error::Open));
        assert_eq!(Envelope::parse_sealed(b"{\"format\":1,\"generation\"", ObjectKind::Latest), Err(Error::Open));
        let not_ours = Err(Error::NotOurs { what: What::Object });
        assert_eq!(Envelope::parse_sealed(b"{\"format\":1,\"generation\"", ObjectKind::Segment), not_ours);
        assert_eq!(Suite::parse(&open, ObjectKind::Segment), Ok(Suite::Open));
    }

    #[test]
    fn a_sealed_envelope_tells_its_epoch_and_only_replica_has_none() {
        for (kind, epoch) in [(ObjectKind::Merged, Epoch(7)), (ObjectKind::Replica, Epoch::NONE)] {
            let bytes = Envelope::encode_sealed(kind, epoch);
            assert_eq!(Envelope::parse_sealed(&bytes, kind), Ok(epoch));
            assert_eq!(Suite::parse(&bytes, kind), Ok(Suite::Sealed(epoch)));
            assert_eq!(Envelope::parse(&bytes, kind), Err(Error::Sealed));
            let other = if epoch == Epoch::NONE { Epoch::FIRST } else { Epoch::NONE };
            let bytes = Envelope::encode_sealed(kind, other);
            assert!(matches!(Envelope::parse_sealed(&bytes, kind), Err(Error::Unsupported { .. })));
        }
    }
}
