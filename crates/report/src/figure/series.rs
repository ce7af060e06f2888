//! Values over time, one panel below the other: what a monitor saw.

use super::axis::Axis;
use super::drawing::{Anchor, Drawing, WIDTH, Words, number};
use super::finished::Figure;
use super::ink::{Ink, Paint};
use super::png::{self, PngError};
use crate::escape::{plain, shorten};
use crate::value::{metric, tick};
use std::fmt::Write;

const LEFT: f64 = 76.0;
const RIGHT: f64 = WIDTH - 14.0;
/// Of one panel: its heading, the plot, and what is below.
const TOP: f64 = 30.0;
const BOTTOM: f64 = 118.0;
const HEIGHT: f64 = 132.0;
/// The room for the axis of time below the last panel.
const FOOT: f64 = 28.0;
/// More panels than this are not drawn.
const MOST_PANELS: usize = 64;
/// The axis goes this much beyond the largest value.
const HEADROOM: f64 = 1.06;
/// So many steps a line has at most: more than pixels nobody sees.
const MOST_STEPS: usize = 1_400;

/// Values of one kind over time.
#[derive(Clone, Debug)]
pub struct SeriesPanel {
    /// What is drawn, in words.
    pub heading: String,
    /// A name of a metric whose unit the values have (`rss_bytes`).
    pub metric: String,
    /// The lines.
    pub lines: Vec<SeriesLine>,
}

/// One line of a panel.
#[derive(Clone, Debug)]
pub struct SeriesLine {
    /// What it is.
    pub label: String,
    /// Time in nanoseconds from the beginning and value, in the order of time. A value stands until the next one.
    pub points: Vec<(f64, f64)>,
}

/// Panels over one axis of time; `None` if no line has a point. `explanation` is plain text below.
pub fn series_figure(
    title: &str,
    explanation: String,
    end_ns: f64,
    panels: &[SeriesPanel],
    paint: Paint,
) -> Option<Figure> {
    let drawn: Vec<&SeriesPanel> = panels
        .iter()
        .filter(|panel| panel.lines.iter().any(|line| !line.points.is_empty()))
        .take(MOST_PANELS)
        .collect();
    let (last, _) = drawn.split_last()?;
    let time = Axis::from_zero(end_ns);
    let mut drawing = Drawing::new(paint);
    for panel in &drawn {
        draw(&mut drawing, panel, &time, end_ns);
        let is_last = std::ptr::eq(*panel, *last);
        if is_last {
            times(&mut drawing, &time);
        }
        drawing.panel(None, HEIGHT + if is_last { FOOT } else { 0.0 });
    }
    Some(drawing.finish("monitor".to_owned(), plain(title), explanation, 0.0, false))
}

/// The same as a file: pixels, or a drawing that stands alone.
///
/// # Errors
/// If it cannot be turned into pixels.
pub fn series_file(
    title: &str,
    explanation: &str,
    end_ns: f64,
    panels: &[SeriesPanel],
    as_png: bool,
) -> Result<Option<Vec<u8>>, PngError> {
    let paint = if as_png { Paint::Fixed } else { Paint::Themed };
    let Some(figure) = series_figure(title, explanation.to_owned(), end_ns, panels, paint) else { return Ok(None) };
    if as_png { png::png(&figure).map(Some) } else { Ok(Some(figure.standalone().into_bytes())) }
}

fn draw(drawing: &mut Drawing, panel: &SeriesPanel, time: &Axis, end_ns: f64) {
    let values = || panel.lines.iter().flat_map(|line| line.points.iter().map(|(_, value)| *value));
    let most = values().fold(0.0, f64::max);
    let axis = Axis::between(0.0, if most > 0.0 { most * HEADROOM } else { 1.0 });
    let x = |at_ns: f64| LEFT + time.place(at_ns) * (RIGHT - LEFT);
    let y = |value: f64| BOTTOM - axis.place(value) * (BOTTOM - TOP);
    for value in time.ticks(8) {
        drawing.line((x(value), TOP), (x(value), BOTTOM), Ink::Grid, 1.0, "");
    }
    for value in marks(&panel.metric, most) {
        drawing.line((LEFT, y(value)), (RIGHT, y(value)), Ink::Grid, 1.0, "");
        let words = Words { size: 10.0, ..Words::new(Ink::Muted, Anchor::End) };
        drawing.words((LEFT - 6.0, y(value) + 3.5), words, &tick(&panel.metric, value));
    }
    drawing.words((0.0, 20.0), Words::new(Ink::Text, Anchor::Start).bold(), &shorten(&plain(&panel.heading), 50));
    // The legend is at the right of the heading, the first line at the left of it.
    let mut at = RIGHT;
    for (place, line) in panel.lines.iter().enumerate().rev().filter(|(_, line)| !line.points.is_empty()) {
        let most = line.points.iter().map(|(_, value)| *value).fold(0.0, f64::max);
        let label = format!("{} (most {})", shorten(&plain(&line.label), 24), metric(&panel.metric, most, None));
        drawing.words((at, 20.0), Words::new(Ink::Muted, Anchor::End), &label);
        // Half a line's height is about the width of a letter.
        let width = label.chars().count() as f64 * 5.9;
        drawing.line((at - width - 26.0, 16.0), (at - width - 6.0, 16.0), Ink::Series(place), 2.4, Ink::dash(place));
        at -= width + 40.0;
    }
    for (place, line) in panel.lines.iter().enumerate() {
        let d = steps(&line.points, end_ns, x, y);
        if !d.is_empty() {
            drawing.path(&d, Ink::Series(place), 1.4, Ink::dash(place));
        }
    }
}

/// Where the values' axis has a line: round numbers of the unit that they are shown in, and nothing but 0 where all is 0.
fn marks(metric: &str, most: f64) -> Vec<f64> {
    if most <= 0.0 {
        return vec![0.0];
    }
    let mut unit = 1.0;
    while metric.ends_with("_bytes") && most >= unit * 1024.0 {
        unit *= 1024.0;
    }
    Axis::between(0.0, most * HEADROOM / unit).ticks(4).into_iter().map(|value| value * unit).collect()
}

/// A line of steps. Where there are more than pixels, each step shows the most and the least of those that fall together.
fn steps(points: &[(f64, f64)], end_ns: f64, x: impl Fn(f64) -> f64, y: impl Fn(f64) -> f64) -> String {
    let mut d = String::new();
    let each = points.len().div_ceil(MOST_STEPS).max(1);
    for together in points.chunks(each) {
        let Some((from, _)) = together.first() else { continue };
        let least = together.iter().map(|(_, value)| *value).fold(f64::INFINITY, f64::min);
        let most = together.iter().map(|(_, value)| *value).fold(f64::NEG_INFINITY, f64::max);
        // Writing to a string cannot fail.
        if d.is_empty() {
            let _ = write!(d, "M{} {}", number(x(*from)), number(y(least)));
        } else {
            let _ = write!(d, "H{}V{}", number(x(*from)), number(y(least)));
        }
        if most > least {
            let _ = write!(d, "V{}", number(y(most)));
        }
    }
    if !d.is_empty() {
        let _ = write!(d, "H{}", number(x(end_ns)));
    }
    d
}

fn times(drawing: &mut Drawing, time: &Axis) {
    for value in time.ticks(8) {
        let at = LEFT + time.place(value) * (RIGHT - LEFT);
        drawing.line((at, BOTTOM), (at, BOTTOM + 4.0), Ink::Muted, 1.0, "");
        let words = Words { size: 10.0, ..Words::new(Ink::Muted, Anchor::Middle) };
        drawing.words((at, BOTTOM + 17.0), words, &tick("time_ns", value));
    }
    let words = Words::new(Ink::Muted, Anchor::Middle);
    drawing.words(((LEFT + RIGHT) / 2.0, BOTTOM + 34.0), words, "since the monitoring began");
}

#[cfg(test)]
mod tests {
    use super::*;

    fn panel(points: Vec<(f64, f64)>) -> SeriesPanel {
        SeriesPanel {
            heading: "memory of <b>".to_owned(),
            metric: "rss_bytes".to_owned(),
            lines: vec![SeriesLine { label: "resident".to_owned(), points }],
        }
    }

    #[test]
    fn a_series_is_drawn_with_its_peak_and_nothing_becomes_markup() {
        let points = (0..100_000).map(|n| (f64::from(n) * 1e6, if n == 777 { 8e6 } else { 1e6 })).collect();
        let figure = series_file("a & b", "why", 1e11, &[panel(points), panel(Vec::new())], false).unwrap().unwrap();
        let text = String::from_utf8(figure).unwrap();
        assert!(text.contains("a &amp; b") && text.contains("memory of &lt;b&gt;"), "{text}");
        assert!(text.contains("most 7.63 MiB"), "{text}");
        // A panel without points is not there, and the one that is has no more steps than can be seen.
        assert_eq!(text.matches("resident").count(), 1);
        assert!(text.len() < 60_000, "{}", text.len());
    }

    #[test]
    fn bytes_are_marked_in_round_numbers_of_their_unit() {
        let mib = f64::from(1 << 20);
        assert_eq!(marks("rss_bytes", 208.0 * mib), [0.0, 100.0 * mib, 200.0 * mib]);
        assert_eq!(marks("processes_count", 21.0), [0.0, 10.0, 20.0]);
        assert_eq!(marks("read_bytes_per_s", 0.0), [0.0]);
    }

    #[test]
    fn no_points_make_no_figure_and_some_make_pixels() {
        assert!(series_file("a", "", 1e9, &[panel(Vec::new())], true).unwrap().is_none());
        let pixels = series_file("a", "", 1e9, &[panel(vec![(0.0, 0.0), (5e8, 3.0)])], true).unwrap().unwrap();
        assert!(pixels.starts_with(b"\x89PNG"));
    }
}
