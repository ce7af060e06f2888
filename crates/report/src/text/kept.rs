//! Kept states: a cold boot, a restore and a clone side by side, and what keeping takes.

use super::Style;
use super::grid::{Heading, grid};
use crate::prepared::ShownCell;
use crate::value::optional;

/// What tells that a cell keeps states and brings them back.
const RESTORE: &str = "restore_ns";

/// One column: its heading and the first of these metrics that a cell has.
type Column = (&'static str, &'static [&'static str]);

const SIDE_BY_SIDE: &[Column] = &[
    ("cold boot", &["cold_ns"]),
    ("with its state", &["cold_ready_ns"]),
    ("restore", &[RESTORE]),
    ("clone", &["clone_p50_ns"]),
    ("memory cold", &["cold_peak_memory_bytes", "cold_peak_rss_bytes"]),
    ("restored", &["peak_memory_bytes", "peak_rss_bytes"]),
    ("of all clones", &["clones_pss_bytes", "clones_memory_bytes"]),
    ("pays after", &["break_even_count"]),
];

const KEEPING: &[Column] = &[
    ("dump", &["dump_ns"]),
    ("sync", &["sync_ns"]),
    ("durable", &["durable_ns"]),
    ("frozen inside", &["freeze_inside_ns"]),
    ("outside", &["freeze_outside_ns"]),
    ("engine", &["criu_total_ns", "freeze_engine_ns"]),
    ("on top", &["overhead_ns"]),
    ("kept", &["image_allocated_bytes"]),
    ("duplicate", &["image_duplicate_bytes"]),
    ("zero", &["image_zero_bytes"]),
];

/// The lines for all cells that keep states: medians over the samples.
pub(super) fn kept_lines(cells: &[&ShownCell<'_>], step: Option<u64>, style: Style) -> Vec<String> {
    let shown: Vec<&&ShownCell<'_>> = cells.iter().filter(|cell| cell.summary.metrics.contains_key(RESTORE)).collect();
    if shown.is_empty() {
        return Vec::new();
    }
    let mut lines = Vec::new();
    for (title, columns) in [
        (
            "side by side: the cold boot, the same until it has its state, the restore until the first right answer",
            SIDE_BY_SIDE,
        ),
        ("what keeping takes: from the request until every file is synced, the freeze, and what is kept", KEEPING),
    ] {
        let median = |cell: &ShownCell<'_>, name: &str| cell.summary.metrics.get(name).map(|metric| metric.p50);
        let used: Vec<&Column> = columns
            .iter()
            .filter(|(_, names)| shown.iter().any(|cell| names.iter().any(|name| median(cell, name).is_some())))
            .collect();
        let rows: Vec<Vec<String>> = shown
            .iter()
            .map(|cell| {
                let figures = used.iter().map(|(_, names)| figure(names, |name| median(cell, name), step));
                std::iter::once(cell.label.clone()).chain(figures).collect()
            })
            .collect();
        let headings = used.iter().map(|(heading, _)| Heading::right(*heading));
        let headings: Vec<Heading> = std::iter::once(Heading::left("backend")).chain(headings).collect();
        lines.extend([String::new(), format!("  {}", style.strong(title))]);
        let mut table = grid(&headings, &rows, style.columns());
        if let Some(heading) = table.first_mut() {
            *heading = style.quiet(heading);
        }
        lines.extend(table);
    }
    lines
}

/// The first of these values that is there.
fn figure(names: &[&str], value: impl Fn(&str) -> Option<f64>, step: Option<u64>) -> String {
    let name = names.iter().find(|name| value(name).is_some()).or(names.first()).copied().unwrap_or_default();
    optional(name, value(name), step)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::value::NONE;

    #[test]
    fn the_first_value_that_is_there_is_shown_and_nothing_is_no_zero() {
        let value = |name: &str| (name == "freeze_engine_ns").then_some(2.5e6);
        assert_eq!(figure(&["criu_total_ns", "freeze_engine_ns"], value, None), "2.50 ms");
        assert_eq!(figure(&["criu_total_ns"], value, None), NONE);
        assert_eq!(figure(&["break_even_count"], |_| Some(3.0), None), "3");
    }
}
