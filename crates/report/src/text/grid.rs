//! A quiet table: no lines, two spaces between columns, numbers to the right.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ContentArrangement, Table};

/// A column's heading and side.
#[derive(Clone)]
pub(super) struct Heading {
    pub text: String,
    pub right: bool,
}

impl Heading {
    pub fn left(text: impl Into<String>) -> Self {
        Self { text: text.into(), right: false }
    }
    pub fn right(text: impl Into<String>) -> Self {
        Self { text: text.into(), right: true }
    }
}

/// The lines of a table, the heading first, each indented by two spaces and at most `width` wide as far as words allow.
pub(super) fn grid(headings: &[Heading], rows: &[Vec<String>], width: usize) -> Vec<String> {
    let mut table = Table::new();
    table.load_style(NOTHING);
    table.set_content_arrangement(ContentArrangement::Dynamic);
    table.set_width(u16::try_from(width).unwrap_or(u16::MAX));
    table.set_header(headings.iter().map(|heading| Cell::new(&heading.text)).collect::<Vec<_>>());
    for row in rows {
        table.add_row(row.iter().map(Cell::new).collect::<Vec<_>>());
    }
    for (column, heading) in table.column_iter_mut().zip(headings) {
        column.set_padding((2, 0));
        if heading.right {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// How wide the table would be without wrapping.
pub(super) fn natural_width(headings: &[Heading], rows: &[Vec<String>]) -> usize {
    headings
        .iter()
        .enumerate()
        .map(|(index, heading)| {
            let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| cell.chars().count());
            2 + cells.chain(std::iter::once(heading.text.chars().count())).max().unwrap_or(0)
        })
        .sum()
}
