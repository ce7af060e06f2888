//! Limits of this host: nothing is faster than its fastest copy, and nothing starts faster than a fork and an exec.

use crate::audit::case::{Case, is_start};
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::{Kind, Series};
use crate::audit::word::{has_word, is_round_trip};
use crate::calibration::LimitKind;

/// How far beyond a measured ceiling a rate must be: the calibration's own trials scatter by a few percent.
const MARGIN: f64 = 1.1;
/// From this amount of work on, the second-level cache of no machine holds it.
const BEYOND_CACHES_BYTES: f64 = 64.0 * 1_048_576.0;
const HASH_WORDS: &[&str] = &["sha", "sha256", "hash", "hashed", "hashing", "verify", "verified", "digest"];

/// A byte rate above what this host can copy, or a hash rate above what it can hash.
pub(super) fn beyond_ceiling(case: &Case<'_>) -> Vec<Finding> {
    case.series.iter().filter(|series| series.kind == Kind::ByteRate).filter_map(|series| above(case, series)).collect()
}

fn above(case: &Case<'_>, series: &Series<'_>) -> Option<Finding> {
    let limits: &[&str] = if has_word(series.metric, HASH_WORDS) {
        &["sha256_bytes_per_s"]
    } else if series.size().is_some_and(|(_, bytes)| bytes >= BEYOND_CACHES_BYTES) {
        &["memcpy_dram_bytes_per_s"]
    } else {
        &["memcpy_l2_bytes_per_s", "memcpy_dram_bytes_per_s"]
    };
    let known = limits.iter().filter_map(|name| Some((*name, case.limit(name, LimitKind::Ceiling)?)));
    let (name, best) = known.max_by(|a, b| a.1.total_cmp(&b.1))?;
    if series.max() <= best * MARGIN {
        return None;
    }
    let beyond = series.values.iter().filter(|value| **value > best * MARGIN).count();
    let message = format!(
        "{beyond} of {} values are beyond what this host can do: {} against {}",
        series.n(),
        series.show(series.max()),
        series.show(best)
    );
    let evidence = format!("{name}: best of the calibration {}, allowed up to {MARGIN} times that", series.show(best));
    Some(Finding::of(series, Weight::Void, message).because(evidence))
}

/// A start that is shorter than the fastest fork and exec of this host, a round trip shorter than its fastest one.
pub(super) fn below_floor(case: &Case<'_>) -> Vec<Finding> {
    case.times().filter_map(|series| below(case, series)).collect()
}

fn below(case: &Case<'_>, series: &Series<'_>) -> Option<Finding> {
    let name = if is_start(series) {
        "fork_exec_ns"
    } else if has_word(series.metric, &["fsync"]) {
        "fsync_ns"
    } else if is_round_trip(series.metric) && has_word(series.metric, &["shm", "memory", "line"]) {
        "cache_line_round_trip_ns"
    } else if is_round_trip(series.metric) && has_word(series.metric, &["unix", "rpc", "call"]) {
        "unix_round_trip_ns"
    } else if is_round_trip(series.metric) && has_word(series.metric, &["tcp", "http", "loopback"]) {
        "loopback_round_trip_ns"
    } else {
        return None;
    };
    let best = case.limit(name, LimitKind::Floor)?;
    // The floor is the fastest ever seen: a trial somewhat below it is luck, so much below it is not.
    let weight = match series.min() {
        least if least < best * 0.9 => Weight::Void,
        least if least < best => Weight::Suspect,
        _ => return None,
    };
    let message = format!(
        "the shortest of {} values, {}, is below this host's floor of {}",
        series.n(),
        series.show(series.min()),
        series.show(best)
    );
    Some(Finding::of(series, weight, message).because(format!("{name}: best of the calibration {}", series.show(best))))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::audit::testing::Made;
    use crate::factor::FactorValue;

    fn rates(metric: &str, values: &[f64]) -> Made {
        let mut made = Made::imported();
        made.limit("memcpy_l2_bytes_per_s", LimitKind::Ceiling, 20e9);
        made.limit("memcpy_dram_bytes_per_s", LimitKind::Ceiling, 5e9);
        made.limit("sha256_bytes_per_s", LimitKind::Ceiling, 0.3e9);
        let cell = made.cell("a");
        made.samples(&cell, metric, values);
        made
    }

    #[test]
    fn rates_are_held_against_the_right_ceiling() {
        assert_eq!(rates("copy_bytes_per_s", &[98e9]).says("beyond-ceiling"), Some(Weight::Void));
        assert_eq!(rates("copy_bytes_per_s", &[21e9]).says("beyond-ceiling"), None);
        assert_eq!(rates("hash_loop_bytes_per_s", &[1.6e9]).says("beyond-ceiling"), Some(Weight::Void));
        assert_eq!(rates("hash_loop_bytes_per_s", &[0.32e9]).says("beyond-ceiling"), None);
    }

    #[test]
    fn work_beyond_the_caches_is_held_against_main_memory() {
        let mut made = rates("other_bytes_per_s", &[]);
        let size = ("size", FactorValue::Bytes(256 << 20));
        let cell = made.cell_with(crate::cell::BackendName::Imported, &[size]);
        made.samples(&cell, "copy_bytes_per_s", &[6e9]);
        assert_eq!(made.says("beyond-ceiling"), Some(Weight::Void));
    }

    #[test]
    fn another_machines_calibration_bounds_nothing() {
        let mut made = rates("copy_bytes_per_s", &[98e9]);
        made.record.fingerprint.cpu_count = 64;
        assert_eq!(made.says("beyond-ceiling"), None);
    }

    #[test]
    fn a_start_is_not_faster_than_fork_and_exec() {
        for (value, expected) in [(200e3, Some(Weight::Void)), (480e3, Some(Weight::Suspect)), (600e3, None)] {
            let mut made = Made::imported();
            made.limit("fork_exec_ns", LimitKind::Floor, 500e3);
            let cell = made.cell("a");
            made.samples(&cell, "boot_ns", &[value, 700e3]);
            assert_eq!(made.says("below-floor"), expected, "{value}");
        }
    }
}
