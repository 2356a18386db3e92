//! HKDF with SHA-512, RFC 5869.

use hkdf::Hkdf;
use hmac::{Hmac, KeyInit, Mac};
use secrecy::{ExposeSecret, SecretBox};
use sha2::Sha512;
use zeroize::Zeroizing;

/// A key of 32 bytes, zeroized when dropped.
pub(super) type Key = SecretBox<[u8; 32]>;

/// A key that is made where it stays.
pub(super) fn key(fill: impl FnOnce(&mut [u8; 32])) -> Key {
    SecretBox::init_with_mut(fill)
}

/// A random key.
pub(super) fn random_key() -> Key {
    let random = Zeroizing::new(crate::clock::entropy::<32>());
    key(|key| *key = *random)
}

/// The same key once more.
pub(super) fn copy(of: &Key) -> Key {
    key(|key| *key = *of.expose_secret())
}

/// Extract and expand. `info` is its parts one after the other.
pub(super) fn hkdf(salt: &[u8], secret: &[u8], info: &[&[u8]], out: &mut [u8]) {
    Hkdf::<Sha512>::new(Some(salt), secret).expand_multi_info(info, out).expect("at most 255 hashes are asked for");
}

/// Expand alone, also of a key shorter than a hash, which `hkdf` refuses and chunked-encryption needs.
pub(super) fn expand(key: &[u8], info: &[&[u8]], out: &mut [u8]) {
    let mac = Hmac::<Sha512>::new_from_slice(key).expect("HMAC takes a key of any length");
    let mut block = Zeroizing::new([0u8; 64]);
    for (number, part) in (1u8..=255).zip(out.chunks_mut(64)) {
        let mut mac = mac.clone();
        if number > 1 {
            mac.update(&*block);
        }
        info.iter().for_each(|info| mac.update(info));
        mac.update(&[number]);
        block.copy_from_slice(&mac.finalize().into_bytes());
        part.copy_from_slice(&block[..part.len()]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn expanding_is_what_hkdf_does_where_it_takes_the_key() {
        for len in [64, 65, 200] {
            let key: Vec<u8> = (0..len).collect();
            for out in [1, 63, 64, 65, 76, 128, 129, 1000, 255 * 64] {
                let (mut ours, mut theirs) = (vec![0; out], vec![0; out]);
                expand(&key, &[b"in", b"", b"fo"], &mut ours);
                Hkdf::<Sha512>::from_prk(&key).unwrap().expand(b"info", &mut theirs).unwrap();
                assert_eq!(ours, theirs, "{len} {out}");
            }
        }
    }
}
