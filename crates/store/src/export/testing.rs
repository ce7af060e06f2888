//! A small run to export.

use super::{Selection, Source, Writer, find};
use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::columns::RunColumns;
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::ledger::Ledger;
use isodyne_core::record::RunRecord;
use isodyne_core::sample::{Accuracy, Contamination, Provenance, Sample};
use isodyne_core::summary::summarise;

/// Two cells with fifteen valid samples each and a warm-up, one of them with failures; and one cell that only failed.
pub(crate) struct Example {
    pub record: RunRecord,
    pub samples: Vec<Sample>,
}

impl Example {
    pub fn new() -> Self {
        let record: serde_json::Value = serde_json::json!({
            "schema": "isodyne-run", "version": 1, "run_id": "0123456789abcdef", "isodyne_version": "0.1.0",
            "created_at": "2026-01-29T12:00:00Z", "command": ["isodyne", "run"], "plan": isodyne_core::plan::Plan::default(),
            "seed": 1, "cells": [], "skipped": [], "backends": [], "fingerprint": isodyne_core::fingerprint::Fingerprint::default(),
            "tools": [], "assets": [], "signals": []
        });
        let mut record: RunRecord = serde_json::from_value(record).unwrap();
        let cell = |backend, factors: Factors| Cell {
            id: CellId::new(BenchmarkName::Boot, backend, &factors),
            benchmark: BenchmarkName::Boot,
            backend,
            factors,
            variant: None,
        };
        let factors = Factors::from([
            ("memory".to_owned(), FactorValue::Bytes(128 << 20)),
            ("machine".to_owned(), FactorValue::Text("say \"hi\", now\\".to_owned())),
        ]);
        record.cells = vec![
            cell(BackendName::Runc, Factors::new()),
            cell(BackendName::Qemu, factors),
            cell(BackendName::Crun, Factors::new()),
        ];
        let mut samples = Vec::new();
        for round in 0..16 {
            for (place, cell) in record.cells.iter().enumerate() {
                let value = 20_000_000.0 + f64::from(round) * 12_345.0 + place as f64 * 1e8;
                samples.push(sample(cell, samples.len() as u64, round, Some(value)));
                let failed = place == 2 || (place == 0 && round == 7);
                if failed && (place == 0 || round == 3) {
                    let mut failed = sample(cell, samples.len() as u64, round, Some(9e9));
                    failed.failure = Some(Failure::new(FailureClass::Timeout, "no answer\nwithin 9 s"));
                    samples.push(failed);
                }
            }
        }
        let crun = record.cells[2].id.clone();
        samples.retain(|sample| sample.cell != crun || sample.failure.is_some());
        Self { record, samples }
    }

    /// The export as text.
    pub fn export(&self, format: &str, selection: &Selection) -> String {
        String::from_utf8(self.export_with_notes(format, selection).0).unwrap()
    }

    /// The export with what was left out.
    pub fn export_with_notes(&self, format: &str, selection: &Selection) -> (Vec<u8>, Vec<String>) {
        let mut out = Vec::new();
        let notes = match find(format).unwrap().writer {
            Writer::Columns(write) => {
                let columns = RunColumns::of(&self.samples);
                let summary = summarise(&self.record, &columns);
                let source = Source { record: &self.record, columns: &columns, summary: &summary, selection };
                write(&source, &mut out)
            }
            Writer::Samples(write) => {
                write(&self.record, selection, &mut self.samples.iter().cloned().map(Ok), &mut out)
            }
            Writer::Feature(feature) => panic!("built without {feature}"),
        };
        (out, notes.unwrap())
    }

    /// The valid values of a cell by its place, in their order.
    pub fn values(&self, place: usize, metric: &str) -> Vec<f64> {
        let id = &self.record.cells[place].id;
        let samples = self.samples.iter().filter(|sample| sample.counts() && sample.cell == *id);
        samples.map(|sample| sample.metrics[metric]).collect()
    }
}

fn sample(cell: &Cell, sequence: u64, round: u32, total_ns: Option<f64>) -> Sample {
    Sample {
        cell: cell.id.clone(),
        sequence,
        round,
        warmup: round == 0,
        started_at: "2026-01-29T12:00:00Z".to_owned(),
        started_ns: sequence * 1_000_000_000,
        session: 0,
        provenance: Provenance::Measured,
        accuracy: Accuracy::Container,
        failure: None,
        ledger: Ledger::default(),
        metrics: total_ns
            .map(|value| {
                [("total_ns".to_owned(), value), ("peak_memory_bytes".to_owned(), 4096.0 * (value / 1e6).floor())]
            })
            .into_iter()
            .flatten()
            .collect(),
        contamination: Contamination::default(),
        proofs: vec!["nonce echoed".to_owned()],
        logs: Vec::new(),
    }
}
