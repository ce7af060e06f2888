//! Figures: drawn once, shown inside the report, as files in SVG, and as PNG.

mod axis;
mod before_after;
mod curves;
mod dots;
mod drawing;
mod ecdf;
mod finished;
mod ink;
mod moved;
mod pairs;
mod png;
mod series;
mod shared;
mod steps;
mod ticks;
mod timeline;
mod touch;
mod trend;
mod waterfall;

pub use finished::Figure;
pub use ink::Paint;
pub use png::PngError;
pub use series::{SeriesLine, SeriesPanel, series_figure, series_file};

use crate::RunView;
use crate::comparison::{ComparisonView, Pairs, of_variants};
use crate::findings::Findings;
use crate::prepared::Prepared;
use ink::Ink;
use isodyne_core::compare::Change;
use isodyne_core::trend::Trend;

/// The figures of a run: the distribution of totals, those of shared memory, the
/// working set behind a restore, the ledger, the samples over time, and where
/// it has variants their differences. A figure without anything to show is absent.
pub fn figures(view: RunView<'_>, paint: Paint) -> Vec<Figure> {
    let run = Prepared::new(view);
    let mut all = draw(&run, paint);
    if let Some(comparison) = of_variants(&run) {
        all.extend(draw_pairs(&Pairs::of_run(&run, &comparison), paint));
    }
    all
}

/// The figures of two runs that were compared.
pub fn comparison_figures(view: &ComparisonView<'_>, paint: Paint) -> Vec<Figure> {
    let findings = [view.baseline, view.candidate].map(|run| Findings::of(run.record, run.columns, run.runner));
    draw_pairs(&Pairs::of_runs(view, [&findings[0], &findings[1]]), paint)
}

/// One figure for each trend.
pub fn trend_figures(trends: &[&Trend], paint: Paint) -> Vec<Figure> {
    trends.iter().enumerate().filter_map(|(place, one)| trend::trend(one, place, paint)).collect()
}

pub(crate) fn draw(run: &Prepared<'_>, paint: Paint) -> Vec<Figure> {
    let others = [touch::touch(run, paint), waterfall::waterfall(run, paint), timeline::timeline(run, paint)];
    let first = ecdf::ecdfs(run, paint).into_iter().chain(shared::shared(run, paint));
    first.chain(others.into_iter().flatten()).collect()
}

pub(crate) fn draw_pairs(pairs: &Pairs<'_>, paint: Paint) -> Vec<Figure> {
    let others = [pairs::pairs(pairs, paint), moved::moved(pairs, paint)];
    before_after::before_after(pairs, paint).into_iter().chain(others.into_iter().flatten()).collect()
}

/// The ink of a verdict; its word stands beside it always.
fn verdict_ink(change: Change) -> Ink {
    match change {
        Change::Better => Ink::Series(2),
        Change::Worse => Ink::Bad,
        Change::Same => Ink::Series(0),
        Change::Unclear => Ink::Muted,
    }
}

/// Every figure of a run as `NAME.svg` and `NAME.png`, ready to be written by the caller.
///
/// # Errors
/// If a figure cannot be turned into pixels.
pub fn figure_files(view: RunView<'_>) -> Result<Vec<(String, Vec<u8>)>, PngError> {
    files(|paint| figures(view, paint))
}

/// The same for two runs that were compared.
///
/// # Errors
/// If a figure cannot be turned into pixels.
pub fn comparison_figure_files(view: &ComparisonView<'_>) -> Result<Vec<(String, Vec<u8>)>, PngError> {
    files(|paint| comparison_figures(view, paint))
}

/// The same for trends.
///
/// # Errors
/// If a figure cannot be turned into pixels.
pub fn trend_figure_files(trends: &[&Trend]) -> Result<Vec<(String, Vec<u8>)>, PngError> {
    files(|paint| trend_figures(trends, paint))
}

fn files(draw: impl Fn(Paint) -> Vec<Figure>) -> Result<Vec<(String, Vec<u8>)>, PngError> {
    let mut files: Vec<(String, Vec<u8>)> = draw(Paint::Themed)
        .into_iter()
        .map(|figure| (format!("{}.svg", figure.name), figure.standalone().into_bytes()))
        .collect();
    for figure in draw(Paint::Fixed) {
        files.push((format!("{}.png", figure.name), png::png(&figure)?));
    }
    Ok(files)
}
