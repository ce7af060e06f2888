//! Calibration of the host that the tests run on: credible, and the same again.

use super::*;
use crate::lab::LabOptions;
use isodyne_core::calibration::LimitKind;
use std::path::Path;
use std::time::Instant;

fn calibrated(run_id: &str, directory: &Path) -> Calibration {
    let options = LabOptions { run_id, session: 0, logs: directory, cache: directory, guardian: None };
    let lab = Lab::open(options).unwrap();
    let calibration = calibrate(&lab, Duration::from_millis(500), "2026-11-22T00:00:00Z", &mut |_| {});
    assert_eq!(lab.close(), [""; 0]);
    calibration
}

/// The bounds between which a value is credible on any host there is. Whatever lies outside is an error of the lab.
const CREDIBLE: &[(&str, f64, f64)] = &[
    ("clock_step_ns", 0.5, 1e7),
    ("stamp_ns", 1.0, 1e5),
    ("memcpy_l1_bytes_per_s", 1e8, 1e12),
    ("memcpy_l2_bytes_per_s", 1e8, 1e12),
    ("memcpy_l3_bytes_per_s", 1e7, 1e12),
    ("memcpy_dram_bytes_per_s", 1e7, 1e12),
    ("memcpy_4k_frame_bytes_per_s", 1e7, 1e12),
    ("memcpy_4k_ring_bytes_per_s", 1e7, 1e12),
    ("memcpy_4k_frame_cold_bytes_per_s", 1e7, 1e12),
    ("sha256_bytes_per_s", 1e6, 1e10),
    ("cache_line_round_trip_ns", 20.0, 1e7),
    ("fsync_ns", 200.0, 1e10),
    ("fsync_temporary_ns", 200.0, 1e10),
    ("loopback_round_trip_ns", 400.0, 1e8),
    ("unix_round_trip_ns", 200.0, 1e8),
    ("pipe_round_trip_ns", 200.0, 1e8),
    ("fork_exec_ns", 5e3, 1e9),
    ("fork_exec_exit_ns", 1e4, 1e9),
    ("contamination_reading_ns", 100.0, 1e7),
];

#[test]
fn limits_are_credible_and_a_second_measurement_finds_them_again() {
    let directory = tempfile::tempdir().unwrap();
    let begin = Instant::now();
    let first = calibrated("ca11b001", directory.path());
    let took = begin.elapsed();
    let second = calibrated("ca11b002", directory.path());
    assert!(took < Duration::from_secs(60), "{took:?}");
    for (name, low, high) in CREDIBLE {
        let Some(limit) = first.limit(name) else {
            let skipped = first.skipped.iter().find(|skipped| skipped.name == *name);
            assert!(skipped.is_some_and(|skipped| !skipped.reason.is_empty()), "{name} is missing without a reason");
            continue;
        };
        assert!((*low..=*high).contains(&limit.best), "{limit:?}");
        assert!((*low..=*high).contains(&limit.typical), "{limit:?}");
        assert!(limit.n > 0 && !limit.method.is_empty(), "{limit:?}");
        match limit.kind {
            LimitKind::Ceiling => assert!(limit.best >= limit.typical, "{limit:?}"),
            LimitKind::Floor => assert!(limit.best <= limit.typical, "{limit:?}"),
            LimitKind::Cost => {}
        }
        // Other tests run beside this one: the best of many trials is what stays.
        let again = second.limit(name).unwrap_or_else(|| panic!("{name} the second time"));
        let factor = (limit.best / again.best).max(again.best / limit.best);
        // A virtual disk that others use as well has no steady state within seconds.
        let most = if name.starts_with("fsync") { 500.0 } else { 20.0 };
        assert!(factor < most, "{name}: {} and then {}", limit.best, again.best);
    }
    assert!(first.limits.iter().any(|limit| limit.name == "signal_exit_ns"));
    let known = |name: &str| first.limits.iter().filter(|limit| limit.name == name).count();
    assert!(first.limits.iter().all(|limit| known(&limit.name) == 1), "names are unique");
    // Copying within a cache is not slower than beyond all of them, and a message not faster than a cache line.
    if let (Some(near), Some(far)) = (first.limit("memcpy_l1_bytes_per_s"), first.limit("memcpy_dram_bytes_per_s")) {
        assert!(near.best > far.best, "{near:?} {far:?}");
    }
    if let (Some(line), Some(pipe)) = (first.limit("cache_line_round_trip_ns"), first.limit("pipe_round_trip_ns")) {
        assert!(line.best < pipe.best, "{line:?} {pipe:?}");
    }
    assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0, "nothing stays in the cache directory");
}

#[test]
fn what_comes_next_is_told() {
    let directory = tempfile::tempdir().unwrap();
    let options =
        LabOptions { run_id: "ca11b003", session: 0, logs: directory.path(), cache: directory.path(), guardian: None };
    let lab = Lab::open(options).unwrap();
    let mut told = Vec::new();
    calibrate(&lab, Duration::from_millis(1), "now", &mut |progress| told.push((progress.done, progress.of)));
    let of = STEPS.len() as u32;
    assert_eq!(told, (0..of).map(|done| (done, of)).collect::<Vec<_>>());
    lab.close();
}
