//! Imported runs on a terminal.

use super::grid::{Heading, grid};
use super::{Style, paragraph};
use crate::imported::{Rows, STATED, claims, figures};
use crate::prepared::Prepared;

/// What was imported beside the headline, and what its files state; nothing for a run that was measured here.
pub(super) fn imported_lines(run: &Prepared<'_>, style: Style) -> Vec<String> {
    let mut lines = Vec::new();
    let tables = [("Further metrics", figures(run)), (STATED, claims(run))];
    for (title, rows) in tables {
        if let Some(rows) = rows {
            lines.extend([String::new(), style.strong(title), String::new()]);
            lines.extend(table(&rows, style));
        }
    }
    lines
}

fn table(rows: &Rows, style: Style) -> Vec<String> {
    let headings: Vec<Heading> = rows
        .headings
        .iter()
        .map(|(text, right)| if *right { Heading::right(*text) } else { Heading::left(*text) })
        .collect();
    let mut lines = grid(&headings, &rows.rows, style.columns());
    if let Some(heading) = lines.first_mut() {
        *heading = style.quiet(heading);
    }
    if let Some(rest) = rows.rest() {
        lines.extend(paragraph("  ", &rest, style.columns()).iter().map(|line| style.quiet(line)));
    }
    lines
}
