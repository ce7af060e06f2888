//! Cells against one another: the same where they should differ, and confounded with what was not meant to differ.

use crate::audit::case::Case;
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::{Kind, Series};
use crate::audit::word::{has_word, percent};
use crate::cell::Cell;
use crate::factor::FactorValue;
use crate::imported::Statistic;
use crate::stats::quantile_interval;
use std::collections::{BTreeMap, BTreeSet};

const TEMPERATURES: &[&str] = &["hot", "cold", "warm", "first", "second", "cached", "uncached", "pool", "pooled"];

/// A name without its words of temperature, if it has exactly one.
fn without_temperature(name: &str) -> Option<(String, String)> {
    let parts: Vec<&str> = name.split('_').collect();
    let mut heat = parts.iter().filter(|part| TEMPERATURES.contains(part));
    let one = heat.next().copied().filter(|_| heat.next().is_none())?;
    let rest = parts.iter().filter(|part| !TEMPERATURES.contains(part) && **part != "cache" && **part != "pass");
    Some((rest.copied().collect::<Vec<_>>().join("_"), one.to_owned()))
}

/// Whether two series have the same median within `margin`: both intervals of the medians lie that close to one another.
///
/// With three to five values, where there is no interval, the medians must be that close and lie within each other's range.
fn same(a: &Series<'_>, b: &Series<'_>, margin: f64) -> bool {
    let close = |low: f64, high: f64| low > 0.0 && high <= low * (1.0 + margin);
    match (quantile_interval(&a.sorted, 0.5), quantile_interval(&b.sorted, 0.5)) {
        (Some(one), Some(other)) => close(one.low.min(other.low), one.high.max(other.high)),
        _ => {
            let (here, there) = (a.median(), b.median());
            a.n() >= 3
                && b.n() >= 3
                && close(here.min(there), here.max(there))
                && (a.min()..=a.max()).contains(&there)
                && (b.min()..=b.max()).contains(&here)
        }
    }
}

/// Values that are called hot and cold, first and second, and are the same: one of the names is wrong.
///
/// The criterion: two metrics of one cell, or one metric of two cells, that differ only in such a word, with intervals of the
/// medians within 3 % of one another.
pub(super) fn hot_equals_cold(case: &Case<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(String, String), Vec<(String, &Series<'_>)>> = BTreeMap::new();
    for series in case.series.iter().filter(|series| matches!(series.kind, Kind::Time | Kind::ByteRate)) {
        if let Some((rest, heat)) = without_temperature(series.metric) {
            groups.entry((series.cell.id.0.clone(), rest)).or_default().push((heat, series));
        }
        let key = series.cell.factors.iter().find(|(key, _)| has_word(key, &["cache", "temperature"]));
        if let Some((key, FactorValue::Text(heat))) = key
            && TEMPERATURES.contains(&heat.as_str())
        {
            let place = format!("{} {}", series.cell.backend, other_factors(series.cell, &[key.as_str()]));
            groups.entry((place, series.metric.to_owned())).or_default().push((heat.clone(), series));
        }
    }
    let mut found = Vec::new();
    for group in groups.values() {
        for (index, (heat, series)) in group.iter().enumerate() {
            let twin = group[index + 1..].iter().find(|(other, twin)| other != heat && same(series, twin, 0.03));
            if let Some((other, twin)) = twin {
                let message = format!(
                    "{heat} and {other} are the same, {} and {}: nothing is cached, or nothing was ever cold",
                    series.show(series.median()),
                    twin.show(twin.median())
                );
                let finding = Finding::of(series, Weight::Suspect, message);
                found.push(finding.because(format!("n = {} and {}", series.n(), twin.n())));
            }
        }
    }
    found
}

fn other_factors(cell: &Cell, without: &[&str]) -> String {
    let others = cell.factors.iter().filter(|(key, _)| !without.contains(&key.as_str()));
    others.map(|(key, value)| format!("{key}={value}")).collect::<Vec<_>>().join(",")
}

const BACKEND_KEYS: &[&str] = &["engine", "backend", "vmm", "runtime", "provider", "hypervisor"];

fn backend_of(cell: &Cell) -> String {
    let named = BACKEND_KEYS.iter().find_map(|key| cell.factors.get(*key));
    named.map_or_else(|| cell.backend.to_string(), ToString::to_string)
}

/// What only says something of the lab or the host is the same everywhere, and so are sizes and counts.
fn is_of_the_backend(metric: &str, kind: Kind) -> bool {
    let elsewhere = ["lab", "prepare", "residue", "clock", "timeout", "limit", "expected"];
    matches!(kind, Kind::Time | Kind::ByteRate | Kind::Rate) && !has_word(metric, &elsewhere)
}

/// Different backends with the same distribution: what was measured is what drives them, or what runs inside.
///
/// The criterion: cells that differ only in the backend, whose medians have intervals within 1 % of one another; for
/// figures without samples, at least two that agree within 0.5 %.
pub(super) fn identical_across_backends(case: &Case<'_>) -> Vec<Finding> {
    let mut groups: BTreeMap<(String, &str), Vec<&Series<'_>>> = BTreeMap::new();
    for series in case.series.iter().filter(|series| is_of_the_backend(series.metric, series.kind)) {
        groups.entry((other_factors(series.cell, BACKEND_KEYS), series.metric)).or_default().push(series);
    }
    let mut found = Vec::new();
    for group in groups.values() {
        for (index, series) in group.iter().enumerate() {
            let differs = |twin: &&&Series<'_>| backend_of(twin.cell) != backend_of(series.cell) && !series.constant();
            if let Some(twin) = group[index + 1..].iter().filter(differs).find(|twin| same(series, twin, 0.01)) {
                let message = format!(
                    "{} and {} agree within 1 % ({} and {}): the client or the work is the bottleneck, not the backend",
                    backend_of(series.cell),
                    backend_of(twin.cell),
                    series.show(series.median()),
                    twin.show(twin.median())
                );
                let finding = Finding::of(series, Weight::Suspect, message);
                found.push(finding.because(format!("n = {} and {}", series.n(), twin.n())));
            }
        }
    }
    found.extend(identical_claims(case));
    found
}

fn identical_claims(case: &Case<'_>) -> Vec<Finding> {
    // A cell of figures without samples stands among the skipped ones.
    let skipped = case.record.skipped.iter().map(|skipped| &skipped.cell);
    let cells: BTreeMap<&str, &Cell> =
        case.record.cells.iter().chain(skipped).map(|cell| (cell.id.as_str(), cell)).collect();
    let mut pairs: BTreeMap<(String, String), (Vec<String>, usize)> = BTreeMap::new();
    let usable: Vec<_> = case
        .claims()
        .iter()
        .filter(|claim| !matches!(claim.statistic, Statistic::Met | Statistic::Succeeded | Statistic::Failed))
        .filter(|claim| is_of_the_backend(&claim.metric, crate::audit::series::kind_of(&claim.metric)))
        .filter(|claim| case.series_of(&claim.cell, &claim.metric).is_none() && claim.value > 0.0)
        .take(2_000)
        .collect();
    for (index, claim) in usable.iter().enumerate() {
        for other in &usable[index + 1..] {
            let same_figure =
                other.metric == claim.metric && other.statistic == claim.statistic && other.cell != claim.cell;
            let (Some(here), Some(there)) = (cells.get(claim.cell.as_str()), cells.get(other.cell.as_str())) else {
                continue;
            };
            let paired = other_factors(here, BACKEND_KEYS) == other_factors(there, BACKEND_KEYS);
            if !same_figure || !paired || backend_of(here) == backend_of(there) {
                continue;
            }
            let entry = pairs.entry((backend_of(here), backend_of(there))).or_default();
            entry.1 += 1;
            if (claim.value / other.value - 1.0).abs() <= 0.005 {
                let shown = |value| crate::unit::display_metric(&claim.metric, value);
                entry.0.push(format!("{}: {} and {}", claim.metric, shown(claim.value), shown(other.value)));
            }
        }
    }
    let same = pairs.into_iter().filter(|(_, (lines, all))| lines.len() >= 2 && lines.len() == *all);
    same.map(|((here, there), (lines, _))| {
        let message = format!(
            "{here} and {there} agree in all {} figures: the client or the work is the bottleneck",
            lines.len()
        );
        lines.into_iter().take(6).fold(Finding::new(Weight::Suspect, message), Finding::because)
    })
    .collect()
}

/// Figures of several machines in one run, or none named at all.
pub(super) fn baseline_elsewhere(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (metric, all) in case.by_metric() {
        let hosts: BTreeSet<String> =
            all.iter().filter_map(|series| Some(series.cell.factors.get("host")?.to_string())).collect();
        if hosts.len() > 1 {
            let names: Vec<&str> = hosts.iter().map(|host| host.as_str()).take(6).collect();
            let message = format!("measured on different machines: {}", names.join(", "));
            found.push(Finding::new(Weight::Suspect, message).metric(metric));
        }
    }
    let parts = &case.record.merged_from;
    if let Some((first, rest)) = parts.split_first()
        && let Some(other) = rest.iter().find(|part| !first.fingerprint.comparable_with(&part.fingerprint))
    {
        let message = format!("{} runs of different machines were merged: their cells cannot be compared", parts.len());
        let differences = first.fingerprint.differences(&other.fingerprint).into_iter().take(6);
        found.push(differences.fold(Finding::new(Weight::Suspect, message), Finding::because));
    }
    let Some(imported) = case.imported() else { return found };
    let value = |key: &str| imported.facts.get(key).map(|value| value.trim());
    if let (Some(base), Some(host)) = (value("baseline_host"), value("host"))
        && base != host
    {
        let message = "the baseline was measured on another machine";
        let because =
            format!("{} against {}", crate::audit::word::printable(base), crate::audit::word::printable(host));
        found.push(Finding::new(Weight::Suspect, message).because(because));
    }
    let named = imported.facts.keys().any(|key| has_word(key, &["host", "hardware", "cpu", "machine", "hostname"]));
    let has_figures = !case.series.is_empty() || !case.claims().is_empty();
    if !named && !case.record.cells.iter().any(|cell| cell.factors.contains_key("host")) && has_figures {
        let message = "the file does not say on what machine it was measured: it can be compared with nothing";
        found.push(Finding::new(Weight::Note, message));
    }
    found
}

/// Samples of different classes or origins in one cell.
pub(super) fn mixed_kinds(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (cell, columns) in case.cells() {
        let valid = || columns.rows.iter().filter(|row| row.counts());
        let classes: BTreeSet<_> = valid().map(|row| row.accuracy).collect();
        let origins: BTreeSet<_> = valid().map(|row| row.provenance).collect();
        if classes.len() > 1 || origins.len() > 1 {
            let message = "its samples are of different accuracy classes or origins: their mixture means nothing";
            let counted =
                format!("{} classes, {} origins in {} samples", classes.len(), origins.len(), valid().count());
            found.push(Finding::new(Weight::Void, message).cell(&cell.id).because(counted));
        }
    }
    found
}

/// Two metrics of different units that are one series, or of one unit with a fixed ratio: one was not measured.
pub(super) fn derived_not_measured(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (index, series) in case.series.iter().enumerate() {
        let mates = case.series[index + 1..].iter().take_while(|mate| mate.cell.id == series.cell.id);
        for mate in mates.filter(|mate| mate.n() == series.n() && related(series, mate)) {
            let ratio = mate.values[0] / series.values[0];
            let fixed = series.values.iter().zip(&mate.values).all(|(a, b)| (b / a / ratio - 1.0).abs() < 1e-6);
            if !fixed || !ratio.is_finite() || (ratio - 1.0).abs() < 1e-6 || series.n() < 5 || series.ties() > 0.5 {
                continue;
            }
            let (weight, what) = if series.kind == mate.kind {
                (Weight::Suspect, "one was computed from the other and not measured")
            } else {
                (Weight::Void, "it is the same series under another unit, so its name is wrong")
            };
            let message = format!("`{}` is {ratio:.6} times `{}` in every sample: {what}", mate.metric, series.metric);
            found.push(Finding::of(mate, weight, message).because(format!(
                "{} samples, coefficient of variation {}",
                series.n(),
                percent(series.stddev / series.mean)
            )));
        }
    }
    found
}

/// Pairs whose ratio cannot be fixed by nature. Rates and amounts of work may be, and a time in two units is one time.
fn related(a: &Series<'_>, b: &Series<'_>) -> bool {
    let memory = |series: &Series<'_>| series.kind == Kind::Bytes && has_word(series.metric, &["memory", "rss", "pss"]);
    let load = |series: &Series<'_>| has_word(series.metric, &["cpu", "percent"]) && series.kind != Kind::Time;
    let time = |series: &Series<'_>| series.kind == Kind::Time;
    let varies = !a.constant() && !b.constant() && a.min() > 0.0 && b.min() > 0.0;
    let pair = |x: fn(&Series<'_>) -> bool, y: fn(&Series<'_>) -> bool| (x(a) && y(b)) || (y(a) && x(b));
    varies && (pair(time, memory) || pair(time, load) || pair(time, time) || pair(memory, memory))
}

#[cfg(test)]
#[path = "cells_tests.rs"]
mod tests;
