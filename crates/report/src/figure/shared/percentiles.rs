//! Quantiles of round trips, the tail spread out: each step to the right has a tenth of the trips that the one before had.

use super::distribution::{grid, mark};
use super::legend::legend;
use super::stream::{Marks, RESOLUTION_SAID, Stream, Streams, TRIP, resolution};
use crate::figure::axis::Axis;
use crate::figure::drawing::{Anchor, Drawing, WIDTH, Words, number};
use crate::figure::finished::Figure;
use crate::figure::ink::{Ink, Paint};
use crate::prepared::Prepared;
use crate::value::{metric, tick};
use isodyne_core::stats::carries_upper_bound;
use std::fmt::Write;

const LEFT: f64 = 62.0;
const RIGHT: f64 = WIDTH - 22.0;
const TOP: f64 = 10.0;
const BOTTOM: f64 = 268.0;

pub(super) fn percentiles(run: &Prepared<'_>, streams: &Streams<'_>, paint: Paint) -> Option<Figure> {
    let (least, most) = streams.range()?;
    let axis = Axis::over(least, most);
    let y = |value: f64| BOTTOM - axis.place(value) * (BOTTOM - TOP);
    let decades = streams.shown.iter().map(|one| (one.n() as f64).log10()).fold(1.0, f64::max);
    let x = |tail: f64| LEFT + (-tail.log10() / decades).clamp(0.0, 1.0) * (RIGHT - LEFT);
    let mut drawing = Drawing::new(paint);
    for value in axis.ticks(8) {
        drawing.line((LEFT, y(value)), (RIGHT, y(value)), Ink::Grid, 1.0, "");
        drawing.words((LEFT - 6.0, y(value) + 4.0), Words::new(Ink::Muted, Anchor::End), &tick(TRIP, value));
    }
    let mut tails = vec![1.0, 0.5];
    tails.extend((1..=decades.floor() as i32).map(|power| 10_f64.powi(-power)));
    for tail in tails {
        drawing.line((x(tail), TOP), (x(tail), BOTTOM), Ink::Grid, 1.0, "");
        drawing.words((x(tail), BOTTOM + 17.0), Words::new(Ink::Muted, Anchor::Middle), &said(tail));
    }
    let scale = if axis.log { "; time logarithmic" } else { "" };
    let words = Words::new(Ink::Muted, Anchor::Middle);
    let below = format!("share of round trips that took no longer, its rest logarithmic{scale}");
    drawing.words(((LEFT + RIGHT) / 2.0, BOTTOM + 35.0), words, &below);
    let grid = grid(streams.shown.len(), RIGHT - LEFT);
    let told = resolution(run.step()).filter(|least| (axis.ends().0..axis.ends().1).contains(least));
    if let Some(least) = told {
        drawing.line((LEFT, y(least)), (RIGHT, y(least)), Ink::Text, 1.0, "1 3");
    }
    for stream in &streams.shown {
        drawing.open(stream.cell);
        let d = curve(stream, |tail| (x(tail) / grid).round() * grid, y);
        drawing.path(&d, Ink::Series(stream.cell), 1.7, Ink::dash(stream.dash));
        drawing.close();
    }
    let mut marks = Marks::default();
    for stream in &streams.shown {
        drawing.open(stream.cell);
        let tails = (0..24).map(|step| 10_f64.powf(-decades * (0.04 + 0.036 * f64::from(step * 7 % 24))));
        let places = tails.filter_map(|tail| Some((x(tail), y(stream.quantile(1.0 - tail)?))));
        if let Some(at) = marks.place(places) {
            mark(&mut drawing, at, stream);
        }
        if let Some(longest) = stream.latencies.histogram.max() {
            let title =
                format!("{}: longest of {}, {}", stream.said(), stream.n(), metric(TRIP, longest as f64, run.step()));
            let at = (x(1.0 / stream.n() as f64), y(longest as f64));
            drawing.beyond(at, Ink::Series(stream.cell), 0.9, &title);
        }
        drawing.close();
    }
    legend(&mut drawing, streams, run.step(), BOTTOM + 46.0);
    let explanation = format!(
        "For each share of round trips (horizontal), the time that they took at most (vertical). From each mark to the \
         next a tenth of the trips is left, so that the tail has room. A curve ends where its trips are too few for a 95 % \
         upper bound of the quantile; the triangle is the longest trip of all.{}{}",
        if told.is_some() { RESOLUTION_SAID } else { "" },
        streams.left_out()
    );
    Some(drawing.finish("shm-percentiles", "Percentiles of round trips", explanation, 8.0, run.is_scripted()))
}

/// A share by its rest: `50 %`, `99.9 %`.
fn said(tail: f64) -> String {
    let digits = (-tail.log10() - 2.0).round().max(0.0) as usize;
    format!("{:.digits$} %", (1.0 - tail) * 100.0)
}

/// The steps of the quantile function as far as the number of trips carries it.
fn curve(stream: &Stream<'_>, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    let n = stream.n();
    let mut d = String::new();
    let (mut last_x, mut upto) = (number(x(1.0)), 0_u64);
    for bucket in stream.latencies.histogram.buckets() {
        let before = upto as f64 / n as f64;
        if before > 0.5 && !carries_upper_bound(n, before) {
            break;
        }
        upto = upto.saturating_add(bucket.count);
        let end = (upto as f64 / n as f64).min(carried(n));
        let (at_x, at_y) = (number(x(1.0 - end)), number(y(bucket.middle() as f64)));
        if d.is_empty() {
            let _ = write!(d, "M{last_x} {at_y}H{at_x}");
        } else if at_x != last_x {
            let _ = write!(d, "V{at_y}H{at_x}");
        }
        last_x = at_x;
    }
    d
}

/// The greatest quantile whose upper bound so many values carry (1 − qⁿ ≥ 0.95).
fn carried(n: u64) -> f64 {
    0.05_f64.powf(1.0 / n.max(1) as f64).max(0.5)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn shares_have_the_digits_they_need() {
        let all: Vec<String> = [1.0, 0.5, 0.1, 0.01, 1e-3, 1e-4, 1e-5].into_iter().map(said).collect();
        assert_eq!(all, ["0 %", "50 %", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"]);
    }

    #[test]
    fn a_curve_ends_where_its_values_carry_it() {
        assert!((carried(299) - 0.99).abs() < 1e-4 && (carried(29_956) - 0.9999).abs() < 1e-6);
        assert!(
            carries_upper_bound(5_000, carried(5_000) - 1e-9) && !carries_upper_bound(5_000, carried(5_000) + 1e-6)
        );
    }
}
