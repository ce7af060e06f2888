use super::*;

fn outcome(outcomes: &[Outcome], design: &str, noise: Noise, injected: f64) -> Outcome {
    let found = outcomes.iter().find(|one| (one.design, one.noise, one.injected) == (design, noise, injected));
    found.cloned().unwrap()
}

#[test]
fn the_gate_seldom_cries_wolf_and_finds_five_percent() {
    // Fewer trials than the command runs, so the bounds are those of an interval that is wider.
    let simulation = Simulation { trials: 200, injected: vec![0.0, 0.05], ..Simulation::default() };
    let outcomes = simulate(&simulation);
    for noise in [Noise::Host, Noise::Independent, Noise::HeavyTail] {
        let (alike, slower) = (outcome(&outcomes, "paired", noise, 0.0), outcome(&outcomes, "paired", noise, 0.05));
        assert!(alike.failed <= 2, "{alike:?}");
        assert!(slower.failed >= 184, "{slower:?}");
        assert_eq!(slower.passed, 0, "{slower:?}");
        assert_eq!(alike.failed + alike.passed + alike.inconclusive, 200);
    }
    // Drift that belongs to one side cannot be told from an effect by any design; the gate hesitates more.
    let drift = outcome(&outcomes, "paired", Noise::OwnDrift, 0.0);
    assert!(drift.failed <= 8 && drift.inconclusive > 100, "{drift:?}");
    let blocks = outcome(&outcomes, "blocks", Noise::Host, 0.0);
    assert!(blocks.failed > 50, "{blocks:?}");
}

#[test]
fn many_budgets_cry_wolf_no_more_often_than_one() {
    // A quarter of them: 60 trials of each gate.
    let simulation = Simulation { trials: 240, ..Simulation::default() };
    let found = many(&simulation);
    let gates: Vec<(usize, bool)> = found.iter().map(|one| (one.budgets, one.correlated)).collect();
    assert_eq!(gates, [(1, false), (5, false), (5, true), (20, false), (20, true)]);
    for one in &found {
        assert!(one.alike.failed <= 2 && one.one_worse.failed >= 50 && one.wrong_one <= 2, "{one:?}");
    }
}

#[test]
fn the_same_seed_gives_the_same_outcomes() {
    let simulation = Simulation { trials: 5, injected: vec![0.05], ..Simulation::default() };
    assert_eq!(simulate(&simulation), simulate(&simulation));
}

#[test]
fn the_noise_is_what_it_says() {
    let mut random = fastrand::Rng::with_seed(1);
    let mut series = Series::new(0.7);
    let values: Vec<f64> = (0..20_000).map(|_| series.next(&mut random)).collect();
    assert!((crate::stats::sample_stddev(&values).unwrap() - 1.0).abs() < 0.05);
    assert!((crate::stats::autocorrelation(&values, 1).unwrap() - 0.7).abs() < 0.02);
}

#[test]
fn a_run_is_cut_into_windows_without_rounds_in_common() {
    let simulation = Simulation { pairs: 65, ..Simulation::default() };
    let MadeUp { mut record, columns: mut run } =
        trial(Noise::Host, &simulation, 0.2, &mut fastrand::Rng::with_seed(3));
    // The candidate becomes the slower variant, and a copy of base one that is the same.
    let slower = run.cells.remove(&record.cells[1].id).unwrap();
    let base = run.cells[&record.cells[0].id].clone();
    record.cells = [None, Some("same b"), Some(DELAYED)].map(made_up::cell).to_vec();
    run.cells.insert(record.cells[1].id.clone(), base);
    run.cells.insert(record.cells[2].id.clone(), slower);
    assert!(is_selfcheck(&record));
    let checks = windows(&record, &run, 20, MARGIN);
    let [check] = checks.as_slice() else { panic!("{checks:?}") };
    assert_eq!((check.windows, check.alike.trials, check.delayed.trials), (3, 3, 3));
    assert_eq!((check.alike.failed, check.delayed.failed), (0, 3));
    let share = check.delay_ns.unwrap() / check.base_p50_ns.unwrap();
    assert!((share - 0.2).abs() < 0.03, "{check:?}");
}
