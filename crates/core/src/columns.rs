//! Columns: the samples of a run as one row each and one column a value, for everything that computes.
//!
//! A million samples as they stand in `samples.jsonl` do not fit into memory well; their numbers do. Summaries,
//! comparisons, the auditor and the figures work on these columns only. Logs, proofs and start times stay on disk.

use crate::cell::CellId;
use crate::failure::{Failure, FailureClass};
use crate::ledger::MilestoneName;
use crate::sample::{Accuracy, Provenance, Sample};
use std::collections::{BTreeMap, HashMap};

/// How many failures of a cell are kept with their messages; all are counted.
pub const FAILURES_KEPT: usize = 1_000;
/// How many different states of the page cache are kept for a cell. The lab knows three.
pub const PAGE_CACHES_KEPT: usize = 8;

/// The samples of a run.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct RunColumns {
    /// By cell, in no order that means anything: look them up by id.
    pub cells: BTreeMap<CellId, CellColumns>,
}

/// The samples of one cell. Every column is as long as `rows`; a value that is absent is NaN there and never anywhere
/// else.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct CellColumns {
    /// One row a sample, in the order in which they were taken once [`RunColumns::sort`] has run.
    pub rows: Vec<Row>,
    /// By metric name, in the unit that the name carries.
    pub metrics: BTreeMap<String, Vec<f64>>,
    /// Length of each phase up to the end of the benchmark's total, in nanoseconds, by the phase's name.
    pub phases: BTreeMap<String, Phase>,
    /// The host around each sample, by the field's name in [`crate::sample::Contamination`] (`steal_ns`, …).
    pub contamination: BTreeMap<&'static str, Vec<f64>>,
    /// What the samples that count say of the page cache (`warm`, `cold`, `unknown`): the first few different states, in the
    /// order in which they were read.
    pub page_caches: Vec<String>,
    /// The first failures with their messages, by row.
    pub failures: Vec<(usize, Failure)>,
    /// How many valid samples state no proof at all.
    pub without_proof: u64,
}

/// One sample without its values.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Row {
    /// Its number in the run, in the order in which samples were taken.
    pub sequence: u64,
    /// When it began, on the host's monotonic clock, in nanoseconds since its session began.
    pub started_ns: u64,
    /// Its round. Rows of different cells with the same round are a pair.
    pub round: u32,
    /// The invocation of the program that took it.
    pub session: u32,
    /// Whether it is a declared warm-up.
    pub warmup: bool,
    /// Why it is not valid.
    pub failure: Option<FailureClass>,
    /// What stood between sandbox and hardware.
    pub accuracy: Accuracy,
    /// Where its values come from.
    pub provenance: Provenance,
}

impl From<&Sample> for Row {
    fn from(sample: &Sample) -> Self {
        Self {
            sequence: sample.sequence,
            started_ns: sample.started_ns,
            round: sample.round,
            session: sample.session,
            warmup: sample.warmup,
            failure: sample.failure.as_ref().map(|failure| failure.class),
            accuracy: sample.accuracy,
            provenance: sample.provenance,
        }
    }
}

impl Row {
    /// Whether the sample counts: not a warm-up and not failed.
    pub fn counts(&self) -> bool {
        !self.warmup && self.failure.is_none()
    }
    /// Whether it ended because the user stopped the run.
    pub fn is_interrupted(&self) -> bool {
        self.failure == Some(FailureClass::Interrupted)
    }
    /// Whether it failed by itself.
    pub fn is_failed(&self) -> bool {
        self.failure.is_some() && !self.is_interrupted()
    }
}

/// The lengths of one phase.
#[derive(Clone, Debug, PartialEq)]
pub struct Phase {
    /// The milestone that ends it: phases stand in the order of the life cycle.
    pub until: MilestoneName,
    /// In nanoseconds, NaN where the sample has no such phase.
    pub lengths_ns: Vec<f64>,
}

impl RunColumns {
    /// The columns of some samples, in the order in which they were taken.
    pub fn of(samples: &[Sample]) -> Self {
        let mut columns = Self::default();
        samples.iter().for_each(|sample| columns.add(sample));
        columns.sort();
        columns
    }

    /// Adds a sample at the end; [`RunColumns::sort`] puts it into its place.
    pub fn add(&mut self, sample: &Sample) {
        if !self.cells.contains_key(&sample.cell) {
            self.cells.insert(sample.cell.clone(), CellColumns::default());
        }
        if let Some(cell) = self.cells.get_mut(&sample.cell) {
            cell.add(sample);
        }
    }

    /// Adds what another reader found (of a later part of the same run).
    pub fn append(&mut self, later: Self) {
        for (id, cell) in later.cells {
            match self.cells.entry(id) {
                std::collections::btree_map::Entry::Vacant(entry) => drop(entry.insert(cell)),
                std::collections::btree_map::Entry::Occupied(mut entry) => entry.get_mut().append(cell),
            }
        }
    }

    /// Puts the rows of every cell into the order in which they were taken.
    pub fn sort(&mut self) {
        self.cells.values_mut().for_each(CellColumns::sort);
    }

    /// How many samples there are.
    pub fn len(&self) -> u64 {
        self.cells.values().map(|cell| cell.rows.len() as u64).sum()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
}

impl CellColumns {
    /// A cell without samples.
    pub const EMPTY: &Self = &Self {
        rows: Vec::new(),
        metrics: BTreeMap::new(),
        phases: BTreeMap::new(),
        contamination: BTreeMap::new(),
        page_caches: Vec::new(),
        failures: Vec::new(),
        without_proof: 0,
    };

    /// Adds a sample at the end.
    pub fn add(&mut self, sample: &Sample) {
        let row = self.rows.len();
        self.rows.push(Row::from(sample));
        for (name, value) in &sample.metrics {
            match self.metrics.get_mut(name) {
                Some(column) => set(column, row, *value),
                None => drop(self.metrics.insert(name.clone(), column_of(row, *value))),
            }
        }
        for (name, value) in sample.contamination.values() {
            set(self.contamination.entry(name).or_default(), row, value);
        }
        if let Some(failure) = &sample.failure {
            if self.failures.len() < FAILURES_KEPT {
                self.failures.push((row, failure.clone()));
            }
        } else {
            self.add_phases(sample, row);
            if let Some(state) = sample.contamination.page_cache.as_ref().filter(|_| !sample.warmup) {
                self.add_page_cache(state);
            }
            self.without_proof += u64::from(!sample.warmup && sample.proofs.is_empty());
        }
        self.fill();
    }

    /// A sample whose ledger does not close adds no phase; a valid sample always closes.
    fn add_phases(&mut self, sample: &Sample, row: usize) {
        let Some(last) = sample.last_milestone() else { return };
        let Ok(phases) = sample.ledger.phases(last) else { return };
        for phase in phases {
            let column =
                self.phases.entry(phase.name).or_insert_with(|| Phase { until: phase.until, lengths_ns: Vec::new() });
            column.until = column.until.min(phase.until);
            // Two phases of one sample may carry one name (firmware seen twice): they are one step for people.
            let before = column.lengths_ns.get(row).copied().filter(|length| length.is_finite()).unwrap_or(0.0);
            set(&mut column.lengths_ns, row, before + phase.length_ns as f64);
        }
    }

    fn add_page_cache(&mut self, state: &str) {
        if self.page_caches.len() < PAGE_CACHES_KEPT && !self.page_caches.iter().any(|known| known == state) {
            self.page_caches.push(state.to_owned());
        }
    }

    /// Makes all columns as long as the rows.
    fn fill(&mut self) {
        let length = self.rows.len();
        let metrics = self.metrics.values_mut();
        let phases = self.phases.values_mut().map(|phase| &mut phase.lengths_ns);
        metrics.chain(phases).chain(self.contamination.values_mut()).for_each(|column| column.resize(length, f64::NAN));
    }

    fn append(&mut self, later: Self) {
        let offset = self.rows.len();
        self.rows.extend(later.rows);
        for (name, column) in later.metrics {
            extend(self.metrics.entry(name).or_default(), offset, column);
        }
        for (name, phase) in later.phases {
            let own = self.phases.entry(name).or_insert(Phase { until: phase.until, lengths_ns: Vec::new() });
            own.until = own.until.min(phase.until);
            extend(&mut own.lengths_ns, offset, phase.lengths_ns);
        }
        for (name, column) in later.contamination {
            extend(self.contamination.entry(name).or_default(), offset, column);
        }
        let room = FAILURES_KEPT.saturating_sub(self.failures.len());
        self.failures.extend(later.failures.into_iter().take(room).map(|(row, failure)| (row + offset, failure)));
        later.page_caches.iter().for_each(|state| self.add_page_cache(state));
        self.without_proof += later.without_proof;
        self.fill();
    }

    fn sort(&mut self) {
        if self.rows.is_sorted_by_key(|row| row.sequence) {
            return;
        }
        let mut order: Vec<usize> = (0..self.rows.len()).collect();
        order.sort_by_key(|index| self.rows[*index].sequence);
        self.rows = order.iter().map(|index| self.rows[*index]).collect();
        let metrics = self.metrics.values_mut();
        let phases = self.phases.values_mut().map(|phase| &mut phase.lengths_ns);
        for column in metrics.chain(phases).chain(self.contamination.values_mut()) {
            *column = order.iter().map(|index| column[*index]).collect();
        }
        let places: HashMap<usize, usize> = order.iter().enumerate().map(|(place, index)| (*index, place)).collect();
        for (row, _) in &mut self.failures {
            *row = places.get(row).copied().unwrap_or(*row);
        }
        self.failures.sort_by_key(|(row, _)| *row);
    }

    /// The rows that count, by index.
    pub fn valid(&self) -> impl Iterator<Item = usize> + '_ {
        self.rows.iter().enumerate().filter(|(_, row)| row.counts()).map(|(index, _)| index)
    }

    /// The values of a metric over the samples that count and have it, in the order in which they were taken.
    pub fn values(&self, metric: &str) -> Vec<f64> {
        self.metrics.get(metric).map_or_else(Vec::new, |column| self.counting(column))
    }

    /// The values of a column over the samples that count and have it, in the order in which they were taken.
    pub fn counting(&self, column: &[f64]) -> Vec<f64> {
        let rows = self.rows.iter().zip(column);
        rows.filter(|(row, value)| row.counts() && value.is_finite()).map(|(_, value)| *value).collect()
    }

    /// The values of a metric by round, over the samples that count and have it. A round has one sample of a cell.
    pub fn by_round(&self, metric: &str) -> BTreeMap<u32, f64> {
        self.metrics.get(metric).map_or_else(BTreeMap::new, |column| self.column_by_round(column))
    }

    /// The values of a column by round, over the samples that count and have it.
    pub fn column_by_round(&self, column: &[f64]) -> BTreeMap<u32, f64> {
        let rows = self.rows.iter().zip(column);
        rows.filter(|(row, value)| row.counts() && value.is_finite()).map(|(row, value)| (row.round, *value)).collect()
    }
}

fn set(column: &mut Vec<f64>, row: usize, value: f64) {
    if column.len() <= row {
        column.resize(row, f64::NAN);
        column.push(value);
    } else {
        column[row] = value;
    }
}

fn column_of(row: usize, value: f64) -> Vec<f64> {
    let mut column = Vec::new();
    set(&mut column, row, value);
    column
}

fn extend(column: &mut Vec<f64>, offset: usize, later: Vec<f64>) {
    column.resize(offset, f64::NAN);
    column.extend(later);
}
