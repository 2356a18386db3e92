//! Argon2id, RFC 9106: within limits, and counted.

use std::sync::atomic::{AtomicU64, Ordering};

use argon2::{Algorithm, Argon2, Block, Params, Version};
use zeroize::Zeroize;

use super::Error;
use super::kdf::{self, Key};

static RUNS: AtomicU64 = AtomicU64::new(0);

/// How often this process ran Argon2.
pub fn argon2_runs() -> u64 {
    RUNS.load(Ordering::Relaxed)
}

/// What one run of Argon2id costs.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Cost {
    /// Memory in KiB.
    pub memory_kib: u32,
    /// Passes over that memory.
    pub passes: u32,
    /// Lanes.
    pub lanes: u32,
}

/// 64 MiB, 3 passes, 4 lanes: the second choice of RFC 9106.
impl Default for Cost {
    fn default() -> Cost {
        Cost { memory_kib: 64 << 10, passes: 3, lanes: 4 }
    }
}

impl Cost {
    /// Holds the costs to their limits.
    ///
    /// # Errors
    ///
    /// [`Error::KdfCost`] unless 19 MiB ≤ memory ≤ the limit, 1 ≤ passes ≤ 16, 1 ≤ lanes ≤ 16.
    pub fn check(&self, limit: KdfLimit) -> Result<(), Error> {
        let Cost { memory_kib, passes, lanes } = *self;
        let limit_kib = limit.memory_kib();
        let within =
            (19 << 10..=limit_kib).contains(&memory_kib) && (1..=16).contains(&passes) && (1..=16).contains(&lanes);
        if within { Ok(()) } else { Err(Error::KdfCost { memory_kib, passes, lanes, limit_kib }) }
    }

    /// What grows with the time that it takes.
    pub(super) fn work(&self) -> u64 {
        u64::from(self.memory_kib) * u64::from(self.passes)
    }
}

/// The most memory that a slot, which a hostile store may have written, can make this machine use.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub enum KdfLimit {
    /// 1 GiB.
    #[default]
    Standard,
    /// 4 GiB, when somebody said so.
    Raised,
}

impl KdfLimit {
    /// In KiB.
    pub const fn memory_kib(self) -> u32 {
        match self {
            KdfLimit::Standard => 1 << 20,
            KdfLimit::Raised => 4 << 20,
        }
    }
}

/// A secret made ready for one slot: what Argon2 made of a passphrase, or a raw key.
pub struct Stretched(pub(super) Key);

/// What the work of Argon2 is of, besides the passphrase.
pub(super) type Salt = ([u8; 16], Cost);

impl Stretched {
    pub(super) fn copy(&self) -> Stretched {
        Stretched(kdf::copy(&self.0))
    }
}

/// Runs Argon2id 1.3 with no secret and no associated data.
pub(super) fn argon2id(passphrase: &[u8], salt: &[u8], cost: Cost, limit: KdfLimit) -> Result<Stretched, Error> {
    cost.check(limit)?;
    let Cost { memory_kib, passes, lanes } = cost;
    let params = Params::new(memory_kib, passes, lanes, Some(32)).expect("costs within the limits are Argon2's too");
    // Reserved by hand: too little memory is an error then, not the end of the process.
    let mut memory = Vec::new();
    if memory.try_reserve_exact(params.block_count()).is_err() {
        return Err(Error::Memory { memory_kib });
    }
    memory.resize(params.block_count(), Block::new());
    RUNS.fetch_add(1, Ordering::Relaxed);
    #[cfg(test)]
    tests::HERE.with(|runs| runs.set(runs.get() + 1));
    let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
    let stretched = kdf::key(|key| {
        let run = argon2.hash_password_into_with_memory(passphrase, salt, key, &mut memory);
        run.expect("a salt of 16 bytes and 32 bytes out are Argon2's too");
    });
    memory.zeroize();
    Ok(Stretched(stretched))
}

#[cfg(test)]
pub(super) mod tests {
    use std::cell::Cell;

    use argon2::{AssociatedData, ParamsBuilder};

    use super::*;

    thread_local! {
        /// Runs in this thread: other tests run Argon2 too.
        pub(in crate::seal) static HERE: Cell<u64> = const { Cell::new(0) };
    }

    /// RFC 9106, 5.3. It has a secret and associated data, which waloy never has.
    #[test]
    fn argon2id_is_that_of_rfc_9106() {
        let mut params = ParamsBuilder::new();
        params.m_cost(32).t_cost(3).p_cost(4).output_len(32).data(AssociatedData::new(&[4; 12]).unwrap());
        let argon2 =
            Argon2::new_with_secret(&[3; 8], Algorithm::Argon2id, Version::V0x13, params.build().unwrap()).unwrap();
        let mut tag = [0; 32];
        argon2.hash_password_into(&[1; 32], &[2; 16], &mut tag).unwrap();
        let expected = "0d640df58d78766c08c037a34a8b53c9d01ef0452d75b65eb52520e96b01e659";
        assert_eq!(crate::ids::Digest(tag).to_string(), expected);
    }

    #[test]
    fn costs_outside_of_the_limits_are_refused_before_any_work() {
        let before = HERE.get();
        let least = Cost { memory_kib: 19 << 10, passes: 1, lanes: 1 };
        let (memory, standard, raised) =
            (|memory_kib| Cost { memory_kib, ..least }, KdfLimit::Standard, KdfLimit::Raised);
        for (cost, limit) in [
            (memory((19 << 10) - 1), raised),
            (memory((1 << 20) + 1), standard),
            (memory((4 << 20) + 1), raised),
            (memory(u32::MAX), raised),
            (memory(0), raised),
            (Cost { passes: 0, ..least }, raised),
            (Cost { passes: 17, ..least }, raised),
            (Cost { lanes: 0, ..least }, raised),
            (Cost { lanes: 17, ..least }, raised),
            (Cost { lanes: u32::MAX, ..least }, raised),
        ] {
            let refused = argon2id(b"a passphrase", &[0; 16], cost, limit);
            assert!(matches!(refused, Err(Error::KdfCost { .. })), "{cost:?}");
        }
        assert_eq!(HERE.get(), before, "Argon2 ran");
        for cost in [least, memory(1 << 20), Cost { passes: 16, lanes: 16, ..least }, Cost::default()] {
            assert_eq!(cost.check(standard), Ok(()));
        }
        assert_eq!(memory(4 << 20).check(raised), Ok(()));
    }
}
