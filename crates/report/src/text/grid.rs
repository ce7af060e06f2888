//! A quiet table: no lines, two spaces between columns, numbers to the right.

use comfy_table::presets::NOTHING;
use comfy_table::{Cell, CellAlignment, ColumnConstraint, ContentArrangement, Table, Width};

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

/// The blanks before each column.
const PADDING: u16 = 2;

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
    let longest = longest_words(headings, rows);
    // Where there is room for every word no word is broken.
    let fits = longest.iter().map(|word| usize::from(word + PADDING)).sum::<usize>() <= width;
    for ((column, heading), word) in table.column_iter_mut().zip(headings).zip(longest) {
        column.set_padding((PADDING, 0));
        if fits {
            column.set_constraint(ColumnConstraint::LowerBoundary(Width::Fixed(word + PADDING)));
        }
        if heading.right {
            column.set_cell_alignment(CellAlignment::Right);
        }
    }
    table.lines().map(|line| line.trim_end().to_owned()).collect()
}

/// The length of the longest word of each column, in characters.
fn longest_words(headings: &[Heading], rows: &[Vec<String>]) -> Vec<u16> {
    let longest = |text: &str| text.split_whitespace().map(|word| word.chars().count()).max().unwrap_or(0);
    headings
        .iter()
        .enumerate()
        .map(|(index, heading)| {
            let cells = rows.iter().filter_map(|row| row.get(index)).map(|cell| longest(cell));
            u16::try_from(cells.fold(longest(&heading.text), usize::max)).unwrap_or(u16::MAX - PADDING)
        })
        .collect()
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_are_broken_only_where_there_is_no_room_for_them() {
        let headings: Vec<Heading> = [Heading::left("backend")]
            .into_iter()
            .chain(["with its state", "memory cold"].map(Heading::right))
            .collect();
        let rows = [["cloud-hypervisor", "3.07 s", "86.3 MiB"].map(str::to_owned).to_vec()];
        let wide = grid(&headings, &rows, 36);
        assert!(wide.iter().any(|line| line.contains("cloud-hypervisor")), "{wide:#?}");
        assert!(wide.iter().all(|line| line.chars().count() <= 36), "{wide:#?}");
        let narrow = grid(&headings, &rows, 20);
        assert!(narrow.iter().all(|line| line.chars().count() <= 20), "{narrow:#?}");
    }
}
