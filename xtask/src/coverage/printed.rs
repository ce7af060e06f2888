//! The changes that `compare` and `gate` print, taken from the gate's own verdicts.

use super::data::Kind;
use super::{Outcome, SETS, Tally, percent, seed};
use fastrand::Rng;
use isodyne_core::compare::{BASE, HEADLINE};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::gate::selfcheck::MadeUp;
use isodyne_core::gate::{Budget, Figure, Limit, Settings, evaluate};
use isodyne_core::sample::Provenance;
use isodyne_core::stats::{Sorted, bca};

const CANDIDATE: &str = "candidate";
/// Data sets and resamples for the bootstrap, which is here for its width.
const BOOTSTRAPPED: u32 = 100;
const RESAMPLES: u32 = 300;
/// The quantiles, and the least n for which they are tried.
const QUANTILES: [(f64, usize); 4] = [(0.5, 0), (0.9, 60), (0.95, 60), (0.99, 300)];

/// Where the two sides come from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Design {
    /// One series, two by two one of either side in random order.
    Interleaved,
    /// A series for each side, and yet in pairs: each side drifts by itself.
    OwnDrift,
    /// Two runs.
    Separate,
}

impl Design {
    fn name(self) -> &'static str {
        match self {
            Self::Interleaved => "pairs",
            Self::OwnDrift => "pairs, each side drifts",
            Self::Separate => "two runs",
        }
    }

    fn sides(self, kind: Kind, n: usize, random: &mut Rng) -> [Vec<f64>; 2] {
        let series = if self == Self::Interleaved {
            let pairs = kind.series(random, 2 * n);
            let turned =
                pairs.chunks_exact(2).map(|pair| if random.bool() { (pair[0], pair[1]) } else { (pair[1], pair[0]) });
            let (one, other): (Vec<f64>, Vec<f64>) = turned.unzip();
            [one, other]
        } else {
            [kind.series(random, n), kind.series(random, n)]
        };
        series.map(|values| values.into_iter().map(|value| time(kind, value)).collect())
    }
}

/// A positive time: as it is for those that are positive, else its exponential, of 5 % spread.
pub fn time(kind: Kind, value: f64) -> f64 {
    match kind {
        Kind::LogNormal | Kind::Pareto => value * 1e8,
        _ => (0.05 * value).exp() * 1e8,
    }
}

/// The interval of the relative change of each quantile.
pub fn table(outcome: &mut Outcome) {
    outcome.line("**Changes that `compare` and `gate` print**, from the gate's own verdicts on made-up runs without a change, of 1,000 data sets \
        each (p90 and beyond: 500). *Covered*: share of the printed intervals of the change of that quantile that hold the truth; behind it how many \
        of the data sets have an interval, if not all. *BCa*: coverage of the bootstrap over rounds, 100 data \
        sets; *width*: the median of the printed ones over that of BCa.");
    outcome.line("");
    let heads = QUANTILES.map(|(q, _)| format!("p{:.0} covered | BCa | width |", q * 100.0));
    outcome.line(format!("| data | design | n | {}", heads.join(" ")));
    outcome.line(format!("| --- | --- | --: |{}", " --: | --: | --: |".repeat(QUANTILES.len())));
    // The most expensive table by far: the kinds side by side.
    let made = std::thread::scope(|scope| {
        let threads = Kind::ALL.map(|kind| scope.spawn(move || of_kind(kind)));
        threads.map(std::thread::ScopedJoinHandle::join)
    });
    for part in made {
        match part {
            Ok(part) => {
                outcome.text.push_str(&part.text);
                outcome.problems.extend(part.problems);
            }
            Err(_) => outcome.problems.push("printed changes: a kind of data could not be simulated".to_owned()),
        }
    }
    outcome.line("");
}

fn of_kind(kind: Kind) -> Outcome {
    let mut outcome = Outcome::default();
    for design in [Design::Interleaved, Design::OwnDrift, Design::Separate] {
        // Independent samples are the same whatever the order.
        if design == Design::OwnDrift && kind != Kind::Correlated {
            continue;
        }
        for n in [20, 60, 300] {
            line(&mut outcome, kind, design, n);
        }
    }
    outcome
}

fn line(outcome: &mut Outcome, kind: Kind, design: Design, n: usize) {
    let mut cells = String::new();
    for (q, least) in QUANTILES {
        if n < least {
            cells.push_str(" – | – | – |");
            continue;
        }
        let (own, bootstrap, sets) = tallies(kind, design, n, q);
        let share = own.widths.len() as f64 / f64::from(sets);
        if share < 0.02 {
            cells.push_str(&format!(" refused | {} | – |", percent(bootstrap.covered())));
            continue;
        }
        let some = if share < 1.0 { format!(" ({:.0} %)", share * 100.0) } else { String::new() };
        let covered = own.covered();
        cells.push_str(&format!(
            " {}{some} | {} | {:.2} |",
            percent(covered),
            percent(bootstrap.covered()),
            own.width() / bootstrap.width()
        ));
        outcome.hold(&format!("change of p{:.0}, {}, {}, n = {n}", q * 100.0, kind.name(), design.name()), covered);
    }
    outcome.line(format!("| {} | {} | {n} |{cells}", kind.name(), design.name()));
}

fn tallies(kind: Kind, design: Design, n: usize, q: f64) -> (Tally, Tally, u32) {
    let settings = Settings { accepted: Provenance::Scripted, ..Settings::default() };
    let budget = [budget(q, design)];
    let sets = if q == 0.5 { SETS } else { SETS / 2 };
    let mut random = Rng::with_seed(seed(6 + design as u64 * 10 + (q * 1_000.0) as u64, kind, n));
    let (mut own, mut bootstrap) = (Tally::default(), Tally::default());
    for set in 0..sets {
        let [one, other] = design.sides(kind, n, &mut random);
        if set < BOOTSTRAPPED {
            let statistic = |indices: &[usize]| {
                let side = |values: &[f64]| {
                    Sorted::new(indices.iter().map(|index| values[*index])).and_then(|sorted| sorted.quantile(q))
                };
                Some((side(&other)? / side(&one)?).ln())
            };
            if let Some(found) = bca(n, statistic, 0.95, RESAMPLES, u64::from(set)) {
                bootstrap.add(found.low, found.high, 0.0);
            }
        }
        let named = |values| vec![(HEADLINE.to_owned(), values)];
        let result = if design == Design::Separate {
            let (old, new) = (MadeUp::variants(&[(BASE, named(one))]), MadeUp::variants(&[(BASE, named(other))]));
            evaluate(new.compared(), Some(old.compared()), &budget, &settings)
        } else {
            let run = MadeUp::variants(&[(BASE, named(one)), (CANDIDATE, named(other))]);
            evaluate(run.compared(), None, &budget, &settings)
        };
        if let Some([low, high]) = result.verdicts.first().and_then(|verdict| verdict.change_ci95) {
            own.add(low.ln_1p(), high.ln_1p(), 0.0);
        }
    }
    (own, bootstrap, sets)
}

fn budget(q: f64, design: Design) -> Budget {
    let separate = design == Design::Separate;
    let variant = if separate { BASE } else { CANDIDATE };
    Budget {
        name: String::new(),
        benchmark: String::new(),
        metric: HEADLINE.to_owned(),
        figure: Figure::Quantile(q),
        limit: if separate {
            Limit::AgainstRun(0.02)
        } else {
            Limit::AgainstVariant { variant: BASE.to_owned(), share: 0.02 }
        },
        grades: Vec::new(),
        when: Factors::from([("variant".to_owned(), FactorValue::Text(variant.to_owned()))]),
    }
}
