//! Lists of things by name: benchmarks, backends, plans, runs.

use super::Style;
use super::grid::{Heading, grid};
use crate::escape::plain;

/// A run in a list of runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ListedRun {
    /// Where it is.
    pub location: String,
    /// What it is for.
    pub title: String,
    /// When it was begun.
    pub created_at: String,
    /// Whether it ended well.
    pub complete: bool,
    /// Cells with valid samples.
    pub measured: u64,
    /// Cells that failed.
    pub failed: u64,
    /// Cells that were skipped.
    pub skipped: u64,
}

/// A list under headings. Each row has as many cells as there are headings; foreign text is made plain.
pub fn list_table(headings: &[&str], rows: &[Vec<String>], style: Style) -> String {
    let headings: Vec<Heading> = headings.iter().map(|heading| Heading::left(*heading)).collect();
    table(&headings, rows, style)
}

/// The runs of `isodyne list runs`.
pub fn runs_table(runs: &[ListedRun], style: Style) -> String {
    if runs.is_empty() {
        return "  no runs here\n".to_owned();
    }
    let mut headings = ["run", "begun", "state"].map(Heading::left).to_vec();
    headings.extend(["measured", "failed", "skipped"].map(Heading::right));
    headings.push(Heading::left("title"));
    let rows: Vec<Vec<String>> = runs
        .iter()
        .map(|run| {
            vec![
                run.location.clone(),
                run.created_at.clone(),
                if run.complete { "complete".to_owned() } else { "unfinished".to_owned() },
                run.measured.to_string(),
                run.failed.to_string(),
                run.skipped.to_string(),
                run.title.clone(),
            ]
        })
        .collect();
    table(&headings, &rows, style)
}

fn table(headings: &[Heading], rows: &[Vec<String>], style: Style) -> String {
    let rows: Vec<Vec<String>> = rows.iter().map(|row| row.iter().map(|cell| plain(cell)).collect()).collect();
    let mut lines = grid(headings, &rows, style.columns());
    if let Some(heading) = lines.first_mut() {
        *heading = style.quiet(heading);
    }
    lines.push(String::new());
    lines.join("\n")
}
