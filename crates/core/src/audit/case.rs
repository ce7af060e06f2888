//! A case: what is audited, prepared once for all rules.

use super::Audited;
use super::series::{Kind, Series};
use super::word::has_word;
use crate::calibration::{Calibration, LimitKind};
use crate::cell::{BackendName, Cell, CellId};
use crate::columns::{CellColumns, RunColumns};
use crate::imported::{Claim, ImportRecord};
use crate::record::RunRecord;
use crate::runner::Runner;
use std::collections::HashMap;
use std::ops::Range;

/// What is audited.
pub(super) struct Case<'a> {
    pub record: &'a RunRecord,
    pub columns: &'a RunColumns,
    pub calibration: Option<&'a Calibration>,
    /// All metrics of all cells that have at least one value, in the order of the cells, then by name.
    pub series: Vec<Series<'a>>,
    places: HashMap<(&'a str, &'a str), usize>,
    /// Where the series of a cell stand.
    ranges: HashMap<&'a str, Range<usize>>,
    claims_about: HashMap<(&'a str, &'a str), Vec<&'a Claim>>,
}

impl<'a> Case<'a> {
    pub fn new(audited: Audited<'a>, runner: Runner<'_>) -> Self {
        let with_columns = |cell: &'a Cell| Some((cell, audited.columns.cells.get(&cell.id)?));
        let cells: Vec<(&Cell, &CellColumns)> = audited.record.cells.iter().filter_map(with_columns).collect();
        let metrics = cells.iter().enumerate();
        let metrics: Vec<(usize, &'a str)> = metrics
            .flat_map(|(place, (_, columns))| columns.metrics.keys().map(move |metric| (place, metric.as_str())))
            .collect();
        let prepared = runner.map(metrics.len(), |index| {
            let (place, metric) = metrics[index];
            Series::new(cells[place].0, cells[place].1, metric)
        });
        let mut series = Vec::with_capacity(prepared.len());
        let mut ranges: HashMap<&str, Range<usize>> = cells.iter().map(|(cell, _)| (cell.id.as_str(), 0..0)).collect();
        for one in prepared.into_iter().flatten() {
            let end = series.len();
            let range = ranges.entry(one.cell.id.as_str()).or_insert(end..end);
            *range = if range.end == end { range.start..end + 1 } else { end..end + 1 };
            series.push(one);
        }
        let mut claims_about: HashMap<(&str, &str), Vec<&Claim>> = HashMap::new();
        for claim in audited.record.imported.iter().flat_map(|imported| &imported.claims) {
            claims_about.entry((claim.cell.as_str(), claim.metric.as_str())).or_default().push(claim);
        }
        let place = |(index, one): (usize, &Series<'a>)| ((one.cell.id.as_str(), one.metric), index);
        let places = series.iter().enumerate().map(place).collect();
        Self {
            record: audited.record,
            columns: audited.columns,
            // A calibration of another machine bounds nothing here.
            calibration: audited
                .calibration
                .filter(|known| audited.record.fingerprint.comparable_with(&known.fingerprint)),
            series,
            places,
            ranges,
            claims_about,
        }
    }

    /// A metric of a cell.
    pub fn series_of(&self, cell: &CellId, metric: &str) -> Option<&Series<'a>> {
        self.places.get(&(cell.as_str(), metric)).map(|place| &self.series[*place])
    }

    /// All metrics of a cell.
    pub fn of_cell(&self, cell: &CellId) -> &[Series<'a>] {
        self.ranges.get(cell.as_str()).and_then(|range| self.series.get(range.clone())).unwrap_or(&[])
    }

    /// The claims about the same metric of the same cell.
    pub fn beside<'s>(&'s self, claim: &'s Claim) -> &'s [&'s Claim] {
        self.claims_about.get(&(claim.cell.as_str(), claim.metric.as_str())).map_or(&[], Vec::as_slice)
    }

    /// The series of elapsed times.
    pub fn times(&self) -> impl Iterator<Item = &Series<'a>> {
        self.series.iter().filter(|series| series.is_elapsed())
    }

    /// Whether the run was made from another tool's file.
    pub fn imported(&self) -> Option<&'a ImportRecord> {
        self.record.imported.as_ref()
    }

    /// The figures that the file states.
    pub fn claims(&self) -> &'a [Claim] {
        self.imported().map_or(&[], |imported| &imported.claims)
    }

    /// The claims with the samples of the same metric, where there are any.
    pub fn claims_with_series(&self) -> impl Iterator<Item = (&'a Claim, &Series<'a>)> {
        self.claims().iter().filter_map(|claim| Some((claim, self.series_of(&claim.cell, &claim.metric)?)))
    }

    /// The facts of the file whose key has one of these words.
    pub fn facts(&self, keys: &'static [&'static str]) -> impl Iterator<Item = (&'a str, &'a str)> {
        let facts = self.imported().into_iter().flat_map(|imported| &imported.facts);
        facts.filter(|(key, _)| has_word(key, keys)).map(|(key, value)| (key.as_str(), value.as_str()))
    }

    /// The cells with their samples, in the run's order; cells without samples are left out.
    pub fn cells(&self) -> impl Iterator<Item = (&'a Cell, &'a CellColumns)> + '_ {
        self.record.cells.iter().filter_map(|cell| Some((cell, self.columns.cells.get(&cell.id)?)))
    }

    /// The best value of a limit of this host.
    pub fn limit(&self, name: &str, kind: LimitKind) -> Option<f64> {
        let limit = self.calibration?.limit(name).filter(|limit| limit.kind == kind)?;
        Some(limit.best).filter(|best| best.is_finite() && *best > 0.0)
    }

    /// The metrics by name with their series in all cells, in the order of the names.
    pub fn by_metric(&self) -> Vec<(&'a str, Vec<&Series<'a>>)> {
        let mut found: std::collections::BTreeMap<&str, Vec<&Series<'a>>> = std::collections::BTreeMap::new();
        for series in &self.series {
            found.entry(series.metric).or_default().push(series);
        }
        found.into_iter().collect()
    }
}

/// Whether a cell runs a whole virtual machine, by its backend or by the metric's own words.
pub(super) fn is_virtual_machine(series: &Series<'_>) -> bool {
    use BackendName as B;
    matches!(series.cell.backend, B::Qemu | B::Firecracker | B::CloudHypervisor)
        || has_word(series.metric, &["vm", "kernel", "guest", "microvm"])
}

/// Whether a metric is a time in which something is started.
pub(super) fn is_start(series: &Series<'_>) -> bool {
    let named =
        has_word(series.metric, &["boot", "bootup", "spawn", "start", "startup", "launch", "restore", "restored"]);
    let own = series.metric == "total_ns" && series.cell.benchmark == crate::cell::BenchmarkName::Boot;
    series.kind == Kind::Time && (named || own)
}

/// Whether a metric is the typical time there and back through shared memory, of two sides that look all the time.
pub(super) fn is_through_memory(series: &Series<'_>) -> bool {
    let text = |key: &str| series.cell.factors.get(key).and_then(crate::factor::FactorValue::as_text);
    matches!(series.metric, "round_trip_p50_ns" | "train_per_trip_ns")
        && series.cell.benchmark == crate::cell::BenchmarkName::Shm
        && matches!(text("waiting"), Some("spin" | "pause"))
}
