//! How long the full summary of many values takes on one core: `cargo bench -p isodyne-core --bench summary [VALUES]`.
//!
//! Kinds of data take turns, and the median of the repeats is printed: nanoseconds per value, and seconds.
#![expect(clippy::print_stdout, reason = "a benchmark prints")]

use isodyne_core::stats::normal_quantile;
use isodyne_core::summary::metric_summary;
use std::time::Instant;

const REPEATS: usize = 5;

fn main() {
    // Cargo passes `--bench`; the first number is the user's.
    let n = std::env::args().find_map(|argument| argument.parse().ok()).unwrap_or(10_000_000);
    let kinds = [("independent", series(n, 0.0)), ("correlated, φ = 0.7", series(n, 0.7)), ("coarse clock", coarse(n))];
    let mut seconds = vec![Vec::new(); kinds.len()];
    for _ in 0..REPEATS {
        for ((_, values), times) in kinds.iter().zip(&mut seconds) {
            let begin = Instant::now();
            let summary = metric_summary("total_ns", values);
            times.push(begin.elapsed().as_secs_f64());
            assert!(std::hint::black_box(summary).is_some());
        }
    }
    println!("{:<22}{:>12}{:>12}{:>12}", "data", "values", "ns/value", "seconds");
    for ((name, _), mut times) in kinds.iter().zip(seconds) {
        times.sort_by(f64::total_cmp);
        let median = times[times.len() / 2];
        println!("{name:<22}{n:>12}{:>12.1}{median:>12.3}", median / n as f64 * 1e9);
    }
}

/// Log-normal times with the correlation of an AR(1) process.
fn series(n: usize, phi: f64) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(1);
    let scale = (1.0 - phi * phi).sqrt();
    let mut value = 0.0;
    let mut next = || {
        value = phi * value + scale * normal_quantile(random.f64().max(f64::MIN_POSITIVE));
        1e8 * (0.1 * value).exp()
    };
    (0..n).map(|_| next()).collect()
}

/// A few hundred distinct values.
fn coarse(n: usize) -> Vec<f64> {
    let mut random = fastrand::Rng::with_seed(2);
    (0..n).map(|_| f64::from(random.u32(0..20) + random.u32(0..20)) * 1_000.0 + 1e6).collect()
}
