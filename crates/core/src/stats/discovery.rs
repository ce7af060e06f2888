//! Many tests at once: how many of the discoveries may be false.

/// The p-values of many tests, adjusted so that reporting all under q keeps the expected share of false ones at most q.
///
/// In the order of the input: the k-th smallest of m becomes the least of p·m/rank from there on, at most 1. A NaN is no
/// test: it stays NaN and is not counted. It holds for independent tests and for positively dependent ones, as metrics
/// of one sandbox are. Source: Y. Benjamini and Y. Hochberg, "Controlling the false discovery rate", J. R. Stat. Soc. B 57
/// (1995) 289–300; D. Yekutieli and Y. Benjamini, J. Stat. Plan. Inference 82 (1999) 171–196 (adjusted p-values).
pub fn benjamini_hochberg(p_values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..p_values.len()).filter(|index| !p_values[*index].is_nan()).collect();
    order.sort_by(|a, b| p_values[*a].total_cmp(&p_values[*b]));
    let tests = order.len() as f64;
    let mut adjusted = vec![f64::NAN; p_values.len()];
    let mut least = 1.0_f64;
    for (rank, index) in order.iter().enumerate().rev() {
        // The factor first: it is at least 1, so that rounding cannot make the product smaller.
        least = least.min(p_values[*index] * (tests / (rank + 1) as f64));
        adjusted[*index] = least;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn it_agrees_with_scipy() {
        // The 15 p-values of Benjamini and Hochberg (1995), §3.2. Reference: scipy 1.17.1, `false_discovery_control(p)`.
        let p = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719, 0.6528,
            0.7590, 1.0,
        ];
        let expected = [
            0.0015,
            0.003,
            0.0095,
            0.035625,
            0.0603,
            0.06385714285714286,
            0.06385714285714286,
            0.0645,
            0.0765,
            0.486,
            0.5811818181818182,
            0.714875,
            0.7532307692307693,
            0.8132142857142857,
            1.0,
        ];
        let mut found = benjamini_hochberg(&p);
        assert!(found.iter().zip(expected).all(|(a, b)| (a - b).abs() < 1e-12), "{found:?}");
        let mut turned = p;
        turned.reverse();
        found.reverse();
        assert_eq!(benjamini_hochberg(&turned), found);
    }

    #[test]
    fn what_is_no_test_is_not_counted() {
        let found = benjamini_hochberg(&[0.01, f64::NAN, 0.04]);
        assert!(found[1].is_nan());
        assert_eq!((found[0], found[2]), (0.02, 0.04));
        assert!(benjamini_hochberg(&[]).is_empty());
    }

    proptest! {
        #[test]
        fn order_is_kept_and_nothing_gets_smaller(p in prop::collection::vec(0.0_f64..=1.0, 1..50)) {
            let adjusted = benjamini_hochberg(&p);
            for (i, a) in p.iter().enumerate() {
                prop_assert!(adjusted[i] >= *a && adjusted[i] <= 1.0);
                for (j, b) in p.iter().enumerate() {
                    prop_assert!(a > b || adjusted[i] <= adjusted[j]);
                }
            }
        }
    }
}
