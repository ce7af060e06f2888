//! Warm-up: whether the first values of a series are of another kind than the rest.

use super::normal::normal_cdf;
use super::quantile::Sorted;
use super::rank::Ranks;
use super::series::inflation;

/// Batches of so many values, as in MSER-5; longer series have larger ones.
const BATCH: usize = 5;
/// There are at most so many batches.
const BATCHES: usize = 2_000;
/// At most so many values of either part enter the test, evenly spaced.
const LOOKED_AT: usize = 1_000;
/// Fewer values do not show a warm-up.
const LEAST: usize = 20;
/// A head that differs by chance this rarely is suspected.
const LEVEL: f64 = 0.005;

/// How many values at the beginning of a series (finite, in time order) look like a warm-up; 0 if none do, `None` for
/// fewer than 20 values.
///
/// MSER-5 finds the cut: the one of all in the first half after which the mean of the rest, in batches of five, has the
/// least standard error. It finds one in noise, too. So the head is suspected only if a rank-sum test between it and the
/// rest, with its variance multiplied by the inflation of the rest for correlation, has p < 0.005. A head of less than a
/// batch is suspected where all of it lies beyond all of the rest and chance does so as rarely. Nothing is dropped because of
/// it. Source: K. P. White, "An effective truncation heuristic for bias reduction in simulation output",
/// Simulation 69 (1997) 323–334.
pub fn warmup_suspected(values: &[f64]) -> Option<u64> {
    if values.len() < LEAST || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let size = BATCH.max(values.len().div_ceil(BATCHES));
    let batches: Vec<f64> = values.chunks_exact(size).map(|batch| batch.iter().sum::<f64>() / size as f64).collect();
    let cut = size * best_cut(&batches);
    let (head, rest) = values.split_at(cut);
    let found = if cut > 0 && differs(&thinned(head), &thinned(rest)) { cut } else { apart(values) };
    Some(found as u64)
}

/// How many of the first few values lie beyond all others, where chance does so too rarely: a batch hides them.
///
/// Of n values in any order the first k are the k largest with probability 1/C(n, k), and the k smallest as often. Values
/// that are correlated in time follow one another: the probability is multiplied by the inflation of the rest.
fn apart(values: &[f64]) -> usize {
    let n = values.len() as f64;
    let beyond = |count: usize| {
        let (head, rest) = values.split_at(count);
        let range = |part: &[f64]| part.iter().fold((f64::MAX, f64::MIN), |(low, high), x| (low.min(*x), high.max(*x)));
        let ((head_low, head_high), (rest_low, rest_high)) = (range(head), range(rest));
        head_low > rest_high || head_high < rest_low
    };
    let chance = |count: usize| (0..count).fold(2.0, |chance, done| chance * (done + 1) as f64 / (n - done as f64));
    let Some(count) = (1..BATCH).rev().find(|count| beyond(*count)) else { return 0 };
    let rest = thinned(&values[count..]);
    let widened = Sorted::new(rest.iter().copied()).map_or(f64::INFINITY, |sorted| inflation(&rest, &sorted, 0.5));
    // Each count is another test.
    if chance(count) * widened * (BATCH - 1) as f64 <= LEVEL { count } else { 0 }
}

/// How many batches to cut so that Σ(x − x̄)²/m² of the m that remain is least; of the first half only.
fn best_cut(batches: &[f64]) -> usize {
    // Deviations from one value of the series: squares of large values with a small spread would cancel.
    let origin = batches.last().copied().unwrap_or(0.0);
    let (mut sum, mut squares, mut count) = (0.0, 0.0, 0.0);
    let mut best = (f64::INFINITY, 0);
    for (index, value) in batches.iter().enumerate().rev() {
        sum += value - origin;
        squares += (value - origin).powi(2);
        count += 1.0;
        let error = (squares - sum * sum / count).max(0.0) / (count * count);
        // Of equally good cuts the earliest.
        if index <= batches.len() / 2 && error <= best.0 {
            best = (error, index);
        }
    }
    best.1
}

fn differs(head: &[f64], rest: &[f64]) -> bool {
    let Some(sorted) = Sorted::new(rest.iter().copied()) else { return false };
    let inflation = inflation(rest, &sorted, 0.5);
    let all: Vec<f64> = head.iter().chain(rest).copied().collect();
    let ranks = Ranks::of(&all);
    let (m, n) = (head.len() as f64, rest.len() as f64);
    let statistic = ranks.doubled[..head.len()].iter().sum::<u64>() as f64 / 2.0 - m * (m + 1.0) / 2.0;
    let count = m + n;
    let variance = m * n / 12.0 * (count + 1.0 - ranks.tie_term() / (count * (count - 1.0))) * inflation;
    let distance = ((statistic - m * n / 2.0).abs() - 0.5).max(0.0);
    variance > 0.0 && 2.0 * normal_cdf(-distance / variance.sqrt()) < LEVEL
}

fn thinned(values: &[f64]) -> Vec<f64> {
    values.iter().step_by(values.len().div_ceil(LOOKED_AT).max(1)).copied().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::stats::normal_quantile;

    fn series(seed: u64, phi: f64, n: usize) -> Vec<f64> {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut value = 0.0;
        let mut next = || {
            value = phi * value + normal_quantile(random.f64().max(1e-300));
            value
        };
        // The process has forgotten its start after 50 steps.
        (0..n + 50).map(|_| 1_000.0 + next()).skip(50).collect()
    }

    #[test]
    fn a_slow_beginning_is_seen() {
        for n in [60, 1_000, 100_000] {
            let mut values = series(1, 0.0, n);
            let head = n / 6;
            values[..head].iter_mut().for_each(|value| *value += 6.0);
            let found = warmup_suspected(&values).unwrap() as usize;
            assert!(found.abs_diff(head) <= head / 10 + 5, "{found} of {head}");
        }
        assert_eq!(warmup_suspected(&series(1, 0.0, 19)), None);
        assert_eq!(warmup_suspected(&[5.0; 40]), Some(0));
    }

    #[test]
    fn a_few_cold_values_are_seen_where_chance_does_not_make_them() {
        let with_head = |n: usize, head: usize, step: f64| {
            let mut values = series(2, 0.0, n);
            values[..head].iter_mut().for_each(|value| *value += step);
            warmup_suspected(&values)
        };
        assert_eq!(with_head(100, 2, 20.0), Some(2));
        assert_eq!(with_head(100, 3, -20.0), Some(3));
        // One of a hundred is the largest of all once in a hundred times.
        assert_eq!(with_head(100, 1, 20.0), Some(0));
        assert_eq!(with_head(2_000, 1, 20.0), Some(1));
    }

    #[test]
    fn noise_has_no_beginning() {
        for (phi, most) in [(0.0, 0.02), (0.7, 0.04)] {
            let alarms = (0..400).filter(|seed| warmup_suspected(&series(*seed, phi, 60)) != Some(0)).count();
            assert!(alarms as f64 <= most * 400.0, "φ = {phi}: {alarms} of 400");
        }
    }
}
