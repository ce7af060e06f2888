//! How round trips went while they were measured: drift, phases and stalls.

use super::stream::{Stream, Streams, TRIP};
use crate::escape::shorten;
use crate::figure::axis::Axis;
use crate::figure::drawing::{Anchor, Drawing, WIDTH, Words, number};
use crate::figure::finished::Figure;
use crate::figure::ink::{Ink, Paint};
use crate::figure::ticks::Ticks;
use crate::prepared::Prepared;
use crate::value::tick;
use isodyne_core::streams::{SampleSeries, join_windows};
use std::fmt::Write;

const LEFT: f64 = 74.0;
const RIGHT: f64 = WIDTH - 12.0;
const TOP: f64 = 24.0;
const STRIP: f64 = 84.0;
const HEIGHT: f64 = 132.0;
/// About how many steps all strips may have together, and each.
const MOST_STEPS: usize = 4_000;
const MOST_STEPS_EACH: usize = 300;
/// More samples have no line between them.
const MOST_LINES: usize = 60;

pub(super) fn over_time(run: &Prepared<'_>, streams: &Streams<'_>, paint: Paint) -> Option<Figure> {
    let mut drawing = Drawing::new(paint);
    let strips: Vec<&Stream<'_>> = streams
        .shown
        .iter()
        .filter(|one| one.latencies.series.iter().any(|series| !series.windows.is_empty()))
        .collect();
    let steps = (MOST_STEPS / strips.len().max(1)).clamp(60, MOST_STEPS_EACH);
    for stream in &strips {
        strip(&mut drawing, stream, steps);
        drawing.panel(Some(stream.cell), HEIGHT);
    }
    if strips.is_empty() {
        return None;
    }
    let explanation = format!(
        "Round trips (vertical) in the order in which they were made, by the time since the first (horizontal); the valid \
         samples of a cell follow each other, a dotted line between them, and each cell has its own scales. Consecutive round \
         trips are put together in windows: the thick line is their median, an area where windows were joined, from the least \
         to the greatest of their medians; the thin line is the longest round trip of each. A sample's log joins \
         windows by itself where there would be more than 1,024 of them, and then keeps the median of all their trips.{}",
        streams.left_out()
    );
    Some(drawing.finish("shm-time", "Round trips over time", explanation, 0.0, run.is_scripted()))
}

/// How long a series went on: up to the begin of its last window, and as much more as its windows are apart.
fn length(series: &SampleSeries) -> f64 {
    match series.windows.as_slice() {
        [] => 0.0,
        [one] => (one.max_ns.max(1)) as f64,
        [first, .., last] => {
            let apart = (last.at_ns - first.at_ns) as f64;
            apart + (apart / (series.windows.len() - 1) as f64).max(1.0)
        }
    }
}

fn strip(drawing: &mut Drawing, stream: &Stream<'_>, most_steps: usize) {
    let ink = if stream.void { Ink::Bad } else { Ink::Text };
    let label = format!("{}  {}", stream.letter, shorten(&stream.said(), 70));
    drawing.words((LEFT, TOP - 9.0), Words::new(ink, Anchor::Start).bold(), &label);
    let n = format!("n = {} in {}", stream.n(), stream.said_samples());
    drawing.words((RIGHT, TOP - 9.0), Words::new(Ink::Muted, Anchor::End), &n);
    let series = || stream.latencies.series.iter().filter(|one| !one.windows.is_empty());
    let windows = || series().flat_map(|one| &one.windows);
    let least = windows().map(|window| window.least_p50_ns).min().unwrap_or(1).max(1) as f64;
    let most = windows().map(|window| window.max_ns).max().unwrap_or(1).max(1) as f64;
    let axis = Axis::over(least, most);
    let y = |value: u64| TOP + STRIP - axis.place(value as f64) * STRIP;
    for value in axis.ticks(4) {
        let at = y(value as u64);
        drawing.line((LEFT, at), (RIGHT, at), Ink::Grid, 1.0, "");
        drawing.words(
            (LEFT - 6.0, at + 3.5),
            Words { size: 10.0, ..Words::new(Ink::Muted, Anchor::End) },
            &tick(TRIP, value),
        );
    }
    if axis.log {
        let words = Words { size: 9.5, ..Words::new(Ink::Muted, Anchor::End) };
        drawing.words((LEFT - 6.0, TOP - 9.0), words, "logarithmic");
    }
    let total: f64 = series().map(length).sum();
    let time = Axis::from_zero(total);
    let x = |value: f64| LEFT + time.place(value) * (RIGHT - LEFT);
    let samples = series().count();
    let each = (most_steps / samples.max(1)).max(1);
    let (mut begin, mut medians, mut longest) = (0.0, String::new(), String::new());
    for (place, one) in series().enumerate() {
        if place > 0 && samples <= MOST_LINES {
            drawing.line((x(begin), TOP), (x(begin), TOP + STRIP), Ink::Muted, 1.0, "2 4");
        }
        let first = one.windows[0].at_ns;
        let windows = join_windows(one.windows.clone(), each);
        let ends = windows.iter().skip(1).map(|window| (window.at_ns - first) as f64).chain([length(one)]);
        for (window, until) in windows.iter().zip(ends) {
            let (from, to) = (x(begin + (window.at_ns - first) as f64), x(begin + until));
            // A line where all medians are one, wide enough to be seen.
            let (high, low) = (y(window.most_p50_ns) - 1.1, y(window.least_p50_ns) + 1.1);
            let (from, to) = (number(from), number(to));
            let _ = write!(medians, "M{from} {}H{to}V{}H{from}Z", number(high), number(low));
            let _ = write!(
                longest,
                "{}{from} {}H{to}",
                if longest.is_empty() { "M" } else { "L" },
                number(y(window.max_ns))
            );
        }
        begin += length(one);
    }
    drawing.path(&longest, Ink::Series(stream.cell), 0.9, "");
    drawing.area(&medians, Ink::Series(stream.cell));
    let base = TOP + STRIP + 14.0;
    let within = (f64::NEG_INFINITY, RIGHT - 14.0);
    let ticks = Ticks { lines: None, within, ..Ticks::new((TOP, base), base, 50.0) };
    ticks.draw(drawing, time.ticks(6).into_iter().map(|value| (x(value), tick(TRIP, value))));
}

#[cfg(test)]
mod tests {
    use super::*;
    use isodyne_core::streams::Window;

    #[test]
    fn the_last_window_has_a_length() {
        let window = |at_ns| Window { at_ns, count: 10, least_p50_ns: 5, most_p50_ns: 5, max_ns: 7 };
        let series = |all: &[u64]| SampleSeries { sequence: 1, windows: all.iter().map(|at| window(*at)).collect() };
        assert_eq!(length(&series(&[0, 100, 200])), 300.0);
        assert_eq!((length(&series(&[5])), length(&series(&[]))), (7.0, 0.0));
        // A foreign log may have several windows at one moment.
        assert_eq!(length(&series(&[3, 3])), 1.0);
    }
}
