//! How fast frames of one size go through shared memory: a line for each cell, with what the host can copy.

use super::bandwidth::groups;
use super::ceilings::{RATES, RATES_SAID, ceilings, key, rate_label, said, size_label, ticks};
use crate::escape::shorten;
use crate::figure::axis::Axis;
use crate::figure::drawing::{Anchor, Drawing, WIDTH, Words};
use crate::figure::finished::Figure;
use crate::figure::ink::{Ink, Paint};
use crate::prepared::{Prepared, ShownCell};
use crate::value::{count, metric};

const LEFT: f64 = 250.0;
const RIGHT: f64 = WIDTH - 46.0;
const ROW: f64 = 26.0;
/// More cells are not drawn.
const MOST: usize = 100;

/// A line for every cell that has no other beside it with frames of another size.
pub(super) fn rates(run: &Prepared<'_>, paint: Paint) -> Option<Figure> {
    let mut cells: Vec<(&ShownCell<'_>, u64)> =
        groups(run).into_iter().filter(|cells| cells.len() == 1).flatten().collect();
    let there = cells.len();
    cells.truncate(MOST);
    let ceilings = ceilings(run);
    let found = cells.iter().flat_map(|(cell, _)| RATES.iter().filter_map(|rate| rate.of(cell)));
    let ends =
        found.flat_map(|found| [found.min, found.max]).chain(ceilings.iter().flat_map(|one| [one.best, one.typical]));
    if cells.is_empty() {
        return None;
    }
    let (least, most) = ends.fold((f64::INFINITY, 0.0_f64), |(least, most), rate| (least.min(rate), most.max(rate)));
    let axis = Axis::log(least, most);
    let x = |rate: f64| LEFT + axis.place(rate) * (RIGHT - LEFT);
    let mut drawing = Drawing::new(paint);
    key(&mut drawing, 14.0);
    // The labels of the ceilings, apart from each other: the one furthest right first.
    let mut order: Vec<_> = ceilings.iter().collect();
    order.sort_by(|a, b| a.best.total_cmp(&b.best));
    let mut free = [f64::NEG_INFINITY; 4];
    for one in order {
        let label = format!("{} {}", one.level, rate_label(one.best));
        let half = 3.1 * label.chars().count() as f64;
        let at = x(one.best).min(WIDTH - half);
        let line = free.iter().position(|from| at - half > *from).unwrap_or(0);
        free[line] = at + half + 6.0;
        let words = Words { size: 10.0, ..Words::new(Ink::Text, Anchor::Middle) };
        drawing.words((at, 34.0 + 11.5 * line as f64), words, &label);
    }
    let lines = free.iter().filter(|from| from.is_finite()).count();
    drawing.panel(None, 28.0 + 11.5 * lines as f64);
    let grid = |drawing: &mut Drawing, height: f64| {
        for rate in ticks(axis.ends(), 6) {
            drawing.line((x(rate), 0.0), (x(rate), height), Ink::Grid, 1.0, "");
        }
        for one in &ceilings {
            let from = x(one.typical.min(one.best));
            drawing.band((from, 0.0), (x(one.best) - from, height), Ink::Muted);
            drawing.line((x(one.best), 0.0), (x(one.best), height), Ink::Text, 1.1, "6 4");
        }
    };
    for (cell, bytes) in &cells {
        grid(&mut drawing, ROW);
        row(&mut drawing, run, cell, *bytes, x);
        drawing.panel(Some(cell.series), ROW);
    }
    for rate in ticks(axis.ends(), 6) {
        let words = Words { size: 10.0, ..Words::new(Ink::Muted, Anchor::Middle) };
        drawing.words((x(rate), 13.0), words, &rate_label(rate));
    }
    let left_out = if there > MOST { format!(" {MOST} of {there} cells are drawn.") } else { String::new() };
    let explanation = format!(
        "Bytes a second (horizontal, logarithmic) with frames of one size, a line for each cell. {RATES_SAID}{}{left_out}",
        said(&ceilings)
    );
    Some(drawing.finish("shm-rates", "Bandwidth of frames", explanation, 20.0, run.is_scripted()))
}

fn row(drawing: &mut Drawing, run: &Prepared<'_>, cell: &ShownCell<'_>, bytes: u64, x: impl Fn(f64) -> f64) {
    let void = run.is_void(cell);
    let label = if void { format!("✕ void: {}", cell.label) } else { cell.label.clone() };
    let ink = if void { Ink::Bad } else { Ink::Text };
    drawing.words((0.0, 12.0), Words::new(ink, Anchor::Start), &shorten(&label, 38));
    let n = RATES.iter().filter_map(|rate| rate.of(cell)).map(|found| found.n).max().unwrap_or(0);
    let below = format!("frames of {}, n = {}", size_label(bytes as f64), count(n, "sample"));
    drawing.words((0.0, 23.0), Words { size: 9.5, ..Words::new(Ink::Muted, Anchor::Start) }, &below);
    for (place, rate) in RATES.iter().enumerate() {
        let Some(found) = rate.of(cell) else { continue };
        // Each kind has a height of its own, so that strokes do not lie on each other.
        let y = 5.0 + 4.0 * place as f64;
        let title = format!(
            "{label}, {}: {}, {} to {}, {}",
            rate.name,
            metric(rate.metric, found.p50, None),
            metric(rate.metric, found.min, None),
            metric(rate.metric, found.max, None),
            count(found.n, "sample")
        );
        drawing.line((x(found.min), y), (x(found.max), y), Ink::Series(rate.series), 1.0, "");
        rate.mark(drawing, (x(found.p50), y), &title);
    }
}
