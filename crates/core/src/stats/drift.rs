//! Drift: whether a series rises or falls over its whole length, by how much, and how sure that is.

use super::correlation::autocorrelation;
use super::normal::{normal_cdf, normal_quantile};
use super::quantile::{from_key, key};
use serde::{Deserialize, Serialize};

/// Longer series are put together into so many points first.
const POINTS: usize = 400;
/// A point is the median of at most so many values, evenly spaced in its stretch of the series.
const LOOKED_AT: usize = 101;
/// Fewer values show no drift that could be told from chance.
const LEAST: usize = 10;

/// What a series does over its length.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Drift {
    /// The change from the first value to the last along a straight line, in the unit of the values.
    pub change: f64,
    /// The lower end of its interval of 95 %.
    pub low: f64,
    /// The upper end of its interval of 95 %.
    pub high: f64,
    /// The two-sided p-value of "there is no drift".
    pub p_value: f64,
}

/// Whether a series (finite values in time order) drifts.
///
/// The slope is that of Theil and Sen, the median of the slopes between all pairs of points, with Sen's interval; the test
/// is Mann and Kendall's. Both know correlated noise: their variance is multiplied by (1 + φ)/(1 − φ), where φ is the
/// autocorrelation of what remains without the slope, corrected for its bias of (2 + 4φ)/n and raised by one standard
/// error. Series beyond 400 values are cut into 400 stretches, each of which is the median of up to 101 evenly spaced values
/// of it: O(n) at most. `None` for fewer than 10 values, or all equal. Sources: P. K. Sen, J. Am. Stat. Assoc. 63 (1968)
/// 1379–1389; H. B. Mann, Econometrica 13 (1945) 245–259; S. Yue and C. Wang, Water Resour. Manag. 18 (2004) 201–218; F. H. C.
/// Marriott and J. A. Pope, Biometrika 41 (1954) 390–402.
pub fn drift(values: &[f64]) -> Option<Drift> {
    if values.len() < LEAST || values.iter().any(|value| !value.is_finite()) {
        return None;
    }
    let points = points(values);
    let n = points.len() as f64;
    let mut slopes = Vec::with_capacity(points.len() * (points.len() - 1) / 2);
    let mut balance = 0_i64;
    for (index, one) in points.iter().enumerate() {
        for (distance, other) in points[index + 1..].iter().enumerate() {
            slopes.push(key((other - one) / (distance + 1) as f64));
            balance += i64::from(other > one) - i64::from(other < one);
        }
    }
    // Four of 79,800 slopes are wanted: finding them, as integers, is many times faster than sorting all.
    let middle = slopes.len() / 2;
    let odd = slopes.len() % 2 == 1;
    let (below, above, _) = slopes.select_nth_unstable(middle);
    let above = *above;
    let below = below.iter().copied().max().filter(|_| !odd).unwrap_or(above);
    let slope = f64::midpoint(from_key(below), from_key(above));
    let rest: Vec<f64> = points.iter().enumerate().map(|(index, value)| value - slope * index as f64).collect();
    // What lies on the line exactly has no noise that could be correlated.
    let found = autocorrelation(&rest, 1).unwrap_or(0.0);
    let fitted = (n * found + 2.0) / (n - 4.0);
    let phi = (fitted + ((1.0 - fitted * fitted).max(0.05) / n).sqrt()).clamp(0.0, 0.99);
    let ties = super::rank::Ranks::of(&points);
    let tied: f64 = ties.ties.iter().map(|size| *size as f64).map(|t| t * (t - 1.0) * (2.0 * t + 5.0)).sum();
    let variance = (n * (n - 1.0) * (2.0 * n + 5.0) - tied) / 18.0 * (1.0 + phi) / (1.0 - phi);
    if variance <= 0.0 {
        return None;
    }
    let distance = (balance.unsigned_abs() as f64 - 1.0).max(0.0);
    let reach = normal_quantile(0.975) * variance.sqrt();
    let all = slopes.len() as f64;
    let lower = (((all - reach) / 2.0).floor().max(0.0) as usize).min(slopes.len() - 1);
    let upper = slopes.len() - 1 - lower;
    // The slopes are parted at the middle already: each end is looked for in its half.
    let (lesser, greater) = slopes.split_at_mut(middle);
    let mut at = |rank: usize| {
        let (half, rank) = if rank < middle { (&mut *lesser, rank) } else { (&mut *greater, rank - middle) };
        from_key(*half.select_nth_unstable(rank).1)
    };
    let (low, high) = (at(lower), at(upper));
    // Along the points there are n − 1 steps, and half a stretch before the first and after the last.
    let length = if points.len() == values.len() { n - 1.0 } else { n };
    Some(Drift {
        change: slope * length,
        low: low * length,
        high: high * length,
        p_value: (2.0 * normal_cdf(-distance / variance.sqrt())).min(1.0),
    })
}

fn points(values: &[f64]) -> Vec<f64> {
    if values.len() <= POINTS {
        return values.to_vec();
    }
    let median = |point: usize| {
        let (begin, end) = (point * values.len() / POINTS, (point + 1) * values.len() / POINTS);
        let step = (end - begin).div_ceil(LOOKED_AT);
        let mut some: Vec<f64> = values[begin..end].iter().step_by(step).copied().collect();
        let middle = some.len() / 2;
        *some.select_nth_unstable_by(middle, f64::total_cmp).1
    };
    (0..POINTS).map(median).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_has_its_slope() {
        let line: Vec<f64> = (0..50).map(|index| 3.0 + 0.5 * f64::from(index)).collect();
        let found = drift(&line).unwrap();
        assert!((found.change - 24.5).abs() < 1e-9 && found.p_value < 0.01, "{found:?}");
        assert_eq!(drift(&[1.0; 50]), None);
        assert_eq!(drift(&line[..9]), None);
    }

    #[test]
    fn slope_and_interval_agree_with_scipy() {
        // Reference: scipy 1.17.1, `theilslopes(y, x)`: the same slope. Its interval assumes independence: this holds it.
        let values: Vec<f64> = (0..30).map(|i| f64::from((i * 7) % 11) + 0.1 * f64::from(i)).collect();
        let found = drift(&values).unwrap();
        let (slope, low, high) = SCIPY;
        assert!((found.change - slope * 29.0).abs() < 1e-9, "{found:?}");
        assert!(found.low <= low * 29.0 && high * 29.0 <= found.high, "{found:?}");
    }
    const SCIPY: (f64, f64, f64) = (0.1, -0.05, 0.225);

    #[test]
    fn a_long_series_drifts_as_its_stretches_do() {
        let mut random = fastrand::Rng::with_seed(1);
        let values: Vec<f64> = (0..100_000).map(|index| random.f64() + 2e-6 * f64::from(index)).collect();
        let found = drift(&values).unwrap();
        assert!((found.change - 0.2).abs() < 0.03 && found.low > 0.1 && found.p_value < 1e-6, "{found:?}");
    }

    #[test]
    fn noise_does_not_drift_more_often_than_it_may() {
        // 600 series of 60 values each: 5 % false alarms have a standard error of 0.9 %.
        for phi in [0.0, 0.7] {
            let mut random = fastrand::Rng::with_seed(8);
            let alarms = (0..600).filter(|_| {
                let mut value = 0.0;
                let series: Vec<f64> = (0..160)
                    .map(|_| {
                        value = phi * value + normal_quantile(random.f64().max(1e-300));
                        value
                    })
                    .collect();
                drift(&series[100..]).is_some_and(|drift| drift.p_value < 0.05)
            });
            let share = alarms.count() as f64 / 600.0;
            assert!(share < 0.08, "φ = {phi}: {share}");
        }
    }
}
