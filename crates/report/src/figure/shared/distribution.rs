//! For each time, the share of round trips that took no longer.

use super::legend::legend;
use super::stream::{Marks, RESOLUTION_SAID, Stream, Streams, TRIP, resolution};
use crate::figure::axis::Axis;
use crate::figure::drawing::{Anchor, Drawing, WIDTH, Words};
use crate::figure::finished::Figure;
use crate::figure::ink::{Ink, Paint};
use crate::figure::steps::steps;
use crate::figure::ticks::Ticks;
use crate::prepared::Prepared;
use crate::value::tick;

const LEFT: f64 = 52.0;
const RIGHT: f64 = WIDTH - 14.0;
const TOP: f64 = 8.0;
const BOTTOM: f64 = 258.0;
/// About how many steps all curves of a figure may have together.
const MOST_STEPS: f64 = 12_000.0;

/// How far apart, in pixels, two steps of a curve must be to be drawn both.
pub(super) fn grid(curves: usize, width: f64) -> f64 {
    (curves as f64 * width / MOST_STEPS).max(0.25)
}

/// A letter beside its curve: bold and small.
pub(super) fn mark(drawing: &mut Drawing, at: (f64, f64), stream: &Stream<'_>) {
    drawing.letter((at.0 + 3.0, at.1 - 3.0), &stream.letter);
    drawing.dot(at, 2.2, Ink::Series(stream.cell), &format!("{}: {}", stream.letter, stream.said()));
}

pub(super) fn distribution(run: &Prepared<'_>, streams: &Streams<'_>, paint: Paint) -> Option<Figure> {
    let (least, most) = streams.range()?;
    let axis = Axis::over(least, most);
    let x = |value: f64| LEFT + axis.place(value) * (RIGHT - LEFT);
    let mut drawing = Drawing::new(paint);
    for share in [0.0, 0.25, 0.5, 0.75, 1.0] {
        drawing.line((LEFT, y(share)), (RIGHT, y(share)), Ink::Grid, 1.0, "");
        let words = Words::new(Ink::Muted, Anchor::End);
        drawing.words((LEFT - 8.0, y(share) + 4.0), words, &format!("{:.0} %", share * 100.0));
    }
    let ticks = Ticks { size: 11.0, ..Ticks::new((TOP, BOTTOM), BOTTOM + 17.0, 48.0) };
    ticks.draw(&mut drawing, axis.ticks(9).into_iter().map(|value| (x(value), tick(TRIP, value))));
    let scale = if axis.log { ", logarithmic" } else { "" };
    let words = Words::new(Ink::Muted, Anchor::Middle);
    drawing.words(((LEFT + RIGHT) / 2.0, BOTTOM + 35.0), words, &format!("time of one round trip{scale}"));
    let grid = grid(streams.shown.len(), RIGHT - LEFT);
    let told = resolution(run.step()).filter(|least| (axis.ends().0..axis.ends().1).contains(least));
    if let Some(least) = told {
        drawing.line((x(least), TOP), (x(least), BOTTOM), Ink::Text, 1.0, "1 3");
    }
    for stream in &streams.shown {
        drawing.open(stream.cell);
        let d = curve(stream, |value| (x(value) / grid).round() * grid);
        drawing.path(&d, Ink::Series(stream.cell), 1.7, Ink::dash(stream.dash));
        drawing.close();
    }
    // Letters come last: no curve goes over them.
    let mut marks = Marks::default();
    for stream in &streams.shown {
        drawing.open(stream.cell);
        let shares = (0..22).map(|step| 0.06 + 0.04 * f64::from(step * 7 % 22));
        let places = shares.filter_map(|share| Some((x(stream.latencies.histogram.quantile(share)? as f64), y(share))));
        if let Some(at) = marks.place(places) {
            mark(&mut drawing, at, stream);
        }
        drawing.close();
    }
    legend(&mut drawing, streams, run.step(), BOTTOM + 46.0);
    let explanation = format!(
        "For each time (horizontal), the share of round trips that took no longer (vertical): of all round trips of all \
         valid samples of a cell, counted to three significant digits. A curve further left is faster, a steeper one \
         steadier. A letter tells which curve it is; p99 and p99.9 are missing where n cannot carry them.{}{}",
        if told.is_some() { RESOLUTION_SAID } else { "" },
        streams.left_out()
    );
    Some(drawing.finish("shm-ecdf", "Distribution of round trips", explanation, 8.0, run.is_scripted()))
}

fn y(share: f64) -> f64 {
    BOTTOM - share * (BOTTOM - TOP)
}

fn curve(stream: &Stream<'_>, x: impl Fn(f64) -> f64) -> String {
    let total = stream.n() as f64;
    let mut upto = 0_u64;
    let places = stream.latencies.histogram.buckets().map(|bucket| {
        upto = upto.saturating_add(bucket.count);
        (x(bucket.middle() as f64), y(upto as f64 / total))
    });
    steps(y(0.0), places)
}
