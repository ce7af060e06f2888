//! Notes on how a number is to be read: its resolution, its shape, and what else the host did.

use crate::audit::case::Case;
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::{Kind, written_step};
use crate::audit::word::percent;
use crate::imported::Statistic;
use crate::stats::{stall_count, stall_threshold};
use crate::summary::is_below_resolution;
use crate::unit::DisplayNs;

/// Times under 20 steps of the clock.
pub(super) fn below_resolution(case: &Case<'_>) -> Vec<Finding> {
    let step = case.record.fingerprint.clock_step_ns;
    let short = case
        .times()
        .filter(|series| is_below_resolution(series.metric, series.median(), step) && series.median() > 0.0);
    short
        .map(|series| {
            let message = format!("its median of {} is under 20 steps of the clock", series.show(series.median()));
            let step = format!("clock step {}", DisplayNs(step.unwrap_or(0) as f64));
            Finding::of(series, Weight::Note, message).because(step)
        })
        .collect()
}

/// Times shorter than what the run's own signals can show.
pub(super) fn within_one_period(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    // `poll_period_ns` is about every time, `boot_poll_ns` about those that begin with `boot`.
    let told: Vec<(&str, f64)> = case
        .facts(&["period", "interval", "quantum", "poll"])
        .filter_map(|(key, value)| {
            let (name, unit) = key.rsplit_once('_')?;
            let scale =
                [("ns", 1.0), ("us", 1e3), ("ms", 1e6), ("s", 1e9)].into_iter().find(|known| known.0 == unit)?.1;
            let subject =
                name.split(['_', '.']).next().filter(|word| !["period", "interval", "quantum", "poll"].contains(word));
            Some((subject.unwrap_or(""), value.trim().parse::<f64>().ok()? * scale))
        })
        .filter(|(_, period)| period.is_finite() && *period > 0.0)
        .collect();
    let own =
        case.record.signals.iter().map(|signal| signal.resolution_ns).filter(|ns| ns.is_finite()).fold(0.0, f64::max);
    for series in case.times() {
        let stated = told.iter().filter(|(subject, _)| series.metric.starts_with(subject)).map(|(_, period)| *period);
        // In our own runs the end of a sandbox and the first answer are events of the coarsest signals.
        let watched = ["total_ns", "stop_ns", "lifecycle_ns"].contains(&series.metric);
        // What was looked for again and again has its period beside it in each sample.
        let looked = series.metric.strip_suffix("_ns").map(|name| format!("{name}_resolution_ns"));
        let looked = looked.map_or_else(Vec::new, |name| series.columns.values(&name)).into_iter().fold(0.0, f64::max);
        let period = stated.fold(if watched { own } else { looked }, f64::max);
        let within = series.values.iter().filter(|value| **value <= period).count();
        if within > 0 && period > 0.0 {
            let message = format!(
                "{within} of {} values are within one period of {} of what watched for them",
                series.n(),
                DisplayNs(period)
            );
            found.push(
                Finding::of(series, Weight::Suspect, message)
                    .because(format!("median {}", series.show(series.median()))),
            );
        }
    }
    found
}

/// Times written down in steps that are coarse against their spread.
pub(super) fn rounded(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for series in case.times().filter(|series| series.n() >= 5 && !series.constant()) {
        let Some(step) = written_step(series.sorted.as_slice()) else { continue };
        if step >= 1e3 && step * 5.0 >= series.stddev {
            let message = format!(
                "its values are written in steps of {}, its spread is {}",
                DisplayNs(step),
                DisplayNs(series.stddev)
            );
            found.push(Finding::of(series, Weight::Note, message).because(format!("n = {}", series.n())));
        }
    }
    found
}

/// Samples beyond ten times the median.
pub(super) fn stalls(case: &Case<'_>) -> Vec<Finding> {
    let counted = case.times().map(|series| (series, stall_count(&series.sorted)));
    counted
        .filter(|(_, count)| *count > 0)
        .map(|(series, count)| {
            let message = format!(
                "{count} of {} values are beyond ten times the median, up to {}",
                series.n(),
                series.show(series.max())
            );
            let line = stall_threshold(&series.sorted).map(|line| format!("beyond {}", series.show(line)));
            line.into_iter().fold(Finding::of(series, Weight::Note, message), Finding::because)
        })
        .collect()
}

/// Values in two clusters with nothing between: two things were measured under one name.
///
/// The criterion: n ≥ 16, with a gap of at least 40 % of the range between two neighbours and at least 15 % of the values on
/// either side.
pub(super) fn two_modes(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for series in
        case.series.iter().filter(|series| series.n() >= 16 && (series.is_elapsed() || series.kind == Kind::ByteRate))
    {
        let (values, range) = (series.sorted.as_slice(), series.max() - series.min());
        let edge = (series.n() as f64 * 0.15).ceil() as usize;
        let gap = (edge..=series.n() - edge)
            .map(|place| (values[place] - values[place - 1], place))
            .max_by(|a, b| a.0.total_cmp(&b.0));
        let Some((gap, place)) = gap.filter(|(gap, _)| *gap >= range * 0.4 && range > series.median() * 0.05) else {
            continue;
        };
        let message = format!(
            "{place} values up to {} and {} from {} on, nothing between: two different things under one name",
            series.show(values[place - 1]),
            series.n() - place,
            series.show(values[place])
        );
        found.push(Finding::of(series, Weight::Note, message).because(format!("gap {}", series.show(gap))));
    }
    found
}

/// A mean that a few values carry: the deviation exceeds it.
pub(super) fn mean_of_a_tail(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let series =
        case.series.iter().filter(|series| series.n() >= 3 && series.stddev > series.mean && series.mean > 0.0);
    for one in series.filter(|series| series.is_elapsed() || matches!(series.kind, Kind::ByteRate | Kind::Rate)) {
        let message = format!(
            "its mean of {} is carried by a few values: the deviation is {}, the median {}",
            one.show(one.mean),
            one.show(one.stddev),
            one.show(one.median())
        );
        found.push(Finding::of(one, Weight::Note, message));
    }
    for deviation in case.claims().iter().filter(|claim| claim.statistic == Statistic::Stddev) {
        let average = case.beside(deviation).iter().find(|claim| claim.statistic == Statistic::Mean);
        if let Some(average) = average.filter(|average| average.value > 0.0 && deviation.value > average.value)
            && case.series_of(&average.cell, &average.metric).is_none()
        {
            let message = "the stated mean is smaller than its deviation: a few values carry it".to_owned();
            found.push(super::claims::about(average, Weight::Note, message));
        }
    }
    found
}

/// What others took from the samples, where it is much.
///
/// The criterion: in more than a tenth of a cell's samples, steal or pressure is more than a tenth of the total, or the
/// processor was throttled.
pub(super) fn contamination(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (cell, columns) in case.cells() {
        let Some(total) = columns.metrics.get("lifecycle_ns").or_else(|| columns.metrics.get("total_ns")) else {
            continue;
        };
        for (name, share) in [
            ("steal_ns", 0.1),
            ("pressure_memory_ns", 0.1),
            ("pressure_io_ns", 0.1),
            ("other_cpu_ns", 1.0),
            ("throttled_count", 0.0),
        ] {
            let Some(column) = columns.contamination.get(name) else { continue };
            let valid = || columns.valid().filter(|row| column[*row].is_finite() && total[*row].is_finite());
            let touched =
                valid().filter(|row| column[*row] > share * if share > 0.0 { total[*row] } else { 0.0 }).count();
            let n = valid().count();
            if n >= 5 && touched * 10 > n {
                let message = format!("{touched} of {n} samples have `{name}` above {} of their time", percent(share));
                found.push(Finding::new(Weight::Note, message).cell(&cell.id));
            }
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::testing::{Made, said, scattered};
    use crate::ledger::SignalName;
    use crate::record::SignalCost;

    #[test]
    fn resolution_is_told() {
        assert_eq!(said("below-resolution", "call_ns", &[180.0, 190.0]), Some(Weight::Note));
        assert_eq!(said("below-resolution", "call_ns", &[18_000.0]), None);
        // A share of a train that the clock can tell, and one of which nobody knows what it was divided from.
        assert_eq!(said("below-resolution", "train_per_trip_ns", &[180.0, 190.0]), None);
        assert_eq!(said("below-resolution", "call_per_item_ns", &[180.0, 190.0]), Some(Weight::Note));
        let rounded: Vec<f64> = [0.74, 0.75, 0.77, 0.79, 0.80, 0.78].iter().map(|seconds| seconds * 1e9).collect();
        assert_eq!(said("rounded", "upload_ns", &rounded), Some(Weight::Note));
        assert_eq!(said("rounded", "upload_ns", &scattered(20, 0.77e9, 0.05)), None);
    }

    #[test]
    fn a_value_within_one_period_is_suspect() {
        let mut made = Made::measured();
        let cell = made.cell("a");
        made.samples(&cell, "total_ns", &[25e3, 30e3]);
        assert_eq!(made.says("within-one-period"), None);
        let signal = SignalCost { signal: SignalName::Exit, resolution_ns: 28e3, cost_ns: 1.0, method: String::new() };
        made.record.signals.push(signal);
        assert_eq!(made.says("within-one-period"), Some(Weight::Suspect));
        let mut looked = Made::measured();
        let cell = looked.cell("a");
        let samples =
            [[("ready_ns", 5e6), ("ready_resolution_ns", 1e6)], [("ready_ns", 0.9e6), ("ready_resolution_ns", 1e6)]];
        looked.sample(&cell, &samples[0]);
        assert_eq!(looked.says("within-one-period"), None);
        looked.sample(&cell, &samples[1]);
        assert_eq!(looked.says("within-one-period"), Some(Weight::Suspect));
        let mut told = Made::imported();
        let cell = told.cell("a");
        told.samples(&cell, "boot_ns", &[100e6]);
        told.fact("poll_interval_ms", "100");
        assert_eq!(told.says("within-one-period"), Some(Weight::Suspect));
    }

    #[test]
    fn shapes_are_noted() {
        let mut values = scattered(30, 5e6, 0.05);
        values[4] = 80e6;
        assert_eq!(said("stalls", "call_ns", &values), Some(Weight::Note));
        let mut modes = scattered(20, 850e6, 0.02);
        modes.extend(scattered(8, 170e6, 0.02));
        assert_eq!(said("two-modes", "kernel_ns", &modes), Some(Weight::Note));
        assert_eq!(said("two-modes", "kernel_ns", &scattered(28, 850e6, 0.1)), None);
        assert_eq!(said("mean-of-a-tail", "copy_ns", &[102e6, 0.25e6, 0.26e6, 0.24e6, 0.25e6]), Some(Weight::Note));
        assert_eq!(said("mean-of-a-tail", "copy_ns", &scattered(10, 1e6, 0.3)), None);
    }

    #[test]
    fn contamination_is_noted_where_it_is_much() {
        let said = |steal: u64| {
            let mut made = Made::measured();
            let cell = made.cell("a");
            for _ in 0..10 {
                made.sample(&cell, &[("total_ns", 50e6)]).contamination.steal_ns = Some(steal);
            }
            made.says("contamination")
        };
        assert_eq!(said(20_000_000), Some(Weight::Note));
        assert_eq!(said(1_000_000), None);
    }
}
