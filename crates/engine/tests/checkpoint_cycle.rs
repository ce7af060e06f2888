//! Whole samples of `checkpoint` on real runc and CRIU: every proof passes, also those of connections from outside.

mod container_support;

use container_support::{Bench, skip};
use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::ledger::MilestoneName;
use isodyne_engine::backend::PrepareError;
use isodyne_engine::checkpoint::criu::{self, CriuState};
use isodyne_engine::workload::{Attempt, CheckpointOptions, checkpoint};
use std::time::Duration;

/// A lab, if runc and CRIU are here.
fn bench(test: &str) -> Option<Bench> {
    if let CriuState::Unusable { reason, .. } = criu::probe() {
        skip(test, reason);
        return None;
    }
    Bench::new(test, BackendName::Runc)
}

fn sample(bench: &Bench, of_backend: &[(&str, FactorValue)], own: &[(&str, FactorValue)]) -> Attempt {
    let factors: Factors =
        of_backend.iter().chain(own).map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let id = CellId::new(BenchmarkName::Checkpoint, BackendName::Runc, &factors);
    let cell = Cell { id, benchmark: BenchmarkName::Checkpoint, backend: BackendName::Runc, factors, variant: None };
    let options = CheckpointOptions::of(&cell, &bench.lab, Duration::from_secs(120)).expect("options");
    let launcher = bench.prepare(of_backend).expect("prepared");
    let place = bench.place();
    let attempt = checkpoint(launcher.as_ref(), &place, &bench.lab, &options);
    assert_eq!(bench.left(), [""; 0]);
    attempt
}

fn count(number: u64) -> FactorValue {
    FactorValue::Count(number)
}

/// What CRIU 4.1 cannot do on new kernels: a process with a TCP socket.
fn lacks_tcp(test: &str, attempt: &Attempt) -> bool {
    let lacks = attempt.failure.as_ref().is_some_and(|failure| failure.message.contains("Can't get 1:16 opt"));
    if lacks {
        skip(test, "this CRIU cannot dump TCP sockets on this kernel (scripts/criu.sh)");
    }
    lacks
}

#[test]
fn a_container_comes_back_with_everything_in_it_and_so_do_its_clones() {
    let Some(bench) = bench("a_container_comes_back_with_everything_in_it_and_so_do_its_clones") else { return };
    let own = [
        ("resident", FactorValue::Bytes(8_000_000)),
        ("zero_percent", count(10)),
        ("duplicate_percent", count(10)),
        ("compressible_percent", count(30)),
        ("dirty_rate", count(2_000)),
        ("processes", count(5)),
        ("threads", count(3)),
        ("areas", count(8)),
        ("files", count(30)),
        ("pipes", count(5)),
        ("locks", count(2)),
        ("clones", count(2)),
        ("touch_percent", count(50)),
    ];
    let attempt = sample(&bench, &[], &own);
    assert_eq!(attempt.failure, None);
    for name in [
        "restore_ns",
        "durable_ns",
        "criu_total_ns",
        "overhead_ns",
        "outage_inside_ns",
        "clones_ns",
        "cold_peak_memory_bytes",
    ] {
        assert!(attempt.metrics.contains_key(name), "{name} is not in {:?}", attempt.metrics);
    }
    assert!(attempt.metrics["image_bytes"] > 7e6, "{:?}", attempt.metrics);
    assert!(attempt.ledger.at_ns(MilestoneName::FirstReply).is_some());
    let proofs = attempt.proofs.join("\n");
    for shown in
        ["5 processes and 15 threads", "30 open files", "2 locks", "5 pipes", "2 clones at once", "randomness differs"]
    {
        assert!(proofs.contains(shown), "{shown} in {proofs}");
    }
    bench.finish();
}

#[test]
fn a_connection_from_outside_goes_on_in_the_restored_container() {
    let test = "a_connection_from_outside_goes_on_in_the_restored_container";
    let Some(bench) = bench(test) else { return };
    let network = [("network", FactorValue::Text("own".to_owned()))];
    if let Err(PrepareError::Unavailable { reason, .. }) = bench.prepare(&network) {
        return skip(test, &reason);
    }
    let own = [("resident", FactorValue::Bytes(1 << 20)), ("connections", count(3))];
    let attempt = sample(&bench, &network, &own);
    if lacks_tcp(test, &attempt) {
        return;
    }
    assert_eq!(attempt.failure, None);
    assert!(attempt.metrics["outside_answers_before_count"] > 0.0, "{:?}", attempt.metrics);
    assert!(attempt.metrics["outside_answers_after_count"] > 0.0, "{:?}", attempt.metrics);
    assert!(attempt.metrics["outage_outside_ns"] > attempt.metrics["restore_ns"], "{:?}", attempt.metrics);
    bench.finish();
}
