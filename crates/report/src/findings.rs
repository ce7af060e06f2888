//! What the auditor says of a run, found by the number that it concerns.

use isodyne_core::audit::{Audited, Finding, Weight, audit_with};
use isodyne_core::cell::CellId;
use isodyne_core::columns::RunColumns;
use isodyne_core::record::RunRecord;
use isodyne_core::runner::Runner;
use isodyne_core::sample::Provenance;

/// The findings of a run, the worst first.
#[derive(Debug, Default)]
pub(crate) struct Findings {
    /// All of them.
    pub list: Vec<Finding>,
    /// Whether none was looked for, because values are scripted.
    pub scripted: bool,
}

impl Findings {
    /// Audits a run. That one is scripted stands in large letters above it, and says more than any finding.
    pub fn of(record: &RunRecord, columns: &RunColumns, runner: Runner<'_>) -> Self {
        let mut rows = columns.cells.values().flat_map(|cell| &cell.rows);
        if rows.any(|row| row.provenance == Provenance::Scripted) {
            return Self { list: Vec::new(), scripted: true };
        }
        let list = audit_with(&Audited { record, columns, calibration: record.calibration.as_ref() }, runner);
        Self { list, scripted: false }
    }

    /// What concerns a metric of a cell, with its place in the list. What is said of the whole run is not among it,
    /// unless it voids the number.
    pub fn about<'a>(&'a self, cell: &'a CellId, metric: &'a str) -> impl Iterator<Item = (usize, &'a Finding)> {
        self.list.iter().enumerate().filter(move |(_, finding)| {
            finding.concerns(cell, metric) && (!finding.is_of_whole_run() || finding.weight == Weight::Void)
        })
    }

    /// Whether a number cannot be believed.
    pub fn is_void(&self, cell: &CellId, metric: &str) -> bool {
        self.list.iter().any(|finding| finding.weight == Weight::Void && finding.concerns(cell, metric))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn finding(weight: Weight, cell: Option<&str>, metric: Option<&str>) -> Finding {
        Finding {
            weight,
            rule: "rule".to_owned(),
            cell: cell.map(|cell| CellId(cell.to_owned())),
            metric: metric.map(str::to_owned),
            message: "message".to_owned(),
            evidence: Vec::new(),
            about: Vec::new(),
        }
    }

    #[test]
    fn a_finding_stands_beside_the_numbers_that_it_concerns_and_no_others() {
        let findings = Findings {
            list: vec![
                finding(Weight::Void, Some("boot/runc"), Some("total_ns")),
                finding(Weight::Suspect, Some("boot/crun"), None),
                finding(Weight::Note, None, Some("cpu_ns")),
                finding(Weight::Note, None, None),
            ],
            scripted: false,
        };
        let about = |cell: &str, metric: &str| -> Vec<usize> {
            findings.about(&CellId(cell.to_owned()), metric).map(|(index, _)| index).collect()
        };
        assert_eq!(about("boot/runc", "total_ns"), [0]);
        assert_eq!(about("boot/runc", "stop_ns"), Vec::<usize>::new());
        assert_eq!(about("boot/crun", "cpu_ns"), [1, 2]);
        assert!(findings.is_void(&CellId("boot/runc".to_owned()), "total_ns"));
        assert!(!findings.is_void(&CellId("boot/crun".to_owned()), "total_ns"));
    }
}
