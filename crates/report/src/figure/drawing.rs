//! A small builder of SVG: a few shapes, a few inks, and text that cannot become markup.

use super::finished::Figure;
use super::ink::{Ink, Paint};
use crate::escape::html_escape;
use std::fmt::Write;

/// Where a text is anchored.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Anchor {
    Start,
    Middle,
    End,
}

/// Text in a drawing.
#[derive(Clone, Copy, Debug)]
pub(super) struct Words {
    pub ink: Ink,
    pub anchor: Anchor,
    pub size: f64,
    pub bold: bool,
}

impl Words {
    pub const fn new(ink: Ink, anchor: Anchor) -> Self {
        Self { ink, anchor, size: 11.0, bold: false }
    }
    pub const fn bold(self) -> Self {
        Self { bold: true, ..self }
    }
}

/// The width every figure is drawn at, in user units.
pub(super) const WIDTH: f64 = 760.0;
/// A horizontal part of a figure, with coordinates of its own: on a page it can be hidden without leaving a gap.
#[derive(Clone, Debug)]
pub(super) struct Panel {
    /// The place of the cell that it belongs to.
    pub cell: Option<usize>,
    pub height: f64,
    pub body: String,
}

/// Shapes in the order in which they were drawn.
pub(super) struct Drawing {
    pub paint: Paint,
    panels: Vec<Panel>,
    pub(super) body: String,
}

impl Drawing {
    pub fn new(paint: Paint) -> Self {
        Self { paint, panels: Vec::new(), body: String::new() }
    }

    /// Begins shapes that belong to a cell, until [`Drawing::close`].
    pub fn open(&mut self, cell: usize) {
        let _ = writeln!(self.body, r#"<g class="cell-{cell}">"#);
    }

    /// Ends what [`Drawing::open`] began.
    pub fn close(&mut self) {
        self.body.push_str("</g>\n");
    }

    /// Ends a part of the figure, so high; the next begins at 0 again.
    pub fn panel(&mut self, cell: Option<usize>, height: f64) {
        let body = std::mem::take(&mut self.body);
        self.panels.push(Panel { cell, height, body });
    }

    pub fn line(&mut self, from: (f64, f64), to: (f64, f64), ink: Ink, width: f64, dash: &str) {
        let dash = if dash.is_empty() { String::new() } else { format!(";stroke-dasharray:{dash}") };
        let _ = writeln!(
            self.body,
            r#"<path d="M{} {}L{} {}" style="fill:none;stroke:{};stroke-width:{width}{dash}"/>"#,
            number(from.0),
            number(from.1),
            number(to.0),
            number(to.1),
            ink.css(self.paint),
        );
    }

    pub fn path(&mut self, d: &str, ink: Ink, width: f64, dash: &str) {
        let dash = if dash.is_empty() { String::new() } else { format!(";stroke-dasharray:{dash}") };
        let _ = writeln!(
            self.body,
            r#"<path d="{d}" style="fill:none;stroke:{};stroke-width:{width};stroke-linejoin:round{dash}"/>"#,
            ink.css(self.paint),
        );
    }

    /// An area with an edge: what a histogram stands for.
    pub fn area(&mut self, d: &str, ink: Ink) {
        let color = ink.css(self.paint);
        let _ = writeln!(
            self.body,
            r#"<path d="{d}" style="fill:{color};fill-opacity:0.45;stroke:{color};stroke-width:.6"/>"#,
        );
    }

    /// Boxes without an edge, all of one size and one shade, as one shape.
    pub fn boxes(&mut self, corners: &[(f64, f64)], side: f64, ink: Ink, opacity: f64) {
        let d: String = corners
            .iter()
            .map(|(x, y)| format!("M{} {}h{side}v{side}h-{side}z", number(*x), number(*y), side = number(side)))
            .collect();
        let _ = writeln!(self.body, r#"<path d="{d}" style="fill:{};fill-opacity:{opacity}"/>"#, ink.css(self.paint));
    }

    /// Dots of one kind as one shape: small even for thousands.
    pub fn dots(&mut self, places: &[(f64, f64)], ink: Ink, size: f64, opacity: f64) {
        if places.is_empty() {
            return;
        }
        let d: String = places.iter().map(|(x, y)| format!("M{} {}h.01", number(*x), number(*y))).collect();
        let _ = writeln!(
            self.body,
            r#"<path d="{d}" style="fill:none;stroke:{};stroke-width:{size};stroke-linecap:round;stroke-opacity:{opacity}"/>"#,
            ink.css(self.paint),
        );
    }

    /// Vertical strokes, each at `x` from one value to another, as one shape.
    pub fn strokes(&mut self, spans: &[(f64, f64, f64)], ink: Ink, width: f64, opacity: f64) {
        let d: String = spans
            .iter()
            .map(|(x, from, to)| format!("M{} {}V{}", number(*x), number(*from), number(*to + 0.1)))
            .collect();
        let _ = writeln!(
            self.body,
            r#"<path d="{d}" style="fill:none;stroke:{};stroke-width:{width};stroke-linecap:round;stroke-opacity:{opacity}"/>"#,
            ink.css(self.paint),
        );
    }

    /// A dot that says what it is when it is pointed at.
    pub fn dot(&mut self, at: (f64, f64), radius: f64, ink: Ink, title: &str) {
        let _ = writeln!(
            self.body,
            r#"<circle cx="{}" cy="{}" r="{radius}" style="fill:{}">{}</circle>"#,
            number(at.0),
            number(at.1),
            ink.css(self.paint),
            title_element(title),
        );
    }

    pub fn ring(&mut self, at: (f64, f64), radius: f64, ink: Ink, title: &str) {
        let _ = writeln!(
            self.body,
            r#"<circle cx="{}" cy="{}" r="{radius}" style="fill:none;stroke:{};stroke-width:1.3">{}</circle>"#,
            number(at.0),
            number(at.1),
            ink.css(self.paint),
            title_element(title),
        );
    }

    /// A triangle that points up: a value beyond the upper edge.
    pub fn beyond(&mut self, at: (f64, f64), ink: Ink, opacity: f64, title: &str) {
        self.triangle(at, -4.0, ink, opacity, title);
    }

    /// A triangle that points down: a value beyond the lower edge.
    pub fn below(&mut self, at: (f64, f64), ink: Ink, opacity: f64, title: &str) {
        self.triangle(at, 4.0, ink, opacity, title);
    }

    fn triangle(&mut self, at: (f64, f64), tip: f64, ink: Ink, opacity: f64, title: &str) {
        let (x, y) = at;
        let base = y - tip * 0.75;
        let _ = writeln!(
            self.body,
            r#"<path d="M{} {}L{} {}L{} {}Z" style="fill:{};fill-opacity:{opacity}">{}</path>"#,
            number(x),
            number(y + tip),
            number(x + 4.0),
            number(base),
            number(x - 4.0),
            number(base),
            ink.css(self.paint),
            title_element(title),
        );
    }

    pub fn cross(&mut self, at: (f64, f64), radius: f64, ink: Ink, title: &str) {
        let (x, y, r) = (at.0, at.1, radius);
        let _ = writeln!(
            self.body,
            r#"<path d="M{} {}L{} {}M{} {}L{} {}" style="fill:none;stroke:{};stroke-width:1.8">{}</path>"#,
            number(x - r),
            number(y - r),
            number(x + r),
            number(y + r),
            number(x - r),
            number(y + r),
            number(x + r),
            number(y - r),
            ink.css(self.paint),
            title_element(title),
        );
    }

    /// A box; `hatched` is for time that is attributed to nothing.
    pub fn bar(&mut self, at: (f64, f64), size: (f64, f64), ink: Ink, hatched: bool, title: &str) {
        let fill = if hatched { "fill-opacity:0.12" } else { "fill-opacity:0.6" };
        let (x, y, width, height) = (at.0, at.1, size.0.max(0.0), size.1);
        let color = ink.css(self.paint);
        let _ = writeln!(
            self.body,
            r#"<rect x="{}" y="{}" width="{}" height="{}" style="fill:{color};{fill};stroke:{color};stroke-width:.8">{}</rect>"#,
            number(x),
            number(y),
            number(width),
            number(height),
            title_element(title),
        );
        if hatched {
            // Own lines in place of a pattern: patterns need identifiers, which could collide on a page.
            let mut d = String::new();
            let mut offset = 4.0;
            while offset < width + height && offset < WIDTH * 2.0 {
                let (x1, y1) = if offset <= height { (x, y + offset) } else { (x + offset - height, y + height) };
                let (x2, y2) = if offset <= width { (x + offset, y) } else { (x + width, y + offset - width) };
                let _ = write!(d, "M{} {}L{} {}", number(x1), number(y1), number(x2), number(y2));
                offset += 4.0;
            }
            self.path(&d, ink, 0.8, "");
        }
    }

    /// A faint area without an edge: the band of an interval.
    pub fn band(&mut self, at: (f64, f64), size: (f64, f64), ink: Ink) {
        let _ = writeln!(
            self.body,
            r#"<rect x="{}" y="{}" width="{}" height="{}" style="fill:{};fill-opacity:0.22"/>"#,
            number(at.0),
            number(at.1),
            number(size.0.max(0.0)),
            number(size.1.max(0.0)),
            ink.css(self.paint),
        );
    }

    pub fn words(&mut self, at: (f64, f64), words: Words, text: &str) {
        let anchor = match words.anchor {
            Anchor::Start => "start",
            Anchor::Middle => "middle",
            Anchor::End => "end",
        };
        let weight = if words.bold { ";font-weight:bold" } else { "" };
        let _ = writeln!(
            self.body,
            r#"<text x="{}" y="{}" text-anchor="{anchor}" style="fill:{};font-size:{}px{weight}">{}</text>"#,
            number(at.0),
            number(at.1),
            words.ink.css(self.paint),
            words.size,
            html_escape(text),
        );
    }

    /// A bold letter on a curve, with a rim in the colour of the paper: lines behind it do not make it another letter.
    pub fn letter(&mut self, at: (f64, f64), letter: &str) {
        let _ = writeln!(
            self.body,
            r#"<text x="{}" y="{}" style="fill:{};stroke:{};stroke-width:3;paint-order:stroke;stroke-linejoin:round;font-size:10.5px;font-weight:bold">{}</text>"#,
            number(at.0),
            number(at.1),
            Ink::Text.css(self.paint),
            Ink::Paper.css(self.paint),
            html_escape(letter),
        );
    }

    /// Ends the last part, so high, and with it the figure.
    pub fn finish(
        mut self,
        name: impl Into<String>,
        title: impl Into<String>,
        explanation: impl Into<String>,
        height: f64,
        scripted: bool,
    ) -> Figure {
        self.panel(None, height);
        Figure {
            name: name.into(),
            title: title.into(),
            explanation: explanation.into(),
            scripted,
            cell: None,
            paint: self.paint,
            panels: self.panels,
        }
    }
}

fn title_element(title: &str) -> String {
    if title.is_empty() { String::new() } else { format!("<title>{}</title>", html_escape(title)) }
}

/// A coordinate with one decimal at most: a tenth of a pixel is nobody's loss, and files stay small.
pub(super) fn number(value: f64) -> String {
    let text = format!("{value:.1}");
    text.strip_suffix(".0").unwrap_or(&text).to_owned()
}
