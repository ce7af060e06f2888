//! A run made ready for showing: cells with their labels and their samples in order.

use crate::RunView;
use crate::escape::plain;
use crate::findings::Findings;
use crate::label::labels;
use isodyne_core::cell::BenchmarkName;
use isodyne_core::columns::{CellColumns, Row};
use isodyne_core::failure::Failure;
use isodyne_core::sample::Provenance;
use isodyne_core::summary::{CellStatus, CellSummary, MetricSummary};
use isodyne_core::unit::unit_of_metric;
use std::cell::OnceCell;
use std::collections::BTreeMap;

/// The metric that a benchmark's headline is about, where it has it.
pub(crate) const TOTAL: &str = "total_ns";

/// A cell with everything that is shown of it.
pub(crate) struct ShownCell<'a> {
    /// The shortest name that tells it from the others (`qemu microvm`); plain text.
    pub label: String,
    /// What was derived.
    pub summary: &'a CellSummary,
    /// All its samples in the order in which they were taken.
    pub columns: &'a CellColumns,
    /// The name of its headline metric.
    pub metric: &'a str,
    /// Its place among the cells with samples: its colour.
    pub series: usize,
}

impl ShownCell<'_> {
    /// The cell's headline figures, if there is a valid sample.
    pub fn total(&self) -> Option<&MetricSummary> {
        self.summary.metrics.get(self.metric)
    }

    /// Whether there is any sample of it, valid or not.
    pub fn has_samples(&self) -> bool {
        !self.columns.rows.is_empty()
    }

    /// How many of its samples failed by themselves, warm-ups included.
    pub fn failed_count(&self) -> u64 {
        self.columns.rows.iter().filter(|row| row.is_failed()).count() as u64
    }

    /// Those of its failures whose messages are kept, in the order in which they happened.
    pub fn failures(&self) -> impl Iterator<Item = (&Row, &Failure)> {
        let rows =
            self.columns.failures.iter().filter_map(|(row, failure)| Some((self.columns.rows.get(*row)?, failure)));
        rows.filter(|(row, _)| row.is_failed())
    }

    /// The headline metric's name as plain text.
    pub fn metric_label(&self) -> String {
        plain(self.metric)
    }

    /// The class column: the accuracy class, and where the values come from if that is not a measurement.
    pub fn class(&self) -> String {
        match (self.summary.accuracy, self.summary.provenance) {
            (_, Some(Provenance::Scripted)) => "scripted".to_owned(),
            (Some(accuracy), Some(Provenance::Measured)) => accuracy.to_string(),
            (Some(accuracy), Some(other)) => format!("{accuracy}, {other}"),
            _ => String::new(),
        }
    }

    /// The failures by class: `1 timeout, 2 crash`; `0` if there is none.
    pub fn failed(&self) -> String {
        let list: Vec<String> =
            self.summary.samples_failed.iter().map(|(class, count)| format!("{count} {class}")).collect();
        if list.is_empty() { "0".to_owned() } else { list.join(", ") }
    }

    /// The share of the host's processor time that the hypervisor took during the valid samples; `None` if the host
    /// does not tell.
    pub fn steal_share(&self, cpu_count: u32) -> Option<f64> {
        let stolen = self.columns.contamination.get("steal_ns")?;
        let lived = self.columns.metrics.get("lifecycle_ns")?;
        let both = self.columns.valid().filter_map(|row| Some((*stolen.get(row)?, *lived.get(row)?)));
        let known = both.filter(|(stolen, lived)| stolen.is_finite() && !lived.is_nan());
        let (stolen, lived) =
            known.fold((0.0, 0.0), |sum, (stolen, life)| (sum.0 + stolen, sum.1 + life * f64::from(cpu_count.max(1))));
        Some(stolen / lived).filter(|share| lived > 0.0 && share.is_finite())
    }

    /// Whether any figure of it is scripted.
    pub fn is_scripted(&self) -> bool {
        self.summary.provenance == Some(Provenance::Scripted)
    }
}

/// A run made ready.
pub(crate) struct Prepared<'a> {
    /// The run.
    pub view: RunView<'a>,
    /// Its cells in the summary's order.
    pub cells: Vec<ShownCell<'a>>,
    findings: OnceCell<Findings>,
}

impl<'a> Prepared<'a> {
    /// Makes a run ready.
    pub fn new(view: RunView<'a>) -> Self {
        let mut series = 0;
        let cells = view
            .summary
            .cells
            .iter()
            .zip(labels(&view.summary.cells))
            .map(|(summary, label)| {
                let columns = view.columns.cells.get(&summary.cell.id).unwrap_or(CellColumns::EMPTY);
                let own = series;
                series += usize::from(!columns.rows.is_empty());
                ShownCell { label, summary, columns, metric: headline(summary), series: own }
            })
            .collect();
        Self { view, cells, findings: OnceCell::new() }
    }

    /// What the auditor says of the run.
    pub fn findings(&self) -> &Findings {
        self.findings.get_or_init(|| Findings::of(self.view.record, self.view.columns, self.view.runner))
    }

    /// Whether the auditor says that a cell's headline cannot be believed.
    pub fn is_void(&self, cell: &ShownCell<'_>) -> bool {
        self.findings().is_void(&cell.summary.cell.id, cell.metric)
    }

    /// The cells of each benchmark, in the order of the benchmarks.
    pub fn benchmarks(&self) -> BTreeMap<BenchmarkName, Vec<&ShownCell<'a>>> {
        let mut found: BTreeMap<BenchmarkName, Vec<&ShownCell<'a>>> = BTreeMap::new();
        for cell in &self.cells {
            found.entry(cell.summary.cell.benchmark).or_default().push(cell);
        }
        found
    }

    /// The cells with a headline figure, whether measured, scripted or given up half-way.
    pub fn with_total(&self) -> impl Iterator<Item = &ShownCell<'a>> {
        self.cells.iter().filter(|cell| cell.total().is_some())
    }

    /// The cells that were skipped.
    pub fn skipped(&self) -> impl Iterator<Item = &ShownCell<'a>> {
        self.cells.iter().filter(|cell| cell.summary.status == CellStatus::Skipped)
    }

    /// Whether anything shown is scripted.
    pub fn is_scripted(&self) -> bool {
        self.cells.iter().any(ShownCell::is_scripted)
    }

    /// The clock's step.
    pub fn step(&self) -> Option<u64> {
        self.view.summary.clock_step_ns
    }
}

/// Whether a table of these cells must say which metric a row is about.
pub(crate) fn names_metrics(cells: &[&ShownCell<'_>]) -> bool {
    cells.iter().any(|cell| cell.metric != TOTAL)
}

/// What the headline of a cell is about: the total, or what its benchmark is about. What another tool measured may have none; then it is the first of
/// its metrics by name, times before rates, rates before amounts.
fn headline(summary: &CellSummary) -> &str {
    let benchmark = summary.cell.benchmark;
    if benchmark != BenchmarkName::Imported || summary.metrics.contains_key(TOTAL) {
        return benchmark.headline();
    }
    let rank = |name: &str| match unit_of_metric(name) {
        "ns" => 0,
        unit if unit.ends_with("/s") => 1,
        "B" => 2,
        _ => 3,
    };
    summary.metrics.keys().map(String::as_str).min_by_key(|name| rank(name)).unwrap_or(TOTAL)
}
