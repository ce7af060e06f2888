//! Paired differences: each pair's, in the order of the rounds, with what they amount to.

use super::axis::Axis;
use super::dots::stretches;
use super::drawing::{Anchor, Drawing, WIDTH, Words};
use super::finished::Figure;
use super::ink::{Ink, Paint};
use super::verdict_ink;
use crate::comparison::{Pair, Pairs};
use crate::escape::{plain, shorten};
use crate::text::comparison::{signed, signed_interval, word};
use isodyne_core::compare::{Design, MetricComparison};
use isodyne_core::stats::Sorted;

const LEFT: f64 = 64.0;
const RIGHT: f64 = WIDTH - 12.0;
const TOP: f64 = 40.0;
const HEIGHT: f64 = 120.0;
/// So many pairs of cells are drawn; the tables have all.
pub(super) const MOST_CELLS: usize = 24;
/// More differences than this are drawn as strokes.
const MOST_DOTS: usize = 400;
/// How many differences beyond the scale have a mark.
const MOST_MARKS: usize = 60;

/// What a figure says of compared cells that it does not draw; nothing if it draws all that there are.
pub(super) fn left_out(drawn: usize, there: usize) -> String {
    if there > drawn {
        format!(" {drawn} of {there} compared cells are drawn; the tables have all.")
    } else {
        String::new()
    }
}

pub(super) fn pairs(all: &Pairs<'_>, paint: Paint) -> Option<Figure> {
    let paired = all.pairs.iter().filter_map(|pair| {
        let headline = pair.headline().filter(|one| one.design == Design::Paired)?;
        let differences = pair.differences(&headline.metric);
        (!differences.is_empty()).then_some((pair, headline, differences))
    });
    let mut shown: Vec<_> = paired.collect();
    let many = left_out(shown.len().min(MOST_CELLS), shown.len());
    shown.truncate(MOST_CELLS);
    if shown.is_empty() {
        return None;
    }
    let mut drawing = Drawing::new(paint);
    let mut stroked = false;
    for (pair, headline, differences) in &shown {
        stroked |= strip(&mut drawing, pair, headline, differences);
        drawing.panel(Some(pair.cell), TOP + HEIGHT + 34.0);
    }
    let strokes = if stroked {
        " Where there are too many for a dot each, a stroke spans the smallest to the largest of consecutive pairs."
    } else {
        ""
    };
    let explanation = format!(
        "Each dot is one pair of samples of one round: how much more (above zero) or less (below) the candidate had than \
         the baseline, in the order of the rounds. The line is the Hodges–Lehmann estimate over all pairs, the band its \
         95 % interval; the dashed line is no change. A triangle at the edge is a pair beyond the scale; it is in the \
         estimate all the same.{strokes}{many}"
    );
    Some(drawing.finish("pairs", "Paired differences", explanation, 0.0, all.scripted))
}

/// Draws one pair of cells; says whether strokes stand for dots.
fn strip(drawing: &mut Drawing, pair: &Pair<'_>, one: &MetricComparison, differences: &[(u32, f64)]) -> bool {
    let void = pair.is_void(&one.metric);
    let label = shorten(&pair.label, 60);
    let label = if void { format!("✕ void: {label}") } else { label };
    let ink = if void { Ink::Bad } else { Ink::Text };
    drawing.words((0.0, 14.0), Words { size: 12.5, ..Words::new(ink, Anchor::Start).bold() }, &label);
    let head = format!(
        "{} {}, 95 %: {}, {} pairs: {}",
        shorten(&plain(&one.metric), 40),
        signed(one.change),
        signed_interval(one.change_ci95),
        one.n,
        word(one.verdict)
    );
    drawing.words((0.0, 30.0), Words::new(Ink::Muted, Anchor::Start), &head);
    let (low, high) = scale(one, differences);
    let axis = Axis::signed(low, high);
    let y = |value: f64| TOP + HEIGHT - axis.place(value) * HEIGHT;
    for value in axis.ticks(4) {
        drawing.line((LEFT, y(value)), (RIGHT, y(value)), Ink::Grid, 1.0, "");
        let text = if value.abs() < 1e-12 { "0 %".to_owned() } else { signed(value) };
        drawing.words((LEFT - 6.0, y(value) + 3.5), Words { size: 10.0, ..Words::new(Ink::Muted, Anchor::End) }, &text);
    }
    let ink = verdict_ink(one.verdict);
    if let Some([low, high]) = one.change_ci95 {
        let (top, bottom) = (y(high), y(low).max(y(high) + 1.5));
        drawing.band((LEFT, top), (RIGHT - LEFT, bottom - top), ink);
    }
    drawing.line((LEFT, y(0.0)), (RIGHT, y(0.0)), Ink::Text, 1.0, "5 4");
    let (first, last) = (differences[0].0, differences[differences.len() - 1].0);
    let span = f64::from((last - first).max(1));
    let x = |round: u32| LEFT + 8.0 + f64::from(round - first) / span * (RIGHT - LEFT - 16.0);
    let inside: Vec<(f64, f64)> = differences
        .iter()
        .filter(|(_, value)| (low..=high).contains(value))
        .map(|(round, value)| (x(*round), y(*value)))
        .collect();
    let stroked = inside.len() > MOST_DOTS;
    if stroked {
        let spans: Vec<_> =
            stretches(&inside, MOST_DOTS).iter().map(|stretch| (stretch.x, stretch.least, stretch.most)).collect();
        drawing.strokes(&spans, Ink::Series(0), 1.6, 0.6);
    } else {
        drawing.dots(&inside, Ink::Series(0), 4.6, 0.85);
    }
    drawing.line((LEFT, y(one.change)), (RIGHT, y(one.change)), ink, 2.0, "");
    let beyond = differences.iter().filter(|(_, value)| !(low..=high).contains(value));
    for (round, value) in beyond.take(MOST_MARKS) {
        let title = format!("round {round}: {}", signed(*value));
        if *value > high {
            drawing.beyond((x(*round), TOP + 4.0), Ink::Series(0), 0.9, &title);
        } else {
            drawing.below((x(*round), TOP + HEIGHT - 4.0), Ink::Series(0), 0.9, &title);
        }
    }
    let words = |anchor| Words { size: 10.0, ..Words::new(Ink::Muted, anchor) };
    let at = TOP + HEIGHT + 14.0;
    drawing.words((LEFT + 8.0, at), words(Anchor::Middle), &first.to_string());
    drawing.words((RIGHT, at), words(Anchor::End), &last.to_string());
    drawing.words(((LEFT + RIGHT) / 2.0, at), words(Anchor::Middle), "round");
    stroked
}

/// From where to where the scale goes: zero, the interval and all but far outliers are on it.
fn scale(one: &MetricComparison, differences: &[(u32, f64)]) -> (f64, f64) {
    let mut kept = vec![0.0, one.change];
    kept.extend(one.change_ci95.into_iter().flatten());
    if let Some(sorted) = Sorted::new(differences.iter().map(|(_, value)| *value)) {
        let quartile = |q| sorted.quantile(q).unwrap_or(0.0);
        // Tukey's far fence, a convention for drawing only.
        let reach = 3.0 * (quartile(0.75) - quartile(0.25));
        let (low, high) = (quartile(0.25) - reach, quartile(0.75) + reach);
        kept.extend(sorted.as_slice().iter().copied().filter(|value| (low..=high).contains(value)));
    }
    let finite = || kept.iter().copied().filter(|value| value.is_finite());
    let (low, high) = (finite().fold(0.0, f64::min), finite().fold(0.0, f64::max));
    // Differences of nothing but zeros still need a scale.
    if high - low < 1e-9 { (-0.01, 0.01) } else { (low, high) }
}

#[cfg(test)]
mod tests {
    use super::left_out;

    #[test]
    fn what_is_not_drawn_is_said() {
        assert_eq!(left_out(24, 30), " 24 of 30 compared cells are drawn; the tables have all.");
        assert_eq!(left_out(3, 3), "");
    }
}
