//! Units that were mistaken: MB for MiB, bits for bytes.

use crate::audit::case::Case;
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::{Kind, Series, amount, is_size, kind_of};
use crate::audit::word::{has_word, printable};
use crate::factor::FactorValue;

const SECOND_NS: f64 = 1e9;

/// The fewest samples that show that a measured size is the same every time: a single value always is.
const FEWEST: usize = 3;

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
        let constant = |series: &&Series<'_>| series.kind == Kind::Bytes && series.constant() && series.n() >= FEWEST;
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
        .filter(|claim| kind_of(&claim.metric) == Kind::ByteRate && has_word(&claim.field, &suspicious))
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

#[cfg(test)]
mod tests {
    use crate::audit::Weight;
    use crate::audit::testing::{Made, noise};
    use crate::cell::BackendName;
    use crate::factor::FactorValue;
    use crate::imported::Statistic;

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
    fn one_sample_shows_no_constant_size() {
        let said = |samples: usize| {
            let mut made = Made::imported();
            let cell = made.cell("a");
            for _ in 0..samples {
                let values = [("total_ns", 1e9), ("throughput_bytes_per_s", 8e8), ("file_bytes", 1e8)];
                made.sample(&cell, &values);
            }
            made.says("mixed-units")
        };
        assert_eq!((said(1), said(3)), (None, Some(Weight::Void)));
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
}
