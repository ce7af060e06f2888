//! The lab's check of its own gate: how often it cries wolf, and how often it finds what is there.
//!
//! [`simulate`] puts synthetic pairs through the whole gate; [`windows`] does the same with the samples of a real run
//! whose variants are alike but for one that is known to be slower.

pub(crate) mod made_up;
mod many;
mod naive;
mod noise;
#[cfg(test)]
mod tests;
mod windows;

pub use made_up::MadeUp;
pub use many::{Many, many};
pub use noise::{Noise, Series};
pub use windows::{DELAYED, RunCheck, SAME, is_selfcheck, windows};

use super::one_sided::share_interval;
use super::{Budget, Figure, Limit, Settings, Verdict, evaluate};
use crate::compare::{BASE, HEADLINE, MARGIN};
use crate::factor::Factors;
use crate::sample::Provenance;
use serde::Serialize;

/// What is simulated.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Simulation {
    /// Pairs in each trial.
    pub pairs: u32,
    /// Trials of each kind.
    pub trials: u32,
    /// Coefficient of variation of the times.
    pub variation: f64,
    /// Correlation of one sample with the next.
    pub correlation: f64,
    /// The margin of the budget.
    pub margin: f64,
    /// Changes that are injected; 0 is A/A.
    pub injected: Vec<f64>,
    /// Seed of everything.
    pub seed: u64,
}

impl Default for Simulation {
    fn default() -> Self {
        Self {
            pairs: 60,
            trials: 2_000,
            variation: 0.05,
            correlation: 0.7,
            margin: MARGIN,
            injected: vec![0.0, 0.05, 0.1, 0.2],
            seed: 20_261_122,
        }
    }
}

impl Simulation {
    /// A time of about 100 ms at some level, so many standard deviations from it.
    fn time_ns(&self, level: f64, deviation: f64) -> f64 {
        (1e8 * level * (1.0 + self.variation * deviation)).max(1.0)
    }
}

/// How often the gate said what.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Outcome {
    /// The design: `paired` (rounds in random order, this gate) or `blocks` (A then B, a permutation test on means at
    /// 5 %: how it is often done).
    pub design: &'static str,
    /// What the noise was like.
    pub noise: Noise,
    /// The relative change that was put in.
    pub injected: f64,
    /// Trials.
    pub trials: u64,
    /// How many of them ended in `fail`.
    pub failed: u64,
    /// In `pass`.
    pub passed: u64,
    /// In `inconclusive`.
    pub inconclusive: u64,
    /// The share of `fail`.
    pub fail_share: f64,
    /// Its interval of 95 % (Clopper and Pearson).
    pub fail_share_ci95: [f64; 2],
}

impl Outcome {
    fn new(design: &'static str, noise: Noise, injected: f64, verdicts: &[Verdict]) -> Self {
        let count = |wanted: Verdict| verdicts.iter().filter(|verdict| **verdict == wanted).count() as u64;
        let (trials, failed) = (verdicts.len() as u64, count(Verdict::Fail));
        Self {
            design,
            noise,
            injected,
            trials,
            failed,
            passed: count(Verdict::Pass),
            inconclusive: count(Verdict::Inconclusive),
            fail_share: if trials == 0 { 0.0 } else { failed as f64 / trials as f64 },
            fail_share_ci95: share_interval(failed, trials, 0.95).unwrap_or([0.0, 1.0]),
        }
    }

    /// Whether the share of `fail` is surely over this.
    pub fn surely_over(&self, share: f64) -> bool {
        self.fail_share_ci95[0] > share
    }
}

/// Puts synthetic runs through the whole gate, and through the block design beside it.
pub fn simulate(simulation: &Simulation) -> Vec<Outcome> {
    let settings = Settings { accepted: Provenance::Scripted, ..Settings::default() };
    let budgets = [relative_budget(HEADLINE, BASE, CANDIDATE, simulation.margin)];
    let mut outcomes = Vec::new();
    for noise in Noise::ALL {
        for injected in &simulation.injected {
            let seed = simulation.seed ^ injected.to_bits() ^ ((noise as u64) << 7);
            let mut random = fastrand::Rng::with_seed(seed);
            let verdicts: Vec<Verdict> = (0..simulation.trials)
                .map(|_| {
                    let run = trial(noise, simulation, *injected, &mut random);
                    evaluate(run.compared(), None, &budgets, &settings).verdict
                })
                .collect();
            outcomes.push(Outcome::new("paired", noise, *injected, &verdicts));
        }
    }
    for injected in &simulation.injected {
        let mut random = fastrand::Rng::with_seed(simulation.seed ^ !injected.to_bits());
        let verdicts: Vec<Verdict> =
            (0..simulation.trials).map(|_| naive::trial(simulation, *injected, &mut random)).collect();
        outcomes.push(Outcome::new("blocks", Noise::Host, *injected, &verdicts));
    }
    outcomes
}

/// The variant that is judged.
const CANDIDATE: &str = "candidate";

/// A metric of one variant is no worse than that of another by more than a margin.
pub(super) fn relative_budget(metric: &str, baseline: &str, candidate: &str, margin: f64) -> Budget {
    Budget {
        name: format!("{metric} p50"),
        benchmark: String::new(),
        metric: metric.to_owned(),
        figure: Figure::Quantile(0.5),
        limit: Limit::AgainstVariant { variant: baseline.to_owned(), share: margin },
        grades: Vec::new(),
        when: Factors::from([("variant".to_owned(), crate::factor::FactorValue::Text(candidate.to_owned()))]),
    }
}

/// The samples of one trial: in each round both variants once, in random order.
fn trial(noise: Noise, simulation: &Simulation, injected: f64, random: &mut fastrand::Rng) -> MadeUp {
    let series = || Series::new(simulation.correlation);
    let (mut host, mut own) = (series(), [series(), series()]);
    let mut values = [Vec::new(), Vec::new()];
    for _ in 0..simulation.pairs {
        let first = usize::from(random.bool());
        for side in [first, 1 - first] {
            let deviation = match noise {
                Noise::Host => host.next(random),
                Noise::Independent => noise::normal(random),
                Noise::OwnDrift => own[side].next(random),
                Noise::HeavyTail => host.next(random) + if random.f64() < 0.02 { 20.0 * random.f64() } else { 0.0 },
            };
            let level = if side == 1 { 1.0 + injected } else { 1.0 };
            values[side].push(simulation.time_ns(level, deviation));
        }
    }
    let [base, candidate] = values;
    MadeUp::variants(&[(BASE, vec![(HEADLINE.to_owned(), base)]), (CANDIDATE, vec![(HEADLINE.to_owned(), candidate)])])
}
