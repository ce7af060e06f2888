//! Intervals for quantiles from order statistics: no distribution is assumed.
//!
//! Of n independent values, the number below the true q-quantile is binomial(n, q). So the interval from the l-th to
//! the u-th smallest value covers the true quantile with probability P(l ≤ B ≤ u−1), exactly for a continuous
//! distribution and at least for any other. Source: H. A. David and H. N. Nagaraja, "Order Statistics", 3rd edition
//! (2003), §7.1; W. J. Conover, "Practical Nonparametric Statistics", 3rd edition (1999), §3.2.

use super::binomial::Masses;
use super::quantile::Sorted;

/// The confidence that every interval and bound of this lab states.
const CONFIDENCE: f64 = 0.95;

/// An interval for a quantile.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct QuantileInterval {
    /// The lower end: the value with rank `lower_rank`.
    pub low: f64,
    /// The upper end: the value with rank `upper_rank`.
    pub high: f64,
    /// The rank of the lower end among the sorted values, from 1.
    pub lower_rank: u64,
    /// The rank of the upper end, from 1.
    pub upper_rank: u64,
    /// The probability that such an interval covers the true quantile; at least 0.95.
    pub coverage: f64,
}

/// The two-sided interval of at least 95 % for the `q`-quantile, with at most 2.5 % on either side.
///
/// `None` if the values are too few to carry one: for the median that is fewer than six.
pub fn quantile_interval(values: &Sorted, q: f64) -> Option<QuantileInterval> {
    quantile_interval_at(values, q, CONFIDENCE)
}

/// The two-sided interval of at least `confidence` for the `q`-quantile, with at most half of the rest on either side.
///
/// `None` if the values are too few to carry one, or for a `q` or a confidence outside (0, 1).
pub fn quantile_interval_at(values: &Sorted, q: f64, confidence: f64) -> Option<QuantileInterval> {
    if !(q > 0.0 && q < 1.0 && confidence > 0.0 && confidence < 1.0) {
        return None;
    }
    let n = values.as_slice().len() as u64;
    let tail = (1.0 - confidence) / 2.0;
    // `below` is P(B ≤ k−1) and `upto` is P(B ≤ k) while k runs over the ranks that have any probability.
    let masses = Masses::new(n, q);
    let mut lower = if masses.first > 0 { Some((masses.first, 0.0)) } else { None };
    let mut upper = None;
    let mut upto = 0.0;
    for (k, mass) in (masses.first..).zip(&masses.masses) {
        let below = upto;
        upto += mass;
        if k >= 1 && below <= tail {
            lower = Some((k, below));
        }
        if upto >= 1.0 - tail && k < n {
            upper = Some((k + 1, upto));
            break;
        }
    }
    let ((lower_rank, below), (upper_rank, upto)) = (lower?, upper?);
    let at = |rank: u64| usize::try_from(rank - 1).ok().and_then(|index| values.as_slice().get(index).copied());
    Some(QuantileInterval {
        low: at(lower_rank)?,
        high: at(upper_rank)?,
        lower_rank,
        upper_rank,
        coverage: (upto - below).min(1.0),
    })
}

/// Whether `n` values can carry an upper 95 % bound for the `q`-quantile: whether 1 − qⁿ ≥ 0.95.
///
/// The largest of n values lies above the true q-quantile with probability 1 − qⁿ. Where even that is under 95 %, no
/// value of the sample bounds the quantile, and printing it would promise what the sample cannot hold. Source: S. S.
/// Wilks, "Determination of sample sizes for setting tolerance limits", Ann. Math. Stat. 12 (1941) 91–96.
pub fn carries_upper_bound(n: u64, q: f64) -> bool {
    n >= samples_needed(q)
}

/// The smallest n that [`carries_upper_bound`] accepts: 29 for p90, 59 for p95, 299 for p99.
pub fn samples_needed(q: f64) -> u64 {
    if !(q > 0.0 && q < 1.0) {
        return u64::MAX;
    }
    ((1.0 - CONFIDENCE).ln() / q.ln()).ceil().max(1.0) as u64
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn ranks(n: u32, q: f64) -> Option<(u64, u64, f64)> {
        let values = Sorted::new((1..=n).map(f64::from)).unwrap();
        quantile_interval(&values, q).map(|found| (found.lower_rank, found.upper_rank, found.coverage))
    }

    #[test]
    fn intervals_of_the_median_agree_with_scipy() {
        // Reference: scipy 1.17.1, equal tails by `binom.cdf`.
        let table = [
            (6, 1, 6, 0.968_75),
            (7, 1, 7, 0.984_375),
            (8, 1, 8, 0.992_187_5),
            (9, 2, 8, 0.960_937_5),
            (12, 3, 10, 0.961_425_781_25),
            (20, 6, 15, 0.958_610_534_667_968_8),
            (30, 10, 21, 0.957_226_054_742_932_3),
            (100, 40, 61, 0.964_799_799_782_295_2),
            (1_000, 469, 532, 0.953_708_802_640_501_8),
            (10_000, 4_902, 5_099, 0.951_167_050_103_618_9),
        ];
        for (n, lower, upper, coverage) in table {
            let found = ranks(n, 0.5).unwrap();
            assert_eq!((found.0, found.1), (lower, upper), "n = {n}");
            assert!((found.2 - coverage).abs() < 1e-9, "n = {n}: {}", found.2);
        }
    }

    #[test]
    fn five_values_carry_no_interval_for_the_median() {
        for n in 0..6 {
            assert_eq!(ranks(n, 0.5), None, "n = {n}");
        }
    }

    #[test]
    fn intervals_of_other_quantiles_agree_with_scipy() {
        // Reference: scipy 1.17.1, equal tails by `binom.cdf` and `binom.sf`.
        for (n, q, lower, upper, coverage) in
            [(100, 0.9, 84, 96, 0.955_690_107_191_223), (500, 0.99, 490, 500, 0.980_185_949_857_805_8)]
        {
            let found = ranks(n, q).unwrap();
            assert_eq!((found.0, found.1), (lower, upper), "n = {n}, q = {q}");
            assert!((found.2 - coverage).abs() < 1e-9);
        }
        assert_eq!(ranks(20, 0.99), None);
    }

    #[test]
    fn a_quantile_is_carried_from_the_known_sizes_on() {
        for (q, needed) in [(0.5, 5), (0.9, 29), (0.95, 59), (0.99, 299), (0.999, 2_995)] {
            assert_eq!(samples_needed(q), needed, "q = {q}");
            assert!(carries_upper_bound(needed, q) && !carries_upper_bound(needed - 1, q));
            assert!(1.0 - q.powi(needed as i32) >= 0.95 && 1.0 - q.powi(needed as i32 - 1) < 0.95);
        }
        assert!(!carries_upper_bound(u64::MAX - 1, 1.0));
    }

    proptest! {
        #[test]
        fn the_interval_holds_the_median_and_its_promise(values in prop::collection::vec(0.0_f64..1e12, 6..200)) {
            let sorted = Sorted::new(values).unwrap();
            let interval = quantile_interval(&sorted, 0.5).unwrap();
            let median = sorted.quantile(0.5).unwrap();
            prop_assert!(interval.low <= median && median <= interval.high);
            prop_assert!(interval.coverage >= 0.95);
            // Equal tails: the two ranks mirror each other for the median.
            prop_assert_eq!(interval.lower_rank + interval.upper_rank, sorted.as_slice().len() as u64 + 1);
        }
    }

    #[test]
    fn the_interval_covers_a_known_median_as_often_as_it_says() {
        // A simulation with a fixed seed: uniform values, true median ½, 20 000 trials of n = 20 (coverage 0.9586).
        // The standard error is 0.0014, so ±0.006 is more than four of them.
        let mut random = fastrand::Rng::with_seed(7);
        let trials = 20_000;
        let covered = (0..trials)
            .filter(|_| {
                let values = Sorted::new((0..20).map(|_| random.f64())).unwrap();
                let interval = quantile_interval(&values, 0.5).unwrap();
                interval.low <= 0.5 && 0.5 <= interval.high
            })
            .count();
        let rate = covered as f64 / f64::from(trials);
        assert!((rate - 0.9586).abs() < 0.006, "covered {rate}");
    }
}
