//! The samples in the order in which they were taken: drift, stalls and failures become visible.

use super::axis::Axis;
use super::dots::stretches;
use super::drawing::{Anchor, Drawing, WIDTH, Words};
use super::finished::Figure;
use super::ink::{Ink, Paint};
use crate::escape::shorten;
use crate::prepared::{Prepared, ShownCell};
use crate::text::comparison::signed;
use crate::value::{count, metric};
use isodyne_core::columns::Row;
use isodyne_core::stats::STALL_FACTOR;

const LEFT: f64 = 74.0;
const RIGHT: f64 = WIDTH - 12.0;
/// Above each strip its name and what was seen in it.
const TOP: f64 = 22.0;
const STRIP: f64 = 62.0;
const STEP: f64 = 94.0;
/// More for the line under a strip that says what is strange about it.
const SAYING: f64 = 13.0;
/// How many dots or strokes, and how many marks, the whole figure may have.
const MOST_DOTS: usize = 3_000;
const MOST_MARKS: usize = 600;

/// Values beyond this many medians are marked at the upper edge, so that one of them does not flatten all others.
const CEILING: f64 = 3.0;

/// A drift that would be seen this rarely where there is none is written beside the samples.
const DRIFT_LEVEL: f64 = 0.01;

/// What was drawn of what there is.
#[derive(Default)]
struct Drawn {
    /// How many samples one stroke stands for at most; 0 while every sample has a dot.
    longest_stretch: usize,
    marks: usize,
    all_marks: usize,
}

pub(super) fn timeline(run: &Prepared<'_>, paint: Paint) -> Option<Figure> {
    let cells: Vec<&ShownCell<'_>> = run.cells.iter().filter(|cell| cell.has_samples()).collect();
    let all = || cells.iter().flat_map(|cell| &cell.columns.rows);
    let first = all().map(|row| row.sequence).min()?;
    let last = all().map(|row| row.sequence).max()?;
    let span = (last - first).max(1) as f64;
    let x = |sequence: u64| LEFT + 6.0 + (sequence - first) as f64 / span * (RIGHT - LEFT - 12.0);
    let mut drawing = Drawing::new(paint);
    let mut drawn = Drawn::default();
    let sessions = sessions(all());
    for cell in &cells {
        for boundary in &sessions {
            drawing.line((x(*boundary) - 3.0, TOP), (x(*boundary) - 3.0, TOP + STRIP), Ink::Muted, 1.0, "2 4");
        }
        let says = strip(&mut drawing, run, cell, TOP, x, cells.len(), &mut drawn);
        drawing.panel(Some(cell.series), if says { STEP + SAYING } else { STEP });
    }
    let words = Words::new(Ink::Muted, Anchor::Middle);
    drawing.words((x(first), 12.0), words, &first.to_string());
    drawing.words((x(last), 12.0), Words::new(Ink::Muted, Anchor::End), &last.to_string());
    drawing.words(((LEFT + RIGHT) / 2.0, 12.0), words, "sample number in the run, in the order taken");
    let mut explanation = format!(
        "Each dot is the total time of one sample, each strip one cell with its own scale; the line is the median of the \
         valid samples. Faint dots are declared warm-up. At the upper edge, a triangle is a value beyond the scale, a ring \
         around it a stall (more than {STALL_FACTOR} × the median), and a cross a failed sample, which has no time. \
         In words below: a drift over the run (Theil–Sen, p < {DRIFT_LEVEL}), and a dashed line where the \
         beginning looks like a warm-up that was not declared; its samples count all the same."
    );
    if !sessions.is_empty() {
        explanation.push_str(" A dotted vertical line is where the run was resumed.");
    }
    if drawn.longest_stretch > 0 {
        explanation.push_str(&format!(
            " Where there are too many for a dot each, a stroke spans the smallest to the largest of up to {} consecutive \
             samples of the cell.",
            drawn.longest_stretch
        ));
    }
    if drawn.marks < drawn.all_marks {
        explanation.push_str(&format!(
            " {} of {} failures and values beyond a scale are drawn.",
            drawn.marks, drawn.all_marks
        ));
    }
    Some(drawing.finish("timeline", "Samples in time order", explanation, 20.0, run.is_scripted()))
}

/// The first sample of each session but the first.
fn sessions<'a>(rows: impl Iterator<Item = &'a Row>) -> Vec<u64> {
    let mut order: Vec<(u64, u32)> = rows.map(|row| (row.sequence, row.session)).collect();
    order.sort_unstable();
    order.windows(2).filter(|pair| pair[0].1 != pair[1].1).map(|pair| pair[1].0).take(50).collect()
}

/// Draws the strip of a cell, and says whether there is a line under it.
fn strip(
    drawing: &mut Drawing,
    run: &Prepared<'_>,
    cell: &ShownCell<'_>,
    top: f64,
    x: impl Fn(u64) -> f64,
    cells: usize,
    drawn: &mut Drawn,
) -> bool {
    let values = cell.columns.metrics.get(cell.metric).map(Vec::as_slice).unwrap_or_default();
    let timed = |warmup: bool| -> Vec<(u64, f64)> {
        let chosen = cell.columns.rows.iter().zip(values);
        let chosen = chosen.filter(|(row, value)| row.warmup == warmup && row.failure.is_none() && value.is_finite());
        chosen.map(|(row, value)| (row.sequence, *value)).collect()
    };
    let (counted, warmup) = (timed(false), timed(true));
    drawing.words((LEFT, top - 7.0), Words::new(Ink::Text, Anchor::Start).bold(), &shorten(&cell.label, 60));
    let failures: u64 = cell.summary.samples_failed.values().sum();
    let failures = if failures == 0 { String::new() } else { format!(", {failures} failed") };
    let warm = if cell.summary.samples_warmup == 0 {
        String::new()
    } else {
        format!(", {} warm-up", cell.summary.samples_warmup)
    };
    let head = format!("{}{failures}{warm}", count(cell.summary.samples_valid, "valid sample"));
    drawing.words((RIGHT, top - 7.0), Words::new(Ink::Muted, Anchor::End), &head);
    drawing.line((LEFT, top), (RIGHT, top), Ink::Grid, 1.0, "");
    drawing.line((LEFT, top + STRIP), (RIGHT, top + STRIP), Ink::Grid, 1.0, "");
    let ceiling = cell.total().map_or(f64::INFINITY, |total| total.p50 * CEILING);
    let inside = || counted.iter().map(|(_, value)| *value).filter(|value| *value <= ceiling);
    // A cell with nothing but warm-up so far is scaled by that.
    let alone = || warmup.iter().map(|(_, value)| *value).filter(|_| counted.is_empty());
    let (least, most) = (inside().chain(alone()).reduce(f64::min), inside().chain(alone()).reduce(f64::max));
    if let (Some(least), Some(most)) = (least, most) {
        let axis = Axis::over(least, most);
        let y = |value: f64| top + STRIP - 4.0 - axis.place(value) * (STRIP - 20.0);
        scale(drawing, run, cell, (least, most), axis.log, &y, top);
        let limit = (MOST_DOTS / cells.max(1)).clamp(40, 320);
        let mut labels: Vec<f64> = Vec::new();
        for (dots, size, opacity) in [(&counted, 4.6, 0.9), (&warmup, 3.6, 0.45)] {
            let places: Vec<(f64, f64)> = dots
                .iter()
                .filter(|(_, value)| *value <= most)
                .map(|(sequence, value)| (x(*sequence), y(*value)))
                .collect();
            if places.len() <= limit {
                drawing.dots(&places, Ink::Series(cell.series), size, opacity);
            } else {
                let strokes = stretches(&places, limit);
                drawn.longest_stretch = drawn.longest_stretch.max(places.len().div_ceil(strokes.len().max(1)));
                let spans: Vec<_> = strokes.iter().map(|stretch| (stretch.x, stretch.least, stretch.most)).collect();
                drawing.strokes(&spans, Ink::Series(cell.series), 2.2, opacity);
            }
            let beyond: Vec<&(u64, f64)> = dots.iter().filter(|(_, value)| *value > most).collect();
            drawn.all_marks += beyond.len();
            for (sequence, value) in beyond.into_iter().take((MOST_MARKS / cells.max(1)).max(5)) {
                drawn.marks += 1;
                let (at, length) = (x(*sequence), metric(cell.metric, *value, run.step()));
                drawing.beyond(
                    (at, top + 7.0),
                    Ink::Series(cell.series),
                    opacity,
                    &format!("sample {sequence}: {length}"),
                );
                let stall = opacity > 0.5 && cell.total().is_some_and(|total| *value > total.p50 * STALL_FACTOR);
                if stall {
                    drawing.ring((at, top + 7.0), 7.0, Ink::Warning, &format!("stall: sample {sequence}, {length}"));
                }
                if at < RIGHT - 60.0 && labels.iter().all(|other| (at - other).abs() > 70.0) {
                    let ink = if stall { Ink::Warning } else { Ink::Muted };
                    drawing.words(
                        (at + 10.0, top + 11.0),
                        Words { size: 10.0, ..Words::new(ink, Anchor::Start) },
                        &length,
                    );
                    labels.push(at);
                }
            }
        }
    }
    let says = change(drawing, cell, top, &counted, &x);
    drawn.all_marks += usize::try_from(cell.failed_count()).unwrap_or(usize::MAX);
    for (row, failure) in cell.failures().take((MOST_MARKS / cells.max(1)).max(5)) {
        drawn.marks += 1;
        let title = format!("sample {} failed: {} ({})", row.sequence, failure.class, shorten(&failure.message, 120));
        drawing.cross((x(row.sequence), top + 6.0), 3.6, Ink::Bad, &title);
    }
    says
}

/// Marks where the summary suspects a warm-up, and says that and a drift in a line under the strip. Says whether there is
/// one.
fn change(
    drawing: &mut Drawing,
    cell: &ShownCell<'_>,
    top: f64,
    counted: &[(u64, f64)],
    x: &impl Fn(u64) -> f64,
) -> bool {
    let Some(total) = cell.total() else { return false };
    let mut said = Vec::new();
    let head = total.warmup_suspected.and_then(|head| usize::try_from(head).ok()).filter(|head| *head > 0);
    if let Some(head) = head
        && let (Some((last, _)), Some((next, _))) = (counted.get(head - 1), counted.get(head))
    {
        // Between the last sample of the beginning and the first after it.
        let at = (x(*last) + x(*next)) / 2.0;
        drawing.line((at, top), (at, top + STRIP), Ink::Warning, 1.4, "3 2");
        said.push(format!("{} before the dashed line look like a warm-up", count(head as u64, "valid sample")));
    }
    if let Some(found) = total.drift.filter(|found| found.p_value < DRIFT_LEVEL && total.p50 > 0.0) {
        let share = |value: f64| signed(value / total.p50);
        said.push(format!(
            "{} drift {} (95 %: {} to {})",
            if found.change > 0.0 { "↑" } else { "↓" },
            share(found.change),
            share(found.low),
            share(found.high)
        ));
    }
    if said.is_empty() {
        return false;
    }
    let words = Words { size: 10.0, ..Words::new(Ink::Warning, Anchor::Start).bold() };
    // Under the strip, where no dot is.
    drawing.words((LEFT, top + STRIP + 12.0), words, &said.join(" · "));
    true
}

/// The median's line and the labels of the scale at the left.
fn scale(
    drawing: &mut Drawing,
    run: &Prepared<'_>,
    cell: &ShownCell<'_>,
    (least, most): (f64, f64),
    log: bool,
    y: &impl Fn(f64) -> f64,
    top: f64,
) {
    let words = |ink| Words { size: 10.0, ..Words::new(ink, Anchor::End) };
    let mut taken: Vec<f64> = Vec::new();
    let median = cell.total().map(|total| total.p50);
    if let Some(median) = median {
        drawing.line((LEFT, y(median)), (RIGHT, y(median)), Ink::Series(cell.series), 0.8, "4 3");
    }
    for (ink, value) in
        median.map(|median| (Ink::Text, median)).into_iter().chain([(Ink::Muted, most), (Ink::Muted, least)])
    {
        // A label that would fall on another is left out: the median is the one to keep.
        if taken.iter().all(|other| (other - y(value)).abs() >= 11.0) {
            drawing.words((LEFT - 6.0, y(value) + 3.5), words(ink), &metric(cell.metric, value, run.step()));
            taken.push(y(value));
        }
    }
    if log {
        drawing.words((LEFT - 6.0, top - 7.0), Words { size: 9.5, ..words(Ink::Muted) }, "logarithmic");
    }
}
