//! Where the time goes: the median of each phase over the valid samples of one cell.

use super::PhaseSummary;
use crate::columns::CellColumns;

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

fn phase(name: String, mut lengths: Vec<f64>) -> Option<PhaseSummary> {
    let (min_ns, max_ns) = (lengths.iter().copied().reduce(f64::min)?, lengths.iter().copied().reduce(f64::max)?);
    Some(PhaseSummary { name, n: lengths.len() as u64, p50_ns: median(&mut lengths)?, min_ns, max_ns })
}

/// The median of type 7, as [`crate::stats::Sorted::quantile`] has it, without sorting all values.
fn median(values: &mut [f64]) -> Option<f64> {
    let last = values.len().checked_sub(1)?;
    let (_, below, above) = values.select_nth_unstable_by(last / 2, f64::total_cmp);
    let below = *below;
    match above.iter().copied().reduce(f64::min) {
        // An even number of values: the middle of the two in the middle.
        Some(above) if last % 2 == 1 => Some(below + 0.5 * (above - below)),
        _ => Some(below),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::Sorted;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn it_is_the_median(mut values in prop::collection::vec(0.0..1e12_f64, 0..50)) {
            let sorted = Sorted::new(values.iter().copied()).unwrap();
            prop_assert_eq!(median(&mut values), sorted.quantile(0.5));
        }
    }
}
