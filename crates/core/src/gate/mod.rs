//! The gate: budgets, and the verdicts on them.

mod absolute;
mod discordance;
mod evaluate;
mod one_sided;
mod quantile_change;
mod relative;
pub mod selfcheck;
mod settings;
#[cfg(test)]
mod tests;

pub use evaluate::{default_budgets, evaluate, evaluate_with};
pub use settings::Settings;

use crate::cell::{CellId, UnknownName, named};
use crate::compare::{Direction, direction};
use crate::factor::Factors;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

named! {
    /// What the gate says of a budget or of a run.
    Verdict {
        /// The budget holds, surely.
        Pass = "pass",
        /// The budget is broken, surely.
        Fail = "fail",
        /// The samples cannot tell.
        Inconclusive = "inconclusive",
        /// There is nothing to hold it against, or nothing that may be held against it.
        NotComparable = "not_comparable",
    }
}

/// A limit that a metric must keep, as a plan or a file of budgets states it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Budget {
    /// Its name for people; made from the rest where the user gave none.
    pub name: String,
    /// The benchmark's name, or empty for all.
    pub benchmark: String,
    /// The metric with its unit in its name.
    pub metric: String,
    /// Which figure of it.
    pub figure: Figure,
    /// What it must keep.
    pub limit: Limit,
    /// Grades from the best to the worst: name and bound; the word for a figure beyond all of them is `below target`.
    pub grades: Vec<(String, f64)>,
    /// Only cells with these factors; `backend` and `variant` count as factors.
    pub when: Factors,
}

/// Which figure of a metric.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Figure {
    /// A quantile in (0, 1): `p50`, `p95`.
    Quantile(f64),
    /// The largest value.
    Max,
    /// The share of samples that failed.
    FailureShare,
}

/// What a figure must keep.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Limit {
    /// At most this, in the metric's unit.
    Ceiling(f64),
    /// At least this, in the metric's unit.
    Floor(f64),
    /// No worse than the stored run given with `--against` by more than this share.
    AgainstRun(f64),
    /// No worse than a variant of the same run (or what the plan states outside its variants, `base`) by more than this
    /// share.
    AgainstVariant {
        /// The variant's name.
        variant: String,
        /// The share.
        share: f64,
    },
}

impl Figure {
    /// As users write it: `p50`, `max`, `failures`.
    pub fn text(self) -> String {
        match self {
            Self::Quantile(q) => format!("p{}", (q * 1e6).round() / 1e4),
            Self::Max => "max".to_owned(),
            Self::FailureShare => "failures".to_owned(),
        }
    }
}

impl Budget {
    /// A verdict on this budget, with nothing but its words.
    fn verdict(&self, cell: &CellId, verdict: Verdict, words: String) -> BudgetVerdict {
        let worse = if direction(&self.metric) == Direction::LowerIsBetter { 1.0 } else { -1.0 };
        let allowed = match &self.limit {
            Limit::Ceiling(bound) | Limit::Floor(bound) => *bound,
            Limit::AgainstRun(share) | Limit::AgainstVariant { share, .. } => worse * *share,
        };
        BudgetVerdict {
            budget: self.name.clone(),
            cell: cell.clone(),
            metric: self.metric.clone(),
            figure: self.figure.text(),
            verdict,
            observed: None,
            observed_ci95: None,
            allowed,
            baseline: None,
            change: None,
            change_ci95: None,
            grade: None,
            minimum_detectable: None,
            samples_needed: None,
            words,
        }
    }
}

impl Limit {
    /// Whether it needs something to be held against.
    pub fn is_relative(&self) -> bool {
        matches!(self, Self::AgainstRun(_) | Self::AgainstVariant { .. })
    }
}

/// One budget on one cell.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct BudgetVerdict {
    /// The budget's name.
    pub budget: String,
    /// The cell.
    pub cell: CellId,
    /// The metric.
    pub metric: String,
    /// Which figure, as users write it (`p50`).
    pub figure: String,
    /// The verdict.
    pub verdict: Verdict,
    /// What was measured, in the metric's unit; `None` where n cannot carry it.
    pub observed: Option<f64>,
    /// Its interval of 95 %.
    pub observed_ci95: Option<[f64; 2]>,
    /// The bound in the metric's unit, or the allowed relative change.
    pub allowed: f64,
    /// What it was held against, in the metric's unit, for a relative budget.
    pub baseline: Option<f64>,
    /// The relative change, for a relative budget.
    pub change: Option<f64>,
    /// Its interval of 95 %.
    pub change_ci95: Option<[f64; 2]>,
    /// The grade, where the budget has grades.
    pub grade: Option<String>,
    /// The relative change that could have been seen here in 9 of 10 cases.
    pub minimum_detectable: Option<f64>,
    /// The number of samples or pairs that would have been enough for a verdict.
    pub samples_needed: Option<u64>,
    /// One sentence for people.
    pub words: String,
}

/// What `isodyne gate --json` prints.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct GateResult {
    /// Always `isodyne-gate`.
    pub schema: String,
    /// The format's version.
    pub version: u32,
    /// The run.
    pub run_id: String,
    /// The worst of all: fail, then not comparable, then inconclusive, then pass.
    pub verdict: Verdict,
    /// One for each budget and cell.
    pub verdicts: Vec<BudgetVerdict>,
    /// What holds for all of it.
    pub warnings: Vec<String>,
}
