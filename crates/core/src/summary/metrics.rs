//! The figures of one metric over the valid samples of one cell.

use super::MetricSummary;
use crate::columns::CellColumns;
use crate::stats::{Sorted, carries_upper_bound, mean, quantile_interval, sample_stddev, stall_count};
use crate::unit::unit_of_metric;
use std::collections::BTreeMap;

/// All metrics over the samples of a cell that count.
pub(super) fn metrics_of(columns: &CellColumns) -> BTreeMap<String, MetricSummary> {
    let one = |(name, column): (&String, &Vec<f64>)| Some((name.clone(), metric(name, &columns.counting(column))?));
    columns.metrics.iter().filter_map(one).collect()
}

/// `None` for no value, or if one of them is not a finite number: then no order and no mean means anything.
fn metric(name: &str, values: &[f64]) -> Option<MetricSummary> {
    let sorted = Sorted::new(values.iter().copied())?;
    let n = values.len() as u64;
    let carried = |q: f64| sorted.quantile(q).filter(|_| carries_upper_bound(n, q));
    Some(MetricSummary {
        unit: unit_of_metric(name).to_owned(),
        n,
        min: *sorted.as_slice().first()?,
        p50: sorted.quantile(0.5)?,
        p90: carried(0.9),
        p95: carried(0.95),
        p99: carried(0.99),
        max: *sorted.as_slice().last()?,
        mean: mean(values)?,
        stddev: sample_stddev(values),
        ci95: quantile_interval(&sorted, 0.5).map(|interval| [interval.low, interval.high]),
        stalls: stall_count(&sorted),
    })
}
