//! The choice of a compression, by name.

use crate::compress::{Codec, Compression};

/// How page files are compressed. One whose feature is not built in is refused by
/// [`BackupManager::new`](super::BackupManager::new).
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
pub enum CompressionAlgorithm {
    /// Not at all.
    None,
    /// LZ4: fastest. Needs the feature `compression-lz4`.
    Lz4,
    /// Zstandard: smallest. Needs the feature `compression-zstd`.
    Zstd,
}

/// Zstandard if it is built in, else LZ4 if that is, else none.
impl Default for CompressionAlgorithm {
    fn default() -> CompressionAlgorithm {
        match Compression::default().codec() {
            Codec::Zstd => CompressionAlgorithm::Zstd,
            Codec::Lz4 => CompressionAlgorithm::Lz4,
            Codec::None => CompressionAlgorithm::None,
        }
    }
}

impl CompressionAlgorithm {
    pub(super) fn compression(self) -> Compression {
        match self {
            CompressionAlgorithm::None => Compression::None,
            CompressionAlgorithm::Lz4 => Compression::Lz4,
            CompressionAlgorithm::Zstd => Compression::Zstd(Compression::ZSTD_LEVEL),
        }
    }
}
