//! Figures that a file states, held against its own samples and against what figures can be.

use crate::audit::case::Case;
use crate::audit::digits::written_half;
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::{Kind, Series, kind_of};
use crate::audit::word::{has_word, percent, printable};
use crate::imported::{Claim, Statistic};
use crate::stats::{Sorted, mean, samples_needed};
use crate::unit::display_metric;
use std::collections::BTreeMap;

/// `p99`, `p99.9`.
pub(super) fn quantile_name(q: f64) -> String {
    let percent = format!("{:.4}", q * 100.0);
    format!("p{}", percent.trim_end_matches('0').trim_end_matches('.'))
}

pub(super) fn about(claim: &Claim, weight: Weight, message: String) -> Finding {
    let field = format!("field `{}` states {}", printable(&claim.field), shown(claim));
    Finding::new(weight, message).cell(&claim.cell).metric(&claim.metric).because(field)
}

fn shown(claim: &Claim) -> String {
    display_metric(&claim.metric, claim.value)
}

fn claimed_n(claim: &Claim, series: Option<&Series<'_>>) -> Option<u64> {
    claim.n.or_else(|| series.map(|series| series.n() as u64))
}

/// A high quantile that is the largest value, from fewer samples than can carry it.
pub(super) fn p99_is_max(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for claim in case.claims() {
        let Statistic::Quantile(q) = claim.statistic else { continue };
        let series = case.series_of(&claim.cell, &claim.metric);
        let Some(n) = claimed_n(claim, series) else { continue };
        let needed = samples_needed(q);
        let half = written_half(claim.value);
        let stated = case.beside(claim).iter().find(|other| other.statistic == Statistic::Max);
        let Some(largest) = series.map(Series::max).or(stated.map(|stated| stated.value)) else { continue };
        // With equal values at the top the true quantile may be the largest value.
        let least = case.beside(claim).iter().find(|other| other.statistic == Statistic::Min);
        let ties = match (series, least) {
            (Some(series), _) => (series.quantile(q) - largest).abs() <= half,
            (None, least) => least.is_some_and(|least| (least.value - largest).abs() <= half),
        };
        if q >= 0.9 && n > 1 && n < needed && (claim.value - largest).abs() <= half && !ties {
            let name = quantile_name(q);
            let message = format!("{name} is the largest of {n} values: an upper bound for it needs at least {needed}");
            found.push(about(claim, Weight::Void, message));
        }
    }
    found
}

/// Shares that are trimmed from each side, as tools do it.
const TRIMS: &[f64] = &[0.05, 0.1, 0.025, 0.01, 0.2, 0.25];

/// A quantile or a maximum below what the samples give, as if the worst had been cut off.
pub(super) fn trimmed_quantiles(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (claim, series) in case.claims_with_series() {
        let (values, half) = (series.sorted.as_slice(), written_half(claim.value));
        let n = values.len();
        let below = match claim.statistic {
            Statistic::Max => claim.value < series.max() - half,
            // Every definition of a quantile lies between these two order statistics.
            Statistic::Quantile(q) if q > 0.5 => {
                claim.value < values[((n as f64 * q - 1.5).floor().max(0.0) as usize).min(n - 1)] - half
            }
            _ => false,
        };
        if !below || n < 5 || claim.n.is_some_and(|stated| stated > n as u64) {
            continue;
        }
        let q = if let Statistic::Quantile(q) = claim.statistic { q } else { 1.0 };
        let trimmed = TRIMS.iter().find(|share| trimmed_matches(values, **share, q, claim.value, half));
        let raw = series.show(series.quantile(q));
        let (weight, how) = match trimmed {
            Some(share) => (Weight::Void, format!("it fits the samples with {} cut from each side", percent(*share))),
            None if claim.statistic == Statistic::Max => (Weight::Void, "the largest sample is larger".to_owned()),
            None => (Weight::Suspect, "no usual definition of a quantile gives it".to_owned()),
        };
        let message = format!("{} is stated, the samples give {raw}: the worst were left out", shown(claim));
        found.push(about(claim, weight, message).because(how).because(format!("n = {n}")));
    }
    found
}

fn trimmed_matches(values: &[f64], share: f64, q: f64, claimed: f64, half: f64) -> bool {
    let n = values.len();
    [(n as f64 * share).floor(), (n as f64 * share).ceil()].into_iter().any(|cut| {
        let cut = cut as usize;
        if cut == 0 || 2 * cut >= n {
            return false;
        }
        let inner = &values[cut..n - cut];
        let rank = inner.len() as f64 * q;
        let low = inner[((rank - 1.0).floor().max(0.0) as usize).min(inner.len() - 1)];
        let high = inner[(rank.ceil() as usize).min(inner.len() - 1)];
        (low - half..=high + half).contains(&claimed)
    })
}

/// A standard deviation with n in the denominator: too small, the more so the fewer samples.
pub(super) fn population_stddev(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (claim, series) in case.claims_with_series().filter(|(claim, _)| claim.statistic == Statistic::Stddev) {
        let (n, half) = (series.n() as f64, written_half(claim.value));
        if n < 2.0 || series.stddev == 0.0 || claim.n.is_some_and(|stated| stated != series.n() as u64) {
            continue;
        }
        let population = series.stddev * ((n - 1.0) / n).sqrt();
        if (claim.value - population).abs() <= half && (claim.value - series.stddev).abs() > 2.0 * half {
            let weight = if n < 30.0 { Weight::Suspect } else { Weight::Note };
            let message = format!(
                "{} is the deviation of a whole population; of a sample of {n} it is {}",
                shown(claim),
                series.show(series.stddev)
            );
            found
                .push(about(claim, weight, message).because(format!("divided by n it is {}", series.show(population))));
        }
    }
    found
}

/// A mean or median that only comes out if failed samples are put in.
pub(super) fn failures_averaged_in(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for claim in case.claims() {
        let Some(columns) = case.columns.cells.get(&claim.cell) else { continue };
        let Some(column) = columns.metrics.get(&claim.metric) else { continue };
        let failed = columns.rows.iter().filter(|row| !row.warmup && row.is_failed()).count();
        let valid = columns.counting(column);
        let rows = || columns.rows.iter().zip(column).filter(|(row, _)| !row.warmup && !row.is_interrupted());
        let all: Vec<f64> = rows().map(|(_, value)| *value).filter(|value| value.is_finite()).collect();
        let zeros: Vec<f64> =
            rows().map(|(row, value)| if row.counts() { *value } else { 0.0 }).filter(|v| v.is_finite()).collect();
        let figure = |values: &[f64]| match claim.statistic {
            Statistic::Mean => mean(values),
            Statistic::Median => Sorted::new(values.iter().copied())?.quantile(0.5),
            _ => None,
        };
        let half = written_half(claim.value);
        let fits = |values: &[f64]| figure(values).is_some_and(|value| (value - claim.value).abs() <= half);
        if failed == 0 || figure(&all).is_none() || fits(&valid) {
            continue;
        }
        let how = match () {
            () if all.len() > valid.len() && fits(&all) => "with their values",
            () if fits(&zeros) => "as zeros",
            () => continue,
        };
        let clean = figure(&valid).map_or_else(|| "nothing".to_owned(), |value| display_metric(&claim.metric, value));
        let message = format!("{} contains {failed} failed samples {how}; without them it is {clean}", shown(claim));
        found.push(about(claim, Weight::Void, message).because(format!("{} valid samples", valid.len())));
    }
    found
}

/// A mean of rates, which counts fast and slow work alike, where all bytes over all time is what was moved.
pub(super) fn means_of_ratios(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    let rates = |claim: &Claim| matches!(kind_of(&claim.metric), Kind::ByteRate | Kind::Rate);
    for (claim, series) in
        case.claims_with_series().filter(|(claim, _)| claim.statistic == Statistic::Mean && rates(claim))
    {
        // Of equal amounts of work: the harmonic mean.
        let inverse: f64 = series.values.iter().map(|value| 1.0 / value).sum();
        let whole = series.n() as f64 / inverse;
        let is_mean = (claim.value - series.mean).abs() <= written_half(claim.value).max(claim.value.abs() * 1e-6);
        if is_mean && series.n() >= 2 && whole > 0.0 && claim.value > whole * 1.05 {
            let message = format!(
                "{} is the mean of the samples' rates; all work over all time is {}",
                shown(claim),
                series.show(whole)
            );
            let weight = if claim.value > whole * 1.2 { Weight::Suspect } else { Weight::Note };
            found.push(about(claim, weight, message).because(format!("{} above", percent(claim.value / whole - 1.0))));
        }
    }
    found
}

/// The upper one of the two middle values where a median lies between them.
pub(super) fn upper_median(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (claim, series) in case.claims_with_series().filter(|(claim, _)| claim.statistic == Statistic::Median) {
        let (n, half) = (series.n(), written_half(claim.value));
        let fits = n.is_multiple_of(2) && n >= 2 && claim.n.is_none_or(|stated| stated == n as u64);
        let upper = series.sorted.as_slice()[n / 2];
        if fits && (claim.value - upper).abs() <= half && (series.median() - claim.value).abs() > 4.0 * half {
            let message = format!(
                "{} is the upper of the two middle values; the median is {}",
                shown(claim),
                series.show(series.median())
            );
            found.push(about(claim, Weight::Note, message).because(format!("n = {n}")));
        }
    }
    found
}

/// Figures that contradict one another, or that no samples of that number can give.
pub(super) fn impossible_figures(case: &Case<'_>) -> Vec<Finding> {
    let mut by_metric: BTreeMap<(&str, &str), Vec<&Claim>> = BTreeMap::new();
    for claim in case.claims() {
        by_metric.entry((claim.cell.as_str(), claim.metric.as_str())).or_default().push(claim);
    }
    by_metric
        .values()
        .flat_map(|claims| contradictions(claims))
        .chain(case.claims().iter().filter_map(no_count))
        .collect()
}

fn contradictions(claims: &[&Claim]) -> Vec<Finding> {
    // One figure of one kind only: several (of repeated reports) are not of the same samples.
    let one = |wanted: Statistic| {
        let mut all = claims.iter().filter(|claim| claim.statistic == wanted);
        all.next().copied().filter(|_| all.next().is_none())
    };
    let ladder = [
        one(Statistic::Min),
        one(Statistic::Median).or(one(Statistic::Quantile(0.5))),
        one(Statistic::Quantile(0.9)),
        one(Statistic::Quantile(0.95)),
        one(Statistic::Quantile(0.99)),
        one(Statistic::Quantile(0.999)),
        one(Statistic::Max),
    ];
    let ladder: Vec<&Claim> = ladder.into_iter().flatten().collect();
    let mut found = Vec::new();
    for pair in ladder.windows(2) {
        if pair[0].value > pair[1].value + written_half(pair[0].value) + written_half(pair[1].value) {
            let message =
                format!("{} comes before {} and is larger", printable(&pair[0].field), printable(&pair[1].field));
            found.push(about(pair[0], Weight::Void, message).because(format!(
                "{} > {}",
                shown(pair[0]),
                shown(pair[1])
            )));
        }
    }
    if let (Some(least), Some(largest)) = (one(Statistic::Min), one(Statistic::Max)) {
        let slack = written_half(least.value) + written_half(largest.value);
        if let Some(average) = one(Statistic::Mean)
            && !(least.value - slack..=largest.value + slack).contains(&average.value)
        {
            let message = "the mean lies outside of the smallest and largest value".to_owned();
            found.push(about(average, Weight::Void, message));
        }
        // Popoviciu's inequality, with n − 1 in the denominator at n = 2 at worst.
        if let Some(deviation) = one(Statistic::Stddev)
            && deviation.value
                > (largest.value - least.value + slack) * std::f64::consts::FRAC_1_SQRT_2 * 1.001
                    + written_half(deviation.value)
        {
            let message = "the deviation is larger than the range of the values allows".to_owned();
            found.push(about(deviation, Weight::Void, message));
        }
    }
    found
}

/// A share that no whole number of so many samples gives.
fn no_count(claim: &Claim) -> Option<Finding> {
    let share = kind_of(&claim.metric) == Kind::Ratio
        && has_word(&claim.metric, &["success", "verified", "failed", "recovered", "passed"]);
    let n = claim.n.filter(|n| share && (1..=500).contains(n) && (0.0..=1.0).contains(&claim.value))? as f64;
    if !matches!(claim.statistic, Statistic::Value | Statistic::Mean) {
        return None;
    }
    // The share was written with some decimals of a percent; be generous by one of the last.
    let slack = written_half(claim.value) * 2.0;
    let nearest = (claim.value * n).round() / n;
    let impossible = (nearest - claim.value).abs() > slack && slack < 0.25 / n;
    impossible.then(|| {
        about(claim, Weight::Void, format!("no count out of {n} is {} of it", percent(claim.value)))
            .because(format!("the nearest is {}", percent(nearest)))
    })
}

#[cfg(test)]
#[path = "claims_tests.rs"]
mod tests;
