//! The order of samples: what was taken when, and what changed meanwhile.

use crate::audit::case::Case;
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::{Kind, Series};
use crate::audit::word::percent;
use crate::stats::Sorted;

/// A trend over the order of samples, if it is surely there: the change from the first third to the last, as a share of the
/// median.
///
/// The criterion: Spearman's rank correlation r with the order, widened by the first autocorrelation ρ of what the trend
/// leaves: |r|·√(n − 1)·√((1 − ρ)/(1 + ρ)) > 4, at n ≥ 20. Without the widening, noise that is correlated in time
/// looks like a trend.
pub(super) fn trend(values: &[f64]) -> Option<f64> {
    let n = values.len();
    if n < 20 {
        return None;
    }
    let ranks = ranks(values);
    let middle = (n as f64 - 1.0) / 2.0;
    let (mut cross, mut own) = (0.0, 0.0);
    for (place, rank) in ranks.iter().enumerate() {
        cross += (place as f64 - middle) * (rank - middle);
        own += (rank - middle).powi(2);
    }
    let line = (0..n).map(|place| (place as f64 - middle).powi(2)).sum::<f64>();
    if own == 0.0 {
        return None;
    }
    let correlation = cross / (own * line).sqrt();
    let slope = cross / line;
    let left: Vec<f64> =
        ranks.iter().enumerate().map(|(place, rank)| rank - middle - slope * (place as f64 - middle)).collect();
    let power: f64 = left.iter().map(|value| value * value).sum();
    let lagged: f64 = left.windows(2).map(|pair| pair[0] * pair[1]).sum();
    let rho = if power > 0.0 { (lagged / power).clamp(0.0, 0.98) } else { 0.0 };
    let score = correlation.abs() * ((n - 1) as f64).sqrt() * ((1.0 - rho) / (1.0 + rho)).sqrt();
    let third = n / 3;
    let median = |part: &[f64]| Sorted::new(part.iter().copied())?.quantile(0.5);
    let (first, last) = (median(&values[..third])?, median(&values[n - third..])?);
    (score > 4.0 && first != 0.0).then(|| last / first - 1.0)
}

fn ranks(values: &[f64]) -> Vec<f64> {
    let mut order: Vec<usize> = (0..values.len()).collect();
    order.sort_by(|a, b| values[*a].total_cmp(&values[*b]));
    let mut ranks = vec![0.0; values.len()];
    let mut begin = 0;
    while begin < order.len() {
        let mut end = begin + 1;
        while end < order.len() && values[order[end]] == values[order[begin]] {
            end += 1;
        }
        order[begin..end].iter().for_each(|place| ranks[*place] = (begin + end - 1) as f64 / 2.0);
        begin = end;
    }
    ranks
}

/// Times or rates that change over the run.
pub(super) fn drift(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for series in case.series.iter().filter(|series| series.is_elapsed() || series.kind == Kind::ByteRate) {
        let Some(change) = trend(&series.thinned(5_000)).filter(|change| change.abs() > 0.05) else { continue };
        let weight = if change.abs() > 0.25 { Weight::Suspect } else { Weight::Note };
        let message = format!("it changes by {} from the first third of the run to the last", percent(change));
        found.push(Finding::of(series, weight, message).because(format!("n = {}", series.n())));
    }
    found
}

/// Cells taken one after the other, so that whatever drifts looks like a difference between them.
///
/// The criterion: at least two cells of three samples each, in blocks that do not overlap in the order of samples. It is a
/// note; if a metric also has a trend within a block, or steps in one direction over at least four blocks, it is suspect.
pub(super) fn order_confounded(case: &Case<'_>) -> Vec<Finding> {
    let mut blocks: Vec<(u64, u64, &crate::cell::Cell)> = case
        .cells()
        .filter_map(|(cell, columns)| {
            let taken = || columns.rows.iter().filter(|row| row.counts()).map(|row| row.sequence);
            (taken().count() >= 3).then_some((taken().min()?, taken().max()?, cell))
        })
        .collect();
    blocks.sort_by_key(|(first, _, _)| *first);
    if blocks.len() < 2 || blocks.windows(2).any(|pair| pair[0].1 >= pair[1].0) {
        return Vec::new();
    }
    let mut evidence = Vec::new();
    for (metric, all) in case.by_metric() {
        if !matches!(all[0].kind, Kind::Time | Kind::ByteRate | Kind::Rate)
            || !(all[0].is_elapsed() || all[0].kind != Kind::Time)
        {
            continue;
        }
        let drifting =
            all.iter().filter(|series| trend(&series.thinned(5_000)).is_some_and(|change| change.abs() > 0.05)).count();
        if drifting > 0 {
            evidence.push(format!("`{metric}` changes with time within {drifting} of {} blocks", all.len()));
        }
        let same_work = |a: &&Series<'_>, b: &&Series<'_>| a.size().map(|size| size.1) == b.size().map(|size| size.1);
        let ordered: Vec<&Series<'_>> =
            blocks.iter().filter_map(|(_, _, cell)| case.series_of(&cell.id, metric)).collect();
        let uniform = ordered.windows(2).all(|pair| same_work(&pair[0], &pair[1]));
        let rising = ordered.windows(2).all(|pair| pair[0].median() < pair[1].median());
        let falling = ordered.windows(2).all(|pair| pair[0].median() > pair[1].median());
        if uniform && ordered.len() >= 6 && (rising || falling) {
            evidence.push(format!("the medians of `{metric}` move in one direction over all {} blocks", ordered.len()));
        }
    }
    let weight = if evidence.is_empty() { Weight::Note } else { Weight::Suspect };
    let message = format!(
        "{} cells were taken one after the other: what changes with time cannot be told from what differs between them",
        blocks.len()
    );
    vec![evidence.into_iter().take(8).fold(Finding::new(weight, message), Finding::because)]
}

/// The first sample of each cell is far from the others and was counted.
///
/// The criterion: in at least two cells of three or more samples, and in all of them, the first is larger (or in all smaller)
/// than all others by more than twice the range of those.
pub(super) fn cold_start_counted(case: &Case<'_>) -> Vec<Finding> {
    let mut found = Vec::new();
    for (metric, all) in case.by_metric() {
        let usable: Vec<&&Series<'_>> = all
            .iter()
            .filter(|series| series.n() >= 3 && (series.is_elapsed() || series.kind == Kind::ByteRate))
            .collect();
        let far = |series: &Series<'_>| {
            let (first, rest) = (series.values[0], &series.values[1..]);
            let (low, high) = rest
                .iter()
                .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), value| (low.min(*value), high.max(*value)));
            let range = high - low;
            if first > high + 2.0 * range && first > high * 1.01 {
                1
            } else if first < low - 2.0 * range && first < low * 0.99 {
                -1
            } else {
                0
            }
        };
        let sides: Vec<i32> = usable.iter().map(|series| far(series)).collect();
        if sides.len() >= 2 && (sides.iter().all(|side| *side == 1) || sides.iter().all(|side| *side == -1)) {
            let message =
                format!("the first sample of each of {} cells is far from the others and was counted", sides.len());
            let lines = usable.iter().take(6).map(|series| {
                let rest = Sorted::new(series.values[1..].iter().copied()).and_then(|rest| rest.quantile(0.5));
                format!(
                    "{}: first {}, then {}",
                    series.cell.id,
                    series.show(series.values[0]),
                    series.show(rest.unwrap_or(f64::NAN))
                )
            });
            found.push(lines.fold(Finding::new(Weight::Suspect, message).metric(metric), Finding::because));
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::testing::{Made, noise, scattered};

    fn drifting(n: usize, by: f64) -> Vec<f64> {
        (0..n).map(|index| 100e6 * noise(index, 0.03) * (1.0 + by * index as f64 / n as f64)).collect()
    }

    #[test]
    fn a_trend_is_found_and_correlated_noise_is_none() {
        assert!(trend(&drifting(60, 0.5)).is_some_and(|change| change > 0.25));
        assert_eq!(trend(&drifting(60, 0.0)), None);
        let mut alarms = 0;
        for seed in 0..200 {
            let mut value = 0.0;
            let series: Vec<f64> = (0..200)
                .map(|index| {
                    value = 0.7 * value + noise(seed * 1_000 + index, 1.0).ln();
                    100.0 + value
                })
                .collect();
            alarms += usize::from(trend(&series).is_some());
        }
        assert!(alarms <= 1, "{alarms} of 200 correlated series without a trend");
    }

    #[test]
    fn blocks_are_noted_and_with_a_trend_suspect() {
        let said = |by: f64| {
            let mut made = Made::imported();
            for name in ["a", "b", "c"] {
                let cell = made.cell(name);
                made.samples(&cell, "upload_ns", &drifting(40, by));
            }
            made.says("order-confounded")
        };
        assert_eq!(said(0.0), Some(Weight::Note));
        assert_eq!(said(1.0), Some(Weight::Suspect));
    }

    #[test]
    fn rounds_are_not_confounded() {
        let mut made = Made::measured();
        let cells = [made.cell("a"), made.cell("b")];
        for value in scattered(20, 50e6, 0.1) {
            for cell in &cells {
                made.sample(cell, &[("total_ns", value)]);
            }
        }
        assert_eq!(made.says("order-confounded"), None);
        assert_eq!(made.says("drift"), None);
    }

    #[test]
    fn drift_is_weighed_by_its_size() {
        for (by, expected) in [(2.0, Some(Weight::Suspect)), (0.2, Some(Weight::Note)), (0.0, None)] {
            let mut made = Made::measured();
            let cell = made.cell("a");
            made.samples(&cell, "total_ns", &drifting(100, by));
            assert_eq!(made.says("drift"), expected, "{by}");
        }
    }

    #[test]
    fn a_cold_first_sample_is_seen_in_all_cells_only() {
        let said = |second: &[f64]| {
            let mut made = Made::imported();
            let (a, b) = (made.cell("a"), made.cell("b"));
            made.samples(&a, "hash_ns", &[20.42e9, 19.19e9, 19.05e9]);
            made.samples(&b, "hash_ns", second);
            made.says("cold-start-counted")
        };
        assert_eq!(said(&[20.36e9, 19.30e9, 19.28e9]), Some(Weight::Suspect));
        assert_eq!(said(&[19.28e9, 19.30e9, 19.36e9]), None);
    }
}
