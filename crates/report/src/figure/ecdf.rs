//! The distribution of totals: for each time, the share of samples that took no longer.

use super::axis::Axis;
use super::drawing::{Anchor, Drawing, Figure, Ink, Paint, WIDTH, Words, number};
use crate::escape::{plain, shorten};
use crate::prepared::{Prepared, ShownCell, TOTAL};
use crate::value::{median_interval, metric, tick};
use isodyne_core::stats::{Sorted, ecdf_points};
use std::fmt::Write;

const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 14.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 268.0;
const LEGEND_LINE: f64 = 18.0;
/// About how many steps all curves of a figure may have together.
const MOST_STEPS: f64 = 40_000.0;

/// The figures' names. Imported files may have any number of metrics; nobody looks at more figures.
const NAMES: [&str; 8] = ["ecdf", "ecdf-2", "ecdf-3", "ecdf-4", "ecdf-5", "ecdf-6", "ecdf-7", "ecdf-8"];

/// One figure for each headline metric; most runs have one.
pub(super) fn ecdfs(run: &Prepared<'_>, paint: Paint) -> Vec<Figure> {
    let mut groups: Vec<(&str, Vec<&ShownCell<'_>>)> = Vec::new();
    for cell in run.with_total() {
        match groups.iter_mut().find(|(metric, _)| *metric == cell.metric) {
            Some((_, cells)) => cells.push(cell),
            None => groups.push((cell.metric, vec![cell])),
        }
    }
    groups.truncate(NAMES.len());
    groups.iter().enumerate().filter_map(|(index, (_, cells))| ecdf(run, cells, index, paint)).collect()
}

/// The figure of cells with one headline metric.
fn ecdf(run: &Prepared<'_>, cells: &[&ShownCell<'_>], index: usize, paint: Paint) -> Option<Figure> {
    let metric = cells.first()?.metric;
    let totals: Vec<_> = cells.iter().filter_map(|cell| cell.total()).collect();
    let least = totals.iter().map(|total| total.min).reduce(f64::min)?;
    let most = totals.iter().map(|total| total.max).reduce(f64::max)?;
    let axis = Axis::over(least, most);
    let x = |value: f64| LEFT + axis.place(value) * (RIGHT - LEFT);
    let y = |share: f64| BOTTOM - share * (BOTTOM - TOP);
    let mut drawing = Drawing::new(paint);
    frame(&mut drawing, &axis, metric, x, y);
    // Steps closer than a tenth of a pixel fall together: nothing that could be seen is lost. With very many cells they
    // are coarser, so that the figure stays small.
    let grid = (cells.len() as f64 * (RIGHT - LEFT) / MOST_STEPS).max(0.1);
    for cell in cells {
        let x = |value: f64| (x(value) / grid).round() * grid;
        curve(&mut drawing, run, cell, x, y);
    }
    let height = legend(&mut drawing, run, cells);
    let scale = if axis.log { "logarithmic" } else { "linear" };
    let (title, meaning) = if metric == TOTAL {
        let meaning = format!(
            "For each time (horizontal, {scale}), the share of valid samples that took no longer (vertical). A curve \
             further left is faster, a steeper one steadier."
        );
        ("Distribution of totals".to_owned(), meaning)
    } else {
        let meaning = format!(
            "For each value of {metric} (horizontal, {scale}), the share of valid samples with no more (vertical). A \
             steeper curve is a steadier one.",
            metric = plain(metric)
        );
        (format!("Distribution of {}", plain(metric)), meaning)
    };
    Some(drawing.finish(
        NAMES.get(index)?,
        title,
        format!(
            "{meaning} The thick bar at 50 % is the 95 % interval of the median, \
             from order statistics; cells with fewer than 15 samples have none. Failed and warm-up samples are not in \
             it."
        ),
        height,
        run.is_scripted(),
    ))
}

fn frame(drawing: &mut Drawing, axis: &Axis, metric: &str, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) {
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        drawing.line((LEFT, y(share)), (RIGHT, y(share)), Ink::Grid, 1.0, "");
        let words = Words::new(Ink::Muted, Anchor::End);
        drawing.words((LEFT - 8.0, y(share) + 4.0), words, &format!("{:.0} %", share * 100.0));
    }
    let mut last_label = f64::NEG_INFINITY;
    for value in axis.ticks(9) {
        let at = x(value);
        drawing.line((at, TOP), (at, BOTTOM), Ink::Grid, 1.0, "");
        if at - last_label > 48.0 {
            drawing.words((at, BOTTOM + 17.0), Words::new(Ink::Muted, Anchor::Middle), &tick(metric, value));
            last_label = at;
        }
    }
    let words = Words::new(Ink::Muted, Anchor::Middle);
    let name = if metric == TOTAL { "total time".to_owned() } else { shorten(metric, 60) };
    let scale = if axis.log { format!("{name}, logarithmic") } else { name };
    drawing.words(((LEFT + RIGHT) / 2.0, BOTTOM + 36.0), words, &scale);
}

fn curve(
    drawing: &mut Drawing,
    run: &Prepared<'_>,
    cell: &ShownCell<'_>,
    x: impl Fn(f64) -> f64,
    y: impl Fn(f64) -> f64,
) {
    let Some(sorted) = Sorted::new(cell.columns.values(cell.metric)) else { return };
    let ink = Ink::Series(cell.series);
    let mut d = String::new();
    let (mut last_x, mut last_y) = (String::new(), number(y(0.0)));
    for (value, share) in ecdf_points(&sorted) {
        let (at_x, at_y) = (number(x(value)), number(y(share)));
        if d.is_empty() {
            let _ = write!(d, "M{at_x} {last_y}");
        } else if at_x != last_x {
            let _ = write!(d, "V{last_y}H{at_x}");
        }
        (last_x, last_y) = (at_x, at_y);
    }
    let _ = write!(d, "V{last_y}");
    drawing.path(&d, ink, 1.8, Ink::dash(cell.series));
    let Some(total) = cell.total() else { return };
    if let Some([low, high]) = total.ci95 {
        // An interval too narrow to see keeps a visible mark.
        let (from, to) = (x(low), x(high).max(x(low) + 3.0));
        let title = format!(
            "{}: median {}, 95 % interval {}, n = {}",
            cell.label,
            metric(cell.metric, total.p50, run.step()),
            median_interval(cell.metric, total, run.step()),
            total.n
        );
        drawing.bar((from, y(0.5) - 3.0), (to - from, 6.0), ink, false, &title);
    }
}

/// Draws the legend below and returns the figure's height.
fn legend(drawing: &mut Drawing, run: &Prepared<'_>, cells: &[&ShownCell<'_>]) -> f64 {
    let columns = [LEFT + 34.0, LEFT + 330.0, LEFT + 420.0, LEFT + 640.0];
    let mut at = BOTTOM + 62.0;
    let quiet = |anchor| Words::new(Ink::Muted, anchor);
    drawing.words((columns[0], at), quiet(Anchor::Start), "cell");
    drawing.words((columns[1], at), quiet(Anchor::End), "n");
    drawing.words((columns[2], at), quiet(Anchor::End), "median");
    drawing.words((columns[3], at), quiet(Anchor::End), "95 % interval of the median");
    let mut order: Vec<_> = cells.iter().filter_map(|cell| Some((cell, cell.total()?))).collect();
    order.sort_by(|a, b| a.1.p50.total_cmp(&b.1.p50));
    for (cell, total) in order {
        at += LEGEND_LINE;
        let ink = Ink::Series(cell.series);
        drawing.line((LEFT, at - 4.0), (LEFT + 26.0, at - 4.0), ink, 2.4, Ink::dash(cell.series));
        let words = |anchor| Words::new(Ink::Text, anchor);
        drawing.words((columns[0], at), words(Anchor::Start), &shorten(&cell.label, 38));
        drawing.words((columns[1], at), words(Anchor::End), &total.n.to_string());
        drawing.words((columns[2], at), words(Anchor::End), &metric(cell.metric, total.p50, run.step()));
        drawing.words((columns[3], at), words(Anchor::End), &median_interval(cell.metric, total, run.step()));
    }
    at + 10.0
}
