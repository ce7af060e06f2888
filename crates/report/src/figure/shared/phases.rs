//! Where the time of a frame goes: copy in, notify, answer; and what the other side says that its part took.

use super::{ceilings::size_label, cells};
use crate::escape::shorten;
use crate::figure::axis::Axis;
use crate::figure::drawing::{Anchor, Drawing, WIDTH, Words};
use crate::figure::finished::Figure;
use crate::figure::ink::{Ink, Paint};
use crate::figure::ticks::Ticks;
use crate::prepared::{Prepared, ShownCell, TOTAL};
use crate::value::{percent, tick, time};
use isodyne_core::factor::FactorValue;
use isodyne_core::stats::Histogram;
use isodyne_core::streams::CellStreams;

const LEFT: f64 = 104.0;
const RIGHT: f64 = WIDTH - 190.0;
const ROW: f64 = 17.0;
const TOP: f64 = 24.0;
/// More cells are not drawn.
const MOST: usize = 60;
/// How far the scale of a cell goes, in sums of its median phases.
const SCALE: f64 = 1.08;

/// The phases on the asking side's clock, end to end, and what is within the last of them.
const PHASES: [(&str, &str); 3] = [("copy_in_ns", "copy in"), ("notify_ns", "notify"), ("answer_ns", "answer")];
const WITHIN: [(&str, &str); 2] = [("copy_out_ns", "of it, copy out"), ("check_ns", "of it, check")];

pub(super) fn phases(run: &Prepared<'_>, paint: Paint) -> Option<Figure> {
    let read = run.view.streams?;
    let with_frames = cells(run).filter_map(|cell| {
        let found = read.cells.get(&cell.summary.cell.id)?;
        PHASES.iter().all(|(name, _)| found.frames.contains_key(*name)).then_some((cell, found))
    });
    let with_frames: Vec<_> = with_frames.collect();
    if with_frames.is_empty() {
        return None;
    }
    let mut drawing = Drawing::new(paint);
    for (cell, found) in with_frames.iter().take(MOST) {
        let height = panel(&mut drawing, run, cell, found);
        drawing.panel(Some(cell.series), height);
    }
    let left_out = if with_frames.len() > MOST {
        format!(" {MOST} of {} cells are drawn.", with_frames.len())
    } else {
        String::new()
    };
    let explanation = format!(
        "Median length of each phase over all single frames of all valid samples of a cell, laid end to end; the thin line \
         runs from the shortest to the longest (an arrow: beyond the scale). The answer ends when the proof is there that the \
         other side has every byte. Hatched: what copy out and check took by the other side's own clock; they lie somewhere \
         within the answer, and are drawn from its beginning because nobody knows where. Every cell has its own scale. \
         Medians of phases need not add up to the median of the frame.{left_out}"
    );
    Some(drawing.finish("shm-phases", "Where the time of a frame goes", explanation, 0.0, run.is_scripted()))
}

fn median(found: &CellStreams, name: &str) -> Option<f64> {
    found.frames.get(name)?.quantile(0.5).map(|ns| ns as f64)
}

fn panel(drawing: &mut Drawing, run: &Prepared<'_>, cell: &ShownCell<'_>, found: &CellStreams) -> f64 {
    let void = run.is_void(cell);
    let label = if void { format!("✕ void: {}", cell.label) } else { cell.label.clone() };
    let ink = if void { Ink::Bad } else { Ink::Text };
    drawing.words((0.0, 16.0), Words { size: 12.5, ..Words::new(ink, Anchor::Start).bold() }, &shorten(&label, 52));
    let frames = found.frames.get(PHASES[0].0).map_or(0, Histogram::len);
    let size = cell.summary.cell.factors.get("frame").and_then(FactorValue::as_bytes);
    let size = size.map_or_else(String::new, |bytes| format!(" of {}", size_label(bytes as f64)));
    let whole = median(found, "frame_ns").map_or_else(String::new, |ns| format!(", median {}", time(ns, run.step())));
    let head = format!("n = {frames} frames{size}{whole}");
    drawing.words((WIDTH, 16.0), Words::new(Ink::Muted, Anchor::End), &head);
    let sum: f64 = PHASES.iter().filter_map(|(name, _)| median(found, name)).sum();
    let axis = Axis::from_zero(sum * SCALE);
    let x = |value: f64| LEFT + axis.place(value) * (RIGHT - LEFT);
    let within = WITHIN.iter().filter(|(name, _)| found.frames.contains_key(*name));
    let rows = PHASES.len() + within.count();
    let bottom = TOP + ROW * rows as f64;
    let ticks = Ticks::new((TOP, bottom + 3.0), bottom + 15.0, 50.0);
    ticks.draw(drawing, axis.ticks(6).into_iter().map(|value| (x(value), tick(TOTAL, value))));
    let mut at = TOP;
    let mut begin = 0.0;
    let mut row = |(name, words): (&str, &str), begin: f64, hatched: bool| {
        let Some(lengths) = found.frames.get(name) else { return 0.0 };
        let length = median(found, name).unwrap_or(0.0);
        let (middle, ink) = (at + ROW / 2.0, if hatched { Ink::Muted } else { Ink::Series(cell.series) });
        let quiet = if hatched { Ink::Muted } else { Ink::Text };
        drawing.words((LEFT - 8.0, middle + 4.0), Words::new(quiet, Anchor::End), words);
        let said = time(length, run.step());
        let share = if sum > 0.0 { percent(length / sum) } else { String::new() };
        let width = (x(begin + length) - x(begin)).max(1.0);
        let title = format!("{words}: {said} ({share}), n = {}", lengths.len());
        drawing.bar((x(begin), at + 3.0), (width, ROW - 6.0), ink, hatched, &title);
        if let (Some(least), Some(most)) = (lengths.min(), lengths.max()) {
            let (from, to) = (begin + least as f64, begin + most as f64);
            drawing.line((x(from), middle), (x(to), middle), Ink::Text, 1.0, "");
            if to > sum * SCALE {
                let words = Words { size: 9.0, ..Words::new(Ink::Text, Anchor::Start) };
                drawing.words((RIGHT + 2.0, middle + 3.5), words, "▶");
            }
        }
        drawing.words((RIGHT + 92.0, middle + 4.0), Words::new(quiet, Anchor::End), &said);
        drawing.words((RIGHT + 102.0, middle + 4.0), Words::new(Ink::Muted, Anchor::Start), &share);
        at += ROW;
        length
    };
    let mut answer = 0.0;
    for phase in PHASES {
        answer = begin;
        begin += row(phase, begin, false);
    }
    let mut inner = answer;
    for phase in WITHIN {
        inner += row(phase, inner, true);
    }
    bottom + 26.0
}
