//! The result of a run as a terminal shows it.

use super::grid::{Heading, grid, natural_width};
use super::imported::imported_lines;
use super::kept::kept_lines;
use super::notes::notes;
use super::open_loop::open_loop_lines;
use super::phases::phase_lines;
use super::{Style, paragraph};
use crate::answer::meaning;
use crate::command::{again, seed_text};
use crate::escape::plain;
use crate::prepared::{Prepared, ShownCell, names_metrics};
use crate::value::{NONE, count, median_interval, metric, optional};
use crate::{RunView, SCRIPTED};
use isodyne_core::cell::BenchmarkName;
use isodyne_core::summary::CellStatus;

/// A column: its heading, what it shows, and when it may go if there is no room (higher goes first, 0 never).
struct Column {
    heading: Heading,
    cells: Vec<String>,
    expendable: u8,
}

/// The tables of a run with phases, notes, and the way to repeat it.
pub fn run_table(view: RunView<'_>, style: Style) -> String {
    let run = Prepared::new(view);
    let mut lines: Vec<String> = Vec::new();
    if run.is_scripted() {
        lines.push(style.warning(SCRIPTED));
    }
    for (benchmark, cells) in run.benchmarks() {
        if lines.len() > 1 {
            lines.push(String::new());
        }
        lines.extend(title(&run, benchmark, style));
        lines.push(String::new());
        lines.extend(table(&run, &cells, style));
        lines.extend(phase_lines(&cells, run.step(), style));
        lines.extend(open_loop_lines(&cells, run.step(), style));
        lines.extend(kept_lines(&cells, run.step(), style));
    }
    lines.extend(imported_lines(&run, style));
    lines.extend(notes(&run, style));
    lines.push(String::new());
    if let Some(location) = view.location {
        lines.extend(paragraph("  run    ", &plain(location), style.columns()));
    }
    lines.extend(paragraph("  again  ", &again(&view), style.columns()));
    lines.push(String::new());
    lines.join("\n")
}

fn title(run: &Prepared<'_>, benchmark: BenchmarkName, style: Style) -> Vec<String> {
    let record = run.view.record;
    let left = format!("{benchmark}: {}", meaning(run, benchmark));
    let right = if benchmark == BenchmarkName::Imported {
        "not measured by Isodyne".to_owned()
    } else if !record.merged_from.is_empty() {
        // Each part had its own order and seed; between parts nothing was interleaved.
        format!(
            "{}, merged from {}",
            count(u64::from(record.plan.samples), "round"),
            count(record.merged_from.len() as u64, "part")
        )
    } else {
        format!("{}, interleaved, seed {}", count(u64::from(record.plan.samples), "round"), seed_text(record.seed))
    };
    let room = style.columns().saturating_sub(left.chars().count() + right.chars().count());
    if room >= 2 {
        vec![format!("{}{}{}", style.strong(&left), " ".repeat(room), style.quiet(&right))]
    } else {
        vec![style.strong(&left), format!("  {}", style.quiet(&right))]
    }
}

fn table(run: &Prepared<'_>, cells: &[&ShownCell<'_>], style: Style) -> Vec<String> {
    // Skipped and pending cells have no figures; the notes name them with their reasons.
    let has_figures = |cell: &&ShownCell<'_>| !matches!(cell.summary.status, CellStatus::Skipped | CellStatus::Pending);
    let shown: Vec<&ShownCell<'_>> = cells.iter().copied().filter(has_figures).collect();
    if shown.is_empty() {
        return vec!["  no cell has a sample".to_owned()];
    }
    let mut columns = columns(run, &shown);
    let mut dropped: Vec<String> = Vec::new();
    let width = style.columns();
    while let Some(worst) = columns.iter().map(|column| column.expendable).max().filter(|worst| *worst > 0) {
        if layout(&columns, natural_width) <= width {
            break;
        }
        columns.retain(|column| {
            let stays = column.expendable != worst;
            if !stays && column.cells.iter().any(|cell| cell != NONE) {
                dropped.push(column.heading.text.clone());
            }
            stays
        });
    }
    let mut lines = layout(&columns, |headings, rows| grid(headings, rows, width));
    if let Some(heading) = lines.first_mut() {
        *heading = style.quiet(heading);
    }
    if !dropped.is_empty() {
        let text = format!("not shown in {width} columns: {} (--json has all).", dropped.join(", "));
        lines.extend(paragraph("  ", &text, width).iter().map(|line| style.quiet(line)));
    }
    lines
}

fn layout<T>(columns: &[Column], with: impl Fn(&[Heading], &[Vec<String>]) -> T) -> T {
    let headings: Vec<Heading> = columns
        .iter()
        .map(|column| Heading { text: column.heading.text.clone(), right: column.heading.right })
        .collect();
    let count = columns.iter().map(|column| column.cells.len()).max().unwrap_or(0);
    let rows: Vec<Vec<String>> =
        (0..count).map(|row| columns.iter().map(|column| column.cells[row].clone()).collect()).collect();
    with(&headings, &rows)
}

fn columns(run: &Prepared<'_>, cells: &[&ShownCell<'_>]) -> Vec<Column> {
    let step = run.step();
    let column = |heading: Heading, expendable: u8, show: &dyn Fn(&ShownCell<'_>) -> String| Column {
        heading,
        cells: cells.iter().map(|cell| show(cell)).collect(),
        expendable,
    };
    let total = |cell: &ShownCell<'_>, pick: &dyn Fn(&isodyne_core::summary::MetricSummary) -> Option<f64>| {
        optional(cell.metric, cell.total().and_then(pick), step)
    };
    let mut columns = vec![
        column(Heading::left("backend"), 0, &|cell| cell.label.clone()),
        column(Heading::left("class"), 1, &|cell| cell.class()),
        column(Heading::right("n"), 0, &|cell| cell.summary.samples_valid.to_string()),
        column(Heading::right("p50"), 0, &|cell| total(cell, &|metric| Some(metric.p50))),
        column(Heading::right("95 % interval"), 0, &|cell| {
            cell.total().map_or_else(|| NONE.to_owned(), |metric| median_interval(cell.metric, metric, step))
        }),
        column(Heading::right("p90"), 3, &|cell| total(cell, &|metric| metric.p90)),
        column(Heading::right("p99"), 3, &|cell| total(cell, &|metric| metric.p99)),
        column(Heading::right("worst"), 0, &|cell| total(cell, &|metric| Some(metric.max))),
        column(Heading::right("peak memory"), 2, &|cell| {
            let memory = cell.summary.metrics.get("peak_memory_bytes");
            memory.map_or_else(|| NONE.to_owned(), |found| metric("peak_memory_bytes", found.p50, step))
        }),
        column(Heading::left("failed"), 0, &|cell| cell.failed()),
    ];
    if names_metrics(cells) {
        columns.insert(1, column(Heading::left("metric"), 0, &|cell| cell.metric_label()));
    }
    columns
}
