//! Limits of this host: nothing is faster than its fastest copy, and nothing starts faster than a fork and an exec.

use crate::audit::case::{Case, is_start, is_through_memory};
use crate::audit::finding::{Finding, Weight};
use crate::audit::series::{Kind, Series};
use crate::audit::word::{has_word, is_round_trip};
use crate::calibration::LimitKind;
use crate::cell::BenchmarkName;
use crate::factor::FactorValue;

/// How far beyond a measured ceiling a rate must be: the calibration's own trials scatter by a few percent.
const MARGIN: f64 = 1.1;
/// From this amount of work on, the second-level cache of no machine holds it.
const BEYOND_CACHES_BYTES: f64 = 64.0 * 1_048_576.0;
/// A frame of this size and its place may be within the first-level cache, or nearly so.
const NEAREST_BYTES: u64 = 64 << 10;
/// The size of frame that the calibration copies.
const FRAME_4K_BYTES: u64 = 3840 * 2160 * 3;
const FRAME_4K: &str = "memcpy_4k_frame_bytes_per_s";
const HASH_WORDS: &[&str] = &["sha", "sha256", "hash", "hashed", "hashing", "verify", "verified", "digest"];

/// A byte rate above what this host can copy, or a hash rate above what it can hash.
pub(super) fn beyond_ceiling(case: &Case<'_>) -> Vec<Finding> {
    case.series.iter().filter(|series| series.kind == Kind::ByteRate).filter_map(|series| above(case, series)).collect()
}

fn above(case: &Case<'_>, series: &Series<'_>) -> Option<Finding> {
    let frame = frame_of(series);
    let limits: &[&str] = if frame.is_some() && has_word(series.metric, &["check"]) {
        let is_sha = text_of(series, "check") == Some("sha256");
        // Reading is quicker than copying, and no limit of the calibration is about reading.
        if is_sha { &["sha256_bytes_per_s"] } else { &[] }
    } else if let Some((bytes, is_cold)) = frame {
        match bytes {
            _ if is_cold => &["memcpy_dram_bytes_per_s", "memcpy_4k_frame_cold_bytes_per_s"],
            // Whatever level may hold it: the auditor does not know how large this host's are.
            ..=NEAREST_BYTES => {
                &["memcpy_l1_bytes_per_s", "memcpy_l2_bytes_per_s", "memcpy_l3_bytes_per_s", "memcpy_dram_bytes_per_s"]
            }
            // No larger frame is copied more quickly than one of the size that was measured, in the same way.
            FRAME_4K_BYTES.. if case.limit(FRAME_4K, LimitKind::Ceiling).is_some() => {
                &[FRAME_4K, "memcpy_l3_bytes_per_s", "memcpy_dram_bytes_per_s"]
            }
            _ => &["memcpy_l2_bytes_per_s", "memcpy_l3_bytes_per_s", "memcpy_dram_bytes_per_s", FRAME_4K],
        }
    } else if has_word(series.metric, HASH_WORDS) {
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

fn text_of<'a>(series: &Series<'a>, key: &str) -> Option<&'a str> {
    series.cell.factors.get(key).and_then(FactorValue::as_text)
}

/// The size of the frames that go through shared memory, and whether the caches were emptied before each copy.
fn frame_of(series: &Series<'_>) -> Option<(u64, bool)> {
    let cell = series.cell;
    let bytes = cell.factors.get("frame").filter(|_| cell.benchmark == BenchmarkName::Shm)?.as_bytes()?;
    Some((bytes, text_of(series, "cache") == Some("cold")))
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
    } else if (is_round_trip(series.metric) && has_word(series.metric, &["shm", "memory", "line"]))
        || is_through_memory(series)
    {
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
    fn frames_are_held_against_the_level_that_may_hold_them() {
        let said = |metric: &str, value: f64, frame: u64, factor: (&'static str, &'static str)| {
            let mut made = rates("other_bytes_per_s", &[]);
            made.limit("memcpy_l1_bytes_per_s", LimitKind::Ceiling, 60e9);
            let factors = [("frame", FactorValue::Bytes(frame)), (factor.0, FactorValue::Text(factor.1.into()))];
            let cell = made.cell_with(crate::cell::BackendName::Process, &factors);
            made.record.cells.last_mut().unwrap().benchmark = BenchmarkName::Shm;
            made.samples(&cell, metric, &[value]);
            made.says("beyond-ceiling")
        };
        assert_eq!(said("copy_in_bytes_per_s", 50e9, 4096, ("cache", "hot")), None);
        assert_eq!(said("copy_in_bytes_per_s", 50e9, 1 << 20, ("cache", "hot")), Some(Weight::Void));
        assert_eq!(said("copy_in_bytes_per_s", 6e9, 4096, ("cache", "cold")), Some(Weight::Void));
        assert_eq!(said("copy_in_bytes_per_s", 21e9, FRAME_4K_BYTES, ("cache", "hot")), None);
        assert_eq!(said("check_bytes_per_s", 30e9, 1 << 20, ("check", "fast")), None);
        assert_eq!(said("check_bytes_per_s", 2e9, 1 << 20, ("check", "sha256")), Some(Weight::Void));
    }

    #[test]
    fn a_frame_of_the_size_that_was_measured_is_held_against_that() {
        let said = |value: f64, frame: u64, cache: &str| {
            let mut made = rates("other_bytes_per_s", &[]);
            made.limit(FRAME_4K, LimitKind::Ceiling, 12e9);
            made.limit("memcpy_4k_frame_cold_bytes_per_s", LimitKind::Ceiling, 9e9);
            let factors = [("frame", FactorValue::Bytes(frame)), ("cache", FactorValue::Text(cache.into()))];
            let cell = made.cell_with(crate::cell::BackendName::Process, &factors);
            made.record.cells.last_mut().unwrap().benchmark = BenchmarkName::Shm;
            made.samples(&cell, "copy_in_bytes_per_s", &[value]);
            made.says("beyond-ceiling")
        };
        // The second-level cache is quicker, and holds no such frame.
        assert_eq!(said(13e9, FRAME_4K_BYTES, "hot"), None);
        assert_eq!(said(14e9, FRAME_4K_BYTES, "hot"), Some(Weight::Void));
        assert_eq!(said(14e9, FRAME_4K_BYTES - 1, "hot"), None);
        assert_eq!(said(9.5e9, FRAME_4K_BYTES, "cold"), None);
        assert_eq!(said(10e9, FRAME_4K_BYTES, "cold"), Some(Weight::Void));
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
