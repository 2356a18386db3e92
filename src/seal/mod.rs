//! The envelope: the 16 bytes in front of every snapshot and segment. Pure.
//!
//! Integers are big-endian.
//!
//! | offset | length | field |
//! |--:|--:|---|
//! | 0 | 4 | `WLO1` |
//! | 4 | 1 | suite: 0 open, 2 sealed with Cobblestone-256 |
//! | 5 | 1 | kind of the object, an [`ObjectKind`] |
//! | 6 | 2 | zero |
//! | 8 | 4 | epoch of the data key; 0 if open |
//! | 12 | 4 | CRC-32C of bytes 0..12 |
//!
//! What follows an open envelope is the page file; its digest does not cover the envelope, so that a replica can be
//! sealed anew and keep its chain. Every bit of an open envelope is determined by the key of the object.

use crate::ids::ObjectKind;

/// The length of an envelope in bytes.
pub const ENVELOPE_LEN: usize = 16;

const MAGIC: [u8; 4] = *b"WLO1";
const OPEN: u8 = 0;
const SEALED: u8 = 2;

/// What an envelope says.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Envelope {
    /// The kind of the object.
    pub kind: ObjectKind,
}

/// The bytes are not an envelope that this build opens.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// There are fewer bytes than an envelope has.
    #[error("object shorter than its envelope: {0} bytes")]
    Short(usize),
    /// The object begins otherwise.
    #[error("not an object of waloy: it begins with {0:02x?}")]
    Magic([u8; 4]),
    /// The checksum of the envelope is another one.
    #[error("envelope damaged: checksum {found:08x}, {computed:08x} computed")]
    Checksum {
        /// The checksum in the envelope.
        found: u32,
        /// The checksum of its bytes.
        computed: u32,
    },
    /// A field that is zero in every envelope is not.
    #[error("zero field of the envelope is not zero: {0:#06x}")]
    NotZero(u16),
    /// The object is sealed; this is not damage.
    #[error("object is encrypted, and no key is configured")]
    Sealed,
    /// No suite has this number.
    #[error("suite of the envelope not known: {0}")]
    Suite(u8),
    /// The object is not what its key says.
    #[error("object is of another kind than its key says ({expected}): {found}")]
    Kind {
        /// The number of the kind that the key says.
        expected: u8,
        /// The number in the envelope.
        found: u8,
    },
    /// An open envelope names a data key.
    #[error("open envelope with the epoch of a data key: {0}")]
    Epoch(u32),
}

impl Envelope {
    /// The bytes of an open envelope.
    pub fn encode(self) -> [u8; ENVELOPE_LEN] {
        let mut bytes = [0; ENVELOPE_LEN];
        bytes[..4].copy_from_slice(&MAGIC);
        bytes[4] = OPEN;
        bytes[5] = self.kind as u8;
        let checksum = crc32c::crc32c(&bytes[..12]);
        bytes[12..].copy_from_slice(&checksum.to_be_bytes());
        bytes
    }

    /// Reads and checks the first [`ENVELOPE_LEN`] bytes of an object of which the key says that it is of this kind.
    ///
    /// # Errors
    ///
    /// [`Error::Sealed`] is told from all others: the object may be whole, but cannot be opened without its key.
    pub fn parse(bytes: &[u8], expected: ObjectKind) -> Result<Envelope, Error> {
        let Some(&bytes) = bytes.first_chunk::<ENVELOPE_LEN>() else {
            return Err(Error::Short(bytes.len()));
        };
        let [m0, m1, m2, m3, suite, kind, z0, z1, e0, e1, e2, e3, c0, c1, c2, c3] = bytes;
        if [m0, m1, m2, m3] != MAGIC {
            return Err(Error::Magic([m0, m1, m2, m3]));
        }
        let (found, computed) = (u32::from_be_bytes([c0, c1, c2, c3]), crc32c::crc32c(&bytes[..12]));
        if found != computed {
            return Err(Error::Checksum { found, computed });
        }
        let (zero, epoch) = (u16::from_be_bytes([z0, z1]), u32::from_be_bytes([e0, e1, e2, e3]));
        if zero != 0 {
            return Err(Error::NotZero(zero));
        }
        match suite {
            OPEN => (),
            SEALED => return Err(Error::Sealed),
            _ => return Err(Error::Suite(suite)),
        }
        if kind != expected as u8 {
            return Err(Error::Kind { expected: expected as u8, found: kind });
        }
        if epoch != 0 {
            return Err(Error::Epoch(epoch));
        }
        Ok(Envelope { kind: expected })
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
            assert!(matches!(Envelope::parse(&bytes, other), Err(Error::Kind { .. })));
        }
    }

    #[test]
    fn a_sealed_object_is_told_from_a_damaged_one() {
        let parse = |changes| Envelope::parse(&with(changes), ObjectKind::Segment);
        assert_eq!(parse(&[(4, 2), (11, 1)]), Err(Error::Sealed));
        assert_eq!(parse(&[(4, 1)]), Err(Error::Suite(1)));
        assert_eq!(parse(&[(4, 3)]), Err(Error::Suite(3)));
        assert_eq!(parse(&[(7, 1)]), Err(Error::NotZero(1)));
        assert_eq!(parse(&[(11, 1)]), Err(Error::Epoch(1)));
        assert_eq!(parse(&[(0, b'X')]), Err(Error::Magic(*b"XLO1")));
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let bytes = Envelope { kind: ObjectKind::Merged }.encode();
        for at in 0..ENVELOPE_LEN {
            assert_eq!(Envelope::parse(&bytes[..at], ObjectKind::Merged), Err(Error::Short(at)));
            for bit in 0..8 {
                let mut changed = bytes;
                changed[at] ^= 1 << bit;
                assert!(Envelope::parse(&changed, ObjectKind::Merged).is_err(), "byte {at}, bit {bit}");
            }
        }
    }
}
