//! Tests of the summary, on values made here.

use super::*;
use crate::cell::{BackendName, BenchmarkName};
use crate::columns::RunColumns;
use crate::factor::Factors;
use crate::failure::Failure;
use crate::fingerprint::Fingerprint;
use crate::ledger::{Ledger, Milestone, MilestoneName, SignalName};
use crate::plan::Plan;
use crate::record::{RUN_SCHEMA, RUN_VERSION, RunEnd, RunRecord, SkippedCell};
use crate::sample::{Contamination, Sample};

fn cell(backend: BackendName) -> Cell {
    let factors = Factors::new();
    Cell {
        id: crate::cell::CellId::new(BenchmarkName::Boot, backend, &factors),
        benchmark: BenchmarkName::Boot,
        backend,
        factors,
        variant: None,
    }
}

fn record(ended: bool) -> RunRecord {
    RunRecord {
        schema: RUN_SCHEMA.to_owned(),
        version: RUN_VERSION,
        run_id: "00c0ffee".to_owned(),
        isodyne_version: "0.1.0".to_owned(),
        created_at: "2026-11-22T04:00:00Z".to_owned(),
        command: vec!["isodyne".to_owned(), "run".to_owned()],
        plan: Plan { title: "test".to_owned(), samples: 6, warmup: 1, seed: None, ..Plan::default() },
        seed: 7,
        cells: vec![cell(BackendName::Runc), cell(BackendName::Process)],
        skipped: vec![SkippedCell {
            cell: cell(BackendName::Firecracker),
            reason: "no /dev/kvm".to_owned(),
            hint: "use a host with KVM".to_owned(),
        }],
        backends: Vec::new(),
        fingerprint: Fingerprint { cpu_count: 2, clock_step_ns: Some(22), ..Fingerprint::default() },
        tools: Vec::new(),
        assets: Vec::new(),
        signals: Vec::new(),
        shard: None,
        merged_from: Vec::new(),
        calibration: None,
        imported: None,
        ended: ended.then(|| RunEnd { at: String::new(), survivors: Vec::new(), abandoned: Vec::new(), stop: None }),
    }
}

pub(crate) fn sample(backend: BackendName, sequence: u64, total_ns: u64) -> Sample {
    let stamp = |name, at_ns, asked_ns| Milestone { name, at_ns, asked_ns, signal: SignalName::Stamp };
    let mut ledger = Ledger::default();
    ledger.add(stamp(MilestoneName::Spawned, total_ns / 10, None));
    ledger.add(stamp(MilestoneName::Agent, total_ns / 2, None));
    ledger.add(stamp(MilestoneName::FirstExec, total_ns, Some(total_ns / 2 + 10)));
    Sample {
        cell: cell(backend).id,
        sequence,
        round: 0,
        warmup: false,
        started_at: String::new(),
        started_ns: 0,
        session: 0,
        provenance: Provenance::Scripted,
        accuracy: Accuracy::Container,
        failure: None,
        ledger,
        metrics: BTreeMap::from([("total_ns".to_owned(), total_ns as f64), ("residue_ns".to_owned(), 10.0)]),
        contamination: Contamination::default(),
        proofs: Vec::new(),
        logs: Vec::new(),
    }
}

#[test]
fn an_interrupted_attempt_is_no_failure_of_its_cell() {
    let interrupted = |sequence, warmup| Sample {
        warmup,
        failure: Some(Failure::new(FailureClass::Interrupted, "the channel closed")),
        ..sample(BackendName::Runc, sequence, 1)
    };
    let mut samples = vec![interrupted(0, true), interrupted(1, false)];
    let pending = summarise(&record(false), &RunColumns::of(&samples));
    assert_eq!(pending.cells[0].status, CellStatus::Pending, "the run can go on");
    samples.extend((2..8).map(|index| sample(BackendName::Runc, index, 1_000 * index)));
    let summary = summarise(&record(true), &RunColumns::of(&samples));
    let runc = &summary.cells[0];
    assert_eq!((runc.status, runc.samples_valid, runc.samples_warmup), (CellStatus::Measured, 6, 0));
    assert_eq!((&runc.samples_failed, runc.samples_interrupted), (&BTreeMap::new(), 2));
}

#[test]
fn failed_and_warm_up_samples_never_enter_a_figure() {
    let mut samples: Vec<Sample> = (1..=6).map(|index| sample(BackendName::Runc, index, 1_000 * index)).collect();
    samples.push(Sample { warmup: true, ..sample(BackendName::Runc, 7, 900_000) });
    samples.push(Sample {
        failure: Some(Failure::new(FailureClass::Timeout, "no hello within 30 s")),
        ..sample(BackendName::Runc, 8, 1)
    });
    // A failed warm-up is a warm-up: it is not among the failures.
    samples.push(Sample {
        warmup: true,
        failure: Some(Failure::new(FailureClass::Crash, "died")),
        ..sample(BackendName::Runc, 9, 1)
    });
    let summary = summarise(&record(true), &RunColumns::of(&samples));
    let runc = &summary.cells[0];
    assert_eq!((runc.samples_valid, runc.samples_warmup), (6, 2));
    assert_eq!(runc.samples_failed, BTreeMap::from([(FailureClass::Timeout, 1)]));
    let total = &runc.metrics["total_ns"];
    assert_eq!((total.n, total.min, total.p50, total.max, total.mean), (6, 1_000.0, 3_500.0, 6_000.0, 3_500.0));
    assert_eq!((total.ci95, total.warmup_suspected), (None, None), "six values carry neither");
    assert_eq!((total.p90, total.p95, total.p99), (None, None, None));
    let phases: Vec<(&str, f64)> = runc.phases.iter().map(|phase| (phase.name.as_str(), phase.p50_ns)).collect();
    assert_eq!(phases, [("spawn", 350.0), ("init", 1_400.0), ("exec", 1_740.0), ("residue", 10.0)]);
}

#[test]
fn every_cell_is_there_with_a_status_and_a_reason() {
    let samples = [sample(BackendName::Runc, 1, 1_000)];
    let summary = summarise(&record(false), &RunColumns::of(&samples));
    let found: Vec<_> =
        summary.cells.iter().map(|cell| (cell.cell.backend, cell.status, cell.reason.clone())).collect();
    assert_eq!(
        found,
        [
            (BackendName::Runc, CellStatus::Measured, None),
            (BackendName::Process, CellStatus::Pending, Some("the run has not come to it yet".to_owned())),
            (BackendName::Firecracker, CellStatus::Skipped, Some("no /dev/kvm".to_owned())),
        ]
    );
    assert!(!summary.complete);
    assert_eq!(summary.cells[0].metrics["total_ns"].ci95, None);
    assert_eq!(summary.cells[0].metrics["total_ns"].stddev, None);
}

#[test]
fn a_cell_that_was_given_up_is_not_measured() {
    let mut record = record(true);
    if let Some(end) = &mut record.ended {
        end.abandoned.push((cell(BackendName::Runc).id, "5 failures in a row".to_owned()));
    }
    let summary = summarise(&record, &RunColumns::of(&[sample(BackendName::Runc, 1, 1_000)]));
    assert_eq!(summary.cells[0].status, CellStatus::Failed);
    assert_eq!(summary.cells[0].reason.as_deref(), Some("5 failures in a row"));
    assert_eq!(summary.cells[0].samples_valid, 1);
    assert_eq!(summary.cells[1].status, CellStatus::Failed);
    assert_eq!(summary.cells[1].reason.as_deref(), Some("the run ended without a sample of it"));
}

#[test]
fn samples_of_different_classes_are_not_put_together() {
    let samples = [
        sample(BackendName::Runc, 1, 1_000),
        Sample { accuracy: Accuracy::Tcg, ..sample(BackendName::Runc, 2, 1_000) },
    ];
    let summary = summarise(&record(true), &RunColumns::of(&samples));
    assert_eq!(summary.cells[0].status, CellStatus::Failed);
    assert!(summary.cells[0].metrics.is_empty() && summary.cells[0].accuracy.is_none());
}

#[test]
fn samples_of_unknown_cells_are_counted_and_the_order_of_samples_does_not_matter() {
    let mut samples: Vec<Sample> = (1..=9).map(|index| sample(BackendName::Runc, index, index * 77)).collect();
    samples.push(sample(BackendName::Docker, 10, 5));
    let summary = summarise(&record(true), &RunColumns::of(&samples));
    samples.reverse();
    assert_eq!(summary, summarise(&record(true), &RunColumns::of(&samples)));
    assert_eq!(summary.samples_foreign, 1);
}

#[test]
fn the_json_of_a_cell_has_all_promised_keys() {
    let summary = summarise(&record(true), &RunColumns::of(&[sample(BackendName::Runc, 1, 1_000)]));
    let json = serde_json::to_value(&summary).unwrap();
    for cell in json["cells"].as_array().unwrap() {
        for key in [
            "benchmark",
            "backend",
            "factors",
            "status",
            "reason",
            "accuracy",
            "provenance",
            "samples_valid",
            "samples_failed",
            "metrics",
        ] {
            assert!(cell.get(key).is_some(), "{key} is missing");
        }
    }
    let total = &json["cells"][0]["metrics"]["total_ns"];
    for key in ["unit", "n", "min", "p50", "p90", "p99", "max", "mean", "stddev", "ci95"] {
        assert!(total.get(key).is_some(), "{key} is missing");
    }
    assert!(total["p99"].is_null());
    let factors = json["cells"][0]["factors"].as_object().unwrap();
    assert!(factors.values().all(|value| !value.is_object()), "factors are as a plan states them: {factors:?}");
}

#[test]
fn twenty_steps_of_the_clock_are_the_least_that_is_shown() {
    assert!(below_resolution(439.0, Some(22)));
    assert!(!below_resolution(440.0, Some(22)));
    assert!(!below_resolution(1.0, None));
}

#[test]
fn the_line_of_a_host_says_only_what_is_known() {
    let line = |host: Fingerprint| host_line(&host);
    assert_eq!(line(Fingerprint::default()), "host unknown");
    let known =
        Fingerprint { cpu_model: Some("Xeon".into()), hypervisor: Some("kvm".into()), ..Fingerprint::default() };
    assert_eq!(line(known.clone()), "Xeon (virtual machine: kvm)");
    assert_eq!(line(Fingerprint { cpu_count: 2, ..known.clone() }), "2 × Xeon (virtual machine: kvm)");
    assert_eq!(line(Fingerprint { cpu_model: None, ..known }), "virtual machine: kvm");
    assert_eq!(line(Fingerprint { cpu_count: 2, ..Fingerprint::default() }), "2 × processor unknown");
}
