//! The working set behind a restore: how long it takes until its pages have been touched, tenth by tenth.

use super::axis::Axis;
use super::drawing::{Anchor, Drawing, WIDTH, Words, number};
use super::finished::Figure;
use super::ink::{Ink, Paint};
use super::ticks::Ticks;
use crate::escape::shorten;
use crate::prepared::{Prepared, ShownCell};
use crate::value::{NONE, interval, median_interval, metric, tick, time};
use isodyne_core::cell::BenchmarkName;
use isodyne_core::factor::FactorValue;
use isodyne_core::stats::Sorted;
use isodyne_core::summary::MetricSummary;
use std::fmt::Write;

const LEFT: f64 = 62.0;
const RIGHT: f64 = WIDTH - 22.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 218.0;
/// The lower drawing: what each page took.
const LOW_TOP: f64 = 24.0;
const LOW_BOTTOM: f64 = 152.0;
const LEGEND_LINE: f64 = 18.0;
/// Where the legend's numbers end.
const COLUMNS: [f64; 5] = [366.0, 446.0, 590.0, 672.0, RIGHT];
/// More curves than this are no picture.
const MOST_CURVES: usize = 24;
/// In how many parts a sample tells it.
const STEPS: usize = 10;
/// The subject's pages.
const PAGE_BYTES: f64 = 4096.0;
/// Touching all of it, after the restore and before the state was kept.
const TOUCH: &str = "touch_ns";
const BEFORE: &str = "touch_before_ns";

/// What a cell tells.
struct Curve<'a> {
    label: String,
    series: usize,
    void: bool,
    /// Until each tenth was touched.
    until: Vec<&'a MetricSummary>,
    all: &'a MetricSummary,
    before: Option<&'a MetricSummary>,
    faults: Option<f64>,
    /// The median time for each page of each tenth.
    per_page_ns: Vec<f64>,
}

/// One figure over all cells whose samples have touched what came back.
pub(super) fn touch(run: &Prepared<'_>, paint: Paint) -> Option<Figure> {
    let cells = run.cells.iter().filter(|cell| cell.summary.cell.benchmark == BenchmarkName::Checkpoint);
    let mut curves: Vec<Curve<'_>> = cells.filter_map(|cell| curve(run, cell)).collect();
    let there = curves.len();
    curves.truncate(MOST_CURVES);
    let ends = || curves.iter().flat_map(|curve| curve.until.iter().copied().chain(curve.before));
    let least = ends().map(|found| found.p50).filter(|ns| *ns > 0.0).reduce(f64::min)?;
    let most = ends().map(|found| found.ci95.map_or(found.p50, |[_, high]| high.max(found.p50))).reduce(f64::max)?;
    let axis = Axis::over(least, most);
    let axis = if axis.log { axis } else { Axis::from_zero(most * 1.03) };
    let mut drawing = Drawing::new(paint);
    shares(&mut drawing, run, &axis, &curves);
    drawing.panel(None, BOTTOM + 44.0);
    pages(&mut drawing, run, &curves);
    drawing.panel(None, LOW_BOTTOM + 44.0);
    legend(&mut drawing, run, &curves);
    let scale = if axis.log { "logarithmic" } else { "linear" };
    let left_out =
        if there > MOST_CURVES { format!(" {MOST_CURVES} of {there} cells are drawn.") } else { String::new() };
    let explanation = format!(
        "Once it has come back and has answered, the sandbox touches its pages in an order without neighbours. Above: the \
         share of them that has been touched (vertical) by the time since the first touch (horizontal, {scale}), by the clock \
         inside; medians over valid samples. A curve further left has its memory sooner. The bars at 50 and 100 % are the 95 % intervals of \
         these medians; the ring is the time for all of it before the state was kept, when every page was there. Below: \
         what one page took in each tenth of them (vertical, logarithmic), median over samples. What brings pages only when \
         they are touched shows here, and in no time of a restore.{left_out}"
    );
    Some(drawing.finish("touch", "Working set after the restore", explanation, 10.0, run.is_scripted()))
}

fn curve<'a>(run: &Prepared<'_>, cell: &ShownCell<'a>) -> Option<Curve<'a>> {
    let metrics = &cell.summary.metrics;
    let name = |step: usize| format!("touch_{}_percent_ns", step * 100 / STEPS);
    let until: Vec<&MetricSummary> = (1..=STEPS).filter_map(|step| metrics.get(&name(step))).collect();
    let all = metrics.get(TOUCH).filter(|_| until.len() == STEPS)?;
    Some(Curve {
        label: cell.label.clone(),
        series: cell.series,
        void: run.is_void(cell),
        until,
        all,
        before: metrics.get(BEFORE),
        faults: ["touch_minor_faults_count", "touch_major_faults_count"]
            .iter()
            .filter_map(|name| metrics.get(*name))
            .map(|found| found.p50)
            .reduce(|minor, major| minor + major),
        per_page_ns: per_page(cell, name),
    })
}

/// The median time for each page of each tenth: empty where the samples do not say how many pages there are.
fn per_page(cell: &ShownCell<'_>, name: impl Fn(usize) -> String) -> Vec<f64> {
    let percent = cell.summary.cell.factors.get("touch_percent").and_then(FactorValue::as_count).unwrap_or(100) as f64;
    let columns = &cell.columns.metrics;
    let Some(resident) = columns.get("resident_bytes") else { return Vec::new() };
    let at = |step: usize, row: usize| match step {
        0 => Some(0.0),
        _ => columns.get(&name(step))?.get(row).copied().filter(|ns| ns.is_finite()),
    };
    let of = |step: usize| {
        let rows = cell.columns.valid().filter_map(|row| {
            let pages = resident.get(row)? / PAGE_BYTES * percent / 100.0 / STEPS as f64;
            let ns = (at(step, row)? - at(step - 1, row)?) / pages;
            (ns.is_finite() && ns > 0.0).then_some(ns)
        });
        Sorted::new(rows)?.quantile(0.5)
    };
    let found: Vec<f64> = (1..=STEPS).filter_map(of).collect();
    if found.len() == STEPS { found } else { Vec::new() }
}

fn y(share: f64) -> f64 {
    BOTTOM - share * (BOTTOM - TOP)
}

fn shares(drawing: &mut Drawing, run: &Prepared<'_>, axis: &Axis, curves: &[Curve<'_>]) {
    let x = |ns: f64| LEFT + axis.place(ns) * (RIGHT - LEFT);
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        drawing.line((LEFT, y(share)), (RIGHT, y(share)), Ink::Grid, 1.0, "");
        let words = Words::new(Ink::Muted, Anchor::End);
        drawing.words((LEFT - 8.0, y(share) + 4.0), words, &format!("{:.0} %", share * 100.0));
    }
    let ticks = Ticks { size: 11.0, ..Ticks::new((TOP, BOTTOM), BOTTOM + 17.0, 48.0) };
    ticks.draw(drawing, axis.ticks(9).into_iter().map(|ns| (x(ns), tick(TOUCH, ns))));
    let scale = if axis.log { ", logarithmic" } else { "" };
    let below = format!("time since the first touch{scale}");
    drawing.words(((LEFT + RIGHT) / 2.0, BOTTOM + 35.0), Words::new(Ink::Muted, Anchor::Middle), &below);
    for curve in curves {
        drawing.open(curve.series);
        let mut d = if axis.log { String::new() } else { format!("M{} {}", number(LEFT), number(y(0.0))) };
        for (step, found) in curve.until.iter().enumerate() {
            let letter = if d.is_empty() { 'M' } else { 'L' };
            let share = (step + 1) as f64 / STEPS as f64;
            let _ = write!(d, "{letter}{} {}", number(x(found.p50)), number(y(share)));
        }
        let ink = Ink::Series(curve.series);
        drawing.path(&d, ink, 1.8, Ink::dash(curve.series));
        for step in [STEPS / 2, STEPS] {
            let Some(found) = curve.until.get(step - 1) else { continue };
            let Some([low, high]) = found.ci95 else { continue };
            let share = step as f64 / STEPS as f64;
            let title = format!(
                "{}: {:.0} % touched after {}, 95 % interval {}, n = {}",
                curve.label,
                share * 100.0,
                metric(TOUCH, found.p50, run.step()),
                interval(TOUCH, found.ci95, run.step()),
                found.n
            );
            let width = (x(high) - x(low)).max(3.0);
            drawing.bar((x(low), y(share) - 2.5), (width, 5.0), ink, false, &title);
        }
        if let Some(before) = curve.before {
            let title = format!("{}: all of it before, {}", curve.label, metric(BEFORE, before.p50, run.step()));
            drawing.ring((x(before.p50), y(1.0)), 3.6, ink, &title);
        }
        drawing.close();
    }
}

fn pages(drawing: &mut Drawing, run: &Prepared<'_>, curves: &[Curve<'_>]) {
    let all = || curves.iter().flat_map(|curve| curve.per_page_ns.iter().copied());
    let words = |anchor| Words::new(Ink::Muted, anchor);
    let (Some(least), Some(most)) = (all().reduce(f64::min), all().reduce(f64::max)) else {
        drawing.words((LEFT, LOW_TOP), words(Anchor::Start), "how many pages were touched is not told");
        return;
    };
    let axis = Axis::log(least, most);
    let x = |step: usize| LEFT + (RIGHT - LEFT) * step as f64 / STEPS as f64;
    let y = |ns: f64| LOW_BOTTOM - axis.place(ns) * (LOW_BOTTOM - LOW_TOP);
    drawing.words((LEFT, LOW_TOP - 8.0), words(Anchor::Start), "time for each page");
    for ns in axis.ticks(5) {
        drawing.line((LEFT, y(ns)), (RIGHT, y(ns)), Ink::Grid, 1.0, "");
        drawing.words((LEFT - 8.0, y(ns) + 4.0), words(Anchor::End), &tick(TOUCH, ns));
    }
    let ticks = Ticks { size: 11.0, ..Ticks::new((LOW_TOP, LOW_BOTTOM), LOW_BOTTOM + 17.0, 48.0) };
    ticks.draw(drawing, (0..=STEPS).map(|step| (x(step), format!("{} %", step * 100 / STEPS))));
    drawing.words(
        ((LEFT + RIGHT) / 2.0, LOW_BOTTOM + 35.0),
        words(Anchor::Middle),
        "share of the pages touched so far",
    );
    for curve in curves.iter().filter(|curve| !curve.per_page_ns.is_empty()) {
        drawing.open(curve.series);
        let mut d = String::new();
        for (step, ns) in curve.per_page_ns.iter().enumerate() {
            match step {
                0 => drop(write!(d, "M{} {}H{}", number(x(0)), number(y(*ns)), number(x(1)))),
                _ => drop(write!(d, "V{}H{}", number(y(*ns)), number(x(step + 1)))),
            }
        }
        drawing.path(&d, Ink::Series(curve.series), 1.6, Ink::dash(curve.series));
        let last = curve.per_page_ns.last().copied().unwrap_or(0.0);
        let title = format!("{}: {} a page in the last tenth", curve.label, time(last, run.step()));
        drawing.dot((x(STEPS), y(last)), 2.4, Ink::Series(curve.series), &title);
        drawing.close();
    }
}

/// The legend, the least median first.
fn legend(drawing: &mut Drawing, run: &Prepared<'_>, curves: &[Curve<'_>]) {
    let quiet = |anchor| Words::new(Ink::Muted, anchor);
    drawing.words((LEFT + 34.0, 12.0), quiet(Anchor::Start), "cell");
    for (at, heading) in COLUMNS.into_iter().zip(["n", "all touched", "95 % interval", "before", "faults"]) {
        drawing.words((at, 12.0), quiet(Anchor::End), heading);
    }
    drawing.panel(None, 18.0);
    let mut order: Vec<&Curve<'_>> = curves.iter().collect();
    order.sort_by(|a, b| a.all.p50.total_cmp(&b.all.p50));
    for curve in order {
        let (at, ink) = (LEGEND_LINE - 4.0, Ink::Series(curve.series));
        let words = |anchor| Words::new(if curve.void { Ink::Bad } else { Ink::Text }, anchor);
        let label = if curve.void { format!("✕ void: {}", curve.label) } else { curve.label.clone() };
        drawing.line((LEFT, at - 4.0), (LEFT + 26.0, at - 4.0), ink, 2.4, Ink::dash(curve.series));
        drawing.words((LEFT + 34.0, at), words(Anchor::Start), &shorten(&label, 40));
        let values = [
            curve.all.n.to_string(),
            metric(TOUCH, curve.all.p50, run.step()),
            median_interval(TOUCH, curve.all, run.step()),
            curve.before.map_or_else(|| NONE.to_owned(), |before| metric(BEFORE, before.p50, run.step())),
            curve.faults.map_or_else(|| NONE.to_owned(), |faults| format!("{faults:.0}")),
        ];
        for (at_x, value) in COLUMNS.into_iter().zip(values) {
            drawing.words((at_x, at), words(Anchor::End), &value);
        }
        if curve.void {
            drawing.line((COLUMNS[0] - 4.0, at - 4.0), (COLUMNS[4], at - 4.0), Ink::Bad, 1.2, "");
        }
        drawing.panel(Some(curve.series), LEGEND_LINE);
    }
}
