//! Intervals for the quantiles of one series in time order, honest under correlation.
//!
//! An interval from order statistics counts values below the true quantile. Of independent values that count is binomial;
//! of correlated ones it varies more, by the *inflation* 1 + 2·Σρ(k), where ρ is the autocorrelation of "this value is
//! below". The interval here takes ranks as many times further out as the root of the inflation says. Everything is
//! computed from ranks, so it is the same for every distribution of the values. `docs/statistics.md` has its coverage
//! and its width on series of known correlation; `cargo xtask coverage` makes that table.

use super::correlation::of_lags;
use super::interval::{QuantileInterval, quantile_interval_at};
use super::normal::normal_quantile;
use super::quantile::Sorted;
use super::rank::Ranks;
use std::f64::consts::{FRAC_2_PI, PI};

/// The least number of values whose interval is printed: fewer do not show well enough whether they are correlated. With
/// an autocorrelation of 0.7 the interval here holds the median in 92.6 % at 14 values and in 93.2 % at 15 (simulated,
/// 40,000 series each).
pub const LEAST_FOR_INTERVAL: usize = 15;
/// From this length on, batch means take the place of autocorrelations lag by lag.
const LONG: usize = 50_000;
/// Correlation beyond this lag is not looked for in shorter series.
const MOST_LAGS: usize = 500;
/// By how many of its standard errors a measure of correlation is raised, so that one that came out too low by chance
/// does not make the interval too short.
const CAUTION: f64 = 0.6;
/// A first autocorrelation of the ranks beyond so many of its standard errors is taken for more than chance by
/// [`apparent_inflation`]: seldom enough that independent values lose little, often enough that intervals of values with
/// an autocorrelation of 0.3, of which 30 hardly show it, still hold (simulated; `docs/statistics.md`).
const APPARENT: f64 = 0.5;
/// The same for fewer than [`LEAST_FOR_INTERVAL`] values, whose correlation is mostly chance: 1 of 100 by chance.
const APPARENT_OF_FEW: f64 = 2.326;
/// Autocorrelations above this are taken as this: beyond, a series has no location to speak of.
const MOST_CORRELATED: f64 = 0.99;

/// The interval of at least `confidence` for the `q`-quantile of a series; `sorted` are the same values, sorted.
///
/// Of independent values it is that of [`quantile_interval_at`], widened by what their apparent correlation happens to be.
/// Where the widened ranks leave the sample, the interval of the median is the whole range; other quantiles have none.
/// The ranks may be those of an interval of the distribution, so `coverage` is the nominal confidence at least. `None`
/// also for fewer than [`LEAST_FOR_INTERVAL`] values, or if `sorted` has another length.
pub fn series_interval(values: &[f64], sorted: &Sorted, q: f64, confidence: f64) -> Option<QuantileInterval> {
    let [interval] = series_intervals(values, sorted, [q], confidence);
    interval
}

/// As [`series_interval`] for several quantiles of one series, with what they share computed once.
pub fn series_intervals<const N: usize>(
    values: &[f64],
    sorted: &Sorted,
    quantiles: [f64; N],
    confidence: f64,
) -> [Option<QuantileInterval>; N] {
    let n = values.len();
    if n < LEAST_FOR_INTERVAL || n != sorted.as_slice().len() {
        return [None; N];
    }
    let mut known: Option<f64> = None;
    quantiles.map(|q| {
        let independent = quantile_interval_at(sorted, q, confidence)?;
        // That of a long series depends on the quantile.
        let inflation = match known.filter(|_| n <= LONG) {
            Some(inflation) => inflation,
            None => *known.insert(inflation(values, sorted, q)),
        };
        widened(sorted, q, confidence, inflation, &independent)
    })
}

/// How much more the count of values below the `q`-quantile varies than of independent values: at least 1.
///
/// Up to 50,000 values the greater of two estimates from the ranks in time order. First, of a Gaussian AR(1) process with
/// the autocorrelation φ that fits lag 1, corrected for its bias (by (1 + 3φ)/n, Kendall 1954) and raised by 0.6 standard
/// errors: the indicator of "below the median" then has (2/π)·arcsin φᵏ, and those of other quantiles less. Second, the sum
/// of all lags in pairs while the pairs are positive and exceed their own noise (Geyer 1992), which sees slow components
/// that lag 1 does not. Longer series: batch means of the indicator itself, with batches of 2√n, raised likewise.
/// Sources: M. G. Kendall, Biometrika 41 (1954) 403–404; C. J. Geyer, Stat. Sci. 7 (1992) 473–483, §3.3; H. Cramér and M. R.
/// Leadbetter, "Stationary and Related Stochastic Processes" (1967), §10.8 (arcsine law); J. M. Flegal and G. L. Jones,
/// Ann. Stat. 38 (2010) 1034–1070 (batch means).
pub fn inflation(values: &[f64], sorted: &Sorted, q: f64) -> f64 {
    let n = values.len();
    if n < 4 {
        return 1.0;
    }
    if n > LONG {
        return sorted.quantile(q).map_or(1.0, |quantile| of_batches(values, quantile));
    }
    of_ranks(&centred_ranks(values))
}

/// [`inflation`] where the series looks correlated at all, else 1: for statistics that need none where the order of the
/// samples was random, or that are exact for independent values.
///
/// A series looks correlated if its ranks have a first autocorrelation of more than half a standard error (with fewer
/// than 15 values: 2.33 standard errors), and always beyond 50,000 values, where the measure has no noise to speak of.
pub fn apparent_inflation(values: &[f64], sorted: &Sorted, q: f64) -> f64 {
    let n = values.len();
    if n > LONG {
        return inflation(values, sorted, q);
    }
    let ranks = centred_ranks(values);
    let square: f64 = ranks.iter().map(|rank| rank * rank).sum();
    let first = ranks.iter().zip(ranks.iter().skip(1)).map(|(a, b)| a * b).sum::<f64>() / square;
    let apparent = if n < LEAST_FOR_INTERVAL { APPARENT_OF_FEW } else { APPARENT };
    // NaN, of values that are all equal, is not more.
    if n >= 4 && first > apparent / (n as f64).sqrt() { of_ranks(&ranks) } else { 1.0 }
}

/// Ranks in time order, doubled, minus their mean.
fn centred_ranks(values: &[f64]) -> Vec<f64> {
    let middle = (values.len() + 1) as f64;
    Ranks::of(values).doubled.iter().map(|rank| *rank as f64 - middle).collect()
}

/// From ranks in time order, minus their mean.
fn of_ranks(ranks: &[f64]) -> f64 {
    let n = ranks.len() as f64;
    let square: f64 = ranks.iter().map(|rank| rank * rank).sum();
    if square == 0.0 {
        return 1.0;
    }
    let lag = |lag: usize| -> f64 { ranks.iter().zip(&ranks[lag..]).map(|(a, b)| a * b).sum::<f64>() / square };
    let first = lag(1);
    // Rank correlation to the correlation of the normal values behind it: K. Pearson 1907.
    let fitted = (n * 2.0 * (PI * first / 6.0).sin() + 1.0) / (n - 3.0).max(1.0);
    let error = ((1.0 - fitted * fitted).max(0.05) / n).sqrt();
    let modelled = of_indicator((fitted + CAUTION * error).clamp(0.0, MOST_CORRELATED));
    // A pair of lags needs one value more than its later lag.
    let most = (ranks.len() / 4).clamp(3, MOST_LAGS).min(ranks.len() - 1);
    modelled.max(of_lags(n, most, |at| if at == 1 { first } else { lag(at) })).clamp(1.0, n)
}

/// 1 + 2·Σ (2/π) arcsin φᵏ: the inflation of the indicator "below the median" of a Gaussian AR(1) process.
fn of_indicator(phi: f64) -> f64 {
    let mut power = phi;
    let mut sum = 0.0;
    while power > 1e-6 {
        sum += FRAC_2_PI * power.asin();
        power *= phi;
    }
    1.0 + 2.0 * sum
}

/// From the means of the indicator "at or below the quantile" over batches of 2√n values.
fn of_batches(values: &[f64], quantile: f64) -> f64 {
    let size = (2.0 * (values.len() as f64).sqrt()) as usize;
    let counts: Vec<f64> = values
        .chunks_exact(size)
        .map(|batch| batch.iter().map(|value| u64::from(*value <= quantile)).sum::<u64>() as f64)
        .collect();
    let batches = counts.len() as f64;
    let share = counts.iter().sum::<f64>() / (batches * size as f64);
    let expected = size as f64 * share * (1.0 - share);
    if expected == 0.0 {
        return 1.0;
    }
    let mean = share * size as f64;
    let variance = counts.iter().map(|count| (count - mean).powi(2)).sum::<f64>() / (batches - 1.0);
    (variance / expected * (1.0 + CAUTION * (2.0 / batches).sqrt())).max(1.0)
}

fn widened(
    sorted: &Sorted,
    q: f64,
    confidence: f64,
    inflation: f64,
    independent: &QuantileInterval,
) -> Option<QuantileInterval> {
    if inflation <= 1.0 {
        return Some(*independent);
    }
    let values = sorted.as_slice();
    let n = values.len() as f64;
    let reach = normal_quantile(f64::midpoint(1.0, confidence)) * (n * q * (1.0 - q) * inflation).sqrt();
    let (low, high) = ((n * q + 0.5 - reach).floor(), (n * q + 0.5 + reach).ceil());
    let inside = low >= 1.0 && high <= n;
    if !inside && q != 0.5 {
        return None;
    }
    let lower_rank = (low.max(1.0) as u64).min(independent.lower_rank);
    let upper_rank = (high.min(n) as u64).max(independent.upper_rank);
    let at = |rank: u64| usize::try_from(rank - 1).ok().and_then(|index| values.get(index).copied());
    Some(QuantileInterval { low: at(lower_rank)?, high: at(upper_rank)?, lower_rank, upper_rank, coverage: confidence })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn series(random: &mut fastrand::Rng, phi: f64, n: usize) -> Vec<f64> {
        let mut value = 0.0;
        let mut next = || {
            value = phi * value + normal_quantile(random.f64().max(f64::MIN_POSITIVE));
            value
        };
        (0..n + 50).map(|_| next()).skip(50).collect()
    }

    fn interval(values: &[f64], q: f64) -> Option<QuantileInterval> {
        series_interval(values, &Sorted::new(values.iter().copied()).unwrap(), q, 0.95)
    }

    fn measured(values: &[f64], q: f64) -> f64 {
        inflation(values, &Sorted::new(values.iter().copied()).unwrap(), q)
    }

    #[test]
    fn the_arcsine_law_gives_the_inflation_of_a_known_process() {
        // Reference: numpy 2.4.6, 1 + 2·Σ (2/π) arcsin 0.7ᵏ.
        assert!((of_indicator(0.7) - ARCSINE).abs() < 1e-5, "{}", of_indicator(0.7));
        assert_eq!(of_indicator(0.0), 1.0);
    }
    const ARCSINE: f64 = 4.1086332782279795;

    #[test]
    fn correlation_is_measured_in_short_and_in_long_series() {
        let mut random = fastrand::Rng::with_seed(21);
        for n in [2_000, 20_000, 100_000] {
            let independent = measured(&series(&mut random, 0.0, n), 0.5);
            assert!((1.0..1.3).contains(&independent), "n = {n}: {independent}");
            let correlated = measured(&series(&mut random, 0.7, n), 0.5);
            assert!((3.4..6.5).contains(&correlated), "n = {n}: {correlated}");
        }
        assert_eq!(measured(&[1.0; 100], 0.5), 1.0);
        assert_eq!(measured(&[1.0; 100_000], 0.5), 1.0);
    }

    #[test]
    fn a_series_that_only_rises_has_the_widest_interval() {
        let values: Vec<f64> = (0..40).map(f64::from).collect();
        let found = interval(&values, 0.5).unwrap();
        assert_eq!((found.lower_rank, found.upper_rank), (1, 40));
        assert_eq!(interval(&values, 0.9), None);
        assert_eq!(interval(&values[..14], 0.5), None);
    }

    #[test]
    fn only_ranks_matter() {
        let values = series(&mut fastrand::Rng::with_seed(6), 0.5, 80);
        let stretched: Vec<f64> = values.iter().map(|value| value.exp()).collect();
        let ranks = |values: &[f64]| interval(values, 0.5).map(|found| (found.lower_rank, found.upper_rank));
        assert_eq!(ranks(&values), ranks(&stretched));
    }

    #[test]
    fn correlated_series_are_covered() {
        // 500 series each: 95 % have a standard error of 1 %. `cargo xtask coverage` looks closer.
        let mut random = fastrand::Rng::with_seed(77);
        for n in [20, 60, 300] {
            let covered = (0..500).filter(|_| {
                let found = interval(&series(&mut random, 0.7, n), 0.5).unwrap();
                found.low <= 0.0 && 0.0 <= found.high
            });
            let share = covered.count() as f64 / 500.0;
            assert!(share > 0.91, "n = {n}: {share}");
        }
    }
}
