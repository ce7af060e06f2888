//! The open loop through shared memory: how late answers are, and what it costs to wait for the next message, side by side.

use super::Style;
use super::grid::{Heading, grid};
use crate::prepared::ShownCell;
use crate::value::{NONE, optional, percent};
use isodyne_core::summary::MetricSummary;

/// What tells that a cell has an open loop with its costs.
const COST: &str = "open_loop_answer_cpu_ratio";

/// The lines for all cells with an open loop and its costs: medians over the samples.
pub(super) fn open_loop_lines(cells: &[&ShownCell<'_>], step: Option<u64>, style: Style) -> Vec<String> {
    let shown: Vec<&&ShownCell<'_>> = cells.iter().filter(|cell| cell.summary.metrics.contains_key(COST)).collect();
    if shown.is_empty() {
        return Vec::new();
    }
    let median =
        |cell: &ShownCell<'_>, name: &str| cell.summary.metrics.get(name).map(|metric: &MetricSummary| metric.p50);
    let rows: Vec<Vec<String>> = shown
        .iter()
        .map(|cell| {
            let time = |name: &str| optional(name, median(cell, name), step);
            let share = |name: &str| median(cell, name).map_or_else(|| NONE.to_owned(), percent);
            vec![
                cell.label.clone(),
                time("open_loop_answer_p50_ns"),
                time("open_loop_answer_p99_ns"),
                time("open_loop_answer_p999_ns"),
                time("open_loop_send_delay_p99_ns"),
                share("open_loop_ask_cpu_ratio"),
                share(COST),
                share("open_loop_monitor_cpu_ratio"),
            ]
        })
        .collect();
    let headings = [
        Heading::left("backend"),
        Heading::right("p50"),
        Heading::right("p99"),
        Heading::right("p99.9"),
        Heading::right("sent late, p99"),
        Heading::right("asks"),
        Heading::right("answers"),
        Heading::right("monitor"),
    ];
    let title = "open loop: from sent to answered, and the share of a processor that each side takes";
    let mut lines = vec![String::new(), format!("  {}", style.strong(title))];
    let mut table = grid(&headings, &rows, style.columns());
    if let Some(heading) = table.first_mut() {
        *heading = style.quiet(heading);
    }
    lines.extend(table);
    lines
}
