//! The checksum of the WAL: two 32-bit sums over pairs of words.

/// In which byte order the words of a checksum are read; the WAL's magic number tells.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ByteOrder {
    /// Least significant byte first: magic `0x377f0682`.
    Little,
    /// Most significant byte first: magic `0x377f0683`.
    Big,
}

impl ByteOrder {
    /// The order of this machine, in which the wal-index is written.
    pub const NATIVE: ByteOrder = if cfg!(target_endian = "big") { ByteOrder::Big } else { ByteOrder::Little };
}

/// A running checksum; the default value is where a header's own begins.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Default)]
pub struct Checksum(pub u32, pub u32);

impl Checksum {
    /// The checksum continued over `bytes`.
    ///
    /// # Panics
    ///
    /// If the length is not a multiple of 8: every part of a WAL that is summed is.
    #[must_use]
    pub fn update(self, order: ByteOrder, bytes: &[u8]) -> Checksum {
        assert!(bytes.len().is_multiple_of(8), "a checksum runs over pairs of words");
        match order {
            ByteOrder::Little => self.sum(bytes, u32::from_le_bytes),
            ByteOrder::Big => self.sum(bytes, u32::from_be_bytes),
        }
    }

    fn sum(self, bytes: &[u8], word: impl Fn([u8; 4]) -> u32) -> Checksum {
        let Checksum(mut first, mut second) = self;
        for pair in bytes.chunks_exact(8) {
            first = first.wrapping_add(word([pair[0], pair[1], pair[2], pair[3]])).wrapping_add(second);
            second = second.wrapping_add(word([pair[4], pair[5], pair[6], pair[7]])).wrapping_add(first);
        }
        Checksum(first, second)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_sums_follow_the_definition() {
        // s0 += x0 + s1; s1 += x1 + s0, twice over (1, 2), (3, 4).
        let bytes: Vec<u8> = [1u32, 2, 3, 4].iter().flat_map(|word| word.to_le_bytes()).collect();
        assert_eq!(Checksum::default().update(ByteOrder::Little, &bytes), Checksum(1 + 3 + 3, 3 + 4 + 7));
        let swapped: Vec<u8> = [1u32, 2, 3, 4].iter().flat_map(|word| word.to_be_bytes()).collect();
        assert_eq!(Checksum::default().update(ByteOrder::Big, &swapped), Checksum(7, 14));
    }
}
