//! Runs that a declared rule stops: whether what is printed then still keeps its promise.

use super::data::Kind;
use super::{Outcome, SETS, median, percent, seed};
use fastrand::Rng;
use isodyne_core::cell::CellId;
use isodyne_core::stats::{Level, Sorted, series_interval, signed_rank_p};
use isodyne_core::stop::{Goal, StopRule, Values, judge};

/// Plans: the samples at most, and from one look to the next.
const PLANS: [(u32, u32); 2] = [(100, 20), (200, 10)];
/// Experiments of two variants each, of which every one makes several tests.
const DECIDED: u32 = 400;

/// The kinds with the precision that is wanted, as a share of the median: such that many are stopped, not all.
const WANTED: [(Kind, f64); 3] = [(Kind::Normal, 0.015), (Kind::LogNormal, 0.35), (Kind::Correlated, 0.025)];

pub fn table(outcome: &mut Outcome) {
    outcome.line("**Runs that a rule stopped** when the interval of the median was narrow enough (`[stop] precision`), of 1,000 data \
        sets each. *Naive*: the same looks with intervals of 95 %. Samples are medians. Normal values have a coefficient of \
        variation of 5 %.");
    outcome.line("");
    outcome.line("| data | wanted | looks | stopped early | samples | covered | naive samples | covered |");
    outcome.line("| --- | --: | --: | --: | --: | --: | --: | --: |");
    for (kind, wanted) in WANTED {
        for (most, every) in PLANS {
            precision(outcome, kind, wanted, most, every);
        }
    }
    outcome.line("");
    outcome.line("**Two variants that are the same, decided to differ** (`[stop] decide`), 400 experiments each. *Naive*: stopping at the first \
        look with p ≤ 5 %.");
    outcome.line("");
    outcome.line("| data | looks | decided to differ | naive |");
    outcome.line("| --- | --: | --: | --: |");
    for kind in [Kind::Normal, Kind::Correlated] {
        for (most, every) in PLANS {
            decisions(outcome, kind, most, every);
        }
    }
}

fn rule(goal: Goal, most: u32, every: u32) -> StopRule {
    StopRule { goal, metric: "total_ns".to_owned(), looks: (20..=most).step_by(every as usize).collect() }
}

/// A series with a true median that is not 0.
fn series(kind: Kind, random: &mut Rng, n: u32) -> Vec<f64> {
    let raw = kind.series(random, n as usize);
    if kind == Kind::LogNormal { raw } else { raw.into_iter().map(|value| 100.0 + 5.0 * value).collect() }
}

fn by_round(values: &[f64]) -> Vec<(u32, f64)> {
    (0..).zip(values.iter().copied()).collect()
}

fn precision(outcome: &mut Outcome, kind: Kind, wanted: f64, most: u32, every: u32) {
    let truth = if kind == Kind::LogNormal { kind.quantile(0.5) } else { 100.0 };
    let rule = rule(Goal::Precision(wanted), most, every);
    let cell = CellId("boot/runc".to_owned());
    let mut random = Rng::with_seed(seed(6, kind, rule.looks.len()));
    let (mut early, mut own, mut naive) = (0_u32, Stopped::default(), Stopped::default());
    for _ in 0..SETS {
        let all = series(kind, &mut random, most);
        let values: Values = [(cell.clone(), by_round(&all))].into();
        let sure = |look: usize| {
            let after = rule.looks[look];
            judge(&rule, look, std::slice::from_ref(&cell), &values, after - 1).is_some_and(|found| found.sure)
        };
        let last = rule.looks.len() - 1;
        let look = (0..last).find(|look| sure(*look)).unwrap_or(last);
        early += u32::from(look < last);
        own.add(&all[..rule.looks[look] as usize], rule.level(look), truth);
        let narrow = |look: &usize| {
            interval(&all[..rule.looks[*look] as usize], Level::WHOLE)
                .is_some_and(|[low, middle, high]| (high - low) / 2.0 <= wanted * middle.abs())
        };
        let look = (0..last).find(narrow).unwrap_or(last);
        naive.add(&all[..rule.looks[look] as usize], Level::WHOLE, truth);
    }
    outcome.line(format!(
        "| {} | ±{} | {} | {} | {} | {} | {} | {} |",
        kind.name(),
        percent(wanted),
        rule.looks.len(),
        percent(f64::from(early) / f64::from(SETS)),
        median(own.samples.clone()),
        percent(own.covered()),
        median(naive.samples.clone()),
        percent(naive.covered()),
    ));
    outcome.hold(&format!("stopped runs of {}, {} looks", kind.name(), rule.looks.len()), own.covered());
}

/// Low end, median, high end.
fn interval(values: &[f64], level: Level) -> Option<[f64; 3]> {
    let sorted = Sorted::new(values.iter().copied())?;
    let found = series_interval(values, &sorted, 0.5, level.confidence())?;
    Some([found.low, sorted.quantile(0.5)?, found.high])
}

#[derive(Default)]
struct Stopped {
    samples: Vec<f64>,
    held: u32,
}

impl Stopped {
    fn add(&mut self, taken: &[f64], level: Level, truth: f64) {
        self.samples.push(taken.len() as f64);
        self.held += u32::from(interval(taken, level).is_some_and(|[low, _, high]| low <= truth && truth <= high));
    }

    fn covered(&self) -> f64 {
        f64::from(self.held) / self.samples.len() as f64
    }
}

fn decisions(outcome: &mut Outcome, kind: Kind, most: u32, every: u32) {
    let rule = rule(Goal::Decide { margin: 0.02 }, most, every);
    let base = CellId("boot/runc".to_owned());
    let cells = [base.clone(), base.of_variant("same")];
    let mut random = Rng::with_seed(seed(7, kind, rule.looks.len()));
    let (mut differ, mut naive) = (0_u32, 0_u32);
    for _ in 0..DECIDED {
        let host = series(kind, &mut random, 2 * most);
        let (mut one, mut other) = (Vec::new(), Vec::new());
        for pair in host.chunks_exact(2) {
            let swapped = usize::from(random.bool());
            one.push(pair[swapped]);
            other.push(pair[1 - swapped]);
        }
        let values: Values = cells.iter().cloned().zip([by_round(&one), by_round(&other)]).collect();
        let looks = 0..rule.looks.len();
        let seen = looks.clone().filter_map(|look| judge(&rule, look, &cells, &values, rule.looks[look] - 1));
        let decided = seen.into_iter().find(|look| look.sure).and_then(|look| look.furthest?.change);
        differ += u32::from(decided.is_some_and(|[low, high]| low > 0.0 || high < 0.0));
        naive += u32::from(looks.into_iter().any(|look| {
            let pairs = one.iter().zip(&other).take(rule.looks[look] as usize);
            let differences: Vec<f64> = pairs.map(|(one, other)| (other / one).ln()).collect();
            signed_rank_p(&differences).is_some_and(|p| p <= 0.05)
        }));
    }
    let share = |count: u32| f64::from(count) / f64::from(DECIDED);
    outcome.line(format!(
        "| {} | {} | {} | {} |",
        kind.name(),
        rule.looks.len(),
        percent(share(differ)),
        percent(share(naive))
    ));
    // 2 % by construction; the standard error is 0.7 %.
    if share(differ) > 0.05 {
        outcome.problems.push(format!("stopped decisions on {}: {:.3} false", kind.name(), share(differ)));
    }
}
