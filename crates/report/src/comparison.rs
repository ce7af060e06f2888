//! A comparison made ready for showing: each pair of cells with its samples.

use crate::RunView;
use crate::findings::Findings;
use crate::label::labels;
use crate::prepared::Prepared;
use isodyne_core::cell::CellId;
use isodyne_core::columns::CellColumns;
use isodyne_core::compare::{
    BASE, CellComparison, CompareOptions, ComparedRun, Comparison, MetricComparison, compare_variants,
};
use isodyne_core::sample::Provenance;
use isodyne_core::summary::CellSummary;

/// Two runs, compared.
#[derive(Clone, Copy, Debug)]
pub struct ComparisonView<'a> {
    /// What was found.
    pub comparison: &'a Comparison,
    /// The run that is the measure.
    pub baseline: RunView<'a>,
    /// The run that is judged.
    pub candidate: RunView<'a>,
}

/// One side of a pair of cells.
#[derive(Clone, Copy)]
pub(crate) struct Side<'a> {
    pub columns: &'a CellColumns,
    pub summary: Option<&'a CellSummary>,
    pub findings: &'a Findings,
}

/// A pair of cells.
pub(crate) struct Pair<'a> {
    pub found: &'a CellComparison,
    /// What is compared, for people; plain text.
    pub label: String,
    /// The place of the cell with which it is hidden.
    pub cell: usize,
    /// The measure, and what is judged.
    pub sides: [Side<'a>; 2],
}

/// A comparison with its samples.
pub(crate) struct Pairs<'a> {
    pub comparison: &'a Comparison,
    pub pairs: Vec<Pair<'a>>,
    pub scripted: bool,
    pub step: Option<u64>,
}

/// What the variants of a run make of one another; `None` for a run without variants.
pub(crate) fn of_variants(run: &Prepared<'_>) -> Option<Comparison> {
    let cells = &run.view.record.cells;
    if cells.iter().all(|cell| cell.variant.is_none()) {
        return None;
    }
    let has_base = cells.iter().any(|cell| cell.variant.is_none());
    let baseline = if has_base { BASE } else { cells.first()?.variant.as_deref()? };
    let side = ComparedRun { name: "", record: run.view.record, columns: run.view.columns };
    let mut found = compare_variants(side, baseline, &CompareOptions::default(), run.view.runner).ok()?;
    found.baseline = baseline.to_owned();
    Some(found)
}

impl<'a> Pairs<'a> {
    /// The pairs of a run's own variants.
    pub fn of_run(run: &'a Prepared<'_>, comparison: &'a Comparison) -> Self {
        let pairs = comparison.cells.iter().filter_map(|found| {
            let of = |id: &CellId| run.cells.iter().find(|cell| cell.summary.cell.id == *id);
            let (one, other) = (of(&found.baseline)?, of(&found.candidate)?);
            let side = |cell: &crate::prepared::ShownCell<'a>| Side {
                columns: cell.columns,
                summary: Some(cell.summary),
                findings: run.findings(),
            };
            Some(Pair { found, label: other.label.clone(), cell: other.series, sides: [side(one), side(other)] })
        });
        Self { comparison, pairs: pairs.collect(), scripted: run.is_scripted(), step: run.step() }
    }

    /// The pairs of two runs, which were audited before.
    pub fn of_runs(view: &ComparisonView<'a>, findings: [&'a Findings; 2]) -> Self {
        let runs = [view.baseline, view.candidate];
        let names = labels(&view.candidate.summary.cells);
        let pairs = view.comparison.cells.iter().enumerate().filter_map(|(place, found)| {
            let side = |index: usize, id: &CellId| {
                let run = runs[index];
                let summary = run.summary.cells.iter().find(|cell| cell.cell.id == *id);
                Some(Side { columns: run.columns.cells.get(id)?, summary, findings: findings[index] })
            };
            let at = view.candidate.summary.cells.iter().position(|cell| cell.cell.id == found.candidate);
            let label = at.and_then(|at| names.get(at)).cloned();
            let sides = [side(0, &found.baseline)?, side(1, &found.candidate)?];
            let label = label.unwrap_or_else(|| crate::plain(found.candidate.as_str()));
            Some(Pair { found, label, cell: place, sides })
        });
        let scripted =
            runs.iter().flat_map(|run| &run.summary.cells).any(|cell| cell.provenance == Some(Provenance::Scripted));
        // The coarser clock of the two says what cannot be told.
        let step = runs.iter().filter_map(|run| run.summary.clock_step_ns).max();
        Self { comparison: view.comparison, pairs: pairs.collect(), scripted, step }
    }
}

impl Pair<'_> {
    /// The metric that speaks for the pair.
    pub fn headline(&self) -> Option<&MetricComparison> {
        self.found.metrics.first()
    }

    /// The differences of pairs by round, relative to the baseline: 0.05 is 5 % more. In the order of the rounds.
    ///
    /// Where values are not all positive they are relative to the baseline's median, as the comparison's own are.
    pub fn differences(&self, metric: &str) -> Vec<(u32, f64)> {
        let [one, other] = self.sides.map(|side| side.columns.by_round(metric));
        let pairs: Vec<(u32, f64, f64)> =
            one.iter().filter_map(|(round, one)| Some((*round, *one, *other.get(round)?))).collect();
        let positive = pairs.iter().all(|(_, one, other)| *one > 0.0 && *other > 0.0);
        let median = self.found.metrics.iter().find(|found| found.metric == metric).map(|found| found.baseline_p50);
        let over = |one: f64| if positive { one } else { median.unwrap_or(f64::NAN) };
        let share = pairs.into_iter().map(|(round, one, other)| (round, (other - one) / over(one)));
        share.filter(|(_, share)| share.is_finite()).collect()
    }

    /// Whether the auditor says of either side that the number cannot be believed.
    pub fn is_void(&self, metric: &str) -> bool {
        let ids = [&self.found.baseline, &self.found.candidate];
        self.sides.iter().zip(ids).any(|(side, id)| side.findings.is_void(id, metric))
    }
}
