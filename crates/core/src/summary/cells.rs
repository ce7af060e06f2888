//! From raw samples to the summary of a run: pure, and the same each time it is done again.

use super::metrics::metrics_of;
use super::phases::phases_of;
use super::{CellStatus, CellSummary, RunSummary, SUMMARY_SCHEMA, SUMMARY_VERSION};
use crate::cell::{Cell, CellId};
use crate::failure::FailureClass;
use crate::fingerprint::Fingerprint;
use crate::record::{RunRecord, SkippedCell};
use crate::sample::{Accuracy, Provenance, Sample};
use crate::stats::QUANTILE_TYPE;
use crate::unit::DisplayBytes;
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// Derives the summary of a run from its record and its raw samples, in any order.
///
/// Warm-up samples and failed samples are counted and never enter a figure. A run that has not ended is summarised as
/// far as it is there, with `complete` false.
pub fn summarise(record: &RunRecord, samples: &[Sample]) -> RunSummary {
    let mut by_cell: HashMap<&CellId, Vec<&Sample>> = HashMap::new();
    for sample in samples {
        by_cell.entry(&sample.cell).or_default().push(sample);
    }
    let measured = record.cells.iter().map(|cell| {
        let mut of_cell = by_cell.remove(&cell.id).unwrap_or_default();
        of_cell.sort_by_key(|sample| sample.sequence);
        summarise_cell(record, cell, &of_cell)
    });
    let mut cells: Vec<CellSummary> = measured.collect();
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
        seed: record.seed,
        quantile_type: QUANTILE_TYPE,
        clock_step_ns: record.fingerprint.clock_step_ns,
        survivors: record.ended.as_ref().map(|end| end.survivors.clone()).unwrap_or_default(),
        samples_foreign: by_cell.values().map(|samples| samples.len() as u64).sum(),
        cells,
    }
}

/// The host in one line: `Debian GNU/Linux 12, Linux 6.18, 2 × Xeon (virtual machine: kvm), 24.0 GiB`.
pub fn host_line(host: &Fingerprint) -> String {
    let mut parts = Vec::new();
    parts.extend(host.os.clone());
    parts.extend(host.kernel.as_ref().map(|kernel| {
        let release = kernel.trim_start_matches("Linux ").split_whitespace().next().unwrap_or_default();
        format!("Linux {release}")
    }));
    let model = host.cpu_model.as_deref().unwrap_or("processor unknown");
    let within = host.hypervisor.as_ref().map(|name| format!(" (virtual machine: {name})")).unwrap_or_default();
    parts.push(format!("{} × {model}{within}", host.cpu_count));
    if host.memory_bytes > 0 {
        parts.push(DisplayBytes(host.memory_bytes as f64).to_string());
    }
    parts.join(", ")
}

fn summarise_cell(record: &RunRecord, cell: &Cell, samples: &[&Sample]) -> CellSummary {
    let valid: Vec<&Sample> = samples.iter().copied().filter(|sample| sample.counts()).collect();
    let mut samples_failed: BTreeMap<FailureClass, u64> = BTreeMap::new();
    let (interrupted, samples): (Vec<&Sample>, Vec<&Sample>) =
        samples.iter().partition(|sample| sample.is_interrupted());
    for failure in samples.iter().filter(|sample| !sample.warmup).filter_map(|sample| sample.failure.as_ref()) {
        *samples_failed.entry(failure.class).or_default() += 1;
    }
    let accuracies: BTreeSet<Accuracy> = valid.iter().map(|sample| sample.accuracy).collect();
    let provenances: BTreeSet<Provenance> = valid.iter().map(|sample| sample.provenance).collect();
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
    } else if valid.is_empty() {
        Some(why_nothing(record, &samples_failed))
    } else {
        None
    };
    let status = if mixed || abandoned.is_some() {
        CellStatus::Failed
    } else if !valid.is_empty() {
        CellStatus::Measured
    } else if samples_failed.is_empty() && record.ended.is_none() {
        CellStatus::Pending
    } else {
        CellStatus::Failed
    };
    let any = valid.first().or(samples.first()).or(interrupted.first());
    CellSummary {
        status,
        reason,
        hint: None,
        accuracy: any.filter(|_| !mixed).map(|sample| sample.accuracy),
        provenance: any.filter(|_| !mixed).map(|sample| sample.provenance),
        samples_valid: valid.len() as u64,
        samples_failed,
        samples_interrupted: interrupted.len() as u64,
        samples_warmup: samples.iter().filter(|sample| sample.warmup).count() as u64,
        metrics: if mixed { BTreeMap::new() } else { metrics_of(&valid) },
        phases: if mixed { Vec::new() } else { phases_of(cell.benchmark, &valid) },
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
