//! The change of a quantile other than the median.
//!
//! Of pairs: exact tests for the interval ([`super::discordance`]), and for "no change" a randomisation of which value of
//! a pair is whose, which is exact too because the order within a round was random. Of separate runs: both sides'
//! order-statistic intervals put together by the method of variance estimates recovery (G. Y. Zou and A. Donner,
//! "Construction of confidence limits about effect measures", Stat. Med. 27 (2008) 1693–1702).

use super::discordance::Discordance;
use crate::compare::Design;
use crate::compare::sides::{Scale, Sides, deflated};
use crate::stats::{Estimate, Sorted, normal_cdf, normal_quantile, series_interval};

/// Beyond so many pairs the test is that of the discordant pairs: relabelling would take minutes, and has no more power.
const MOST_RELABELLED: usize = 2_000;
/// Relabellings of the test: the least p-value is one in 10,000, which 100 budgets at once still leave under 1 %.
const RELABELLINGS: u32 = 9_999;
/// So many relabellings that are as bad settle that the p-value is not small.
const SETTLED: u32 = 200;
/// One seed for all: the same samples give the same verdict.
const SEED: u64 = 0x1505_0D1E;

/// The change of the q-quantile on the scale, at two confidences, and the one-sided p-value of "not worse"; `sign` is +1
/// where more is worse.
pub(super) fn measure(sides: &Sides, q: f64, confidences: [f64; 2], sign: f64) -> Option<(Estimate, Estimate, f64)> {
    if sides.design == Design::Paired {
        let pairs = Discordance::new(&sides.on_scale(&sides.baseline), &sides.on_scale(&sides.candidate), q);
        let value =
            difference(sides.scale, quantile_of(sides.baseline.clone(), q), quantile_of(sides.candidate.clone(), q));
        let at = |confidence| pairs.interval(value, confidence, sides.inflation);
        let p = if sides.n() <= MOST_RELABELLED {
            deflated(relabelled(sides, q, sign), sides.inflation)
        } else {
            pairs.p_value(0.0, sign, sides.inflation)
        };
        return Some((at(confidences[0])?, at(confidences[1])?, p));
    }
    let at = |confidence| recovered(sides, q, confidence);
    let shown = at(confidences[0])?;
    let z = normal_quantile(f64::midpoint(1.0, confidences[0]));
    let (value, end) = if sign > 0.0 { (shown.value, shown.low) } else { (-shown.value, -shown.high) };
    Some((shown, at(confidences[1])?, normal_cdf(-value / ((value - end) / z))))
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

/// The share of random relabellings of the pairs that are at least as bad, the observed one among them. It stops early
/// where that share is surely not small (J. Besag and P. Clifford, "Sequential Monte Carlo p-values", Biometrika 78 (1991)
/// 301–304).
fn relabelled(sides: &Sides, q: f64, sign: f64) -> f64 {
    let statistic =
        |one: Vec<f64>, other: Vec<f64>| sign * difference(sides.scale, quantile_of(one, q), quantile_of(other, q));
    let observed = statistic(sides.baseline.clone(), sides.candidate.clone());
    let mut random = fastrand::Rng::with_seed(SEED);
    let mut as_bad = 0;
    for done in 1..=RELABELLINGS {
        let pairs = sides.baseline.iter().zip(&sides.candidate);
        let (one, other) =
            pairs.map(|(one, other)| if random.bool() { (*one, *other) } else { (*other, *one) }).unzip();
        as_bad += u32::from(statistic(one, other) >= observed);
        if as_bad >= SETTLED {
            return f64::from(as_bad) / f64::from(done);
        }
    }
    f64::from(as_bad + 1) / f64::from(RELABELLINGS + 1)
}

fn recovered(sides: &Sides, q: f64, confidence: f64) -> Option<Estimate> {
    let on_scale = |values: &[f64]| -> Option<[f64; 3]> {
        let on = |value: f64| if sides.scale == Scale::Log { value.ln() } else { value };
        let sorted = Sorted::new(values.iter().copied())?;
        let interval = series_interval(values, &sorted, q, confidence)?;
        Some([on(interval.low), on(sorted.quantile(q)?), on(interval.high)])
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
