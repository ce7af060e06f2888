//! False alarms: two variants that are the same, tested for a difference.

use super::data::Kind;
use super::{Outcome, SETS, paired, percent, seed};
use fastrand::Rng;
use isodyne_core::stats::{mann_whitney_p, sign_flip_p, signed_rank_p};

/// Signs or orders that are drawn for each test.
const DRAWN: u32 = 999;
/// Samples of either variant.
const SIZE: usize = 30;
const LEVEL: f64 = 0.05;

/// How often a test at 5 % finds a difference where there is none.
pub fn table(outcome: &mut Outcome) {
    outcome.line("**False alarms** at 5 %: two variants that are the same, 30 samples each, 1,000 experiments each. *Blocks*: all of \
        one, then all of the other, as most harnesses do. *Pairs*: one of each right after one another, in random order.");
    outcome.line("");
    outcome.line("| data | blocks, permutation of the means | blocks, Mann–Whitney | pairs, sign flips of the mean | pairs, signed ranks |");
    outcome.line("| --- | --: | --: | --: | --: |");
    for kind in Kind::ALL {
        let mut random = Rng::with_seed(seed(5, kind, SIZE));
        let mut alarms = [0_u32; 4];
        for set in 0..SETS {
            let series = kind.series(&mut random, 2 * SIZE);
            let (first, second) = series.split_at(SIZE);
            let differences = paired::differences(kind, SIZE, 0.0, &mut random);
            let found = [
                Some(permuted(&series, &mut random)),
                mann_whitney_p(first, second),
                sign_flip_p(&differences, DRAWN, u64::from(set)),
                signed_rank_p(&differences),
            ];
            for (count, p) in alarms.iter_mut().zip(found) {
                *count += u32::from(p.is_some_and(|p| p <= LEVEL));
            }
        }
        let shares = alarms.map(|count| percent(f64::from(count) / f64::from(SETS)));
        outcome.line(format!("| {} | {} |", kind.name(), shares.join(" | ")));
        // The standard error of 5 % is 0.7 %.
        for (name, count) in [("sign flips", alarms[2]), ("signed ranks", alarms[3])] {
            let share = f64::from(count) / f64::from(SETS);
            if share > 0.075 {
                outcome.problems.push(format!("{name} on {}: {share:.3} false alarms", kind.name()));
            }
        }
    }
}

/// The two-sided p-value of the permutation test on the difference of the means of the two halves.
fn permuted(series: &[f64], random: &mut Rng) -> f64 {
    let total: f64 = series.iter().sum();
    let distance = |values: &[f64]| (2.0 * values[..SIZE].iter().sum::<f64>() - total).abs();
    let observed = distance(series) * (1.0 - 1e-12);
    let mut shuffled = series.to_vec();
    let reached = (0..DRAWN).filter(|_| {
        random.shuffle(&mut shuffled);
        distance(&shuffled) >= observed
    });
    (reached.count() + 1) as f64 / f64::from(DRAWN + 1)
}
