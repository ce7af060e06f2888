//! Values that vary less than anything real does, or not at all.

use crate::audit::case::Case;
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::{Kind, written_step};
use crate::audit::word::{has_word, percent};
use crate::sample::Provenance;

/// A spread below what a scheduler and a clock allow.
///
/// The criterion: n ≥ 10 elapsed times of at least 1 ms, not written down coarsely, with a standard deviation under 5 µs
/// and under 0.01 % of the mean. Waking a thread alone scatters by tens of microseconds.
pub(super) fn too_steady(case: &Case<'_>) -> Vec<Finding> {
    let fine = |series: &&&crate::audit::series::Series<'_>| {
        written_step(series.sorted.as_slice()).is_none_or(|step| step <= series.stddev)
    };
    case.times()
        .filter(|series| series.n() >= 10 && series.mean >= 1e6 && !series.constant())
        .filter(|series| series.stddev < 5e3 && series.stddev < series.mean * 1e-4)
        .filter(|series| fine(&series))
        .map(|series| {
            let message = format!(
                "{} values around {} scatter by only {}: no clock and no scheduler is that steady",
                series.n(),
                series.show(series.mean),
                series.show(series.stddev)
            );
            let variation = format!("coefficient of variation {}", percent(series.stddev / series.mean));
            Finding::of(series, Weight::Suspect, message).because(variation)
        })
        .collect()
}

/// A metric of another tool that has one value in all samples; a zero is worse than another constant.
pub(super) fn constant_metric(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (metric, all) in case.by_metric() {
        let n: usize = all.iter().map(|series| series.n()).sum();
        let (first, named) = (all[0].min(), all[0]);
        let by_nature =
            has_word(metric, &["verified", "success", "integrity", "ok", "status", "count", "size", "limit"])
                || (named.kind == Kind::Bytes && !has_word(metric, &["memory", "rss", "pss"]))
                || named.kind == Kind::Count;
        let own = all.iter().flat_map(|series| &series.columns.rows).any(|row| row.provenance == Provenance::Measured);
        if n < 5 || own || by_nature || all.iter().any(|series| !series.constant() || series.min() != first) {
            continue;
        }
        let weight = if first == 0.0 { Weight::Suspect } else { Weight::Note };
        let message = format!("all {n} values are {}: nothing was observed to vary", named.show(first));
        found.push(Finding::new(weight, message).metric(metric).because(format!("{} cells", all.len())));
    }
    found
}

/// A value that is exactly 0 among others that are not: a missing value was written as 0.
///
/// Times and rates are never 0. Where values are written down in steps that are not small against them, a 0 can be a short
/// time, and only a note is made of it.
pub(super) fn missing_as_zero(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for series in &case.series {
        let own = series.columns.rows.iter().any(|row| row.provenance == Provenance::Measured);
        let never_zero = matches!(series.kind, Kind::ByteRate | Kind::Rate)
            || (series.is_elapsed() && !own)
            || ["total_ns", "lifecycle_ns"].contains(&series.metric);
        let zeros = series.values.iter().filter(|value| **value == 0.0).count();
        if !never_zero || zeros == 0 || series.max() <= 0.0 {
            continue;
        }
        let coarse = written_step(series.sorted.as_slice()).is_some_and(|step| step * 5.0 >= series.quantile(0.75));
        let weight = if coarse { Weight::Note } else { Weight::Void };
        let message =
            format!("{zeros} of {} values are exactly 0 and counted as valid: a missing value is not a 0", series.n());
        found.push(
            Finding::of(series, weight, message).because(format!("the others reach {}", series.show(series.max()))),
        );
    }
    for claim in case.claims() {
        let kind = crate::audit::series::kind_of(&claim.metric);
        let figure = matches!(
            claim.statistic,
            crate::imported::Statistic::Mean | crate::imported::Statistic::Median | crate::imported::Statistic::Value
        );
        let never = matches!(kind, Kind::Time | Kind::ByteRate | Kind::Rate)
            || has_word(&claim.metric, &["memory", "rss", "cpu"]);
        if figure && never && claim.value == 0.0 {
            let message = "the file states 0 for it: nothing that runs takes none";
            let finding = Finding::new(Weight::Suspect, message).cell(&claim.cell).metric(&claim.metric);
            found.push(finding.because(format!("field `{}`", crate::audit::word::printable(&claim.field))));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::audit::finding::Weight;
    use crate::audit::testing::{Made, noise, said, scattered};
    use crate::imported::Statistic;

    #[test]
    fn nothing_real_is_that_steady() {
        let steady: Vec<f64> = (0..20).map(|i| 123.456e6 + 2e3 * noise(i, 0.3)).collect();
        assert_eq!(said("too-steady", "boot_ns", &steady), Some(Weight::Suspect));
        assert_eq!(said("too-steady", "boot_ns", &scattered(20, 123e6, 0.002)), None);
        assert_eq!(said("too-steady", "call_ns", &scattered(20, 300e3, 0.001)), None, "short times may be steady");
    }

    #[test]
    fn a_constant_is_no_observation() {
        assert_eq!(said("constant-metric", "cpu_ratio", &[0.0; 6]), Some(Weight::Suspect));
        assert_eq!(said("constant-metric", "disk_usage_ratio", &[0.4; 6]), Some(Weight::Note));
        assert_eq!(said("constant-metric", "verified_ratio", &[1.0; 6]), None);
        assert_eq!(said("constant-metric", "cpu_ratio", &[0.0, 0.0, 0.1, 0.0, 0.0, 0.0]), None);
        assert_eq!(said("constant-metric", "cpu_ratio", &[0.0; 4]), None);
    }

    #[test]
    fn a_missing_value_is_no_zero() {
        assert_eq!(said("missing-as-zero", "copy_ns", &[0.0, 8.1e6, 8.2e6, 8.3e6]), Some(Weight::Void));
        assert_eq!(said("missing-as-zero", "copy_ns", &[8.1e6, 8.2e6]), None);
        let coarse = [0.0, 1e6, 2e6, 1e6, 3e6, 4e6, 5e6, 2e6];
        assert_eq!(said("missing-as-zero", "copy_ns", &coarse), Some(Weight::Note));
        let mut made = Made::imported();
        let cell = made.cell("a");
        made.claim(&cell, "cpu_ratio", Statistic::Mean, 0.0, Some(5));
        assert_eq!(made.says("missing-as-zero"), Some(Weight::Suspect));
    }
}
