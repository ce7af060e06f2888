//! Trends: the median of each run with its interval, in the order of time, and where the level changed.

use super::axis::Axis;
use super::drawing::{Anchor, Drawing, WIDTH, Words, number};
use super::finished::Figure;
use super::ink::{Ink, Paint};
use crate::escape::{plain, shorten};
use crate::text::comparison::signed;
use crate::text::trend::{letter, when};
use crate::value::{count, interval, metric, tick};
use isodyne_core::sample::Provenance;
use isodyne_core::stats::Sorted;
use isodyne_core::trend::{Point, Trend};
use std::fmt::Write;

const LEFT: f64 = 72.0;
const RIGHT: f64 = WIDTH - 14.0;
const TOP: f64 = 34.0;
const BOTTOM: f64 = 264.0;
/// More runs than this are drawn without a name each: nobody could point at them.
const MOST_NAMED: usize = 400;
/// More runs than this are not drawn one by one.
const MOST_RUNS: usize = 4_000;

/// One figure for each trend; `None` for one without runs.
pub(super) fn trend(trend: &Trend, place: usize, paint: Paint) -> Option<Figure> {
    let drawn = &trend.points[trend.points.len().saturating_sub(MOST_RUNS)..];
    let left_out = trend.points.len() - drawn.len();
    let sorted =
        Sorted::new(drawn.iter().flat_map(|point| {
            point.ci95.map_or([point.p50; 2], |[low, high]| [low.min(point.p50), high.max(point.p50)])
        }))?;
    let axis = Axis::over(*sorted.as_slice().first()?, *sorted.as_slice().last()?);
    let y = |value: f64| BOTTOM - axis.place(value) * (BOTTOM - TOP);
    let step = (RIGHT - LEFT - 24.0) / (drawn.len().max(2) - 1) as f64;
    let x = |index: f64| LEFT + 12.0 + (index - left_out as f64) * step;
    let mut drawing = Drawing::new(paint);
    for value in axis.ticks(6) {
        drawing.line((LEFT, y(value)), (RIGHT, y(value)), Ink::Grid, 1.0, "");
        let words = Words { size: 10.0, ..Words::new(Ink::Muted, Anchor::End) };
        drawing.words((LEFT - 6.0, y(value) + 3.5), words, &tick(&trend.metric, value));
    }
    dates(&mut drawing, drawn, left_out, x);
    changes(&mut drawing, trend, left_out, x);
    levels(&mut drawing, trend, left_out, x, y);
    let whiskers: Vec<(f64, f64, f64)> = drawn
        .iter()
        .enumerate()
        .filter_map(|(index, point)| {
            let [low, high] = point.ci95?;
            Some((x((index + left_out) as f64), y(high), y(low)))
        })
        .collect();
    if !whiskers.is_empty() {
        drawing.strokes(&whiskers, Ink::Series(0), if drawn.len() > 150 { 1.0 } else { 2.2 }, 0.45);
    }
    if drawn.len() <= MOST_NAMED {
        for (index, point) in drawn.iter().enumerate() {
            drawing.dot((x((index + left_out) as f64), y(point.p50)), 3.0, Ink::Series(0), &told(trend, point));
        }
    } else {
        let places: Vec<_> =
            drawn.iter().enumerate().map(|(index, point)| (x((index + left_out) as f64), y(point.p50))).collect();
        drawing.dots(&places, Ink::Series(0), 3.0, 0.9);
    }
    let scale = if axis.log { ", logarithmic" } else { "" };
    let words = Words::new(Ink::Muted, Anchor::Start);
    drawing.words((0.0, 12.0), words, &format!("median of {} in each run{scale}", shorten(&plain(&trend.metric), 60)));
    let latest = if left_out > 0 { format!(" The latest {MOST_RUNS} of them are drawn.") } else { String::new() };
    let explanation = format!(
        "{}, the oldest at the left, evenly spaced. Each dot is the median of one run, the stroke through it its 95 % \
         interval, missing where its samples could not carry one. The step line is the level, the median of the medians \
         between changes. A vertical line with a letter is the first run of a new level: E-divisive means with a \
         permutation test.{latest}",
        count(trend.points.len() as u64, "run")
    );
    let title = format!("{} of {}", plain(&trend.metric), plain(&trend.cell));
    let scripted = trend.provenance == Some(Provenance::Scripted);
    let mut figure = drawing.finish(format!("trend-{}", place + 1), title, explanation, BOTTOM + 26.0, scripted);
    figure.cell = Some(place);
    Some(figure)
}

fn told(trend: &Trend, point: &Point) -> String {
    let show = |value| metric(&trend.metric, value, None);
    let ends =
        point.ci95.map_or_else(String::new, |ends| format!(", 95 %: {}", interval(&trend.metric, Some(ends), None)));
    format!("{}, run {}: {}{ends}, n = {}", when(&point.created_at), plain(&point.run_id), show(point.p50), point.n)
}

/// A few dates below.
fn dates(drawing: &mut Drawing, drawn: &[Point], left_out: usize, x: impl Fn(f64) -> f64) {
    let last = drawn.len() - 1;
    let wanted = 4.min(last);
    let mut shown: Vec<usize> = (0..=wanted).map(|part| (part * last).checked_div(wanted).unwrap_or(0)).collect();
    shown.dedup();
    for (place, index) in shown.iter().enumerate() {
        let at = x((index + left_out) as f64);
        let anchor = match place {
            0 => Anchor::Start,
            _ if *index == last => Anchor::End,
            _ => Anchor::Middle,
        };
        drawing.line((at, BOTTOM), (at, BOTTOM + 4.0), Ink::Muted, 1.0, "");
        let at = if anchor == Anchor::Start { at - 12.0 } else { at };
        let words = Words { size: 10.0, ..Words::new(Ink::Muted, anchor) };
        drawing.words((at, BOTTOM + 17.0), words, &when(&drawn[*index].created_at));
    }
}

/// A line with a letter and the size of each change.
fn changes(drawing: &mut Drawing, trend: &Trend, left_out: usize, x: impl Fn(f64) -> f64) {
    let mut free_from = f64::NEG_INFINITY;
    for (place, change) in trend.change_points.iter().enumerate().filter(|(_, change)| change.index > left_out) {
        let at = x(change.index as f64 - 0.5);
        drawing.line((at, TOP - 4.0), (at, BOTTOM), Ink::Warning, 1.4, "5 3");
        let size = change.change_ratio.map_or_else(String::new, |ratio| format!(" {}", signed(ratio)));
        // The letter always stands; the size where there is room.
        let text = if at > free_from && at < RIGHT - 60.0 { format!("{}{size}", letter(place)) } else { letter(place) };
        free_from = at + 7.0 * text.chars().count() as f64 + 8.0;
        drawing.words((at + 3.0, TOP - 8.0), Words::new(Ink::Warning, Anchor::Start).bold(), &text);
    }
}

/// The step line of the levels.
fn levels(drawing: &mut Drawing, trend: &Trend, left_out: usize, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) {
    let Some(last) = trend.change_points.last() else { return };
    let mut d = String::new();
    let mut from = 0;
    let steps = trend.change_points.iter().map(|change| (change.index, change.before.p50));
    for (until, level) in steps.chain([(trend.points.len(), last.after.p50)]) {
        if until > left_out {
            let (begin, end) = (from.max(left_out) as f64 - 0.5, until as f64 - 0.5);
            let (begin, end) = (x(begin).max(LEFT), x(end).min(RIGHT));
            let _ = write!(d, "M{} {}H{}", number(begin), number(y(level)), number(end));
        }
        from = until;
    }
    drawing.path(&d, Ink::Text, 1.4, "");
}
