//! Rank methods against other implementations and published tables.

use crate::stats::*;

/// Nine patients before and after a tranquilliser: Hollander and Wolfe (1973), p. 29; the example of R's `wilcox.test`.
// The eighth patient's value is not π.
#[expect(clippy::approx_constant)]
const DEPRESSION: [(f64, f64); 9] = [
    (1.83, 0.878),
    (0.50, 0.647),
    (1.62, 0.598),
    (2.48, 2.05),
    (1.68, 1.06),
    (1.88, 1.29),
    (1.55, 1.06),
    (3.06, 3.14),
    (1.30, 1.29),
];

/// Permeability of membranes at term and before: Hollander and Wolfe (1973), p. 69; the example of R's `wilcox.test`.
const TERM: [f64; 10] = [0.80, 0.83, 1.89, 1.04, 1.45, 1.38, 1.91, 1.64, 0.73, 1.46];
const BEFORE: [f64; 5] = [1.15, 0.88, 0.90, 0.74, 1.21];

fn close(found: Option<Estimate>, expected: (f64, f64, f64, f64)) {
    let found = found.unwrap();
    let pairs =
        [(found.value, expected.0), (found.low, expected.1), (found.high, expected.2), (found.confidence, expected.3)];
    assert!(pairs.iter().all(|(a, b)| (a - b).abs() < 1e-9), "{found:?}, not {expected:?}");
}

fn about(found: Option<f64>, expected: f64) {
    let found = found.unwrap();
    assert!((found - expected).abs() < 1e-9, "{found}, not {expected}");
}

#[test]
fn the_paired_shift_and_its_test_agree() {
    // Published: p = 0.039 and a pseudo-median of −0.46. Intervals: all Walsh averages in numpy 2.4.6, with the exact
    // distribution of the statistic; p-values: scipy 1.17.1, `wilcoxon(d, method='exact')`.
    let differences: Vec<f64> = DEPRESSION.iter().map(|(before, after)| after - before).collect();
    close(signed_rank_shift(&differences, 0.95), (-0.46, -0.786, -0.01, 0.960_937_5));
    close(signed_rank_shift(&differences, 0.9), (-0.46, -0.726, -0.175, 0.902_343_75));
    about(signed_rank_p(&differences), 0.039_062_5);
}

#[test]
fn shared_ranks_are_counted_exactly() {
    // Reference: all 2⁹ signs of the midranks (scipy 1.17.1, `rankdata`), zeros left out.
    about(signed_rank_p(&[1.0, 1.0, -2.0, 3.0, 3.0, 3.0, -4.0, 0.0, 5.0, -2.0]), 0.398_437_5);
}

#[test]
fn many_pairs_agree_with_the_normal_approximation() {
    // Reference: scipy 1.17.1, `wilcoxon(d, correction=True, method='asymptotic')`; all Walsh averages in numpy 2.4.6.
    let differences: Vec<f64> =
        (0..150).map(|i| f64::from((i * 7919) % 211 - 90) / 10.0 + f64::from(i % 3) * 0.01).collect();
    about(signed_rank_p(&differences), 0.009_411_986_166_174_354);
    close(signed_rank_shift(&differences, 0.95), (1.36, 0.35, 2.405, 0.95));
}

#[test]
fn the_shift_of_two_samples_and_its_test_agree() {
    // Published: p = 0.2544 and an interval of (−0.76, 0.15) around −0.305. Reference: scipy 1.17.1, `mannwhitneyu` with
    // `method='exact'` and, for ties, 'asymptotic'; all differences in numpy 2.4.6.
    about(mann_whitney_p(&TERM, &BEFORE), 0.254_412_254_412_254_4);
    close(rank_sum_shift(&TERM, &BEFORE, 0.95, 1.0), (-0.305, -0.76, 0.15, 0.960_039_960_039_960_1));
    close(rank_sum_shift(&TERM, &BEFORE, 0.95, 2.0), (-0.305, -1.15, 0.42, 0.95));
    let first: Vec<f64> = (0..45).map(|i| f64::from((i * 37) % 101) / 7.0).collect();
    let second: Vec<f64> = (0..50).map(|i| f64::from((i * 53) % 103) / 6.0 + 1.003).collect();
    about(mann_whitney_p(&first, &second), 0.105_195_314_482_513_42);
    let expected = (1.645_857_142_857_143, -0.997, 4.360_142_857_142_857, 0.990_206_827_453_605_6);
    close(rank_sum_shift(&first, &second, 0.99, 1.0), expected);
    let tied = ([1.0, 2.0, 2.0, 3.0, 5.0, 5.0, 8.0], [2.0, 4.0, 5.0, 6.0, 9.0, 9.0, 10.0, 12.0]);
    about(mann_whitney_p(&tied.0, &tied.1), 0.054_224_898_519_599_225);
}

#[test]
fn autocorrelations_agree_with_numpy() {
    // Reference: numpy 2.4.6, by the definition.
    let values = [2.1, 3.4, 1.9, 8.8, 2.2, 2.5, 2.4, 9.1, 2.0, 2.3];
    about(autocorrelation(&values, 1), -0.367_417_684_937_08);
    about(autocorrelation(&values, 2), -0.165_693_522_818_142_29);
    about(autocorrelation(&values, 3), -0.229_930_837_109_468_07);
    assert_eq!(autocorrelation(&values, 9), None);
    assert_eq!(autocorrelation(&[1.0; 10], 1), None);
    assert_eq!(autocorrelation(&values, usize::MAX), None);
}

#[test]
fn ranks_of_ten_million_values_agree_with_scipy() {
    // Reference: scipy 1.17.1, equal tails by `binom.cdf`.
    let values = Sorted::new((1..=10_000_000).map(f64::from)).unwrap();
    let table = [
        (0.5, 4_996_901, 5_003_100, 0.950_038_792_967_389_9),
        (0.9, 8_998_140, 9_001_860, 0.950_075_724_547_829_6),
        (0.99, 9_899_383, 9_900_617, 0.950_115_852_979_110_9),
    ];
    for (q, lower, upper, coverage) in table {
        let found = quantile_interval(&values, q).unwrap();
        assert_eq!((found.lower_rank, found.upper_rank), (lower, upper), "q = {q}");
        about(Some(found.coverage), coverage);
    }
}
