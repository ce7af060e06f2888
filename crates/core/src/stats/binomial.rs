//! The binomial distribution, by summation where it has any mass.

/// The probabilities of the binomial distribution, from the first number of successes that has any to the last.
#[derive(Clone, Debug)]
pub(super) struct Masses {
    /// The number of successes of the first mass. Fewer have a probability below 10⁻¹⁸ altogether.
    pub first: u64,
    /// The masses of `first`, `first` + 1, …; they sum to 1.
    pub masses: Vec<f64>,
}

impl Masses {
    /// Of `n` trials with probability `p`, which must lie in (0, 1).
    ///
    /// From the mode outwards by pmf(k+1) = pmf(k) · (n−k)/(k+1) · p/(1−p) (Johnson, Kemp and Kotz, "Univariate Discrete
    /// Distributions", 3rd edition, 2005), then divided by their sum. So no factorial is needed, nothing underflows, and
    /// of a large n only the 10 standard deviations (and 30 steps) around the mean are visited: outside lies less than
    /// 10⁻¹⁸ by Bernstein's inequality.
    pub(super) fn new(n: u64, p: f64) -> Self {
        let (mean, deviation) = (n as f64 * p, (n as f64 * p * (1.0 - p)).sqrt());
        let reach = 30.0 + 10.0 * deviation;
        let first = (mean - reach).floor().max(0.0) as u64;
        let last = ((mean + reach).ceil() as u64).min(n);
        let mode = (mean.floor() as u64).clamp(first, last);
        let odds = p / (1.0 - p);
        let mut masses = vec![1.0; usize::try_from(last - first + 1).unwrap_or(0)];
        let at = |k: u64| usize::try_from(k - first).unwrap_or(usize::MAX);
        for k in mode..last {
            masses[at(k + 1)] = masses[at(k)] * ((n - k) as f64 / (k + 1) as f64 * odds);
        }
        for k in (first..mode).rev() {
            masses[at(k)] = masses[at(k + 1)] / ((n - k) as f64 / (k + 1) as f64 * odds);
        }
        let sum: f64 = masses.iter().sum();
        masses.iter_mut().for_each(|mass| *mass /= sum);
        Self { first, masses }
    }
}

/// The probability that at most `k` of `n` independent trials succeed, each with probability `p` in (0, 1).
///
/// `None` if `p` is not strictly between 0 and 1. A sum of the mass function, not an approximation; its absolute error is
/// below 10⁻¹⁰.
pub fn binomial_cdf(k: u64, n: u64, p: f64) -> Option<f64> {
    if !(p > 0.0 && p < 1.0) {
        return None;
    }
    if k >= n {
        return Some(1.0);
    }
    let masses = Masses::new(n, p);
    let Some(upto) = k.checked_sub(masses.first) else { return Some(0.0) };
    let sum: f64 = masses.masses.iter().take(usize::try_from(upto).ok()?.checked_add(1)?).sum();
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
            assert!((found - expected).abs() < 1e-9, "cdf({k}; {n}, {p}) = {found}, not {expected}");
        }
    }

    #[test]
    fn a_probability_outside_the_open_interval_is_refused() {
        assert_eq!(binomial_cdf(1, 2, 0.0), None);
        assert_eq!(binomial_cdf(1, 2, f64::NAN), None);
        assert_eq!(binomial_cdf(2, 2, 0.5), Some(1.0));
    }
}
