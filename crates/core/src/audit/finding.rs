//! Findings: what the auditor says.

use super::series::Series;
use crate::cell::CellId;
use serde::{Deserialize, Serialize};

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

impl Weight {
    /// The word for it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Void => "void",
            Self::Suspect => "suspect",
            Self::Note => "note",
        }
    }
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
    /// What else it is about, where it stands for many of its kind: it concerns these numbers and no others.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub about: Vec<Subject>,
}

/// The numbers that a finding is about.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Subject {
    /// The cell; absent for all cells.
    pub cell: Option<CellId>,
    /// The metric; absent for all metrics.
    pub metric: Option<String>,
}

impl Subject {
    /// Whether a metric of a cell is among them.
    pub fn includes(&self, cell: &CellId, metric: &str) -> bool {
        self.cell.as_ref().is_none_or(|own| own == cell) && self.metric.as_ref().is_none_or(|own| own == metric)
    }

    /// Whether it is the whole run.
    pub fn is_whole_run(&self) -> bool {
        self.cell.is_none() && self.metric.is_none()
    }
}

impl Finding {
    /// What it is about: one cell, metric or the whole run, or many.
    pub fn subjects(&self) -> Vec<Subject> {
        let own = || vec![Subject { cell: self.cell.clone(), metric: self.metric.clone() }];
        if self.about.is_empty() { own() } else { self.about.clone() }
    }

    /// Whether it is about a metric of a cell.
    pub fn concerns(&self, cell: &CellId, metric: &str) -> bool {
        if self.about.is_empty() {
            return self.cell.as_ref().is_none_or(|own| own == cell)
                && self.metric.as_ref().is_none_or(|own| own == metric);
        }
        self.about.iter().any(|subject| subject.includes(cell, metric))
    }

    /// Whether it is about the whole run.
    pub fn is_of_whole_run(&self) -> bool {
        if self.about.is_empty() {
            return self.cell.is_none() && self.metric.is_none();
        }
        self.about.iter().any(Subject::is_whole_run)
    }

    /// A finding about the whole run; the rule's name is set by the auditor.
    pub(super) fn new(weight: Weight, message: impl Into<String>) -> Self {
        let message = message.into();
        Self { weight, rule: String::new(), cell: None, metric: None, message, evidence: Vec::new(), about: Vec::new() }
    }

    /// About a metric of a cell.
    pub(super) fn of(series: &Series<'_>, weight: Weight, message: impl Into<String>) -> Self {
        Self::new(weight, message).cell(&series.cell.id).metric(series.metric)
    }

    pub(super) fn cell(mut self, cell: &CellId) -> Self {
        self.cell = Some(cell.clone());
        self
    }

    pub(super) fn metric(mut self, metric: &str) -> Self {
        self.metric = Some(metric.to_owned());
        self
    }

    pub(super) fn because(mut self, line: impl Into<String>) -> Self {
        self.evidence.push(line.into());
        self
    }
}
