//! Inks: what shapes are drawn with, on a page and alone.

/// How inks are written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Paint {
    /// As CSS variables with fallbacks: follows the page it is in, and stands alone in light colours.
    Themed,
    /// As plain light colours, for programs that know no CSS variables.
    Fixed,
}

/// What a shape is drawn with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Ink {
    /// The background.
    Paper,
    /// Words that matter.
    Text,
    /// Words beside them.
    Muted,
    /// Lines of the grid.
    Grid,
    /// A failure.
    Bad,
    /// A stall.
    Warning,
    /// A cell, by its place.
    Series(usize),
}

/// Colours of cells, after Okabe and Ito: each holds 3:1 on white, and they differ in lightness as well, so that they stay
/// apart for the colour-blind. The page's style sheet has the same places in dark.
const SERIES: [&str; 8] = ["#0072b2", "#b03e00", "#00805c", "#bb5fa0", "#b08a00", "#2b3440", "#46279c", "#868686"];
/// Dashes tell cells apart where colour does not.
const DASHES: [&str; 4] = ["", "7 3", "2 3", "9 3 2 3"];

impl Ink {
    /// As CSS writes it.
    pub fn css(self, paint: Paint) -> String {
        let (name, color) = match self {
            Self::Paper => ("paper".to_owned(), "#ffffff"),
            Self::Text => ("ink".to_owned(), "#1c2330"),
            Self::Muted => ("muted".to_owned(), "#5a6372"),
            Self::Grid => ("grid".to_owned(), "#dde1e7"),
            Self::Bad => ("bad".to_owned(), "#b3261e"),
            Self::Warning => ("warning".to_owned(), "#9a5b00"),
            Self::Series(place) => (format!("series-{}", place % SERIES.len()), SERIES[place % SERIES.len()]),
        };
        match paint {
            Paint::Themed => format!("var(--{name},{color})"),
            Paint::Fixed => color.to_owned(),
        }
    }
    /// The dash pattern of a cell; empty for a full line.
    pub fn dash(place: usize) -> &'static str {
        DASHES[(place + place / SERIES.len()) % DASHES.len()]
    }
}
