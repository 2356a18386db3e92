//! Memory and open files of a process, over time.

use anyhow::{Context as _, ensure};

use crate::ladder::Tally;

/// What is no growth: a quarter more than in the first quarter of the time, and 8 MiB.
const MORE: u64 = 8 << 10;
/// Descriptors come and go with requests under way.
const MORE_FILES: u64 = 8;
/// With fewer samples there is nothing to compare.
const ENOUGH: usize = 24;

/// Samples, the first of them after the start.
#[derive(Default)]
pub(super) struct Usage {
    kib: Vec<u64>,
    files: Vec<u64>,
}

impl Usage {
    /// Takes a sample of a process that runs.
    pub(super) fn sample(&mut self, pid: u32) -> anyhow::Result<()> {
        let status = std::fs::read_to_string(format!("/proc/{pid}/status"))?;
        let kib = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
        let kib = kib.and_then(|rest| rest.split_whitespace().next()).context("no VmRSS")?;
        self.kib.push(kib.parse()?);
        self.files.push(std::fs::read_dir(format!("/proc/{pid}/fd"))?.count() as u64);
        Ok(())
    }

    /// Tells what there was, and fails if it grew.
    pub(super) fn judge(&self, tally: &mut Tally) -> anyhow::Result<()> {
        let (kib, files) = (Quarters::of(&self.kib), Quarters::of(&self.files));
        tally.add("samples", self.kib.len() as u64);
        for (what, Quarters { first, last, most }) in [("KiB of memory", kib), ("descriptors", files)] {
            tally.add(&format!("{what} in the first quarter"), first);
            tally.add(&format!("{what} in the last quarter"), last);
            tally.add(&format!("{what} at most"), most);
        }
        if self.kib.len() >= ENOUGH {
            ensure!(kib.last <= kib.first + kib.first / 4 + MORE, "memory grew: {:?}", self.kib);
            ensure!(files.last <= files.first + MORE_FILES, "open files grew: {:?}", self.files);
        }
        Ok(())
    }
}

#[derive(Clone, Copy)]
struct Quarters {
    first: u64,
    last: u64,
    most: u64,
}

impl Quarters {
    /// The medians of the first and the last quarter. What is taken in the first tenth is the start.
    fn of(samples: &[u64]) -> Quarters {
        let warm = &samples[samples.len() / 10..];
        let quarter = warm.len().div_ceil(4);
        let median = |some: &[u64]| {
            let mut some = some.to_vec();
            some.sort_unstable();
            some.get(some.len() / 2).copied().unwrap_or(0)
        };
        Quarters {
            first: median(&warm[..quarter]),
            last: median(&warm[warm.len() - quarter..]),
            most: samples.iter().copied().max().unwrap_or(0),
        }
    }
}
