//! Clocks that were mixed, fields that wrap, and units that were mistaken.

use crate::audit::case::Case;
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::{Kind, Series, amount, is_size, kind_of};
use crate::audit::word::{has_word, percent, printable};
use crate::factor::FactorValue;

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

/// Factors by which units are mistaken, with the mistake in words.
const MISTAKES: &[(f64, &str, Weight)] = &[
    (1.048_576, "MB and MiB", Weight::Suspect),
    (1.024, "kB and KiB, or 1000 and 1024 MiB", Weight::Suspect),
    (1.073_741_824, "GB and GiB", Weight::Suspect),
    (8.0, "bits and bytes", Weight::Void),
    (8.388_608, "Mbit and MiB", Weight::Void),
    (1e3, "a factor of 1000", Weight::Void),
    (1e6, "a factor of 1000000", Weight::Void),
    (1_024.0, "a factor of 1024", Weight::Void),
];

/// Size, duration and rate of the same samples that do not agree, by just the factor between two units.
///
/// The criterion: rate × time ÷ size is the same in all samples (to 1 %, or the step in which times are written), and within
/// 0.4 % of 1.024, 1.024², 1.024³, 8, 1000 or their inverses.
pub(super) fn mixed_units(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for rate in case.series.iter().filter(|series| series.kind == Kind::ByteRate) {
        let mut sizes: Vec<(String, f64)> = rate
            .cell
            .factors
            .iter()
            .filter(|(key, value)| is_size(key) && !ambiguous(value))
            .filter_map(|(key, value)| Some((key.clone(), amount(value)?)))
            .collect();
        let constant = |series: &&Series<'_>| series.kind == Kind::Bytes && series.constant();
        let measured = case.of_cell(&rate.cell.id).iter().filter(constant).filter(|series| is_size(series.metric));
        sizes.extend(measured.map(|series| (series.metric.to_owned(), series.min())));
        let times = case.of_cell(&rate.cell.id).iter().filter(|time| time.is_elapsed() && time.n() == rate.n());
        let matching = times.filter(|time| same_thing(time.metric, rate.metric));
        for time in matching {
            for (key, size) in &sizes {
                found.extend(mistaken(rate, time, key, *size));
            }
        }
    }
    found.extend(sizes_apart(case));
    found.extend(named_megabits(case));
    found
}

/// A size stated twice, as `1G` and in bytes, that does not come to the same.
fn sizes_apart(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for cell in &case.record.cells {
        let sizes = || cell.factors.iter().filter(|(key, _)| is_size(key));
        let texts =
            sizes().filter(|(_, value)| ambiguous(value)).filter_map(|(key, value)| Some((key, value, amount(value)?)));
        for (key, value, binary) in texts {
            let exact = sizes().filter(|(_, other)| matches!(other, FactorValue::Bytes(_)));
            let exact = exact.filter_map(|(other, size)| Some((other, amount(size)?)));
            let apart = |size: f64| MISTAKES.iter().any(|(factor, ..)| (binary / size / factor - 1.0).abs() < 0.004);
            if let Some((other, size)) = exact.into_iter().find(|(_, size)| *size > 0.0 && apart(*size)) {
                let message = format!(
                    "`{key}` of {value} is {} in `{other}`: files of that name are made in binary units, {:.1} % larger",
                    FactorValue::Bytes(size as u64),
                    (binary / size - 1.0) * 100.0
                );
                found.push(Finding::new(Weight::Suspect, message).cell(&cell.id));
            }
        }
    }
    found
}

/// A text such as `1G` says neither 10^9 nor 2^30.
fn ambiguous(value: &FactorValue) -> bool {
    matches!(value, FactorValue::Text(text) if !text.ends_with('B'))
}

/// `upload_ns` and `upload_bytes_per_s`, or the one time and the one rate that have no name of their own.
fn same_thing(time: &str, rate: &str) -> bool {
    let (time, rate) = (time.trim_end_matches("_ns"), rate.trim_end_matches("_bytes_per_s"));
    let general =
        |name: &str| ["duration", "total", "elapsed", "throughput", "bandwidth", "upload", "transfer"].contains(&name);
    time == rate || (general(time) && general(rate))
}

fn mistaken(rate: &Series<'_>, time: &Series<'_>, key: &str, size: f64) -> Option<Finding> {
    if size <= 0.0 {
        return None;
    }
    let ratios = rate.values.iter().zip(&time.values).map(|(rate, time)| rate * time / SECOND_NS / size);
    let ratios = crate::stats::Sorted::new(ratios)?;
    let (low, middle, high) = (ratios.quantile(0.0)?, ratios.quantile(0.5)?, ratios.quantile(1.0)?);
    if middle <= 0.0 || high > low * 1.01 || rate.n() == 0 {
        return None;
    }
    let (factor, words, weight) = MISTAKES
        .iter()
        .find(|(factor, ..)| [middle * factor, middle / factor].iter().any(|rest| (rest - 1.0).abs() < 0.004))?;
    let message = format!("rate times time is {middle:.4} times `{key}`: {words} are mixed");
    Some(
        Finding::of(rate, *weight, message)
            .because(format!("`{}` × `{}` ÷ {}", rate.metric, time.metric, crate::unit::DisplayBytes(size)))
            .because(format!("nearest factor {factor}, n = {}", rate.n())),
    )
}

/// A field called `mbps`, which reads as megabits, whose values are megabytes.
fn named_megabits(case: &Case<'_>) -> Vec<Finding> {
    let suspicious = ["mbps", "gbps", "kbps"];
    let mut fields: Vec<(String, &str)> = case
        .claims()
        .iter()
        .filter(|claim| kind_of(&claim.metric) == Kind::ByteRate && has_suffix_word(&claim.field, &suspicious))
        .map(|claim| (claim.field.clone(), claim.metric.as_str()))
        .collect();
    let facts = case
        .facts(&["unit", "units"])
        .filter(|(_, value)| suspicious.iter().any(|word| value.to_lowercase().contains(word)));
    fields.extend(facts.map(|(key, value)| (format!("{key}: {value}"), "")));
    let Some((field, metric)) = fields.first() else { return Vec::new() };
    let message =
        format!("`{}` reads as megabits per second and holds megabytes: eight times as much", printable(field));
    let finding = Finding::new(Weight::Suspect, message).because(format!("{} fields of that name", fields.len()));
    vec![if metric.is_empty() { finding } else { finding.metric(metric) }]
}

fn has_suffix_word(field: &str, wanted: &[&str]) -> bool {
    has_word(field, wanted)
}

/// Names with their own meaning that the file's facts contradict.
pub(super) fn not_what_it_says(case: &Case<'_>) -> Vec<Finding> {
    const MEANINGS: &[(&[&str], &str, Weight)] = &[
        (&["socket"], "it ends when a control socket is there: no guest has run", Weight::Void),
        (&["204", "instancestart"], "it ends when the VMM took the request to start: no guest has run", Weight::Void),
        (&["sleep", "sleeps", "fixed"], "it contains fixed sleeps", Weight::Void),
        (
            &["acknowledged", "acknowledgement", "ack"],
            "it ends at an acknowledgement, not when the work is done",
            Weight::Void,
        ),
        (
            &["dmesg", "entropy", "random", "fast"],
            "it is a stamp in the kernel's log, by the guest's clock",
            Weight::Suspect,
        ),
        (
            &["nc", "port"],
            "it ends when a port accepts, which a forwarder does before the guest is up",
            Weight::Suspect,
        ),
        (&["nothing"], "what it times does not do the work that it is named after", Weight::Void),
        (&["asserted", "estimated", "constant"], "it was stated and not observed", Weight::Void),
        (&["curl", "cli", "sudo", "fork"], "it contains the start of the program that asks", Weight::Suspect),
        (&["life", "lifetime"], "it is a mean over the whole life of a process, not of that moment", Weight::Suspect),
        (&["poll", "polled", "polling"], "it ends at the next poll after the event", Weight::Note),
    ];
    let mut found = Vec::new();
    for (key, value) in case.facts(&["method", "milestone", "measured", "timer", "timed", "ends", "definition"]) {
        for (words, meaning, weight) in MEANINGS {
            if has_word(value, words) {
                let subject = key.rsplit_once(['_', '.']).map_or(key, |(subject, _)| subject);
                let subject = if subject == "timed" { "the timed region" } else { subject };
                let message = format!("`{}` does not mean what its name says: {meaning}", printable(subject));
                found.push(Finding::new(*weight, message).because(format!("{}: {}", printable(key), printable(value))));
            }
        }
    }
    for (key, value) in case.facts(&["estimated", "computed"]) {
        let message = "the file says itself that something in it was computed and not measured";
        found.push(Finding::new(Weight::Suspect, message).because(format!("{}: {}", printable(key), printable(value))));
    }
    for (key, value) in case.facts(&["exit"]).filter(|(_, value)| has_word(value, &["whether", "ignored", "unused"])) {
        let message = "times were written whether what they time succeeded or not";
        found.push(Finding::new(Weight::Void, message).because(format!("{}: {}", printable(key), printable(value))));
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::testing::{Made, noise, scattered};
    use crate::cell::BackendName;
    use crate::imported::Statistic;

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

    #[test]
    fn units_are_told_apart_by_their_factor() {
        let said = |factor: f64| {
            let mut made = Made::imported();
            let cell = made.cell_with(BackendName::Imported, &[("file_size", FactorValue::Bytes(100 << 20))]);
            for index in 0..5 {
                let time = 0.75e9 * noise(index, 0.05);
                made.sample(
                    &cell,
                    &[("upload_ns", time), ("throughput_bytes_per_s", factor * 104_857_600.0 / time * 1e9)],
                );
            }
            made.says("mixed-units")
        };
        assert_eq!(said(1.0), None);
        assert_eq!(said(1.03), None);
        assert_eq!(said(1.0 / 1.048576), Some(Weight::Suspect));
        assert_eq!(said(1000.0 / 1024.0), Some(Weight::Suspect));
        assert_eq!(said(0.125), Some(Weight::Void));
        assert_eq!(said(1000.0), Some(Weight::Void));
    }

    #[test]
    fn a_field_named_megabits_is_asked_about() {
        let mut made = Made::imported();
        let cell = made.cell("a");
        made.claim_in(
            &cell,
            "throughput_bytes_per_s",
            Statistic::Median,
            138.9e6,
            None,
            "stats.median_throughput_mbps",
        );
        assert_eq!(made.says("mixed-units"), Some(Weight::Suspect));
    }

    #[test]
    fn what_a_file_says_of_its_milestones_is_believed() {
        for (value, expected) in [
            ("api socket exists, polled every 100 ms", Some(Weight::Void)),
            ("dmesg", Some(Weight::Suspect)),
            ("first byte of the agent", None),
        ] {
            let mut made = Made::imported();
            made.fact("boot_method", value);
            assert_eq!(made.says("not-what-it-says"), expected, "{value}");
        }
    }
}
