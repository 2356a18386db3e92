//! A restore, and whether it is what was there.

use std::path::Path;

use rusqlite::{Connection, OpenFlags};
use serde::Serialize;

use super::shop::{Copy, count, failed};
use crate::cli::render::json::text;
use crate::cli::render::seconds;
use crate::error::{Error, Kind, Result};
use crate::ids::GenerationId;
use crate::replica::Replica;
use crate::restore::{Options, Output, Point, Target, restore};
use crate::units::Timestamp;

/// A restored database beside the copy that was taken of the original.
#[derive(Debug, Serialize)]
pub(super) struct Proof {
    pub(super) what: &'static str,
    pub(super) ok: bool,
    pub(super) generation: GenerationId,
    pub(super) index: Point,
    #[serde(serialize_with = "text")]
    pub(super) at: Timestamp,
    pub(super) pages: u32,
    pub(super) differing_pages: Vec<u64>,
    pub(super) checksum: String,
    pub(super) expected: Copy,
    pub(super) found: Copy,
    pub(super) integrity: String,
    pub(super) duration_seconds: f64,
}

impl Proof {
    /// What is different, in a line.
    pub(super) fn differences(&self) -> String {
        let (found, expected) = (&self.found, &self.expected);
        format!(
            "{} pages differ; {} orders and not {}; integrity: {}",
            self.differing_pages.len(),
            found.orders,
            expected.orders,
            self.integrity
        )
    }
}

/// Restores a state, and compares it page by page with the copy; then asks SQLite.
pub(super) async fn prove(
    what: &'static str,
    replica: &Replica,
    target: Target,
    output: &Path,
    expected: &Copy,
) -> Result<Proof> {
    let report = restore(replica, target, &Output::new(output), &Options::default()).await?;
    let path = output.to_owned();
    let looked = tokio::task::spawn_blocking(move || look(&path)).await;
    let (found, integrity) = looked.map_err(|error| {
        Error::new(Kind::Internal, "demo.internal", "the comparison has panicked").because(error.to_string())
    })??;
    let plan = report.plan;
    let differing_pages = differing(&expected.image, &found.image, plan.page_size.len());
    let same_counts = (found.orders, found.cents) == (expected.orders, expected.cents);
    Ok(Proof {
        what,
        ok: differing_pages.is_empty() && same_counts && integrity == "ok",
        generation: plan.generation,
        index: plan.point,
        at: plan.at,
        pages: plan.pages,
        differing_pages,
        checksum: report.checksum.to_string(),
        expected: expected.clone(),
        found,
        integrity,
        duration_seconds: seconds(report.duration),
    })
}

/// The file's bytes as they were restored, then what SQLite says of it.
fn look(path: &Path) -> Result<(Copy, String)> {
    let image = std::fs::read(path).map_err(|error| {
        Error::new(Kind::Database, "demo.io", format!("cannot read {}", path.display())).because(error)
    })?;
    let connection = Connection::open_with_flags(path, OpenFlags::SQLITE_OPEN_READ_WRITE).map_err(failed)?;
    let integrity = connection.query_row("PRAGMA integrity_check", [], |row| row.get(0)).map_err(failed)?;
    let (orders, cents) = count(&connection).map_err(failed)?;
    Ok((Copy { image, orders, cents }, integrity))
}

/// The numbers of the pages that are not the same.
fn differing(expected: &[u8], found: &[u8], page_size: usize) -> Vec<u64> {
    let pages = expected.len().max(found.len()).div_ceil(page_size);
    let page = |image: &'_ [u8], number: usize| {
        let start = (number * page_size).min(image.len());
        image[start..(start + page_size).min(image.len())].to_vec()
    };
    (0..pages).filter(|&number| page(expected, number) != page(found, number)).map(|number| number as u64 + 1).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_that_differ_or_are_missing_are_named() {
        assert_eq!(differing(&[1; 2048], &[1; 2048], 512), [0u64; 0]);
        let mut other = vec![1; 2048];
        other[600] = 2;
        assert_eq!(differing(&[1; 2048], &other, 512), [2]);
        assert_eq!(differing(&[1; 2048], &[1; 1024], 512), [3, 4]);
        assert_eq!(differing(&[1; 1024], &[1; 1536], 512), [3]);
    }
}
