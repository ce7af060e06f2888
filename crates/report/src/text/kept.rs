//! Kept states on the terminal.

use super::Style;
use super::grid::{Heading, grid};
use crate::kept::kept_tables;
use crate::prepared::ShownCell;

/// The lines for all cells that keep states: medians over the samples.
pub(super) fn kept_lines(cells: &[&ShownCell<'_>], step: Option<u64>, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    for table in kept_tables(cells, step) {
        let headings = table.headings.into_iter().map(Heading::right);
        let headings: Vec<Heading> = std::iter::once(Heading::left("backend")).chain(headings).collect();
        let rows: Vec<Vec<String>> = table
            .rows
            .into_iter()
            .map(|(cell, row)| std::iter::once(cell.label.clone()).chain(row).collect())
            .collect();
        lines.extend([String::new(), format!("  {}", style.strong(table.title))]);
        let mut shown = grid(&headings, &rows, style.columns());
        if let Some(heading) = shown.first_mut() {
            *heading = style.quiet(heading);
        }
        lines.extend(shown);
    }
    lines
}
