//! Verdicts and comparisons as Markdown, for a pull request.

use crate::markdown::{code, text};
use crate::text::comparison::{signed, signed_interval, word};
use crate::text::gate::{counts, word as verdict_word};
use crate::value::NONE;
use isodyne_core::compare::Comparison;
use isodyne_core::gate::{BudgetVerdict, GateResult, Verdict};
use isodyne_core::unit::display_metric;
use std::fmt::Write;

/// The gate's verdicts: what broke first, the rest to unfold.
pub fn gate_markdown(result: &GateResult) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "### Isodyne gate: {}\n", verdict_word(result.verdict));
    let _ = writeln!(out, "{}, run {}\n", counts(result), code(&result.run_id));
    out.push_str("| verdict | cell | figure | before | now | change | 95 % interval | budget | grade |\n");
    out.push_str("|:--|:--|:--|--:|--:|--:|--:|--:|:--|\n");
    for verdict in &result.verdicts {
        row(&mut out, verdict);
    }
    out.push('\n');
    for verdict in result.verdicts.iter().filter(|verdict| verdict.verdict != Verdict::Pass) {
        let _ = writeln!(
            out,
            "- **{}** {}: {}",
            verdict_word(verdict.verdict),
            text(&verdict.budget),
            text(&verdict.words)
        );
    }
    for warning in &result.warnings {
        let _ = writeln!(out, "- warning: {}", text(warning));
    }
    out
}

fn row(out: &mut String, verdict: &BudgetVerdict) {
    let value = |value: Option<f64>| {
        let share = verdict.figure == "failures";
        let shown =
            |value| if share { format!("{:.1} %", value * 100.0) } else { display_metric(&verdict.metric, value) };
        value.map_or_else(|| NONE.to_owned(), shown)
    };
    let relative = verdict.change.is_some() || verdict.baseline.is_some();
    let interval = if relative {
        signed_interval(verdict.change_ci95)
    } else {
        verdict
            .observed_ci95
            .map_or_else(|| NONE.to_owned(), |[low, high]| format!("{} to {}", value(Some(low)), value(Some(high))))
    };
    let allowed = match (relative, verdict.verdict) {
        (true, _) => signed(verdict.allowed),
        (false, Verdict::NotComparable) => NONE.to_owned(),
        (false, _) => value(Some(verdict.allowed)),
    };
    let _ = writeln!(
        out,
        "| {} | {} | {} | {} | {} | {} | {interval} | {allowed} | {} |",
        verdict_word(verdict.verdict),
        text(verdict.cell.as_str()),
        text(&format!("{} {}", verdict.metric, verdict.figure)),
        value(verdict.baseline),
        value(verdict.observed),
        verdict.change.map_or_else(|| NONE.to_owned(), signed),
        verdict.grade.as_deref().map_or_else(|| NONE.to_owned(), text),
    );
}

/// A comparison.
pub fn comparison_markdown(comparison: &Comparison) -> String {
    let mut out = String::new();
    let _ = writeln!(out, "### Isodyne: {} → {}\n", text(&comparison.baseline), text(&comparison.candidate));
    for cell in &comparison.cells {
        let _ = writeln!(out, "**{}**: {}\n", text(cell.candidate.as_str()), text(&cell.words));
        out.push_str(
            "| metric | before | after | change | 95 % interval | n | verdict |\n|:--|--:|--:|--:|--:|--:|:--|\n",
        );
        for one in &cell.metrics {
            let _ = writeln!(
                out,
                "| {} | {} | {} | {} | {} | {} | {} |",
                text(&one.metric),
                display_metric(&one.metric, one.baseline_p50),
                display_metric(&one.metric, one.candidate_p50),
                signed(one.change),
                signed_interval(one.change_ci95),
                one.n,
                word(one.verdict),
            );
        }
        out.push('\n');
        for reason in &cell.incomparable {
            let _ = writeln!(out, "- not comparable: {}", text(reason));
        }
    }
    for warning in &comparison.warnings {
        let _ = writeln!(out, "- warning: {}", text(warning));
    }
    for unmatched in &comparison.unmatched {
        let _ = writeln!(out, "- not compared: {}", text(unmatched));
    }
    out
}
