//! Made-up runs for the tests of rules: short to write, no file needed. `tests/audit_*.rs` use them as well.

use isodyne_core::audit::{Audited, Finding, Weight, audit};
use isodyne_core::calibration::{CALIBRATION_SCHEMA, CALIBRATION_VERSION, Calibration, Limit, LimitKind};
use isodyne_core::cell::{BackendName, BenchmarkName, Cell, CellId};
use isodyne_core::columns::RunColumns;
use isodyne_core::factor::{FactorValue, Factors};
use isodyne_core::failure::{Failure, FailureClass};
use isodyne_core::fingerprint::Fingerprint;
use isodyne_core::imported::{Claim, ImportRecord, Statistic};
use isodyne_core::ledger::Ledger;
use isodyne_core::plan::Plan;
use isodyne_core::record::{RUN_SCHEMA, RUN_VERSION, RunRecord};
use isodyne_core::sample::{Accuracy, Contamination, Provenance, Sample};
use std::collections::BTreeMap;

/// A run being made.
pub(crate) struct Made {
    pub record: RunRecord,
    pub samples: Vec<Sample>,
    pub calibration: Option<Calibration>,
    provenance: Provenance,
}

impl Made {
    fn new(provenance: Provenance) -> Self {
        let imported = (provenance == Provenance::Imported).then(|| ImportRecord {
            format: "test".to_owned(),
            facts: BTreeMap::from([("host".to_owned(), "a machine".to_owned())]),
            ..ImportRecord::default()
        });
        let record = RunRecord {
            schema: RUN_SCHEMA.to_owned(),
            version: RUN_VERSION,
            run_id: "00c0ffee".to_owned(),
            isodyne_version: "0.1.0".to_owned(),
            created_at: "2026-11-22T04:00:00Z".to_owned(),
            command: Vec::new(),
            plan: Plan { title: "test".to_owned(), samples: 6, ..Plan::default() },
            seed: 7,
            cells: Vec::new(),
            skipped: Vec::new(),
            backends: Vec::new(),
            fingerprint: Fingerprint { cpu_count: 2, clock_step_ns: Some(22), ..Fingerprint::default() },
            tools: Vec::new(),
            assets: Vec::new(),
            signals: Vec::new(),
            calibration: None,
            imported,
            shard: None,
            merged_from: Vec::new(),
            ended: None,
        };
        Self { record, samples: Vec::new(), calibration: None, provenance }
    }

    pub fn measured() -> Self {
        Self::new(Provenance::Measured)
    }

    pub fn imported() -> Self {
        Self::new(Provenance::Imported)
    }

    /// A cell with one factor `case`.
    pub fn cell(&mut self, name: &str) -> CellId {
        self.cell_with(BackendName::Imported, &[("case", FactorValue::Text(name.to_owned()))])
    }

    pub fn cell_with(&mut self, backend: BackendName, factors: &[(&str, FactorValue)]) -> CellId {
        let benchmark =
            if self.provenance == Provenance::Imported { BenchmarkName::Imported } else { BenchmarkName::Boot };
        let factors: Factors = factors.iter().map(|(key, value)| ((*key).to_owned(), value.clone())).collect();
        let id = CellId::new(benchmark, backend, &factors);
        self.record.cells.push(Cell { id: id.clone(), benchmark, backend, factors, variant: None });
        id
    }

    pub fn sample(&mut self, cell: &CellId, metrics: &[(&str, f64)]) -> &mut Sample {
        let round = self.samples.iter().filter(|sample| sample.cell == *cell).count() as u32;
        let sequence = self.samples.len() as u64;
        self.samples.push(Sample {
            cell: cell.clone(),
            sequence,
            round,
            warmup: false,
            started_at: String::new(),
            started_ns: sequence * 1_000_000_000,
            session: 0,
            provenance: self.provenance,
            accuracy: Accuracy::Process,
            failure: None,
            ledger: Ledger::default(),
            metrics: metrics.iter().map(|(name, value)| ((*name).to_owned(), *value)).collect(),
            contamination: Contamination::default(),
            proofs: vec!["nonce echoed".to_owned()],
            logs: Vec::new(),
        });
        let last = self.samples.len() - 1;
        &mut self.samples[last]
    }

    pub fn samples(&mut self, cell: &CellId, metric: &str, values: &[f64]) {
        for value in values {
            self.sample(cell, &[(metric, *value)]);
        }
    }

    pub fn failed(&mut self, cell: &CellId, class: FailureClass, metrics: &[(&str, f64)]) {
        self.sample(cell, metrics).failure = Some(Failure::new(class, "made to fail"));
    }

    pub fn claim(&mut self, cell: &CellId, metric: &str, statistic: Statistic, value: f64, n: Option<u64>) {
        self.claim_in(cell, metric, statistic, value, n, &format!("stats.{metric}"));
    }

    pub fn claim_in(
        &mut self,
        cell: &CellId,
        metric: &str,
        statistic: Statistic,
        value: f64,
        n: Option<u64>,
        field: &str,
    ) {
        let claim =
            Claim { cell: cell.clone(), metric: metric.to_owned(), statistic, value, n, field: field.to_owned() };
        self.record.imported.get_or_insert_default().claims.push(claim);
    }

    pub fn fact(&mut self, key: &str, value: &str) {
        self.record.imported.get_or_insert_default().facts.insert(key.to_owned(), value.to_owned());
    }

    pub fn limit(&mut self, name: &str, kind: LimitKind, best: f64) {
        let fingerprint = self.record.fingerprint.clone();
        let calibration = self.calibration.get_or_insert_with(|| Calibration {
            schema: CALIBRATION_SCHEMA.to_owned(),
            version: CALIBRATION_VERSION,
            measured_at: String::new(),
            fingerprint,
            limits: Vec::new(),
            skipped: Vec::new(),
        });
        calibration.limits.push(Limit {
            name: name.to_owned(),
            kind,
            typical: best,
            best,
            n: 9,
            method: String::new(),
        });
    }

    pub fn audit(&self) -> Vec<Finding> {
        let columns = RunColumns::of(&self.samples);
        audit(&Audited { record: &self.record, columns: &columns, calibration: self.calibration.as_ref() })
    }

    /// The worst that a rule says.
    pub fn says(&self, rule: &str) -> Option<Weight> {
        self.audit().into_iter().filter(|finding| finding.rule == rule).map(|finding| finding.weight).min()
    }
}

/// Deterministic noise around 1: `index`-th value of a log-normal-like scatter with about this coefficient of variation.
pub(crate) fn noise(index: usize, variation: f64) -> f64 {
    let mut random = fastrand::Rng::with_seed(0x5eed ^ (index as u64).wrapping_mul(0x9e37_79b9_7f4a_7c15));
    let sum: f64 = (0..12).map(|_| random.f64()).sum::<f64>() - 6.0;
    (sum * variation).exp()
}

/// `n` values around `centre` with about this coefficient of variation.
pub(crate) fn scattered(n: usize, centre: f64, variation: f64) -> Vec<f64> {
    (0..n).map(|index| centre * noise(index + (centre as usize), variation)).collect()
}

/// What a rule says of one metric of one imported cell.
pub(crate) fn said(rule: &str, metric: &str, values: &[f64]) -> Option<Weight> {
    let mut made = Made::imported();
    let cell = made.cell("a");
    made.samples(&cell, metric, values);
    made.says(rule)
}
