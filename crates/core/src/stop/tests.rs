//! What stopping early does to what is printed.

use super::*;
use crate::cell::{BackendName, CellId};
use crate::columns::RunColumns;
use crate::compare::tests::run;
use crate::compare::{BASE, Change, CompareOptions, ComparedRun, compare_variants};
use crate::gate::{Settings, Verdict, default_budgets, evaluate};
use crate::record::RunRecord;
use crate::runner::Runner;
use crate::sample::Sample;
use crate::schedule::Progress;
use crate::stats::{Sorted, normal_quantile, series_interval};
use crate::summary::summarise;
use crate::summary::tests::sample;

const LOOKS: [u32; 5] = [20, 40, 60, 80, 100];

fn rule(goal: Goal) -> StopRule {
    StopRule { goal, metric: "total_ns".to_owned(), looks: LOOKS.to_vec() }
}

fn cell() -> CellId {
    CellId("boot/scripted".to_owned())
}

fn values(of: &[(CellId, Vec<f64>)]) -> Values {
    let rounds = |values: &[f64]| (0..).zip(values.iter().copied()).collect();
    of.iter().map(|(cell, values)| (cell.clone(), rounds(values))).collect()
}

/// A series around 100 with a coefficient of variation of 5 %.
fn series(random: &mut fastrand::Rng, phi: f64, n: u32) -> Vec<f64> {
    let normal = |random: &mut fastrand::Rng| normal_quantile(random.f64().max(f64::MIN_POSITIVE));
    let mut state = normal(random);
    (0..n)
        .map(|_| {
            state = phi * state + (1.0 - phi * phi).sqrt() * normal(random);
            100.0 + 5.0 * state
        })
        .collect()
}

/// Index of the look at which the rule stops, the last if at none.
fn stops_at(rule: &StopRule, cells: &[CellId], values: &Values) -> usize {
    let sure = |look: &usize| judge(rule, *look, cells, values, rule.looks[*look] - 1).unwrap().sure;
    (0..rule.looks.len()).find(sure).unwrap_or(rule.looks.len() - 1)
}

#[test]
fn the_interval_of_a_stopped_run_holds_the_median() {
    // 500 series each: of 95 % the standard error is 1 %. `cargo xtask coverage` looks closer.
    let rule = rule(Goal::Precision(0.02));
    for phi in [0.0, 0.7] {
        let mut random = fastrand::Rng::with_seed(99);
        let (mut covered, mut early) = (0, 0);
        for _ in 0..500 {
            let all = series(&mut random, phi, 100);
            let look = stops_at(&rule, &[cell()], &values(&[(cell(), all.clone())]));
            let taken = &all[..LOOKS[look] as usize];
            let sorted = Sorted::new(taken.iter().copied()).unwrap();
            let interval = series_interval(taken, &sorted, 0.5, rule.level(look).confidence()).unwrap();
            covered += u32::from(interval.low <= 100.0 && 100.0 <= interval.high);
            early += u32::from(look + 1 < LOOKS.len());
        }
        assert!(covered >= 475, "φ = {phi}: {covered} of 500");
        assert!(phi > 0.0 || early > 200, "only {early} were stopped: the test shows nothing");
    }
}

#[test]
fn a_variant_that_is_the_same_is_seldom_decided_to_differ() {
    let rule = rule(Goal::Decide { margin: 0.02 });
    let new = cell().of_variant("new");
    let mut random = fastrand::Rng::with_seed(5);
    let differs = (0..100).filter(|_| {
        let pair = values(&[(cell(), series(&mut random, 0.0, 100)), (new.clone(), series(&mut random, 0.0, 100))]);
        let cells = [cell(), new.clone()];
        let look = judge(&rule, stops_at(&rule, &cells, &pair), &cells, &pair, u32::MAX).unwrap();
        look.sure && look.furthest.unwrap().change.is_some_and(|[low, high]| low > 0.0 || high < 0.0)
    });
    // 2 % by construction, with a standard error of 1.4 %.
    let count = differs.count();
    assert!(count <= 5, "{count} of 100");
}

#[test]
fn a_clear_difference_is_decided_early_and_a_clear_sameness_too() {
    let rule = rule(Goal::Decide { margin: 0.02 });
    let mut random = fastrand::Rng::with_seed(6);
    let new = cell().of_variant("new");
    let cells = [cell(), new.clone()];
    let quiet = |random: &mut fastrand::Rng, by: f64| -> Vec<f64> { (0..100).map(|_| by + random.f64()).collect() };
    for (by, other) in [(120.0, true), (100.0, false)] {
        let pair = values(&[(cell(), quiet(&mut random, 100.0)), (new.clone(), quiet(&mut random, by))]);
        let look = stops_at(&rule, &cells, &pair);
        assert!(look < 4, "{by}: look {look}");
        let seen = judge(&rule, look, &cells, &pair, u32::MAX).unwrap();
        let [low, high] = seen.furthest.unwrap().change.unwrap();
        assert_eq!(low > 0.1 && high < 0.3, other, "{low} to {high}");
    }
    // Without its measure a variant cannot be decided, and with nothing at all nothing is sure.
    let alone = values(&[(new.clone(), quiet(&mut random, 1.0))]);
    assert!(!judge(&rule, 1, &[new], &alone, u32::MAX).unwrap().sure);
    assert!(!judge(&rule, 1, &[], &alone, u32::MAX).unwrap().sure);
    assert!(judge(&rule, 5, &[], &alone, u32::MAX).is_none());
}

#[test]
fn every_cell_must_be_there_and_the_furthest_is_named() {
    let rule = rule(Goal::Precision(0.01));
    let (steady, noisy) = (CellId("boot/a".to_owned()), CellId("boot/b".to_owned()));
    let mut random = fastrand::Rng::with_seed(8);
    let both = values(&[
        (steady.clone(), (0..40).map(|_| 100.0 + random.f64()).collect()),
        (noisy.clone(), (0..40).map(|_| 100.0 + 60.0 * random.f64()).collect()),
    ]);
    let cells = [steady, noisy.clone()];
    let look = judge(&rule, 1, &cells, &both, 39).unwrap();
    assert_eq!((look.after, look.samples, look.open, look.sure), (40, 40, 1, false));
    let furthest = look.furthest.clone().unwrap();
    assert!(furthest.cell == noisy && furthest.half_width.unwrap() > 0.01);
    assert!(judge(&rule, 1, &cells[..1], &both, 39).unwrap().sure);
    let words = rule.look_words(&look);
    assert!(words.starts_with("look 2 of 5 after 40 samples: ±") && words.contains("boot/b"), "{words}");
}

/// A record and columns of `base` and `new` that a rule stopped after 40 of 100 rounds, and of the same without a rule.
fn stopped(goal: Goal, more: f64) -> (RunRecord, RunRecord, RunColumns) {
    let mut random = fastrand::Rng::with_seed(11);
    let mut times = |by: f64| -> Vec<f64> { (0..40).map(|_| by + 4e6 * random.f64()).collect() };
    let (plain, columns) = run(&[(None, times(1e8)), (Some("new"), times(1e8 + more))]);
    let mut record = plain.clone();
    let rule = rule(goal);
    record.plan.samples = rule.most();
    let look = |after: u32, sure: bool| LookRecord {
        after,
        samples: after,
        round: after - 1,
        share: 1.0,
        open: u32::from(!sure),
        furthest: None,
        sure,
    };
    let stop = StopRecord { looks: vec![look(20, false), look(40, true)], stopped_after: Some(40) };
    record.plan.stop = Some(rule);
    record.ended.as_mut().unwrap().stop = Some(stop);
    (record, plain, columns)
}

#[test]
fn every_interval_of_a_stopped_run_is_wider_and_says_so() {
    let (record, plain, columns) = stopped(Goal::Precision(0.02), 3e6);
    // What the record claims for a look (all of the error) does not count: the rule says.
    assert!((record.level().confidence() - 0.99).abs() < 1e-12);
    let width = |ends: Option<[f64; 2]>| ends.map(|[low, high]| high - low).unwrap();
    let [one, other] = [&record, &plain].map(|record| summarise(record, &columns));
    let total = |summary: &crate::summary::RunSummary| width(summary.cells[0].metrics["total_ns"].ci95);
    assert!(total(&one) > total(&other));
    let words = one.stop.unwrap().words;
    assert!(words.starts_with("stopped by its declared rule after 40 of at most 100 samples a cell"), "{words}");
    assert!(words.contains("20, 40, 60, 80 and 100 samples; each interval is of 99 %"), "{words}");
    assert_eq!(other.stop, None);

    let compared = |record: &RunRecord| {
        let run = ComparedRun { name: "run", record, columns: &columns };
        compare_variants(run, BASE, &CompareOptions::default(), Runner::ALONE).unwrap()
    };
    let (one, other) = (compared(&record), compared(&plain));
    let metric = |comparison: &crate::compare::Comparison| comparison.cells[0].metrics[0].clone();
    assert!(width(metric(&one).change_ci95) > width(metric(&other).change_ci95));
    assert!(metric(&one).minimum_detectable > metric(&other).minimum_detectable);
    assert_eq!((metric(&one).verdict, metric(&one).change), (Change::Worse, metric(&other).change));
    assert!(one.warnings[0].contains("stopped by its declared rule") && other.warnings.is_empty());

    let gated = |record: &RunRecord, against: Option<&RunRecord>| {
        let side = |record| ComparedRun { name: "run", record, columns: &columns };
        let budgets = default_budgets(record, against.is_some());
        evaluate(side(record), against.map(side), &budgets, &Settings::default())
    };
    let (one, other) = (gated(&record, None), gated(&plain, None));
    assert!(width(one.verdicts[0].change_ci95) > width(other.verdicts[0].change_ci95));
    assert!(one.warnings[0].contains("99 %"));
    // Of two runs that were both stopped each has its own looks, and all pairs of them share the error.
    let (both, single) = (gated(&record, Some(&record)), gated(&record, Some(&plain)));
    assert!(width(both.verdicts[0].change_ci95) > width(single.verdicts[0].change_ci95));
    assert!(both.warnings.iter().any(|warning| warning.contains("between them is of 99.8 %")), "{:?}", both.warnings);
}

#[test]
fn a_change_that_is_not_sure_at_the_looks_level_is_unclear() {
    let (record, plain, columns) = stopped(Goal::Decide { margin: 0.02 }, 0.75e6);
    let verdict = |record: &RunRecord| {
        let run = ComparedRun { name: "run", record, columns: &columns };
        let options = CompareOptions { margin: 0.0, ..CompareOptions::default() };
        let comparison = compare_variants(run, BASE, &options, Runner::ALONE).unwrap();
        comparison.cells[0].metrics[0].verdict
    };
    assert_eq!((verdict(&plain), verdict(&record)), (Change::Worse, Change::Unclear));
    assert_ne!(gate(&record, &columns), Verdict::Fail);
}

fn gate(record: &RunRecord, columns: &RunColumns) -> Verdict {
    let run = ComparedRun { name: "run", record, columns };
    evaluate(run, None, &default_budgets(record, false), &Settings::default()).verdict
}

#[test]
fn the_gate_seldom_cries_wolf_over_stopped_runs() {
    let rule = rule(Goal::Decide { margin: 0.02 });
    let mut random = fastrand::Rng::with_seed(21);
    let alarms = (0..100).filter(|_| {
        // The host drifts, and each round holds both: what they share cancels.
        let host = series(&mut random, 0.7, 200);
        let half = |from: usize| -> Vec<f64> { host.iter().skip(from).step_by(2).map(|value| value * 1e6).collect() };
        let sides: Vec<(Option<&str>, Vec<f64>)> = vec![(None, half(0)), (Some("new"), half(1))];
        let cells: Vec<CellId> = run(&sides).0.cells.iter().map(|cell| cell.id.clone()).collect();
        let all = values(&[(cells[0].clone(), half(0)), (cells[1].clone(), half(1))]);
        let look = stops_at(&rule, &cells, &all);
        let taken = LOOKS[look] as usize;
        let cut: Vec<_> = sides.into_iter().map(|(name, values)| (name, values[..taken].to_vec())).collect();
        let (mut record, columns) = run(&cut);
        let seen = judge(&rule, look, &cells, &all, taken as u32 - 1).unwrap();
        record.plan.stop = Some(rule.clone());
        record.ended.as_mut().unwrap().stop = Some(StopRecord { looks: vec![seen], stopped_after: None });
        gate(&record, &columns) == Verdict::Fail
    });
    let count = alarms.count();
    assert!(count <= 2, "{count} of 100");
}

/// Samples of one scripted cell, the values by round; NaN fails.
fn samples(values: &[f64]) -> Vec<Sample> {
    let one = |(sequence, value): (u64, &f64)| Sample {
        cell: cell(),
        round: sequence as u32,
        metrics: [("total_ns".to_owned(), *value)].into(),
        failure: value
            .is_nan()
            .then(|| crate::failure::Failure::new(crate::failure::FailureClass::Timeout, "made up".to_owned())),
        ..sample(BackendName::Scripted, sequence, 1_000)
    };
    (0..).zip(values).map(one).collect()
}

/// What a rule says of a run that is taken at once.
fn live(rule: &StopRule, samples: &[Sample]) -> (Watch, usize) {
    let mut progress = Progress::new(&[cell()], rule.most(), 0, 1);
    let mut watch = Watch::new(rule);
    for (taken, sample) in samples.iter().enumerate() {
        progress.record_sample(sample);
        watch.add(sample);
        watch.after_round(&progress, sample.round);
        if watch.stops() {
            return (watch, taken + 1);
        }
    }
    (watch, samples.len())
}

#[test]
fn failures_do_not_count_and_a_resumed_run_decides_alike() {
    let rule = rule(Goal::Precision(0.02));
    let mut random = fastrand::Rng::with_seed(31);
    let mut values: Vec<f64> = series(&mut random, 0.0, 110);
    [3, 17, 22].into_iter().for_each(|failed| values[failed] = f64::NAN);
    let samples = samples(&values);
    let (watch, taken) = live(&rule, &samples);
    let record = watch.into_record();
    let after = record.stopped_after.expect("the rule stops this series");
    assert!(taken > after as usize && taken <= after as usize + 3, "{taken} for {after}");
    assert_eq!(record.looks.last().unwrap().samples, after);
    for cut in [0, 1, 19, 21, 22, 30, taken] {
        let mut progress = Progress::new(&[cell()], rule.most(), 0, 1);
        let mut watch = Watch::replay(Some(&rule), &mut progress, &samples[..cut]).unwrap();
        assert_eq!(watch.stops(), cut == taken, "cut after {cut}");
        for sample in &samples[cut..taken] {
            progress.record_sample(sample);
            watch.add(sample);
            watch.after_round(&progress, sample.round);
        }
        assert_eq!(watch.into_record(), record, "cut after {cut}");
    }
    let mut progress = Progress::new(&[cell()], rule.most(), 0, 1);
    assert!(Watch::replay(None, &mut progress, &samples).is_none());
    assert_eq!(progress.valid(&cell()), 107, "replaying records without a rule as well");
}

#[test]
fn a_run_that_goes_to_its_maximum_was_not_stopped() {
    let rule = rule(Goal::Precision(0.0001));
    let samples = samples(&series(&mut fastrand::Rng::with_seed(3), 0.0, 100));
    let (watch, taken) = live(&rule, &samples);
    let record = watch.into_record();
    assert_eq!((taken, record.looks.len(), record.stopped_after), (100, 5, None));
}
