//! Mean and standard deviation.

/// The arithmetic mean; `None` of nothing.
pub fn mean(values: &[f64]) -> Option<f64> {
    if values.is_empty() { None } else { Some(values.iter().sum::<f64>() / values.len() as f64) }
}

/// The sample standard deviation, with n − 1 in the denominator (Bessel's correction); `None` for n < 2.
///
/// Two passes, and the second corrected by the sum of deviations, which is 0 only in exact arithmetic. Source: T. F.
/// Chan, G. H. Golub and R. J. LeVeque, "Algorithms for computing the sample variance", Am. Stat. 37 (1983) 242–247,
/// equation 1.7.
pub fn sample_stddev(values: &[f64]) -> Option<f64> {
    if values.len() < 2 {
        return None;
    }
    let mean = mean(values)?;
    let n = values.len() as f64;
    let squares: f64 = values.iter().map(|value| (value - mean).powi(2)).sum();
    let deviations: f64 = values.iter().map(|value| value - mean).sum();
    Some(((squares - deviations * deviations / n).max(0.0) / (n - 1.0)).sqrt())
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_agrees_with_numpy() {
        // Reference: numpy 2.4.6, `mean()` and `std(ddof=1)`.
        let values = [2.1, 3.4, 1.9, 8.8, 2.2, 2.5, 2.4, 9.1, 2.0, 2.3];
        assert!((mean(&values).unwrap() - 3.67).abs() < 1e-12);
        assert!((sample_stddev(&values).unwrap() - 2.814_269_196_631_891_6).abs() < 1e-12);
    }

    #[test]
    fn it_agrees_with_nist() {
        // NIST StRD, univariate, "NumAcc3" (average difficulty): 1000000.2, then 1000000.1 and 1000000.3 in turn,
        // 1001 values; certified mean 1000000.2, certified standard deviation 0.1.
        let values: Vec<f64> = std::iter::once(1_000_000.2)
            .chain((0..1_000).map(|index| if index % 2 == 0 { 1_000_000.1 } else { 1_000_000.3 }))
            .collect();
        assert!((mean(&values).unwrap() - 1_000_000.2).abs() < 1e-8);
        assert!((sample_stddev(&values).unwrap() - 0.1).abs() < 1e-9);
    }

    #[test]
    fn too_few_values_have_none() {
        assert_eq!(mean(&[]), None);
        assert_eq!(sample_stddev(&[1.0]), None);
    }

    proptest! {
        #[test]
        fn shifting_moves_the_mean_and_not_the_spread(
            values in prop::collection::vec(-1e6_f64..1e6, 2..100), shift in -1e6_f64..1e6,
        ) {
            let moved: Vec<f64> = values.iter().map(|value| value + shift).collect();
            prop_assert!((mean(&moved).unwrap() - mean(&values).unwrap() - shift).abs() < 1e-6);
            prop_assert!((sample_stddev(&moved).unwrap() - sample_stddev(&values).unwrap()).abs() < 1e-6);
        }
    }
}
