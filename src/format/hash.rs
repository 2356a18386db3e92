//! Page hashes.

use std::fmt;
use std::hash::Hasher as _;

use siphasher::sip::SipHasher13;

use crate::ids::HashKey;
use crate::units::{PageHash, PageNo};

/// Hashes pages under the key of one replica.
#[derive(Clone)]
pub struct PageHasher {
    empty: SipHasher13,
}

impl PageHasher {
    /// For this key, of which SipHash takes the first 16 bytes.
    pub fn new(key: &HashKey) -> PageHasher {
        let mut short = [0; 16];
        short.copy_from_slice(&key.0[..16]);
        PageHasher { empty: SipHasher13::new_with_key(&short) }
    }

    /// The hash of a page.
    pub fn hash(&self, page: PageNo, image: &[u8]) -> PageHash {
        let mut hasher = self.empty;
        hasher.write(&u64::from(page.get()).to_le_bytes());
        hasher.write(image);
        PageHash(hasher.finish())
    }
}

/// Without the key.
impl fmt::Debug for PageHasher {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("PageHasher").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Computed by an implementation of its own, from the description in man/waloy-format.5.
    #[test]
    fn a_page_has_this_hash_for_ever() {
        let key = HashKey(std::array::from_fn(|i| i as u8));
        let hasher = PageHasher::new(&key);
        let image: Vec<u8> = (0..512).map(|i| (i % 251) as u8).collect();
        assert_eq!(hasher.hash(PageNo::FIRST, &image).0, 0x5edf_41bd_bd94_a75a);
        assert_eq!(hasher.hash(PageNo::new(u32::MAX).unwrap(), &[0; 512]).0, 0x8575_4f1d_2176_d88f);
    }

    #[test]
    fn number_and_image_and_key_all_count() {
        let hasher = PageHasher::new(&HashKey([7; 32]));
        let hash = hasher.hash(PageNo::FIRST, &[1; 512]);
        assert_ne!(hash, hasher.hash(PageNo::new(2).unwrap(), &[1; 512]));
        assert_ne!(hash, hasher.hash(PageNo::FIRST, &[2; 512]));
        assert_ne!(hash, PageHasher::new(&HashKey([8; 32])).hash(PageNo::FIRST, &[1; 512]));
    }
}
