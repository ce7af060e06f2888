//! How many round trips took how long: the body in linear scales, and all of it in logarithmic ones.

use super::bins::{Bin, linear, logarithmic};
use super::stream::{Stream, Streams, TRIP, short as short_time};
use crate::escape::shorten;
use crate::figure::axis::Axis;
use crate::figure::drawing::{Anchor, Drawing, WIDTH, Words, number};
use crate::figure::finished::Figure;
use crate::figure::ink::{Ink, Paint};
use crate::figure::ticks::Ticks;
use crate::prepared::Prepared;
use crate::value::{percent, tick};
use std::fmt::Write;

const TOP: f64 = 36.0;
const BOTTOM: f64 = 118.0;
const HEIGHT: f64 = 142.0;
/// From where to where the two drawings go.
const BODY: (f64, f64) = (40.0, 372.0);
const ALL: (f64, f64) = (422.0, WIDTH - 12.0);
/// At most so many bins and one more.
const MOST_BINS: u64 = 80;
/// The linear drawing ends at the 99th percentile, or at so many medians: beyond, nothing could be seen.
const CEILING: u64 = 3;

pub(super) fn histograms(run: &Prepared<'_>, streams: &Streams<'_>, paint: Paint) -> Option<Figure> {
    let mut drawing = Drawing::new(paint);
    for stream in &streams.shown {
        panel(&mut drawing, stream, run.step());
        drawing.panel(Some(stream.cell), HEIGHT);
    }
    if streams.shown.is_empty() {
        return None;
    }
    let explanation = format!(
        "How many round trips (vertical) took how long (horizontal). Left, both scales are linear, bins of one width, up to \
         the 99th percentile or {CEILING} medians; how many lie beyond is written at the edge. Right, both scales are \
         logarithmic, twenty bins a decade, over all round trips. All round trips of all valid samples of a cell.{}",
        streams.left_out()
    );
    Some(drawing.finish("shm-histogram", "Histograms of round trips", explanation, 0.0, run.is_scripted()))
}

fn panel(drawing: &mut Drawing, stream: &Stream<'_>, step: Option<u64>) {
    let ink = if stream.void { Ink::Bad } else { Ink::Text };
    let label = format!("{}  {}", stream.letter, shorten(&stream.said(), 70));
    drawing.words((0.0, 14.0), Words { size: 12.5, ..Words::new(ink, Anchor::Start).bold() }, &label);
    let median = stream.quantile(0.5).map_or_else(String::new, |ns| format!(", median {}", short_time(ns, step)));
    let n = format!("n = {} in {}{median}", stream.n(), stream.said_samples());
    drawing.words((ALL.1, 14.0), Words::new(Ink::Muted, Anchor::End), &n);
    body(drawing, stream);
    all(drawing, stream);
}

fn body(drawing: &mut Drawing, stream: &Stream<'_>) {
    let histogram = &stream.latencies.histogram;
    let quantile = |q| histogram.quantile(q).unwrap_or(0);
    let upto = quantile(0.99).min(quantile(0.5).saturating_mul(CEILING));
    let (bins, beyond) = linear(histogram, upto, MOST_BINS);
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else { return };
    let axis = Axis::between(first.from as f64, last.until as f64);
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(1).max(1);
    let y = |count: f64| BOTTOM - count / most as f64 * (BOTTOM - TOP);
    let x = |value: f64| BODY.0 + axis.place(value) * (BODY.1 - BODY.0);
    frame(drawing, BODY, &[(0.0, "0".to_owned()), (most as f64, short(most))], y);
    times(drawing, &axis, BODY, x);
    drawing.area(&outline(&bins, x, |count| y(count as f64)), Ink::Series(stream.cell));
    let words = Words { size: 10.0, ..Words::new(Ink::Muted, Anchor::Start) };
    drawing.words((BODY.0, TOP - 5.0), words, "round trips in a bin");
    if beyond > 0 {
        let share = percent(beyond as f64 / stream.n() as f64);
        let words = Words { size: 10.0, ..Words::new(Ink::Muted, Anchor::End) };
        drawing.words((BODY.1, TOP - 5.0), words, &format!("{beyond} ({share}) beyond ▶"));
    }
}

fn all(drawing: &mut Drawing, stream: &Stream<'_>) {
    let bins = logarithmic(&stream.latencies.histogram);
    let (Some(first), Some(last)) = (bins.first(), bins.last()) else { return };
    let axis = Axis::log(first.from as f64, last.until as f64);
    let most = bins.iter().map(|bin| bin.count).max().unwrap_or(1).max(1);
    // One trip has a height: the scale begins at a half.
    let (low, high) = (0.5_f64.ln(), (most as f64).max(2.0).ln());
    let y = |count: f64| BOTTOM - (count.max(0.5).ln() - low) / (high - low) * (BOTTOM - TOP);
    let x = |value: f64| ALL.0 + axis.place(value) * (ALL.1 - ALL.0);
    let powers = (0..=most.ilog10()).map(|power| 10_u64.pow(power));
    let step = (most.ilog10() / 4 + 1) as usize;
    let marks: Vec<(f64, String)> = powers.step_by(step).map(|count| (count as f64, short(count))).collect();
    frame(drawing, ALL, &marks, y);
    times(drawing, &axis, ALL, x);
    drawing.area(&outline(&bins, x, |count| y(count as f64)), Ink::Series(stream.cell));
    let words = Words { size: 10.0, ..Words::new(Ink::Muted, Anchor::End) };
    drawing.words((ALL.1, TOP - 5.0), words, "both scales logarithmic");
}

fn frame(drawing: &mut Drawing, (left, right): (f64, f64), marks: &[(f64, String)], y: impl Fn(f64) -> f64) {
    drawing.line((left, BOTTOM), (right, BOTTOM), Ink::Muted, 1.0, "");
    for (count, label) in marks {
        drawing.line((left, y(*count)), (right, y(*count)), Ink::Grid, 1.0, "");
        let words = Words { size: 10.0, ..Words::new(Ink::Muted, Anchor::End) };
        drawing.words((left - 5.0, y(*count) + 3.5), words, label);
    }
}

fn times(drawing: &mut Drawing, axis: &Axis, (left, right): (f64, f64), x: impl Fn(f64) -> f64) {
    let within = (left + 8.0, right - 8.0);
    let ticks = Ticks { within, ..Ticks::new((TOP, BOTTOM + 3.0), BOTTOM + 15.0, 44.0) };
    ticks.draw(drawing, axis.ticks(5).into_iter().map(|value| (x(value), tick(TRIP, value))));
}

/// The outline of the bins, down to the floor wherever there is none.
fn outline(bins: &[Bin], x: impl Fn(f64) -> f64, y: impl Fn(u64) -> f64) -> String {
    let mut d = String::new();
    let mut up = false;
    for bin in bins {
        if bin.count > 0 {
            if !up {
                let _ = write!(d, "M{} {}", number(x(bin.from as f64)), number(BOTTOM));
            }
            let _ = write!(d, "V{}H{}", number(y(bin.count)), number(x(bin.until as f64)));
        } else if up {
            let _ = write!(d, "V{}Z", number(BOTTOM));
        }
        up = bin.count > 0;
    }
    if up {
        let _ = write!(d, "V{}Z", number(BOTTOM));
    }
    d
}

/// A count in few characters: `950`, `12k`, `1.2M`.
fn short(count: u64) -> String {
    match count {
        0..1_000 => count.to_string(),
        1_000..9_950 => format!("{:.1}k", count as f64 / 1e3).replace(".0k", "k"),
        9_950..999_500 => format!("{:.0}k", count as f64 / 1e3),
        _ => format!("{:.1}M", count as f64 / 1e6).replace(".0M", "M"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outline_goes_down_where_there_is_nothing() {
        let bin = |from, count| Bin { from, until: from + 1, count };
        let d = outline(&[bin(0, 2), bin(1, 0), bin(2, 1)], |value| value, |count| 118.0 - count as f64);
        assert_eq!(d, "M0 118V116H1V118ZM2 118V117H3V118Z");
    }

    #[test]
    fn counts_are_short() {
        let all = [0, 950, 1_000, 1_240, 12_400, 999_999, 1_250_000].map(short);
        assert_eq!(all, ["0", "950", "1k", "1.2k", "12k", "1M", "1.2M"]);
    }
}
