//! Where figures come from: simulated, without samples, or of too few.

use crate::audit::case::Case;
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::Kind;
use crate::audit::word::{has_word, printable, words};
use crate::factor::FactorValue;
use crate::imported::Statistic;
use crate::sample::Provenance;
use crate::stats::samples_needed;
use std::collections::BTreeMap;

const MADE_UP: &[&str] = &[
    "placeholder",
    "simulated",
    "simulation",
    "synthetic",
    "mock",
    "mocked",
    "fake",
    "dummy",
    "hardcoded",
    "heredoc",
    "stub",
    "todo",
    "lorem",
];
const NO: &[&str] = &["", "0", "no", "false", "none", "null", "off"];

/// Values that were made up, by what the samples or the file say of themselves.
pub(super) fn simulated(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let rows = case.cells().flat_map(|(_, columns)| &columns.rows);
    let scripted = rows.filter(|row| row.counts() && row.provenance == Provenance::Scripted).count();
    if scripted > 0 {
        let message = format!("{scripted} samples are scripted: nothing was measured");
        found.push(Finding::new(Weight::Void, message).because("provenance `scripted`"));
    }
    let Some(imported) = case.imported() else { return found };
    for (key, value) in case.facts(&["simulated", "simulation", "synthetic", "mock", "placeholder", "dry_run"]) {
        if !NO.contains(&value.trim().to_lowercase().as_str()) {
            let message = "the file says itself that its figures are simulated";
            found.push(Finding::new(Weight::Void, message).because(format!(
                "{}: {}",
                printable(key),
                printable(value)
            )));
        }
    }
    let others = imported
        .facts
        .iter()
        .filter(|(key, _)| !has_word(key, &["simulated", "simulation", "synthetic", "mock", "placeholder"]));
    let texts = others
        .map(|(key, value)| (key.as_str(), value.as_str()))
        .chain(imported.tool.as_deref().map(|tool| ("tool", tool)));
    let factors = case.record.cells.iter().flat_map(|cell| &cell.factors);
    let factors = factors.filter_map(|(key, value)| match value {
        FactorValue::Text(text) => Some((key.as_str(), text.as_str())),
        _ => None,
    });
    let mut seen = std::collections::BTreeSet::new();
    for (key, text) in texts.chain(factors) {
        if made_up(text) && seen.insert((key, text)) {
            let message = "a word in the file says that something in it was made up";
            found.push(Finding::new(Weight::Suspect, message).because(format!(
                "{}: {}",
                printable(key),
                printable(text)
            )));
        }
    }
    found
}

/// Words of invention, and versions that nobody filled in (`4.x.x`).
fn made_up(text: &str) -> bool {
    words(text).any(|word| MADE_UP.contains(&word.as_str())) || text.contains(".x.x")
}

/// Claims that so few samples cannot carry, and figures behind which there are no samples at all.
pub(super) fn small_n(case: &Case<'_>) -> Vec<Finding> {
    let mut few: BTreeMap<(&str, String), (Vec<u64>, Weight, &str)> = BTreeMap::new();
    for claim in case.claims() {
        let series = case.series_of(&claim.cell, &claim.metric);
        let Some(n) = claim.n.or_else(|| series.map(|series| series.n() as u64)) else { continue };
        let (needed, what, weight) = match claim.statistic {
            Statistic::Quantile(q) if q > 0.5 => {
                let needed = samples_needed(q);
                (needed, format!("{} needs {needed} samples", super::claims::quantile_name(q)), Weight::Suspect)
            }
            Statistic::Mean | Statistic::Median | Statistic::Stddev => {
                (6, "no interval under 6 samples".to_owned(), Weight::Suspect)
            }
            Statistic::Value if kind_of_figure(&claim.metric) => {
                (2, "one value has no spread".to_owned(), Weight::Suspect)
            }
            _ => continue,
        };
        if n < needed {
            let entry = few.entry((claim.metric.as_str(), what)).or_insert((Vec::new(), weight, claim.field.as_str()));
            entry.0.push(n);
        }
    }
    let mut found: Vec<Finding> = few
        .into_iter()
        .map(|((metric, what), (counts, weight, field))| {
            let (least, most) = (counts.iter().min().copied().unwrap_or(0), counts.iter().max().copied().unwrap_or(0));
            let range = if least == most { format!("{least}") } else { format!("{least} to {most}") };
            let message =
                format!("{} figures of {range} samples claim more than those can carry: {what}", counts.len());
            Finding::new(weight, message).metric(metric).because(format!("field `{}`", printable(field)))
        })
        .collect();
    let compared: Vec<usize> = case.cells().map(|(_, columns)| columns.valid().count()).filter(|n| *n > 0).collect();
    if compared.len() >= 2 && compared.iter().all(|n| *n < 6) {
        let most = compared.iter().max().copied().unwrap_or(0);
        let message = format!(
            "{} cells of at most {most} samples each: a median of fewer than 6 has no interval of 95 %",
            compared.len()
        );
        found.push(Finding::new(Weight::Note, message));
    }
    found
}

fn kind_of_figure(metric: &str) -> bool {
    matches!(crate::audit::series::kind_of(metric), Kind::Time | Kind::ByteRate | Kind::Rate)
}

/// Figures without samples: nothing about them can be checked.
pub(super) fn no_raw_samples(case: &Case<'_>) -> Vec<Finding> {
    let figures = case.claims().iter().filter(|claim| {
        !matches!(claim.statistic, Statistic::Met | Statistic::Succeeded | Statistic::Failed)
            && case.series_of(&claim.cell, &claim.metric).is_none()
    });
    let count = figures.clone().count();
    let names: std::collections::BTreeSet<&str> = figures.map(|claim| claim.metric.as_str()).collect();
    if count == 0 {
        return Vec::new();
    }
    let weight = if case.series.is_empty() { Weight::Suspect } else { Weight::Note };
    let message = format!("{count} figures stand without any samples: they can be believed or not, but not checked");
    let names: Vec<&str> = names.into_iter().take(12).collect();
    vec![Finding::new(weight, message).because(names.join(", "))]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::testing::{Made, scattered};

    #[test]
    fn scripted_samples_are_no_measurement() {
        let mut made = Made::measured();
        let cell = made.cell("a");
        made.samples(&cell, "total_ns", &scattered(10, 5e6, 0.1));
        assert_eq!(made.says("simulated"), None);
        made.samples[3].provenance = Provenance::Scripted;
        assert_eq!(made.says("simulated"), Some(Weight::Void));
    }

    #[test]
    fn a_file_that_says_so_is_believed() {
        let mut made = Made::imported();
        made.fact("simulated", "no");
        assert_eq!(made.says("simulated"), None);
        made.fact("memory_snapshot", "PLACEHOLDER_MEMORY_SNAPSHOT");
        assert_eq!(made.says("simulated"), Some(Weight::Suspect));
        made.fact("simulated", "true");
        assert_eq!(made.says("simulated"), Some(Weight::Void));
    }

    #[test]
    fn few_samples_carry_little() {
        let said = |n: u64, statistic: Statistic| {
            let mut made = Made::imported();
            let cell = made.cell("a");
            made.claim(&cell, "boot_ns", statistic, 1e9, Some(n));
            made.says("small-n")
        };
        assert_eq!(said(100, Statistic::Quantile(0.99)), Some(Weight::Suspect));
        assert_eq!(said(299, Statistic::Quantile(0.99)), None);
        assert_eq!(said(5, Statistic::Mean), Some(Weight::Suspect));
        assert_eq!(said(6, Statistic::Mean), None);
        assert_eq!(said(1, Statistic::Value), Some(Weight::Suspect));
    }

    #[test]
    fn figures_alone_cannot_be_checked() {
        let mut made = Made::imported();
        let cell = made.cell("a");
        made.claim(&cell, "recovery_ns", Statistic::Mean, 45.2e6, Some(33));
        assert_eq!(made.says("no-raw-samples"), Some(Weight::Suspect));
        made.samples(&cell, "recovery_ns", &[45e6, 46e6]);
        assert_eq!(made.says("no-raw-samples"), None);
    }
}
