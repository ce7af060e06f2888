//! What went wrong, what is missing, and what disturbed the samples.

use super::table::table;
use crate::escape::html_escape as e;
use crate::prepared::{Prepared, ShownCell};
use crate::value::{BELOW, NONE, count, percent, time};
use isodyne_core::sample::{Contamination, Sample};
use isodyne_core::stats::Sorted;
use std::collections::BTreeSet;

/// How many failures are listed one by one.
const MOST_FAILURES: usize = 200;

/// Every failed sample with its evidence.
pub(super) fn failures(run: &Prepared<'_>) -> String {
    let failed: Vec<(&ShownCell<'_>, &Sample)> = run
        .cells
        .iter()
        .flat_map(|cell| cell.samples.iter().map(move |sample| (cell, *sample)))
        .filter(|(_, sample)| sample.is_failed())
        .collect();
    let interrupted: u64 = run.cells.iter().map(|cell| cell.summary.samples_interrupted).sum();
    let interrupted = if interrupted == 0 {
        String::new()
    } else {
        let attempts = count(interrupted, "attempt");
        format!("<p>{attempts} ended when the run was interrupted: kept, no failure, and in no figure above.</p>\n")
    };
    if failed.is_empty() {
        return format!(
            "<section id=\"failures\">\n<h2>Failures</h2>\n<p>No sample failed.</p>\n{interrupted}</section>\n"
        );
    }
    let rows: Vec<Vec<String>> = failed
        .iter()
        .take(MOST_FAILURES)
        .filter_map(|(cell, sample)| {
            let failure = sample.failure.as_ref()?;
            let files: Vec<String> = failure
                .evidence
                .iter()
                .chain(sample.logs.iter().filter(|log| !failure.evidence.contains(log)))
                .map(|file| format!("<code>{}</code>", e(file)))
                .collect();
            Some(vec![
                e(&cell.label),
                format!("{}{}", sample.sequence, if sample.warmup { " (warm-up)" } else { "" }),
                format!("<span class=\"bad\">{}</span>", failure.class),
                format!("<span class=\"message\">{}</span>", e(&failure.message)),
                if files.is_empty() { NONE.to_owned() } else { files.join("<br>") },
            ])
        })
        .collect();
    let headings = [("cell", false), ("sample", true), ("class", false), ("what happened", false), ("evidence", false)];
    let more = failed.len().saturating_sub(MOST_FAILURES);
    let more =
        if more > 0 { format!("<p>… and {more} more; all are in the raw samples.</p>\n") } else { String::new() };
    format!(
        "<section id=\"failures\">\n<h2>Failures</h2>\n<p>A failed sample is kept and counted; it is in no figure above. \
         Files are relative to the run directory.</p>\n{}{more}{interrupted}</section>\n",
        table(&headings, &rows)
    )
}

/// Every cell that cannot run here.
pub(super) fn skips(run: &Prepared<'_>) -> String {
    let rows: Vec<Vec<String>> = run
        .skipped()
        .map(|cell| {
            vec![
                e(&cell.label),
                e(cell.summary.reason.as_deref().unwrap_or("no reason given")),
                cell.summary.hint.as_deref().map_or_else(|| NONE.to_owned(), e),
            ]
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    let headings = [("cell", false), ("why it was skipped", false), ("what would fix it", false)];
    format!("<section id=\"skips\">\n<h2>Skipped</h2>\n{}</section>\n", table(&headings, &rows))
}

/// What the host did beside the samples.
pub(super) fn contamination(run: &Prepared<'_>) -> String {
    let headings = [
        ("cell", false),
        ("n", true),
        ("steal", true),
        ("CPU pressure", true),
        ("memory pressure", true),
        ("I/O pressure", true),
        ("other CPU", true),
        ("invol. switches", true),
        ("throttled", true),
        ("page cache", false),
    ];
    let rows: Vec<Vec<String>> = run
        .cells
        .iter()
        .filter_map(|cell| {
            let valid: Vec<&Sample> = cell.samples.iter().copied().filter(|sample| sample.counts()).collect();
            if valid.is_empty() { None } else { Some(contamination_row(run, cell, &valid)) }
        })
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<section id=\"contamination\">\n<h2>What disturbed the samples</h2>\n<p>Median and, after the slash, worst over \
         the valid samples of each cell, from before to after each sample. Steal and other CPU are summed over processors; \
         small below it, steal as a share of all processor time. \
         A dash: this host does not tell. Nothing was dropped for it.</p>\n{}</section>\n",
        table(&headings, &rows)
    )
}

fn contamination_row(run: &Prepared<'_>, cell: &ShownCell<'_>, valid: &[&Sample]) -> Vec<String> {
    let times = |pick: fn(&Contamination) -> Option<u64>| {
        // 0 is a reading of a counter here, not of the clock: nothing was stolen.
        let show = |ns: f64| if ns == 0.0 { "0".to_owned() } else { time(ns, run.step()) };
        spread(valid, |host| pick(host).map(|ns| ns as f64), show)
    };
    let counts = |pick: fn(&Contamination) -> Option<u64>| {
        spread(valid, |host| pick(host).map(|number| number as f64), |number| format!("{number:.0}"))
    };
    let cache: BTreeSet<&str> = valid.iter().filter_map(|sample| sample.contamination.page_cache.as_deref()).collect();
    let steal_share = cell
        .steal_share(run.view.record.fingerprint.cpu_count)
        .map_or_else(String::new, |share| format!("<br><small>{}</small>", percent(share)));
    vec![
        e(&cell.label),
        valid.len().to_string(),
        format!("{}{steal_share}", times(|host| host.steal_ns)),
        times(|host| host.pressure_cpu_ns),
        times(|host| host.pressure_memory_ns),
        times(|host| host.pressure_io_ns),
        times(|host| host.other_cpu_ns),
        counts(|host| host.involuntary_switches_count),
        counts(|host| host.throttled_count),
        if cache.is_empty() { NONE.to_owned() } else { e(&cache.into_iter().collect::<Vec<_>>().join(", ")) },
    ]
}

fn spread(valid: &[&Sample], pick: impl Fn(&Contamination) -> Option<f64>, show: impl Fn(f64) -> String) -> String {
    let values = Sorted::new(valid.iter().filter_map(|sample| pick(&sample.contamination)));
    let Some(values) = values else { return NONE.to_owned() };
    match (values.quantile(0.5), values.as_slice().last()) {
        (Some(median), Some(worst)) => {
            let (median, worst) = (show(median), show(*worst));
            // The unit once, where both have the same.
            match (median.rsplit_once(' '), worst.rsplit_once(' ')) {
                (Some((number, unit)), Some((_, other))) if unit == other && median != BELOW => {
                    format!("{number} / {worst}")
                }
                _ => format!("{median} / {worst}"),
            }
        }
        _ => NONE.to_owned(),
    }
}
