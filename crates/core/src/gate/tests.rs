//! Verdicts on made-up runs whose truth is known.

use super::*;
use crate::columns::RunColumns;
use crate::compare::ComparedRun;
use crate::compare::tests::{run, times};
use crate::plan::parse_budgets;
use crate::record::RunRecord;
use crate::sample::Provenance;

fn gated(record: &RunRecord, columns: &RunColumns, budgets: &str) -> GateResult {
    let budgets = parse_budgets("budgets.toml", budgets).unwrap();
    evaluate(ComparedRun { name: "run", record, columns }, None, &budgets, &Settings::default())
}

fn verdicts(result: &GateResult) -> Vec<Verdict> {
    result.verdicts.iter().map(|verdict| verdict.verdict).collect()
}

fn variants(n: u32, more: f64) -> (RunRecord, RunColumns) {
    run(&[(None, times(n, 0.0, 1)), (Some("new"), times(n, more, 2))])
}

const RELATIVE: &str = "[[budget]]\nmetric = \"boot.total_ns\"\np50 = \"< +2 %\"\nthan = \"base\"\n";

#[test]
fn a_relative_budget_fails_passes_or_cannot_tell() {
    let (record, columns) = variants(60, 5e6);
    let result = gated(&record, &columns, RELATIVE);
    assert_eq!(verdicts(&result), [Verdict::Fail]);
    let verdict = &result.verdicts[0];
    assert!(verdict.words.contains("phase that moved: create (+5."), "{}", verdict.words);
    assert_eq!((verdict.allowed, verdict.cell.as_str()), (0.02, "boot/runc~new"));

    let (record, columns) = variants(60, 0.0);
    assert_eq!(verdicts(&gated(&record, &columns, RELATIVE)), [Verdict::Pass]);

    // A change of 2 % lies on the budget; five pairs carry no interval.
    let (record, columns) = variants(60, 2e6);
    assert_eq!(verdicts(&gated(&record, &columns, RELATIVE)), [Verdict::Inconclusive]);
    let (record, columns) = variants(5, 5e7);
    let result = gated(&record, &columns, RELATIVE);
    assert_eq!((result.verdict, result.verdicts[0].samples_needed), (Verdict::Inconclusive, Some(6)));
}

#[test]
fn a_gain_can_be_demanded() {
    let budget = "[[budget]]\nmetric = \"total_ns\"\np50 = \"< -10 %\"\nthan = \"base\"\n";
    let (record, columns) = variants(60, -2e7);
    assert_eq!(gated(&record, &columns, budget).verdict, Verdict::Pass);
    let (record, columns) = variants(60, 0.0);
    // No change is no change for the worse: the gain is not shown, and nothing has surely become worse.
    assert_eq!(gated(&record, &columns, budget).verdict, Verdict::Inconclusive);
}

#[test]
fn a_tail_that_grows_is_found_by_its_own_budget_only() {
    let (base, mut slow) = (times(200, 0.0, 1), times(200, 0.0, 2));
    slow.iter_mut().step_by(9).for_each(|value| *value += 5e7);
    let (record, columns) = run(&[(None, base), (Some("new"), slow)]);
    let result = gated(
        &record,
        &columns,
        "[[budget]]\nmetric = \"total_ns\"\np50 = \"< +2 %\"\np95 = \"< +5 %\"\nthan = \"base\"\n",
    );
    assert_eq!(verdicts(&result), [Verdict::Pass, Verdict::Fail], "{result:#?}");
    let few = variants(40, 0.0);
    let result = gated(&few.0, &few.1, "[[budget]]\nmetric = \"total_ns\"\np95 = \"< +5 %\"\nthan = \"base\"\n");
    assert_eq!((result.verdict, result.verdicts[0].samples_needed), (Verdict::Inconclusive, Some(59)));
}

#[test]
fn absolute_budgets_are_held_by_bounds() {
    let mut random = fastrand::Rng::with_seed(5);
    let values: Vec<f64> = (0..100).map(|_| 1e8 + 1e7 * random.f64()).collect();
    let (record, columns) = run(&[(None, values)]);
    let verdict = |line: &str| {
        let result = gated(&record, &columns, &format!("[[budget]]\nmetric = \"boot.total_ns\"\n{line}\n"));
        (result.verdict, result.verdicts[0].clone())
    };
    assert_eq!(verdict("p50 = \"< 120 ms\"").0, Verdict::Pass);
    assert_eq!(verdict("p50 = \"< 101 ms\"").0, Verdict::Fail);
    assert_eq!(verdict("p50 = \"< 105 ms\"").0, Verdict::Inconclusive);
    assert_eq!(verdict("p50 = \"> 101 ms\"").0, Verdict::Pass);
    assert_eq!(verdict("p50 = \"> 120 ms\"").0, Verdict::Fail);
    assert_eq!(verdict("max = \"< 110 ms\"").0, Verdict::Pass);
    assert_eq!(verdict("max = \"< 100 ms\"").0, Verdict::Fail);
    // 100 samples cannot carry p99, and yet all of them are beyond 90 ms.
    let (cannot, found) = verdict("p99 = \"< 120 ms\"");
    assert_eq!((cannot, found.samples_needed, found.observed), (Verdict::Inconclusive, Some(299), None));
    assert_eq!(verdict("p99 = \"< 90 ms\"").0, Verdict::Fail);
}

#[test]
fn failures_have_a_budget_and_grades_have_names() {
    let mut random = fastrand::Rng::with_seed(5);
    let mut values: Vec<f64> = (0..60).map(|_| 1e8 + 1e7 * random.f64()).collect();
    let grades = "[[budget]]\nmetric = \"total_ns\"\n\
                  p50 = { excellent = \"50 ms\", good = \"150 ms\", ok = \"200 ms\" }\nfailures = \"0 %\"\n";
    let (record, columns) = run(&[(None, values.clone())]);
    let result = gated(&record, &columns, grades);
    assert_eq!(verdicts(&result), [Verdict::Pass, Verdict::Pass]);
    assert_eq!(result.verdicts[0].grade.as_deref(), Some("good"));
    let share = |line: &str| format!("[[budget]]\nmetric = \"total_ns\"\nfailures = \"{line}\"\n");
    // No failure in 60 says "under 5 %" with 95 %, and not "under 1 %".
    assert_eq!(gated(&record, &columns, &share("< 5 %")).verdict, Verdict::Pass);
    assert_eq!(gated(&record, &columns, &share("< 1 %")).verdicts[0].samples_needed, Some(299));
    for value in values.iter_mut().take(6) {
        *value = f64::NAN;
    }
    let (record, columns) = run(&[(None, values)]);
    assert_eq!(gated(&record, &columns, grades).verdict, Verdict::Fail);
    assert_eq!(gated(&record, &columns, &share("< 1 %")).verdict, Verdict::Fail);
    assert_eq!(gated(&record, &columns, &share("< 10 %")).verdict, Verdict::Inconclusive);
}

#[test]
fn only_measured_samples_pass_and_nothing_passes_by_absence() {
    let (record, mut columns) = variants(60, 0.0);
    let two = format!("{RELATIVE}[[budget]]\nmetric = \"total_ns\"\np50 = \"< 10 s\"\n");
    for cell in columns.cells.values_mut() {
        cell.rows.iter_mut().for_each(|row| row.provenance = Provenance::Scripted);
    }
    let result = gated(&record, &columns, &two);
    assert!(verdicts(&result).iter().all(|verdict| *verdict == Verdict::NotComparable), "{result:?}");
    assert!(result.verdicts[0].words.contains("scripted, not measured"));

    let (record, columns) = variants(60, 0.0);
    for budget in [
        "[[budget]]\nmetric = \"total_ns\"\np50 = \"< 1 s\"\nwhen = { backend = \"qemu\" }\n",
        "[[budget]]\nmetric = \"totl_ns\"\np50 = \"< 1 s\"\n",
        "[[budget]]\nmetric = \"total_ns\"\np50 = \"< +5 %\"\n",
        "[[budget]]\nmetric = \"total_ns\"\np50 = \"< +5 %\"\nthan = \"old\"\n",
    ] {
        assert_eq!(gated(&record, &columns, budget).verdict, Verdict::NotComparable, "{budget}");
    }
}

#[test]
fn a_stored_run_of_another_host_is_no_baseline() {
    let (record, columns) = run(&[(None, times(60, 0.0, 1))]);
    let (mut other, other_columns) = run(&[(None, times(60, 0.0, 2))]);
    let budgets = default_budgets(&record, true);
    let gate = |other: &RunRecord| {
        let against = ComparedRun { name: "old", record: other, columns: &other_columns };
        evaluate(
            ComparedRun { name: "new", record: &record, columns: &columns },
            Some(against),
            &budgets,
            &Settings::default(),
        )
    };
    assert_ne!(gate(&other).verdict, Verdict::NotComparable);
    other.fingerprint.governor = Some("powersave".to_owned());
    let result = gate(&other);
    assert_eq!(result.verdict, Verdict::NotComparable);
    assert!(result.verdicts[0].words.contains("governor"), "{result:?}");
    assert!(default_budgets(&record, false).is_empty());
}
