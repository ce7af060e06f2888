//! Real sandboxes, end to end: every backend that runs here is measured, and its numbers hold together.

mod support;

use serde_json::Value;
use support::{Bench, cell, left_behind_in_the_end, runs_here};

/// Runs `boot` on one backend and checks what must hold for each valid sample.
fn boots(backend: &str, more: &[&str]) {
    let bench = Bench::new();
    if !runs_here(&bench, backend) {
        return;
    }
    if backend == "qemu" {
        let setup = bench.run(&["setup"]);
        assert_eq!(setup.code, 0, "{}", setup.stderr);
    }
    let arguments = ["run", "boot", "--on", backend, "-n", "3", "--set", "warmup=1", "--out", "R"];
    let run = bench.run(&[&arguments[..], more].concat());
    assert_eq!(run.code, 0, "{}\n{}", run.stdout, run.stderr);
    let summary = bench.show("R");
    let cell = cell(&summary, backend);
    assert_eq!((&cell["status"], &cell["provenance"]), (&Value::from("measured"), &Value::from("measured")));
    assert_eq!(cell["samples_valid"], 3);
    let p50 = |metric: &str| cell["metrics"][metric]["p50"].as_f64().unwrap_or_else(|| panic!("no {metric}: {cell}"));
    // A sandbox of a millisecond leaves no two percent for an unoptimised lab: there the residue itself is bounded.
    assert!(p50("residue_ns") <= f64::max(0.02 * p50("total_ns"), 100_000.0), "the ledger closes: {cell:#}");
    assert!(p50("lifecycle_ns") > p50("total_ns"));
    let lines = std::fs::read_to_string(bench.path("R/samples.jsonl")).unwrap();
    for line in lines.lines() {
        let sample: Value = serde_json::from_str(line).unwrap();
        let names: Vec<&str> =
            sample["ledger"]["milestones"].as_array().unwrap().iter().filter_map(|m| m["name"].as_str()).collect();
        for needed in ["spawned", "agent", "first_exec", "stop_requested", "gone"] {
            assert!(backend == "docker" && needed == "spawned" || names.contains(&needed), "{needed} of {names:?}");
        }
        let proofs = sample["proofs"].to_string();
        assert!(proofs.contains("nonce echoed"), "{proofs}");
    }
    let html = std::fs::read_to_string(bench.path("R/report.html")).unwrap();
    assert!(html.contains(backend));
    for outside in ["src=", "href=\"http", "url(http", "@import", "<link"] {
        assert!(!html.contains(outside), "one file, offline: {outside}");
    }
    assert_eq!(left_behind_in_the_end(&bench.run_id("R")), Vec::<String>::new());
}

#[test]
fn process_boots() {
    boots("process", &[]);
}

#[test]
fn process_boots_without_isolation() {
    boots("process", &["--set", "backend.process.isolation=none"]);
}

#[test]
fn runc_boots() {
    boots("runc", &[]);
}

#[test]
fn runc_boots_in_two_steps() {
    boots("runc", &["--set", "backend.runc.lifecycle=split"]);
}

#[test]
fn crun_boots() {
    boots("crun", &[]);
}

#[test]
fn runsc_boots() {
    boots("runsc", &[]);
}

#[test]
fn podman_boots() {
    boots("podman", &[]);
}

#[test]
fn docker_boots() {
    boots("docker", &[]);
}

#[test]
fn qemu_q35_boots() {
    boots("qemu", &[]);
}

#[test]
fn qemu_q35_boots_over_virtio() {
    boots("qemu", &["--set", "backend.qemu.channel=virtio-serial"]);
}

#[test]
fn qemu_microvm_boots() {
    boots("qemu", &["--set", "backend.qemu.machine=microvm"]);
}

#[test]
fn qemu_pc_boots_in_a_small_memory() {
    boots("qemu", &["--set", "backend.qemu.machine=pc", "--set", "backend.qemu.memory=96MiB"]);
}
