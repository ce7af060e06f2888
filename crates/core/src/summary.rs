//! Summaries: what is derived from the raw samples of a run, and can be derived again.

use crate::cell::Cell;
use crate::failure::FailureClass;
use crate::sample::{Accuracy, Provenance};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// What became of a cell.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CellStatus {
    /// It has at least one valid sample and was not given up.
    Measured,
    /// It has no valid sample, or was given up before it had the samples the plan wants.
    Failed,
    /// It cannot run here.
    Skipped,
    /// The run has not come to it yet.
    Pending,
}

/// One cell of `isodyne show RUN --json`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct CellSummary {
    /// The cell: id, benchmark, backend, factors.
    #[serde(flatten)]
    pub cell: Cell,
    /// What became of it.
    pub status: CellStatus,
    /// Why it was skipped or given up.
    pub reason: Option<String>,
    /// What would fix that.
    pub hint: Option<String>,
    /// The accuracy class of its samples; `None` if it has none.
    pub accuracy: Option<Accuracy>,
    /// The provenance of its samples; `None` if it has none.
    pub provenance: Option<Provenance>,
    /// Valid samples (warm-up not counted).
    pub samples_valid: u64,
    /// Failed samples by class (warm-up not counted).
    pub samples_failed: BTreeMap<FailureClass, u64>,
    /// Samples of declared warm-up rounds, valid or not.
    pub samples_warmup: u64,
    /// By metric name.
    pub metrics: BTreeMap<String, MetricSummary>,
    /// Median length of each phase up to the end of the benchmark's total, in the order of the life cycle, then
    /// `residue`. Medians of phases need not add up to the median of the total; the residue is per sample.
    pub phases: Vec<PhaseSummary>,
}

/// What is known of one metric over the valid samples of one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct MetricSummary {
    /// `ns`, `B`, `B/s`, `count`, `ratio`.
    pub unit: String,
    /// How many samples have the value.
    pub n: u64,
    /// The smallest.
    pub min: f64,
    /// The median, by the stated quantile type.
    pub p50: f64,
    /// `None` where n cannot carry it.
    pub p90: Option<f64>,
    /// `None` where n cannot carry it.
    pub p99: Option<f64>,
    /// The largest.
    pub max: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The sample standard deviation (n − 1); `None` for n < 2.
    pub stddev: Option<f64>,
    /// An interval of at least 95 % for the median, from order statistics; `None` where n cannot carry one.
    pub ci95: Option<[f64; 2]>,
}

/// The time attributed to one step, over the valid samples of one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseSummary {
    /// The phase's name, or `residue`.
    pub name: String,
    /// Its median length in nanoseconds.
    pub p50_ns: f64,
    /// In how many samples it was seen.
    pub n: u64,
}
