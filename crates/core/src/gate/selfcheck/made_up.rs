//! Runs whose samples are made up, and say so.

use crate::cell::{BackendName, BenchmarkName, Cell, CellId};
use crate::columns::{CellColumns, Row, RunColumns};
use crate::compare::{BASE, ComparedRun};
use crate::factor::Factors;
use crate::fingerprint::Fingerprint;
use crate::plan::Plan;
use crate::record::{RUN_SCHEMA, RUN_VERSION, RunEnd, RunRecord};
use crate::sample::{Accuracy, Provenance};

/// A run of one benchmark in several variants whose samples are made up; their provenance is `scripted`.
#[derive(Clone, Debug)]
pub struct MadeUp {
    /// The run.
    pub record: RunRecord,
    /// Its samples.
    pub columns: RunColumns,
}

/// The values of one metric, with its name.
pub type Series = (String, Vec<f64>);

impl MadeUp {
    /// A run of variants by name (`base` is the one without), each with its metrics, whose values are in the order of the
    /// rounds.
    pub fn variants(variants: &[(&str, Vec<Series>)]) -> Self {
        let (mut cells, mut columns) = (Vec::new(), RunColumns::default());
        for (place, (name, metrics)) in variants.iter().enumerate() {
            let rounds = metrics.iter().map(|(_, values)| values.len()).max().unwrap_or_default();
            let rows = (0..rounds).map(|round| row(round, round * variants.len() + place)).collect();
            let metrics = metrics.iter().cloned().collect();
            let cell = cell(Some(*name).filter(|name| *name != BASE));
            columns.cells.insert(cell.id.clone(), CellColumns { rows, metrics, ..CellColumns::default() });
            cells.push(cell);
        }
        Self { record: record(cells), columns }
    }

    /// As the gate wants it.
    pub fn compared(&self) -> ComparedRun<'_> {
        ComparedRun { name: "synthetic", record: &self.record, columns: &self.columns }
    }
}

fn row(round: usize, sequence: usize) -> Row {
    Row {
        sequence: sequence as u64,
        started_ns: sequence as u64 * 100_000_000,
        round: round as u32,
        session: 0,
        warmup: false,
        failure: None,
        accuracy: Accuracy::Process,
        provenance: Provenance::Scripted,
    }
}

pub(super) fn cell(variant: Option<&str>) -> Cell {
    let base = CellId::new(BenchmarkName::Boot, BackendName::Scripted, &Factors::new());
    Cell {
        id: variant.map_or_else(|| base.clone(), |variant| base.of_variant(variant)),
        benchmark: BenchmarkName::Boot,
        backend: BackendName::Scripted,
        factors: Factors::new(),
        variant: variant.map(str::to_owned),
    }
}

/// A run of these cells that ended well, about which nothing else is known.
pub(crate) fn record(cells: Vec<Cell>) -> RunRecord {
    RunRecord {
        schema: RUN_SCHEMA.to_owned(),
        version: RUN_VERSION,
        run_id: "synthetic".to_owned(),
        isodyne_version: env!("CARGO_PKG_VERSION").to_owned(),
        created_at: String::new(),
        command: Vec::new(),
        plan: Plan::default(),
        seed: 0,
        cells,
        skipped: Vec::new(),
        backends: Vec::new(),
        fingerprint: Fingerprint::default(),
        tools: Vec::new(),
        assets: Vec::new(),
        signals: Vec::new(),
        shard: None,
        merged_from: Vec::new(),
        calibration: None,
        imported: None,
        ended: Some(RunEnd { at: String::new(), survivors: Vec::new(), abandoned: Vec::new(), stop: None }),
    }
}
