use super::*;
use crate::audit::testing::{Made, scattered};
use crate::failure::FailureClass;

fn claimed(values: &[f64], statistic: Statistic, value: f64) -> Made {
    let mut made = Made::imported();
    let cell = made.cell("a");
    made.samples(&cell, "boot_ns", values);
    made.claim(&cell, "boot_ns", statistic, value, None);
    made
}

fn sorted(values: &[f64]) -> Vec<f64> {
    Sorted::new(values.iter().copied()).unwrap().as_slice().to_vec()
}

#[test]
fn the_precision_of_a_claim_is_that_of_its_digits() {
    assert!((written_half(450_000.0) - 5_000.0).abs() < 1.0);
    assert!((written_half(110.2) - 0.05).abs() < 1e-6);
    assert!(written_half(1.0 / 3.0) < 1e-9);
    assert!((written_half(0.000_02 * 1_048_576.0) - 20.97 * 0.05).abs() < 0.1, "two hundred-thousandths of a MiB");
    assert!(written_half(0.0) < 1e-9);
}

#[test]
fn a_p99_that_is_the_largest_is_void() {
    let values = scattered(100, 110e6, 0.05);
    let ordered = sorted(&values);
    assert_eq!(claimed(&values, Statistic::Quantile(0.99), ordered[99]).says("p99-is-max"), Some(Weight::Void));
    let honest = Sorted::new(values.iter().copied()).unwrap().quantile(0.99).unwrap();
    assert_eq!(claimed(&values, Statistic::Quantile(0.99), honest).says("p99-is-max"), None);
    let many = scattered(400, 110e6, 0.05);
    assert_eq!(claimed(&many, Statistic::Quantile(0.99), sorted(&many)[399]).says("p99-is-max"), None);
}

#[test]
fn a_p99_that_is_the_stated_maximum_needs_no_samples_to_be_void() {
    let mut made = Made::imported();
    let cell = made.cell("a");
    made.claim(&cell, "boot_ns", Statistic::Quantile(0.99), 112.3e6, Some(100));
    made.claim(&cell, "boot_ns", Statistic::Max, 112.3e6, Some(100));
    assert_eq!(made.says("p99-is-max"), Some(Weight::Void));
}

#[test]
fn cutting_off_the_worst_is_seen() {
    let mut values = scattered(100, 500e6, 0.1);
    values[7] = 22e9;
    let inner = sorted(&values)[5..95].to_vec();
    let trimmed = Sorted::new(inner).unwrap().quantile(0.99).unwrap();
    assert_eq!(claimed(&values, Statistic::Quantile(0.99), trimmed).says("trimmed-quantiles"), Some(Weight::Void));
    assert_eq!(claimed(&values, Statistic::Max, 700e6).says("trimmed-quantiles"), Some(Weight::Void));
    let ordered = sorted(&values);
    for honest in [ordered[98], ordered[99], ordered[97]] {
        assert_eq!(claimed(&values, Statistic::Quantile(0.99), honest).says("trimmed-quantiles"), None);
    }
}

#[test]
fn the_denominator_of_a_deviation_is_told_apart() {
    let values = scattered(10, 110e6, 0.05);
    let sample = crate::stats::sample_stddev(&values).unwrap();
    let population = sample * 0.9_f64.sqrt();
    assert_eq!(claimed(&values, Statistic::Stddev, population).says("population-stddev"), Some(Weight::Suspect));
    assert_eq!(claimed(&values, Statistic::Stddev, sample).says("population-stddev"), None);
    let coarse = (population / 1e6).round() * 1e6;
    assert_eq!(claimed(&values, Statistic::Stddev, coarse).says("population-stddev"), None, "too coarse to tell");
}

#[test]
fn failures_in_a_mean_are_seen_in_both_ways() {
    let with = |statistic: Statistic, value: f64, fast: &[(&str, f64)]| {
        let mut made = Made::imported();
        let cell = made.cell("a");
        made.samples(&cell, "upload_ns", &[0.74e9, 0.79e9, 0.81e9]);
        made.failed(&cell, FailureClass::Http4xx, fast);
        made.claim(&cell, "upload_ns", statistic, value, None);
        made.says("failures-averaged-in")
    };
    let fast = [("upload_ns", 0.1e9)];
    assert_eq!(with(Statistic::Mean, 0.61e9, &fast), Some(Weight::Void));
    assert_eq!(with(Statistic::Mean, 0.78e9, &fast), None);
    assert_eq!(with(Statistic::Mean, 0.585e9, &[]), Some(Weight::Void), "as zeros");
    assert_eq!(with(Statistic::Median, 0.765e9, &fast), Some(Weight::Void));
}

#[test]
fn a_mean_of_rates_is_more_than_what_was_moved() {
    let rates = |values: &[f64], value: f64| {
        let mut made = Made::imported();
        let cell = made.cell("a");
        made.samples(&cell, "copy_bytes_per_s", values);
        made.claim(&cell, "copy_bytes_per_s", Statistic::Mean, value, None);
        made.says("means-of-ratios")
    };
    let values = [0.06e9, 20e9, 21e9, 22e9, 23e9];
    assert_eq!(rates(&values, 86.06e9 / 5.0), Some(Weight::Suspect));
    assert_eq!(rates(&[20e9, 21e9, 22e9], 21e9), None);
}

#[test]
fn the_upper_middle_value_is_no_median() {
    let values = [1.0e6, 2.0e6, 3.5e6, 7.0e6];
    assert_eq!(claimed(&values, Statistic::Median, 3.5e6).says("upper-median"), Some(Weight::Note));
    assert_eq!(claimed(&values, Statistic::Median, 2.75e6).says("upper-median"), None);
}

#[test]
fn contradictions_are_void() {
    let figures = |list: &[(Statistic, f64)]| {
        let mut made = Made::imported();
        let cell = made.cell("a");
        for (statistic, value) in list {
            made.claim(&cell, "boot_ns", *statistic, *value, Some(50));
        }
        made.says("impossible-figures")
    };
    use Statistic as S;
    assert_eq!(figures(&[(S::Median, 5e6), (S::Quantile(0.95), 4e6)]), Some(Weight::Void));
    assert_eq!(figures(&[(S::Min, 1e6), (S::Mean, 9e6), (S::Max, 4e6)]), Some(Weight::Void));
    assert_eq!(figures(&[(S::Min, 1e6), (S::Stddev, 9e6), (S::Max, 4e6)]), Some(Weight::Void));
    assert_eq!(figures(&[(S::Min, 1e6), (S::Median, 2e6), (S::Stddev, 1e6), (S::Mean, 2e6), (S::Max, 4e6)]), None);
}

#[test]
fn a_share_of_so_many_must_be_possible() {
    let share = |value: f64, n: u64| {
        let mut made = Made::imported();
        let cell = made.cell("a");
        made.claim(&cell, "success_ratio", Statistic::Value, value, Some(n));
        made.says("impossible-figures")
    };
    assert_eq!(share(0.788, 20), Some(Weight::Void));
    assert_eq!(share(0.788, 33), None);
    assert_eq!(share(0.933, 15), None);
}
