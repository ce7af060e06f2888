//! The ticks of a horizontal axis: a line for each, and a label where there is room for it.

use super::drawing::{Anchor, Drawing, Words};
use super::ink::Ink;

/// How ticks are drawn.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ticks {
    /// From where to where their lines go; `None` for labels alone.
    pub lines: Option<(f64, f64)>,
    /// The base line of the labels.
    pub base: f64,
    /// The size of the labels.
    pub size: f64,
    /// How far apart the middles of two labels are at least.
    pub room: f64,
    /// Labels beyond these ends are left out.
    pub within: (f64, f64),
}

impl Ticks {
    /// Lines between two heights, with labels at a base line below.
    pub fn new(lines: (f64, f64), base: f64, room: f64) -> Self {
        let within = (f64::NEG_INFINITY, f64::INFINITY);
        Self { lines: Some(lines), base, size: 10.0, room, within }
    }

    /// Draws them from the left to the right, each where it is and with its label.
    pub fn draw(&self, drawing: &mut Drawing, marks: impl IntoIterator<Item = (f64, String)>) {
        let mut last = f64::NEG_INFINITY;
        for (at, label) in marks {
            if let Some((top, bottom)) = self.lines {
                drawing.line((at, top), (at, bottom), Ink::Grid, 1.0, "");
            }
            if at - last > self.room && (self.within.0..self.within.1).contains(&at) {
                let words = Words { size: self.size, ..Words::new(Ink::Muted, Anchor::Middle) };
                drawing.words((at, self.base), words, &label);
                last = at;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::figure::ink::Paint;

    #[test]
    fn labels_keep_their_distance_and_lines_do_not() {
        let mut drawing = Drawing::new(Paint::Fixed);
        let ticks = Ticks { within: (0.0, 100.0), ..Ticks::new((0.0, 10.0), 20.0, 30.0) };
        ticks.draw(&mut drawing, [0.0, 20.0, 40.0, 99.0, 140.0].map(|at| (at, format!("at {at}"))));
        let labels: Vec<&str> = drawing.body.split("\">").skip(1).map(|rest| rest.split('<').next().unwrap()).collect();
        assert_eq!(labels, ["at 0", "at 40", "at 99"]);
        assert_eq!(drawing.body.matches("<path").count(), 5);
    }
}
