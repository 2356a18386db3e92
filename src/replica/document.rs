//! The small objects that are JSON when they are open: `latest`, `replica`, the manifests.

use bytes::Bytes;

use super::{Error, LATEST, Name, REPLICA, Replica};
use crate::ids::{GenerationId, ObjectKind};
use crate::storage::Put;

/// What a manifest may be long at most: 1,024 segments of some 200 bytes.
const MANIFEST_LIMIT: u64 = 1 << 20;
/// What the others may be long at most: there is room for sealed ones.
const LIMIT: u64 = 4096;

/// One of these objects.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Document {
    /// The ids of the replica.
    Replica,
    /// The hint at the current generation.
    Latest,
    /// What a generation is.
    Manifest(GenerationId),
}

impl Document {
    /// The document with this key; `None` if the key is none of one.
    pub fn parse(key: &str) -> Option<Document> {
        match (key, Name::parse(key)) {
            (REPLICA, _) => Some(Document::Replica),
            (LATEST, _) => Some(Document::Latest),
            (_, Some(Name::Manifest(generation))) => Some(Document::Manifest(generation)),
            _ => None,
        }
    }

    /// The key.
    pub fn key(self) -> String {
        match self {
            Document::Replica => REPLICA.to_owned(),
            Document::Latest => LATEST.to_owned(),
            Document::Manifest(generation) => Name::Manifest(generation).key(),
        }
    }

    pub(super) fn kind(self) -> ObjectKind {
        match self {
            Document::Replica => ObjectKind::Replica,
            Document::Latest => ObjectKind::Latest,
            Document::Manifest(_) => ObjectKind::Manifest,
        }
    }

    /// Its content, opened and not parsed; `None` if there is no such object.
    ///
    /// # Errors
    ///
    /// Those of the store, [`Error::Sealed`].
    pub async fn read(self, replica: &Replica) -> Result<Option<Bytes>, Error> {
        match self.stored(replica).await? {
            Some(bytes) => replica.open_document(self, bytes).await.map(Some),
            None => Ok(None),
        }
    }

    /// The object, as it is stored; `None` if there is none.
    pub(super) async fn stored(self, replica: &Replica) -> Result<Option<Bytes>, Error> {
        let limit = if matches!(self, Document::Manifest(_)) { MANIFEST_LIMIT } else { LIMIT };
        match replica.get(&self.key(), limit).await {
            Ok(bytes) => Ok(Some(bytes)),
            Err(error) if error.is_not_found() => Ok(None),
            Err(error) => Err(error.into()),
        }
    }

    /// Puts it over the one that is there. When this returns, it is durable.
    pub(super) async fn put(self, replica: &Replica, content: Vec<u8>) -> Result<(), Error> {
        let stored = replica.seal_document(self, content).await?;
        Ok(replica.put(&self.key(), stored).await?)
    }

    /// Puts it unless there is one. When this returns [`Put::Created`], it is durable.
    pub(super) async fn put_if_absent(self, replica: &Replica, content: Vec<u8>) -> Result<Put, Error> {
        let stored = replica.seal_document(self, content).await?;
        Ok(replica.put_if_absent(&self.key(), stored).await?)
    }

    /// Whether the store keeps the one that is there, tried out with this content, which is its content now.
    pub(super) async fn keeps_what_is_there(self, replica: &Replica, content: Vec<u8>) -> Result<bool, Error> {
        let stored = replica.seal_document(self, content).await?;
        Ok(replica.keeps_what_is_there(&self.key(), stored).await?)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::units::Timestamp;

    #[test]
    fn a_document_is_known_by_its_key() {
        let generation = GenerationId::new(Timestamp(1), [7; 10]);
        for document in [Document::Replica, Document::Latest, Document::Manifest(generation)] {
            assert_eq!(Document::parse(&document.key()), Some(document));
            assert_eq!(Document::parse(&format!("{}x", document.key())), None);
        }
        assert_eq!(Document::parse(&Name::Snapshot(generation).key()), None);
    }
}
