//! Chance from a seed, for those who count in `usize`.

use waloy::testing::dice::Dice;

/// The same numbers from the same seed.
pub(super) struct Chance(Dice);

impl Chance {
    pub(super) fn new(seed: u64) -> Chance {
        Chance(Dice::new(seed.wrapping_mul(0xd134_2543_de82_ef95)))
    }

    pub(super) fn word(&mut self) -> u64 {
        self.0.any()
    }

    /// Less than `limit`; 0 if that is 0.
    pub(super) fn below(&mut self, limit: usize) -> usize {
        self.0.below((limit as u64).max(1)) as usize
    }

    /// True once in so many times.
    pub(super) fn one_in(&mut self, times: usize) -> bool {
        self.below(times) == 0
    }

    pub(super) fn pick<T: Copy>(&mut self, of: &[T]) -> T {
        *self.0.pick(of)
    }

    pub(super) fn bytes(&mut self, len: usize) -> Vec<u8> {
        self.0.bytes(len)
    }
}
