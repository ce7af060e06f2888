//! The amount of work: what takes the same time however much there is to do was not doing it.

use crate::audit::case::Case;
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::{Kind, Series, is_size, size_of};
use crate::audit::word::{has_word, is_round_trip};
use crate::calibration::LimitKind;
use crate::unit::{DisplayBytes, DisplayNs};
use std::collections::BTreeMap;

/// Above this marginal rate nothing moves bytes, on any machine.
const NO_MACHINE_BYTES_PER_S: f64 = 200e9;
/// Below this amount, fixed costs hide the work legitimately.
const LEAST_BYTES: f64 = 1_000_000.0;

/// The series of one metric that differ only in the amount of work, by amount.
fn ladders<'c, 'a>(case: &'c Case<'a>) -> Vec<Vec<(f64, &'c Series<'a>)>> {
    let mut found: BTreeMap<(String, &str), Vec<(f64, &Series<'_>)>> = BTreeMap::new();
    for series in case.series.iter() {
        let stated = series.size().map(|(_, size)| size);
        let Some(size) = stated.or_else(|| measured_size(case, series)) else { continue };
        // Shape and name of what is sent go with its size.
        let beside = |key: &str| is_size(key) || has_word(key, &["width", "height", "type", "bpp", "file", "image"]);
        let others = series.cell.factors.iter().filter(|(key, _)| !beside(key));
        let others: Vec<String> = others.map(|(key, value)| format!("{key}={value}")).collect();
        found
            .entry((format!("{} {}", series.cell.backend, others.join(",")), series.metric))
            .or_default()
            .push((size, series));
    }
    let mut ladders: Vec<Vec<(f64, &Series<'_>)>> = found.into_values().collect();
    for ladder in &mut ladders {
        ladder.sort_by(|a, b| a.0.total_cmp(&b.0));
    }
    ladders.retain(|ladder| {
        let (first, last) = (ladder[0].0, ladder[ladder.len() - 1].0);
        first >= LEAST_BYTES && last >= first * 2.0
    });
    ladders
}

/// What a metric in bytes is called if it is the amount of work.
const WORK: &[&str] = &["payload", "transferred", "size", "document", "file", "frame", "test"];

/// The size as a metric of the samples, if it is one value.
fn measured_size(case: &Case<'_>, series: &Series<'_>) -> Option<f64> {
    let names = series.columns.metrics.keys().filter(|name| is_size(name) && has_word(name, WORK));
    let sizes = names.filter_map(|name| case.series_of(&series.cell.id, name));
    sizes
        .filter(|size| size.kind == Kind::Bytes && size.constant() && size.metric != series.metric)
        .map(|size| size.min())
        .next()
}

/// What passes over every byte of its work.
const PASSES: &[&str] = &[
    "upload",
    "download",
    "copy",
    "memcpy",
    "transfer",
    "transferred",
    "send",
    "receive",
    "write",
    "read",
    "hash",
    "sha256",
    "verify",
    "roundtrip",
    "throughput",
    "bandwidth",
    "duration",
];
/// What should, but may share or map its bytes instead: reflinks, copy on write, mappings that are filled later.
const MAY_SHARE: &[&str] =
    &["checkpoint", "restore", "dump", "snapshot", "save", "load", "clone", "migrate", "attempt"];

/// Whether a total stands beside the throughput of the same work.
fn is_total_of_a_transfer(series: &Series<'_>) -> bool {
    let beside = ["throughput_bytes_per_s", "bandwidth_bytes_per_s"];
    series.metric == "total_ns" && beside.iter().any(|metric| series.columns.metrics.contains_key(*metric))
}

/// Times that do not grow, or rates that grow in proportion, while the work grows.
///
/// The criterion for times: the median grows with less than the tenth power of the size (1 MB and more, at least twice as
/// much), of a metric whose name says that it passes over its bytes (`upload`, `copy`, `hash`, …). It is void if even the largest time of the large work less the smallest time of the small work would need a
/// faster copy than there is. Rates that grow with at least the 0.8th power say the same.
pub(super) fn size_does_not_matter(case: &Case<'_>) -> Vec<Finding> {
    let fastest = case.limit("memcpy_l2_bytes_per_s", LimitKind::Ceiling).map(|best| best * 1.1);
    let fastest = fastest.unwrap_or(NO_MACHINE_BYTES_PER_S);
    let mut found = Vec::new();
    for ladder in ladders(case) {
        let ((small, first), (large, last)) = (ladder[0], ladder[ladder.len() - 1]);
        let exponent = (last.median() / first.median()).ln() / (large / small).ln();
        let passes = has_word(first.metric, PASSES) || is_total_of_a_transfer(first);
        let named = passes || has_word(first.metric, MAY_SHARE);
        let flat = match first.kind {
            Kind::Time => first.is_elapsed() && named && exponent < 0.1,
            Kind::ByteRate => named && exponent > 0.8,
            _ => false,
        };
        if !flat || !exponent.is_finite() {
            continue;
        }
        let (at_first, at_last) = (first.show(first.median()), last.show(last.median()));
        let message = format!(
            "{} takes {at_first} and {} takes {at_last}: the work does not show in the number",
            DisplayBytes(small),
            DisplayBytes(large)
        );
        // The most that the additional work can have taken.
        let most_ns = match first.kind {
            Kind::Time => last.max() - first.min(),
            _ => large / last.min() * 1e9 - small / first.max() * 1e9,
        };
        let marginal = if most_ns > 0.0 { (large - small) / (most_ns / 1e9) } else { f64::INFINITY };
        let enough = first.n() >= 3 && last.n() >= 3 && passes;
        let weight = if enough && marginal > fastest { Weight::Void } else { Weight::Suspect };
        let finding = Finding::of(last, weight, message)
            .because(format!("exponent of the growth {exponent:.2} over {} sizes", ladder.len()))
            .because(format!("at most {} for {} more", DisplayNs(most_ns.max(0.0)), DisplayBytes(large - small)));
        found.push(finding);
    }
    found
}

/// A rate that falls to half from the smallest work to the largest: the small ones end in a cache.
pub(super) fn cache_cliff(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for ladder in ladders(case) {
        let ((small, first), (large, last)) = (ladder[0], ladder[ladder.len() - 1]);
        if first.kind == Kind::ByteRate && ladder.len() >= 2 && last.median() * 2.0 <= first.median() {
            let message = format!(
                "{} with {} and {} with {}: the small work ends in a cache, the large on a disk",
                first.show(first.median()),
                DisplayBytes(small),
                last.show(last.median()),
                DisplayBytes(large)
            );
            found.push(Finding::of(first, Weight::Note, message).because(format!("{} sizes", ladder.len())));
        }
    }
    found
}

/// The clock was stopped by an acknowledgement that came before the work.
///
/// The criterion, over at least two sizes with three or more samples each: the first sample of each size takes at least 5
/// times the median of the rest; the rest does not grow with the size, the first does.
pub(super) fn acknowledged_before_work(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for ladder in ladders(case) {
        let steps: Vec<(f64, f64, f64)> = ladder.iter().filter_map(|(size, series)| step(*size, series)).collect();
        let (Some(first), Some(last)) = (steps.first(), steps.last()) else { continue };
        if ladder[0].1.kind != Kind::Time || steps.len() < 2 || steps.len() < ladder.len() {
            continue;
        }
        let slow_first = steps.iter().all(|(_, first, rest)| *first >= 5.0 * rest);
        let growth = |from: f64, to: f64| (to / from).ln() / (last.0 / first.0).ln();
        if !slow_first || growth(first.2, last.2) > 0.5 || growth(first.1, last.1) < growth(first.2, last.2) + 0.3 {
            continue;
        }
        let message = format!(
            "only the first transfer of each size takes its time ({} for {}); the others all take about {}, whatever the \
             size: they end at an acknowledgement that is sent before the work",
            DisplayNs(last.1),
            DisplayBytes(last.0),
            DisplayNs(last.2)
        );
        let mut finding = Finding::of(ladder[ladder.len() - 1].1, Weight::Void, message);
        for (size, first, rest) in &steps {
            let line = format!("{}: first {}, then {}", DisplayBytes(*size), DisplayNs(*first), DisplayNs(*rest));
            finding = finding.because(line);
        }
        let is_latency = |series: &&Series<'_>| {
            series.is_elapsed() && (is_round_trip(series.metric) || has_word(series.metric, &["latency"]))
        };
        if let Some(latency) = case
            .series
            .iter()
            .filter(is_latency)
            .find(|one| size_of(one.cell).is_none() && (0.4..2.5).contains(&(one.median() / last.2)))
        {
            finding = finding.because(format!("the latency of an empty message is {}", latency.show(latency.median())));
        }
        found.push(finding);
    }
    found
}

/// Size, first value, median of the rest.
fn step(size: f64, series: &Series<'_>) -> Option<(f64, f64, f64)> {
    let (first, rest) = series.values.split_first()?;
    let rest = crate::stats::Sorted::new(rest.iter().copied())?;
    Some((size, *first, rest.quantile(0.5).filter(|_| rest.as_slice().len() >= 2)?))
}

/// Many at once that take no longer than one: nothing that uses a processor does that.
///
/// The criterion: the same metric at two concurrencies, the larger at least 4 times the smaller and more than 4 for each of
/// the host's processors (of 8, if the file does not say), with medians of the whole time within 50 %.
pub(super) fn free_concurrency(case: &Case<'_>) -> Vec<Finding> {
    let keys = ["agents", "agent_count", "concurrency", "vms", "num_vms", "parallel", "instances", "clients"];
    let mut groups: BTreeMap<&str, Vec<(u64, &Series<'_>)>> = BTreeMap::new();
    for series in case.times().filter(|series| has_word(series.metric, &["total", "wall", "elapsed"])) {
        let count = keys.iter().find_map(|key| series.cell.factors.get(*key)?.as_count());
        if let Some(count) = count {
            groups.entry(series.metric).or_default().push((count, series));
        }
    }
    let cores = if case.imported().is_some() { 8 } else { u64::from(case.record.fingerprint.cpu_count.max(1)) };
    let mut found = Vec::new();
    for group in groups.values_mut() {
        group.sort_by_key(|(count, _)| *count);
        let ((few, first), (many, last)) = (group[0], group[group.len() - 1]);
        if few == 0 || many < few * 4 || many <= cores * 4 || last.median() > first.median() * 1.5 {
            continue;
        }
        let message = format!(
            "{many} at once take {} and {few} take {}: what runs at once for free is a sleep",
            last.show(last.median()),
            first.show(first.median())
        );
        found.push(Finding::of(last, Weight::Suspect, message).because(format!("{} concurrencies", group.len())));
    }
    found
}

#[cfg(test)]
mod tests {
    use crate::audit::finding::Weight;
    use crate::audit::testing::{Made, noise, scattered};
    use crate::cell::BackendName;
    use crate::factor::FactorValue;

    const SIZES: [u64; 3] = [6_220_800, 11_059_200, 24_883_200];

    fn made(metric: &str, values: impl Fn(u64, usize) -> f64, n: usize) -> Made {
        let mut made = Made::imported();
        for size in SIZES {
            let cell = made.cell_with(BackendName::Imported, &[("size", FactorValue::Bytes(size))]);
            let values: Vec<f64> = (0..n).map(|index| values(size, index)).collect();
            made.samples(&cell, metric, &values);
        }
        made
    }

    #[test]
    fn work_that_does_not_show_is_void_if_no_copy_is_that_fast() {
        let flat = made("transfer_ns", |size, i| 240e3 * noise(i + size as usize, 0.02), 5);
        assert_eq!(flat.says("size-does-not-matter"), Some(Weight::Void));
        let slow = made("transfer_ns", |size, i| 1e9 * noise(i + size as usize, 0.02), 5);
        assert_eq!(slow.says("size-does-not-matter"), Some(Weight::Suspect));
        let honest = made("transfer_ns", |size, i| size as f64 * noise(i, 0.05), 5);
        assert_eq!(honest.says("size-does-not-matter"), None);
        let boot = made("boot_ns", |_, i| 1e9 * noise(i, 0.02), 5);
        assert_eq!(boot.says("size-does-not-matter"), None);
    }

    #[test]
    fn a_rate_in_proportion_to_the_size_is_the_same() {
        let rate = made("transfer_bytes_per_s", |size, i| size as f64 / 240e-6 * noise(i, 0.02), 5);
        assert!(rate.says("size-does-not-matter").is_some());
        let steady = made("transfer_bytes_per_s", |_, i| 5e9 * noise(i, 0.02), 5);
        assert_eq!(steady.says("size-does-not-matter"), None);
    }

    #[test]
    fn only_the_first_transfer_does_the_work() {
        let early = made("transfer_ns", |size, i| if i == 0 { size as f64 * 16.0 } else { 240e3 * noise(i, 0.1) }, 5);
        assert_eq!(early.says("acknowledged-before-work"), Some(Weight::Void));
        let cold = made("transfer_ns", |size, i| size as f64 * if i == 0 { 9.0 } else { noise(i, 0.1) }, 5);
        assert_eq!(cold.says("acknowledged-before-work"), None, "a cold first one before honest others");
    }

    #[test]
    fn a_cache_ends_at_some_size() {
        let cliff = made("upload_bytes_per_s", |size, i| 1e15 / size as f64 * noise(i, 0.02), 5);
        assert_eq!(cliff.says("cache-cliff"), Some(Weight::Note));
    }

    #[test]
    fn concurrency_is_not_free() {
        let many = |growth: f64| {
            let mut made = Made::imported();
            for count in [5_u64, 10, 25, 50] {
                let cell = made.cell_with(BackendName::Imported, &[("agents", FactorValue::Count(count))]);
                made.samples(&cell, "total_ns", &scattered(3, 140e6 * (count as f64 / 5.0).powf(growth), 0.02));
            }
            made.says("free-concurrency")
        };
        assert_eq!(many(0.01), Some(Weight::Suspect));
        assert_eq!(many(0.6), None);
    }
}
