//! The change of a quantile of pairs, by exact tests on discordant pairs.
//!
//! If the candidate's q-quantile lies `change` above the baseline's, then with `change` taken off again as many values of
//! one side as of the other lie above it. Which side of a pair is above alone is then a fair coin for each pair in which
//! one is above and the other is not: a binomial test, whatever the values are distributed like and however much a pair
//! has in common. The interval holds the changes that this test does not reject. The quantile is taken from both sides
//! together. It needs about 6 values beyond the quantile, so it carries an interval of 95 % from the same n on from which
//! the quantile is printed at all. Source of the test: Q. McNemar, "Note on the sampling error of the difference between
//! correlated proportions or percentages", Psychometrika 12 (1947) 153–157.

use crate::compare::sides::deflated;
use crate::stats::{Estimate, binomial_cdf};

/// Halvings of the search for an end: more than a floating-point number has digits.
const HALVINGS: u32 = 64;

/// Pairs in the order of their values.
pub(super) struct Discordance {
    /// The baseline's values, the greatest first, each with the place of its partner in `candidate`.
    baseline: Vec<(f64, usize)>,
    /// The candidate's values, the greatest first.
    candidate: Vec<f64>,
    /// How many of all values together lie above the quantile.
    above: usize,
}

/// Pairs in which one value lies above the quantile and the other does not.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Counts {
    baseline: u64,
    candidate: u64,
}

impl Discordance {
    /// Of pairs of finite values on one scale.
    pub(super) fn new(baseline: &[f64], candidate: &[f64], q: f64) -> Self {
        let n = baseline.len().min(candidate.len());
        let mut order: Vec<usize> = (0..n).collect();
        order.sort_unstable_by(|one, other| candidate[*other].total_cmp(&candidate[*one]));
        let mut place = vec![0; n];
        order.iter().enumerate().for_each(|(rank, index)| place[*index] = rank);
        let mut with_partner: Vec<(f64, usize)> = baseline.iter().copied().zip(place).collect();
        with_partner.sort_unstable_by(|one, other| other.0.total_cmp(&one.0));
        let above = (2.0 * n as f64 * (1.0 - q)).round() as usize;
        Self { baseline: with_partner, candidate: order.into_iter().map(|index| candidate[index]).collect(), above }
    }

    /// The interval of the change around an estimate of it; `None` if so few pairs carry none.
    pub(super) fn interval(&self, value: f64, confidence: f64, inflation: f64) -> Option<Estimate> {
        let (first, last) = (self.baseline.first()?.0, self.baseline.last()?.0);
        let (greatest, least) = (*self.candidate.first()?, *self.candidate.last()?);
        let tail = (1.0 - confidence) / 2.0;
        // Beyond these all values of one side lie above all of the other.
        let high = self.end(value, greatest - last, |change| self.p_value(change, -1.0, inflation) <= tail)?;
        let low = self.end(value, least - first, |change| self.p_value(change, 1.0, inflation) <= tail)?;
        Some(Estimate { value, low: low.min(value), high: high.max(value), confidence })
    }

    /// The rejected change next to those that are not, between the estimate and a change that is out of question.
    fn end(&self, value: f64, extreme: f64, rejected: impl Fn(f64) -> bool) -> Option<f64> {
        let mut outside = extreme + (extreme - value).signum() * (1.0 + extreme.abs()) * 1e-9;
        let mut inside = value;
        if !rejected(outside) {
            return None;
        }
        for _ in 0..HALVINGS {
            let middle = f64::midpoint(inside, outside);
            if rejected(middle) { outside = middle } else { inside = middle }
        }
        Some(outside)
    }

    /// The one-sided p-value of "the change is no more (sign +1) or no less (sign −1) than this".
    pub(super) fn p_value(&self, change: f64, sign: f64, inflation: f64) -> f64 {
        let counts = self.counts(change, sign);
        let pairs = counts.baseline + counts.candidate;
        let against = if sign > 0.0 { counts.baseline } else { counts.candidate };
        deflated(binomial_cdf(against, pairs, 0.5).unwrap_or(1.0), inflation)
    }

    /// Discordant pairs, with a change taken off the candidate. Of equal values those count as greater that speak for
    /// the hypothesis.
    fn counts(&self, change: f64, sign: f64) -> Counts {
        let (mut one, mut other) = (0, 0);
        while one + other < self.above {
            let take_baseline = match (self.baseline.get(one), self.candidate.get(other)) {
                (Some((value, _)), Some(candidate)) if sign > 0.0 => *value >= candidate - change,
                (Some((value, _)), Some(candidate)) => *value > candidate - change,
                (found, _) => found.is_some(),
            };
            if take_baseline { one += 1 } else { other += 1 }
        }
        let both = self.baseline.iter().take(one).filter(|(_, partner)| *partner < other).count();
        Counts { baseline: (one - both) as u64, candidate: (other - both) as u64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_interval_begins_where_the_quantile_does() {
        for (n, q) in [(29, 0.9), (59, 0.95), (299, 0.99)] {
            let values = |offset: f64| -> Vec<f64> {
                (0..n).map(|index| f64::from((index * 31 + 7) % 601) + offset + f64::from(index) * 0.001).collect()
            };
            // The order differs between the sides, so that the greatest values are not all in the same pairs.
            let (one, mut other) = (values(0.0), values(0.0));
            other.reverse();
            let at = |count: usize| Discordance::new(&one[..count], &other[..count], q).interval(0.0, 0.95, 1.0);
            assert!(at(n as usize).is_some(), "{n}");
            assert!(at(n as usize * 4 / 5).is_none(), "{n}");
        }
    }

    #[test]
    fn six_of_six_on_one_side_are_what_the_binomial_distribution_says() {
        // 30 pairs, p90: 6 values of 60 lie above. With 100 taken off, all are the baseline's: p = 2⁻⁶.
        let one: Vec<f64> = (0..30).map(f64::from).collect();
        let other: Vec<f64> = (0..30).map(|value| f64::from((value * 7) % 30)).collect();
        let pairs = Discordance::new(&one, &other, 0.9);
        assert_eq!(pairs.counts(100.0, -1.0), Counts { baseline: 6, candidate: 0 });
        assert!((pairs.p_value(100.0, -1.0, 1.0) - 1.0 / 64.0).abs() < 1e-12);
        assert!(pairs.p_value(100.0, -1.0, 4.0) > 0.1);
        assert!(pairs.p_value(100.0, 1.0, 1.0) > 0.99);
        let found = pairs.interval(0.0, 0.95, 1.0).unwrap();
        assert!(found.low < 0.0 && found.high > 0.0 && found.high < 30.0, "{found:?}");
    }

    #[test]
    fn pairs_that_go_together_are_never_discordant() {
        let one: Vec<f64> = (0..60).map(f64::from).collect();
        let pairs = Discordance::new(&one, &one, 0.9);
        assert_eq!(pairs.counts(0.0, 1.0), Counts { baseline: 0, candidate: 0 });
        assert_eq!(pairs.p_value(0.0, 1.0, 1.0), 1.0);
        assert_eq!(Discordance::new(&[], &[], 0.9).interval(0.0, 0.95, 1.0), None);
    }
}
