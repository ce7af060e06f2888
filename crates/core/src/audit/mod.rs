//! The auditor: rules that look for the ways in which numbers lie, over our own runs and other tools' files.

use crate::calibration::Calibration;
use crate::cell::CellId;
use crate::columns::RunColumns;
use crate::record::RunRecord;
use serde::{Deserialize, Serialize};

/// What is looked at.
#[derive(Clone, Copy)]
pub struct Audited<'a> {
    /// What the run set out to do, on what host, with what signals; for imported runs also what the file claims.
    pub record: &'a RunRecord,
    /// The samples.
    pub columns: &'a RunColumns,
    /// This host's limits, if they are known: those of the run, or else those of the same host.
    pub calibration: Option<&'a Calibration>,
}

/// How bad a finding is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Weight {
    /// The number cannot be true, or does not mean what its name says.
    Void,
    /// The number may be an artefact; somebody should look.
    Suspect,
    /// Worth knowing when the number is read.
    Note,
}

/// What the auditor says.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Finding {
    /// How bad.
    pub weight: Weight,
    /// The rule by its stable name: `beyond-ceiling`.
    pub rule: String,
    /// The cell it is about; absent if it is about the whole run.
    pub cell: Option<CellId>,
    /// The metric it is about.
    pub metric: Option<String>,
    /// One sentence: what was found, with its figures.
    pub message: String,
    /// The figures behind it, one line each.
    pub evidence: Vec<String>,
}
