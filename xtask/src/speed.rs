//! `cargo xtask speed`: how long the full summary of many values takes on one core.
//!
//! Kinds of data take turns. Beside the wall clock stands the time that the thread was on a core, which another load on
//! the machine does not lengthen. `scripts/summary_versus_numpy.py` reads the lines.

#![expect(clippy::print_stdout, reason = "what is printed here is the result")]

use crate::coverage::data::normal;
use anyhow::{Context, Result, bail};
use isodyne_core::summary::metric_summary;
use std::time::Instant;

/// Seconds of one summary: by the wall clock, and on a core.
type Times = (f64, f64);

/// Prints the medians for each kind of data.
pub fn run(values: usize, repeats: usize) -> Result<()> {
    if repeats == 0 {
        bail!("`--repeats` must be at least 1");
    }
    let kinds =
        [("independent", series(values, 0.0)), ("correlated", series(values, 0.7)), ("coarse-clock", coarse(values))];
    let mut times: Vec<Vec<Times>> = vec![Vec::new(); kinds.len()];
    for _ in 0..repeats {
        for ((_, series), times) in kinds.iter().zip(&mut times) {
            times.push(timed(series)?);
        }
    }
    println!("{:<14}{:>12}{:>12}{:>12}{:>12}", "data", "values", "ns/value", "wall s", "on core s");
    for ((name, _), times) in kinds.iter().zip(times) {
        let wall = median(times.iter().map(|times| times.0).collect());
        let core = median(times.iter().map(|times| times.1).collect());
        println!("{name:<14}{values:>12}{:>12.1}{wall:>12.3}{core:>12.3}", core / values as f64 * 1e9);
    }
    Ok(())
}

fn timed(series: &[f64]) -> Result<Times> {
    let (wall, core) = (Instant::now(), on_core()?);
    let summary = metric_summary("total_ns", series);
    let times = (wall.elapsed().as_secs_f64(), on_core()? - core);
    std::hint::black_box(summary).context("a summary of these values is missing")?;
    Ok(times)
}

/// Seconds that this thread has been on a core: the first field of its `schedstat` (nanoseconds).
fn on_core() -> Result<f64> {
    let path = "/proc/thread-self/schedstat";
    let text = std::fs::read_to_string(path).with_context(|| format!("cannot read {path}"))?;
    let first = text.split(' ').next().unwrap_or_default();
    Ok(first.parse::<f64>().with_context(|| format!("{path} begins with no number"))? / 1e9)
}

fn median(mut values: Vec<f64>) -> f64 {
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}

/// Log-normal times with the correlation of an AR(1) process.
fn series(n: usize, phi: f64) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(1);
    let scale = (1.0 - phi * phi).sqrt();
    let mut value = 0.0;
    let mut next = || {
        value = phi * value + scale * normal(&mut random);
        1e8 * (0.1 * value).exp()
    };
    (0..n).map(|_| next()).collect()
}

/// A few dozen distinct values.
fn coarse(n: usize) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(2);
    (0..n).map(|_| f64::from(random.u32(0..20) + random.u32(0..20)) * 1_000.0 + 1e6).collect()
}
