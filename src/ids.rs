//! What things in a replica are called: generations, replicas, writers, kinds of object, digests.

use std::fmt;
use std::str::FromStr;

use ulid::Ulid;

use crate::units::Timestamp;

/// The id of a generation: a ULID, written in 26 characters of lowercase Crockford base32.
///
/// Ids sort by the time at which their generation began. Source: <https://github.com/ulid/spec>.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct GenerationId(Ulid);

impl GenerationId {
    /// The id of a generation that begins at this moment, made unique by 80 random bits.
    pub fn new(at: Timestamp, random: [u8; 10]) -> GenerationId {
        let mut bits = [0u8; 16];
        bits[6..].copy_from_slice(&random);
        GenerationId(Ulid::from_parts(at.0.max(0) as u64, u128::from_be_bytes(bits)))
    }

    /// The id with these 16 bytes.
    pub fn from_bytes(bytes: [u8; 16]) -> GenerationId {
        GenerationId(Ulid::from_bytes(bytes))
    }

    /// The 16 bytes, the most significant first.
    pub fn to_bytes(self) -> [u8; 16] {
        self.0.to_bytes()
    }

    /// The moment in the id: when the generation began, or a little later if clocks went back.
    pub fn at(self) -> Timestamp {
        Timestamp(self.0.timestamp_ms() as i64)
    }

    /// The id in short for people: its first six and last four characters, in capitals, as `01JD9Q…8F2K`.
    pub fn short(self) -> String {
        let text = self.0.to_string();
        format!("{}…{}", &text[..6], &text[22..])
    }
}

impl fmt::Display for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_string().to_ascii_lowercase())
    }
}

impl fmt::Debug for GenerationId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// The text is not the id of a generation.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not a generation id: {0:?}")]
pub struct InvalidGenerationId(pub String);

impl FromStr for GenerationId {
    type Err = InvalidGenerationId;

    /// Reads exactly what `Display` writes, in any case; object keys are held to lowercase where they are parsed.
    fn from_str(text: &str) -> Result<GenerationId, InvalidGenerationId> {
        let invalid = || InvalidGenerationId(text.to_owned());
        let id = Ulid::from_string(text).map_err(|_| invalid())?;
        if id.to_string().eq_ignore_ascii_case(text) { Ok(GenerationId(id)) } else { Err(invalid()) }
    }
}

/// The 26 characters of lowercase base32, as a JSON string.
impl serde::Serialize for GenerationId {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> serde::Deserialize<'de> for GenerationId {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<GenerationId, D::Error> {
        let text = String::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Declares an id of fixed length that is written as lowercase hex.
macro_rules! hex_id {
    ($(#[$doc:meta])* $name:ident, $len:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(pub [u8; $len]);

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                self.0.iter().try_for_each(|byte| write!(f, "{byte:02x}"))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = InvalidHex;

            fn from_str(text: &str) -> Result<$name, InvalidHex> {
                let mut bytes = [0u8; $len];
                decode_hex(text, &mut bytes)?;
                Ok($name(bytes))
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.collect_str(self)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<$name, D::Error> {
                let text = String::deserialize(deserializer)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }
    };
}

hex_id! {
    /// The id of a replica: one prefix of one store.
    ReplicaId, 16
}
hex_id! {
    /// The id of a database, given when its first replica was made.
    DatabaseId, 16
}
hex_id! {
    /// The id of a writer: one state directory.
    WriterId, 16
}
hex_id! {
    /// A SHA-256 digest.
    Digest, 32
}

impl Digest {
    /// Stands where there is nothing to digest, as before the first object of a chain.
    pub const NONE: Digest = Digest([0; 32]);
}

hex_id! {
    /// The key of a replica's page hashes, random; a shorter key is its first bytes.
    HashKey, 32
}

/// The text is not lowercase hex of the length asked for.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("not {expected} lowercase hex digits")]
pub struct InvalidHex {
    expected: usize,
}

fn decode_hex(text: &str, into: &mut [u8]) -> Result<(), InvalidHex> {
    let invalid = InvalidHex { expected: into.len() * 2 };
    let digit = |byte: u8| match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        _ => None,
    };
    if text.len() != into.len() * 2 {
        return Err(invalid);
    }
    for (byte, pair) in into.iter_mut().zip(text.as_bytes().chunks_exact(2)) {
        match (digit(pair[0]), digit(pair[1])) {
            (Some(high), Some(low)) => *byte = high << 4 | low,
            _ => return Err(invalid),
        }
    }
    Ok(())
}

/// What an object is, told by its key; the numbers stand in every envelope.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Debug)]
#[repr(u8)]
pub enum ObjectKind {
    /// Every page at the start of a generation.
    Snapshot = 1,
    /// The pages changed by some transactions.
    Segment = 2,
    /// Several segments in one.
    Merged = 3,
    /// What a generation is; a hint.
    Manifest = 4,
    /// The current generation; a hint.
    Latest = 5,
    /// The ids of the replica and the key of its page hashes.
    Replica = 6,
}

impl ObjectKind {
    /// The kind with this number.
    pub const fn from_u8(number: u8) -> Option<ObjectKind> {
        Some(match number {
            1 => ObjectKind::Snapshot,
            2 => ObjectKind::Segment,
            3 => ObjectKind::Merged,
            4 => ObjectKind::Manifest,
            5 => ObjectKind::Latest,
            6 => ObjectKind::Replica,
            _ => return None,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_generation_id_is_lowercase_and_sorts_by_time() {
        let a = GenerationId::new(Timestamp(1_795_341_600_000), [0xff; 10]);
        let b = GenerationId::new(Timestamp(1_795_341_600_001), [0; 10]);
        assert!(a < b && a.to_string() < b.to_string());
        assert_eq!(a.to_string().len(), 26);
        assert_eq!(a.to_string(), a.to_string().to_lowercase());
        assert_eq!(a.to_string().parse(), Ok(a));
        assert_eq!(a.to_string().to_uppercase().parse(), Ok(a));
        assert_eq!(a.at(), Timestamp(1_795_341_600_000));
        assert_eq!(GenerationId::from_bytes(a.to_bytes()), a);
    }

    #[test]
    fn a_text_that_is_not_exactly_an_id_is_refused() {
        for bad in
            ["", "01jd9q", "81jd9q00000000000000000000", "01jd9q0000000000000000000u", "01jd9q00000000000000000000a"]
        {
            assert!(bad.parse::<GenerationId>().is_err(), "{bad}");
        }
    }

    #[test]
    fn hex_ids_round_trip_and_refuse_capitals() {
        let id = ReplicaId([0xab; 16]);
        assert_eq!(id.to_string().parse(), Ok(id));
        assert!("AB".repeat(16).parse::<ReplicaId>().is_err());
        assert!("ab".repeat(15).parse::<ReplicaId>().is_err());
    }
}
