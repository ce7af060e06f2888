//! One result of one system, whichever form it was written in.

use super::super::parts::{Rounds, sample, short};
use super::super::{ImportError, Parsed, text_factor};
use isodyne_core::cell::BackendName;
use isodyne_core::factor::Factors;
use isodyne_core::imported::Statistic;
use isodyne_core::sample::Accuracy;

/// What was measured.
#[derive(Clone, Debug, Default)]
pub(super) struct Test<'a> {
    /// The test profile: `pts/compress-7zip-1.10.0`.
    pub identifier: &'a str,
    /// The arguments in words.
    pub description: &'a str,
    /// The unit in words: `Seconds`, `MB/s`.
    pub scale: &'a str,
    /// `HIB` or `LIB`: whether higher or lower is better.
    pub proportion: &'a str,
    /// How it is drawn; decides what a value looks like.
    pub display: &'a str,
    /// Where it stands.
    pub path: String,
}

/// What came out on one system.
#[derive(Clone, Debug, Default)]
pub(super) struct Outcome<'a> {
    /// The system.
    pub system: &'a str,
    /// The figure: a number, or `PASS` or `FAIL`.
    pub value: &'a str,
    /// The values of the single runs.
    pub raw: Vec<f64>,
    /// How long each run took, in seconds.
    pub run_seconds: Vec<f64>,
}

/// Numbers joined by colons.
pub(super) fn numbers(text: &str) -> Option<Vec<f64>> {
    let parts = text.split(':').map(str::trim).filter(|part| !part.is_empty());
    parts.map(|part| part.parse::<f64>().ok().filter(|value| value.is_finite())).collect()
}

/// Adds it.
pub(super) fn add(
    parsed: &mut Parsed,
    file: &str,
    test: &Test<'_>,
    outcome: &Outcome<'_>,
    rounds: &mut Rounds,
) -> Result<(), ImportError> {
    let mut factors = Factors::new();
    for (key, text) in [
        ("test", test.identifier),
        ("arguments", test.description),
        ("scale", test.scale),
        ("better", better(test.proportion)),
        ("system", outcome.system),
    ] {
        if !text.is_empty() {
            factors.insert(key.to_owned(), text_factor(text));
        }
    }
    let cell = parsed.cell(file, BackendName::Imported, factors)?;
    let (metric, factor) = unit(test.scale);
    let field = format!("{}.Value", test.path);
    match outcome.value {
        "PASS" | "FAIL" => {
            let met = f64::from(u8::from(outcome.value == "PASS"));
            parsed.claim(cell, "result_count", Statistic::Met, met, None, &field);
            return Ok(());
        }
        value => match value.trim().parse::<f64>() {
            Ok(number) => {
                let n = outcome.raw.len() as u64;
                let statistic = if n > 0 { Statistic::Mean } else { Statistic::Value };
                parsed.claim(cell, metric, statistic, number * factor, (n > 0).then_some(n), &field);
            }
            Err(_) if value.is_empty() => parsed.remark(format!("`{field}` of `{}` is empty", short(outcome.system))),
            Err(_) => {
                let display = short(test.display);
                parsed.remark(format!("`{field}` is no number (display format `{display}`) and was left out"));
                return Ok(());
            }
        },
    }
    let whole = outcome.run_seconds.len() == outcome.raw.len();
    for (index, value) in outcome.raw.iter().enumerate() {
        let run = outcome.run_seconds.get(index).filter(|_| whole).map(|seconds| ("test_run_ns", seconds * 1e9));
        let values = [(metric, value * factor)].into_iter().chain(run);
        parsed.add(file, sample(cell, rounds.next(cell), Accuracy::Process, values))?;
    }
    Ok(())
}

fn better(proportion: &str) -> &str {
    match proportion {
        "HIB" => "higher",
        "LIB" => "lower",
        other => other,
    }
}

/// Our metric for a unit in words, and the factor to it. MB is 10^6 and MiB 2^20 here as everywhere.
fn unit(scale: &str) -> (&'static str, f64) {
    match scale.trim() {
        "Seconds" | "Second" | "s" | "sec" => ("result_ns", 1e9),
        "ms" | "Milliseconds" => ("result_ns", 1e6),
        "us" | "Microseconds" | "uSec" => ("result_ns", 1e3),
        "ns" | "Nanoseconds" | "ns/op" => ("result_ns", 1.0),
        "Bytes/s" | "B/s" => ("result_bytes_per_s", 1.0),
        "KB/s" | "kB/s" => ("result_bytes_per_s", 1e3),
        "MB/s" => ("result_bytes_per_s", 1e6),
        "GB/s" => ("result_bytes_per_s", 1e9),
        "KiB/s" => ("result_bytes_per_s", 1024.0),
        "MiB/s" => ("result_bytes_per_s", 1_048_576.0),
        "GiB/s" => ("result_bytes_per_s", 1_073_741_824.0),
        "MB" | "Megabytes" => ("result_bytes", 1e6),
        "MiB" => ("result_bytes", 1_048_576.0),
        other if other.ends_with("Per Second") || other.ends_with("/sec") || other.ends_with("/s") => {
            ("result_per_s", 1.0)
        }
        _ => ("result_count", 1.0),
    }
}
