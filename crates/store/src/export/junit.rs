//! JUnit XML of a run, without budgets: whether its numbers are there and can be believed, for CI that shows test cases.
//!
//! A case a cell for its samples, a case a cell and metric for what the auditor says of the number, and two of the run.

use super::{ExportError, Source};
use isodyne_core::audit::{Audited, Finding, Weight, audit};
use isodyne_core::junit::{Case, Outcome, Suite};
use isodyne_core::summary::{CellStatus, CellSummary, MetricSummary, is_below_resolution};
use isodyne_core::unit::{display_metric, is_divided, unit_of_metric};
use std::collections::BTreeSet;
use std::io::Write;

/// The class of the cases that are about the run as a whole.
const RUN: &str = "run";
/// So many failures of a cell are shown with their messages.
const MESSAGES: usize = 20;

/// Writes it.
pub(super) fn write(source: &Source<'_>, out: &mut dyn Write) -> Result<Vec<String>, ExportError> {
    let (record, selection) = (source.record, source.selection);
    let cells: Vec<&CellSummary> =
        source.summary.cells.iter().filter(|cell| selection.takes_cell(cell.cell.id.as_str())).collect();
    if let (Some(text), true) = (&selection.cell, cells.is_empty()) {
        return Err(ExportError::Nothing(format!("no cell has `{}` in its id", text.escape_debug())));
    }
    let takes = |name: &String| selection.takes_metric(name);
    if selection.metric.is_some() && !cells.iter().any(|cell| cell.metrics.keys().any(takes)) {
        return Err(source.no_metric());
    }
    let findings = audit(&Audited { record, columns: source.columns, calibration: record.calibration.as_ref() });
    let mut said = BTreeSet::new();
    let mut cases = Vec::new();
    for cell in cells {
        cases.push(samples(source, cell));
        for (name, figures) in cell.metrics.iter().filter(|(name, _)| takes(name)) {
            let about: Vec<usize> =
                (0..findings.len()).filter(|place| concerns(&findings[*place], cell, name)).collect();
            said.extend(about.iter().copied());
            let about: Vec<&Finding> = about.into_iter().map(|place| &findings[place]).collect();
            cases.push(metric(source, cell, name, figures, &about));
        }
    }
    // What is selected must not hide what is said of the rest, and a void of no number shown must not be lost.
    let whole = selection.cell.is_none() && selection.metric.is_none();
    let rest: Vec<&Finding> = findings
        .iter()
        .enumerate()
        .filter(|(place, finding)| !said.contains(place) && (whole || finding.cell.is_none()))
        .map(|(_, finding)| finding)
        .collect();
    cases.push(audited(&findings, &rest));
    cases.push(ended(source));
    let properties = [
        ("title", record.plan.title.as_str()),
        ("host", &source.summary.host),
        ("isodyne_version", &record.isodyne_version),
        ("seed", &record.seed.to_string()),
    ];
    let suite = Suite {
        title: "isodyne run".to_owned(),
        name: format!("run {}", record.run_id),
        timestamp: record.created_at.clone(),
        properties: properties.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec(),
        cases,
        remarks: String::new(),
    };
    out.write_all(suite.to_xml().as_bytes())?;
    Ok(Vec::new())
}

/// Whether a finding is about this number, or about all of the run.
fn concerns(finding: &Finding, cell: &CellSummary, metric: &str) -> bool {
    finding.concerns(&cell.cell.id, metric)
        // What is no void and about the whole run stands once, not beside each number.
        && (finding.weight == Weight::Void || !finding.is_of_whole_run())
}

/// Whether a cell has its samples.
fn samples(source: &Source<'_>, cell: &CellSummary) -> Case {
    let reason = || match (&cell.reason, &cell.hint) {
        (Some(reason), Some(hint)) => format!("{reason}: {hint}"),
        (Some(reason), None) => reason.clone(),
        _ => "no reason is known".to_owned(),
    };
    let failed: u64 = cell.samples_failed.values().sum();
    let outcome = match cell.status {
        CellStatus::Skipped => Outcome::Skipped { message: reason() },
        CellStatus::Pending => {
            Outcome::Error { kind: "pending".to_owned(), message: "the run has not come to it yet".to_owned() }
        }
        _ if failed > 0 => {
            let classes: Vec<String> =
                cell.samples_failed.iter().map(|(class, count)| format!("{count} {class}")).collect();
            let most = cell.samples_failed.iter().max_by_key(|(_, count)| **count);
            let all = failed + cell.samples_valid;
            let mut message = format!("{failed} of {all} samples failed: {}", classes.join(", "));
            if cell.status == CellStatus::Failed {
                message.push_str(&format!("; {}", reason()));
            }
            let kind = most.map_or_else(|| "failed".to_owned(), |(class, _)| class.to_string());
            Outcome::Failure { kind, message, detail: messages(source, cell) }
        }
        CellStatus::Failed => Outcome::Failure { kind: "failed".to_owned(), message: reason(), detail: String::new() },
        CellStatus::Measured => Outcome::Passed,
    };
    let remarks = match cell.status {
        CellStatus::Skipped | CellStatus::Pending => String::new(),
        _ => format!("{} valid, {failed} failed, {} warm-up", cell.samples_valid, cell.samples_warmup),
    };
    Case { class: cell.cell.id.to_string(), name: "samples".to_owned(), time_ns: None, outcome, remarks }
}

/// The first failures of a cell, a line each.
fn messages(source: &Source<'_>, cell: &CellSummary) -> String {
    let Some(columns) = source.columns.cells.get(&cell.cell.id) else { return String::new() };
    let rows = columns.failures.iter().filter_map(|(row, failure)| Some((columns.rows.get(*row)?, failure)));
    let failed = rows.filter(|(row, _)| row.is_failed() && !row.warmup);
    let lines: Vec<String> =
        failed.take(MESSAGES).map(|(row, failure)| format!("sample {}: {failure}", row.sequence)).collect();
    lines.join("\n")
}

/// Whether a number can be believed, with its figures.
fn metric(source: &Source<'_>, cell: &CellSummary, name: &str, figures: &MetricSummary, about: &[&Finding]) -> Case {
    // A share of a span is no time that a test case took.
    let is_time = unit_of_metric(name) == "ns" && !is_divided(name);
    let shown = |value: f64| {
        if is_below_resolution(name, value, source.summary.clock_step_ns) {
            "below resolution".to_owned()
        } else {
            display_metric(name, value)
        }
    };
    let mut remarks = vec![match figures.ci95 {
        Some([low, high]) => {
            format!("p50 {} (95 %: {} to {}), n = {}", shown(figures.p50), shown(low), shown(high), figures.n)
        }
        None => format!("p50 {}, n = {}, which carries no interval", shown(figures.p50), figures.n),
    }];
    if let Some(provenance) = cell.provenance.map(|provenance| provenance.as_str()).filter(|name| *name != "measured") {
        remarks.push(format!("{provenance}, not measured by this program"));
    }
    let (void, other): (Vec<&Finding>, Vec<&Finding>) =
        about.iter().partition(|finding| finding.weight == Weight::Void);
    remarks.extend(other.into_iter().map(line));
    Case {
        class: cell.cell.id.to_string(),
        name: name.to_owned(),
        time_ns: is_time.then_some(figures.p50),
        outcome: verdict(&void),
        remarks: remarks.join("\n"),
    }
}

/// What the auditor says that stands beside no number.
fn audited(findings: &[Finding], rest: &[&Finding]) -> Case {
    let (void, other): (Vec<&Finding>, Vec<&Finding>) = rest.iter().partition(|finding| finding.weight == Weight::Void);
    let count = |weight| findings.iter().filter(|finding| finding.weight == weight).count();
    let mut remarks = vec![format!(
        "{} void, {} suspect, {} notes in the whole run",
        count(Weight::Void),
        count(Weight::Suspect),
        count(Weight::Note)
    )];
    remarks.extend(other.into_iter().map(line));
    let (class, name) = (RUN.to_owned(), "audit".to_owned());
    Case { class, name, time_ns: None, outcome: verdict(&void), remarks: remarks.join("\n") }
}

/// A failure if anything is void.
fn verdict(void: &[&Finding]) -> Outcome {
    let Some(first) = void.first() else { return Outcome::Passed };
    let lines: Vec<String> = void
        .iter()
        .flat_map(|finding| {
            std::iter::once(line(finding)).chain(finding.evidence.iter().map(|line| format!("  {line}")))
        })
        .collect();
    Outcome::Failure { kind: "void".to_owned(), message: line(first), detail: lines.join("\n") }
}

fn line(finding: &Finding) -> String {
    format!("{} ({}): {}", finding.weight.as_str(), finding.rule, finding.message)
}

/// Whether the run ended, and left nothing behind.
fn ended(source: &Source<'_>) -> Case {
    let survivors = &source.summary.survivors;
    let outcome = if !survivors.is_empty() {
        let message = format!("{} things survived the run", survivors.len());
        Outcome::Failure { kind: "survivors".to_owned(), message, detail: survivors.join("\n") }
    } else if !source.summary.complete {
        let message = "the run has not ended: its figures are of the samples that are there".to_owned();
        Outcome::Error { kind: "incomplete".to_owned(), message }
    } else {
        Outcome::Passed
    };
    Case { class: RUN.to_owned(), name: "ended".to_owned(), time_ns: None, outcome, remarks: String::new() }
}

#[cfg(test)]
mod tests;
