//! Several budgets at once: whether the whole gate keeps its promise, whose every budget has its own chance to err.

use super::{CANDIDATE, MadeUp, Noise, Outcome, Series, Simulation, relative_budget};
use crate::compare::BASE;
use crate::gate::{Settings, Verdict, evaluate};
use crate::sample::Provenance;
use serde::Serialize;

/// How many budgets a gate has in turn.
const BUDGETS: [usize; 3] = [1, 5, 20];
/// The change of one metric whose finding is counted.
const INJECTED: f64 = 0.05;

/// What a gate of several budgets said, each on a metric of its own.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Many {
    /// Budgets in the gate.
    pub budgets: usize,
    /// Whether the metrics have half of their variance in common; else none of it.
    pub correlated: bool,
    /// No metric has changed: verdicts of the whole gate, of which `fail` is a false alarm.
    pub alike: Outcome,
    /// One metric is 5 % worse: verdicts on its budget.
    pub one_worse: Outcome,
    /// In so many of those trials a budget on another metric failed.
    pub wrong_one: u64,
}

/// Puts synthetic runs through gates of 1, 5 and 20 budgets; the host drifts, as in the claims about one budget. Of the
/// trials a quarter: each takes as many times as long as there are budgets.
pub fn many(simulation: &Simulation) -> Vec<Many> {
    let gates = BUDGETS.into_iter().flat_map(|budgets| [false, true].map(|correlated| (budgets, correlated)));
    gates.filter(|gate| *gate != (1, true)).map(|(budgets, correlated)| gate(simulation, budgets, correlated)).collect()
}

fn gate(simulation: &Simulation, budgets: usize, correlated: bool) -> Many {
    let settings = Settings { accepted: Provenance::Scripted, ..Settings::default() };
    let held: Vec<_> =
        (0..budgets).map(|index| relative_budget(&metric(index), BASE, CANDIDATE, simulation.margin)).collect();
    let mut random = fastrand::Rng::with_seed(simulation.seed ^ (budgets as u64) << 8 ^ u64::from(correlated));
    let (mut alike, mut one_worse, mut wrong_one) = (Vec::new(), Vec::new(), 0);
    for _ in 0..simulation.trials.div_ceil(4) {
        let run = trial(simulation, budgets, correlated, 0.0, &mut random);
        alike.push(evaluate(run.compared(), None, &held, &settings).verdict);
        let run = trial(simulation, budgets, correlated, INJECTED, &mut random);
        let verdicts = evaluate(run.compared(), None, &held, &settings).verdicts;
        // In the order of the budgets: the first metric is the one that is worse.
        one_worse.extend(verdicts.first().map(|verdict| verdict.verdict));
        wrong_one += u64::from(verdicts.iter().skip(1).any(|verdict| verdict.verdict == Verdict::Fail));
    }
    Many {
        budgets,
        correlated,
        alike: Outcome::new("paired", Noise::Host, 0.0, &alike),
        one_worse: Outcome::new("paired", Noise::Host, INJECTED, &one_worse),
        wrong_one,
    }
}

fn metric(index: usize) -> String {
    format!("metric_{index}_ns")
}

fn trial(
    simulation: &Simulation,
    budgets: usize,
    correlated: bool,
    injected: f64,
    random: &mut fastrand::Rng,
) -> MadeUp {
    let mut own = vec![Series::new(simulation.correlation); budgets];
    let mut host = Series::new(simulation.correlation);
    let mut values = [vec![Vec::new(); budgets], vec![Vec::new(); budgets]];
    for _ in 0..simulation.pairs {
        let first = usize::from(random.bool());
        for side in [first, 1 - first] {
            let common = host.next(random);
            for (index, series) in own.iter_mut().enumerate() {
                let own = series.next(random);
                let deviation = if correlated { 0.5_f64.sqrt() * (common + own) } else { own };
                let level = if side == 1 && index == 0 { 1.0 + injected } else { 1.0 };
                values[side][index].push(simulation.time_ns(level, deviation));
            }
        }
    }
    let named =
        |metrics: Vec<Vec<f64>>| metrics.into_iter().enumerate().map(|(index, one)| (metric(index), one)).collect();
    let [base, candidate] = values;
    MadeUp::variants(&[(BASE, named(base)), (CANDIDATE, named(candidate))])
}
