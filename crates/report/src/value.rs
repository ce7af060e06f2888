//! Values as people read them.

use isodyne_core::summary::{MetricSummary, below_resolution, is_below_resolution};
use isodyne_core::unit::{DisplayNs, display_metric, unit_of_metric};

/// What stands where there is no value.
pub(crate) const NONE: &str = "–";
/// What stands for a time that the clock cannot tell.
pub(crate) const BELOW: &str = "below resolution";

/// A time in nanoseconds, or "below resolution".
pub(crate) fn time(ns: f64, clock_step_ns: Option<u64>) -> String {
    if below_resolution(ns, clock_step_ns) { BELOW.to_owned() } else { DisplayNs(ns).to_string() }
}

/// A metric's value by the unit in its name; times under 20 clock steps are "below resolution".
pub(crate) fn metric(name: &str, value: f64, clock_step_ns: Option<u64>) -> String {
    if is_below_resolution(name, value, clock_step_ns) { BELOW.to_owned() } else { display_metric(name, value) }
}

/// The same for a value that may not be there.
pub(crate) fn optional(name: &str, value: Option<f64>, clock_step_ns: Option<u64>) -> String {
    value.map_or_else(|| NONE.to_owned(), |value| metric(name, value, clock_step_ns))
}

/// An interval with its unit once, where both ends have the same: `5.61 – 5.93 s`.
pub(crate) fn interval(name: &str, ends: Option<[f64; 2]>, clock_step_ns: Option<u64>) -> String {
    let Some([low, high]) = ends else { return NONE.to_owned() };
    let (low, high) = (metric(name, low, clock_step_ns), metric(name, high, clock_step_ns));
    if low == BELOW && high == BELOW {
        return low;
    }
    match (low.rsplit_once(' '), high.rsplit_once(' ')) {
        (Some((number, unit)), Some((_, other))) if unit == other && low != BELOW && high != BELOW => {
            format!("{number} – {high}")
        }
        _ => format!("{low} – {high}"),
    }
}

/// The interval of a metric's median.
pub(crate) fn median_interval(name: &str, metric: &MetricSummary, clock_step_ns: Option<u64>) -> String {
    interval(name, metric.ci95, clock_step_ns)
}

/// A share as a percentage, with the digits it deserves.
pub(crate) fn percent(share: f64) -> String {
    // The thresholds sit a little below the step so that rounding never prints "1.00 %" beside "1.0 %".
    match share * 100.0 {
        value if value >= 9.95 => format!("{value:.0} %"),
        value if value >= 0.995 => format!("{value:.1} %"),
        value if value > 0.0 && value < 0.005 => "< 0.01 %".to_owned(),
        value => format!("{value:.2} %"),
    }
}

/// A tick's label on an axis of a metric: for times the shortest form that is exact for round numbers.
pub(crate) fn tick(name: &str, value: f64) -> String {
    if unit_of_metric(name) == "ns" { tick_of_time(value) } else { display_metric(name, value) }
}

fn tick_of_time(ns: f64) -> String {
    if ns == 0.0 {
        return "0".to_owned();
    }
    let (factor, unit) = match ns.abs() {
        size if size >= 0.9995e9 => (1e9, "s"),
        size if size >= 0.9995e6 => (1e6, "ms"),
        size if size >= 0.9995e3 => (1e3, "µs"),
        _ => (1.0, "ns"),
    };
    let number = format!("{:.3}", ns / factor);
    format!("{} {unit}", number.trim_end_matches('0').trim_end_matches('.'))
}

/// `1 sample`, `20 samples`.
pub(crate) fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_times_are_below_resolution() {
        assert_eq!(time(439.0, Some(22)), BELOW);
        assert_eq!(time(441.0, Some(22)), "441 ns");
        assert_eq!(metric("rss_bytes", 10.0, Some(22)), "10 B");
        assert_eq!(metric("train_per_trip_ns", 250.0, Some(22)), "250 ns");
        assert_eq!(metric("call_per_item_ns", 250.0, Some(22)), BELOW);
    }

    #[test]
    fn an_interval_says_its_unit_once() {
        assert_eq!(interval("total_ns", Some([5.61e9, 5.93e9]), None), "5.61 – 5.93 s");
        assert_eq!(interval("total_ns", Some([9.9e8, 1.02e9]), None), "990 ms – 1.02 s");
        assert_eq!(interval("total_ns", Some([1.0, 1e6]), Some(22)), "below resolution – 1.00 ms");
        assert_eq!(interval("total_ns", None, None), "–");
    }

    #[test]
    fn ticks_are_short() {
        assert_eq!(
            (tick("x_ns", 1e6), tick("x_ns", 2.5e9), tick("x_ns", 500.0)),
            ("1 ms".into(), "2.5 s".into(), "500 ns".into())
        );
    }
}
