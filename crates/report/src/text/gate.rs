//! The gate's verdicts as a terminal shows them.

use super::{Style, paragraph};
use crate::escape::plain;
use isodyne_core::gate::{BudgetVerdict, GateResult, Verdict};

/// One line for each budget and cell, then what holds for all of it.
pub fn gate_table(result: &GateResult, style: Style) -> String {
    let words = result.verdicts.iter().map(|verdict| word(verdict.verdict).chars().count()).max().unwrap_or(0);
    let names = result.verdicts.iter().map(|verdict| name(verdict).chars().count()).max().unwrap_or(0).min(44);
    let mut lines = Vec::new();
    for verdict in &result.verdicts {
        let first = format!("{:words$}  {:names$}  ", word(verdict.verdict), name(verdict));
        let grade = verdict.grade.as_ref().map(|grade| format!(" [{}]", plain(grade))).unwrap_or_default();
        let text = format!("{}{grade}", plain(&verdict.words));
        // A name that is too long has a line of its own.
        let mut own = if name(verdict).chars().count() > names || first.chars().count() > style.columns() / 2 {
            let indent = format!("{:words$}  ", "");
            let mut own = vec![first.trim_end().to_owned()];
            own.extend(paragraph(&indent, &text, style.columns()));
            own
        } else {
            paragraph(&first, &text, style.columns())
        };
        if let Some(line) = own.first_mut() {
            *line = painted(line, verdict.verdict, style);
        }
        lines.extend(own);
    }
    for warning in &result.warnings {
        lines.extend(paragraph("warning: ", &plain(warning), style.columns()).iter().map(|line| style.warning(line)));
    }
    lines.push(painted(word(result.verdict), result.verdict, style) + &format!(": {}", counts(result)));
    lines.push(String::new());
    lines.join("\n")
}

/// The word for a verdict; the bad one is loud.
pub(crate) fn word(verdict: Verdict) -> &'static str {
    match verdict {
        Verdict::Pass => "pass",
        Verdict::Fail => "FAIL",
        Verdict::Inconclusive => "inconclusive",
        Verdict::NotComparable => "not comparable",
    }
}

/// What is judged: the cell and the figure, and the metric where it is not the total; without a cell the budget.
pub(crate) fn name(verdict: &BudgetVerdict) -> String {
    if verdict.cell.as_str().is_empty() {
        return plain(&verdict.budget);
    }
    let metric = if verdict.metric == "total_ns" { String::new() } else { format!(" {}", verdict.metric) };
    plain(&format!("{}{metric} {}", verdict.cell, verdict.figure))
}

/// `2 fail, 1 inconclusive, 4 pass`.
pub(crate) fn counts(result: &GateResult) -> String {
    let count = |wanted: Verdict| result.verdicts.iter().filter(|verdict| verdict.verdict == wanted).count();
    let all = [
        (count(Verdict::Fail), "fail"),
        (count(Verdict::NotComparable), "not comparable"),
        (count(Verdict::Inconclusive), "inconclusive"),
        (count(Verdict::Pass), "pass"),
    ];
    let list: Vec<String> =
        all.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
    if list.is_empty() { "no budget".to_owned() } else { list.join(", ") }
}

fn painted(line: &str, verdict: Verdict, style: Style) -> String {
    let word = word(verdict);
    let Some(rest) = line.strip_prefix(word) else { return line.to_owned() };
    let shown = match verdict {
        Verdict::Pass => style.strong(word),
        Verdict::Fail => style.bad(word),
        Verdict::Inconclusive | Verdict::NotComparable => style.warning(word),
    };
    format!("{shown}{rest}")
}
