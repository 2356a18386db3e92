//! Cobblestone-256 of <https://c2sp.org/chunked-encryption>: keys, chunks, lengths.

use std::ops::Range;

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use zeroize::Zeroizing;

use super::{ENVELOPE_LEN, Error, What, kdf};

/// Bytes of content in every chunk but the last, which has fewer.
pub const CHUNK_LEN: usize = 16_384;
/// Bytes of the tag behind every chunk.
pub const TAG_LEN: usize = 16;
/// Bytes in front of the first chunk: envelope, salt, commitment.
pub const HEAD_LEN: usize = ENVELOPE_LEN + SALT_LEN + COMMITMENT_LEN;

pub(super) const SALT_LEN: usize = 24;
pub(super) const COMMITMENT_LEN: usize = 32;

const SEALED_CHUNK: u64 = (CHUNK_LEN + TAG_LEN) as u64;
const INFO: &[u8] = b"c2sp.org/chunked-encryption@v1+AEAD_AES_256_GCM\0";
/// 64 TiB: far above every object, far below what AES-GCM can do with one key and counted nonces.
pub(super) const MAX_CHUNKS: u64 = 1 << 32;

/// The length in the store of an object with this many bytes of content.
///
/// # Errors
///
/// [`Error::TooLong`] from 2³² chunks on, 64 TiB.
pub fn stored_len(content: u64) -> Result<u64, Error> {
    let full = content / CHUNK_LEN as u64;
    if full >= MAX_CHUNKS {
        return Err(Error::TooLong);
    }
    Ok(HEAD_LEN as u64 + full * SEALED_CHUNK + content % CHUNK_LEN as u64 + TAG_LEN as u64)
}

/// The length of the content of a sealed object of this length in the store; `None` if none has that length. The
/// shortest has 88 bytes, and no content.
///
/// A length is a claim of the store until the last chunk was opened; see [`Opener`](super::Opener).
pub fn content_len(stored: u64) -> Option<u64> {
    let body = stored.checked_sub(HEAD_LEN as u64)?;
    let (full, last) = (body / SEALED_CHUNK, body % SEALED_CHUNK);
    let last = last.checked_sub(TAG_LEN as u64)?;
    (full < MAX_CHUNKS).then(|| full * CHUNK_LEN as u64 + last)
}

/// Which bytes of an object with this many bytes of content hold this range of it: whole chunks; none for an empty range.
/// What lies beyond the content is left out.
pub fn stored_range(range: &Range<u64>, content: u64) -> Range<u64> {
    let (start, end) = (range.start, range.end.min(content));
    if start >= end {
        return HEAD_LEN as u64..HEAD_LEN as u64;
    }
    let (first, last) = (start / CHUNK_LEN as u64, (end - 1) / CHUNK_LEN as u64);
    chunk(first, content).start..chunk(last, content).end
}

/// Where a chunk stands in an object with this many bytes of content.
pub(super) fn chunk(number: u64, content: u64) -> Range<u64> {
    let start = HEAD_LEN as u64 + number * SEALED_CHUNK;
    let len = (content - number * CHUNK_LEN as u64).min(CHUNK_LEN as u64);
    start..start + len + TAG_LEN as u64
}

/// The keys of one object.
pub(super) struct Cobblestone {
    cipher: Aes256Gcm,
    base: Zeroizing<[u8; 12]>,
    pub(super) commitment: [u8; COMMITMENT_LEN],
}

impl Cobblestone {
    pub(super) fn derive(data_key: &[u8; 32], salt: &[u8; SALT_LEN], context: &[u8]) -> Cobblestone {
        let mut out = Zeroizing::new([0u8; 32 + 12 + COMMITMENT_LEN]);
        kdf::expand(data_key, &[INFO, salt, context], &mut *out);
        let mut base = Zeroizing::new([0; 12]);
        base.copy_from_slice(&out[32..44]);
        let mut commitment = [0; COMMITMENT_LEN];
        commitment.copy_from_slice(&out[44..]);
        let cipher = Aes256Gcm::new_from_slice(&out[..32]).expect("a key of 32 bytes");
        Cobblestone { cipher, base, commitment }
    }

    fn nonce(&self, number: u64) -> Nonce<aes_gcm::aead::consts::U12> {
        let mut nonce = *self.base;
        for (byte, counter) in nonce[4..].iter_mut().zip(number.to_be_bytes()) {
            *byte ^= counter;
        }
        nonce.into()
    }

    /// Encrypts a chunk in place.
    pub(super) fn seal(&self, number: u64, content: &mut [u8]) -> [u8; TAG_LEN] {
        let tag = self.cipher.encrypt_inout_detached(&self.nonce(number), &[], content.into());
        tag.expect("a chunk is no longer than AES-GCM allows").into()
    }

    /// Decrypts a chunk in place: what is left is the content, then the tag. Nothing is decrypted if the tag is wrong.
    pub(super) fn open<'a>(&self, number: u64, chunk: &'a mut [u8]) -> Result<&'a mut [u8], Error> {
        let tampered = Error::Tampered { what: What::Object };
        let Some((content, tag)) = chunk.split_last_chunk_mut::<TAG_LEN>() else { return Err(tampered) };
        let tag = Tag::from(*tag);
        let opened = self.cipher.decrypt_inout_detached(&self.nonce(number), &[], (&mut *content).into(), &tag);
        opened.map(|()| content).map_err(|_| tampered)
    }

    /// For vectors alone.
    #[cfg(test)]
    pub(super) fn base(&self) -> [u8; 12] {
        *self.base
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lengths_are_there_and_back_and_others_are_no_lengths() {
        for (content, stored) in
            [(0, 88), (1, 89), (16_383, 16_471), (16_384, 16_488), (16_385, 16_489), (40_000, 40_120)]
        {
            assert_eq!(stored_len(content), Ok(stored));
            assert_eq!(content_len(stored), Some(content));
        }
        let none = (0..88).chain(16_472..16_488).chain(32_872..32_888);
        let lengths: Vec<u64> = (0..33_000).filter(|&stored| content_len(stored).is_none()).collect();
        assert_eq!(lengths, none.collect::<Vec<_>>());
        let longest = (CHUNK_LEN as u64) * MAX_CHUNKS - 1;
        assert_eq!(stored_len(longest).map(content_len), Ok(Some(longest)));
        assert_eq!(stored_len(longest + 1), Err(Error::TooLong));
        assert_eq!(content_len(stored_len(longest).unwrap() + 17), None);
        assert_eq!((content_len(u64::MAX), stored_len(u64::MAX)), (None, Err(Error::TooLong)));
    }
}
