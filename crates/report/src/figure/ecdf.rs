//! The distribution of totals: for each time, the share of samples that took no longer.

use super::curves::{self, BARS, Curve};
use super::drawing::Drawing;
use super::finished::Figure;
use super::ink::Paint;
use crate::escape::plain;
use crate::prepared::{Prepared, ShownCell, TOTAL};
use isodyne_core::stats::Sorted;

/// Imported files may have any number of metrics; nobody looks at more figures.
const MOST_FIGURES: usize = 8;

/// One figure for each headline metric; most runs have one.
pub(super) fn ecdfs(run: &Prepared<'_>, paint: Paint) -> Vec<Figure> {
    let mut groups: Vec<(&str, Vec<&ShownCell<'_>>)> = Vec::new();
    for cell in run.with_total() {
        match groups.iter_mut().find(|(metric, _)| *metric == cell.metric) {
            Some((_, cells)) => cells.push(cell),
            None => groups.push((cell.metric, vec![cell])),
        }
    }
    groups.truncate(MOST_FIGURES);
    groups.iter().enumerate().filter_map(|(index, (_, cells))| ecdf(run, cells, index, paint)).collect()
}

/// The figure of cells with one headline metric.
fn ecdf(run: &Prepared<'_>, cells: &[&ShownCell<'_>], index: usize, paint: Paint) -> Option<Figure> {
    let metric = cells.first()?.metric;
    let curves: Vec<Curve<'_>> = cells
        .iter()
        .filter_map(|cell| {
            Some(Curve {
                label: cell.label.clone(),
                cell: cell.series,
                series: cell.series,
                void: run.is_void(cell),
                values: Sorted::new(cell.columns.values(cell.metric))?,
                summary: cell.total()?,
            })
        })
        .collect();
    let mut drawing = Drawing::new(paint);
    let log = curves::draw(&mut drawing, metric, run.step(), &curves)?;
    let (title, meaning) = title_and_meaning(metric, log);
    let name = if index == 0 { "ecdf".to_owned() } else { format!("ecdf-{}", index + 1) };
    Some(drawing.finish(name, title, format!("{meaning} {BARS}"), 10.0, run.is_scripted()))
}

/// What a figure of distributions is called, and how it is read.
pub(super) fn title_and_meaning(metric: &str, log: bool) -> (String, String) {
    let scale = if log { "logarithmic" } else { "linear" };
    if metric == TOTAL {
        let meaning = format!(
            "For each time (horizontal, {scale}), the share of valid samples that took no longer (vertical). A curve \
             further left is faster, a steeper one steadier."
        );
        return ("Distribution of totals".to_owned(), meaning);
    }
    let metric = plain(metric);
    let meaning = format!(
        "For each value of {metric} (horizontal, {scale}), the share of valid samples with no more (vertical). A steeper \
         curve is a steadier one."
    );
    (format!("Distribution of {metric}"), meaning)
}
