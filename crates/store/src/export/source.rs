//! What an export is made of.

use super::ExportError;
use isodyne_core::cell::Cell;
use isodyne_core::columns::{CellColumns, RunColumns};
use isodyne_core::record::RunRecord;
use isodyne_core::summary::{CellSummary, MetricSummary, RunSummary};
use isodyne_core::unit::unit_of_metric;

/// What of a run is exported; everything where nothing is said.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Selection {
    /// Only this metric.
    pub metric: Option<String>,
    /// Only cells whose id has this text in it.
    pub cell: Option<String>,
}

impl Selection {
    /// Whether a cell is selected, by its id.
    pub fn takes_cell(&self, id: &str) -> bool {
        self.cell.as_ref().is_none_or(|text| id.contains(text.as_str()))
    }
    /// Whether a metric is selected.
    pub fn takes_metric(&self, name: &str) -> bool {
        self.metric.as_ref().is_none_or(|metric| metric == name)
    }
}

/// A run to be exported.
#[derive(Clone, Copy, Debug)]
pub struct Source<'a> {
    /// What it set out to do.
    pub record: &'a RunRecord,
    /// Its samples, sorted.
    pub columns: &'a RunColumns,
    /// Its summary.
    pub summary: &'a RunSummary,
    /// What of it.
    pub selection: &'a Selection,
}

/// One cell of a run to be exported.
#[derive(Clone, Copy, Debug)]
pub(super) struct Part<'a> {
    pub cell: &'a Cell,
    pub columns: &'a CellColumns,
    pub summary: &'a CellSummary,
}

impl<'a> Source<'a> {
    /// The selected cells that have samples, in the order of the run.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn parts(&self) -> Result<Vec<Part<'a>>, ExportError> {
        let cells = self.summary.cells.iter().filter(|summary| self.selection.takes_cell(summary.cell.id.as_str()));
        let part = |summary: &'a CellSummary| {
            Some(Part { cell: &summary.cell, columns: self.columns.cells.get(&summary.cell.id)?, summary })
        };
        let parts: Vec<Part<'_>> = cells.filter_map(part).collect();
        if parts.is_empty() {
            return Err(ExportError::Nothing(match &self.selection.cell {
                Some(cell) => {
                    format!("no cell with samples has `{}` in its id: `isodyne show` lists them", cell.escape_debug())
                }
                None => "the run has no samples".to_owned(),
            }));
        }
        Ok(parts)
    }

    /// The selected figures of all selected cells.
    ///
    /// # Errors
    /// If there is none.
    pub(super) fn figures(&self) -> Result<Vec<Figure<'a>>, ExportError> {
        let mut figures = Vec::new();
        for part in self.parts()? {
            let metrics = part.summary.metrics.iter().filter(|(name, _)| self.selection.takes_metric(name));
            figures.extend(metrics.map(|(metric, figures)| Figure { part, metric, figures }));
        }
        if figures.is_empty() {
            return Err(self.no_metric());
        }
        Ok(figures)
    }

    /// Cells that have no valid sample, one line for all.
    pub(super) fn failed_cells(&self, parts: &[Part<'_>]) -> Vec<String> {
        let failed: Vec<&str> =
            parts.iter().filter(|part| part.summary.metrics.is_empty()).map(|part| part.cell.id.as_str()).collect();
        match failed[..] {
            [] => Vec::new(),
            [one] => vec![format!("cell `{}` has no valid sample and is left out", one.escape_debug())],
            _ => vec![format!("{} cells have no valid sample and are left out", failed.len())],
        }
    }

    /// That nothing of what is selected fits.
    pub(super) fn no_metric(&self) -> ExportError {
        let metric = self.selection.metric.as_ref();
        ExportError::Nothing(metric.map_or_else(
            || "no cell has a valid sample with a value that this format takes".to_owned(),
            |metric| format!("no cell has valid values of `{}` that this format takes", metric.escape_debug()),
        ))
    }
}

/// The figures of one metric of one cell.
#[derive(Clone, Copy, Debug)]
pub(super) struct Figure<'a> {
    pub part: Part<'a>,
    pub metric: &'a str,
    pub figures: &'a MetricSummary,
}

impl Figure<'_> {
    /// Whether more is better.
    pub fn more_is_better(&self) -> bool {
        matches!(unit_of_metric(self.metric), "B/s" | "1/s")
    }
}

/// A text for a field of CSV: quoted where it must be, and never something that a spreadsheet takes for a formula.
pub(super) fn csv_field(text: &str) -> String {
    let mut text: String = text.chars().map(|c| if c.is_control() { '\u{fffd}' } else { c }).collect();
    if text.starts_with(['=', '+', '-', '@']) {
        text.insert(0, '\'');
    }
    if text.contains([',', '"', ';']) { format!("\"{}\"", text.replace('"', "\"\"")) } else { text }
}
