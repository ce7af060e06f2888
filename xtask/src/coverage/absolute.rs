//! Absolute budgets whose limit is just the truth: how often they fail or pass by chance.

use super::data::Kind;
use super::printed::time;
use super::{Outcome, SETS, Tally, percent, seed};
use fastrand::Rng;
use isodyne_core::compare::{BASE, HEADLINE};
use isodyne_core::factor::Factors;
use isodyne_core::gate::selfcheck::MadeUp;
use isodyne_core::gate::{Budget, Figure, Limit, Settings, Verdict, evaluate};
use isodyne_core::sample::Provenance;

/// What a budget at the truth may fail in at most; the settings ask for 1 %.
const MOST_FAIL: f64 = 0.02;
/// What it may pass in at most, with 1,000 data sets; the settings ask for 5 %.
const MOST_PASS: f64 = 0.065;

/// Ceilings and floors for p50 and p95.
pub fn table(outcome: &mut Outcome) {
    outcome.line("**Absolute budgets** whose limit is just the true quantile, of 1,000 data sets each: the share of `fail`, which is a false \
        alarm (asked for: 1 %), and of `pass`, which says more than the samples can (5 %), for a ceiling and a floor.");
    outcome.line("");
    outcome.line("| data | n | p50 < fail | pass | p50 > fail | pass | interval covers | p95 < fail | pass | p95 > fail | pass | interval covers |");
    outcome.line(format!("| --- |{}", " --: |".repeat(11)));
    for kind in Kind::ALL {
        for n in [20, 60, 300, 1_000] {
            line(outcome, kind, n);
        }
    }
    outcome.line("");
}

fn line(outcome: &mut Outcome, kind: Kind, n: usize) {
    let settings = Settings { accepted: Provenance::Scripted, ..Settings::default() };
    let mut random = Rng::with_seed(seed(90, kind, n));
    let budgets = [0.5, 0.95].map(|q| {
        let truth = time(kind, kind.quantile(q));
        [Limit::Ceiling(truth), Limit::Floor(truth)].map(|limit| budget(q, limit))
    });
    let budgets: Vec<Budget> = budgets.into_iter().flatten().collect();
    let mut counts = [[0_u32; 2]; 4];
    let mut intervals = [Tally::default(), Tally::default()];
    for _ in 0..SETS {
        let values = kind.series(&mut random, n).into_iter().map(|value| time(kind, value)).collect();
        let run = MadeUp::variants(&[(BASE, vec![(HEADLINE.to_owned(), values)])]);
        let result = evaluate(run.compared(), None, &budgets, &settings);
        for (place, (count, verdict)) in counts.iter_mut().zip(&result.verdicts).enumerate() {
            count[0] += u32::from(verdict.verdict == Verdict::Fail);
            count[1] += u32::from(verdict.verdict == Verdict::Pass);
            if let Some([low, high]) = verdict.observed_ci95.filter(|_| place % 2 == 0) {
                intervals[place / 2].add(low, high, verdict.allowed);
            }
        }
    }
    let mut cells = String::new();
    for (figure, tally) in intervals.iter().enumerate() {
        for (side, [fail, pass]) in counts.iter().skip(2 * figure).take(2).enumerate() {
            let (fail, pass) = (f64::from(*fail) / f64::from(SETS), f64::from(*pass) / f64::from(SETS));
            cells.push_str(&format!(" {} | {} |", percent(fail), percent(pass)));
            let name = format!("absolute budget {figure}.{side}, {}, n = {n}", kind.name());
            if fail > MOST_FAIL {
                outcome.problems.push(format!("{name}: {fail:.3} fail"));
            }
            if pass > MOST_PASS {
                outcome.problems.push(format!("{name}: {pass:.3} pass"));
            }
        }
        if tally.printed() < 0.02 {
            cells.push_str(" – |");
        } else {
            cells.push_str(&format!(" {} |", percent(tally.covered())));
            outcome.hold(&format!("absolute budget {figure}, {}, n = {n}", kind.name()), tally.covered());
        }
    }
    outcome.line(format!("| {} | {n} |{cells}", kind.name()));
}

fn budget(q: f64, limit: Limit) -> Budget {
    Budget {
        name: String::new(),
        benchmark: String::new(),
        metric: HEADLINE.to_owned(),
        figure: Figure::Quantile(q),
        limit,
        grades: Vec::new(),
        when: Factors::new(),
    }
}
