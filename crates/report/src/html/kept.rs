//! Kept states in the report.

use super::table::{Row, table};
use crate::escape::html_escape as e;
use crate::kept::kept_tables;
use crate::prepared::Prepared;

/// The tables of a cold boot, a restore and a clone, of what keeping takes, and of what clones have in common.
pub(super) fn section(run: &Prepared<'_>) -> String {
    let mut out = String::new();
    for (benchmark, cells) in run.benchmarks() {
        for (number, kept) in kept_tables(&cells, run.step()).into_iter().enumerate() {
            let headings: Vec<(&str, bool)> =
                std::iter::once(("cell", false)).chain(kept.headings.iter().map(|heading| (*heading, true))).collect();
            let rows = kept.rows.into_iter().map(|(cell, figures)| {
                let figures = figures.iter().map(|figure| e(figure));
                Row::of(cell, std::iter::once(e(&cell.label)).chain(figures).collect())
            });
            out.push_str(&format!(
                "<section id=\"kept-{benchmark}-{number}\">\n<h2>{}</h2>\n{}</section>\n",
                e(&sentence(kept.title)),
                table(&headings, rows)
            ));
        }
    }
    out
}

/// With a capital at the beginning.
fn sentence(title: &str) -> String {
    let mut letters = title.chars();
    letters.next().map_or_else(String::new, |first| first.to_uppercase().chain(letters).collect())
}
