//! The recovery kit: the root key on paper. It opens a replica of which every slot is lost.
//!
//! Version 1, replica id, root key, and the first 6 bytes of SHA-256(`waloy/v1 recovery-kit` and those 49): 55 bytes,
//! in Crockford base32, <https://www.crockford.com/base32.html>: 88 characters in 11 groups.

use secrecy::ExposeSecret;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::frame::array;
use super::{Error, RootKey, What, kdf};
use crate::ids::ReplicaId;

const ALPHABET: &[u8; 32] = b"0123456789abcdefghjkmnpqrstvwxyz";
const VERSION: u8 = 1;
const LEN: usize = 55;
const CHARACTERS: usize = 88;
/// Bytes before the checksum.
const CONTENT: usize = 49;
/// Characters between two `-`.
const GROUP: usize = 8;

/// The root key of a replica, with the replica that it is of.
#[derive(Clone)]
pub struct RecoveryKit {
    /// The replica that it opens.
    pub replica: ReplicaId,
    /// Its root key.
    pub root: RootKey,
}

impl RecoveryKit {
    /// The text to print and keep: 88 characters in 11 groups, joined by `-`, and a newline.
    pub fn text(&self) -> Zeroizing<String> {
        let mut bytes = Zeroizing::new([0; LEN]);
        bytes[0] = VERSION;
        bytes[1..17].copy_from_slice(&self.replica.0);
        bytes[17..CONTENT].copy_from_slice(self.root.0.expose_secret());
        let checksum = checksum(&bytes);
        bytes[CONTENT..].copy_from_slice(&checksum);
        // As long as it gets, so that no copy is left behind.
        let mut text = Zeroizing::new(String::with_capacity(CHARACTERS + CHARACTERS / GROUP));
        for at in 0..CHARACTERS {
            if at > 0 && at % GROUP == 0 {
                text.push('-');
            }
            let digit = (0..5).fold(0, |digit, bit| digit << 1 | self::bit(&bytes, at * 5 + bit));
            text.push(char::from(ALPHABET[usize::from(digit)]));
        }
        text.push('\n');
        text
    }

    /// Reads a kit: in any case, with white space, `-` and lines that begin with `#` left out, `o` for 0, `i` and `l`
    /// for 1.
    ///
    /// # Errors
    ///
    /// [`Error::NotOurs`] if there are other characters, [`Error::Cut`] if there are not 88, [`Error::Damaged`] if one is
    /// wrong, [`Error::Unsupported`] for another version.
    pub fn parse(text: &[u8]) -> Result<RecoveryKit, Error> {
        let what = What::Kit;
        let lines = text.split(|&byte| byte == b'\n').filter(|line| !line.trim_ascii_start().starts_with(b"#"));
        let mut bytes = Zeroizing::new([0u8; LEN]);
        let mut characters = 0;
        for &byte in lines.flatten().filter(|byte| !byte.is_ascii_whitespace() && **byte != b'-') {
            let digit = digit(byte).ok_or(Error::NotOurs { what })?;
            for bit in (0..5).filter(|_| characters < CHARACTERS) {
                let at = characters * 5 + bit;
                bytes[at / 8] |= (digit >> (4 - bit) & 1) << (7 - at % 8);
            }
            characters += 1;
        }
        if characters != CHARACTERS {
            return Err(Error::Cut { what, len: characters as u64 });
        }
        if bytes[CONTENT..] != checksum(&bytes) {
            return Err(Error::Damaged { what });
        }
        if bytes[0] != VERSION {
            return Err(Error::unsupported(what, "version", bytes[0]));
        }
        let root = RootKey(kdf::key(|key| key.copy_from_slice(&bytes[17..CONTENT])));
        Ok(RecoveryKit { replica: ReplicaId(array(&*bytes, 1)), root })
    }
}

fn bit(bytes: &[u8; LEN], at: usize) -> u8 {
    bytes[at / 8] >> (7 - at % 8) & 1
}

fn digit(byte: u8) -> Option<u8> {
    let byte = match byte.to_ascii_lowercase() {
        b'o' => b'0',
        b'i' | b'l' => b'1',
        byte => byte,
    };
    ALPHABET.iter().position(|&digit| digit == byte).map(|digit| digit as u8)
}

fn checksum(bytes: &[u8; LEN]) -> [u8; LEN - CONTENT] {
    array(&Sha256::new().chain_update(b"waloy/v1 recovery-kit").chain_update(&bytes[..CONTENT]).finalize(), 0)
}
