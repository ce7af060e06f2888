//! Which cells are compared with which: variants of one run, or two runs.

use super::metric::{decide, metric, phases, share, sides};
use super::sides::Pairing;
use super::trust::{incomparable, other_host, other_parts};
use super::words::words;
use super::{CellComparison, Change, Comparison, MetricComparison, PhaseComparison};
use crate::cell::{Cell, CellId};
use crate::columns::{CellColumns, RunColumns};
use crate::diagnostic::{hint_for, quoted};
use crate::record::RunRecord;
use crate::runner::Runner;
use crate::sample::Provenance;
use crate::stats::Level;
use std::collections::BTreeMap;

/// The name of what a plan states outside its variants.
pub const BASE: &str = "base";
/// The margin under which a change does not matter, unless the user says otherwise.
pub const MARGIN: f64 = 0.02;
/// The metric that speaks for a cell.
pub const HEADLINE: &str = "total_ns";

/// What is compared.
#[derive(Clone, Debug, PartialEq)]
pub struct CompareOptions {
    /// Only these metrics; all if empty.
    pub metrics: Vec<String>,
    /// Only cells whose id holds one of these texts; all if empty.
    pub cells: Vec<String>,
    /// The margin under which a change does not matter, relative.
    pub margin: f64,
}

impl Default for CompareOptions {
    fn default() -> Self {
        Self { metrics: Vec::new(), cells: Vec::new(), margin: MARGIN }
    }
}

/// One side of a comparison of runs.
#[derive(Clone, Copy)]
pub struct ComparedRun<'a> {
    /// What it is, for people: its path.
    pub name: &'a str,
    /// What it set out to do.
    pub record: &'a RunRecord,
    /// Its samples.
    pub columns: &'a RunColumns,
}

/// Why nothing could be compared.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CompareError {
    /// The run has one variant only.
    #[error("the run has no variants to compare")]
    NoVariants,
    /// There is no such variant.
    #[error("the run has no variant {name}")]
    UnknownBaseline {
        /// What was asked for, quoted.
        name: String,
        /// What was probably meant, or all that there are.
        hint: String,
    },
    /// No cell is left.
    #[error("no cell has samples on both sides")]
    NothingInCommon {
        /// What each side has and the other has not.
        unmatched: Vec<String>,
    },
    /// A metric was asked for that no cell has on both sides.
    #[error("no cell has the metric {name} on both sides")]
    UnknownMetric {
        /// What was asked for, quoted.
        name: String,
        /// What was probably meant, or all that there are.
        hint: String,
    },
}

/// Compares the variants of one run with one of them, round by round.
///
/// # Errors
/// If there is nothing to compare.
pub fn compare_variants(
    run: ComparedRun<'_>,
    baseline: &str,
    options: &CompareOptions,
    runner: Runner<'_>,
) -> Result<Comparison, CompareError> {
    let cells = &run.record.cells;
    let mut names: Vec<&str> = cells.iter().map(variant_of).collect();
    names.sort_unstable();
    names.dedup();
    if names.len() < 2 {
        return Err(CompareError::NoVariants);
    }
    if !names.contains(&baseline) {
        let hint = hint_for(baseline, names);
        return Err(CompareError::UnknownBaseline { name: quoted(baseline), hint });
    }
    let measures: BTreeMap<&str, &Cell> =
        cells.iter().filter(|cell| variant_of(cell) == baseline).map(|cell| (cell.base_id(), cell)).collect();
    let mut comparison = begin(format!("{} {baseline}", run.name), "its other variants".to_owned());
    let level = run.record.level();
    comparison.warnings.extend(run.record.stop_summary().map(|stop| stop.words));
    let mut pairs = Vec::new();
    for cell in cells.iter().filter(|cell| variant_of(cell) != baseline && chosen(&cell.id, options)) {
        let Some(measure) = measures.get(cell.base_id()) else {
            comparison.unmatched.push(format!("{}: there is no {baseline} of it", cell.id));
            continue;
        };
        match (run.columns.cells.get(&measure.id), run.columns.cells.get(&cell.id)) {
            (Some(one), Some(other)) => pairs.push(([&measure.id, &cell.id], [one, other])),
            (None, _) => comparison.unmatched.push(format!("{}: no sample of {}", cell.id, measure.id)),
            (_, None) => comparison.unmatched.push(format!("{}: no sample", cell.id)),
        }
    }
    comparison.cells = of_pairs(&pairs, true, &[], options, level, runner);
    let skipped = run.record.skipped.iter().filter(|skipped| chosen(&skipped.cell.id, options));
    comparison.unmatched.extend(skipped.map(|skipped| format!("{}: skipped: {}", skipped.cell.id, skipped.reason)));
    finish(comparison, options, level)
}

/// Compares two separate runs, cell by cell of the same id.
///
/// # Errors
/// If there is nothing to compare.
pub fn compare_runs(
    baseline: ComparedRun<'_>,
    candidate: ComparedRun<'_>,
    options: &CompareOptions,
    runner: Runner<'_>,
) -> Result<Comparison, CompareError> {
    let mut comparison = begin(baseline.name.to_owned(), candidate.name.to_owned());
    let level = baseline.record.level().and(candidate.record.level());
    let host = other_host(baseline.record, candidate.record);
    comparison.warnings.push(
        "two separate runs, not interleaved: drift of the host between them is part of the difference".to_owned(),
    );
    comparison.warnings.extend(host.iter().cloned());
    comparison.warnings.extend(other_parts(baseline.record, candidate.record));
    comparison.warnings.extend(stop_warnings(&[baseline, candidate]));
    let mut pairs = Vec::new();
    for (id, one) in baseline.columns.cells.iter().filter(|(id, _)| chosen(id, options)) {
        let Some(other) = candidate.columns.cells.get(id) else {
            comparison.unmatched.push(format!("{id}: only in the baseline{}", why(candidate.record, id)));
            continue;
        };
        pairs.push(([id, id], [one, other]));
    }
    comparison.cells = of_pairs(&pairs, false, &host, options, level, runner);
    for id in candidate.columns.cells.keys().filter(|id| chosen(id, options)) {
        if !baseline.columns.cells.contains_key(id) {
            comparison.unmatched.push(format!("{id}: only in the candidate{}", why(baseline.record, id)));
        }
    }
    finish(comparison, options, level)
}

/// What must be said of separate runs that rules could have stopped.
pub(crate) fn stop_warnings(runs: &[ComparedRun<'_>]) -> Vec<String> {
    let one = |run: &ComparedRun<'_>| Some(format!("{}: {}", run.name, run.record.stop_summary()?.words));
    let mut warnings: Vec<String> = runs.iter().filter_map(one).collect();
    if let ([_, _], [one, other]) = (warnings.as_slice(), runs) {
        let level = one.record.level().and(other.record.level());
        let words = level.confidence_words();
        warnings.push(format!("both runs had a stopping rule: each interval between them is of {words}"));
    }
    warnings
}

/// The variant of a cell, `base` for what the plan states outside its variants.
pub(crate) fn variant_of(cell: &Cell) -> &str {
    cell.variant.as_deref().unwrap_or(BASE)
}

fn chosen(id: &CellId, options: &CompareOptions) -> bool {
    options.cells.is_empty() || options.cells.iter().any(|text| id.as_str().contains(text))
}

fn why(record: &RunRecord, id: &CellId) -> String {
    let skipped = record.skipped.iter().find(|skipped| skipped.cell.id == *id);
    skipped.map(|skipped| format!(", skipped in the other: {}", skipped.reason)).unwrap_or_default()
}

fn begin(baseline: String, candidate: String) -> Comparison {
    Comparison {
        schema: "isodyne-comparison".to_owned(),
        version: 1,
        baseline,
        candidate,
        cells: Vec::new(),
        unmatched: Vec::new(),
        warnings: Vec::new(),
    }
}

/// A pair of cells: baseline and candidate.
type PairOfCells<'a> = ([&'a CellId; 2], [&'a CellColumns; 2]);

/// What is computed by itself.
enum Part {
    /// A metric, and how much the total surely changed if it is that one.
    Metric(Option<Box<MetricComparison>>, Option<f64>),
    Phases(Vec<PhaseComparison>),
}

/// Compares pairs of cells, metric by metric; `host` says why no cell of the one run may be held against one of the other.
fn of_pairs(
    pairs: &[PairOfCells<'_>],
    paired: bool,
    host: &[String],
    options: &CompareOptions,
    level: Level,
    runner: Runner<'_>,
) -> Vec<CellComparison> {
    let prepared = runner.map(pairs.len(), |index| {
        let [one, other] = pairs[index].1;
        let reasons = host.iter().cloned().chain(incomparable(one, other, Provenance::Measured)).collect();
        (paired.then(|| Pairing::of(one, other)), reasons)
    });
    // The phases of a pair first: they take longest.
    let mut jobs: Vec<(usize, Option<&str>)> = (0..pairs.len()).map(|pair| (pair, None)).collect();
    for (pair, (_, [one, other])) in pairs.iter().enumerate() {
        let mut names: Vec<&str> = one.metrics.keys().map(String::as_str).collect();
        names.retain(|name| other.metrics.contains_key(*name) && (wanted(name, options) || *name == HEADLINE));
        names.sort_by_key(|name| (*name != HEADLINE, *name));
        jobs.extend(names.into_iter().map(|name| (pair, Some(name))));
    }
    let parts = runner.map(jobs.len(), |index| {
        let (pair, name) = jobs[index];
        let ((_, columns), pairing) = (&pairs[pair], prepared[pair].0.as_ref());
        match name {
            Some(name) => of_metric(name, *columns, pairing, options, level),
            None => Part::Phases(phases(pairing, columns[0], columns[1], None, level)),
        }
    });
    let begin = |((ids, _), (_, reasons)): (&PairOfCells<'_>, &(Option<Pairing>, Vec<String>))| CellComparison {
        baseline: ids[0].clone(),
        candidate: ids[1].clone(),
        metrics: Vec::new(),
        phases: Vec::new(),
        incomparable: reasons.clone(),
        words: String::new(),
    };
    let mut cells: Vec<CellComparison> = pairs.iter().zip(&prepared).map(begin).collect();
    for ((pair, _), part) in jobs.iter().zip(parts) {
        let cell = &mut cells[*pair];
        match part {
            Part::Phases(phases) => cell.phases = phases,
            Part::Metric(metric, total_ns) => {
                cell.metrics.extend(metric.map(|metric| *metric));
                if let Some(total_ns) = total_ns {
                    cell.phases.iter_mut().for_each(|phase| phase.share = share(phase.change_ns, Some(total_ns)));
                }
            }
        }
    }
    cells
}

fn of_metric(
    name: &str,
    columns: [&CellColumns; 2],
    pairing: Option<&Pairing>,
    options: &CompareOptions,
    level: Level,
) -> Part {
    let Some(sides) = sides(pairing, columns[0], columns[1], name) else { return Part::Metric(None, None) };
    let incomplete = pairing.map_or(0, |pairing| pairing.incomplete);
    let shift = (name == HEADLINE).then(|| sides.in_own_unit().shift(level.confidence())).flatten();
    let total_ns = shift.filter(|shift| shift.low > 0.0 || shift.high < 0.0).map(|shift| shift.value);
    let metric = wanted(name, options).then(|| metric(name, &sides, incomplete, options.margin, level)).flatten();
    Part::Metric(metric.map(Box::new), total_ns)
}

fn wanted(name: &str, options: &CompareOptions) -> bool {
    options.metrics.is_empty() || options.metrics.iter().any(|metric| metric == name)
}

fn finish(mut comparison: Comparison, options: &CompareOptions, level: Level) -> Result<Comparison, CompareError> {
    let compared = std::mem::take(&mut comparison.cells);
    let asked = !options.metrics.is_empty();
    let (compared, empty): (Vec<CellComparison>, Vec<CellComparison>) =
        compared.into_iter().partition(|cell| asked || !cell.metrics.is_empty());
    comparison.cells = compared;
    let nothing = |cell: CellComparison| format!("{}: no metric has values on both sides", cell.candidate);
    comparison.unmatched.extend(empty.into_iter().map(nothing));
    if comparison.cells.is_empty() {
        return Err(CompareError::NothingInCommon { unmatched: comparison.unmatched });
    }
    for name in &options.metrics {
        let mut there = comparison.cells.iter().flat_map(|cell| &cell.metrics);
        if !there.any(|metric| metric.metric == *name) {
            return Err(CompareError::UnknownMetric {
                name: quoted(name),
                hint: "isodyne show RUN --json names the metrics of every cell".to_owned(),
            });
        }
    }
    decide(comparison.cells.iter_mut().flat_map(|cell| &mut cell.metrics), level);
    for cell in &mut comparison.cells {
        // A phase moves only within a total: where the total surely stays as it is, its parts are of no account.
        if cell.metrics.iter().any(|one| one.metric == HEADLINE && one.verdict == Change::Same) {
            cell.phases.iter_mut().for_each(|phase| phase.share = None);
        }
        cell.words = words(cell);
    }
    Ok(comparison)
}
