//! Whole samples of `checkpoint` on real CRIU, with runc, podman and Docker: every proof passes, also those of connections from outside.

mod container_support;

use container_support::{Bench, skip};
use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::ledger::MilestoneName;
use isodyne_engine::backend::{PrepareError, docker};
use isodyne_engine::checkpoint::criu::{self, CriuState};
use isodyne_engine::ownership::name_prefix;
use isodyne_engine::workload::{Attempt, CheckpointOptions, checkpoint};
use std::time::Duration;

/// A lab, if runc and CRIU are here.
fn bench(test: &str, backend: BackendName) -> Option<Bench> {
    if let CriuState::Unusable { reason, .. } = criu::probe() {
        skip(test, reason);
        return None;
    }
    Bench::new(test, backend)
}

fn sample(bench: &Bench, of_backend: &[(&str, FactorValue)], own: &[(&str, FactorValue)]) -> Attempt {
    let factors: Factors =
        of_backend.iter().chain(own).map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
    let id = CellId::new(BenchmarkName::Checkpoint, bench.backend, &factors);
    let cell = Cell { id, benchmark: BenchmarkName::Checkpoint, backend: bench.backend, factors, variant: None };
    let options = CheckpointOptions::of(&cell, &bench.lab, Duration::from_secs(120)).expect("options");
    let of_both: Vec<(&str, FactorValue)> = of_backend.iter().chain(own).cloned().collect();
    let launcher = bench.prepare(&of_both).expect("prepared");
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
    let test = "a_container_comes_back_with_everything_in_it_and_so_do_its_clones";
    let Some(bench) = bench(test, BackendName::Runc) else { return };
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
        ("bind_mounts", count(3)),
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
    for shown in [
        "5 processes and 15 threads",
        "30 open files",
        "2 locks",
        "5 pipes",
        "3 directories of the host",
        "2 clones at once",
    ] {
        assert!(proofs.contains(shown), "{shown} in {proofs}");
    }
    bench.finish();
}

/// A client outside keeps one connection, before, through and after the gap; with `more` the sandbox also runs on.
fn goes_on(test: &str, backend: BackendName, network: &str, more: &[(&str, FactorValue)]) {
    let Some(bench) = bench(test, backend) else { return };
    let network = [("network", FactorValue::Text(network.to_owned()))];
    if let Err(PrepareError::Unavailable { reason, .. }) = bench.prepare(&network) {
        return skip(test, &reason);
    }
    let always = [
        ("resident", FactorValue::Bytes(1 << 20)),
        ("connections", count(3)),
        ("files", count(5)),
        ("bind_mounts", count(2)),
    ];
    let own = [&always, more].concat();
    let attempt = sample(&bench, &network, &own);
    if lacks_tcp(test, &attempt) {
        return;
    }
    assert_eq!(attempt.failure, None);
    let value = |name: &str| *attempt.metrics.get(name).unwrap_or_else(|| panic!("no {name}: {:?}", attempt.metrics));
    assert!(value("outside_answers_before_count") > 0.0 && value("outside_answers_after_count") > 0.0);
    let shown = attempt.proofs.join("\n");
    assert!(shown.contains("one TCP connection from outside to the subject"), "{shown}");
    if more.is_empty() {
        assert!(value("outage_outside_ns") > value("restore_ns"), "{:?}", attempt.metrics);
    } else {
        assert!(value("freeze_outside_ns") > 0.0);
    }
    if backend == BackendName::Docker {
        // Nothing of the start stays: neither containerd's copy of the images nor the word to CRIU.
        let copies = docker::list_copies(&name_prefix(&bench.lab.run_id));
        assert_eq!(copies, Vec::<String>::new());
        let setting = std::fs::read_to_string("/etc/criu/runc.conf").unwrap_or_default();
        assert!(!setting.contains(&format!("restore: {} ", std::process::id())), "{setting}");
    }
    bench.finish();
}

#[test]
fn a_connection_from_outside_goes_on_in_the_restored_container() {
    goes_on("a_connection_from_outside_goes_on_in_the_restored_container", BackendName::Runc, "own", &[]);
}

#[test]
fn a_connection_from_outside_goes_on_in_podmans_restored_container() {
    goes_on("a_connection_from_outside_goes_on_in_podmans_restored_container", BackendName::Podman, "own", &[]);
}

#[test]
fn a_connection_from_outside_goes_on_in_dockers_restored_container() {
    goes_on("a_connection_from_outside_goes_on_in_dockers_restored_container", BackendName::Docker, "bridge", &[]);
}

#[test]
fn a_connection_from_outside_goes_on_in_the_container_that_runs_on() {
    let runs_on = [("leave_running", FactorValue::Flag(true))];
    for (backend, network) in
        [(BackendName::Runc, "own"), (BackendName::Podman, "own"), (BackendName::Docker, "bridge")]
    {
        goes_on("a_connection_from_outside_goes_on_in_the_container_that_runs_on", backend, network, &runs_on);
    }
}
