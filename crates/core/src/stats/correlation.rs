//! Correlation in time: how much less a series says than as many independent values would.

/// The autocorrelation at a lag: of each value with the one `lag` later. Values in time order.
///
/// The usual estimate with n in both denominators, so that it never leaves [−1, 1]. `None` if there are not at least two
/// more values than the lag, if all are equal, or if one is not finite. Source: G. E. P. Box, G. M. Jenkins, G. C.
/// Reinsel and G. M. Ljung, "Time Series Analysis", 5th edition (2015), §2.1.5.
pub fn autocorrelation(values: &[f64], lag: usize) -> Option<f64> {
    let n = values.len();
    if n < lag.checked_add(2)? {
        return None;
    }
    let mean = values.iter().sum::<f64>() / n as f64;
    let variance: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let covariance: f64 = values.iter().zip(&values[lag..]).map(|(one, later)| (one - mean) * (later - mean)).sum();
    Some(covariance / variance).filter(|value| value.is_finite())
}

/// How many independent values would know the mean as well as these do, given their correlation in time; at most n and
/// at least 1. Values in time order.
///
/// n / (1 + 2·Σ autocorrelations), summed in pairs of lags as long as the pair is positive: of a reversible process the
/// pairs are positive and fall, what is negative is noise. Estimates from n values are too small by about (1 + 3ρ)/n each
/// where they matter; that is given back before they are summed. `None` where lag 1 has no autocorrelation. The time is
/// O(n) for each lag up to the first pair that is not positive; at most 1,000 lags, or a quarter of the values. Sources:
/// C. J. Geyer, "Practical Markov chain Monte Carlo", Stat. Sci. 7 (1992) 473–483, §3.3; M. G. Kendall, "Note on bias in
/// the estimation of autocorrelation", Biometrika 41 (1954) 403–404.
pub fn effective_n(values: &[f64]) -> Option<f64> {
    let n = values.len() as f64;
    let first = autocorrelation(values, 1)?;
    let most = (values.len() / 4).clamp(1, MOST_LAGS);
    let lag = |lag: usize| {
        let found = if lag == 1 { first } else { autocorrelation(values, lag).unwrap_or(0.0) };
        found + (1.0 + 3.0 * found.max(0.0)) / n
    };
    // The pair of lags 0 and 1.
    let mut previous = 1.0 + lag(1);
    let mut sum = previous;
    let mut next = 2;
    while next < most && previous > 0.0 {
        let pair = (lag(next) + lag(next + 1)).min(previous);
        // Two standard errors of a pair of autocorrelations of independent values: less is no correlation.
        if pair <= 2.0 * (2.0 / n).sqrt() {
            break;
        }
        sum += pair;
        previous = pair;
        next += 2;
    }
    Some((n / (2.0 * sum - 1.0)).clamp(1.0, n)).filter(|value| value.is_finite())
}

/// Correlation beyond this lag is not looked for.
const MOST_LAGS: usize = 1_000;
