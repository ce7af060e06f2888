//! From raw samples to the summary of a run: pure, and the same each time it is done again.

use super::metrics::metrics_of;
use super::phases::phases_of;
use super::{CellStatus, CellSummary, MetricSummary, RunSummary, SUMMARY_SCHEMA, SUMMARY_VERSION};
use crate::cell::Cell;
use crate::columns::{CellColumns, Row, RunColumns};
use crate::failure::FailureClass;
use crate::fingerprint::Fingerprint;
use crate::record::{RunRecord, SkippedCell};
use crate::runner::Runner;
use crate::sample::{Accuracy, Provenance};
use crate::stats::QUANTILE_TYPE;
use crate::unit::DisplayBytes;
use std::collections::{BTreeMap, BTreeSet};

/// Derives the summary of a run from its record and the columns of its samples.
///
/// Warm-up samples and failed samples are counted and never enter a figure. A run that has not ended is summarised as
/// far as it is there, with `complete` false.
pub fn summarise(record: &RunRecord, columns: &RunColumns) -> RunSummary {
    summarise_with(record, columns, Runner::ALONE)
}

/// As [`summarise`], with the figures of each metric computed where the runner says.
pub fn summarise_with(record: &RunRecord, columns: &RunColumns, runner: Runner<'_>) -> RunSummary {
    let skipped_cells = record.skipped.iter().map(|skipped| &skipped.cell);
    let known: BTreeSet<&str> = record.cells.iter().chain(skipped_cells).map(|cell| cell.id.as_str()).collect();
    let foreign = columns.cells.iter().filter(|(id, _)| !known.contains(id.as_str()));
    let samples_foreign = foreign.map(|(_, cell)| cell.rows.len() as u64).sum();
    let own: Vec<&CellColumns> =
        record.cells.iter().map(|cell| columns.cells.get(&cell.id).unwrap_or(CellColumns::EMPTY)).collect();
    let metrics = metrics_of(&own, record.level(), runner);
    let known: Vec<_> = record.cells.iter().zip(own).zip(&metrics).collect();
    let mut cells = runner.map(known.len(), |index| {
        let ((cell, columns), metrics) = known[index];
        summarise_cell(record, cell, columns, metrics)
    });
    cells.extend(record.skipped.iter().map(skipped));
    RunSummary {
        schema: SUMMARY_SCHEMA.to_owned(),
        version: SUMMARY_VERSION,
        run_id: record.run_id.clone(),
        title: record.plan.title.clone(),
        created_at: record.created_at.clone(),
        isodyne_version: record.isodyne_version.clone(),
        host: host_line(&record.fingerprint),
        complete: record.ended.is_some(),
        samples_wanted: record.plan.samples,
        stop: record.stop_summary(),
        seed: record.seed,
        quantile_type: QUANTILE_TYPE,
        clock_step_ns: record.fingerprint.clock_step_ns,
        survivors: record.ended.as_ref().map(|end| end.survivors.clone()).unwrap_or_default(),
        samples_foreign,
        cells,
    }
}

/// The host in one line: `Debian GNU/Linux 12, Linux 6.18, 2 × Xeon (virtual machine: kvm), 24.0 GiB`; `host unknown` where
/// nothing is known of it.
pub fn host_line(host: &Fingerprint) -> String {
    let mut parts = Vec::new();
    parts.extend(host.os.clone());
    parts.extend(host.kernel.as_ref().map(|kernel| {
        let release = kernel.trim_start_matches("Linux ").split_whitespace().next().unwrap_or_default();
        format!("Linux {release}")
    }));
    let within = host.hypervisor.as_ref().map(|name| format!(" (virtual machine: {name})")).unwrap_or_default();
    // A count of 0 is one that is not known: another tool's file told nothing of it.
    let processors = match (host.cpu_count, host.cpu_model.as_deref()) {
        (0, None) => None,
        (0, Some(model)) => Some(model.to_owned()),
        (count, model) => Some(format!("{count} × {}", model.unwrap_or("processor unknown"))),
    };
    match processors {
        Some(processors) => parts.push(format!("{processors}{within}")),
        None => parts.extend(host.hypervisor.as_ref().map(|name| format!("virtual machine: {name}"))),
    }
    if host.memory_bytes > 0 {
        parts.push(DisplayBytes(host.memory_bytes as f64).to_string());
    }
    if parts.is_empty() { "host unknown".to_owned() } else { parts.join(", ") }
}

fn summarise_cell(
    record: &RunRecord,
    cell: &Cell,
    columns: &CellColumns,
    metrics: &BTreeMap<String, MetricSummary>,
) -> CellSummary {
    let valid = || columns.rows.iter().filter(|row| row.counts());
    let taken = || columns.rows.iter().filter(|row| !row.is_interrupted());
    let mut samples_failed: BTreeMap<FailureClass, u64> = BTreeMap::new();
    for class in taken().filter(|row| !row.warmup).filter_map(|row| row.failure) {
        *samples_failed.entry(class).or_default() += 1;
    }
    let accuracies: BTreeSet<Accuracy> = valid().map(|row| row.accuracy).collect();
    let provenances: BTreeSet<Provenance> = valid().map(|row| row.provenance).collect();
    // A resumed run on a changed host can hold both. Their mixture has no meaning, so it gets no figures.
    let mixed = accuracies.len() > 1 || provenances.len() > 1;
    let abandoned = record.ended.as_ref().and_then(|end| end.abandoned.iter().find(|(id, _)| *id == cell.id));
    let reason = if mixed {
        let names: Vec<&str> = accuracies
            .iter()
            .map(|class| class.as_str())
            .chain(provenances.iter().map(|provenance| provenance.as_str()))
            .collect();
        Some(format!("its valid samples are of different kinds ({}) and cannot be put together", names.join(", ")))
    } else if let Some((_, reason)) = abandoned {
        Some(reason.clone())
    } else if valid().next().is_none() {
        Some(why_nothing(record, &samples_failed))
    } else {
        None
    };
    let status = if mixed || abandoned.is_some() {
        CellStatus::Failed
    } else if valid().next().is_some() {
        CellStatus::Measured
    } else if samples_failed.is_empty() && record.ended.is_none() {
        CellStatus::Pending
    } else {
        CellStatus::Failed
    };
    let any: Option<&Row> = valid().next().or_else(|| taken().next()).or_else(|| columns.rows.first());
    CellSummary {
        status,
        reason,
        hint: None,
        accuracy: any.filter(|_| !mixed).map(|row| row.accuracy),
        provenance: any.filter(|_| !mixed).map(|row| row.provenance),
        samples_valid: valid().count() as u64,
        samples_failed,
        samples_interrupted: columns.rows.iter().filter(|row| row.is_interrupted()).count() as u64,
        samples_warmup: taken().filter(|row| row.warmup).count() as u64,
        metrics: if mixed { BTreeMap::new() } else { metrics.clone() },
        phases: if mixed { Vec::new() } else { phases_of(columns) },
        cell: cell.clone(),
    }
}

fn why_nothing(record: &RunRecord, failed: &BTreeMap<FailureClass, u64>) -> String {
    let count: u64 = failed.values().sum();
    match (count, record.ended.is_some()) {
        (0, false) => "the run has not come to it yet".to_owned(),
        (0, true) => "the run ended without a sample of it".to_owned(),
        (1, _) => "its only sample failed".to_owned(),
        (count, _) => format!("all {count} samples failed"),
    }
}

fn skipped(skipped: &SkippedCell) -> CellSummary {
    CellSummary {
        cell: skipped.cell.clone(),
        status: CellStatus::Skipped,
        reason: Some(skipped.reason.clone()),
        hint: Some(skipped.hint.clone()).filter(|hint| !hint.is_empty()),
        accuracy: None,
        provenance: None,
        samples_valid: 0,
        samples_failed: BTreeMap::new(),
        samples_interrupted: 0,
        samples_warmup: 0,
        metrics: BTreeMap::new(),
        phases: Vec::new(),
    }
}
