//! What must be said beside a table so that nobody believes too much of it.

use super::{Style, paragraph};
use crate::escape::plain;
use crate::prepared::{Prepared, ShownCell};
use crate::value::{count, percent};
use isodyne_core::audit;
use isodyne_core::stats::{STALL_FACTOR, carries_upper_bound, samples_needed};
use isodyne_core::summary::CellStatus;
use isodyne_core::unit::DisplayNs;
use std::collections::{BTreeMap, BTreeSet};

/// The share of stolen processor time from which on a note says so.
const NOTED_STEAL: f64 = 0.01;

/// How many findings of the auditor stand beside a table.
const MOST_FINDINGS: usize = 12;

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

/// What a note is about, for media that say some of it elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Topic {
    /// Survivors, failures, what has not run yet.
    Trouble,
    /// Cells that cannot run here.
    Skipped,
    /// The plan's stopping rule, and what it does to the intervals.
    Stopping,
    /// Stalls and disturbance of the host.
    Disturbance,
    /// What the number of samples cannot carry.
    Quantiles,
    /// What the auditor says.
    Finding,
    /// Resolution and cost of the signals.
    Signals,
}

/// A note as a plain sentence.
#[derive(Clone, Debug)]
pub(crate) struct Note {
    pub weight: Weight,
    pub topic: Topic,
    pub text: String,
}

/// The notes as lines of a terminal.
pub(super) fn notes(run: &Prepared<'_>, style: Style) -> Vec<String> {
    let mut lines = vec![String::new()];
    for note in sentences(run) {
        for line in paragraph("  ", &note.text, style.columns()) {
            lines.push(match note.weight {
                Weight::Note => style.quiet(&line),
                Weight::Warning => style.warning(&line),
                Weight::Bad => style.bad(&line),
            });
        }
    }
    if lines.len() == 1 { Vec::new() } else { lines }
}

/// The notes as plain sentences, the worst first.
pub(crate) fn sentences(run: &Prepared<'_>) -> Vec<Note> {
    let summary = run.view.summary;
    let mut out: Vec<Note> = Vec::new();
    let mut say = |weight, topic, text| out.push(Note { weight, topic, text });
    for survivor in &summary.survivors {
        say(Weight::Bad, Topic::Trouble, format!("survived the run: {}", plain(survivor)));
    }
    let parts = &run.view.record.merged_from;
    if !parts.is_empty() {
        let mut hosts: Vec<String> = parts.iter().map(|part| part.fingerprint.id()).collect();
        hosts.sort();
        hosts.dedup();
        let hosts = if hosts.len() > 1 { format!(" on {} kinds of hosts", hosts.len()) } else { String::new() };
        let text = format!(
            "merged from {} runs{hosts}: what is in different parts was not measured side by side.",
            parts.len()
        );
        say(Weight::Warning, Topic::Trouble, text);
    }
    if summary.samples_foreign > 0 {
        let found = count(summary.samples_foreign, "sample");
        say(Weight::Bad, Topic::Trouble, format!("{found} of cells that this run does not have: not shown."));
    }
    for text in run.cells.iter().flat_map(failures) {
        say(Weight::Bad, Topic::Trouble, text);
    }
    if !summary.complete {
        let text = "unfinished: the run has not ended; the figures are of what is there. `--resume` goes on.";
        say(Weight::Warning, Topic::Trouble, text.to_owned());
        for cell in run.cells.iter().filter(|cell| cell.summary.status == CellStatus::Pending) {
            say(Weight::Warning, Topic::Trouble, format!("{}: the run has not come to it yet.", cell.label));
        }
    }
    if let Some(stop) = &summary.stop {
        say(Weight::Note, Topic::Stopping, stop.words.clone());
    }
    let skipped: Vec<String> = run
        .skipped()
        .map(|cell| format!("{} ({})", cell.label, plain(cell.summary.reason.as_deref().unwrap_or("no reason given"))))
        .collect();
    if !skipped.is_empty() {
        say(Weight::Warning, Topic::Skipped, format!("skipped: {}", skipped.join(", ")));
    }
    for (weight, text) in findings(run) {
        say(weight, Topic::Finding, text);
    }
    for text in run.with_total().flat_map(|cell| disturbance(run, cell)) {
        say(Weight::Warning, Topic::Disturbance, text);
    }
    for text in quantiles(run) {
        say(Weight::Note, Topic::Quantiles, text);
    }
    if !run.view.record.signals.is_empty() && run.with_total().next().is_some() {
        let list: Vec<String> = run
            .view
            .record
            .signals
            .iter()
            .map(|signal| {
                let (resolution, cost) = (DisplayNs(signal.resolution_ns), DisplayNs(signal.cost_ns));
                format!("{} {resolution} (cost {cost})", signal.signal)
            })
            .collect();
        let text = format!("resolution of the signals: {}; costs are in the phases, not subtracted.", list.join(", "));
        say(Weight::Note, Topic::Signals, text);
    }
    out
}

/// What is void or suspect, the worst first; `isodyne audit` has the evidence and the notes.
fn findings(run: &Prepared<'_>) -> Vec<(Weight, String)> {
    let of_weight = |finding: &&audit::Finding| finding.weight != audit::Weight::Note;
    let mut found: Vec<&audit::Finding> = run.findings().list.iter().filter(of_weight).collect();
    let rest = found.split_off(found.len().min(MOST_FINDINGS));
    let mut out: Vec<(Weight, String)> = found
        .iter()
        .map(|finding| {
            let weight = if finding.weight == audit::Weight::Void { Weight::Bad } else { Weight::Warning };
            let cell = finding.cell.as_ref().map(|id| {
                let shown = run.cells.iter().find(|cell| cell.summary.cell.id == *id);
                shown.map_or_else(|| plain(id.as_str()), |cell| cell.label.clone())
            });
            let place: Vec<String> = cell.into_iter().chain(finding.metric.as_deref().map(plain)).collect();
            let place = if place.is_empty() { String::new() } else { format!("{}: ", place.join(", ")) };
            (weight, format!("{} ({}): {place}{}", finding.weight.as_str(), finding.rule, plain(&finding.message)))
        })
        .collect();
    if !rest.is_empty() {
        let weight = if rest.iter().any(|finding| finding.weight == audit::Weight::Void) {
            Weight::Bad
        } else {
            Weight::Warning
        };
        out.push((
            weight,
            format!("{} more of the auditor: `isodyne audit` lists them.", count(rest.len() as u64, "finding")),
        ));
    }
    out
}

/// What of the host or of chance shows in a cell's samples.
fn disturbance(run: &Prepared<'_>, cell: &ShownCell<'_>) -> Vec<String> {
    let mut out = Vec::new();
    if let Some(total) = cell.total().filter(|total| total.stalls > 0) {
        out.push(format!(
            "{}: {} of {} totals {} more than {STALL_FACTOR} × the median: a stall.",
            cell.label,
            total.stalls,
            total.n,
            if total.stalls == 1 { "is" } else { "are" },
        ));
    }
    if let Some(share) = cell.steal_share(run.view.record.fingerprint.cpu_count).filter(|share| *share >= NOTED_STEAL) {
        out.push(format!(
            "{}: the hypervisor took {} of this host's processor time during its samples (steal).",
            cell.label,
            percent(share)
        ));
    }
    out
}

fn failures(cell: &ShownCell<'_>) -> Vec<String> {
    let mut out = Vec::new();
    if cell.summary.status == CellStatus::Failed {
        let reason = plain(cell.summary.reason.as_deref().unwrap_or("no reason given"));
        out.push(format!("{} failed: {reason}.", cell.label));
    }
    // The first of each class tells enough here; the report lists all.
    let mut classes = BTreeMap::new();
    for (_, failure) in cell.failures().filter(|(row, _)| !row.warmup) {
        classes.entry(failure.class).or_insert(failure);
    }
    for (class, number) in &cell.summary.samples_failed {
        // After very many failures only their classes are kept.
        let words = classes.get(class).map_or_else(String::new, |first| {
            let evidence = first.evidence.first().map(|file| format!(" · {}", plain(file))).unwrap_or_default();
            format!(" ({}){evidence}", plain(&first.message))
        });
        out.push(format!("{}: {number} failed: {class}{words}", cell.label));
    }
    if cell.summary.samples_interrupted > 0 {
        let attempts = count(cell.summary.samples_interrupted, "attempt");
        out.push(format!(
            "{}: {attempts} ended when the run was interrupted; no failure, and not in any figure.",
            cell.label
        ));
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
            "no interval for {}: 15 samples are the least that carry one for the median.",
            bare.join(", ")
        ));
    }
    out
}
