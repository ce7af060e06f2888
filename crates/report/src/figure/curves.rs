//! Distributions as curves: for each value the share of samples with no more, with the intervals of some quantiles.

use super::axis::Axis;
use super::drawing::{Anchor, Drawing, WIDTH, Words};
use super::ink::Ink;
use super::steps::steps;
use super::ticks::Ticks;
use crate::escape::shorten;
use crate::prepared::TOTAL;
use crate::value::{interval, median_interval, metric, tick};
use isodyne_core::stats::{Sorted, ecdf_points};
use isodyne_core::summary::MetricSummary;

const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 14.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 268.0;
const LEGEND_LINE: f64 = 18.0;
/// About how many steps all curves of a figure may have together.
const MOST_STEPS: f64 = 40_000.0;

/// What is said of the bars, wherever they are drawn.
pub(super) const BARS: &str = "The bars at 50, 90, 95 and 99 % are the 95 % intervals of these quantiles, each by itself, \
     from order statistics, wider where samples are correlated in time; a bar is missing where n cannot carry it. Failed and \
     warm-up samples are not in it.";

/// One curve.
pub(super) struct Curve<'a> {
    /// What it is of.
    pub label: String,
    /// The place of the cell with which it is hidden.
    pub cell: usize,
    /// Its colour.
    pub series: usize,
    /// Whether the auditor says that it cannot be believed.
    pub void: bool,
    /// The values.
    pub values: Sorted,
    /// What was derived from them.
    pub summary: &'a MetricSummary,
}

/// Draws the curves of a metric and the legend below, as parts of a figure. The legend is in the order of the medians.
/// Returns whether the scale is logarithmic.
pub(super) fn draw(drawing: &mut Drawing, name: &str, step: Option<u64>, curves: &[Curve<'_>]) -> Option<bool> {
    let least = curves.iter().map(|curve| curve.summary.min).reduce(f64::min)?;
    let most = curves.iter().map(|curve| curve.summary.max).reduce(f64::max)?;
    let axis = Axis::over(least, most);
    let x = |value: f64| LEFT + axis.place(value) * (RIGHT - LEFT);
    frame(drawing, &axis, name, x);
    // Steps closer than a tenth of a pixel fall together: nothing that could be seen is lost. With very many cells they
    // are coarser, so that the figure stays small.
    let grid = (curves.len() as f64 * (RIGHT - LEFT) / MOST_STEPS).max(0.1);
    for curve in curves {
        drawing.open(curve.cell);
        line(drawing, curve, |value| (x(value) / grid).round() * grid);
        intervals(drawing, name, step, curve, x);
        drawing.close();
    }
    legend(drawing, name, step, curves);
    Some(axis.log)
}

fn y(share: f64) -> f64 {
    BOTTOM - share * (BOTTOM - TOP)
}

fn frame(drawing: &mut Drawing, axis: &Axis, metric: &str, x: impl Fn(f64) -> f64) {
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        drawing.line((LEFT, y(share)), (RIGHT, y(share)), Ink::Grid, 1.0, "");
        let words = Words::new(Ink::Muted, Anchor::End);
        drawing.words((LEFT - 8.0, y(share) + 4.0), words, &format!("{:.0} %", share * 100.0));
    }
    let ticks = Ticks { size: 11.0, ..Ticks::new((TOP, BOTTOM), BOTTOM + 17.0, 48.0) };
    ticks.draw(drawing, axis.ticks(9).into_iter().map(|value| (x(value), tick(metric, value))));
    let words = Words::new(Ink::Muted, Anchor::Middle);
    let name = if metric == TOTAL { "total time".to_owned() } else { shorten(metric, 60) };
    let scale = if axis.log { format!("{name}, logarithmic") } else { name };
    drawing.words(((LEFT + RIGHT) / 2.0, BOTTOM + 36.0), words, &scale);
}

fn line(drawing: &mut Drawing, curve: &Curve<'_>, x: impl Fn(f64) -> f64) {
    let d = steps(y(0.0), ecdf_points(&curve.values).into_iter().map(|(value, share)| (x(value), y(share))));
    drawing.path(&d, Ink::Series(curve.series), 1.8, Ink::dash(curve.series));
}

fn intervals(drawing: &mut Drawing, name: &str, step: Option<u64>, curve: &Curve<'_>, x: impl Fn(f64) -> f64) {
    let found = curve.summary;
    let all = [
        (0.5, Some(found.p50), found.ci95),
        (0.9, found.p90, found.p90_ci95),
        (0.95, found.p95, found.p95_ci95),
        (0.99, found.p99, found.p99_ci95),
    ];
    for (share, value, ends) in all {
        let (Some(value), Some([low, high])) = (value, ends) else { continue };
        // An interval too narrow to see keeps a visible mark.
        let (from, to) = (x(low), x(high).max(x(low) + 3.0));
        let title = format!(
            "{}: p{:.0} {}, 95 % interval {}, n = {}",
            curve.label,
            share * 100.0,
            metric(name, value, step),
            interval(name, ends, step),
            found.n
        );
        let height = if share == 0.5 { 6.0 } else { 4.0 };
        drawing.bar((from, y(share) - height / 2.0), (to - from, height), Ink::Series(curve.series), false, &title);
    }
}

/// Draws the legend, one part a line, the least median first.
fn legend(drawing: &mut Drawing, name: &str, step: Option<u64>, curves: &[Curve<'_>]) {
    let columns = [LEFT + 34.0, LEFT + 330.0, LEFT + 420.0, LEFT + 640.0];
    let at = BOTTOM + 62.0;
    let quiet = |anchor| Words::new(Ink::Muted, anchor);
    drawing.words((columns[0], at), quiet(Anchor::Start), "cell");
    drawing.words((columns[1], at), quiet(Anchor::End), "n");
    drawing.words((columns[2], at), quiet(Anchor::End), "median");
    drawing.words((columns[3], at), quiet(Anchor::End), "95 % interval of the median");
    drawing.panel(None, at + 4.0);
    let mut order: Vec<&Curve<'_>> = curves.iter().collect();
    order.sort_by(|a, b| a.summary.p50.total_cmp(&b.summary.p50));
    for curve in order {
        let (at, ink) = (LEGEND_LINE - 4.0, Ink::Series(curve.series));
        drawing.line((LEFT, at - 4.0), (LEFT + 26.0, at - 4.0), ink, 2.4, Ink::dash(curve.series));
        let words = |anchor| Words::new(if curve.void { Ink::Bad } else { Ink::Text }, anchor);
        let label = if curve.void { format!("✕ void: {}", curve.label) } else { curve.label.clone() };
        drawing.words((columns[0], at), words(Anchor::Start), &shorten(&label, 38));
        drawing.words((columns[1], at), words(Anchor::End), &curve.summary.n.to_string());
        drawing.words((columns[2], at), words(Anchor::End), &metric(name, curve.summary.p50, step));
        drawing.words((columns[3], at), words(Anchor::End), &median_interval(name, curve.summary, step));
        if curve.void {
            drawing.line((columns[1] - 4.0, at - 4.0), (columns[3], at - 4.0), Ink::Bad, 1.2, "");
        }
        drawing.panel(Some(curve.cell), LEGEND_LINE);
    }
}
