//! What a parser makes of a file, before it becomes a run.

use super::{CELLS_LIMIT, ImportError, SAMPLES_LIMIT};
use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::failure::Failure;
use isodyne_core::imported::{Claim, Statistic};
use isodyne_core::sample::Accuracy;
use std::collections::BTreeMap;

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
        if let Some(place) = self.cells.iter().rposition(|cell| cell.id == id) {
            return Ok(place);
        }
        if self.cells.len() >= CELLS_LIMIT {
            return Err(ImportError::new(file, format!("more than {CELLS_LIMIT} different cells")));
        }
        self.cells.push(Cell { id, benchmark: BenchmarkName::Imported, backend, factors, variant: None });
        Ok(self.cells.len() - 1)
    }

    /// Adds a sample.
    ///
    /// # Errors
    /// If there are too many samples.
    pub fn add(&mut self, file: &str, sample: ParsedSample) -> Result<(), ImportError> {
        if self.samples.len() >= SAMPLES_LIMIT {
            return Err(ImportError::new(file, format!("more than {SAMPLES_LIMIT} samples")));
        }
        self.samples.push(sample);
        Ok(())
    }

    /// Adds a claim; one that is not a finite number becomes a remark.
    pub fn claim(&mut self, cell: usize, metric: &str, statistic: Statistic, value: f64, n: Option<u64>, field: &str) {
        let Some(cell) = self.cells.get(cell) else { return };
        if !value.is_finite() {
            self.remarks.push(format!("`{}` is not a finite number", field.escape_debug()));
            return;
        }
        let cell = cell.id.clone();
        self.claims.push(Claim { cell, metric: metric.to_owned(), statistic, value, n, field: field.to_owned() });
    }
}

/// A text as a factor, cut where it is too long for a name.
pub fn text_factor(text: &str) -> FactorValue {
    FactorValue::Text(text.chars().take(200).collect())
}
