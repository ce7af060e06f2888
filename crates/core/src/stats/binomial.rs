//! The binomial distribution, exactly (by summation in log space).

/// The probability mass function of the binomial distribution over 0..=n, one value after the other.
///
/// Source: pmf(0) = (1−p)ⁿ and pmf(k+1) = pmf(k) · (n−k)/(k+1) · p/(1−p) (Johnson, Kemp and Kotz, "Univariate Discrete
/// Distributions", 3rd edition, 2005). Logarithms keep (1−p)ⁿ from underflowing at large n.
pub(super) fn masses(n: u64, p: f64) -> impl Iterator<Item = f64> {
    let log_odds = (p / (1.0 - p)).ln();
    let mut log_mass = n as f64 * (-p).ln_1p();
    (0..=n).map(move |k| {
        let mass = log_mass.exp();
        // At k = n the step would be ln 0; the iterator ends there and the value is never used.
        log_mass += ((n - k) as f64 / (k + 1) as f64).ln() + log_odds;
        mass
    })
}

/// The probability that at most `k` of `n` independent trials succeed, each with probability `p` in (0, 1).
///
/// `None` if `p` is not strictly between 0 and 1. A sum of the mass function, not an approximation.
pub fn binomial_cdf(k: u64, n: u64, p: f64) -> Option<f64> {
    if !(p > 0.0 && p < 1.0) {
        return None;
    }
    if k >= n {
        return Some(1.0);
    }
    let sum: f64 = masses(n, p).take(usize::try_from(k).ok()?.checked_add(1)?).sum();
    Some(sum.min(1.0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_agrees_with_scipy() {
        // Reference: scipy 1.17.1, `scipy.stats.binom.cdf(k, n, p)`.
        let cases = [
            (3, 10, 0.5, 0.171875),
            (0, 5, 0.1, 0.59049),
            (27, 30, 0.9, 0.588_648_760_440_494_4),
            (480, 1_000, 0.5, 0.108_724_146_602_070_75),
            (988, 1_000, 0.99, 0.302_649_913_856_896),
            (49_900, 100_000, 0.5, 0.264_578_647_010_040_9),
        ];
        for (k, n, p, expected) in cases {
            let found = binomial_cdf(k, n, p).unwrap();
            assert!((found - expected).abs() < 1e-8, "cdf({k}; {n}, {p}) = {found}, not {expected}");
        }
    }

    #[test]
    fn a_probability_outside_the_open_interval_is_refused() {
        assert_eq!(binomial_cdf(1, 2, 0.0), None);
        assert_eq!(binomial_cdf(1, 2, f64::NAN), None);
        assert_eq!(binomial_cdf(2, 2, 0.5), Some(1.0));
    }
}
