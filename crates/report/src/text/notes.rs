//! What must be said beside a table so that nobody believes too much of it.

use super::{Style, paragraph};
use crate::escape::plain;
use crate::prepared::{Prepared, ShownCell};
use crate::value::count;
use isodyne_core::stats::{STALL_FACTOR, carries_upper_bound, samples_needed};
use isodyne_core::summary::CellStatus;
use std::collections::{BTreeMap, BTreeSet};

/// How serious a note is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Weight {
    /// Worth knowing.
    Note,
    /// A part is missing.
    Warning,
    /// Something went wrong.
    Bad,
}

/// The notes as lines of a terminal.
pub(super) fn notes(run: &Prepared<'_>, style: Style) -> Vec<String> {
    let mut lines = vec![String::new()];
    for (weight, text) in sentences(run) {
        for line in paragraph("  ", &text, style.columns()) {
            lines.push(match weight {
                Weight::Note => style.quiet(&line),
                Weight::Warning => style.warning(&line),
                Weight::Bad => style.bad(&line),
            });
        }
    }
    if lines.len() == 1 { Vec::new() } else { lines }
}

/// The notes as plain sentences, the worst first.
pub(crate) fn sentences(run: &Prepared<'_>) -> Vec<(Weight, String)> {
    let summary = run.view.summary;
    let mut out = Vec::new();
    for survivor in &summary.survivors {
        out.push((Weight::Bad, format!("survived the run: {}", plain(survivor))));
    }
    if summary.samples_foreign > 0 {
        let found = count(summary.samples_foreign, "sample");
        out.push((Weight::Bad, format!("{found} of cells that this run does not have: not shown.")));
    }
    for cell in &run.cells {
        out.extend(failures(cell));
    }
    if !summary.complete {
        out.push((
            Weight::Warning,
            "unfinished: the run has not ended; the figures are of what is there. `isodyne run … --resume` goes on."
                .to_owned(),
        ));
        for cell in run.cells.iter().filter(|cell| cell.summary.status == CellStatus::Pending) {
            out.push((Weight::Warning, format!("{}: the run has not come to it yet.", cell.label)));
        }
    }
    let skipped: Vec<String> = run
        .skipped()
        .map(|cell| format!("{} ({})", cell.label, plain(cell.summary.reason.as_deref().unwrap_or("no reason given"))))
        .collect();
    if !skipped.is_empty() {
        out.push((Weight::Warning, format!("skipped: {}", skipped.join(", "))));
    }
    for cell in run.with_total() {
        let Some(total) = cell.total().filter(|total| total.stalls > 0) else { continue };
        out.push((
            Weight::Warning,
            format!(
                "{}: {} of {} totals {} more than {STALL_FACTOR} × the median: a stall.",
                cell.label,
                total.stalls,
                total.n,
                if total.stalls == 1 { "is" } else { "are" },
            ),
        ));
    }
    out.extend(quantiles(run).into_iter().map(|text| (Weight::Note, text)));
    out
}

fn failures(cell: &ShownCell<'_>) -> Vec<(Weight, String)> {
    let mut out = Vec::new();
    if cell.summary.status == CellStatus::Failed {
        let reason = plain(cell.summary.reason.as_deref().unwrap_or("no reason given"));
        out.push((Weight::Bad, format!("{} failed: {reason}.", cell.label)));
    }
    // The first of each class tells enough here; the report lists all.
    let mut classes = BTreeMap::new();
    for failure in cell.samples.iter().filter(|sample| !sample.warmup).filter_map(|sample| sample.failure.as_ref()) {
        classes.entry(failure.class).or_insert(failure);
    }
    for (class, first) in classes {
        let number = cell.summary.samples_failed.get(&class).copied().unwrap_or(0);
        let evidence = first.evidence.first().map(|file| format!(" · {}", plain(file))).unwrap_or_default();
        let text = format!("{}: {number} failed: {class} ({}){evidence}", cell.label, plain(&first.message));
        out.push((Weight::Bad, text));
    }
    out
}

/// Which figures are missing because n cannot carry them.
fn quantiles(run: &Prepared<'_>) -> Vec<String> {
    let sizes: BTreeSet<u64> = run.with_total().filter_map(|cell| cell.total()).map(|total| total.n).collect();
    let (Some(least), Some(most)) = (sizes.first(), sizes.last()) else { return Vec::new() };
    let mut out = Vec::new();
    let missing: Vec<(&str, f64)> =
        [("p90", 0.9), ("p99", 0.99)].into_iter().filter(|(_, q)| !carries_upper_bound(*least, *q)).collect();
    for (name, q) in missing {
        let needed = samples_needed(q);
        out.push(if carries_upper_bound(*most, q) {
            format!("{name} is shown only for cells with {needed} samples or more; fewer cannot carry it.")
        } else {
            format!("{name} is not shown: {} cannot carry it ({needed} would).", count(*most, "sample"))
        });
    }
    let bare: Vec<String> = run
        .with_total()
        .filter_map(|cell| cell.total().filter(|total| total.ci95.is_none()).map(|total| (cell, total.n)))
        .map(|(cell, n)| format!("{} ({n})", cell.label))
        .collect();
    if !bare.is_empty() {
        out.push(format!(
            "no interval for {}: 6 samples are the least that carry one for the median.",
            bare.join(", ")
        ));
    }
    out
}
