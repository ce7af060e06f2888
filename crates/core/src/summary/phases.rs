//! Where the time goes: the median of each phase over the valid samples of one cell.

use super::PhaseSummary;
use crate::columns::CellColumns;
use crate::stats::Sorted;

/// The metric that holds what the phases leave of the total.
const RESIDUE_METRIC: &str = "residue_ns";
/// Its name beside the phases.
const RESIDUE: &str = "residue";

/// The phases in the order of the life cycle, then the residue.
pub(super) fn phases_of(columns: &CellColumns) -> Vec<PhaseSummary> {
    let mut ordered: Vec<_> = columns.phases.iter().collect();
    ordered.sort_by(|a, b| a.1.until.cmp(&b.1.until).then_with(|| a.0.cmp(b.0)));
    let phases = ordered.into_iter().filter_map(|(name, phase)| {
        let lengths = columns.counting(&phase.lengths_ns);
        self::phase(name.clone(), lengths)
    });
    phases.chain(phase(RESIDUE.to_owned(), columns.values(RESIDUE_METRIC))).collect()
}

fn phase(name: String, lengths: Vec<f64>) -> Option<PhaseSummary> {
    let n = lengths.len() as u64;
    let sorted = Sorted::new(lengths)?;
    Some(PhaseSummary {
        name,
        p50_ns: sorted.quantile(0.5)?,
        min_ns: *sorted.as_slice().first()?,
        max_ns: *sorted.as_slice().last()?,
        n,
    })
}
