//! What columns take of a sample, borrowed from wherever it is.

use isodyne_core::columns::Row;
use isodyne_core::failure::Failure;
use isodyne_core::ledger::Ledger;
use isodyne_core::sample::{Contamination, Sample};

/// The names of the host's numbers around a sample.
pub(super) const CONTAMINATION: [&str; Contamination::NUMBERS.len()] = Contamination::NUMBERS;

/// One sample.
pub(super) struct Fields<'a> {
    pub cell: &'a str,
    pub row: Row,
    pub failure: Option<&'a Failure>,
    pub metrics: &'a [(&'a str, f64)],
    /// In the order of [`CONTAMINATION`]; NaN where the host does not tell.
    pub contamination: [f64; CONTAMINATION.len()],
    pub page_cache: Option<&'a str>,
    /// Whether it states any proof.
    pub proved: bool,
    pub ledger: &'a Ledger,
}

/// Those of a sample; `metrics` keeps what is borrowed.
pub(super) fn of<'a>(sample: &'a Sample, metrics: &'a mut Vec<(&'a str, f64)>) -> Fields<'a> {
    metrics.extend(sample.metrics.iter().map(|(name, value)| (name.as_str(), *value)));
    Fields {
        cell: sample.cell.as_str(),
        row: Row::from(sample),
        failure: sample.failure.as_ref(),
        metrics,
        contamination: sample.contamination.numbers().map(|value| value.unwrap_or(f64::NAN)),
        page_cache: sample.contamination.page_cache.as_deref(),
        proved: !sample.proofs.is_empty(),
        ledger: &sample.ledger,
    }
}
