//! Statistics: pure functions over values, each with the source of its formula.
//!
//! Nothing here trims, smooths or drops a value. A figure that the number of values cannot support is `None`, so that
//! no caller can print it by accident. `docs/statistics.md` says the same for people.

mod binomial;
mod bootstrap;
mod correlation;
mod discovery;
mod drift;
mod estimate;
mod histogram;
mod interval;
mod level;
mod moments;
mod normal;
mod pairs;
mod power;
mod quantile;
mod radix;
mod rank;
mod rank_sum;
mod sequential;
mod series;
mod sign_flip;
mod signed_rank;
#[cfg(test)]
mod tests;
mod warmup;

pub use binomial::binomial_cdf;
pub use bootstrap::bca;
pub use correlation::{autocorrelation, effective_n};
pub use discovery::benjamini_hochberg;
pub use drift::{Drift, drift};
pub use estimate::{Equivalence, Estimate, equivalence};
pub use histogram::{Bucket, Histogram};
pub use interval::{QuantileInterval, carries_upper_bound, quantile_interval, quantile_interval_at, samples_needed};
pub use level::Level;
pub use moments::{mean, sample_stddev};
pub use normal::{normal_cdf, normal_quantile};
pub use power::{detectable, minimum_detectable, samples_for};
pub use quantile::{QUANTILE_TYPE, Sorted, ecdf_points};
pub use rank_sum::{mann_whitney_p, mann_whitney_p_of_sorted, rank_sum_shift, rank_sum_shift_of_sorted};
pub use sequential::{Look, RuleError, Step, StoppingRule};
pub use series::{LEAST_FOR_INTERVAL, apparent_inflation, inflation, series_interval, series_intervals};
pub use sign_flip::sign_flip_p;
pub use signed_rank::{signed_rank_p, signed_rank_shift, signed_rank_shift_widened};
pub use warmup::warmup_suspected;

/// How often a value is "more than ten times the median": a stall, in a benchmark of start times.
///
/// Ten is a convention of this lab, stated with the count wherever it is shown. Zero for a median that is not positive.
pub fn stall_count(values: &Sorted) -> u64 {
    match stall_threshold(values) {
        Some(threshold) => {
            let all = values.as_slice();
            (all.len() - all.partition_point(|value| *value <= threshold)) as u64
        }
        None => 0,
    }
}

/// The value above which [`stall_count`] counts; `None` without a positive median.
pub fn stall_threshold(values: &Sorted) -> Option<f64> {
    values.quantile(0.5).filter(|median| *median > 0.0).map(|median| median * STALL_FACTOR)
}

/// How many medians a value must exceed to count as a stall.
pub const STALL_FACTOR: f64 = 10.0;
