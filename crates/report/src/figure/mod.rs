//! Figures: drawn once, shown inside the report, as files in SVG, and as PNG.

mod axis;
mod dots;
mod drawing;
mod ecdf;
mod png;
mod timeline;
mod waterfall;

pub use drawing::{Figure, Paint};
pub use png::PngError;

use crate::RunView;
use crate::prepared::Prepared;

/// The figures of a run: the distribution of totals, the ledger, the samples over time. A figure without anything to
/// show is absent.
pub fn figures(view: RunView<'_>, paint: Paint) -> Vec<Figure> {
    draw(&Prepared::new(view), paint)
}

pub(crate) fn draw(run: &Prepared<'_>, paint: Paint) -> Vec<Figure> {
    let others = [waterfall::waterfall(run, paint), timeline::timeline(run, paint)];
    ecdf::ecdfs(run, paint).into_iter().chain(others.into_iter().flatten()).collect()
}

/// Every figure as `NAME.svg` and `NAME.png`, ready to be written by the caller.
///
/// # Errors
/// If a figure cannot be turned into pixels.
pub fn figure_files(view: RunView<'_>) -> Result<Vec<(String, Vec<u8>)>, PngError> {
    let run = Prepared::new(view);
    let mut files: Vec<(String, Vec<u8>)> = draw(&run, Paint::Themed)
        .into_iter()
        .map(|figure| (format!("{}.svg", figure.name), figure.standalone().into_bytes()))
        .collect();
    for figure in draw(&run, Paint::Fixed) {
        files.push((format!("{}.png", figure.name), png::png(&figure)?));
    }
    Ok(files)
}
