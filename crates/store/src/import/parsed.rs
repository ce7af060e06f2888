//! What a parser makes of a file, before it becomes a run.

use super::{CELLS_LIMIT, CLAIMS_LIMIT, FACT_LIMIT, ImportError, REMARKS_LIMIT, SAMPLES_LIMIT};
use crate::metric_names::{MetricNames, too_many_metrics};
use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::failure::Failure;
use isodyne_core::imported::{Claim, Statistic};
use isodyne_core::sample::Accuracy;
use std::collections::{BTreeMap, HashMap};

/// A file to be imported, read whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SourceFile {
    /// Its name as the user gave it, or its path inside the directory that the user named.
    pub name: String,
    /// Its bytes.
    pub bytes: Vec<u8>,
}

/// What was found.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Parsed {
    /// The format's stable name.
    pub format: String,
    /// The tool and its version, as far as the file says.
    pub tool: Option<String>,
    /// A title for people.
    pub title: String,
    /// When it was measured (RFC 3339), as far as the file says.
    pub created_at: Option<String>,
    /// The cells.
    pub cells: Vec<Cell>,
    /// The samples in the order in which they were taken, as far as the file says.
    pub samples: Vec<ParsedSample>,
    /// The figures that the file states.
    pub claims: Vec<Claim>,
    /// Short texts for the auditor: `host`, `boot_method`, `simulated`.
    pub facts: BTreeMap<String, String>,
    /// What was not understood or left out, one line each.
    pub remarks: Vec<String>,
    /// Where each cell is: a file may name a new one on every line.
    pub(super) places: HashMap<CellId, usize>,
    /// What the samples of each cell have, by its place.
    pub(super) metrics: MetricNames<usize>,
}

/// One sample of another tool.
#[derive(Clone, Debug, PartialEq)]
pub struct ParsedSample {
    /// Its cell, by place in [`Parsed::cells`].
    pub cell: usize,
    /// Its round: samples of different cells with one round were taken as a pair. Counted within the cell otherwise.
    pub round: u32,
    /// Whether the tool calls it a warm-up.
    pub warmup: bool,
    /// When it began, in nanoseconds since the first, if the file says.
    pub started_ns: Option<u64>,
    /// Why it is not valid.
    pub failure: Option<Failure>,
    /// What stood between sandbox and hardware, as far as the file says; a process otherwise.
    pub accuracy: Accuracy,
    /// By metric name with its unit (`total_ns`, `throughput_bytes_per_s`), already converted.
    pub metrics: BTreeMap<String, f64>,
}

impl Parsed {
    /// The place of the cell with these factors, made if it is new.
    ///
    /// # Errors
    /// If there are too many cells.
    pub fn cell(&mut self, file: &str, backend: BackendName, factors: Factors) -> Result<usize, ImportError> {
        let id = CellId::new(BenchmarkName::Imported, backend, &factors);
        if let Some(place) = self.places.get(&id) {
            return Ok(*place);
        }
        if self.cells.len() >= CELLS_LIMIT {
            return Err(ImportError::new(file, format!("more than {CELLS_LIMIT} different cells")));
        }
        self.places.insert(id.clone(), self.cells.len());
        self.cells.push(Cell { id, benchmark: BenchmarkName::Imported, backend, factors, variant: None });
        Ok(self.cells.len() - 1)
    }

    /// Adds a sample.
    ///
    /// # Errors
    /// If there are too many samples, or its cell has too many different metrics.
    pub fn add(&mut self, file: &str, sample: ParsedSample) -> Result<(), ImportError> {
        if self.samples.len() >= SAMPLES_LIMIT {
            return Err(ImportError::new(file, format!("more than {SAMPLES_LIMIT} samples")));
        }
        if !self.metrics.take(&sample.cell, sample.metrics.keys()) {
            let cell = self.cells.get(sample.cell).map_or("", |cell| cell.id.as_str());
            return Err(ImportError::new(file, format!("{}: import a part of them", too_many_metrics(cell))));
        }
        self.samples.push(sample);
        Ok(())
    }

    /// Adds a claim; one that is not a finite number becomes a remark.
    pub fn claim(&mut self, cell: usize, metric: &str, statistic: Statistic, value: f64, n: Option<u64>, field: &str) {
        let Some(cell) = self.cells.get(cell) else { return };
        if !value.is_finite() {
            self.remark(format!("`{}` is not a finite number", field.escape_debug()));
            return;
        }
        if self.claims.len() >= CLAIMS_LIMIT {
            if self.claims.len() == CLAIMS_LIMIT {
                self.remark(format!("claims beyond the first {CLAIMS_LIMIT} are left out"));
            }
            return;
        }
        let cell = cell.id.clone();
        self.claims.push(Claim { cell, metric: metric.to_owned(), statistic, value, n, field: field.to_owned() });
    }

    /// Notes what was not understood or left out, once; many remarks are cut.
    pub fn remark(&mut self, remark: impl Into<String>) {
        let remark = one_line(&remark.into());
        if self.remarks.len() < REMARKS_LIMIT && !self.remarks.contains(&remark) {
            self.remarks.push(remark);
            if self.remarks.len() == REMARKS_LIMIT {
                self.remarks.push("more remarks are left out".to_owned());
            }
        }
    }

    /// Notes a fact. The keys `host.os`, `host.kernel`, `host.architecture`, `host.cpu_model`, `host.cpu_count`,
    /// `host.memory_bytes`, `host.hypervisor`, `host.governor` also go into the run's fingerprint. Facts that differ
    /// under one key (of several files) are put side by side.
    pub fn fact(&mut self, key: &str, value: impl AsRef<str>) {
        let value = one_line(value.as_ref());
        if value.is_empty() {
            return;
        }
        let count = self.facts.len();
        match self.facts.get_mut(key) {
            Some(known) if known.split("; ").any(|part| part == value) => {}
            Some(known) if known.chars().count() + value.chars().count() < FACT_LIMIT => {
                known.push_str("; ");
                known.push_str(&value);
            }
            Some(_) => {}
            None if count < REMARKS_LIMIT => drop(self.facts.insert(key.to_owned(), value)),
            None => self.remark(format!("facts beyond the first {REMARKS_LIMIT} are left out")),
        }
    }
}

impl ParsedSample {
    /// A valid sample without values.
    pub fn new(cell: usize, accuracy: Accuracy) -> Self {
        let metrics = BTreeMap::new();
        Self { cell, round: 0, warmup: false, started_ns: None, failure: None, accuracy, metrics }
    }

    /// Sets a value; one that is not a finite number is absent.
    pub fn set(&mut self, metric: &str, value: f64) {
        if value.is_finite() {
            self.metrics.insert(metric.to_owned(), value);
        }
    }
}

/// Counts rounds within each cell, for files that know of none.
#[derive(Clone, Debug, Default)]
pub struct Rounds(Vec<u32>);

impl Rounds {
    /// The next round of a cell, from 0.
    pub fn next(&mut self, cell: usize) -> u32 {
        if self.0.len() <= cell {
            self.0.resize(cell + 1, 0);
        }
        self.0[cell] += 1;
        self.0[cell] - 1
    }
}

/// A text for one line: control characters are escaped, what is too long is cut.
fn one_line(text: &str) -> String {
    let mut line = String::new();
    for character in text.trim().chars().take(FACT_LIMIT) {
        if character.is_control() { line.extend(character.escape_debug()) } else { line.push(character) }
    }
    line
}

/// A text as a factor, cut where it is too long for a name.
pub fn text_factor(text: &str) -> FactorValue {
    FactorValue::Text(text.chars().take(200).collect())
}
