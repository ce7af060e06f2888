//! Networks of real machines under QEMU: a tap in namespaces of its own, and user mode without root.

#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

mod guest_support;

use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_engine::backend::qemu::QemuBackend;
use isodyne_engine::backend::{Backend, Place, PrepareError};
use isodyne_engine::network::Family;
use isodyne_engine::workload::{Attempt, NetworkOptions, network};
use std::time::Duration;

/// One sample on a machine with such a network; `None`, with the reason printed, where it cannot be.
fn measured(kind: &str, family: Family, number: u64) -> Option<Attempt> {
    let run_id = format!("{:08x}", fastrand::u32(..));
    let (_directory, lab) = guest_support::qemu_lab(&run_id)?;
    let factors: Factors = [("network".to_owned(), FactorValue::Text(kind.to_owned()))].into();
    let id = CellId::new(BenchmarkName::Network, BackendName::Qemu, &factors);
    let cell = Cell { id, benchmark: BenchmarkName::Network, backend: BackendName::Qemu, factors, variant: None };
    let launcher = match QemuBackend.prepare(&cell, &lab) {
        Ok(launcher) => launcher,
        Err(PrepareError::Unavailable { reason, hint }) => {
            eprintln!("skipped: {reason} (hint: {hint})");
            assert!(lab.host.root || hint.contains("network = \"user\""), "{hint}");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let place = Place {
        name: format!("isodyne-{run_id}-{number}"),
        directory: lab.scratch.clone(),
        log_prefix: lab.logs.join("1-qemu"),
        agent_patience_s: 240,
    };
    let options = NetworkOptions {
        timeout: Duration::from_secs(240),
        family,
        message_bytes: 64,
        round_trips: 300,
        rate_per_s: 200,
        duration: Duration::from_millis(500),
        bytes: (1 << 20) + 3,
    };
    let attempt = network(launcher.as_ref(), &place, &lab, &options);
    assert_eq!(lab.close(), Vec::<String>::new());
    eprintln!("{kind} {family:?}: {:#?}", attempt.metrics);
    Some(attempt)
}

#[test]
fn a_machine_with_a_tap_of_its_own_answers_on_both_families() {
    for (number, family) in [Family::V4, Family::V6].into_iter().enumerate() {
        let Some(attempt) = measured("own", family, number as u64) else { return };
        assert_eq!(attempt.failure, None);
        assert!(attempt.metrics["round_trip_p50_ns"] > attempt.metrics["control_round_trip_p50_ns"]);
        assert!(attempt.metrics["upload_bytes_per_s"] > 0.0 && attempt.metrics["download_bytes_per_s"] > 0.0);
    }
}

#[test]
fn a_machine_in_user_mode_answers_without_root() {
    let Some(attempt) = measured("user", Family::V4, 1) else { return };
    assert_eq!(attempt.failure, None);
    assert!(attempt.metrics["round_trip_p50_ns"] > 0.0 && attempt.metrics["download_bytes_per_s"] > 0.0);
    assert!(attempt.proofs.iter().any(|proof| proof.contains("network user, forwarded from 127.")));
}

#[test]
fn a_machine_by_passt_answers_without_root() {
    let Some(attempt) = measured("passt", Family::V4, 2) else { return };
    assert_eq!(attempt.failure, None);
    assert!(attempt.metrics["round_trip_p50_ns"] > 0.0 && attempt.metrics["download_bytes_per_s"] > 0.0);
    assert!(attempt.proofs.iter().any(|proof| proof.contains("network passt, forwarded from 127.")));
}
