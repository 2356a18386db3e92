//! What is read from a bucket, a disk or a person, given any bytes: it is read or refused, and what was read keeps the
//! rules that it has. Never a panic, never more memory than the input accounts for.
//!
//! The same functions are driven in two ways: by libFuzzer, which follows coverage (`fuzz/run`), and from seeds by the
//! rung `fuzz` of the ladder in `tests/deep`, which needs no tool.

/// The program of a target: libFuzzer around it.
#[macro_export]
macro_rules! program {
    ($name:literal) => {
        #[global_allocator]
        static MEMORY: $crate::memory::Counting = $crate::memory::Counting;

        libfuzzer_sys::fuzz_target!(
            init: $crate::write_seeds($name),
            |input: &[u8]| $crate::fuzz($name, input)
        );
    };
}

/// An object of the replica in the clear among the golden files.
macro_rules! golden {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/golden/format-v1/", $name))
    };
}

/// A file of the sealed replica among them.
macro_rules! golden_sealed {
    ($name:literal) => {
        include_bytes!(concat!("../../tests/golden/sealed_v1/", $name))
    };
}

mod documents;
mod input;
mod keys;
mod listing;
pub mod memory;
mod page_file;
mod plan;
mod sealed;
#[path = "../../tests/it/format/sign.rs"]
mod sign;
mod time;
mod values;
mod wal;

/// One kind of input.
#[derive(Clone, Copy)]
pub struct Target {
    /// Its name, here and as a program.
    pub name: &'static str,
    run: fn(&[u8]),
    /// Good inputs, to begin with.
    pub seeds: fn() -> Vec<Vec<u8>>,
    /// The most memory that it may have at once: so many bytes, and so many more for each byte of the input.
    pub cap: (usize, usize),
}

/// All of them.
pub const TARGETS: &[Target] = &[
    Target { name: "wal", run: wal::run, seeds: wal::seeds, cap: (16 << 10, 8) },
    Target { name: "page_file", run: page_file::run, seeds: page_file::seeds, cap: (2 << 20, 32) },
    Target { name: "sealed", run: sealed::run, seeds: sealed::seeds, cap: (128 << 10, 64) },
    Target { name: "keys", run: keys::run, seeds: keys::seeds, cap: (16 << 10, 16) },
    Target { name: "documents", run: documents::run, seeds: documents::seeds, cap: (16 << 10, 48) },
    Target { name: "listing", run: listing::run, seeds: listing::seeds, cap: (256 << 10, 256) },
    Target { name: "plan", run: plan::run, seeds: plan::seeds, cap: (1 << 20, 256) },
    Target { name: "time", run: time::run, seeds: time::seeds, cap: (16 << 10, 32) },
    Target { name: "values", run: values::run, seeds: values::seeds, cap: (16 << 10, 32) },
];

/// The target of this name.
///
/// # Panics
///
/// If there is none.
pub fn target(name: &str) -> &'static Target {
    TARGETS.iter().find(|target| target.name == name).expect("a target of this name")
}

/// Writes the good inputs of a target into the folder that `FUZZ_SEEDS` names.
///
/// # Panics
///
/// If they cannot be written.
pub fn write_seeds(name: &str) {
    let Some(folder) = std::env::var_os("FUZZ_SEEDS").map(std::path::PathBuf::from) else { return };
    std::fs::create_dir_all(&folder).expect("a folder for seeds");
    for (number, seed) in (target(name).seeds)().iter().enumerate() {
        std::fs::write(folder.join(format!("seed-{number}")), seed).expect("a seed is written");
    }
}

/// Gives an input to a target. When an input takes more memory than all before, standard error says so.
///
/// # Panics
///
/// If a rule is broken.
pub fn fuzz(name: &str, input: &[u8]) {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static LARGEST: AtomicUsize = AtomicUsize::new(0);
    let taken = target(name).run(input);
    if LARGEST.fetch_max(taken.largest, Ordering::Relaxed) < taken.largest {
        eprintln!("memory: largest {} at once {} input {}", taken.largest, taken.most, input.len());
    }
}

impl Target {
    /// Gives it one input. It panics if a rule is broken, or if more memory was taken than the input accounts for.
    /// What was taken: the largest piece, and the most at once.
    ///
    /// # Panics
    ///
    /// If a rule is broken.
    pub fn run(&self, input: &[u8]) -> memory::Taken {
        let taken = memory::during(|| (self.run)(input));
        let cap = self.cap.0 + self.cap.1 * input.len();
        assert!(taken.most <= cap, "{}: {} bytes of memory for an input of {}", self.name, taken.most, input.len());
        taken
    }
}
