//! The gate's verdicts as JUnit XML: a test case for each budget and cell, for any CI that reads it.
//!
//! `fail` is a failure; `inconclusive` and `not comparable` are errors, because neither may look like a pass.

use isodyne_core::gate::{BudgetVerdict, GateResult, Verdict};
use isodyne_core::junit::{Case, Outcome, Suite};

/// The verdicts as one JUnit test suite.
pub fn junit(result: &GateResult) -> String {
    let properties = [("schema", result.schema.as_str()), ("verdict", result.verdict.as_str())];
    let suite = Suite {
        title: "isodyne gate".to_owned(),
        name: format!("run {}", result.run_id),
        timestamp: String::new(),
        properties: properties.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        cases: result.verdicts.iter().map(case).collect(),
        remarks: result.warnings.join("\n"),
    };
    suite.to_xml()
}

fn case(verdict: &BudgetVerdict) -> Case {
    let cell = if verdict.cell.as_str().is_empty() { "no cell" } else { verdict.cell.as_str() };
    let (kind, message) = (verdict.verdict.as_str().to_owned(), verdict.words.clone());
    let (outcome, remarks) = match verdict.verdict {
        Verdict::Pass => (Outcome::Passed, message),
        Verdict::Fail => (Outcome::Failure { kind, message, detail: String::new() }, String::new()),
        Verdict::Inconclusive | Verdict::NotComparable => (Outcome::Error { kind, message }, String::new()),
    };
    Case { class: cell.to_owned(), name: verdict.budget.clone(), time_ns: None, outcome, remarks }
}
