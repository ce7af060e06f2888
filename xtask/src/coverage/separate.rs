//! Two separate runs: each a series of its own.

use super::data::Kind;
use super::{Outcome, SETS, Tally, percent, seed};
use fastrand::Rng;
use isodyne_core::stats::{Sorted, inflation, rank_sum_shift};

/// The true shift.
const SHIFT: f64 = 0.5;

/// The interval of the shift between two runs, with and without knowledge of correlation.
pub fn table(outcome: &mut Outcome) {
    outcome.line("**The shift between two separate runs** (rank sums, n samples each), of 1,000 data sets each. *Widened*: by the \
        greater inflation of the two series. *Independent*: as if values were independent.");
    outcome.line("");
    outcome.line("| data | n | widened printed | covered | independent covered | widened over independent |");
    outcome.line("| --- | --: | --: | --: | --: | --: |");
    for kind in Kind::ALL {
        for n in [20, 60, 300] {
            line(outcome, kind, n);
        }
    }
    outcome.line("");
}

fn line(outcome: &mut Outcome, kind: Kind, n: usize) {
    let mut random = Rng::with_seed(seed(4, kind, n));
    let (mut widened, mut independent) = (Tally::default(), Tally::default());
    for _ in 0..SETS {
        let baseline = kind.series(&mut random, n);
        let candidate: Vec<f64> = kind.series(&mut random, n).iter().map(|value| value + SHIFT).collect();
        let measured =
            |values: &[f64]| Sorted::new(values.iter().copied()).map_or(1.0, |sorted| inflation(values, &sorted, 0.5));
        let factor = measured(&baseline).max(measured(&candidate));
        if let Some(found) = rank_sum_shift(&baseline, &candidate, 0.95, factor) {
            widened.add(found.low, found.high, SHIFT);
        }
        if let Some(found) = rank_sum_shift(&baseline, &candidate, 0.95, 1.0) {
            independent.add(found.low, found.high, SHIFT);
        }
    }
    outcome.line(format!(
        "| {} | {n} | {} | {} | {} | {:.2} |",
        kind.name(),
        percent(widened.printed()),
        percent(widened.covered()),
        percent(independent.covered()),
        widened.width() / independent.width()
    ));
    outcome.hold(&format!("separate runs of {}, n = {n}", kind.name()), widened.covered());
}
