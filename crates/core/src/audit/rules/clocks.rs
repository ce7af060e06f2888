//! Clocks that were mixed, and fields that wrap.

use crate::audit::case::Case;
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::{Kind, kind_of};
use crate::audit::word::{has_word, percent, printable};

const SECOND_NS: f64 = 1e9;

/// Stamps of two clocks that were subtracted, or a guest's own clock sold as elapsed time.
pub(super) fn guest_clock(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for series in case.series.iter().filter(|series| series.kind == Kind::Time && series.min() < 0.0) {
        let count = series.values.iter().filter(|value| **value < 0.0).count();
        let message =
            format!("{count} of {} times are negative: stamps of different clocks were subtracted", series.n());
        found.push(
            Finding::of(series, Weight::Void, message).because(format!("the least is {}", series.show(series.min()))),
        );
    }
    for claim in case.claims().iter().filter(|claim| kind_of(&claim.metric) == Kind::Time && claim.value < 0.0) {
        let message = "a negative time is stated: stamps of different clocks were subtracted".to_owned();
        found.push(super::claims::about(claim, Weight::Void, message));
    }
    for (key, value) in case.facts(&["clock", "clocks", "stamps", "timestamps"]) {
        let text = value.to_lowercase();
        if text.contains("guest") {
            let both = text.contains("host");
            let (weight, message) = if both {
                (Weight::Void, "times are the difference of a guest's and a host's clock")
            } else {
                (Weight::Suspect, "times are by the guest's own clock, which starts late and may run at another rate")
            };
            found.push(Finding::new(weight, message).because(format!("{key}: {}", printable(value))));
        }
    }
    found
}

/// A field of microseconds or nanoseconds within the second that was taken for the whole time.
///
/// The criterion: all of at least 5 values are under 1 s, and either another time of the same samples is larger by whole
/// seconds (to 5 ms) in half of the samples or more, or the field is called `microseconds`, or the values lie at both ends of the
/// second (n ≥ 10, a tenth or more above 0.9 s and below 0.1 s each, none between 0.25 s and 0.75 s).
pub(super) fn wrapping_subsecond(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for series in case.times().filter(|series| series.n() >= 5 && series.max() < SECOND_NS && series.min() >= 0.0) {
        if series.columns.rows.iter().any(|row| row.provenance == crate::sample::Provenance::Measured) {
            continue;
        }
        let column = series.columns.metrics.get(series.metric);
        let longer =
            case.of_cell(&series.cell.id).iter().filter(|other| other.is_elapsed() && other.metric != series.metric);
        for other in longer.filter(|other| other.max() >= SECOND_NS) {
            let (Some(own), Some(theirs)) = (column, other.columns.metrics.get(other.metric)) else { continue };
            let valid: Vec<usize> = series.columns.valid().collect();
            let wraps = valid.iter().filter(|row| {
                let difference = theirs[**row] - own[**row];
                difference >= 0.99 * SECOND_NS
                    && (difference / SECOND_NS - (difference / SECOND_NS).round()).abs() < 0.005
            });
            let count = wraps.count();
            if count >= 3 && count * 2 >= valid.len() {
                let message =
                    format!("`{}` is larger by whole seconds: only the part within the second was read", other.metric);
                found.push(
                    Finding::of(series, Weight::Void, message).because(format!("{count} of {} samples", valid.len())),
                );
                break;
            }
        }
        let share = |from: f64, to: f64| {
            series.values.iter().filter(|value| (from * SECOND_NS..to * SECOND_NS).contains(*value)).count() as f64
                / series.n() as f64
        };
        if series.n() >= 10 && share(0.9, 1.0) >= 0.1 && share(0.0, 0.1) >= 0.1 && share(0.25, 0.75) == 0.0 {
            let message = "the values lie at both ends of the second and none between: they wrap at 1 s";
            let ends = format!("{} above 0.9 s, {} below 0.1 s", percent(share(0.9, 1.0)), percent(share(0.0, 0.1)));
            found.push(Finding::of(series, Weight::Suspect, message).because(ends));
        }
    }
    for claim in case.claims().iter().filter(|claim| kind_of(&claim.metric) == Kind::Time) {
        if has_word(&claim.field, &["microseconds"])
            && claim.value < SECOND_NS
            && has_word(&claim.field, &["timedelta", "delta"])
        {
            let message = "the field of microseconds of a time difference drops its whole seconds".to_owned();
            found.push(super::claims::about(claim, Weight::Suspect, message));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::audit::Weight;
    use crate::audit::testing::{Made, noise, scattered};

    #[test]
    fn a_negative_time_is_void() {
        let mut made = Made::imported();
        let cell = made.cell("a");
        made.samples(&cell, "boot_ns", &[1.2e9, -0.4e9]);
        assert_eq!(made.says("guest-clock"), Some(Weight::Void));
        let mut told = Made::imported();
        let cell = told.cell("a");
        told.samples(&cell, "boot_ns", &[1.2e9]);
        assert_eq!(told.says("guest-clock"), None);
        told.fact("clock", "guest stamp minus host stamp");
        assert_eq!(told.says("guest-clock"), Some(Weight::Void));
        told.fact("clock", "guest");
        assert_eq!(told.says("guest-clock"), Some(Weight::Suspect));
    }

    #[test]
    fn a_field_that_wraps_is_seen_beside_the_whole_time() {
        let said = |whole: bool| {
            let mut made = Made::imported();
            let cell = made.cell("a");
            for index in 0..12 {
                let time = 2.4e9 * noise(index, 0.3);
                let part = if whole { time * 0.1 } else { time % 1e9 };
                made.sample(&cell, &[("resume_ns", part), ("wall_ns", time + 1e5)]);
            }
            made.says("wrapping-subsecond")
        };
        assert_eq!(said(false), Some(Weight::Void));
        assert_eq!(said(true), None);
    }

    #[test]
    fn a_field_that_wraps_is_seen_by_its_two_ends() {
        let mut made = Made::imported();
        let cell = made.cell("a");
        let values: Vec<f64> = (0..40).map(|index| (1e9 * noise(index, 0.03)) % 1e9).collect();
        made.samples(&cell, "build_ns", &values);
        assert_eq!(made.says("wrapping-subsecond"), Some(Weight::Suspect));
        let mut free = Made::imported();
        let cell = free.cell("a");
        free.samples(&cell, "build_ns", &scattered(40, 0.5e9, 0.4));
        assert_eq!(free.says("wrapping-subsecond"), None);
    }
}
