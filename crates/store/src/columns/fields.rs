//! What columns take of a sample, borrowed from wherever it is.

use isodyne_core::columns::Row;
use isodyne_core::failure::Failure;
use isodyne_core::ledger::Ledger;
use isodyne_core::sample::{Contamination, Sample};

/// The numbers of [`Contamination`], in the order of its fields.
pub(super) const CONTAMINATION: [&str; 8] = [
    "steal_ns",
    "pressure_cpu_ns",
    "pressure_memory_ns",
    "pressure_io_ns",
    "involuntary_switches_count",
    "other_cpu_ns",
    "throttled_count",
    "load_1min",
];

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
        row: Row {
            sequence: sample.sequence,
            started_ns: sample.started_ns,
            round: sample.round,
            session: sample.session,
            warmup: sample.warmup,
            failure: sample.failure.as_ref().map(|failure| failure.class),
            accuracy: sample.accuracy,
            provenance: sample.provenance,
        },
        failure: sample.failure.as_ref(),
        metrics,
        contamination: numbers(&sample.contamination),
        page_cache: sample.contamination.page_cache.as_deref(),
        proved: !sample.proofs.is_empty(),
        ledger: &sample.ledger,
    }
}

fn numbers(host: &Contamination) -> [f64; CONTAMINATION.len()] {
    let mut numbers = [f64::NAN; CONTAMINATION.len()];
    for (name, value) in host.values() {
        if let Some(place) = CONTAMINATION.iter().position(|known| *known == name) {
            numbers[place] = value;
        }
    }
    numbers
}
