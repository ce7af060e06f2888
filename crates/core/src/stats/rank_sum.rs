//! Two independent samples by ranks: the Hodges–Lehmann shift with its interval, and the test of Mann and Whitney.
//!
//! Sources: H. B. Mann and D. R. Whitney, "On a test of whether one of two random variables is stochastically larger
//! than the other", Ann. Math. Stat. 18 (1947) 50–60; J. L. Hodges and E. L. Lehmann, Ann. Math. Stat. 34 (1963) 598–611;
//! M. Hollander, D. A. Wolfe and E. Chicken, "Nonparametric Statistical Methods", 3rd edition (2014), §4.1–4.3.

use super::estimate::Estimate;
use super::normal::{normal_cdf, normal_quantile};
use super::pairs::PairSums;
use super::quantile::Sorted;
use super::rank::RankSums;
use super::series::LEAST_FOR_INTERVAL;

/// Up to so many values on either side the distribution of the statistic is exact: its counts fit 128 bits.
const EXACT: usize = 50;

/// The Hodges–Lehmann shift from baseline to candidate: the median of all differences candidate − baseline, and the
/// interval between the two of them that the Mann–Whitney test at `confidence` does not reject.
///
/// It assumes two distributions of one shape, and independent values. Where those are correlated in time, `inflation`
/// (1 or more: the variance of the statistic over that of independent values, about n / n_effective) widens the interval
/// to the normal approximation with that variance, if that is wider, and for 15 values a side or more to the whole range of
/// differences at most; [`super::inflation`] measures it. The confidence of the result is the one that is
/// reached, exactly up to 50 values a side and without inflation; else the nominal one. `None` if the sizes cannot carry
/// the interval, if a value is not finite, for a confidence outside (0, 1), or an inflation under 1.
pub fn rank_sum_shift(baseline: &[f64], candidate: &[f64], confidence: f64, inflation: f64) -> Option<Estimate> {
    let [baseline, candidate] = [baseline, candidate].map(|side| Sorted::new(side.iter().copied()));
    rank_sum_shift_of_sorted(&baseline?, &candidate?, confidence, inflation)
}

/// As [`rank_sum_shift`], of values that are sorted already.
pub fn rank_sum_shift_of_sorted(
    baseline: &Sorted,
    candidate: &Sorted,
    confidence: f64,
    inflation: f64,
) -> Option<Estimate> {
    let sensible = confidence > 0.0 && confidence < 1.0 && inflation >= 1.0 && inflation.is_finite();
    if !sensible {
        return None;
    }
    let (baseline, candidate) = (baseline.as_slice(), candidate.as_slice());
    let (rank, reached) = critical_rank(baseline.len(), candidate.len(), confidence, inflation)?;
    let negated: Vec<f64> = baseline.iter().rev().map(|value| -value).collect();
    let mut differences = PairSums::between(&negated, candidate);
    let estimate = Estimate {
        value: differences.median()?,
        low: differences.select(rank)?,
        high: differences.select(differences.len() + 1 - rank)?,
        confidence: reached,
    };
    let finite = [estimate.value, estimate.low, estimate.high].iter().all(|value| value.is_finite());
    finite.then_some(estimate)
}

fn critical_rank(m: usize, n: usize, confidence: f64, inflation: f64) -> Option<(u64, f64)> {
    let tail = (1.0 - confidence) / 2.0;
    let exact = (m.max(n) <= EXACT).then(|| {
        let mut upto = 0.0;
        let mut found = (0, confidence);
        for (rank, mass) in (1_u64..).zip(statistic_masses(m, n)) {
            upto += mass;
            if upto > tail {
                break;
            }
            found = (rank, 1.0 - 2.0 * upto);
        }
        found
    });
    if let Some(found) = exact.filter(|_| inflation == 1.0) {
        return Some(found).filter(|(rank, _)| *rank >= 1);
    }
    let (m, n) = (m as f64, n as f64);
    let deviation = (inflation * m * n * (m + n + 1.0) / 12.0).sqrt();
    let approximate = (m * n / 2.0 + 0.5 + normal_quantile(tail) * deviation).floor().max(0.0) as u64;
    // Of enough values the whole range is an honest answer; refusing it would leave only the intervals of those samples
    // whose correlation came out too low by chance.
    let least = u64::from(m.min(n) >= LEAST_FOR_INTERVAL as f64);
    let rank = exact.map_or(approximate, |(rank, _)| rank.min(approximate.max(least)));
    (rank >= 1).then_some((rank, confidence))
}

/// The two-sided p-value of the Mann–Whitney test of "neither side tends to larger values".
///
/// Exact without equal values and up to 50 a side; else normal with the corrections for ties and continuity. 1 if all
/// values are equal; `None` if a side is empty or a value is not finite.
pub fn mann_whitney_p(baseline: &[f64], candidate: &[f64]) -> Option<f64> {
    let [baseline, candidate] = [baseline, candidate].map(|side| Sorted::new(side.iter().copied()));
    mann_whitney_p_of_sorted(&baseline?, &candidate?)
}

/// As [`mann_whitney_p`], of values that are sorted already.
pub fn mann_whitney_p_of_sorted(baseline: &Sorted, candidate: &Sorted) -> Option<f64> {
    let (baseline, candidate) = (baseline.as_slice(), candidate.as_slice());
    let (m, n) = (baseline.len(), candidate.len());
    if m == 0 || n == 0 {
        return None;
    }
    let ranks = RankSums::of(baseline, candidate);
    // U doubled: the pairs in which the baseline is larger count 2, equal ones 1.
    let doubled = ranks.first - (m as u64) * (m as u64 + 1);
    let smaller = doubled.min(2 * (m as u64) * (n as u64) - doubled);
    if !ranks.tied && m.max(n) <= EXACT {
        let tail: f64 = statistic_masses(m, n).take(usize::try_from(smaller / 2).ok()? + 1).sum();
        return Some((2.0 * tail).min(1.0));
    }
    let (m, n) = (m as f64, n as f64);
    let all = m + n;
    let variance = m * n / 12.0 * (all + 1.0 - ranks.tie_term / (all * (all - 1.0)));
    if variance <= 0.0 {
        return Some(1.0);
    }
    let distance = (m * n / 2.0 - smaller as f64 / 2.0 - 0.5).max(0.0);
    Some((2.0 * normal_cdf(-distance / variance.sqrt())).min(1.0))
}

/// The probabilities of U = 0, 1, 2, … for samples of m and n without equal values, up to [`EXACT`] each.
///
/// Their counts are the coefficients of the Gaussian binomial, the product of (1 − q^(n+i))/(1 − qⁱ) over i = 1…m: whole
/// numbers, of which the largest are below C(100, 50) ≈ 10²⁹. Source: G. E. Andrews, "The Theory of Partitions" (1976),
/// §3.2.
fn statistic_masses(m: usize, n: usize) -> impl Iterator<Item = f64> {
    let mut counts = vec![0_i128; m * n + 1];
    counts[0] = 1;
    for i in 1..=m {
        for u in (n + i..counts.len()).rev() {
            counts[u] -= counts[u - n - i];
        }
        for u in i..counts.len() {
            counts[u] += counts[u - i];
        }
    }
    let all: i128 = counts.iter().sum();
    counts.into_iter().map(move |count| count as f64 / all as f64)
}
