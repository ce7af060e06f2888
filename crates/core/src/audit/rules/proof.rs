//! Proof: what a sample claims must have been shown, and what was shown must be the whole of it.

use crate::audit::case::Case;
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::Kind;
use crate::audit::word::{has_word, percent};
use crate::failure::FailureClass;
use crate::imported::Statistic;
use crate::sample::Provenance;

const VERIFIED_WORDS: &[&str] = &["verified", "integrity", "verify_ok", "checksum_ok", "correct"];

/// Data that came back different, in however few samples: nothing else in that cell can be believed.
pub(super) fn integrity(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (cell, columns) in case.cells() {
        let wrong = columns.rows.iter().filter(|row| {
            !row.warmup && matches!(row.failure, Some(FailureClass::Integrity | FailureClass::RestoreMismatch))
        });
        let (wrong, all) =
            (wrong.count(), columns.rows.iter().filter(|row| !row.warmup && !row.is_interrupted()).count());
        if wrong > 0 {
            let message = format!(
                "{} of the samples were right ({wrong} of {all} came back different): under 100 % none of them counts",
                percent((all - wrong) as f64 / all as f64)
            );
            found.push(
                Finding::new(Weight::Void, message)
                    .cell(&cell.id)
                    .because("failures of class integrity or restore_mismatch"),
            );
        }
    }
    for series in case.series.iter().filter(|series| has_word(series.metric, VERIFIED_WORDS)) {
        if matches!(series.kind, Kind::Ratio | Kind::Count) && series.min() < 1.0 && series.max() <= 1.0 {
            let message =
                format!("{} of {} samples are verified: under 100 % none counts", percent(series.mean), series.n());
            found.push(Finding::of(series, Weight::Void, message));
        }
    }
    for claim in case.claims() {
        let share =
            has_word(&claim.metric, VERIFIED_WORDS) && crate::audit::series::kind_of(&claim.metric) == Kind::Ratio;
        if share && claim.value < 1.0 && matches!(claim.statistic, Statistic::Value | Statistic::Mean) {
            let message = format!("the file states {} of verified data: under 100 % none counts", percent(claim.value));
            found.push(super::claims::about(claim, Weight::Void, message));
        }
    }
    found
}

/// Samples that count although their own status says that they failed.
pub(super) fn failure_counted(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for series in case.series.iter().filter(|series| has_word(series.metric, &["status"])) {
        let http = has_word(series.metric, &["http"]);
        let bad =
            series.values.iter().filter(|value| if http { !(200.0..400.0).contains(*value) } else { **value != 0.0 });
        let count = if http || has_word(series.metric, &["exit"]) { bad.count() } else { 0 };
        if count > 0 {
            let message =
                format!("{count} of {} samples count as valid and carry a status that says they failed", series.n());
            found.push(Finding::of(series, Weight::Void, message).because(format!("largest status {}", series.max())));
        }
    }
    for (key, value) in case.facts(&["empty"]) {
        let message = "rows count as results and hold nothing";
        let because = format!("{}: {}", crate::audit::word::printable(key), crate::audit::word::printable(value));
        found.push(Finding::new(Weight::Suspect, message).because(because));
    }
    for (cell, columns) in case.cells() {
        let empty = columns.valid().filter(|row| columns.metrics.values().all(|column| column[*row].is_nan())).count();
        if empty > 0 {
            let message = format!("{empty} samples count as valid and have no value at all");
            found.push(Finding::new(Weight::Suspect, message).cell(&cell.id));
        }
    }
    found
}

/// Valid samples of our own that state no proof.
pub(super) fn no_proof(case: &Case<'_>) -> Vec<Finding> {
    let own = |columns: &crate::columns::CellColumns| {
        columns.rows.iter().any(|row| row.counts() && row.provenance == Provenance::Measured)
    };
    case.cells()
        .filter(|(_, columns)| columns.without_proof > 0 && own(columns))
        .map(|(cell, columns)| {
            let message = format!(
                "{} valid samples do not state what was proved before their time counted",
                columns.without_proof
            );
            Finding::new(Weight::Void, message).cell(&cell.id)
        })
        .collect()
}

/// Samples that are missing from what was asked for, and who was left out.
pub(super) fn survivorship(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (cell, columns) in case.cells() {
        let taken = columns.rows.iter().filter(|row| !row.warmup && !row.is_interrupted());
        let (n, failed) = (taken.clone().count(), taken.clone().filter(|row| row.is_failed()).count());
        if n >= 5 && failed * 20 > n {
            let message = format!("{failed} of {n} samples failed: the figures are of the survivors only");
            let weight = if failed * 4 > n { Weight::Suspect } else { Weight::Note };
            found.push(Finding::new(weight, message).cell(&cell.id));
        }
        // Numbers that are missing in another tool's count of its own iterations.
        if case.imported().is_none() {
            continue;
        }
        let rounds: std::collections::BTreeSet<u32> = taken.map(|row| row.round).collect();
        let (Some(first), Some(last)) = (rounds.first(), rounds.last()) else { continue };
        let span = (last - first) as usize + 1;
        let missing = span - rounds.len();
        if *first <= 1 && rounds.len() == n && missing > 0 && missing * 5 < span * 2 {
            let message =
                format!("{missing} of {span} numbered samples are not in the file: were they the failed ones?");
            found.push(Finding::new(Weight::Suspect, message).cell(&cell.id));
        }
    }
    // One for each metric of a cell: a file states many figures of the same samples.
    let mut told = std::collections::BTreeSet::new();
    for (claim, series) in case.claims_with_series() {
        let rows = || series.columns.rows.iter().filter(|row| !row.warmup && !row.is_interrupted());
        let present = series.n() as u64;
        let (stated, all, weight) = match claim.statistic {
            Statistic::Succeeded => (claim.value as u64, present, Weight::Suspect),
            Statistic::Failed => continue,
            // Figures of more values than samples may be of another kind of value: it is for people to look.
            _ => (claim.n.unwrap_or(0), rows().count() as u64, Weight::Note),
        };
        if stated > all && told.insert((claim.cell.as_str(), claim.metric.as_str())) {
            let message = format!("{stated} samples are said to stand behind it, {present} are in the file");
            found.push(super::claims::about(claim, weight, message));
        }
    }
    for claim in case.claims().iter().filter(|claim| claim.statistic == Statistic::Failed && claim.value > 0.0) {
        let succeeded = case.beside(claim).iter().find(|other| other.statistic == Statistic::Succeeded);
        let has_rows = case.columns.cells.get(&claim.cell).is_some_and(|columns| !columns.rows.is_empty());
        let Some(succeeded) = succeeded.filter(|_| !has_rows) else { continue };
        let all = claim.value + succeeded.value;
        let message = format!("{} of {all} samples failed and are not in the figures", claim.value);
        found.push(super::claims::about(claim, Weight::Suspect, message));
    }
    found
}

/// A target with a bound on one side only, met by a value that cannot be.
///
/// The criterion: the file says that a target is met, while the same metric has a figure that is 0, or below what any machine
/// needs (see `beyond-physics`), or that the auditor found void for another reason of units.
pub(super) fn met_by_nonsense(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for claim in case.claims().iter().filter(|claim| claim.statistic == Statistic::Met && claim.value == 1.0) {
        let figures = case.beside(claim).iter().filter(|other| {
            !matches!(
                other.statistic,
                Statistic::Met | Statistic::Stddev | Statistic::Succeeded | Statistic::Failed | Statistic::Min
            )
        });
        let stated = figures.map(|other| other.value);
        let taken = case.series_of(&claim.cell, &claim.metric).map(|series| series.median());
        let kind = crate::audit::series::kind_of(&claim.metric);
        let floor = match kind {
            Kind::Time => 1_000.0,
            Kind::Bytes if has_word(&claim.metric, &["memory", "rss", "pss"]) => 65_536.0,
            Kind::Ratio if has_word(&claim.metric, &["cpu"]) => 1e-9,
            Kind::ByteRate | Kind::Rate => f64::MIN_POSITIVE,
            _ => continue,
        };
        if let Some(value) = stated.chain(taken).find(|value| *value < floor) {
            let shown = crate::unit::display_metric(&claim.metric, value);
            let message =
                format!("its target counts as met by {shown}, which cannot be: the target has no lower bound");
            let field = format!("field `{}`", crate::audit::word::printable(&claim.field));
            found.push(Finding::new(Weight::Void, message).cell(&claim.cell).metric(&claim.metric).because(field));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::testing::Made;

    #[test]
    fn anything_under_all_is_void() {
        let said = |values: &[f64]| {
            let mut made = Made::imported();
            let cell = made.cell("a");
            made.samples(&cell, "data_verified_ratio", values);
            made.says("integrity")
        };
        assert_eq!(said(&[1.0, 1.0, 0.0, 1.0]), Some(Weight::Void));
        assert_eq!(said(&[1.0, 1.0]), None);
        let mut made = Made::imported();
        let cell = made.cell("a");
        made.samples(&cell, "transfer_ns", &[1e6, 2e6]);
        made.failed(&cell, FailureClass::Integrity, &[]);
        assert_eq!(made.says("integrity"), Some(Weight::Void));
    }

    #[test]
    fn a_stated_share_under_all_is_void() {
        let mut made = Made::imported();
        let cell = made.cell("a");
        made.claim(&cell, "verified_ratio", Statistic::Value, 0.933, Some(15));
        assert_eq!(made.says("integrity"), Some(Weight::Void));
    }

    #[test]
    fn a_failed_status_does_not_count() {
        for (status, expected) in [(400.0, Some(Weight::Void)), (200.0, None)] {
            let mut made = Made::imported();
            let cell = made.cell("a");
            made.sample(&cell, &[("upload_ns", 1.34e9), ("http_status_count", status)]);
            assert_eq!(made.says("failure-counted"), expected);
        }
        let mut made = Made::imported();
        let cell = made.cell("a");
        made.sample(&cell, &[]);
        assert_eq!(made.says("failure-counted"), Some(Weight::Suspect));
    }

    #[test]
    fn our_own_samples_state_proofs() {
        let mut made = Made::measured();
        let cell = made.cell("a");
        made.sample(&cell, &[("total_ns", 5e6)]);
        assert_eq!(made.says("no-proof"), None);
        made.sample(&cell, &[("total_ns", 5e6)]).proofs.clear();
        assert_eq!(made.says("no-proof"), Some(Weight::Void));
    }

    #[test]
    fn who_is_missing_is_asked_for() {
        let mut made = Made::imported();
        let cell = made.cell("a");
        made.samples(&cell, "boot_ns", &[2.0e9, 2.1e9, 2.3e9, 2.2e9, 2.4e9, 2.1e9]);
        assert_eq!(made.says("survivorship"), None);
        made.claim(&cell, "boot_ns", Statistic::Mean, 2.18e9, Some(8));
        assert_eq!(made.says("survivorship"), Some(Weight::Note));
        made.record.imported.as_mut().unwrap().claims.clear();
        made.claim(&cell, "boot_ns", Statistic::Succeeded, 8.0, None);
        assert_eq!(made.says("survivorship"), Some(Weight::Suspect));
        let mut gaps = Made::imported();
        let cell = gaps.cell("a");
        for round in [0, 1, 2, 4, 5, 6, 7, 9] {
            gaps.sample(&cell, &[("boot_ns", 2e9)]).round = round;
        }
        assert_eq!(gaps.says("survivorship"), Some(Weight::Suspect));
    }

    #[test]
    fn a_target_is_not_met_by_nonsense() {
        let said = |metric: &str, value: f64, met: f64| {
            let mut made = Made::imported();
            let cell = made.cell("a");
            made.claim(&cell, metric, Statistic::Mean, value, Some(100));
            made.claim(&cell, metric, Statistic::Met, met, None);
            made.says("met-by-nonsense")
        };
        assert_eq!(said("cpu_ratio", 0.0, 1.0), Some(Weight::Void));
        assert_eq!(said("memory_bytes", 20.97, 1.0), Some(Weight::Void));
        assert_eq!(said("call_ns", 180.0, 1.0), Some(Weight::Void));
        assert_eq!(said("call_ns", 180.0, 0.0), None);
        assert_eq!(said("memory_bytes", 29e6, 1.0), None);
    }
}
