//! How it is often done: all of A, then all of B, and a permutation test on the two means at 5 %.

use super::{Series, Simulation};
use crate::gate::Verdict;

/// Permutations of the test; the smallest p-value is 1/500.
const PERMUTATIONS: u32 = 499;
const LEVEL: f64 = 0.05;

/// One trial: `Fail` where the test says that B is slower, or that A is. It knows no margin and no "cannot tell".
pub(super) fn trial(simulation: &Simulation, injected: f64, random: &mut fastrand::Rng) -> Verdict {
    let mut host = Series::new(simulation.correlation);
    let n = simulation.pairs as usize;
    let value = |level: f64, deviation: f64| level * (1.0 + simulation.variation * deviation);
    let mut values: Vec<f64> = (0..n).map(|_| value(1.0, host.next(random))).collect();
    values.extend((0..n).map(|_| value(1.0 + injected, host.next(random))));
    if p_value(&values, n, random) <= LEVEL { Verdict::Fail } else { Verdict::Pass }
}

/// The two-sided p-value of "the first n are like the others", by random permutations.
fn p_value(values: &[f64], n: usize, random: &mut fastrand::Rng) -> f64 {
    let total: f64 = values.iter().sum();
    let distance = |first: f64| (first - (total - first)).abs();
    let observed = distance(values.iter().take(n).sum());
    let mut shuffled = values.to_vec();
    let mut as_far = 1;
    for _ in 0..PERMUTATIONS {
        for place in 0..n.min(shuffled.len()) {
            let other = random.usize(place..shuffled.len());
            shuffled.swap(place, other);
        }
        as_far += u32::from(distance(shuffled.iter().take(n).sum()) >= observed * (1.0 - 1e-12));
    }
    f64::from(as_far) / f64::from(PERMUTATIONS + 1)
}
