//! How much one level is above another, with an interval that assumes no distribution.
//!
//! The ratios of all pairs (a value after, a value before) are sorted; the interval runs from the c-th smallest to the
//! c-th largest of them, where c comes from the null distribution of the Mann–Whitney statistic (M. Hollander, D. A.
//! Wolfe and E. Chicken, "Nonparametric Statistical Methods", 3rd edition (2014), §4.3, on logarithms).

/// The confidence of the interval.
const CONFIDENCE: f64 = 0.95;
/// Up to this many pairs the null distribution is computed exactly; beyond, by its normal approximation.
const EXACT_PAIRS: usize = 2_500;
/// Of longer stretches only the values next to the change are taken, so that the pairs stay few.
const MOST: usize = 500;

/// An interval of at least 95 % for the ratio of the values after to those before. `None` if a value is not above 0, or
/// if they are too few to carry one (4 and 4 do, 3 and 5 do, 3 and 4 do not).
pub fn ratio_interval(before: &[f64], after: &[f64]) -> Option<[f64; 2]> {
    let before = &before[before.len().saturating_sub(MOST)..];
    let after = &after[..after.len().min(MOST)];
    if before.iter().chain(after).any(|value| !(value.is_finite() && *value > 0.0)) {
        return None;
    }
    let rank = critical_rank(before.len(), after.len())?;
    let mut ratios: Vec<f64> = after.iter().flat_map(|new| before.iter().map(move |old| new / old)).collect();
    ratios.sort_by(f64::total_cmp);
    Some([*ratios.get(rank)?, *ratios.get(ratios.len().checked_sub(rank + 1)?)?])
}

/// The largest c, from 0, for which P(U ≤ c − 1) is at most 2.5 %: so many ratios may be left out on either side.
/// `None` if not even the smallest and the largest of them hold 95 %.
fn critical_rank(m: usize, n: usize) -> Option<usize> {
    let tail = (1.0 - CONFIDENCE) / 2.0;
    if m == 0 || n == 0 {
        return None;
    }
    if m * n > EXACT_PAIRS {
        // Hollander, Wolfe and Chicken, equation 4.33, rounded to the safe side.
        let (m, n) = (m as f64, n as f64);
        let rank = m * n / 2.0 - 1.959_963_984_540_054 * (m * n * (m + n + 1.0) / 12.0).sqrt();
        return Some((rank.floor() as usize).saturating_sub(1));
    }
    let mut below = 0.0;
    let mut rank = None;
    for (c, mass) in null_masses(m, n).into_iter().enumerate() {
        below += mass;
        // `below` is P(U ≤ c): the interval from the ratio with index c on misses with that probability on this side.
        if below > tail {
            break;
        }
        rank = Some(c);
    }
    rank
}

/// P(U = u) for u from 0 to mn, by the recurrence of Mann and Whitney (1947): N(u; m, n) = N(u − n; m − 1, n) + N(u; m, n
/// − 1), here as the coefficients of a Gaussian binomial, built factor by factor in probabilities.
fn null_masses(m: usize, n: usize) -> Vec<f64> {
    let mut masses = vec![0.0; m * n + 1];
    masses[0] = 1.0;
    for factor in 1..=m {
        // Multiply by (1 − q^(n + factor)) and divide by (1 − q^factor).
        let up = n + factor;
        for u in (up..masses.len()).rev() {
            masses[u] -= masses[u - up];
        }
        for u in factor..masses.len() {
            masses[u] += masses[u - factor];
        }
        // Scaled so that they stay probabilities and never overflow.
        let scale = factor as f64 / up as f64;
        masses.iter_mut().for_each(|mass| *mass *= scale);
    }
    masses
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_null_distribution_is_the_published_one() {
        // Mann and Whitney 1947, table I, and scipy 1.17.1: `mannwhitneyu(..., method="exact")`. P(U <= u) for m, n.
        for (m, n, u, expected) in [
            (3, 3, 0, 0.05),
            (4, 4, 0, 1.0 / 70.0),
            (5, 5, 2, 4.0 / 252.0),
            (6, 8, 8, 0.021_312_021_312_021_312),
            (3, 5, 0, 1.0 / 56.0),
        ] {
            let found: f64 = null_masses(m, n)[..=u].iter().sum();
            assert!((found - expected).abs() < 1e-12, "{m} {n} {u}: {found}");
        }
        let all: f64 = null_masses(50, 50).iter().sum();
        assert!((all - 1.0).abs() < 1e-9, "{all}");
    }

    #[test]
    fn few_values_carry_no_interval() {
        assert_eq!(ratio_interval(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0]), None);
        assert_eq!(ratio_interval(&[1.0, 2.0, 3.0], &[1.0, 2.0, 3.0, 4.0]), None);
        assert_eq!(ratio_interval(&[1.0, 1.0, 2.0], &[4.0; 5]), Some([2.0, 4.0]));
        assert_eq!(ratio_interval(&[1.0; 4], &[1.5; 4]), Some([1.5, 1.5]));
        assert_eq!(ratio_interval(&[1.0, 0.0, 2.0, 3.0], &[4.0; 5]), None);
        assert_eq!(ratio_interval(&[], &[4.0; 5]), None);
        // Critical values of Hollander, Wolfe and Chicken: with 6 and 8 the 9th smallest and largest are the ends.
        assert_eq!(critical_rank(6, 8), Some(8));
        let (exact, approximate) = (critical_rank(50, 50), critical_rank(51, 50));
        assert!(
            exact.zip(approximate).is_some_and(|(exact, other)| exact.abs_diff(other) < 30),
            "{exact:?} {approximate:?}"
        );
    }

    #[test]
    fn the_interval_covers_as_often_as_it_says() {
        let mut random = fastrand::Rng::with_seed(3);
        let trials = 4_000;
        let covered = (0..trials)
            .filter(|_| {
                let mut draw = |scale: f64| scale * (1.0 + random.f64());
                let before: Vec<f64> = (0..6).map(|_| draw(1.0)).collect();
                let after: Vec<f64> = (0..7).map(|_| draw(1.2)).collect();
                ratio_interval(&before, &after).is_some_and(|[low, high]| low <= 1.2 && 1.2 <= high)
            })
            .count();
        let rate = covered as f64 / f64::from(trials);
        assert!(rate > 0.945, "covered {rate}");
    }
}
