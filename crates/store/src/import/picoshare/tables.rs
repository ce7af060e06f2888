//! The CSV files of these tests.

use super::{Reading, failure, payload_bytes};
use crate::import::json::{self, Node};
use crate::import::table::{Row, Table};
use crate::import::{ImportError, ParsedSample, SourceFile, text_factor, when};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::sample::Accuracy;
use std::path::Path;

/// `matrix-results.csv`: one row a virtual machine.
pub(super) fn matrix(file: &SourceFile, reading: &mut Reading) -> Result<(), ImportError> {
    let mut table = Table::open(file, Some(b','))?;
    let [ram, size, boot] = [table.need("ram_mb")?, table.need("file_size")?, table.need("boot_time_seconds")?];
    let [duration, throughput] = [table.need("duration_seconds")?, table.need("throughput_mbps")?];
    let [status, reason, success] = [table.need("http_status")?, table.need("exit_reason")?, table.need("success")?];
    let branch = branch(&file.name);
    let mut empty = 0_u64;
    reading.parsed.fact(
        "boot_method",
        "until the API socket's file exists, seen by polling every 100 ms; no guest has run by then",
    );
    reading.parsed.fact("boot_poll_ns", "100000000");
    while let Some(row) = table.next_row()? {
        let mut factors = Factors::from([("file_size".to_owned(), text_factor(row.text(size)))]);
        factors.insert("memory".to_owned(), memory(&row, ram)?);
        if let Some(branch) = &branch {
            factors.insert("branch".to_owned(), text_factor(branch));
        }
        let cell = reading.parsed.cell(&file.name, BackendName::Firecracker, factors)?;
        let mut sample = ParsedSample::new(cell, Accuracy::Kvm);
        sample.failure = failure(row.text(status), row.text(reason), row.flag(success)?);
        row.put(&mut sample, boot, "boot_ns", 1e9)?;
        row.put(&mut sample, duration, "total_ns", 1e9)?;
        row.put(&mut sample, throughput, "throughput_bytes_per_s", 1e6)?;
        if let Some(bytes) = payload_bytes(row.text(size)) {
            sample.set("payload_bytes", bytes);
        }
        empty += u64::from(row.text(duration).is_empty() && row.text(throughput).is_empty());
        reading.add(&file.name, sample, None)?;
    }
    if empty > 0 {
        let message = format!(
            "{}: {empty} rows have no duration, throughput and status: a version of the tests wrote them empty",
            file.name
        );
        reading.parsed.remark(message);
        reading.parsed.fact("empty_columns", format!("{empty} rows of {}", file.name));
    }
    Ok(())
}

/// `raw.csv`, the oldest form.
pub(super) fn raw(file: &SourceFile, reading: &mut Reading) -> Result<(), ImportError> {
    let mut table = Table::open(file, Some(b','))?;
    let [size, limit, duration] =
        [table.need("file_size")?, table.need("memory_limit")?, table.need("duration_seconds")?];
    let [peak, status, reason] =
        [table.need("peak_memory_bytes")?, table.need("http_status")?, table.need("exit_reason")?];
    while let Some(row) = table.next_row()? {
        let factors = Factors::from([
            ("file_size".to_owned(), text_factor(row.text(size))),
            ("memory_limit".to_owned(), text_factor(row.text(limit))),
        ]);
        let cell = reading.parsed.cell(&file.name, BackendName::Imported, factors)?;
        let mut sample = ParsedSample::new(cell, Accuracy::Process);
        sample.failure = failure(row.text(status), row.text(reason), None);
        row.put(&mut sample, duration, "total_ns", 1e9)?;
        row.put(&mut sample, peak, "peak_memory_bytes", 1.0)?;
        if let Some(bytes) = payload_bytes(row.text(size)) {
            sample.set("payload_bytes", bytes);
        }
        reading.add(&file.name, sample, None)?;
    }
    Ok(())
}

/// `config.json` beside it.
pub(super) fn config(file: &SourceFile, reading: &mut Reading) -> Result<(), ImportError> {
    let value = json::parse(file)?;
    let root = Node::root(&file.name, &value);
    if let Some(commit) = root.text_of("git_commit")? {
        reading.parsed.fact("git_commit", commit);
    }
    if let Some(time) = root.text_of("timestamp")?.as_deref().and_then(when::rfc3339) {
        reading.parsed.created_at = Some(time);
    }
    Ok(())
}

/// The branch in `…/matrix-<branch>-<time>/matrix-results.csv`.
fn branch(name: &str) -> Option<String> {
    let directory = Path::new(name).parent()?.file_name()?.to_str()?;
    let rest = directory.strip_prefix("matrix-")?;
    let end = rest.trim_end_matches(|c: char| c.is_ascii_digit() || "-_T:Z".contains(c)).len();
    Some(rest[..end].to_owned()).filter(|branch| !branch.is_empty())
}

fn memory(row: &Row<'_, '_>, column: usize) -> Result<FactorValue, ImportError> {
    let mib: Option<u64> = row.text(column).parse().ok();
    mib.and_then(|mib| mib.checked_mul(1 << 20))
        .map(FactorValue::Bytes)
        .ok_or_else(|| row.fail(column, "an amount of memory in MB"))
}
