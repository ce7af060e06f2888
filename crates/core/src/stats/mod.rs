//! Statistics: pure functions over values, each with the source of its formula.
//!
//! Nothing here trims, smooths or drops a value. A figure that the number of values cannot support is `None`, so that
//! no caller can print it by accident. `docs/statistics.md` says the same for people.

mod binomial;
mod interval;
mod moments;
mod quantile;

pub use binomial::binomial_cdf;
pub use interval::{QuantileInterval, carries_upper_bound, quantile_interval, samples_needed};
pub use moments::{mean, sample_stddev};
pub use quantile::{QUANTILE_TYPE, Sorted, ecdf_points};

/// How often a value is "more than ten times the median": a stall, in a benchmark of start times.
///
/// Ten is a convention of this lab, stated with the count wherever it is shown. Zero for a median that is not positive.
pub fn stall_count(values: &Sorted) -> u64 {
    match stall_threshold(values) {
        Some(threshold) => values.as_slice().iter().filter(|value| **value > threshold).count() as u64,
        None => 0,
    }
}

/// The value above which [`stall_count`] counts; `None` without a positive median.
pub fn stall_threshold(values: &Sorted) -> Option<f64> {
    values.quantile(0.5).filter(|median| *median > 0.0).map(|median| median * STALL_FACTOR)
}

/// How many medians a value must exceed to count as a stall.
pub const STALL_FACTOR: f64 = 10.0;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stall_is_more_than_ten_medians() {
        let values = Sorted::new([1.0, 1.0, 1.0, 10.0, 10.1]).unwrap();
        assert_eq!(stall_count(&values), 1);
        assert_eq!(stall_count(&Sorted::new([0.0, 0.0, 5.0]).unwrap()), 0);
        assert_eq!(stall_count(&Sorted::new([]).unwrap()), 0);
    }
}
