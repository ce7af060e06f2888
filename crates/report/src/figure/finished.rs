//! A finished figure: part of a page, or a file that stands alone.

use super::drawing::{Anchor, Drawing, Panel, WIDTH, Words, number};
use super::ink::{Ink, Paint};
use crate::SCRIPTED;
use crate::escape::html_escape;
use std::fmt::Write;

/// The room above and below a drawing that stands alone, for its title and its explanation.
const MARGIN: f64 = 16.0;
const LINE: f64 = 16.0;

/// A finished figure.
#[derive(Clone, Debug)]
pub struct Figure {
    /// Its file name without extension.
    pub name: String,
    /// What it shows.
    pub title: String,
    /// What its bars, dots and lines mean; plain text.
    pub explanation: String,
    /// Whether scripted values are in it.
    pub scripted: bool,
    /// The place of the cell that all of it belongs to.
    pub(crate) cell: Option<usize>,
    pub(super) paint: Paint,
    pub(super) panels: Vec<Panel>,
}

/// A CSS font stack that ends in the embedded font's name and a generic one.
const FONTS: &str = "system-ui,-apple-system,'Segoe UI',Roboto,'DejaVu Sans',sans-serif";

impl Figure {
    /// The drawing for a page that says title and explanation itself: one drawing a part, in the page's own font.
    pub fn inline(&self) -> String {
        let label = html_escape(&format!("{}. {}", self.title, self.explanation));
        let mut out = format!(r#"<div class="panels" role="img" aria-label="{label}">"#);
        for panel in self.panels.iter().filter(|panel| panel.height > 0.0) {
            let class = panel.cell.map(|cell| format!(r#" class="cell-{cell}""#)).unwrap_or_default();
            let _ = write!(
                out,
                r#"<svg xmlns="http://www.w3.org/2000/svg"{class} viewBox="0 0 {WIDTH} {}" aria-hidden="true">
{}</svg>"#,
                number(panel.height),
                panel.body
            );
        }
        out.push_str("</div>");
        out
    }

    /// A file that stands alone: with title, explanation and background.
    pub fn standalone(&self) -> String {
        let mut frame = Drawing::new(self.paint);
        let lines = crate::text::wrap(&self.explanation, 126);
        let mut top = MARGIN + LINE;
        frame.words((MARGIN, top), Words { size: 15.0, ..Words::new(Ink::Text, Anchor::Start).bold() }, &self.title);
        if self.scripted {
            top += LINE;
            frame.words((MARGIN, top), Words::new(Ink::Warning, Anchor::Start).bold(), SCRIPTED);
        }
        top += 10.0;
        let mut parts = String::new();
        let mut below = top;
        for panel in &self.panels {
            let place = format!("translate({MARGIN} {})", number(below));
            let _ = write!(parts, "<g transform=\"{place}\">\n{}</g>\n", panel.body);
            below += panel.height;
        }
        let mut y = below + LINE;
        for line in &lines {
            frame.words((MARGIN, y), Words::new(Ink::Muted, Anchor::Start), line);
            y += LINE;
        }
        let (width, height) = (WIDTH + 2.0 * MARGIN, y + MARGIN / 2.0);
        format!(
            r#"<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" width="{width}" height="{height}" font-family="{FONTS}">
<rect width="100%" height="100%" style="fill:{}"/>
{}{parts}</svg>
"#,
            Ink::Paper.css(self.paint),
            frame.body,
        )
    }
}
