//! The distributions of two separate runs, one pair of cells at a time.

use super::curves::{self, BARS, Curve};
use super::drawing::Drawing;
use super::ecdf::title_and_meaning;
use super::finished::Figure;
use super::ink::Paint;
use super::pairs::{MOST_CELLS, left_out};
use crate::comparison::{Pair, Pairs};
use isodyne_core::compare::{Design, MetricComparison};
use isodyne_core::stats::Sorted;

/// One figure for each pair of cells of separate runs.
pub(super) fn before_after(all: &Pairs<'_>, paint: Paint) -> Vec<Figure> {
    let separate = all.pairs.iter().filter_map(|pair| {
        let headline = pair.headline().filter(|one| one.design == Design::Separate)?;
        Some((pair, headline))
    });
    let separate: Vec<_> = separate.collect();
    let many = left_out(separate.len().min(MOST_CELLS), separate.len());
    let drawn = separate.into_iter().take(MOST_CELLS);
    drawn.filter_map(|(pair, headline)| figure(all, pair, headline, &many, paint)).collect()
}

fn figure(all: &Pairs<'_>, pair: &Pair<'_>, one: &MetricComparison, many: &str, paint: Paint) -> Option<Figure> {
    let metric = one.metric.as_str();
    let ids = [&pair.found.baseline, &pair.found.candidate];
    let curves: Vec<Curve<'_>> = [("baseline", 0), ("candidate", 1)]
        .into_iter()
        .filter_map(|(label, index)| {
            let side = pair.sides[index];
            Some(Curve {
                label: label.to_owned(),
                cell: pair.cell,
                series: index,
                void: side.findings.is_void(ids[index], metric),
                values: Sorted::new(side.columns.values(metric))?,
                summary: side.summary?.metrics.get(metric)?,
            })
        })
        .collect();
    let mut drawing = Drawing::new(paint);
    let log = curves::draw(&mut drawing, metric, all.step, &curves)?;
    let (title, meaning) = title_and_meaning(metric, log);
    let name = format!("distribution-{}", pair.cell + 1);
    let mut figure =
        drawing.finish(name, format!("{}: {title}", pair.label), format!("{meaning} {BARS}{many}"), 6.0, all.scripted);
    figure.cell = Some(pair.cell);
    Some(figure)
}
