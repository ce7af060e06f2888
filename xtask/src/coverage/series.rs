//! One series: intervals of its median and of its tail.

use super::data::{Kind, PHI};
use super::{BOOTSTRAPPED, Outcome, RESAMPLES, SETS, Tally, percent, seed};
use fastrand::Rng;
use isodyne_core::stats::{Sorted, bca, normal_quantile, quantile_interval, series_interval};

/// The median, beside the interval for independent values, one that knows the correlation, and the bootstrap.
pub fn table(outcome: &mut Outcome) {
    outcome.line("**The median of one series** (`ci95`), of 1,000 data sets each. *Covered*: share of intervals that hold the \
        true median. *Independent*: exact order statistics as if values were independent. *Oracle*: order statistics with \
        the true correlation, which nobody knows; widths are medians, over the oracle's. *BCa*: bootstrap, 200 data sets.");
    outcome.line("");
    outcome.line("| data | n | printed | covered | width | independent | width | BCa | width |");
    outcome.line("| --- | --: | --: | --: | --: | --: | --: | --: | --: |");
    for kind in Kind::ALL {
        for n in [14, 15, 20, 60, 300, 1_000] {
            line(outcome, kind, n);
        }
    }
    outcome.line("");
}

fn line(outcome: &mut Outcome, kind: Kind, n: usize) {
    let mut random = Rng::with_seed(seed(1, kind, n));
    let truth = kind.quantile(0.5);
    let (mut own, mut independent, mut oracle, mut bootstrap) =
        (Tally::default(), Tally::default(), Tally::default(), Tally::default());
    for set in 0..SETS {
        let values = kind.series(&mut random, n);
        let Some(sorted) = Sorted::new(values.iter().copied()) else { continue };
        if let Some(found) = series_interval(&values, &sorted, 0.5, 0.95) {
            own.add(found.low, found.high, truth);
        }
        if let Some(found) = quantile_interval(&sorted, 0.5) {
            independent.add(found.low, found.high, truth);
            let rank = if kind == Kind::Correlated { rank_of_oracle(n) } else { found.lower_rank as usize };
            oracle.add(sorted.as_slice()[rank - 1], sorted.as_slice()[n - rank], truth);
        }
        // Beyond 300 values the bootstrap of a median has nothing new to say.
        if set < BOOTSTRAPPED && n <= 300 {
            let statistic = |indices: &[usize]| {
                Sorted::new(indices.iter().map(|index| values[*index])).and_then(|drawn| drawn.quantile(0.5))
            };
            if let Some(found) = bca(n, statistic, 0.95, RESAMPLES, u64::from(set)) {
                bootstrap.add(found.low, found.high, truth);
            }
        }
    }
    let shown = |tally: &Tally| {
        if tally.widths.is_empty() {
            "– | –".to_owned()
        } else {
            format!("{} | {:.2}", percent(tally.covered()), tally.width() / oracle.width())
        }
    };
    outcome.line(format!(
        "| {} | {n} | {} | {} | {} | {} |",
        kind.name(),
        percent(own.printed()),
        shown(&own),
        shown(&independent),
        shown(&bootstrap)
    ));
    if !own.widths.is_empty() {
        outcome.hold(&format!("median of {}, n = {n}", kind.name()), own.covered());
    }
}

/// The lower rank with the inflation that the arcsine law gives for the true correlation.
fn rank_of_oracle(n: usize) -> usize {
    let sum: f64 = (1..200).map(|lag| PHI.powi(lag).asin()).sum();
    let inflation = 1.0 + 4.0 / std::f64::consts::PI * sum;
    let reach = normal_quantile(0.975) * (n as f64 * inflation).sqrt() / 2.0;
    (n as f64 / 2.0 + 0.5 - reach).floor().max(1.0) as usize
}

/// p90, p95 and p99.
pub fn tails(outcome: &mut Outcome) {
    outcome.line(
        "**p90, p95 and p99 of one series**, of 1,000 data sets each; a dash where fewer than 2 % have an interval.",
    );
    outcome.line("");
    outcome.line("| data | n | p90 printed | covered | p95 printed | covered | p99 printed | covered |");
    outcome.line("| --- | --: | --: | --: | --: | --: | --: | --: |");
    for kind in Kind::ALL {
        for n in [60, 120, 300, 1_000, 3_000] {
            let mut random = Rng::with_seed(seed(2, kind, n));
            let mut tallies = [(0.9, Tally::default()), (0.95, Tally::default()), (0.99, Tally::default())];
            for _ in 0..SETS {
                let values = kind.series(&mut random, n);
                let Some(sorted) = Sorted::new(values.iter().copied()) else { continue };
                for (q, tally) in &mut tallies {
                    if let Some(found) = series_interval(&values, &sorted, *q, 0.95) {
                        tally.add(found.low, found.high, kind.quantile(*q));
                    }
                }
            }
            let mut cells = String::new();
            for (q, tally) in &tallies {
                if tally.printed() < 0.02 {
                    cells.push_str(" – | – |");
                } else {
                    cells.push_str(&format!(" {} | {} |", percent(tally.printed()), percent(tally.covered())));
                    outcome.hold(&format!("p{:.0} of {}, n = {n}", q * 100.0, kind.name()), tally.covered());
                }
            }
            outcome.line(format!("| {} | {n} |{cells}", kind.name()));
        }
    }
    outcome.line("");
}
