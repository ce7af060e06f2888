//! What a paired comparison could have found: the minimum detectable effect, and the samples that an effect needs.

use super::estimate::Estimate;
use super::normal::normal_quantile;
use super::signed_rank::signed_rank_shift;

/// The shift that a comparison of as many and as noisy pairs finds with probability `power`, in the unit of the
/// differences.
///
/// The noise is read from the interval of the Hodges–Lehmann shift, half of whose width is z times the standard error:
/// so it holds for the test that is used and for whatever distribution the differences have. The effect is (z of the
/// confidence + z of the power) standard errors. Source: J. Bloom, "Minimum detectable effects", Eval. Rev. 19 (1995)
/// 547–556; E. L. Lehmann, "Nonparametric confidence intervals for a shift parameter", Ann. Math. Stat. 34 (1963)
/// 1507–1512. `None` where the differences carry no interval, or a probability is not one.
pub fn minimum_detectable(differences: &[f64], confidence: f64, power: f64) -> Option<f64> {
    detectable(&signed_rank_shift(differences, confidence)?, confidence, power)
}

/// The same from an interval that is already known; for independent samples too.
pub fn detectable(estimate: &Estimate, confidence: f64, power: f64) -> Option<f64> {
    let sensible = (0.5..1.0).contains(&power) && confidence > 0.0 && confidence < 1.0;
    if !sensible {
        return None;
    }
    let reached = normal_quantile(f64::midpoint(1.0, estimate.confidence.min(1.0 - 1e-12)));
    let error = (estimate.high - estimate.low) / (2.0 * reached);
    Some(error * (normal_quantile(f64::midpoint(1.0, confidence)) + normal_quantile(power)))
}

/// How many pairs like these find a shift of `effect` (in the unit of the differences) with probability `power`: the
/// number there was, times the square of what they could find over what is wanted, and at least as many as carry an
/// interval.
///
/// `None` where [`minimum_detectable`] is, or for an effect that is 0 or no number.
pub fn samples_for(differences: &[f64], effect: f64, confidence: f64, power: f64) -> Option<u64> {
    let found = minimum_detectable(differences, confidence, power)?;
    if !effect.is_finite() || effect == 0.0 {
        return None;
    }
    let needed = differences.len() as f64 * (found / effect).powi(2);
    // The cast saturates: an effect that is too small needs more pairs than can be counted.
    Some((needed.ceil() as u64).max(least(confidence)))
}

/// The least number of pairs that carry an interval: the largest n with 2 · 2⁻ⁿ ≤ 1 − confidence.
fn least(confidence: f64) -> u64 {
    (1.0 - (1.0 - confidence).log2()).ceil().max(1.0) as u64
}
