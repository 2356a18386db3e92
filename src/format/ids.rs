//! The small objects of a replica: `replica` and `latest`. One line of JSON each, to the byte.

use super::{Error, json};
use crate::ids::{DatabaseId, GenerationId, HashKey, ReplicaId};

/// `replica`: what a replica is, and the key of its page hashes.
#[derive(Clone, Copy, PartialEq, Eq, serde::Deserialize)]
pub struct ReplicaIds {
    /// The replica: one prefix of one store.
    pub replica: ReplicaId,
    /// The database that was first replicated to it.
    pub database: DatabaseId,
    /// The key of its page hashes, random.
    pub hash_key: HashKey,
}

impl ReplicaIds {
    /// The longest that the object can be.
    pub const LEN: usize = 258;

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let ReplicaIds { replica, database, hash_key } = self;
        json::end(format!(
            r#"{{"format":{},"replica":"{replica}","database":"{database}","hash_key":"{hash_key}","#,
            json::FORMAT
        ))
    }

    /// Reads exactly what [`ReplicaIds::encode`] writes.
    ///
    /// # Errors
    ///
    /// If it does not end with its hash, or is not written to the byte.
    pub fn parse(bytes: &[u8]) -> Result<ReplicaIds, Error> {
        exactly("replica", bytes, ReplicaIds::LEN, ReplicaIds::encode)
    }
}

/// Without the key.
impl std::fmt::Debug for ReplicaIds {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let ReplicaIds { replica, database, .. } = self;
        f.debug_struct("ReplicaIds").field("replica", replica).field("database", database).finish_non_exhaustive()
    }
}

/// `latest`: the current generation. A hint: listing and chain decide.
#[derive(Clone, Copy, PartialEq, Eq, Debug, serde::Deserialize)]
pub struct Latest {
    /// The generation.
    pub generation: GenerationId,
    /// Grows by one each time the object is written.
    pub counter: u64,
}

impl Latest {
    /// The longest that the object can be.
    pub const LEN: usize = 162;

    /// The bytes.
    pub fn encode(&self) -> Vec<u8> {
        let Latest { generation, counter } = self;
        json::end(format!(r#"{{"format":{},"generation":"{generation}","counter":{counter},"#, json::FORMAT))
    }

    /// Reads exactly what [`Latest::encode`] writes.
    ///
    /// # Errors
    ///
    /// If it does not end with its hash, or is not written to the byte.
    pub fn parse(bytes: &[u8]) -> Result<Latest, Error> {
        exactly("latest", bytes, Latest::LEN, Latest::encode)
    }
}

/// Reads an object that is written in one way only.
fn exactly<T: serde::de::DeserializeOwned>(
    object: &'static str,
    bytes: &[u8],
    limit: usize,
    encode: impl FnOnce(&T) -> Vec<u8>,
) -> Result<T, Error> {
    if bytes.len() > limit {
        return Err(Error::Range { what: "length of a JSON object", value: bytes.len() as i128 });
    }
    let value = json::parse(object, bytes)?;
    if encode(&value) == bytes { Ok(value) } else { Err(json::invalid(object, "it is not written as waloy writes it")) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    fn replica() -> ReplicaIds {
        ReplicaIds { replica: ReplicaId([1; 16]), database: DatabaseId([2; 16]), hash_key: HashKey([3; 32]) }
    }

    fn latest(counter: u64) -> Latest {
        Latest { generation: GenerationId::new(Timestamp(1_795_341_600_000), [5; 10]), counter }
    }

    #[test]
    fn both_are_written_to_the_byte() {
        let text = String::from_utf8(replica().encode()).unwrap();
        assert!(text.starts_with(&format!(
            r#"{{"format":1,"replica":"{}","database":"{}","hash_key":"{}","sha256":""#,
            "01".repeat(16),
            "02".repeat(16),
            "03".repeat(32)
        )));
        assert!(text.ends_with("\"}\n"));
        assert_eq!(text.len(), ReplicaIds::LEN);
        assert_eq!(ReplicaIds::parse(text.as_bytes()), Ok(replica()));

        let text = String::from_utf8(latest(u64::MAX).encode()).unwrap();
        assert!(text.starts_with(r#"{"format":1,"generation":"01"#), "{text}");
        assert_eq!(text.len(), Latest::LEN);
        assert_eq!(Latest::parse(text.as_bytes()), Ok(latest(u64::MAX)));
    }

    #[test]
    fn any_changed_or_missing_byte_is_noticed() {
        let (replica, latest) = (replica().encode(), latest(7).encode());
        for bytes in [&replica, &latest] {
            for at in 0..bytes.len() {
                for mask in [1, 0x20, 0x80] {
                    let mut changed = bytes.clone();
                    changed[at] ^= mask;
                    assert!(ReplicaIds::parse(&changed).is_err() && Latest::parse(&changed).is_err(), "byte {at}");
                }
                assert!(ReplicaIds::parse(&bytes[..at]).is_err() && Latest::parse(&bytes[..at]).is_err());
            }
        }
        assert!(ReplicaIds::parse(&[&replica[..], b"\n"].concat()).is_err());
    }

    #[test]
    fn what_is_written_otherwise_is_refused_though_its_hash_is_right() {
        let generation = latest(7).generation;
        let parse = |text: &str| Latest::parse(&json::end(text.to_owned()));
        assert_eq!(parse(&format!(r#"{{"format":1,"generation":"{generation}","counter":7,"#)), Ok(latest(7)));
        for other in [
            format!(r#"{{"format":1, "generation":"{generation}","counter":7,"#),
            format!(r#"{{"generation":"{generation}","format":1,"counter":7,"#),
            format!(r#"{{"format":1,"generation":"{generation}","counter":07,"#),
            format!(r#"{{"format":1,"generation":"{generation}","counter":7,"counter":7,"#),
            format!(r#"{{"format":1,"generation":"{}","counter":7,"#, generation.to_string().to_uppercase()),
            format!(r#"{{"format":1,"generation":"{generation}","counter":7,"x":1,"#),
        ] {
            assert!(matches!(parse(&other), Err(Error::Json { .. })), "{other}");
        }
        let newer = parse(r#"{"format":2,"#).unwrap_err();
        assert_eq!(newer, Error::JsonFormat { object: "latest", format: 2 });
        assert!(newer.is_unsupported());
    }
}
