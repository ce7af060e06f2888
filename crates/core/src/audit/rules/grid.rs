//! Grids: times that stand where a poll or a sleep put them.

use crate::audit::case::Case;
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::{Series, written_step};
use crate::audit::word::{has_word, percent};
use crate::unit::DisplayNs;
use std::f64::consts::TAU;

/// Periods that programs sleep and poll with, in nanoseconds, the longest first.
const PERIODS_NS: &[f64] = &[1e9, 500e6, 250e6, 200e6, 100e6, 50e6, 25e6, 20e6, 10e6, 5e6, 4e6, 2e6, 1e6];
/// The probability of a grid by chance at which a series is on it: thousands of series may be looked at.
const CHANCE: f64 = 1e-9;

/// Times that lie on multiples of a fixed step far more often than chance allows, or all on one round step.
pub(super) fn poll_grid(case: &Case<'_>) -> Vec<Finding> {
    let mut found: Vec<Finding> = case.times().filter_map(on_a_grid).collect();
    // A value that is the same in every cell, however few each has.
    for (metric, all) in case.by_metric() {
        let mut values = all.iter().flat_map(|series| series.sorted.as_slice());
        let n: usize = all.iter().map(|series| series.n()).sum();
        let Some(first) = values.next().copied().filter(|_| all[0].is_elapsed() && n >= 3) else { continue };
        let Some(step) = PERIODS_NS.iter().find(|step| multiple_of(first, **step)) else { continue };
        // The period must be a good part of the value: a long time on a whole millisecond says little.
        if values.all(|value| *value == first) && first <= step * 10.0 {
            let weight = if case.facts(&["poll", "method"]).any(|(_, value)| value.to_lowercase().contains("poll")) {
                Weight::Void
            } else {
                Weight::Suspect
            };
            let message = format!(
                "all {n} values in {} cells are exactly {}: a tick of something that looks every {}, not a time",
                all.len(),
                DisplayNs(first),
                DisplayNs(*step)
            );
            found.push(Finding::new(weight, message).metric(metric).because("no spread at all, on a round number"));
        }
    }
    found
}

fn multiple_of(value: f64, step: f64) -> bool {
    value >= step && ((value / step) - (value / step).round()).abs() < 1e-9
}

/// The criterion: the values spread over at least three multiples of a period, each with a tenth of them, and their phases
/// within the period agree with a mean resultant length R ≥ 0.8 and exp(−n·R²) < 1e-9 (Rayleigh's test: K. V. Mardia and
/// P. E. Jupp, "Directional Statistics", 2000, §6.3). Values that were written down on a step of a tenth of the period or
/// more are on that step whatever happened, so they are left to the rule `rounded`.
fn on_a_grid(series: &Series<'_>) -> Option<Finding> {
    if series.n() < 20 || series.constant() {
        return None;
    }
    let written = written_step(series.sorted.as_slice()).unwrap_or(0.0);
    let values = series.thinned(20_000);
    let n = values.len() as f64;
    let range = series.quantile(0.9) - series.quantile(0.1);
    for period in PERIODS_NS.iter().copied().filter(|period| *period * 1.5 < range && written * 10.0 <= *period) {
        let (sine, cosine) = values
            .iter()
            .map(|value| (value / period * TAU).sin_cos())
            .fold((0.0, 0.0), |sum, one| (sum.0 + one.0, sum.1 + one.1));
        let resultant = (sine.hypot(cosine) / n).min(1.0);
        if resultant < 0.8 || (-n * resultant * resultant).exp() > CHANCE {
            continue;
        }
        let phase = sine.atan2(cosine) / TAU * period;
        let mut counts = std::collections::BTreeMap::<i64, u64>::new();
        for value in &values {
            *counts.entry(((value - phase) / period).round() as i64).or_default() += 1;
        }
        let occupied = counts.values().filter(|count| **count as f64 >= n * 0.05).count();
        if occupied < 3 {
            continue;
        }
        let message = format!(
            "the values stand on a grid of {}: they were seen by something that looks that often",
            DisplayNs(period)
        );
        let finding = Finding::of(series, Weight::Suspect, message);
        return Some(
            finding
                .because(format!("{occupied} multiples of {} are occupied", DisplayNs(period)))
                .because(format!("agreement of the phases {resultant:.3} (0 by chance, 1 on a grid), n = {n}")),
        );
    }
    None
}

/// The least value is glued to a round number from above and the spread is tiny: a sum of sleeps.
///
/// The criterion: n ≥ 10; the least value at most 0.3 % (but 0.08 ms to 0.5 ms) above a multiple R of 10 ms (of 5 ms below
/// 20 ms, of 1 ms below 5 ms, of two leading digits from 1 s on); the 95th percentile under 1.03·R; coefficient of variation
/// under 1 %. A sleep ends a
/// little after its time and never before it; what a machine does by itself knows no round numbers.
pub(super) fn sleep_grid(case: &Case<'_>) -> Vec<Finding> {
    case.times().filter_map(glued).collect()
}

fn glued(series: &Series<'_>) -> Option<Finding> {
    let (least, median) = (series.min(), series.median());
    if series.n() < 10 || least < 1e6 || series.constant() || series.stddev > median * 0.01 {
        return None;
    }
    if written_step(series.sorted.as_slice()).is_some_and(|step| step > 2e5 || step > least * 1e-3) {
        return None;
    }
    let decade = 10f64.powf(least.log10().floor() - 1.0);
    let unit = if least < 5e6 {
        1e6
    } else if least < 20e6 {
        5e6
    } else {
        decade.max(10e6)
    };
    // A sleep ends within its wake-up latency, of which the timer's slack alone is 0.05 ms.
    let glue = (least * 0.003).clamp(0.08e6, 0.5e6);
    let round = ((least + 1e3) / unit).floor() * unit;
    if round <= 0.0 || least - round > glue || series.quantile(0.95) > round * 1.03 {
        return None;
    }
    let message = format!(
        "{} ± {} with the least value at {}: sleeps that add up to {}, and nothing that was measured",
        DisplayNs(median),
        DisplayNs(series.stddev),
        DisplayNs(least),
        DisplayNs(round)
    );
    Some(
        Finding::of(series, Weight::Suspect, message)
            .because(format!("the least of {} values is {} above a round number", series.n(), DisplayNs(least - round)))
            .because(format!("coefficient of variation {}", percent(series.stddev / series.mean))),
    )
}

/// A first reply whose times cluster right above the timeouts of a network: the retry was measured.
///
/// Linux sends a lost SYN again after 1 s, then after 3 s and 7 s in all, and repeats an unanswered ARP request each second.
pub(super) fn retry_timer(case: &Case<'_>) -> Vec<Finding> {
    let replies = ["http", "connect", "reply", "request", "network", "ready", "tti", "web", "ssh", "tcp"];
    case.times().filter(|series| has_word(series.metric, &replies)).filter_map(after_a_timeout).collect()
}

fn after_a_timeout(series: &Series<'_>) -> Option<Finding> {
    let near = |value: f64| [1e9, 3e9, 7e9].iter().any(|timeout| value >= *timeout && value <= timeout * 1.05);
    let close = series.values.iter().filter(|value| near(**value)).count();
    let (n, tight) = (series.n(), series.max() - series.min() < series.median() * 0.05);
    // One narrow cluster may be a true time; a cluster with values far from it is a timer.
    if n < 8 || close * 2 < n || tight {
        return None;
    }
    let message = format!("{close} of {n} values lie within 5 % above 1 s, 3 s or 7 s: a network's retry timer");
    Some(
        Finding::of(series, Weight::Suspect, message)
            .because(format!("the values reach up to {}", series.show(series.max()))),
    )
}

#[cfg(test)]
mod tests {
    use crate::audit::finding::Weight;
    use crate::audit::testing::{Made, noise, said, scattered};

    #[test]
    fn a_poll_is_seen_by_its_grid() {
        let polled: Vec<f64> =
            (0..60).map(|i| ((300e6 * noise(i, 0.3)) / 50e6).ceil() * 50e6 + 0.7e6 * noise(i, 0.5)).collect();
        assert_eq!(said("poll-grid", "boot_ns", &polled), Some(Weight::Suspect));
        let free = scattered(60, 300e6, 0.3);
        assert_eq!(said("poll-grid", "boot_ns", &free), None);
        assert_eq!(said("poll-grid", "boot_ns", &polled[..12]), None, "too few to tell");
    }

    #[test]
    fn one_tick_everywhere_is_a_poll() {
        assert_eq!(said("poll-grid", "boot_ns", &[1e8, 1e8, 1e8]), Some(Weight::Suspect));
        assert_eq!(said("poll-grid", "boot_ns", &[1.003e8, 1.003e8, 1.003e8]), None);
        assert_eq!(said("poll-grid", "boot_ns", &[1e8, 1e8]), None);
        let mut made = Made::imported();
        made.fact("boot_method", "polled every 100 ms");
        for name in ["a", "b", "c"] {
            let cell = made.cell(name);
            made.samples(&cell, "boot_ns", &[1e8]);
        }
        assert_eq!(made.says("poll-grid"), Some(Weight::Void));
    }

    #[test]
    fn rounded_values_are_not_a_poll() {
        let rounded: Vec<f64> = scattered(60, 5e9, 0.3).iter().map(|value| (value / 1e7).round() * 1e7).collect();
        assert_eq!(said("poll-grid", "upload_ns", &rounded), None);
    }

    #[test]
    fn sleeps_are_glued_to_round_numbers() {
        let slept: Vec<f64> =
            (0..100).map(|i| 110e6 + 0.06e6 + 0.45e6 * (noise(i, 1.0) - 0.5).abs().min(3.0)).collect();
        assert_eq!(said("sleep-grid", "spawn_ns", &slept), Some(Weight::Suspect));
        assert_eq!(said("sleep-grid", "spawn_ns", &scattered(100, 110e6, 0.05)), None);
        assert_eq!(said("sleep-grid", "spawn_ns", &scattered(100, 114e6, 0.004)), None);
        let network: Vec<f64> = (0..100).map(|i| 10.06e6 + 0.02e6 * noise(i, 0.5)).collect();
        assert_eq!(said("sleep-grid", "network_ns", &network), Some(Weight::Suspect));
    }

    #[test]
    fn retries_of_a_network_are_seen() {
        let retried: Vec<f64> =
            (0..20).map(|i| if i % 3 == 0 { 2.3e9 } else { 1.01e9 } + 9e6 * noise(i, 0.4)).collect();
        assert_eq!(said("retry-timer", "first_http_ns", &retried), Some(Weight::Suspect));
        assert_eq!(said("retry-timer", "first_http_ns", &scattered(20, 1.02e9, 0.01)), None);
        assert_eq!(said("retry-timer", "shutdown_ns", &retried), None);
    }
}
