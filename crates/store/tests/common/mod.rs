//! A small run to write.
#![allow(dead_code, reason = "not every test uses everything")]

use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::factor::Factors;
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::fingerprint::Fingerprint;
use isodyne_core::ledger::{Ledger, Milestone, MilestoneName, SignalName};
use isodyne_core::plan::Plan;
use isodyne_core::record::{RUN_SCHEMA, RUN_VERSION, RunRecord, SignalCost};
use isodyne_core::sample::{Accuracy, Contamination, Provenance, Sample};
use std::collections::BTreeMap;
use std::path::Path;
use tempfile::TempDir;

/// A directory in memory where there is one: these tests write to the disk thousands of times.
pub fn temporary() -> TempDir {
    let memory = Path::new("/dev/shm");
    tempfile::tempdir_in(memory).unwrap_or_else(|_| tempfile::tempdir().unwrap())
}

pub fn record() -> RunRecord {
    RunRecord {
        schema: RUN_SCHEMA.to_owned(),
        version: RUN_VERSION,
        run_id: "1a2b".to_owned(),
        isodyne_version: "0.1.0".to_owned(),
        created_at: "2026-11-22T04:12:33Z".to_owned(),
        command: vec!["isodyne".to_owned(), "run".to_owned(), "boot".to_owned()],
        plan: Plan {
            stop: None,
            title: "boot".to_owned(),
            samples: 3,
            warmup: 1,
            seed: Some(7),
            benchmarks: Vec::new(),
            ..Plan::default()
        },
        seed: 7,
        cells: vec![Cell {
            id: CellId("boot/runc".to_owned()),
            benchmark: BenchmarkName::Boot,
            backend: BackendName::Runc,
            factors: Factors::new(),
            variant: None,
        }],
        skipped: Vec::new(),
        backends: Vec::new(),
        fingerprint: Fingerprint::default(),
        tools: Vec::new(),
        assets: Vec::new(),
        signals: vec![SignalCost {
            signal: SignalName::Exit,
            resolution_ns: 1234.5,
            cost_ns: 0.1 + 0.2,
            method: "tried".to_owned(),
        }],
        shard: None,
        merged_from: Vec::new(),
        calibration: None,
        imported: None,
        ended: None,
    }
}

pub fn sample(sequence: u64) -> Sample {
    let mut ledger = Ledger::default();
    ledger.add(Milestone { name: MilestoneName::Spawned, at_ns: 1000, asked_ns: None, signal: SignalName::Exec });
    Sample {
        cell: CellId("boot/runc".to_owned()),
        sequence,
        round: sequence as u32,
        warmup: sequence == 0,
        started_at: "2026-11-22T04:12:34Z".to_owned(),
        started_ns: sequence * 1_000_000,
        session: 0,
        provenance: Provenance::Measured,
        accuracy: Accuracy::Container,
        failure: (sequence == 2).then(|| Failure {
            class: FailureClass::Timeout,
            message: "no hello — nach 5 s".to_owned(),
            hint: None,
            evidence: vec!["logs/2-runc.log".to_owned()],
        }),
        ledger,
        // Numbers that only come back the same if they are read exactly.
        metrics: BTreeMap::from([
            ("total_ns".to_owned(), 12_345_678.0),
            ("residue_ratio".to_owned(), 0.1 + 0.2 + sequence as f64 / 3.0),
        ]),
        contamination: Contamination { steal_ns: Some(0), load_1min: Some(0.57), ..Contamination::default() },
        proofs: vec!["nonce echoed".to_owned()],
        logs: vec![format!("logs/{sequence}-runc.console.log")],
    }
}
