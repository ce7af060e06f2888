//! Summaries: what is derived from the raw samples of a run, and can be derived again.

mod cells;
mod metrics;
mod phases;

pub use cells::{host_line, summarise, summarise_with};
pub use metrics::{metric_summary, metric_summary_at};

use crate::cell::Cell;
use crate::failure::FailureClass;
use crate::sample::{Accuracy, Provenance};
use crate::stats::Drift;
use crate::stop::StopSummary;
use crate::unit::{is_divided, unit_of_metric};
use serde::ser::SerializeMap;
use serde::{Deserialize, Serialize, Serializer};
use std::collections::BTreeMap;

/// The name of the summary's format.
pub const SUMMARY_SCHEMA: &str = "isodyne-summary";
/// The version of the summary's format.
pub const SUMMARY_VERSION: u32 = 1;
/// A time under this many steps of the clock is shown as "below resolution".
pub const STEPS_TO_RESOLVE: u64 = 20;

/// What `isodyne show RUN --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct RunSummary {
    /// Always [`SUMMARY_SCHEMA`].
    pub schema: String,
    /// The format's version.
    pub version: u32,
    /// The run's random name.
    pub run_id: String,
    /// What the run is for, in the user's words.
    pub title: String,
    /// When it was begun (RFC 3339, UTC).
    pub created_at: String,
    /// The version of Isodyne that made the run.
    pub isodyne_version: String,
    /// The host in one line.
    pub host: String,
    /// Whether the run has ended well; a run that has not can be resumed, and its figures are of what is there.
    pub complete: bool,
    /// Valid samples wanted per cell; at most, where a rule may stop the run.
    pub samples_wanted: u32,
    /// What the plan's stopping rule did, and what that means for the intervals; absent for a plan without one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stop: Option<StopSummary>,
    /// The seed of the order of cells.
    pub seed: u64,
    /// The type of the quantiles, in the numbering of Hyndman and Fan.
    pub quantile_type: u8,
    /// The smallest step of the host's clock, in nanoseconds, if it is known.
    pub clock_step_ns: Option<u64>,
    /// What survived the run, one line each; empty is good.
    pub survivors: Vec<String>,
    /// Samples of cells that the run does not know; more than 0 means that the directory holds something foreign.
    pub samples_foreign: u64,
    /// All cells: those to be measured in the run's order, then the skipped ones.
    pub cells: Vec<CellSummary>,
}

/// Whether a time is too short for a clock of that step: under [`STEPS_TO_RESOLVE`] steps.
///
/// An unknown step hides nothing.
pub fn below_resolution(ns: f64, clock_step_ns: Option<u64>) -> bool {
    clock_step_ns.is_some_and(|step| ns.abs() < (step.saturating_mul(STEPS_TO_RESOLVE)) as f64)
}

/// Whether a metric's value is a time too short for a clock of that step. The engine's own shares of long spans
/// ([`is_divided`]) are not: the whole span is what the clock has told.
pub fn is_below_resolution(metric: &str, value: f64, clock_step_ns: Option<u64>) -> bool {
    unit_of_metric(metric) == "ns" && !is_divided(metric) && below_resolution(value, clock_step_ns)
}

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
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CellSummary {
    /// The cell: id, benchmark, backend, factors (as a plan would state them: `"memory": "128 MiB"`).
    #[serde(flatten, serialize_with = "plain_cell")]
    pub cell: Cell,
    /// What became of it.
    pub status: CellStatus,
    /// Why it was skipped, given up, or has no figures.
    pub reason: Option<String>,
    /// What would fix that.
    pub hint: Option<String>,
    /// The accuracy class of its samples; `None` if it has none.
    pub accuracy: Option<Accuracy>,
    /// The provenance of its samples; `None` if it has none.
    pub provenance: Option<Provenance>,
    /// Valid samples (warm-up not counted).
    pub samples_valid: u64,
    /// Failed samples by class (warm-up not counted). An attempt that the user interrupted is no failure of the cell.
    pub samples_failed: BTreeMap<FailureClass, u64>,
    /// Attempts that ended because the user stopped the run, warm-up or not: kept, and made again when the run went on.
    pub samples_interrupted: u64,
    /// Samples of declared warm-up rounds, valid or not; interrupted ones are not counted.
    pub samples_warmup: u64,
    /// By metric name.
    pub metrics: BTreeMap<String, MetricSummary>,
    /// Median length of each phase up to the end of the benchmark's total, in the order of the life cycle, then
    /// `residue`. Medians of phases need not add up to the median of the total; the residue is per sample.
    pub phases: Vec<PhaseSummary>,
}

/// The cell with its factors as a plan would state them, for programs that read the summary.
fn plain_cell<S: Serializer>(cell: &Cell, serializer: S) -> Result<S::Ok, S::Error> {
    let factors: BTreeMap<&str, serde_json::Value> =
        cell.factors.iter().map(|(key, value)| (key.as_str(), value.to_plan_json())).collect();
    let mut map = serializer.serialize_map(Some(5))?;
    map.serialize_entry("id", &cell.id)?;
    map.serialize_entry("benchmark", &cell.benchmark)?;
    map.serialize_entry("backend", &cell.backend)?;
    map.serialize_entry("factors", &factors)?;
    map.serialize_entry("variant", &cell.variant)?;
    map.end()
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
    pub p95: Option<f64>,
    /// `None` where n cannot carry it.
    pub p99: Option<f64>,
    /// The largest.
    pub max: f64,
    /// The arithmetic mean.
    pub mean: f64,
    /// The sample standard deviation (n − 1); `None` for n < 2.
    pub stddev: Option<f64>,
    /// An interval of at least 95 % for the median, from order statistics, wider where the samples are correlated in time;
    /// `None` where n cannot carry one (fewer than 15).
    pub ci95: Option<[f64; 2]>,
    /// The same for p90.
    pub p90_ci95: Option<[f64; 2]>,
    /// The same for p95.
    pub p95_ci95: Option<[f64; 2]>,
    /// The same for p99.
    pub p99_ci95: Option<[f64; 2]>,
    /// The correlation of each value with the next one that was taken; `None` for n < 3 or equal values.
    pub autocorrelation: Option<f64>,
    /// How many independent values would know the mean as well; `None` where there is no autocorrelation.
    pub n_effective: Option<f64>,
    /// Whether the values rise or fall over the run; `None` for n < 10 or equal values.
    pub drift: Option<Drift>,
    /// How many values at the beginning look like an undeclared warm-up: 0 for none, `None` for n < 20. They count all the
    /// same.
    pub warmup_suspected: Option<u64>,
    /// How many values are more than ten times the median.
    pub stalls: u64,
}

/// The time attributed to one step, over the valid samples of one cell.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct PhaseSummary {
    /// The phase's name, or `residue`.
    pub name: String,
    /// Its median length in nanoseconds.
    pub p50_ns: f64,
    /// Its shortest length in nanoseconds.
    pub min_ns: f64,
    /// Its longest length in nanoseconds.
    pub max_ns: f64,
    /// In how many samples it was seen.
    pub n: u64,
}

#[cfg(test)]
pub(crate) mod tests;
