//! One-sided bounds, by which absolute budgets are held.
//!
//! A ceiling holds for sure when an upper bound of the figure is under it, and is broken for sure when a lower bound is
//! over it. Of a quantile the bounds are order statistics, of a share they follow from the binomial distribution; both
//! are exact. Sources: H. A. David and H. N. Nagaraja, "Order Statistics", 3rd edition (2003), §7.1; C. J. Clopper and
//! E. S. Pearson, Biometrika 26 (1934) 404–413.

use crate::stats::{Sorted, binomial_cdf};

/// The value that is at most the true q-quantile with probability `confidence`; `None` if n carries none.
///
/// `effective` is the number of independent values that these are worth, at most n.
pub(super) fn lower_bound(values: &Sorted, q: f64, effective: f64, confidence: f64) -> Option<f64> {
    let (n, worth) = sizes(values, effective)?;
    // The largest l with P(B ≤ l − 1) ≤ 1 − confidence.
    let count = partition(worth + 1, |k| binomial_cdf(k, worth, q).is_some_and(|mass| mass <= 1.0 - confidence));
    let rank = (1..=worth).contains(&count).then_some(count)?;
    let rank = if worth == n { rank } else { rank * (n + 1) / (worth + 1) };
    values.as_slice().get(usize::try_from(rank.max(1) - 1).ok()?).copied()
}

/// The value that is at least the true q-quantile with probability `confidence`; `None` if n carries none.
pub(super) fn upper_bound(values: &Sorted, q: f64, effective: f64, confidence: f64) -> Option<f64> {
    let (n, worth) = sizes(values, effective)?;
    // The smallest u with P(B ≤ u − 1) ≥ confidence.
    let below = partition(worth, |k| binomial_cdf(k, worth, q).is_some_and(|mass| mass < confidence));
    let rank = (below < worth).then_some(below + 1)?;
    let rank = if worth == n { rank } else { (rank * (n + 1)).div_ceil(worth + 1).min(n) };
    values.as_slice().get(usize::try_from(rank - 1).ok()?).copied()
}

fn sizes(values: &Sorted, effective: f64) -> Option<(u64, u64)> {
    let n = values.as_slice().len() as u64;
    // A float to integer cast saturates: NaN is 0, and nothing is carried.
    let worth = (effective.floor() as u64).min(n);
    (worth > 0).then_some((n, worth))
}

/// The smallest n for which [`upper_bound`] exists.
pub(super) fn least_n(q: f64, confidence: f64) -> u64 {
    ((1.0 - confidence).ln() / q.ln()).ceil() as u64
}

/// How many of `0..length` come before the first for which `holds` is false; `holds` is true up to a point.
fn partition(length: u64, holds: impl Fn(u64) -> bool) -> u64 {
    let (mut low, mut high) = (0, length);
    while low < high {
        let middle = low + (high - low) / 2;
        if holds(middle) { low = middle + 1 } else { high = middle }
    }
    low
}

/// The interval of a share by Clopper and Pearson, of at least `confidence`.
pub(super) fn share_interval(count: u64, n: u64, confidence: f64) -> Option<[f64; 2]> {
    if n == 0 || count > n {
        return None;
    }
    let tail = (1.0 - confidence) / 2.0;
    // P(B ≥ count) grows with the share, P(B ≤ count) falls.
    let at_least = |share: f64| if count == 0 { 1.0 } else { 1.0 - cdf(count - 1, n, share) };
    let low = if count == 0 { 0.0 } else { solve(|share| at_least(share) < tail) };
    let high = if count == n { 1.0 } else { solve(|share| cdf(count, n, share) > tail) };
    Some([low, high])
}

/// P(B ≤ count) of n with this share; 1 where that cannot be computed.
pub(super) fn cdf(count: u64, n: u64, share: f64) -> f64 {
    binomial_cdf(count, n, share).unwrap_or(1.0)
}

/// The share up to which `holds` is true.
fn solve(holds: impl Fn(f64) -> bool) -> f64 {
    let (mut low, mut high) = (0.0, 1.0);
    for _ in 0..60 {
        let middle = (low + high) / 2.0;
        if holds(middle) { low = middle } else { high = middle }
    }
    (low + high) / 2.0
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bounds_are_the_ranks_of_the_binomial_distribution() {
        // scipy 1.17.1: binom.cdf(37, 100, 0.5) = 0.0060, binom.cdf(38, …) = 0.0105; binom.cdf(57, …) = 0.933,
        // binom.cdf(58, …) = 0.956; binom.cdf(95, 100, 0.99) = 0.0034, binom.cdf(96, …) = 0.018.
        let values = Sorted::new((1..=100).map(f64::from)).unwrap();
        assert_eq!(lower_bound(&values, 0.5, 100.0, 0.99), Some(38.0));
        assert_eq!(upper_bound(&values, 0.5, 100.0, 0.95), Some(59.0));
        assert_eq!(upper_bound(&values, 0.99, 100.0, 0.95), None);
        assert_eq!(lower_bound(&values, 0.99, 100.0, 0.99), Some(96.0));
        // Worth fewer, the bounds are further apart.
        assert!(lower_bound(&values, 0.5, 20.0, 0.99) < Some(38.0));
        assert!(upper_bound(&values, 0.5, 20.0, 0.95) > Some(59.0));
        assert_eq!(lower_bound(&values, 0.5, f64::NAN, 0.99), None);
    }

    #[test]
    fn an_upper_bound_begins_where_the_documentation_says() {
        for (q, least) in [(0.9, 29), (0.95, 59), (0.99, 299)] {
            assert_eq!(least_n(q, 0.95), least);
            let values = |n: u64| Sorted::new((0..n).map(|value| value as f64)).unwrap();
            assert!(upper_bound(&values(least), q, least as f64, 0.95).is_some());
            assert!(upper_bound(&values(least - 1), q, least as f64, 0.95).is_none());
        }
    }

    #[test]
    fn shares_have_the_interval_of_clopper_and_pearson() {
        // scipy 1.17.1: binomtest(3, 60).proportion_ci(0.95, method="exact").
        let [low, high] = share_interval(3, 60, 0.95).unwrap();
        assert!(
            (low - 0.010_432_329_644_348_218).abs() < 1e-9 && (high - 0.139_243_246_721_100_06).abs() < 1e-9,
            "{low} {high}"
        );
        assert_eq!(share_interval(0, 10, 0.95).unwrap()[0], 0.0);
        assert_eq!(share_interval(10, 10, 0.95).unwrap()[1], 1.0);
        assert_eq!(share_interval(0, 0, 0.95), None);
    }
}
