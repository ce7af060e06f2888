//! Comparisons of made-up runs whose truth is known.

use super::*;
use crate::cell::{BackendName, BenchmarkName, Cell};
use crate::columns::{CellColumns, Phase, Row, RunColumns};
use crate::factor::Factors;
use crate::gate::selfcheck::made_up::record as made_up;
use crate::ledger::MilestoneName;
use crate::record::RunRecord;
use crate::runner::Runner;
use crate::sample::{Accuracy, Provenance};

/// A measured run of `base` and the variants, each with its values of `total_ns` by round (NaN for a failed sample).
pub(crate) fn run(variants: &[(Option<&str>, Vec<f64>)]) -> (RunRecord, RunColumns) {
    let base = CellId::new(BenchmarkName::Boot, BackendName::Runc, &Factors::new());
    let (mut cells, mut columns) = (Vec::new(), RunColumns::default());
    for (place, (variant, values)) in variants.iter().enumerate() {
        let id = variant.map_or_else(|| base.clone(), |variant| base.of_variant(variant));
        cells.push(Cell {
            id: id.clone(),
            benchmark: BenchmarkName::Boot,
            backend: BackendName::Runc,
            factors: Factors::new(),
            variant: variant.map(str::to_owned),
        });
        let rows = values.iter().enumerate().map(|(round, value)| Row {
            sequence: (round * variants.len() + place) as u64,
            started_ns: 0,
            round: round as u32,
            session: 0,
            warmup: false,
            failure: value.is_nan().then_some(crate::failure::FailureClass::Timeout),
            accuracy: Accuracy::Container,
            provenance: Provenance::Measured,
        });
        let mut cell = CellColumns { rows: rows.collect(), ..CellColumns::default() };
        // A third of the time is spent before `create` has ended; all that is more than 100 ms belongs to it.
        let create = values.iter().map(|total| total - 66e6).collect();
        cell.phases.insert("create".to_owned(), Phase { until: MilestoneName::Started, lengths_ns: create });
        cell.phases.insert(
            "agent".to_owned(),
            Phase { until: MilestoneName::Agent, lengths_ns: values.iter().map(|total| total * 0.0 + 66e6).collect() },
        );
        cell.metrics.insert(HEADLINE.to_owned(), values.clone());
        columns.cells.insert(id, cell);
    }
    (made_up(cells), columns)
}

/// Times around 100 ms that drift together, `more` added to each, with a little noise of their own.
pub(crate) fn times(n: u32, more: f64, seed: u64) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(seed);
    (0..n).map(|round| 1e8 + 2e7 * (f64::from(round) / 9.0).sin() + more + 1e6 * random.f64()).collect()
}

fn compared(record: &RunRecord, columns: &RunColumns) -> Comparison {
    let run = ComparedRun { name: "run", record, columns };
    compare_variants(run, BASE, &CompareOptions::default(), Runner::ALONE).unwrap()
}

#[test]
fn a_slower_variant_is_found_with_the_phase_that_moved() {
    let (record, columns) = run(&[(None, times(60, 0.0, 1)), (Some("new"), times(60, 3.1e6, 2))]);
    let comparison = compared(&record, &columns);
    let cell = &comparison.cells[0];
    let total = &cell.metrics[0];
    assert_eq!((total.metric.as_str(), total.n, total.verdict), ("total_ns", 60, Change::Worse));
    let [low, high] = total.change_ci95.unwrap();
    // Three milliseconds of a time that swings by a fifth are no constant share of it: the interval says so.
    assert!(0.015 < low && low < 0.031 && 0.031 < high && high < 0.05, "{total:?}");
    assert_eq!(cell.phases.len(), 1);
    assert!((cell.phases[0].share.unwrap() - 1.0).abs() < 0.01);
    assert!(cell.words.contains("create took 3.") && cell.words.contains("100 % of the change"), "{}", cell.words);
    assert!(cell.incomparable.is_empty());
}

#[test]
fn drift_that_is_common_to_a_pair_is_no_change() {
    let (record, columns) = run(&[(None, times(60, 0.0, 1)), (Some("new"), times(60, 0.0, 2))]);
    let cell = &compared(&record, &columns).cells[0];
    assert_eq!(cell.metrics[0].verdict, Change::Same);
    assert!(cell.metrics[0].minimum_detectable.unwrap() < 0.005);
}

#[test]
fn a_pair_with_a_failed_side_counts_for_neither() {
    let mut slower = times(20, 3e6, 2);
    slower[3] = f64::NAN;
    let (record, columns) = run(&[(None, times(20, 0.0, 1)), (Some("new"), slower)]);
    let total = &compared(&record, &columns).cells[0].metrics[0];
    assert_eq!((total.n, total.incomplete), (19, 1));
}

#[test]
fn few_pairs_have_a_change_and_no_interval() {
    let (record, columns) = run(&[(None, times(4, 0.0, 1)), (Some("new"), times(4, 3e7, 2))]);
    let total = &compared(&record, &columns).cells[0].metrics[0];
    assert_eq!((total.change_ci95, total.verdict), (None, Change::Unclear));
    assert!((total.change - 0.3).abs() < 0.05);
}

#[test]
fn separate_runs_of_other_hosts_are_shown_and_not_comparable() {
    let (one, one_columns) = run(&[(None, times(40, 0.0, 1))]);
    let (mut other, other_columns) = run(&[(None, times(40, 5e7, 2))]);
    other.fingerprint.kernel = Some("Linux 6.18".to_owned());
    let options = CompareOptions::default();
    let a = ComparedRun { name: "a", record: &one, columns: &one_columns };
    let b = ComparedRun { name: "b", record: &other, columns: &other_columns };
    let comparison = compare_runs(a, b, &options, Runner::ALONE).unwrap();
    assert_eq!(comparison.cells[0].metrics[0].design, Design::Separate);
    assert_eq!(
        comparison.cells[0].incomparable,
        ["other host: kernel: unknown in the baseline, Linux 6.18 in the candidate"]
    );
    assert!(comparison.warnings[0].contains("not interleaved"));
}

#[test]
fn what_cannot_be_compared_is_refused_with_a_way_out() {
    let (record, columns) = run(&[(None, times(9, 0.0, 1))]);
    let single = ComparedRun { name: "run", record: &record, columns: &columns };
    let options = CompareOptions::default();
    assert_eq!(compare_variants(single, BASE, &options, Runner::ALONE), Err(CompareError::NoVariants));
    let (record, columns) = run(&[(None, times(9, 0.0, 1)), (Some("new"), times(9, 0.0, 2))]);
    let both = ComparedRun { name: "run", record: &record, columns: &columns };
    assert!(
        matches!(compare_variants(both, "neu", &options, Runner::ALONE), Err(CompareError::UnknownBaseline { hint, .. }) if hint.contains("new"))
    );
    let options = CompareOptions { metrics: vec!["totl_ns".to_owned()], ..CompareOptions::default() };
    assert!(matches!(compare_variants(both, BASE, &options, Runner::ALONE), Err(CompareError::UnknownMetric { .. })));
}
