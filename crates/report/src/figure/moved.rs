//! The phases of the ledger that moved: signed bars with their intervals.

use super::axis::Axis;
use super::drawing::{Anchor, Drawing, WIDTH, Words};
use super::finished::Figure;
use super::ink::{Ink, Paint};
use super::pairs::{MOST_CELLS, left_out};
use super::ticks::Ticks;
use crate::comparison::{Pair, Pairs};
use crate::escape::shorten;
use crate::text::comparison::signed_time;
use crate::value::tick;
use isodyne_core::compare::PhaseComparison;

const LEFT: f64 = 116.0;
const RIGHT: f64 = WIDTH - 244.0;
const ROW: f64 = 20.0;
const TOP: f64 = 26.0;

pub(super) fn moved(all: &Pairs<'_>, paint: Paint) -> Option<Figure> {
    let mut shown: Vec<&Pair<'_>> = all.pairs.iter().filter(|pair| !pair.found.phases.is_empty()).collect();
    let many = left_out(shown.len().min(MOST_CELLS), shown.len());
    shown.truncate(MOST_CELLS);
    if shown.is_empty() {
        return None;
    }
    let mut drawing = Drawing::new(paint);
    for pair in &shown {
        let label = Words { size: 12.5, ..Words::new(Ink::Text, Anchor::Start).bold() };
        drawing.words((0.0, 14.0), label, &shorten(&pair.label, 70));
        let height = rows(&mut drawing, &pair.found.phases);
        drawing.panel(Some(pair.cell), height);
    }
    let explanation = format!(
        "Each bar is how much longer (right of zero) or shorter (left, hatched) a phase of the ledger became, \
                       the Hodges–Lehmann estimate; the thin line is its 95 % interval. Only phases that surely moved are \
                       here, with false discoveries among them held at 5 % (Benjamini–Hochberg). Every pair of cells has \
                       its own scale.{many}"
    );
    Some(drawing.finish("moved", "Phases that moved", explanation, 0.0, all.scripted))
}

fn rows(drawing: &mut Drawing, phases: &[PhaseComparison]) -> f64 {
    let ends = |phase: &PhaseComparison| phase.change_ci95_ns.unwrap_or([phase.change_ns; 2]);
    let least = phases.iter().map(|phase| ends(phase)[0].min(phase.change_ns)).fold(0.0, f64::min);
    let most = phases.iter().map(|phase| ends(phase)[1].max(phase.change_ns)).fold(0.0, f64::max);
    let axis = Axis::signed(least, most);
    let x = |value: f64| LEFT + axis.place(value) * (RIGHT - LEFT);
    let bottom = TOP + ROW * phases.len() as f64;
    let ticks = Ticks::new((TOP, bottom + 2.0), bottom + 14.0, 52.0);
    let label = |value| tick("total_ns", value).replace('-', "−");
    ticks.draw(drawing, axis.ticks(5).into_iter().map(|value| (x(value), label(value))));
    for (index, phase) in phases.iter().enumerate() {
        let top = TOP + ROW * index as f64;
        let middle = top + ROW / 2.0;
        drawing.words((LEFT - 8.0, middle + 4.0), Words::new(Ink::Text, Anchor::End), &shorten(&phase.phase, 16));
        let (from, to) = (x(phase.change_ns.min(0.0)), x(phase.change_ns.max(0.0)));
        let longer = phase.change_ns > 0.0;
        let ink = if longer { Ink::Bad } else { Ink::Series(2) };
        let title = format!("{} {}", phase.phase, signed_time(phase.change_ns));
        drawing.bar((from, top + 4.0), ((to - from).max(1.0), ROW - 8.0), ink, !longer, &title);
        if let Some([low, high]) = phase.change_ci95_ns {
            drawing.line((x(low), middle), (x(high), middle), Ink::Text, 1.4, "");
            for end in [low, high] {
                drawing.line((x(end), middle - 3.5), (x(end), middle + 3.5), Ink::Text, 1.4, "");
            }
        }
        let interval = phase
            .change_ci95_ns
            .map_or_else(String::new, |[low, high]| format!(" ({} to {})", signed_time(low), signed_time(high)));
        let text = format!("{}{interval}", signed_time(phase.change_ns));
        drawing.words((RIGHT + 14.0, middle + 4.0), Words::new(Ink::Text, Anchor::Start), &text);
    }
    drawing.line((x(0.0), TOP - 2.0), (x(0.0), bottom + 2.0), Ink::Text, 1.2, "");
    bottom + 32.0
}
