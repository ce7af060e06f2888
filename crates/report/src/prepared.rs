//! A run made ready for showing: cells with their labels and their samples in order.

use crate::RunView;
use crate::escape::plain;
use isodyne_core::cell::BackendName;
use isodyne_core::sample::{Provenance, Sample};
use isodyne_core::summary::{CellStatus, CellSummary, MetricSummary};
use std::collections::{BTreeMap, BTreeSet, HashMap};

/// The metric that a benchmark's headline is about.
pub(crate) const TOTAL: &str = "total_ns";

/// A cell with everything that is shown of it.
pub(crate) struct ShownCell<'a> {
    /// The shortest name that tells it from the others (`qemu microvm`); plain text.
    pub label: String,
    /// What was derived.
    pub summary: &'a CellSummary,
    /// All its samples in the order in which they were taken.
    pub samples: Vec<&'a Sample>,
    /// Its place among the cells with samples: its colour.
    pub series: usize,
}

impl ShownCell<'_> {
    /// The benchmark's headline metric, if there is a valid sample.
    pub fn total(&self) -> Option<&MetricSummary> {
        self.summary.metrics.get(TOTAL)
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
        let (mut stolen, mut lived) = (0.0, 0.0);
        for sample in self.samples.iter().filter(|sample| sample.counts()) {
            if let (Some(steal_ns), Some(life)) = (sample.contamination.steal_ns, sample.metrics.get("lifecycle_ns")) {
                stolen += steal_ns as f64;
                lived += life * f64::from(cpu_count.max(1));
            }
        }
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
}

impl<'a> Prepared<'a> {
    /// Makes a run ready.
    pub fn new(view: RunView<'a>) -> Self {
        let mut samples: HashMap<&str, Vec<&Sample>> = HashMap::new();
        for sample in view.samples {
            samples.entry(sample.cell.as_str()).or_default().push(sample);
        }
        let mut series = 0;
        let cells = view
            .summary
            .cells
            .iter()
            .zip(labels(&view.summary.cells))
            .map(|(summary, label)| {
                let mut samples = samples.remove(summary.cell.id.as_str()).unwrap_or_default();
                samples.sort_by_key(|sample| sample.sequence);
                let own = series;
                series += usize::from(!samples.is_empty());
                ShownCell { label, summary, samples, series: own }
            })
            .collect();
        Self { view, cells }
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

/// The shortest distinct names: the backend, and the values of the factors in which its cells differ.
fn labels(cells: &[CellSummary]) -> Vec<String> {
    let mut values: BTreeMap<(BackendName, &str), BTreeSet<Option<String>>> = BTreeMap::new();
    for cell in cells {
        for other in cells.iter().filter(|other| other.cell.backend == cell.cell.backend) {
            for key in cell.cell.factors.keys() {
                let value = other.cell.factors.get(key).map(ToString::to_string);
                values.entry((cell.cell.backend, key)).or_default().insert(value);
            }
        }
    }
    let short: Vec<String> = cells
        .iter()
        .map(|cell| {
            let backend = cell.cell.backend;
            let differing = cell.cell.factors.iter().filter(|(key, _)| {
                // The machine is what people call a QEMU cell by, even where there is only one.
                (backend == BackendName::Qemu && *key == "machine")
                    || values.get(&(backend, key.as_str())).is_some_and(|found| found.len() > 1)
            });
            let names: Vec<String> = differing.map(|(_, value)| value.to_string()).collect();
            plain(&std::iter::once(backend.to_string()).chain(names).collect::<Vec<_>>().join(" "))
        })
        .collect();
    let mut seen: HashMap<&str, usize> = HashMap::new();
    for label in &short {
        *seen.entry(label).or_default() += 1;
    }
    // Where the short name is not enough (another benchmark, equal values under two keys) the id is.
    short
        .iter()
        .zip(cells)
        .map(|(label, cell)| if seen[label.as_str()] > 1 { plain(cell.cell.id.as_str()) } else { label.clone() })
        .collect()
}
