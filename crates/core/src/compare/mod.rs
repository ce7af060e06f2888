//! Comparison: what changed between two variants or two runs, by how much, and how sure that is.

pub(crate) mod cells;
pub(crate) mod metric;
pub(crate) mod sides;
#[cfg(test)]
pub(crate) mod tests;
pub(crate) mod trust;
pub(crate) mod words;

pub(crate) use cells::variant_of;
pub use cells::{BASE, CompareError, CompareOptions, ComparedRun, HEADLINE, MARGIN, compare_runs, compare_variants};

use crate::cell::CellId;
use serde::Serialize;

/// How the values of the two sides belong together.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Design {
    /// Pairs from one round each, in random order: slow drift cancels.
    Paired,
    /// Two separate runs: drift between them is part of what is seen.
    Separate,
}

/// Whether a difference is there, is not there, or cannot be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Change {
    /// The candidate is better, surely.
    Better,
    /// The candidate is worse, surely.
    Worse,
    /// The difference is surely smaller than the margin.
    Same,
    /// The samples cannot tell.
    Unclear,
}

/// Whether more or less of a metric is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// Times, sizes, counts of bad things.
    LowerIsBetter,
    /// Rates.
    HigherIsBetter,
}

/// What is good of a metric, by the unit in its name: more of a rate, less of everything else.
pub fn direction(metric: &str) -> Direction {
    if metric.ends_with("_per_s") { Direction::HigherIsBetter } else { Direction::LowerIsBetter }
}

/// One metric of one cell, compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct MetricComparison {
    /// The metric with its unit in its name.
    pub metric: String,
    /// Its unit.
    pub unit: String,
    /// What is good.
    pub direction: Direction,
    /// How the values belong together.
    pub design: Design,
    /// Pairs, or the smaller number of values.
    pub n: u64,
    /// Pairs of which one side failed: they count for neither.
    pub incomplete: u64,
    /// Median of the baseline.
    pub baseline_p50: f64,
    /// Median of the candidate.
    pub candidate_p50: f64,
    /// The relative change, candidate over baseline, minus one (0.05 is +5 %). Hodges–Lehmann estimate on log ratios.
    pub change: f64,
    /// Its interval of at least 95 %; `None` where n cannot carry one.
    pub change_ci95: Option<[f64; 2]>,
    /// The p-value of "no change", two-sided.
    pub p_value: Option<f64>,
    /// The same, corrected for all metrics and cells that were compared (Benjamini–Hochberg).
    pub p_adjusted: Option<f64>,
    /// The relative change that this comparison would have found in 9 of 10 cases.
    pub minimum_detectable: Option<f64>,
    /// The margin under which a change does not matter, relative.
    pub margin: f64,
    /// What that means.
    pub verdict: Change,
}

/// A phase of the ledger, compared.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct PhaseComparison {
    /// Its name.
    pub phase: String,
    /// The change of its length in nanoseconds (Hodges–Lehmann).
    pub change_ns: f64,
    /// Its interval of at least 95 %.
    pub change_ci95_ns: Option<[f64; 2]>,
    /// Its share of the change of the total; `None` if the total did not surely change.
    pub share: Option<f64>,
}

/// One cell against another.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct CellComparison {
    /// The cell that is the measure.
    pub baseline: CellId,
    /// The cell that is judged.
    pub candidate: CellId,
    /// By metric, the headline metric first.
    pub metrics: Vec<MetricComparison>,
    /// The phases that moved, the largest change first.
    pub phases: Vec<PhaseComparison>,
    /// Why the two may not be held against each other (other host, other accuracy class); a gate then refuses.
    pub incomparable: Vec<String>,
    /// The result in words.
    pub words: String,
}

/// What `isodyne compare --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Comparison {
    /// Always `isodyne-comparison`.
    pub schema: String,
    /// The format's version.
    pub version: u32,
    /// What the baseline is, for people: a run's path or a variant's name.
    pub baseline: String,
    /// What the candidate is.
    pub candidate: String,
    /// Cell by cell.
    pub cells: Vec<CellComparison>,
    /// Cells that only one side has, with the reason if it is known.
    pub unmatched: Vec<String>,
    /// What holds for all of it: other kernel, other host, not interleaved.
    pub warnings: Vec<String>,
}
