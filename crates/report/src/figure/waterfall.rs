//! The ledger of each cell: one row a phase, laid end to end, and what is left over.

use super::axis::Axis;
use super::drawing::{Anchor, Drawing, WIDTH, Words};
use super::finished::Figure;
use super::ink::{Ink, Paint};
use super::ticks::Ticks;
use crate::escape::shorten;
use crate::prepared::{Prepared, TOTAL};
use crate::value::{count, metric, percent, tick, time};
use isodyne_core::summary::PhaseSummary;

const LEFT: f64 = 104.0;
const RIGHT: f64 = WIDTH - 190.0;
const ROW: f64 = 17.0;
/// How far the scale of a cell goes, in sums of its median phases.
const SCALE: f64 = 1.08;

pub(super) fn waterfall(run: &Prepared<'_>, paint: Paint) -> Option<Figure> {
    let mut drawing = Drawing::new(paint);
    let mut drawn = false;
    for cell in run.with_total().filter(|cell| !cell.summary.phases.is_empty()) {
        let Some(total) = cell.total() else { continue };
        // The rows are those of the whole sample, whatever its headline metric is.
        let (name, whole) = cell.summary.metrics.get(TOTAL).map_or((cell.metric, total), |whole| (TOTAL, whole));
        let what = if name == TOTAL { "total" } else { name };
        let head = format!("median {what} {}, {}", metric(name, whole.p50, run.step()), count(whole.n, "sample"));
        let at = 4.0 + ROW;
        drawing.words(
            (0.0, at),
            Words { size: 12.5, ..Words::new(Ink::Text, Anchor::Start).bold() },
            &shorten(&cell.label, 56),
        );
        drawing.words((WIDTH, at), Words::new(Ink::Muted, Anchor::End), &head);
        let bottom = phases(&mut drawing, run, &cell.summary.phases, cell.series, total.n, at + 8.0);
        drawing.panel(Some(cell.series), bottom + 8.0);
        drawn = true;
    }
    if !drawn {
        return None;
    }
    Some(drawing.finish(
        "waterfall",
        "Where the time goes",
        "Each bar is the median length of one phase over the valid samples of its cell, laid end to end in the order of \
         the life cycle; the thin line runs from its shortest to its longest, \
         counted from the same beginning (an arrow: beyond the scale). Hatched is the residue: time \
         within the total that is attributed to no phase. Every cell has its own scale. Medians of phases need not add up \
         to the median of the total; in each sample the phases and the residue do.",
        0.0,
        run.is_scripted(),
    ))
}

/// Draws one cell's rows from `top` and returns where they end.
fn phases(drawing: &mut Drawing, run: &Prepared<'_>, phases: &[PhaseSummary], series: usize, n: u64, top: f64) -> f64 {
    let sum: f64 = phases.iter().map(|phase| phase.p50_ns).sum();
    let axis = Axis::from_zero(sum * SCALE);
    let x = |value: f64| LEFT + axis.place(value) * (RIGHT - LEFT);
    let bottom = top + ROW * phases.len() as f64;
    let ticks = Ticks::new((top, bottom + 3.0), bottom + 15.0, 50.0);
    ticks.draw(drawing, axis.ticks(6).into_iter().map(|value| (x(value), tick(TOTAL, value))));
    let mut begin = 0.0;
    let mut at = top;
    for phase in phases {
        let residue = phase.name == "residue";
        let middle = at + ROW / 2.0;
        let length = time(phase.p50_ns, run.step());
        let share = if sum > 0.0 { percent(phase.p50_ns / sum) } else { String::new() };
        let words = Words::new(if residue { Ink::Muted } else { Ink::Text }, Anchor::End);
        drawing.words((LEFT - 8.0, middle + 4.0), words, &shorten(&phase.name, 14));
        let title = format!("{} {length} ({share}), {}", phase.name, count(phase.n, "sample"));
        let width = (x(begin + phase.p50_ns) - x(begin)).max(1.0);
        let ink = if residue { Ink::Muted } else { Ink::Series(series) };
        drawing.bar((x(begin), at + 3.0), (width, ROW - 6.0), ink, residue, &title);
        if phase.n > 1 {
            let (from, to) = (begin + phase.min_ns, begin + phase.max_ns);
            drawing.line((x(from), middle), (x(to), middle), Ink::Text, 1.0, "");
            if to > sum * SCALE {
                drawing.words(
                    (RIGHT + 2.0, middle + 3.5),
                    Words { size: 9.0, ..Words::new(Ink::Text, Anchor::Start) },
                    "▶",
                );
            }
        }
        drawing.words((RIGHT + 92.0, middle + 4.0), Words::new(Ink::Text, Anchor::End), &length);
        let seen = if phase.n == n { share } else { format!("{share} (n = {})", phase.n) };
        drawing.words((RIGHT + 102.0, middle + 4.0), Words::new(Ink::Muted, Anchor::Start), &seen);
        begin += phase.p50_ns;
        at += ROW;
    }
    bottom + 16.0
}
