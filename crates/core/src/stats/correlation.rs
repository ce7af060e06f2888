//! Correlation in time: how much less a series says than as many independent values would.

/// Correlation beyond this lag is not looked for.
const MOST_LAGS: usize = 500;
/// From this length on, batch means take the place of autocorrelations lag by lag.
const LONG: usize = 50_000;

/// The autocorrelation at a lag: of each value with the one `lag` later. Values in time order.
///
/// The usual estimate with n in both denominators, so that it never leaves [−1, 1]. `None` if there are not at least two
/// more values than the lag, if all are equal, or if one is not finite. Source: G. E. P. Box, G. M. Jenkins, G. C.
/// Reinsel and G. M. Ljung, "Time Series Analysis", 5th edition (2015), §2.1.5.
pub fn autocorrelation(values: &[f64], lag: usize) -> Option<f64> {
    if values.len() < lag.checked_add(2)? {
        return None;
    }
    let mean = super::mean(values)?;
    let square: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    Some(at_lag(values, mean, square, lag)).filter(|value| value.is_finite())
}

fn at_lag(values: &[f64], mean: f64, square: f64, lag: usize) -> f64 {
    let product = |(one, later): (&f64, &f64)| (one - mean) * (later - mean);
    values.iter().zip(&values[lag..]).map(product).sum::<f64>() / square
}

/// How many independent values would know the mean as well as these do, given their correlation in time; at most n and
/// at least 1. Values in time order.
///
/// n / (1 + 2·Σ autocorrelations), summed in pairs of lags as long as the pair exceeds its own noise: of a reversible
/// process the pairs are positive and fall. Estimates from n values are too small by about (1 + 3ρ)/n each where they
/// matter; that is given back before they are summed. Beyond 50,000 values, from the variance of the means of batches of
/// 2√n, which is O(n) however far the correlation reaches. `None` where lag 1 has no autocorrelation. Sources: C. J.
/// Geyer, "Practical Markov chain Monte Carlo", Stat. Sci. 7 (1992) 473–483, §3.3; M. G. Kendall, "Note on bias in the
/// estimation of autocorrelation", Biometrika 41 (1954) 403–404; J. M. Flegal and G. L. Jones, "Batch means and spectral
/// variance estimators in Markov chain Monte Carlo", Ann. Stat. 38 (2010) 1034–1070.
pub fn effective_n(values: &[f64]) -> Option<f64> {
    let first = autocorrelation(values, 1)?;
    let mean = super::mean(values)?;
    let square: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let n = values.len() as f64;
    let inflation = if values.len() > LONG {
        of_batches(values, mean, square / n)
    } else {
        of_lags(n, (values.len() / 4).clamp(1, MOST_LAGS), |lag| {
            if lag == 1 { first } else { at_lag(values, mean, square, lag) }
        })
    };
    Some((n / inflation).clamp(1.0, n)).filter(|value| value.is_finite())
}

/// 1 + 2·Σρ(k) from autocorrelations by lag, in pairs.
pub(super) fn of_lags(n: f64, most: usize, autocorrelation: impl Fn(usize) -> f64) -> f64 {
    let corrected = |lag: usize| {
        let found = autocorrelation(lag);
        found + (1.0 + 3.0 * found.max(0.0)) / n
    };
    // The pair of lags 0 and 1, then 2 and 3, and so on: none may exceed the one before.
    let mut previous = 1.0 + corrected(1);
    let mut sum = previous;
    for lag in (2..most).step_by(2) {
        let pair = (corrected(lag) + corrected(lag + 1)).min(previous);
        if pair <= (2.0 / n).sqrt() {
            break;
        }
        sum += pair;
        previous = pair;
    }
    2.0 * sum - 1.0
}

/// The variance of the sums of batches of 2√n values over that of independent values.
fn of_batches(values: &[f64], mean: f64, variance: f64) -> f64 {
    let size = (2.0 * (values.len() as f64).sqrt()) as usize;
    let sums = values.chunks_exact(size).map(|batch| batch.iter().map(|value| value - mean).sum::<f64>());
    let (count, squares) = sums.fold((0.0, 0.0), |(count, squares), sum| (count + 1.0, squares + sum * sum));
    squares / (count * size as f64 * variance)
}
