//! What went wrong, what is missing, and what disturbed the samples.

use super::table::{Row, table};
use crate::escape::html_escape as e;
use crate::prepared::{Prepared, ShownCell};
use crate::value::{BELOW, NONE, count, percent, time};
use isodyne_core::stats::Sorted;
use std::collections::BTreeSet;

/// How many failures are listed one by one.
const MOST_FAILURES: usize = 200;

/// Every failed sample with its evidence.
pub(super) fn failures(run: &Prepared<'_>) -> String {
    let number: u64 = run.cells.iter().map(ShownCell::failed_count).sum();
    let interrupted: u64 = run.cells.iter().map(|cell| cell.summary.samples_interrupted).sum();
    let interrupted = if interrupted == 0 {
        String::new()
    } else {
        let attempts = count(interrupted, "attempt");
        format!("<p>{attempts} ended when the run was interrupted: kept, no failure, and in no figure above.</p>\n")
    };
    if number == 0 {
        return format!(
            "<section id=\"failures\">\n<h2>Failures</h2>\n<p>No sample failed.</p>\n{interrupted}</section>\n"
        );
    }
    let rows: Vec<Row> = run
        .cells
        .iter()
        .flat_map(|cell| cell.failures().map(move |(row, failure)| (cell, row, failure)))
        .take(MOST_FAILURES)
        .map(|(cell, row, failure)| {
            let files: Vec<String> = failure.evidence.iter().map(|file| format!("<code>{}</code>", e(file))).collect();
            let columns = vec![
                e(&cell.label),
                format!("{}{}", row.sequence, if row.warmup { " (warm-up)" } else { "" }),
                format!("<span class=\"bad\">{}</span>", failure.class),
                format!("<span class=\"message\">{}</span>", e(&failure.message)),
                if files.is_empty() { NONE.to_owned() } else { files.join("<br>") },
            ];
            Row::of(cell, columns)
        })
        .collect();
    let headings = [("cell", false), ("sample", true), ("class", false), ("what happened", false), ("evidence", false)];
    let more = number.saturating_sub(rows.len() as u64);
    let more =
        if more > 0 { format!("<p>… and {more} more; all are in the raw samples.</p>\n") } else { String::new() };
    format!(
        "<section id=\"failures\">\n<h2>Failures</h2>\n<p>A failed sample is kept and counted; it is in no figure above. \
         Files are relative to the run directory.</p>\n{}{more}{interrupted}</section>\n",
        table(&headings, rows)
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
    format!("<section id=\"skips\">\n<h2>Skipped</h2>\n{}</section>\n", table(&headings, rows))
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
    let rows: Vec<Row> = run
        .cells
        .iter()
        .filter(|cell| cell.columns.valid().next().is_some())
        .map(|cell| Row::of(cell, contamination_row(run, cell)))
        .collect();
    if rows.is_empty() {
        return String::new();
    }
    format!(
        "<section id=\"contamination\">\n<h2>What disturbed the samples</h2>\n<p>Median and, after the slash, worst over \
         the valid samples of each cell, from before to after each sample. Steal and other CPU are summed over processors; \
         small below it, steal as a share of all processor time. \
         A dash: this host does not tell. Nothing was dropped for it.</p>\n{}</section>\n",
        table(&headings, rows)
    )
}

fn contamination_row(run: &Prepared<'_>, cell: &ShownCell<'_>) -> Vec<String> {
    let times = |name: &str| {
        // 0 is a reading of a counter here, not of the clock: nothing was stolen.
        spread(cell, name, |ns| if ns == 0.0 { "0".to_owned() } else { time(ns, run.step()) })
    };
    let counts = |name: &str| spread(cell, name, |number| format!("{number:.0}"));
    let cache: BTreeSet<&str> = cell.columns.page_caches.iter().map(String::as_str).collect();
    let steal_share = cell
        .steal_share(run.view.record.fingerprint.cpu_count)
        .map_or_else(String::new, |share| format!("<br><small>{}</small>", percent(share)));
    vec![
        e(&cell.label),
        cell.columns.valid().count().to_string(),
        format!("{}{steal_share}", times("steal_ns")),
        times("pressure_cpu_ns"),
        times("pressure_memory_ns"),
        times("pressure_io_ns"),
        times("other_cpu_ns"),
        counts("involuntary_switches_count"),
        counts("throttled_count"),
        if cache.is_empty() { NONE.to_owned() } else { e(&cache.into_iter().collect::<Vec<_>>().join(", ")) },
    ]
}

fn spread(cell: &ShownCell<'_>, name: &str, show: impl Fn(f64) -> String) -> String {
    let column = cell.columns.contamination.get(name).map(Vec::as_slice).unwrap_or_default();
    let Some(values) = Sorted::new(cell.columns.counting(column)) else { return NONE.to_owned() };
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
