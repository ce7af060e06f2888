//! The change of a quantile other than the median.
//!
//! Of pairs: the BCa bootstrap over rounds for the interval, and for the test a randomisation of which value of a pair
//! is whose, which is exact under "no change" because the order within a round was random. Of separate runs, and of
//! very many pairs: both sides' order-statistic intervals put together by the method of variance estimates recovery
//! (G. Y. Zou and A. Donner, "Construction of confidence limits about effect measures", Stat. Med. 27 (2008) 1693–1702).

use crate::compare::Design;
use crate::compare::sides::{Scale, Sides, inflation};
use crate::stats::{Estimate, Sorted, bca, normal_cdf, normal_quantile, quantile_interval_at};

/// Beyond so many pairs the bootstrap's leave-one-out would take minutes.
const MOST_BOOTSTRAPPED: usize = 2_000;
/// Resamples of the bootstrap, and relabellings of the test for few pairs.
const RESAMPLES: u32 = 1_999;
/// About so many values are looked at for the test.
const LOOKS: usize = 20_000_000;
/// One seed for all: the same samples give the same verdict.
const SEED: u64 = 0x1505_0D1E;

/// The change of the q-quantile on the scale, at two confidences, and the one-sided p-value of "not worse"; `sign` is +1
/// where more is worse.
pub(super) fn measure(sides: &Sides, q: f64, confidences: [f64; 2], sign: f64) -> Option<(Estimate, Estimate, f64)> {
    let n = sides.n();
    if sides.design == Design::Paired && n <= MOST_BOOTSTRAPPED {
        let statistic = |rows: &[usize]| {
            let side = |values: &[f64]| quantile_of(rows.iter().map(|row| values[*row]).collect(), q);
            Some(difference(sides.scale, side(&sides.baseline), side(&sides.candidate)))
        };
        let at = |confidence| bca(n, statistic, confidence, RESAMPLES, SEED);
        return Some((at(confidences[0])?, at(confidences[1])?, relabelled(sides, q, sign)));
    }
    let at = |confidence| recovered(sides, q, confidence);
    let shown = at(confidences[0])?;
    let p = if sides.design == Design::Paired {
        relabelled(sides, q, sign)
    } else {
        let z = normal_quantile(f64::midpoint(1.0, confidences[0]));
        let (value, end) = if sign > 0.0 { (shown.value, shown.low) } else { (-shown.value, -shown.high) };
        normal_cdf(-value / ((value - end) / z))
    };
    Some((shown, at(confidences[1])?, p))
}

fn difference(scale: Scale, baseline: f64, candidate: f64) -> f64 {
    if scale == Scale::Log { (candidate / baseline).ln() } else { candidate - baseline }
}

/// The quantile of type 7, by selection; NaN for no value.
fn quantile_of(mut values: Vec<f64>, q: f64) -> f64 {
    let Some(last) = values.len().checked_sub(1) else { return f64::NAN };
    let place = last as f64 * q;
    let below = (place.floor() as usize).min(last);
    let (_, low, above) = values.select_nth_unstable_by(below, f64::total_cmp);
    let high = above.iter().copied().min_by(f64::total_cmp).unwrap_or(*low);
    *low + (place - below as f64) * (high - *low)
}

/// The share of random relabellings of the pairs that are at least as bad, the observed one among them.
fn relabelled(sides: &Sides, q: f64, sign: f64) -> f64 {
    let n = sides.n();
    let statistic =
        |one: Vec<f64>, other: Vec<f64>| sign * difference(sides.scale, quantile_of(one, q), quantile_of(other, q));
    let observed = statistic(sides.baseline.clone(), sides.candidate.clone());
    let times = (LOOKS / (2 * n.max(1))).clamp(299, RESAMPLES as usize);
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut as_bad = 1_usize;
    for _ in 0..times {
        let pairs = sides.baseline.iter().zip(&sides.candidate);
        let (one, other) =
            pairs.map(|(one, other)| if random.bool() { (*one, *other) } else { (*other, *one) }).unzip();
        as_bad += usize::from(statistic(one, other) >= observed);
    }
    as_bad as f64 / (times + 1) as f64
}

fn recovered(sides: &Sides, q: f64, confidence: f64) -> Option<Estimate> {
    let on_scale = |values: &[f64]| -> Option<[f64; 3]> {
        let on = |value: f64| if sides.scale == Scale::Log { value.ln() } else { value };
        let sorted = Sorted::new(values.iter().copied())?;
        let interval = quantile_interval_at(&sorted, q, confidence)?;
        let value = on(sorted.quantile(q)?);
        let wider = inflation(values).sqrt();
        Some([value - (value - on(interval.low)) * wider, value, value + (on(interval.high) - value) * wider])
    };
    let [one_low, one, one_high] = on_scale(&sides.baseline)?;
    let [other_low, other, other_high] = on_scale(&sides.candidate)?;
    let value = other - one;
    let low = value - (other - other_low).hypot(one_high - one);
    let high = value + (other_high - other).hypot(one - one_low);
    Some(Estimate { value, low, high, confidence })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn selection_is_the_quantile_of_type_7() {
        let values: Vec<f64> = (0..101).map(|value| f64::from((value * 37) % 101)).collect();
        for q in [0.0, 0.5, 0.9, 0.95, 0.99, 1.0] {
            let expected = Sorted::new(values.iter().copied()).unwrap().quantile(q).unwrap();
            assert!((quantile_of(values.clone(), q) - expected).abs() < 1e-12);
        }
        assert!(quantile_of(Vec::new(), 0.5).is_nan());
    }
}
