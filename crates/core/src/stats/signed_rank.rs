//! Paired differences by signed ranks: the Hodges–Lehmann shift with its interval, and Wilcoxon's test.
//!
//! Both hold for differences that are symmetric about the shift, whatever their distribution. Under randomised order
//! within pairs that is so under "no change" by construction. Sources: J. L. Hodges and E. L. Lehmann, "Estimates of
//! location based on rank tests", Ann. Math. Stat. 34 (1963) 598–611; F. Wilcoxon, "Individual comparisons by ranking
//! methods", Biometrics Bull. 1 (1945) 80–83; M. Hollander, D. A. Wolfe and E. Chicken, "Nonparametric Statistical
//! Methods", 3rd edition (2014), §3.1–3.3.

use super::estimate::Estimate;
use super::normal::{normal_cdf, normal_quantile};
use super::pairs::PairSums;
use super::quantile::Sorted;
use super::rank::{RankSums, Ranks};
use super::series::LEAST_FOR_INTERVAL;

/// Up to so many differences the distribution of the statistic is exact, beyond it normal with a correction for
/// continuity.
const EXACT: usize = 100;

/// The Hodges–Lehmann shift of paired differences: the median of all Walsh averages (dᵢ + dⱼ)/2, i ≤ j, and the
/// interval between the two of them that the signed-rank test at `confidence` does not reject.
///
/// The confidence of the result is the one that is reached, exactly up to n = 100; with equal differences it is at
/// least that. `None` if n cannot carry the interval (fewer than 6 at 95 %), if a difference is not finite, or for a
/// confidence outside (0, 1). O(n log n) time and O(n) memory.
pub fn signed_rank_shift(differences: &[f64], confidence: f64) -> Option<Estimate> {
    signed_rank_shift_widened(differences, confidence, 1.0)
}

/// The same for differences that are correlated in time: `inflation` (1 or more, the variance of the statistic over that
/// of independent differences; [`super::inflation`] measures it) widens the interval to the normal approximation with
/// that variance, if that is wider, and from 15 differences on to the whole range of Walsh averages at most. Its
/// confidence is then the nominal one.
///
/// `None` where [`signed_rank_shift`] is, for an inflation under 1, or if the interval leaves fewer than 15 differences.
pub fn signed_rank_shift_widened(differences: &[f64], confidence: f64, inflation: f64) -> Option<Estimate> {
    let sensible = confidence > 0.0 && confidence < 1.0 && inflation >= 1.0 && inflation.is_finite();
    if differences.iter().any(|value| !value.is_finite()) || !sensible {
        return None;
    }
    let (rank, reached) = widened_rank(differences.len(), confidence, inflation)?;
    // Halves, so that a sum of two is their average; halving is exact and cannot overflow.
    let halves = Sorted::new(differences.iter().map(|value| value / 2.0))?;
    let mut averages = PairSums::within(halves.as_slice());
    Some(Estimate {
        value: averages.median()?,
        low: averages.select(rank)?,
        high: averages.select(averages.len() + 1 - rank)?,
        confidence: reached,
    })
}

/// [`critical_rank`], moved outwards by the root of the inflation.
fn widened_rank(n: usize, confidence: f64, inflation: f64) -> Option<(u64, f64)> {
    let found = critical_rank(n, confidence)?;
    if inflation == 1.0 {
        return Some(found);
    }
    // Of enough differences the whole range is an honest answer, as for the rank sum.
    let least = u64::from(n >= LEAST_FOR_INTERVAL);
    let rank = normal_rank(n, (1.0 - confidence) / 2.0, inflation).max(least).min(found.0);
    (rank >= 1).then_some((rank, confidence))
}

/// The same by the normal approximation; 0 if that lies beyond the smallest average.
fn normal_rank(n: usize, tail: f64, inflation: f64) -> u64 {
    let n = n as f64;
    let deviation = (inflation * n * (n + 1.0) * (2.0 * n + 1.0) / 24.0).sqrt();
    (n * (n + 1.0) / 4.0 + 0.5 + normal_quantile(tail) * deviation).floor().max(0.0) as u64
}

/// The rank of the Walsh average that is the lower end of the interval, and the confidence that is reached with it.
fn critical_rank(n: usize, confidence: f64) -> Option<(u64, f64)> {
    let tail = (1.0 - confidence) / 2.0;
    if n > EXACT {
        let rank = normal_rank(n, tail, 1.0);
        return (rank >= 1).then_some((rank, confidence));
    }
    let ranks: Vec<u64> = (1..=n as u64).collect();
    let mut upto = 0.0;
    let mut found = None;
    for (rank, mass) in (1_u64..).zip(subset_sums(&ranks)) {
        // `upto` becomes P(T ≤ rank − 1).
        upto += mass;
        if upto > tail {
            break;
        }
        found = Some((rank, 1.0 - 2.0 * upto));
    }
    found
}

/// The two-sided p-value of Wilcoxon's signed-rank test of "the differences are symmetric about 0": the paired sign-flip
/// permutation test on the ranks.
///
/// Differences of 0 carry no sign and are left out, as Wilcoxon did; equal sizes share the mean of their ranks. Up to 100
/// differences other than 0 the distribution is exact, with shared ranks too (all 2ⁿ signs, by dynamic programming);
/// beyond, normal with the corrections for ties and continuity. 1 if all differences are 0; `None` for none at all or
/// one that is not finite.
pub fn signed_rank_p(differences: &[f64]) -> Option<f64> {
    if differences.is_empty() || differences.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let moved: Vec<f64> = differences.iter().copied().filter(|value| *value != 0.0).collect();
    if moved.len() > EXACT {
        return approximate_p(&moved);
    }
    let sizes: Vec<f64> = moved.iter().map(|value| value.abs()).collect();
    let ranks = Ranks::of(&sizes);
    let positive: u64 = moved.iter().zip(&ranks.doubled).filter(|(value, _)| **value > 0.0).map(|(_, rank)| rank).sum();
    let total: u64 = ranks.doubled.iter().sum();
    let smaller = positive.min(total - positive);
    // Where no rank is shared, whole ranks make the table half as long.
    let unit = if ranks.doubled.iter().all(|rank| rank % 2 == 0) { 2 } else { 1 };
    let weights: Vec<u64> = ranks.doubled.iter().map(|rank| rank / unit).collect();
    let reach = usize::try_from(smaller / unit).ok()?;
    let tail: f64 = subset_sums(&weights).iter().take(reach + 1).sum();
    Some((2.0 * tail).min(1.0))
}

/// By the normal distribution, of differences other than 0.
fn approximate_p(moved: &[f64]) -> Option<f64> {
    let sizes = |positive: bool| {
        let side = moved.iter().filter(|value| (**value > 0.0) == positive);
        Sorted::new(side.map(|value| value.abs()))
    };
    let ranks = RankSums::of(sizes(true)?.as_slice(), sizes(false)?.as_slice());
    let count = moved.len() as u64;
    // Doubled, as the ranks are.
    let total = count * (count + 1);
    let smaller = ranks.first.min(total - ranks.first);
    let n = moved.len() as f64;
    let variance = n * (n + 1.0) * (2.0 * n + 1.0) / 24.0 - ranks.tie_term / 48.0;
    let distance = ((total as f64 / 2.0 - smaller as f64) / 2.0 - 0.5).max(0.0);
    Some((2.0 * normal_cdf(-distance / variance.sqrt())).min(1.0))
}

/// The probabilities of the sums 0, 1, 2, … of a random subset of some weights, each taken with probability ½.
fn subset_sums(weights: &[u64]) -> Vec<f64> {
    let mut masses = vec![1.0];
    for weight in weights {
        let weight = *weight as usize;
        let mut next: Vec<f64> = masses.iter().map(|mass| mass / 2.0).collect();
        next.resize(masses.len() + weight, 0.0);
        for (place, mass) in next[weight..].iter_mut().zip(&masses) {
            *place += mass / 2.0;
        }
        masses = next;
    }
    masses
}
