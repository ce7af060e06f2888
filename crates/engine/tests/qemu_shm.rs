//! Shared memory with real guests under QEMU: the device's memory, and its interrupts.

#![allow(clippy::print_stderr, reason = "a test that is skipped says why")]

mod guest_support;

use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::failure::FailureClass;
use isodyne_engine::backend::qemu::QemuBackend;
use isodyne_engine::backend::{Backend, Place, PrepareError};
use isodyne_engine::workload::{Attempt, ShmOptions, shm};
use std::time::Duration;

fn text(value: &str) -> FactorValue {
    FactorValue::Text(value.to_owned())
}

/// One sample with this device; `None`, with the reason printed, where it cannot be.
fn measured(device: &str, stated: &[(&str, FactorValue)]) -> Option<Attempt> {
    let run_id = format!("{:08x}", fastrand::u32(..));
    let (_directory, lab) = guest_support::qemu_lab(&run_id)?;
    let mut factors = Factors::from([
        ("ivshmem".to_owned(), text(device)),
        ("ivshmem_size".to_owned(), FactorValue::Bytes(8 << 20)),
        ("frame".to_owned(), FactorValue::Bytes(1 << 20)),
        ("frames".to_owned(), FactorValue::Count(3)),
        ("stream".to_owned(), FactorValue::Count(5)),
    ]);
    factors.extend(stated.iter().map(|(key, value)| ((*key).to_owned(), value.clone())));
    let id = CellId::new(BenchmarkName::Shm, BackendName::Qemu, &factors);
    let cell = Cell { id, benchmark: BenchmarkName::Shm, backend: BackendName::Qemu, factors, variant: None };
    let launcher = match QemuBackend.prepare(&cell, &lab) {
        Ok(launcher) => launcher,
        Err(PrepareError::Unavailable { reason, hint }) => {
            eprintln!("skipped: {reason} (hint: {hint})");
            return None;
        }
        Err(error) => panic!("{error}"),
    };
    let place = Place {
        name: format!("isodyne-{run_id}-1"),
        directory: lab.scratch.clone(),
        log_prefix: lab.logs.join("1-qemu"),
        agent_patience_s: 240,
    };
    let attempt = shm(launcher.as_ref(), &place, &lab, &ShmOptions::of(&cell, Duration::from_secs(240)).unwrap());
    assert_eq!(lab.close(), Vec::<String>::new());
    eprintln!("{device}: {:#?} {:#?}", attempt.metrics, attempt.proofs);
    Some(attempt)
}

#[test]
fn a_guest_answers_through_the_devices_memory() {
    let stated = [("round_trips", FactorValue::Count(20_000)), ("beside", text("two-phase"))];
    let Some(attempt) = measured("plain", &stated) else { return };
    assert_eq!(attempt.failure, None);
    assert!(attempt.metrics["round_trip_p50_ns"] < attempt.metrics["two_phase_round_trip_p50_ns"]);
    assert!(attempt.metrics["frame_bytes_per_s"] > 0.0 && attempt.metrics["stream_bytes_per_s"] > 0.0);
    assert!(attempt.proofs.iter().any(|proof| proof.ends_with("is mapped uncached")));
}

#[test]
fn a_guest_that_cannot_have_its_interrupts_says_so_at_once_and_no_sample_is_a_failed_one() {
    let stated = [("waiting", text("doorbell")), ("cmdline", text("intel_iommu=off"))];
    let Some(attempt) = measured("doorbell", &stated) else { return };
    let failure = attempt.failure.unwrap();
    assert_eq!(failure.class, FailureClass::Unavailable);
    assert!(failure.message.starts_with("the machine has no IOMMU") && failure.hint.is_some(), "{failure:?}");
}

/// Sleeping costs a share of a processor, and spinning all of one, by the host's own account of the machine.
#[test]
fn an_open_loop_shows_what_waiting_costs() {
    let few = |waiting: &str| {
        let rate = [("rate", FactorValue::Count(500)), ("duration", FactorValue::DurationNs(2_000_000_000))];
        let counts = [("round_trips", FactorValue::Count(200)), ("frames", FactorValue::Count(0))];
        let rest = [("stream", FactorValue::Count(0)), ("waiting", text(waiting))];
        let stated: Vec<_> = rate.into_iter().chain(counts).chain(rest).collect();
        measured("doorbell", &stated)
    };
    let (Some(spins), Some(sleeps)) = (few("spin"), few("doorbell")) else { return };
    assert_eq!((&spins.failure, &sleeps.failure), (&None, &None));
    let cpu = |attempt: &Attempt| attempt.metrics["open_loop_monitor_cpu_per_message_ns"];
    assert!(cpu(&sleeps) < cpu(&spins), "{} {}", cpu(&sleeps), cpu(&spins));
    for attempt in [&spins, &sleeps] {
        assert!(attempt.metrics["open_loop_answer_p99_ns"] <= attempt.metrics["open_loop_max_ns"]);
        assert!(attempt.proofs.iter().any(|proof| proof.starts_with("1000 answers of the open loop")));
    }
}

#[test]
fn a_guest_that_sleeps_is_woken_by_the_device() {
    let doorbell = ("waiting", text("doorbell"));
    let stated = [("round_trips", FactorValue::Count(500)), doorbell, ("beside", text("two-phase"))];
    let Some(attempt) = measured("doorbell", &stated) else { return };
    assert_eq!(attempt.failure, None);
    assert!(attempt.metrics["two_phase_round_trip_p50_ns"] > 0.0, "by a device that is driven through its interrupts");
    assert!(attempt.metrics["round_trip_p50_ns"] > 0.0 && attempt.metrics["frame_bytes_per_s"] > 0.0);
    // A guest whose device may not write to memory is never woken: each of its sleeps ends by itself. On a host that gives
    // the machine no processor for 200 ms a ring may come too late.
    for side in ["ask", "answer"] {
        assert!(attempt.metrics[&format!("{side}_missed_rings_count")] < 10.0, "{:?}", attempt.metrics);
    }
    // A side that looked all the time would have used all of it.
    assert!(attempt.metrics["answer_cpu_ratio"] < 0.98, "{:?}", attempt.metrics);
}

#[test]
fn the_memory_is_mapped_as_the_cell_says() {
    // Below 4 GiB the firmware has everything uncached, so that only a device that does not fit there can be written back.
    for (mapping, size) in [("write-combining", 8 << 20), ("write-back", 1 << 30)] {
        let size = ("ivshmem_size", FactorValue::Bytes(size));
        let stated = [("round_trips", FactorValue::Count(2_000)), ("mapping", text(mapping)), size];
        let Some(attempt) = measured("plain", &stated) else { return };
        assert_eq!(attempt.failure, None);
        assert!(attempt.proofs.contains(&format!("the memory inside is mapped {mapping}")), "{:?}", attempt.proofs);
        assert!(attempt.metrics["copy_out_bytes_per_s"] > 0.0 && attempt.metrics["stream_bytes_per_s"] > 0.0);
    }
}
