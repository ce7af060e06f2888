//! Adding a run.

use super::{History, HistoryError};
use isodyne_core::record::RunRecord;
use isodyne_core::summary::{CellStatus, CellSummary, MetricSummary, RunSummary};
use rusqlite::{OptionalExtension, Transaction, TransactionBehavior, params};
use std::path::Path;

/// What became of a run that was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Added {
    /// It was not there.
    New,
    /// It was there; its figures are now those of the run as it is.
    Again,
    /// It has no cell that was tried, so there is nothing to keep.
    Nothing,
}

impl History {
    /// Adds the figures of a run, or puts them in the place of those that it already has: adding twice is adding once.
    ///
    /// # Errors
    /// If the history cannot be written, or the run says a time that is none.
    pub fn add(&mut self, record: &RunRecord, summary: &RunSummary, path: &Path) -> Result<Added, HistoryError> {
        let tried: Vec<&CellSummary> = summary.cells.iter().filter(|cell| was_tried(cell)).collect();
        if tried.is_empty() {
            return Ok(Added::Nothing);
        }
        if !is_utc(&record.created_at) {
            return Err(HistoryError::Run {
                run_id: record.run_id.escape_debug().to_string(),
                message: format!("it was begun at `{}`, which is no time in UTC", record.created_at.escape_debug()),
            });
        }
        let failed = self.failed();
        let transaction = self.connection.transaction_with_behavior(TransactionBehavior::Immediate).map_err(&failed)?;
        let known = insert(&transaction, record, summary, &tried, path).map_err(&failed)?;
        transaction.commit().map_err(&failed)?;
        Ok(if known { Added::Again } else { Added::New })
    }
}

fn was_tried(cell: &CellSummary) -> bool {
    matches!(cell.status, CellStatus::Measured | CellStatus::Failed)
}

/// Whether a text begins as `2026-11-22T04:12:33` and is in UTC, so that texts sort as times do.
fn is_utc(time: &str) -> bool {
    let shape = b"0000-00-00T00:00:00";
    let bytes = time.as_bytes();
    let fits = |(found, wanted): (&u8, &u8)| if *wanted == b'0' { found.is_ascii_digit() } else { found == wanted };
    bytes.len() > shape.len() && bytes.len() <= 40 && bytes.iter().zip(shape).all(fits) && bytes.ends_with(b"Z")
}

fn insert(
    transaction: &Transaction<'_>,
    record: &RunRecord,
    summary: &RunSummary,
    tried: &[&CellSummary],
    path: &Path,
) -> rusqlite::Result<bool> {
    let known: Option<i64> = transaction
        .query_row(
            "SELECT id FROM runs WHERE run_id = ?1 AND created_at = ?2",
            params![record.run_id, record.created_at],
            |row| row.get(0),
        )
        .optional()?;
    if let Some(id) = known {
        transaction.execute("DELETE FROM runs WHERE id = ?1", [id])?;
    }
    let path = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    transaction.execute(
        "INSERT INTO runs (run_id, created_at, title, path, isodyne_version, host_id, host_line, fingerprint, tools)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9)",
        params![
            record.run_id,
            record.created_at,
            record.plan.title,
            path.to_string_lossy(),
            record.isodyne_version,
            record.fingerprint.id(),
            summary.host,
            json(&record.fingerprint),
            json(&tools(record)),
        ],
    )?;
    let run = transaction.last_insert_rowid();
    let mut add_cell = transaction.prepare(
        "INSERT INTO cells (run, cell, benchmark, backend, variant, factors, status, accuracy, provenance,
         samples_valid, samples_failed) VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11)",
    )?;
    let mut add_metric = transaction.prepare(
        "INSERT INTO metrics (cell, metric, n, p50, ci_low, ci_high, p90, p95, p99, min, max, mean, stddev)
         VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13)",
    )?;
    for cell in tried {
        add_cell.execute(params![
            run,
            cell.cell.id.as_str(),
            cell.cell.benchmark.as_str(),
            cell.cell.backend.as_str(),
            cell.cell.variant,
            json(&cell.cell.factors),
            if cell.status == CellStatus::Measured { "measured" } else { "failed" },
            cell.accuracy.map(|accuracy| accuracy.as_str()),
            cell.provenance.map(|provenance| provenance.as_str()),
            whole(cell.samples_valid),
            whole(cell.samples_failed.values().sum()),
        ])?;
        let row = transaction.last_insert_rowid();
        for (name, metric) in cell.metrics.iter().filter(|(_, metric)| is_finite(metric)) {
            let ends = metric.ci95.map_or([None, None], |ends| ends.map(Some));
            add_metric.execute(params![
                row,
                name,
                whole(metric.n),
                metric.p50,
                ends[0],
                ends[1],
                metric.p90,
                metric.p95,
                metric.p99,
                metric.min,
                metric.max,
                metric.mean,
                metric.stddev,
            ])?;
        }
    }
    Ok(known.is_some())
}

/// Sums of values that are near the end of all numbers are none; the file can hold no such thing.
fn is_finite(metric: &MetricSummary) -> bool {
    [metric.p50, metric.min, metric.max, metric.mean].iter().all(|value| value.is_finite())
}

/// What took part, by name and version, with the beginning of the digest where there is no version.
fn tools(record: &RunRecord) -> Vec<String> {
    let short = |digest: &str| digest.chars().take(12).collect::<String>();
    let named = record.tools.iter().map(|tool| match tool.version.as_deref().and_then(|text| text.lines().next()) {
        Some(version) => format!("{} {version}", tool.name),
        None => format!("{} of unknown version", tool.name),
    });
    let assets = record.assets.iter().map(|asset| format!("{} {}", asset.role, short(&asset.sha256)));
    let mut all: Vec<String> = named.chain(assets).collect();
    all.sort();
    all.dedup();
    all
}

/// Texts and numbers of our own types are always JSON.
fn json(value: &impl serde::Serialize) -> String {
    serde_json::to_string(value).unwrap_or_else(|_| "null".to_owned())
}

fn whole(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_sort_as_texts() {
        assert!(is_utc("2026-11-22T04:12:33Z") && is_utc("2026-11-22T04:12:33.123456789Z"));
        for wrong in ["", "now", "2026-11-22T04:12:33+01:00", "2026-11-22 04:12:33Z", "2026-11-22T04:12:33"] {
            assert!(!is_utc(wrong), "{wrong}");
        }
    }
}
