//! The figures of one metric over the valid samples of one cell.

use super::MetricSummary;
use crate::columns::CellColumns;
use crate::runner::Runner;
use crate::stats::{
    Level, QuantileInterval, Sorted, autocorrelation, carries_upper_bound, drift, effective_n, mean, sample_stddev,
    series_intervals, stall_count, warmup_suspected,
};
use crate::unit::unit_of_metric;
use std::collections::BTreeMap;

/// The figures of all metrics of some cells, over their samples that count; one part of the runner's a metric.
pub(super) fn metrics_of(
    cells: &[&CellColumns],
    level: Level,
    runner: Runner<'_>,
) -> Vec<BTreeMap<String, MetricSummary>> {
    let all = cells.iter().enumerate();
    let jobs: Vec<_> =
        all.flat_map(|(cell, columns)| columns.metrics.iter().map(move |metric| (cell, *columns, metric))).collect();
    let summaries = runner.map(jobs.len(), |index| {
        let (_, columns, (name, column)) = jobs[index];
        metric_summary_at(name, &columns.counting(column), level)
    });
    let mut found: Vec<BTreeMap<String, MetricSummary>> = cells.iter().map(|_| BTreeMap::new()).collect();
    for ((cell, _, (name, _)), summary) in jobs.into_iter().zip(summaries) {
        if let Some(summary) = summary {
            found[cell].insert(name.clone(), summary);
        }
    }
    found
}

/// All figures of one metric. `None` for no value, or if one of them is not a finite number: then no order and no mean means anything.
///
/// `values` are in the order in which they were taken.
pub fn metric_summary(name: &str, values: &[f64]) -> Option<MetricSummary> {
    metric_summary_at(name, values, Level::WHOLE)
}

/// As [`metric_summary`], for values of which a rule decided how many there are: its intervals spend what `level` allows.
pub fn metric_summary_at(name: &str, values: &[f64], level: Level) -> Option<MetricSummary> {
    let sorted = Sorted::new(values.iter().copied())?;
    let n = values.len() as u64;
    let carried = |q: f64| sorted.quantile(q).filter(|_| carries_upper_bound(n, q));
    let ends = |interval: Option<QuantileInterval>| interval.map(|interval| [interval.low, interval.high]);
    let [ci95, p90_ci95, p95_ci95, p99_ci95] =
        series_intervals(values, &sorted, [0.5, 0.9, 0.95, 0.99], level.confidence()).map(ends);
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
        ci95,
        p90_ci95,
        p95_ci95,
        p99_ci95,
        autocorrelation: autocorrelation(values, 1),
        n_effective: effective_n(values),
        drift: drift(values),
        warmup_suspected: warmup_suspected(values),
        stalls: stall_count(&sorted),
    })
}
