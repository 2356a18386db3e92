//! A key of 32 bytes under another, with AES-256-GCM.

use aes_gcm::aead::{AeadInOut, KeyInit};
use aes_gcm::{Aes256Gcm, Nonce, Tag};
use secrecy::{ExposeSecret, ExposeSecretMut};

use super::kdf::{self, Key};

/// The nonce that wraps a key.
pub(super) const NONCE_LEN: usize = 12;
/// A wrapped key and its tag.
pub(super) const WRAPPED_LEN: usize = 32 + 16;

pub(super) fn wrap(under: &Key, nonce: &[u8; NONCE_LEN], bound: &[u8], key: &Key) -> [u8; WRAPPED_LEN] {
    let mut wrapped = [0; WRAPPED_LEN];
    let (bytes, tag) = wrapped.split_at_mut(32);
    bytes.copy_from_slice(key.expose_secret());
    let made = cipher(under).encrypt_inout_detached(&Nonce::from(*nonce), bound, bytes.into());
    tag.copy_from_slice(&made.expect("32 bytes are no longer than AES-GCM allows"));
    wrapped
}

/// `None` if the tag is another one.
pub(super) fn unwrap(under: &Key, nonce: &[u8; NONCE_LEN], bound: &[u8], wrapped: &[u8; WRAPPED_LEN]) -> Option<Key> {
    let (bytes, tag) = wrapped.split_first_chunk::<32>()?;
    let tag = Tag::from(*tag.first_chunk::<16>()?);
    let mut key = kdf::key(|key| *key = *bytes);
    let buffer = key.expose_secret_mut().as_mut_slice().into();
    cipher(under).decrypt_inout_detached(&Nonce::from(*nonce), bound, buffer, &tag).ok()?;
    Some(key)
}

fn cipher(key: &Key) -> Aes256Gcm {
    Aes256Gcm::new_from_slice(key.expose_secret()).expect("a key of 32 bytes")
}
