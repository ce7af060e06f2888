//! Pairs: two variants right after one another, in random order, under noise that both share.

use super::data::Kind;
use super::{BOOTSTRAPPED, Outcome, RESAMPLES, SETS, Tally, percent, seed};
use fastrand::Rng;
use isodyne_core::stats::{bca, mean, sample_stddev, signed_rank_shift};

/// The true shift.
const SHIFT: f64 = 0.5;

/// Sizes with the 0.975-quantile of Student's t with n − 1 degrees of freedom (scipy 1.17.1, `t.ppf`).
const SIZES: [(usize, f64); 3] =
    [(20, 2.093_024_054_408_263), (60, 2.000_995_378_088_267_4), (300, 1.967_929_668_654_256_2)];

/// The interval of the shift, beside Student's t and the bootstrap.
pub fn table(outcome: &mut Outcome) {
    outcome.line("**The shift of pairs** (signed ranks), of 1,000 data sets each: 2n samples in time order, two by two one of \
        either variant in random order, true shift 0.5. Widths are medians, over those of Student's t interval. *BCa* of \
        the mean: 200 data sets.");
    outcome.line("");
    outcome.line("| data | pairs | covered | width | Student | BCa | width |");
    outcome.line("| --- | --: | --: | --: | --: | --: | --: |");
    for kind in Kind::ALL {
        for (n, t) in SIZES {
            line(outcome, kind, n, t);
        }
    }
    outcome.line("");
}

fn line(outcome: &mut Outcome, kind: Kind, n: usize, t: f64) {
    let mut random = Rng::with_seed(seed(3, kind, n));
    let (mut own, mut student, mut bootstrap) = (Tally::default(), Tally::default(), Tally::default());
    for set in 0..SETS {
        let differences = differences(kind, n, SHIFT, &mut random);
        if let Some(found) = signed_rank_shift(&differences, 0.95) {
            own.add(found.low, found.high, SHIFT);
        }
        if let Some((mean, deviation)) = mean(&differences).zip(sample_stddev(&differences)) {
            let reach = t * deviation / (n as f64).sqrt();
            student.add(mean - reach, mean + reach, SHIFT);
        }
        if set < BOOTSTRAPPED {
            let statistic = |indices: &[usize]| {
                Some(indices.iter().map(|index| differences[*index]).sum::<f64>() / indices.len() as f64)
            };
            if let Some(found) = bca(n, statistic, 0.95, RESAMPLES, u64::from(set)) {
                bootstrap.add(found.low, found.high, SHIFT);
            }
        }
    }
    outcome.line(format!(
        "| {} | {n} | {} | {:.2} | {} | {} | {:.2} |",
        kind.name(),
        percent(own.covered()),
        own.width() / student.width(),
        percent(student.covered()),
        percent(bootstrap.covered()),
        bootstrap.width() / student.width()
    ));
    outcome.hold(&format!("pairs of {}, n = {n}", kind.name()), own.covered());
}

/// Differences of pairs, taken in random order from one series.
pub fn differences(kind: Kind, n: usize, shift: f64, random: &mut Rng) -> Vec<f64> {
    let series = kind.series(random, 2 * n);
    let pairs = series.chunks_exact(2);
    pairs.map(|pair| shift + if random.bool() { pair[1] - pair[0] } else { pair[0] - pair[1] }).collect()
}
