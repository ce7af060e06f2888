//! What a person sees: tables, figures, the one-file report, Markdown, CSV.
//!
//! Everything here is a pure function from a [`RunView`] to text or bytes. Nothing is printed and no file is touched;
//! the caller decides where it goes. All text of the run (names, messages, paths) is foreign and is escaped or made
//! plain for the medium it goes to.

mod answer;
mod command;
mod comparison;
mod csv;
mod escape;
mod figure;
mod findings;
mod html;
mod imported;
mod inspection;
mod json;
mod junit;
mod kept;
mod label;
mod markdown;
mod markdown_gate;
mod prepared;
mod text;
mod value;

pub use command::{again, seed_text};
pub use comparison::ComparisonView;
pub use csv::{csv_heading, csv_row};
pub use escape::{html_escape, plain};
pub use figure::{
    Figure, Paint, PngError, SeriesLine, SeriesPanel, comparison_figure_files, comparison_figures, figure_files,
    figures, series_figure, series_file, trend_figure_files, trend_figures,
};
pub use html::{comparison_html, html, trend_html};
pub use inspection::{InspectionParts, InspectionView, inspection_json};
pub use json::summary_json;
pub use junit::junit;
pub use markdown::{audit_markdown, markdown};
pub use markdown_gate::{comparison_markdown, gate_markdown};
pub use text::{
    ListedRun, Style, audit_table, calibration_table, comparison_table, doctor_table, gate_table, inspection_text,
    inspection_tree, list_table, rules_table, run_table, runs_table, trend_markdown, trend_text,
};

use isodyne_core::columns::RunColumns;
use isodyne_core::record::RunRecord;
use isodyne_core::runner::Runner;
use isodyne_core::streams::RunStreams;
use isodyne_core::summary::RunSummary;

/// A run as everything here sees it.
#[derive(Clone, Copy, Debug)]
pub struct RunView<'a> {
    /// What the run set out to do.
    pub record: &'a RunRecord,
    /// Its samples, in the order in which they were taken.
    pub columns: &'a RunColumns,
    /// What was derived from them.
    pub summary: &'a RunSummary,
    /// What the logs of its samples hold, for figures of round trips; `None` where nobody read them.
    pub streams: Option<&'a RunStreams>,
    /// Where the run directory is, for people; `None` if that should not be told.
    pub location: Option<&'a str>,
    /// Who does parts of what is computed for showing.
    pub runner: Runner<'a>,
}

/// What is said wherever a scripted value is shown.
pub const SCRIPTED: &str = "scripted: not a measurement";
