//! The paired permutation test on the mean difference: random signs.
//!
//! If nothing changed, and the order within each pair was random, every difference could as well have had the other
//! sign. Source: R. A. Fisher, "The Design of Experiments" (1935), §21; B. Phipson and G. K. Smyth, "Permutation p-values
//! should never be zero", Stat. Appl. Genet. Mol. Biol. 9 (2010) 39 (for (b + 1)/(m + 1)).

/// Up to so many differences all signs are tried.
const EXACT: usize = 20;
/// Sums are equal if they differ by less than this share of Σ|d|: the order of additions must not decide.
const SLACK: f64 = 1e-12;

/// The two-sided p-value of the sign-flip permutation test on the mean of paired differences.
///
/// Exact over all 2ⁿ signs up to n = 20. Beyond, `resamples` random signs from `seed` (the same in, the same out), and
/// p = (b + 1)/(m + 1) where b of m reach the observed mean: never 0, and valid at any m. O(n · resamples) time. 1 if all
/// differences are 0; `None` for none at all, one that is not finite, or if no resamples are allowed where they are needed.
pub fn sign_flip_p(differences: &[f64], resamples: u32, seed: u64) -> Option<f64> {
    if differences.is_empty() || differences.iter().any(|value| !value.is_finite()) {
        return None;
    }
    // A common factor changes nothing, and sums of values up to 1 cannot overflow.
    let scale = differences.iter().fold(0.0_f64, |largest, value| largest.max(value.abs()));
    if scale == 0.0 {
        return Some(1.0);
    }
    let scaled: Vec<f64> = differences.iter().map(|value| value / scale).collect();
    let reach = scaled.iter().sum::<f64>().abs() - SLACK * scaled.iter().map(|value| value.abs()).sum::<f64>();
    if scaled.len() <= EXACT {
        let (first, second) = scaled.split_at(scaled.len() / 2);
        let (first, second) = (signed_sums(first), signed_sums(second));
        let beyond = |one: &f64| second.iter().filter(|other| (one + **other).abs() >= reach).count() as u64;
        let extreme: u64 = first.iter().map(beyond).sum();
        return Some(extreme as f64 / (first.len() * second.len()) as f64);
    }
    if resamples == 0 {
        return None;
    }
    let mut random = fastrand::Rng::with_seed(seed);
    let extreme = (0..resamples).filter(|_| randomly_signed_sum(&scaled, &mut random).abs() >= reach).count();
    Some((extreme + 1) as f64 / (f64::from(resamples) + 1.0))
}

/// The sums of some values with all combinations of signs.
fn signed_sums(values: &[f64]) -> Vec<f64> {
    values.iter().fold(vec![0.0], |sums, value| sums.iter().flat_map(|sum| [sum + value, sum - value]).collect())
}

fn randomly_signed_sum(values: &[f64], random: &mut fastrand::Rng) -> f64 {
    let mut sum = 0.0;
    for group in values.chunks(64) {
        let mut signs = random.u64(..);
        for value in group {
            // The lowest bit becomes the sign: no branch that a processor would guess wrong every other time.
            sum += f64::from_bits(value.to_bits() ^ (signs << 63));
            signs >>= 1;
        }
    }
    sum
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_agrees_with_scipy() {
        // Reference: scipy 1.17.1, `permutation_test((d,), lambda x, axis: x.mean(axis), permutation_type='samples',
        // n_resamples=inf)`, two-sided. The second are Darwin's maize plants (Fisher 1935, §21: 1726 of 32768).
        let short = [1.5, -0.5, 2.25, 0.75, 3.0, -1.0, 0.5, 1.25];
        assert!((sign_flip_p(&short, 0, 0).unwrap() - SHORT).abs() < 1e-12);
        let darwin = [49.0, -67.0, 8.0, 16.0, 6.0, 23.0, 28.0, 41.0, 14.0, 29.0, 56.0, 24.0, 75.0, 60.0, -48.0];
        assert!((sign_flip_p(&darwin, 0, 0).unwrap() - 1_726.0 / 32_768.0).abs() < 1e-12);
    }
    const SHORT: f64 = 0.093_75;

    #[test]
    fn random_signs_come_close_to_all_signs_and_repeat() {
        let mut random = fastrand::Rng::with_seed(9);
        let values: Vec<f64> = (0..20).map(|_| random.f64() - 0.4).collect();
        let exact = sign_flip_p(&values, 0, 0).unwrap();
        // A difference of 0 changes no sum, but is one too many for all signs.
        let longer: Vec<f64> = values.iter().copied().chain([0.0]).collect();
        let drawn = sign_flip_p(&longer, 40_000, 5).unwrap();
        let error = (exact * (1.0 - exact) / 40_000.0).sqrt();
        assert!((drawn - exact).abs() < 5.0 * error, "{drawn}, exactly {exact}");
        assert_eq!(sign_flip_p(&longer, 40_000, 5), Some(drawn));
        assert_eq!(sign_flip_p(&longer, 0, 5), None);
    }

    #[test]
    fn nothing_and_no_number_have_no_p_value() {
        assert_eq!(sign_flip_p(&[], 10, 0), None);
        assert_eq!(sign_flip_p(&[1.0, f64::INFINITY], 10, 0), None);
        assert_eq!(sign_flip_p(&[0.0, 0.0], 10, 0), Some(1.0));
        assert_eq!(sign_flip_p(&[f64::MAX, f64::MAX], 10, 0), Some(0.5));
    }

    proptest! {
        #[test]
        fn signs_and_units_do_not_matter(values in prop::collection::vec(-1e3_f64..1e3, 1..12), factor in 1e-3_f64..1e3) {
            let p = sign_flip_p(&values, 0, 0).unwrap();
            prop_assert!(p > 0.0 && p <= 1.0);
            let other: Vec<f64> = values.iter().map(|value| -factor * value).collect();
            prop_assert!((sign_flip_p(&other, 0, 0).unwrap() - p).abs() < 1e-12);
        }
    }
}
