//! The lab's check of its own gate: how often it cries wolf, and how often it finds what is there.
//!
//! [`simulate`] puts synthetic pairs through the whole gate; [`windows`] does the same with the samples of a real run
//! whose variants are alike but for one that is known to be slower.

mod naive;
mod noise;
#[cfg(test)]
mod tests;
mod windows;

pub use noise::{Noise, Series};
pub use windows::{DELAYED, RunCheck, SAME, is_selfcheck, windows};

use super::one_sided::share_interval;
use super::{Budget, Figure, Limit, Settings, Verdict, evaluate};
use crate::cell::{BackendName, BenchmarkName, Cell, CellId};
use crate::columns::{CellColumns, Row, RunColumns};
use crate::compare::{BASE, ComparedRun, HEADLINE, MARGIN};
use crate::factor::Factors;
use crate::fingerprint::Fingerprint;
use crate::plan::Plan;
use crate::record::{RUN_SCHEMA, RUN_VERSION, RunEnd, RunRecord};
use crate::sample::{Accuracy, Provenance};
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
    let budgets = [relative_budget(BASE, CANDIDATE, simulation.margin)];
    let record = record(simulation.pairs);
    let mut outcomes = Vec::new();
    for noise in Noise::ALL {
        for injected in &simulation.injected {
            let seed = simulation.seed ^ injected.to_bits() ^ ((noise as u64) << 7);
            let mut random = fastrand::Rng::with_seed(seed);
            let verdicts: Vec<Verdict> = (0..simulation.trials)
                .map(|_| {
                    let columns = columns(noise, simulation, *injected, &mut random);
                    let run = ComparedRun { name: "synthetic", record: &record, columns: &columns };
                    evaluate(run, None, &budgets, &settings).verdict
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

/// The headline metric of one variant is no worse than that of another by more than a margin.
pub(super) fn relative_budget(baseline: &str, candidate: &str, margin: f64) -> Budget {
    Budget {
        name: format!("{HEADLINE} p50"),
        benchmark: String::new(),
        metric: HEADLINE.to_owned(),
        figure: Figure::Quantile(0.5),
        limit: Limit::AgainstVariant { variant: baseline.to_owned(), share: margin },
        grades: Vec::new(),
        when: Factors::from([("variant".to_owned(), crate::factor::FactorValue::Text(candidate.to_owned()))]),
    }
}

fn cell(variant: Option<&str>) -> Cell {
    let base = CellId::new(BenchmarkName::Boot, BackendName::Scripted, &Factors::new());
    Cell {
        id: variant.map_or_else(|| base.clone(), |variant| base.of_variant(variant)),
        benchmark: BenchmarkName::Boot,
        backend: BackendName::Scripted,
        factors: Factors::new(),
        variant: variant.map(str::to_owned),
    }
}

/// A run of two variants; its samples are made up, and say so.
fn record(pairs: u32) -> RunRecord {
    RunRecord {
        schema: RUN_SCHEMA.to_owned(),
        version: RUN_VERSION,
        run_id: "synthetic".to_owned(),
        isodyne_version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: String::new(),
        command: Vec::new(),
        plan: Plan { samples: pairs, ..Plan::default() },
        seed: 0,
        cells: vec![cell(None), cell(Some(CANDIDATE))],
        skipped: Vec::new(),
        backends: Vec::new(),
        fingerprint: Fingerprint::default(),
        tools: Vec::new(),
        assets: Vec::new(),
        signals: Vec::new(),
        shard: None,
        merged_from: Vec::new(),
        calibration: None,
        imported: None,
        ended: Some(RunEnd { at: String::new(), survivors: Vec::new(), abandoned: Vec::new(), stop: None }),
    }
}

/// The samples of one trial: in each round both variants once, in random order.
fn columns(noise: Noise, simulation: &Simulation, injected: f64, random: &mut fastrand::Rng) -> RunColumns {
    const TYPICAL_NS: f64 = 1e8;
    let series = || Series::new(simulation.correlation);
    let (mut host, mut own) = (series(), [series(), series()]);
    let cells = [cell(None), cell(Some(CANDIDATE))];
    let mut columns = [CellColumns::default(), CellColumns::default()];
    let mut values = [Vec::new(), Vec::new()];
    let mut sequence = 0;
    for round in 0..simulation.pairs {
        let first = usize::from(random.bool());
        for side in [first, 1 - first] {
            let deviation = match noise {
                Noise::Host => host.next(random),
                Noise::Independent => noise::normal(random),
                Noise::OwnDrift => own[side].next(random),
                Noise::HeavyTail => host.next(random) + if random.f64() < 0.02 { 20.0 * random.f64() } else { 0.0 },
            };
            let level = TYPICAL_NS * if side == 1 { 1.0 + injected } else { 1.0 };
            values[side].push((level * (1.0 + simulation.variation * deviation)).max(1.0));
            columns[side].rows.push(Row {
                sequence,
                started_ns: sequence * 100_000_000,
                round,
                session: 0,
                warmup: false,
                failure: None,
                accuracy: Accuracy::Process,
                provenance: Provenance::Scripted,
            });
            sequence += 1;
        }
    }
    let mut run = RunColumns::default();
    for ((cell, mut columns), values) in cells.into_iter().zip(columns).zip(values) {
        columns.metrics.insert(HEADLINE.to_owned(), values);
        run.cells.insert(cell.id, columns);
    }
    run
}
